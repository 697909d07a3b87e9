"""Suites for model sets that there are: the bundled one, and a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.executors.local import InProcess
from conformance.generate.entry import SuiteSpec
from conformance.generate.models import SyntheticModels
from conformance.generate.run import chosen, generate_suite
from conformance.suite.records import open_pictures
from conformance.verify.run import Options, verify_pictures

LITE = (
    "smallest", "rvs-1", "lef-0", "efe-curve-one-444", "bound-sop", "searched-sop", "searched-hyper-psi",
    "block-means-both-0", "map-noise-floor", "twice-ton", "few-bytes-16-01", "memory-picture",
)  # fmt: skip
FOLDER = ("smallest", "operating-point-hop", "icci-bop-0", "searched-context-1-mu", "tool-header-ends-0")


def verified(folder: Path, models: str, only: tuple[str, ...]) -> None:
    spec = SuiteSpec(seed=2, profile=2, models=models)
    names = {item.name for item in chosen(spec)}
    assert set(only) <= names and not any(name.startswith(("gain-table", "scale-sums")) for name in names)
    summary = generate_suite(folder, spec, InProcess(), only=only)
    assert summary.made == len(only) and not (folder / "models").exists()
    suite = open_pictures(folder)
    outcomes = verify_pictures(suite, Options(engines=("jit",), asked=True, jobs=0, models=_folder(models)))
    assert [(o.name, o.detail) for o in outcomes if o.status != "pass"] == []


def _folder(models: str) -> Path | None:
    return None if models == "lite" else Path(models)


@pytest.mark.slow
def test_streams_for_the_bundled_models(tmp_path: Path) -> None:
    """Recipes that look into a synthetic network do something else here, and what needs one is left out."""
    verified(tmp_path / "suite", "lite", LITE)
    names = {item.name for item in chosen(SuiteSpec(seed=2, profile=2, models="lite"))}
    assert "operating-point-bop" not in names and "icci-bop-0" not in names


@pytest.mark.slow
def test_streams_for_a_folder_of_models(tmp_path: Path) -> None:
    SyntheticModels(9).save(tmp_path / "models")
    verified(tmp_path / "suite", str(tmp_path / "models"), FOLDER)
