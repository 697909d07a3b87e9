"""Small float networks with the structures of codec decoders, and inputs that look like latents."""

from __future__ import annotations

import numpy as np

from conformance.quantize import FloatGraph


def weights(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))


def latents(rng: np.random.Generator, channels: int, h: int, w: int, mixing: np.ndarray) -> np.ndarray:
    """Correlated, heavy-tailed channels of very different strength."""
    raw = rng.laplace(size=(channels, h, w))
    strength = 2.0 ** -np.linspace(0, 4, channels)
    return np.einsum("ij,jyx->iyx", mixing, raw * strength[:, None, None]).astype(np.float32)


def leaky_gates(seed: int = 0, channels: int = 16) -> FloatGraph:
    """Residual block, two transposed convolutions with gates x * conv(leaky(x)), last 1x1."""
    rng = np.random.default_rng(seed)
    g = FloatGraph("synthesis")
    x = g.input("y", channels)
    c = channels
    r = g.relu("relu", g.conv("conv0", x, weights(rng, c, c, 3, 3), 0.1 * rng.standard_normal(c)))
    x = g.add("sum", x, r)
    for i in (1, 2):
        x = g.transposed_conv(f"up{i}", x, weights(rng, c, c, 4, 4) * 2, 0.1 * rng.standard_normal(c))
        a = g.leaky(f"act{i}", x, 0.01)
        x = g.mul(f"gate{i}", x, g.conv(f"m{i}", a, 0.3 * weights(rng, c, c, 1, 1), np.ones(c)))
    g.output(g.conv("out", x, 0.2 * weights(rng, 4, c, 1, 1)))
    return g


def relu6_gates(seed: int = 0) -> FloatGraph:
    """Concatenation, padded 2x2 with pixel shuffle, grouped gate on ReLU6, crop, slice, leaky, 3x3 up."""
    rng = np.random.default_rng(seed)
    g = FloatGraph("secondary")
    both = g.concat("both", g.input("a", 8), g.input("b", 4))
    x = g.pixel_shuffle(
        "shuffle", g.conv("up.conv", both, weights(rng, 32, 12, 2, 2) * 3, pad=(0, 0, 1, 1)), 2
    )
    x = g.crop("cut", x, 8)
    a = g.relu6("relu6", x)
    m = g.conv("g1", a, weights(rng, 8, 4, 3, 3), groups=2)
    m = g.conv("g2", m, weights(rng, 8, 8, 1, 1) * 0.5, np.ones(8))
    x = g.mul("gate", x, m)
    half = g.slice("half", x, 2, 6)
    x = g.transposed_conv("up2", half, weights(rng, 4, 4, 3, 3) * 2, rng.standard_normal(4) * 0.1, leaky=0.01)
    g.output(g.crop("signal", g.abs("magnitude", g.conv("last", x, weights(rng, 4, 4, 3, 3))), 4))
    return g


def attention(seed: int = 0) -> FloatGraph:
    """One transformer block: norms, channel attention, ELU gate, and a sigmoid mask."""
    rng = np.random.default_rng(seed)
    g = FloatGraph("transformer")
    x = g.conv("in", g.input("y", 8), weights(rng, 8, 8, 3, 3) * 2, rng.standard_normal(8))
    n = g.layer_norm("norm1", x, 1 + 0.2 * rng.standard_normal(8), 0.2 * rng.standard_normal(8))
    qkv = g.conv(
        "qkv.depth", g.conv("qkv", n, weights(rng, 24, 8, 1, 1)), weights(rng, 24, 1, 3, 3), groups=24
    )
    a = g.channel_attention("attention", qkv, np.array([1.0, 2.5]))
    x = g.add("sum1", x, g.conv("project", a, weights(rng, 8, 8, 1, 1)))
    n = g.layer_norm("norm2", x, 1 + 0.2 * rng.standard_normal(8), 0.2 * rng.standard_normal(8))
    u = g.conv("wide", n, weights(rng, 32, 8, 1, 1))
    u = g.mul("gated", g.lut("elu", g.slice("u1", u, 0, 16), "elu"), g.slice("u2", u, 16, 32))
    x = g.add("sum2", x, g.conv("narrow", u, weights(rng, 8, 16, 1, 1)))
    mask = g.lut("sigmoid", g.conv("mask", x, weights(rng, 8, 8, 1, 1)), "sigmoid")
    g.output(g.mul("out", x, mask))
    return g
