"""The hyper scale decoder as an integer graph, against self-test values and the reference software."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from refdec.errors import ModelError
from refdec.integer import Graph, OverflowProofError, golden, hyper_scale_decoder_graph, prove
from refdec.integer.hyper_scale import ScaleLayer
from tests.shared_vectors import REFERENCE, requires_shared

LAYERS = ("conv1", "depthwise", "pointwise")
DEFINED = (
    "hsd_01_Y",
    "hsd_02_UV",
    "hsd_03_Y_smallw",
    "hsd_04_UV_saturating",
    "hsd_05_Y_maxweights_zmax",
    "hsd_06_UV_shift0",
    "hsd_10_Y_bigbias_negative",
)
OVERFLOWING = ("hsd_11_UV_int32overflow_cpu", "hsd_11b_UV_int32overflow_float64pipe")


def synthetic_layers(channels: int) -> list[ScaleLayer]:
    """Tensors from a formula of their name, so that anyone can make them."""

    def raw(name: str, shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
        index = np.arange(np.prod(shape), dtype=np.int64)
        return ((index * 40503 + zlib.crc32(name.encode())) % 65536).reshape(shape)

    layers = []
    for name, outputs, kernel in zip(LAYERS, (channels, channels, 16 * channels), (1, 3, 1), strict=True):
        weight = raw(f"{name}.weight", (outputs, channels, kernel, kernel)) // 256 - 128
        bias = raw(f"{name}.bias", (outputs,)) - 32768
        shift = (np.arange(outputs) % 5 + 8).astype(np.int8).reshape(1, outputs, 1, 1)
        layers.append(ScaleLayer(weight.astype(np.int8), bias.astype(np.int32), shift))
    return layers


@pytest.mark.parametrize(
    ("channels", "total", "greatest", "first", "last"),
    [(160, 413046, 586, 38, 46), (96, 175066, 413, 173, 62)],
)
def test_self_test_values(channels: int, total: int, greatest: int, first: int, last: int) -> None:
    graph = hyper_scale_decoder_graph(*synthetic_layers(channels))
    k, y, x = np.mgrid[0:channels, 0:2, 0:2]
    z = ((7 * k + 5 * y + 3 * x) % 63 - 31).astype(np.int16)
    out = golden.run(graph, {"z_hat": z}, (75, 101))["log_sigma"]
    assert out.shape == (channels, 5, 7)
    assert (int(out.sum()), int(out.max()), out[0, 0, 0], out[-1, -1, -1]) == (total, greatest, first, last)


def reference_graph(name: str) -> tuple[Graph, Any]:
    data = np.load(REFERENCE / "hsd" / f"{name}.npz")
    layers = [
        ScaleLayer(data[f"{layer}__weight"], data[f"{layer}__bias"], data[f"{layer}__per_channel_shifts"])
        for layer in LAYERS
    ]
    return hyper_scale_decoder_graph(*layers), data


@requires_shared
@pytest.mark.parametrize("name", DEFINED)
def test_reference_vectors(name: str) -> None:
    graph, data = reference_graph(name)
    assert bool(data["matches_exact_int64_arithmetic"])
    # The graph takes luma sizes; any luma plane whose half is the chroma plane does.
    size = tuple(int(data[k]) << int(data["skip_depth_step"]) for k in ("h", "w"))
    seen: dict[str, npt.NDArray[Any]] = {}
    out = golden.run(graph, {"z_hat": data["z"][0].astype(np.int16)}, size, observe=seen.__setitem__)
    assert np.array_equal(out["log_sigma"], data["log_sigma"][0])
    assert np.array_equal(seen["conv1"], np.clip(data["conv1_out"][0], 0, 127))
    assert np.array_equal(seen["depthwise"], np.clip(data["depthwise_out"][0], 0, 127))
    assert np.array_equal(seen["pointwise"], np.clip(data["pointwise_out"][0], -3967, 3967))


@requires_shared
@pytest.mark.parametrize("name", OVERFLOWING)
def test_weights_that_can_overflow_are_refused(name: str) -> None:
    graph, _ = reference_graph(name)
    with pytest.raises(OverflowProofError, match="channel") as caught:
        prove(graph)
    assert caught.value.bound > 2**31 - 1


def test_malformed_layers() -> None:
    layers = synthetic_layers(16)
    good = layers[0]
    for bad in (
        ScaleLayer(good.weight.astype(np.int16), good.bias, good.shift),
        ScaleLayer(good.weight, good.bias.astype(np.int64), good.shift),
        ScaleLayer(good.weight, good.bias[:-1], good.shift),
        ScaleLayer(good.weight, good.bias, good.shift - 20),
        ScaleLayer(good.weight, good.bias, good.shift + 30),
        ScaleLayer(good.weight, good.bias, good.shift.astype(np.float32)),
        ScaleLayer(good.weight[:, :, 0], good.bias, good.shift),
        ScaleLayer(good.weight[:-1], good.bias[:-1], good.shift[:, :-1]),
    ):
        with pytest.raises(ModelError):
            hyper_scale_decoder_graph(bad, *layers[1:])
