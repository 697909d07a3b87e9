"""The float executor against PyTorch written out by hand, and graphs that are refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from conformance.quantize import ChannelStatistics, FloatGraph, FloatGraphError, collect
from tests.quantize.networks import attention, leaky_gates, relu6_gates


def test_leaky_gates_are_what_they_say() -> None:
    g = leaky_gates()
    x = np.random.default_rng(1).standard_normal((16, 5, 7))
    t = {n.name: {k: torch.from_numpy(v) for k, v in n.tensors.items()} for n in g.nodes}
    y = torch.from_numpy(x)[None]
    y = y + F.relu(F.conv2d(y, t["conv0"]["weight"], t["conv0"]["bias"], padding=1))
    for i in (1, 2):
        y = F.conv_transpose2d(y, t[f"up{i}"]["weight"], t[f"up{i}"]["bias"], stride=2, padding=1)
        y = y * F.conv2d(F.leaky_relu(y, 0.01), t[f"m{i}"]["weight"], t[f"m{i}"]["bias"])
    wanted = F.conv2d(y, t["out"]["weight"])[0].numpy()
    found = g.run({"y": x}, dtype=torch.float64)["out"]
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)


def test_shapes_with_crop_and_shuffle() -> None:
    rng = np.random.default_rng(2)
    seen: dict[str, tuple[int, ...]] = {}
    inputs = {"a": rng.standard_normal((8, 3, 4)), "b": rng.standard_normal((4, 3, 4))}
    out = relu6_gates().run(inputs, (41, 57), observe=lambda name, v: seen.setdefault(name, v.shape))
    assert seen["shuffle"] == (8, 6, 8) and seen["cut"] == (8, 6, 8) and seen["up2"] == (4, 12, 16)
    assert out["signal"].shape == (4, 11, 15)
    with pytest.raises(FloatGraphError, match="crop needs the size"):
        relu6_gates().run(inputs)


def test_attention_normalises_over_positions() -> None:
    rng = np.random.default_rng(3)
    qkv = rng.standard_normal((12, 4, 5))
    g = FloatGraph()
    g.output(g.channel_attention("a", g.input("qkv", 12), np.array([1.5, 0.5])))
    q, k, v = qkv.reshape(3, 2, 2, 20)
    scores = np.einsum("hin,hjn->hij", q / np.linalg.norm(q, axis=2, keepdims=True), k)
    scores = scores / np.linalg.norm(k, axis=2)[:, None] * np.array([1.5, 0.5])[:, None, None]
    soft = np.exp(scores) / np.exp(scores).sum(2, keepdims=True)
    found = g.run({"qkv": qkv}, dtype=torch.float64)["a"]
    np.testing.assert_allclose(found, (soft @ v).reshape(4, 4, 5), rtol=1e-10)


@pytest.mark.parametrize(
    "build",
    [
        lambda g: g.conv("c", "x", np.zeros((4, 3, 1, 1))),
        lambda g: g.transposed_conv("t", "x", np.zeros((4, 4, 2, 2))),
        lambda g: g.pixel_shuffle("p", "x", 3),
        lambda g: g.slice("s", "x", 2, 9),
        lambda g: g.lut("l", "x", "tanh"),
        lambda g: g.add("a", "x", "nothing"),
        lambda g: g.relu("x", "x"),
        lambda g: g.node("n", "gelu", ["x"], 4),
        lambda g: g.output("nothing"),
    ],
)
def test_graphs_that_make_no_sense(build) -> None:  # type: ignore[no-untyped-def]
    g = FloatGraph()
    g.input("x", 4)
    with pytest.raises(FloatGraphError):
        build(g)


def test_wrong_inputs_are_refused() -> None:
    with pytest.raises(FloatGraphError, match="input y"):
        attention().run({"y": np.zeros((9, 4, 4))})


def test_statistics_are_those_of_all_samples_together() -> None:
    rng = np.random.default_rng(4)
    parts = [rng.standard_normal((3, 20, 5 + i)).astype(np.float32) for i in range(4)]
    g = FloatGraph()
    g.output(g.relu("r", g.input("x", 3)))
    seen = collect(g, [({"x": p}, None) for p in parts])["x"]
    flat = np.concatenate([p.reshape(3, -1) for p in parts], 1)
    ordered = np.sort(flat, axis=1)
    assert seen.count == flat.shape[1]
    np.testing.assert_array_equal(seen.highest, ordered[:, ::-1][:, :128])
    np.testing.assert_array_equal(seen.lowest, ordered[:, :128])
    np.testing.assert_allclose(seen.mean, flat.mean(1), atol=1e-6)
    np.testing.assert_allclose(seen.variance, flat.var(1), rtol=1e-5)
    lo, hi = seen.range(0.01)
    skip = int(0.01 * flat.shape[1])
    np.testing.assert_array_equal(hi, ordered[:, -1 - skip])
    np.testing.assert_array_equal(lo, ordered[:, skip])
    assert ChannelStatistics.of(parts[0]).count == 100
