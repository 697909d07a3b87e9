"""A small suite of pictures, made of seeded models and symbols: no torch, no training, all in integers."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from conformance.suite.recipes import Damage, Recipe
from conformance.suite.records import PictureSuite, open_pictures
from conformance.suite.write import damage_entry, picture_entry, write_index
from conformance.verify.build import build_stream
from conformance.verify.cases import Case, Part
from conformance.verify.suite import bundled_suite
from refdec import entropy
from refdec.integer import save_model
from refdec.models_io import ModelSet, file_name, open_models
from tests.decode.small_models import POINTS, model_set

MODEL_IDS = (0, 1)
QUIET = Part(beta=-400)
CASES = (
    (Case("first", "One hyper-latent.", (64, 64)), {}, "must-decode"),
    (
        Case(
            "odd",
            "Odd sizes, threads, the region-wise tools.",
            (65, 79),
            model=1,
            threads_z=2,
            parts=(Part(threads=4, rvs=True, lsbs=True), Part(threads=2)),
        ),
        {},
        "must-decode",
    ),
    (Case("map", "A quality map.", (96, 64), parts=(QUIET, QUIET), quality="even"), {}, "must-decode"),
    (Case("draft", "The draft dialect.", (64, 64), dialect="dis"), {"dialect": "dis"}, "may-reject"),
)
DAMAGES = (
    Damage("bad-cut", "The file ends in the luma residual.", "first", "cut-residual"),
    Damage("bad-byte", "Another byte in the luma residual.", "first", "byte-sorp"),
    Damage("bad-start", "No start of codestream.", "first", "no-start"),
)


@pytest.fixture(scope="session")
def models_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models of two rate points as files."""
    root = tmp_path_factory.mktemp("models")
    made = model_set(bundled_suite().manifest["models"]["seed"])
    for (model_id, kind, component), model in made.loaded.items():
        if model_id in MODEL_IDS and kind != POINTS[1]:
            target = root / file_name(model_id, kind, component)
            target.parent.mkdir(exist_ok=True)
            save_model(target, model)
    return root


@pytest.fixture(scope="session")
def models(models_folder: Path) -> ModelSet:
    return open_models(models_folder)


@pytest.fixture(scope="session")
def suite_folder(models: ModelSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small suite; whoever changes it takes a copy."""
    folder = tmp_path_factory.mktemp("suite")
    for part in ("streams", "traces"):
        (folder / part).mkdir()
    entries: list[dict[str, Any]] = []
    recipes, built = {}, {}
    engine = entropy.engine("golden")
    for number, (case, tools, group) in enumerate(CASES):
        data = build_stream(case, 900 + number, models, engine)
        recipes[case.name] = Recipe(case.name, case.purpose, "symbols", case.model, tools=tools, group=group)
        built[case.name] = data
        entries.append(picture_entry(folder, recipes[case.name], data, models))
    for damage in DAMAGES:
        entries.append(damage_entry(folder, damage, recipes[damage.base], built[damage.base], models))
    write_index(folder, "small", "For tests.", entries)
    return folder


@pytest.fixture(scope="session")
def suite(suite_folder: Path) -> PictureSuite:
    return open_pictures(suite_folder)


@pytest.fixture
def copied(suite_folder: Path, tmp_path: Path) -> Path:
    """The suite's folder, to be tampered with."""
    return Path(shutil.copytree(suite_folder, tmp_path / "copied"))
