"""Whole decodes of streams with post-filters: engines, traces, memory, and what is refused."""

from __future__ import annotations

import tracemalloc
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from conformance.verify.suite import Suite
from refdec.codestream import parse
from refdec.decoder import decode
from refdec.errors import ResourceLimitError, UnsupportedFeatureError
from refdec.filters import filter_memory, stage
from refdec.limits import DEFAULT_LIMITS
from refdec.memory import picture_memory
from refdec.models_io import ModelSet
from refdec.settings import Settings
from refdec.synthesis_stage import synthesis_models
from tests.decode.conftest import Changed
from tests.decode.test_decode import Recorder, sums

LEF: dict[str, Any] = {"LEF_enabled_flag": 1, "LEF_chIdx": 17}
STREAMS = {
    "plain": ("plain-64x64", {}),
    "odd, cropped": ("odd-65x79", {"diff_display_img_width": 5, "diff_display_img_height": 2}),
    "regions": ("regions-dependent", {}),
    "4:2:0, 10 bits": (
        "odd-65x79",
        {
            "s_ver_minus1": 1,
            "s_hor_minus1": 1,
            "c_ver_minus1": 1,
            "c_hor_minus1": 1,
            "colour_transform_idx": 0,
            "bit_depth_idc": 1,
        },
    ),
    "coded 4:2:2": ("odd-65x79", {"c_hor_minus1": 1}),
}


@pytest.mark.parametrize("case", STREAMS)
def test_lef_in_a_decode(models: ModelSet, changed: Changed, case: str) -> None:
    name, fields = STREAMS[case]
    data = changed(name, tools=LEF, **fields)
    traces = []
    for engine, threads in (("golden", 1), ("jit", 1), ("jit", 3)):
        recorder = Recorder()
        picture = decode(data, models, engine=engine, threads=threads, observer=recorder)
        traces.append((recorder.digests(), sums(picture)))
    assert traces[0] == traces[1] == traces[2]
    assert sums(decode(data, models, threads=2)) == traces[0][1]
    tensors = recorder.tensors
    assert [k for k in tensors if k.startswith("filter")] == [
        f"filter.{point}.{plane}" for point in ("input", "lef") for plane in "YUV"
    ]
    before, after = tensors["filter.input.Y"], tensors["filter.lef.Y"]
    steering = tensors["log_sigma.Y"][17]
    changes = before != after
    assert before.shape == after.shape and changes.any()
    assert not (changes[0].any() or changes[-1].any() or changes[:, 0].any() or changes[:, -1].any())
    # 16 by 16 samples to a sample of the latent, unless the display is cropped
    if case == "plain":
        strong = np.kron(steering >= 600, np.ones((16, 16), bool))
        assert strong.any() and not strong.all()
        assert changes[strong].any() and not changes[~strong].any()
    for plane in "UV":
        np.testing.assert_array_equal(tensors[f"filter.input.{plane}"], tensors[f"filter.lef.{plane}"])


def test_filters_can_be_left_out(suite: Suite, models: ModelSet, changed: Changed) -> None:
    data = changed("plain-64x64", tools=LEF)
    with pytest.warns(UserWarning, match="LEF"):
        found = decode(data, models, ignore_post_filters=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sums(found) == sums(decode(suite.streams["plain-64x64.jai"], models))
        assert sums(found) != sums(decode(data, models))


def test_a_filter_that_is_missing_is_refused(
    models: ModelSet, changed: Changed, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = changed("plain-64x64", tools=LEF)
    monkeypatch.setattr(stage, "FILTERS", tuple(replace(item, apply=None) for item in stage.FILTERS))

    def never(*_: object) -> None:
        raise AssertionError("something was decoded")

    with pytest.raises(UnsupportedFeatureError, match="LEF") as caught:
        decode(data, models, observer=never)
    assert caught.value.exit_code == 4 and caught.value.element == "TON"


@pytest.mark.parametrize("engine", ["jit", "golden"])
def test_memory_stays_below_the_estimate(models: ModelSet, changed: Changed, engine: str) -> None:
    data = changed("regions-dependent" if engine == "jit" else "plain-64x64", tools=LEF)
    parsed = parse(data)
    settings = Settings(engine=engine)
    filters = filter_memory(parsed.picture, parsed.tools, models, settings)
    assert filters is not None and filters > 0
    transforms = synthesis_models(parsed.picture, models, settings)
    estimate = picture_memory(parsed.picture, transforms, settings, filters=filters)
    decode(data, models, engine=engine)
    tracemalloc.start()
    try:
        decode(data, models, engine=engine)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= estimate + (4 << 20)


def test_a_filter_counts_against_the_limit(models: ModelSet, changed: Changed) -> None:
    """Where the picture's own stage is the largest, as with tiles, the filters' planes decide."""
    data = changed("plain-64x64", tools=LEF)
    parsed = parse(data)
    transforms = synthesis_models(parsed.picture, models, Settings())
    huge = picture_memory(parsed.picture, transforms, Settings(), filters=1 << 40)
    assert huge > 1 << 40
    limits = replace(DEFAULT_LIMITS, max_memory_bytes=1 << 20)
    with pytest.raises(ResourceLimitError):
        decode(data, models, limits=limits)
