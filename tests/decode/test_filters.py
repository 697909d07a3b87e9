"""Whole decodes of streams with post-filters: engines, traces, memory, and what is refused."""

from __future__ import annotations

import random
import tracemalloc
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from conformance.verify.suite import Suite
from conformance.verify.synthetic_eicci import add_eicci
from refdec.codestream import parse
from refdec.codestream.headers import EfeNonlinear, Icci, IcciTile
from refdec.decoder import decode
from refdec.errors import BitstreamError, ModelError, ResourceLimitError
from refdec.filters import filter_memory
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


def icci_tools(*entries: IcciTile, tiling: tuple[int, int] | None = None) -> dict[str, Any]:
    size, overlap = tiling or (0, 0)
    return {
        "icci_enable_flag": 1,
        "icci": Icci(entries, int(tiling is not None), size // 16, overlap // 16),
    }


ICCI_STREAMS = {
    "short list": ("plain-64x64", {}, icci_tools(IcciTile((1, 1, 0), 1, 1, 0))),
    "long list, odd": ("odd-65x79", {}, icci_tools(IcciTile((1, 0, 1), 0, 9, 4))),
    "tiles, cropped": (
        "regions-dependent",
        {"diff_display_img_width": 21, "diff_display_img_height": 6},
        icci_tools(*(IcciTile((1, k % 2, 1), 0, k, 9 - k) for k in range(2)), tiling=(208, 48)),
    ),
    "4:2:2": (
        "odd-65x79",
        {"s_hor_minus1": 1, "c_hor_minus1": 1, "colour_transform_idx": 0, "bit_depth_idc": 1},
        icci_tools(IcciTile((0, 1, 1), 0, 0, 5)),
    ),
    "all other filters": (
        "plain-64x64",
        {},
        {
            **icci_tools(IcciTile((1, 1, 1), 0, 2, 8)),
            **LEF,
            "EFE_nonlinear_filter_enabled_flag": 1,
            "efe_nonlinear": EfeNonlinear(),
        },
    ),
}


@pytest.mark.parametrize("case", ICCI_STREAMS)
def test_eicci_in_a_decode(models: ModelSet, changed: Changed, case: str) -> None:
    with_networks = add_eicci(ModelSet(None, models.loaded), 5)
    name, fields, tools = ICCI_STREAMS[case]
    data = changed(name, tools=tools, **fields)
    traces = []
    for engine, threads in (("golden", 1), ("jit", 1), ("jit", 3)):
        recorder = Recorder()
        picture = decode(data, with_networks, engine=engine, threads=threads, observer=recorder)
        traces.append((recorder.digests(), sums(picture)))
    assert traces[0] == traces[1] == traces[2]
    assert sums(decode(data, with_networks, threads=2)) == traces[0][1]
    tensors = recorder.tensors
    for on, plane in zip(tools["icci"].tiles[0].icci_use, "YUV", strict=True):
        changes = tensors[f"filter.input.{plane}"] != tensors[f"filter.eicci.{plane}"]
        assert changes.any() or not on
    order = [k.split(".")[1] for k in tensors if k.startswith("filter") and k.endswith(".Y")]
    expected = ["input", "eicci", "efe_nonlinear", "lef"] if "other" in case else ["input", "eicci"]
    assert order == expected


def test_a_missing_network_is_named_before_anything_is_decoded(models: ModelSet, changed: Changed) -> None:
    data = changed("plain-64x64", tools=icci_tools(IcciTile((1, 0, 0), 0, 6, 0)))

    def never(*_: object) -> None:
        raise AssertionError("something was decoded")

    with pytest.raises(ModelError, match="eicci_bop_6"):
        decode(data, models, observer=never)
    with pytest.warns(UserWarning, match="eICCI"):
        assert decode(data, models, ignore_post_filters=True).size == (64, 64)


def test_the_first_tiles_networks_for_all(models: ModelSet, changed: Changed) -> None:
    with_networks = add_eicci(ModelSet(None, models.loaded), 5)
    own, same = (
        changed(
            "regions-dependent",
            tools=icci_tools(*(IcciTile((1, 1, 1), 0, k, k) for k in indices), tiling=(208, 48)),
        )
        for indices in ((0, 1), (0, 0))
    )
    found = [
        sums(decode(data, with_networks, eicci_first_tile=first))
        for data, first in ((own, False), (own, True), (same, False))
    ]
    assert found[0] != found[1] == found[2]


@pytest.mark.parametrize("engine", ["jit", "golden"])
@pytest.mark.parametrize("kind", ["LEF", "eICCI"])
def test_memory_stays_below_the_estimate(models: ModelSet, changed: Changed, engine: str, kind: str) -> None:
    models = add_eicci(ModelSet(None, models.loaded), 5)
    tools = LEF if kind == "LEF" else icci_tools(IcciTile((1, 1, 1)))
    data = changed("regions-dependent" if engine == "jit" else "plain-64x64", tools=tools)
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


@pytest.mark.parametrize("case", ["tiles, cropped", "all other filters"])
def test_damaged_tool_headers(models: ModelSet, changed: Changed, case: str) -> None:
    """A picture that both engines agree on, or an error that names a place in the stream."""
    with_networks = add_eicci(ModelSet(None, models.loaded), 5)
    name, fields, tools = ICCI_STREAMS[case]
    whole = changed(name, tools=tools, **fields)
    header = next(s for s in parse(whole).substreams if s.marker.name == "TON")
    first, size = header.payload_offset, len(header.payload)
    pictures = 0
    for seed in range(12):
        source = random.Random(seed)
        data = bytearray(whole)
        for _ in range(source.choice((1, 1, 3))):
            data[first + source.randrange(size)] ^= 1 << source.randrange(8)
        found: list[Any] = []
        for engine in ("jit", "golden"):
            try:
                found.append(sums(decode(bytes(data), with_networks, engine=engine)))
            except BitstreamError as error:
                found.append((type(error), error.element, error.bit_offset))
                break
        assert len(found) == 1 or found[0] == found[1]
        pictures += len(found) == 2
    assert pictures > 0
