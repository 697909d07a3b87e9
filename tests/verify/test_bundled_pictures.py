"""The suite of pictures that comes with the package: what it covers, and that three voices agree on it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conformance.suite.pictures import GENERATED, source_picture
from conformance.suite.recipes import DAMAGES, RECIPES
from conformance.suite.records import PictureSuite, open_pictures
from conformance.verify.engines import ENGINES
from conformance.verify.run import Options, default_jobs, verify_pictures
from conformance.verify_command import bundled_folder
from refdec.codestream import parse
from refdec.decoder import decode_picture
from refdec.models_io import bundled_models
from refdec.settings import Settings
from tests.cli.commands import command


@pytest.fixture(scope="module")
def pictures() -> PictureSuite:
    return open_pictures(bundled_folder())


def test_recipes_cover_what_they_should() -> None:
    good = [recipe for recipe in RECIPES if recipe.group == "must-decode"]
    assert len(good) >= 24 and len({r.name for r in (*RECIPES, *DAMAGES)}) == len(RECIPES) + len(DAMAGES)
    assert {r.model for r in good} == {0, 1, 2, 3}
    lows, highs = (f([d for r in good for d in r.delta]) for f in (min, max))
    assert (lows, highs) == (-1069, 702)
    assert any(r.delta[0] != r.delta[1] for r in good)
    for key in ("threads_z", "threads_r"):
        assert {r.tools.get(key, 1) for r in good} == {1, 2, 4, 8, 16}
    assert {r.quality_map for r in good} == {"none", "stripes", "noise", "interest"}
    assert {r.tools.get("cube_flags") for r in good} >= {True, False}
    assert all(damage.base in {r.name for r in good} for damage in DAMAGES)


@pytest.mark.parametrize("name", sorted(set(GENERATED) - {"mosaic"}))
def test_made_up_pictures_are_what_they_say(name: str) -> None:
    picture = source_picture(name, None, (96, 130))
    assert picture.shape == (96, 130, 3) and picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, source_picture(name, None, (96, 130)))
    colours = len(np.unique(picture.reshape(-1, 3), axis=0))
    assert (colours == 1) == (name == "plain") and (name != "bars" or colours >= 8)


def test_the_suite_is_that_of_the_recipes(pictures: PictureSuite) -> None:
    assert {r.name for r in pictures.records} == {r.name for r in (*RECIPES, *DAMAGES)}
    features = {feature for record in pictures.records for feature in record.features}
    assert {
        *(f"model-{m}" for m in range(4)), *(f"threads-r-{n}" for n in (1, 2, 4, 8, 16)), "threads-q-16",
        "odd-size", "quality-map", "chroma-delta", "cube-flags", "rvs", "grfs", "lsbs", "regions",
        "independent-regions", "tiles", "coded-4:2:0", "photograph", "malformed",
    } <= features  # fmt: skip
    sizes = [r.picture.width * r.picture.height for r in pictures.records if r.picture is not None]
    assert min(sizes) == 64 * 64 and max(sizes) > 1_000_000
    files = [path for path in bundled_folder().rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 3_000_000
    assert len(files) == 1 + 2 * len(RECIPES) + len(DAMAGES)


def test_quality_maps_have_all_17_indices(pictures: PictureSuite) -> None:
    record = next(r for r in pictures.records if r.name == "quality-17")
    seen: list[set[int]] = []

    def observe(point: str, component: str, region: int | None, tensor: np.ndarray) -> None:
        if point == "quality_map":
            seen.append(set(np.unique(tensor).tolist()))

    decode_picture(parse(pictures.stream(record)), bundled_models(), Settings("jit"), observer=observe)
    assert seen == [set(range(-8, 9))] * 2


def test_nothing_of_the_machine_is_in_it() -> None:
    for path in bundled_folder().rglob("*.json*"):
        for line in path.read_text().splitlines():
            assert "/home" not in line and "/tmp" not in line and "/root" not in line
    index = json.loads((bundled_folder() / "suite.json").read_text())
    assert index["photographs"]


SMALL = frozenset({"odd-65x79", "scalings", "quality-noise", "regions-dependent", "bad-byte-z"})


def test_three_voices_agree_on_a_few_streams(pictures: PictureSuite) -> None:
    check(pictures, Options(engines=ENGINES, asked=True, jobs=0, only=SMALL))


@pytest.mark.slow
def test_three_voices_agree_on_every_stream(pictures: PictureSuite) -> None:
    check(pictures, Options(engines=ENGINES, asked=True, jobs=default_jobs(), timeout=3600))


def test_the_tool_that_shows_tampering() -> None:
    """A weight, a table entry, a byte, a rounding: each is seen by `verify`, and named by `compare`."""
    tool = Path(__file__).resolve().parents[2] / "tools/show_tampering.py"
    done = subprocess.run([sys.executable, tool], capture_output=True, text=True, timeout=120, check=True)
    lines = done.stdout.splitlines()
    assert [line.split(":")[1].strip() for line in lines if line.startswith("verify: ")] == [
        "mismatch", "mismatch", "error", "mismatch",
    ]  # fmt: skip
    points = [line.split()[3].rstrip(",") for line in lines if line.startswith("compare: first divergence")]
    assert points == ["mu.1", "residual_dequantised", "psi"]
    assert sum("exit code 3" in line for line in lines) == 1


def test_the_command_needs_no_torch(tmp_path: Path) -> None:
    """As `make verify` runs it, in an environment in which torch cannot be imported."""
    (tmp_path / "torch.py").write_text("raise ImportError('no torch here')\n")
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = command("conformance", "verify", "--only", "odd-65x79", "--only", "bad-marker", env=env)
    assert done.code == 0, done.out + done.err
    assert "2 vectors, 4 checks, all passed (4 pass)" in done.out and done.err == ""


def check(pictures: PictureSuite, options: Options) -> None:
    """Every verdict is a pass, for every tensor that the trace has."""
    outcomes = verify_pictures(pictures, replace(options, models=None))
    assert [o for o in outcomes if o.status != "pass"] == []
    for record in pictures.records:
        for outcome in outcomes:
            if outcome.name == record.name and record.trace is not None:
                assert outcome.detail == f"{len(pictures.trace(record).entries)} tensors"
