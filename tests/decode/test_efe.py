"""Whole decodes of streams with EFE linear and EFE non-linear."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from refdec.decoder import decode
from refdec.models_io import ModelSet
from tests.decode.conftest import Changed
from tests.decode.test_decode import Recorder, sums
from tests.filters import efe_cases as cases

STREAMS: dict[str, tuple[str, dict[str, int]]] = {
    "coded 4:2:0": ("plain-64x64", {"c_ver_minus1": 1, "c_hor_minus1": 1}),
    "odd, cropped, 4:2:2, 10 bits": (
        "odd-65x79",
        {
            "s_hor_minus1": 1,
            "c_hor_minus1": 1,
            "colour_transform_idx": 0,
            "bit_depth_idc": 1,
            "diff_display_img_width": 5,
            "diff_display_img_height": 2,
        },
    ),
}


@pytest.mark.parametrize("case", STREAMS)
def test_efe_in_a_decode(models: ModelSet, changed: Changed, stream: Any, case: str) -> None:
    name, fields = STREAMS[case]
    picture = replace(stream(name).picture, **fields)
    tools = cases.tools_of(
        picture,
        1,
        (32767 - 200, 400),
        split=(1, 2),
        masks=(1, 1),
        block=(16,),
        corrects=(1, 1),
        tile=(40, 64),
    )
    data = changed(name, tools={**vars(tools), "LEF_enabled_flag": 1, "LEF_chIdx": 3}, **fields)
    traces = []
    for engine, threads in (("golden", 1), ("jit", 3)):
        recorder = Recorder()
        found = decode(data, models, engine=engine, threads=threads, observer=recorder)
        traces.append((recorder.digests(), sums(found)))
    assert traces[0] == traces[1]
    tensors = recorder.tensors
    assert [k for k in tensors if k.startswith("filter")] == [
        *(f"filter.input.{plane}" for plane in "YUV"),
        *(f"filter.efe_linear.alternative.{plane}" for plane in "UV"),
        *(f"filter.{point}.{plane}" for point in ("efe_linear", "efe_nonlinear", "lef") for plane in "YUV"),
    ]
    for plane in "UV":
        states = [tensors[f"filter.{p}.{plane}"] for p in ("input", "efe_linear", "efe_nonlinear", "lef")]
        assert (states[0] != states[1]).any() and (states[1] != states[2]).any()
        np.testing.assert_array_equal(states[2], states[3])
