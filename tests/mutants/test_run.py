"""Suites against mutants: verdicts, processes that hang, tables and pages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conformance.mutants import fast, pages, replay, report, run
from conformance.mutants.cases import Case
from conformance.mutants.catalogue import CATALOGUE
from conformance.mutants.mutant import Edit, Mutant
from conformance.mutants.run import Options, Run, run_mutants
from conformance.mutants.sources import Sources, cases_of
from refdec.entropy.golden import scales

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "results"


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    """Two streams of the bundled suites."""
    found = cases_of(Sources(None, None, 1 << 13))[0]
    few = [case for case in found if case.pixels and case.rejection is None and case.last == "picture"][:1]
    few += [case for case in found if case.rejection is not None][:1]
    assert len(few) == 2
    return few


def mutant(name: str, old: str, new: str, equivalent: str = "") -> Mutant:
    """A mutant of the golden scales."""
    edits = (Edit(scales.__name__, old, new),)
    return Mutant(name, "scales", "Wrong.", ("x",), edits, (), ("entropy", "latent"), equivalent)


LEVELS = "rounded = (np.asarray(scale_log).astype(np.int64) + 64) >> 7"
MADE_UP = (
    mutant("sleeps", LEVELS, LEVELS + "\n    while True:\n        pass\n"),
    mutant("dies", LEVELS, LEVELS + "\n    import os\n    os._exit(3)\n"),
    mutant("is-found", LEVELS, "rounded = (np.asarray(scale_log).astype(np.int64) + 640) >> 7"),
    mutant("is-the-same", LEVELS, LEVELS.replace("+ 64", "+ 60 + 4"), "It is the same."),
    mutant("is-not-the-same", LEVELS, LEVELS.replace("+ 64", "+ 640"), "Somebody is wrong."),
    mutant("is-never-asked", 'f"delta_beta must be in', 'f"delta_beta is not in'),
)


def test_verdicts(cases: list[Case], monkeypatch: pytest.MonkeyPatch) -> None:
    """In processes of their own, those of a hang by processor time included."""
    monkeypatch.setattr(run, "LEAST_SECONDS", 0.5)
    monkeypatch.setattr(run, "PATIENCE", 1)
    results = run_mutants(cases, MADE_UP, Options(jobs=2, tolerance_streams=1))
    found = {r.mutant.name: (r.verdict, r.finding and r.finding.kind) for r in results}
    assert found == {
        "sleeps": ("killed", "hang"),
        "dies": ("killed", "crash"),
        "is-found": ("killed", "refused"),
        "is-the-same": ("equivalent", None),
        "is-not-the-same": ("contradicted", "refused"),
        "is-never-asked": ("survived", None),
    }
    made = report.facts(Run(tuple(results), tuple(cases), 0, 1.0, 2))
    assert json.loads(json.dumps(made)) == made
    assert made["counts"]["score_percent"] == 75
    text = "\n".join(report.tables(made))
    assert "Not so:" in text and "| is-never-asked | scales | Wrong. |" in text
    pages_of_it(made)


def test_pictures_of_the_fast_engine_are_compared_without_a_look_at_layers(cases: list[Case]) -> None:
    with run.z_tables_kept():
        replay.prepare(cases[0])
    quick = fast.on_fast_engine(cases[0])
    assert quick.picture is not None and replay.examine_unwatched(quick) is None
    wrong = replace(quick, picture=tuple(plane ^ 1 for plane in quick.picture))
    found = replay.examine_unwatched(wrong)
    assert found is not None and (found.kind, found.place) == ("value", "picture (layers fused)")
    assert fast.examine_both(wrong, "codestream", "picture") == found
    assert replay.examine_unwatched(replace(quick, picture=None)) is None


def test_every_stream_is_announced_even_if_it_is_passed_over(cases: list[Case]) -> None:
    """A look at hundreds of streams takes longer than one of them may: silence would count as a hang."""
    heard: list[Any] = []
    with run.z_tables_kept() as kept:
        for case in cases:
            run.prepare(case)
        mutant = next(m for m in CATALOGUE if m.name == "likely-truncated")
        result = run._Task(tuple(cases), 0, kept).judge(mutant, heard.append)
    assert result.verdict == "equivalent"
    assert [name for name, *_ in heard] == [case.name for case in cases]


def pages_of_it(made: dict[str, Any]) -> None:
    """Pages say what the results say."""
    suite = {"groups": {"must-decode": [2, 300]}, "bytes": 1_000_000}
    text = pages.bundled_page({"somewhere": suite}, made, [("verify", "3", 2)])
    assert "75.0 % of the mutants" in text and "| must-decode | 2 | 300 |" in text
    fewer = {**made, "mutants": made["mutants"][:4]}
    text = pages.photographs_page("Two photographs.", {"generated": made, "photographs": fewer}, suite)
    assert "| photographs | 2 | 3 | 3 | 0 | 100.0 % | 3 | 3 |" in text
    coverage = {
        "groups": {
            "statements": {
                "title": "Statements",
                "covered": 1,
                "missing": ["AR-X-1"],
                "unreachable": {"AR-X-2": "so"},
            }
        },
        "streams": [{"name": "a", "problem": "ends"}],
    }
    generated = {"suite_sha256": "ab", "same": "1 and 2", "streams": {"must-decode": 2}, "bytes": 2_000_000}
    text = pages.base_page(generated, suite, coverage, made, [("generate", "3", 2)])
    assert "| Statements | 1 | 2 | 50.0 % | 1 | 1 |" in text and "AR-X-1" in text and "| a | ends |" in text


@pytest.mark.parametrize("name", ["base", "bundled", "photographs"])
def test_pages_have_every_area_of_the_catalogue(name: str) -> None:
    """A page that lacks one was made before the catalogue had it: run tools/suite_results.py again."""
    path = RESULTS / f"{name}.md"
    if not path.exists():
        pytest.skip("not measured yet")
    text = path.read_text(encoding="utf-8")
    missing = [area for area in dict.fromkeys(m.area for m in CATALOGUE) if f"\n| {area} | " not in text]
    assert not missing, f"tools/suite_results.py has not been run since {', '.join(missing)} came"


class TestEquivalent:
    """What is called equivalent, as far as one value after the other shows it."""

    @pytest.fixture
    def numbers(self) -> Iterator[np.ndarray]:
        """All scales that a decoder can meet."""
        yield np.arange(-(1 << 15), 1 << 15)

    def test_levels(self, numbers: np.ndarray) -> None:
        right = scales.levels(numbers)
        for name in ("level-truncated",):
            with run.patch.applied(next(m for m in CATALOGUE if m.name == name)):
                assert np.array_equal(scales.levels(numbers), right), name

    def test_means(self, numbers: np.ndarray) -> None:
        """Blocks of one value but one, so that every remainder of a sum is there."""
        blocks = np.repeat(numbers[::64], 64).reshape(-1, 8, 8)
        blocks[:, 0, 0] += np.arange(len(blocks)) % 64
        right = scales.likely_map(blocks)
        for name in ("likely-truncated",):
            with run.patch.applied(next(m for m in CATALOGUE if m.name == name)):
                assert np.array_equal(scales.likely_map(blocks), right), name
