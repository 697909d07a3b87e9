"""The benchmark measures what it says: a plausible picture, everyone in turns, results kept."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from refdec.entropy import engine
from tools.bench.entropy import PIXELS, everything, make_residual
from tools.bench.timing import interleave

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def driver() -> ModuleType:
    # The folder of the same name would be found first by an import statement.
    spec = importlib.util.spec_from_file_location("bench_driver", ROOT / "tools" / "bench.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_picture_has_the_rate_and_the_mask_of_one() -> None:
    residual = make_residual(1)
    assert residual.mask.size == 245_760
    assert 0.3 < residual.coded / residual.mask.size < 0.5
    data, _ = engine("jit").encode_residual(residual.values, residual.levels, residual.mask, 1)
    assert 0.5 < 8 * len(data) / PIXELS < 1
    assert len(np.unique(residual.levels[residual.mask])) > 25
    channels = residual.mask.reshape(160, -1).mean(axis=1)
    assert (channels == 0).sum() > 20 and (channels > 0.95).sum() > 20
    again = make_residual(1)
    assert np.array_equal(again.values, residual.values)
    assert everything(residual).mask.all()


def test_interleave_takes_turns() -> None:
    calls: list[str] = []
    timings = interleave({name: lambda name=name: calls.append(name) for name in "abc"}, 4)
    assert "".join(calls) == "abc" + "abc" + "bca" + "cab" + "abc"
    assert all(len(t.samples) == 4 and t.best <= t.median for t in timings.values())


def test_sections_are_merged(driver: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"entropy", "start"} <= set(driver.sections()) and "timing" not in driver.sections()
    output = tmp_path / "deep" / "bench.json"
    measured = {"entropy": {"entropy.a": 1.0}, "start": {"start.b": 2, "decode.c": 3}}
    monkeypatch.setattr(
        driver, "section", lambda name: SimpleNamespace(__doc__=name, run=lambda rounds: measured[name])
    )
    driver.main(["--section", "entropy", "--section", "start", "--output", str(output)])
    assert json.loads(output.read_text()) == {"entropy.a": 1.0, "start.b": 2.0, "decode.c": 3.0}
    measured["entropy"] = {"entropy.d": 4.0}
    driver.main(["--section", "entropy", "--output", str(output)])
    assert json.loads(output.read_text()) == {"entropy.d": 4.0, "start.b": 2.0, "decode.c": 3.0}
    with pytest.raises(SystemExit):
        driver.main(["--section", "nothing"])
