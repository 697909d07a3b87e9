"""The reference software's vectors of the hyper scale decoder, every layer, both engines."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from refdec import integer
from refdec.entropy import ENGINES
from refdec.integer.hyper_scale import ScaleLayer, hyper_scale_decoder_graph
from tests.shared_vectors import REFERENCE, requires_shared

LAYERS = ("conv1", "depthwise", "pointwise")
OVERFLOWING = ("hsd_11_UV_int32overflow_cpu", "hsd_11b_UV_int32overflow_float64pipe")


def names() -> list[str]:
    """All vectors, in the manifest's order."""
    path = REFERENCE / "hsd/manifest.json"
    return json.loads(path.read_text()) if path.is_file() else []


def vector(name: str) -> dict[str, npt.NDArray[Any]]:
    with np.load(REFERENCE / "hsd" / f"{name}.npz") as archive:
        return {key: archive[key] for key in archive.files}


def graph(tensors: dict[str, npt.NDArray[Any]]) -> integer.Graph:
    layers = (
        ScaleLayer(*(tensors[f"{name}__{part}"] for part in ("weight", "bias", "per_channel_shifts")))
        for name in LAYERS
    )
    return hyper_scale_decoder_graph(*layers)


@requires_shared
def test_seven_vectors_are_defined() -> None:
    assert len([name for name in names() if name not in OVERFLOWING]) == 7


@requires_shared
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", [name for name in names() if name not in OVERFLOWING])
def test_vector(name: str, engine: str) -> None:
    tensors = vector(name)
    # The vectors give the size of the component; the picture's is twice that for chroma.
    scale = 1 << int(tensors["skip_depth_step"])
    size = (int(tensors["h"]) * scale, int(tensors["w"]) * scale)
    seen: dict[str, npt.NDArray[Any]] = {}
    inputs = {"z_hat": tensors["z"][0].astype(np.int16)}
    found = integer.run(
        graph(tensors), inputs, size, engine=engine, observe=lambda node, out: seen.update({node: out.copy()})
    )
    np.testing.assert_array_equal(found["log_sigma"], tensors["log_sigma"][0])
    for layer in ("conv1", "depthwise"):
        expected = np.clip(tensors[f"{layer}_out"][0], 0, 127)
        np.testing.assert_array_equal(seen[layer], expected)
    np.testing.assert_array_equal(seen["pointwise"], np.clip(tensors["pointwise_out"][0], -3967, 3967))


@requires_shared
@pytest.mark.parametrize("name", OVERFLOWING)
def test_weights_that_overflow_are_refused(name: str) -> None:
    with pytest.raises(integer.OverflowProofError):
        integer.prove(graph(vector(name)))
