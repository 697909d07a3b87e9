"""How far the integer definitions of the attention networks are from real arithmetic.

The figures asserted here are the ones that docs/arithmetic-networks.md states. Real arithmetic is
float64 here, some 30 bits finer than anything that is measured.
"""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from refdec.integer import Graph, GraphInput, Node, exp2, golden, prove
from refdec.integer.golden.attention import COSINE_BITS, cosines, softmax
from refdec.integer.golden.bounds import Watch
from refdec.integer.nodes import MAX_POSITIONS

LIMIT = 32767
UNWATCHED = Watch("test", None, None)


def norm_errors(channels: int, fraction: int, deviation: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Normalised values of random positions, and their errors in units of the last of 14 fraction bits."""
    rng = np.random.default_rng(seed)
    x = rng.normal(rng.normal(0, 3 * deviation, (1, 20, 20)), deviation, (channels, 20, 20))
    x = np.clip(np.rint(x * 2**fraction), -LIMIT, LIMIT).astype(np.int16)
    epsilon = max(1, round(channels**2 * 1e-5 * 4**fraction))
    tensors = {
        "weight": np.ones(channels, np.int16),
        "bias": np.zeros(channels, np.int32),
        "shift": np.zeros(channels, np.uint8),
    }
    node = Node("norm", "layer_norm", ("x",), {"epsilon": epsilon}, tensors, -LIMIT, LIMIT)
    graph = Graph((GraphInput("x", channels, -LIMIT, LIMIT),), (node,), ("norm",))
    seen: dict[str, np.ndarray] = {}
    golden.run(graph, {"x": x}, (1, 1), accumulators=seen.__setitem__)
    value = x.astype(np.float64)
    centred = value - value.mean(axis=0)
    scale = np.sqrt((centred**2).mean(axis=0) + epsilon / channels**2)
    return centred / scale, seen["norm"] - centred / scale * 2**14


@pytest.mark.parametrize(("channels", "fraction"), [(64, 8), (128, 6), (128, 10), (512, 4), (7, 11)])
@pytest.mark.parametrize("deviation", [0.01, 0.3, 2.0, 20.0])
def test_layer_norm_error(channels: int, fraction: int, deviation: float) -> None:
    exact, error = norm_errors(channels, fraction, deviation, channels + fraction)
    assert np.abs(error).max() > 0.3
    assert (np.abs(error) <= 0.5 + np.abs(exact) * 2.0 ** (14 - 23) + 1e-6).all()


def test_exponential_tables_are_correctly_rounded() -> None:
    with mpmath.workdps(40):
        for table, step in ((exp2.HIGH, 256), (exp2.LOW, 65536)):
            exact = [mpmath.mpf(2) ** (26 - mpmath.mpf(i) / step) for i in range(256)]
            assert all(abs(t - e) <= 0.5 for t, e in zip(table, exact, strict=True))


def test_exponential_error() -> None:
    """All 65,536 fractions: 2 units of 2^-26 at most."""
    d = np.arange(65536)
    found = np.array(exp2.HIGH, np.int64)[d >> 8] * np.array(exp2.LOW, np.int64)[d & 255] >> 26
    error = found - np.exp2(26 - d / 65536)
    assert error.min() >= -2.0 and error.max() <= 1.0


def rows(rng: np.random.Generator, width: int, positions: int, correlation: float) -> np.ndarray:
    common = rng.normal(size=(1, positions))
    mixed = correlation * common + (1 - correlation) * rng.normal(size=(width, positions))
    scale = 2.0 ** rng.uniform(3, 13, (width, 1))
    return np.clip(np.rint(mixed * scale), -LIMIT, LIMIT).astype(np.int64)


ROWS = [(32, 1, 0.0), (32, 64, 0.0), (32, 1000, 0.9), (16, 4096, 0.5), (32, 20000, 0.99)]


@pytest.mark.parametrize(("width", "positions", "correlation"), ROWS)
def test_cosine_error(width: int, positions: int, correlation: float) -> None:
    rng = np.random.default_rng(positions)
    q, k = (rows(rng, width, positions, correlation) for _ in range(2))
    q[0], k[1] = 0, 0
    r = cosines(q, k, UNWATCHED)
    norms = [np.maximum(np.linalg.norm(m.astype(np.float64), axis=1), 1e-12) for m in (q, k)]
    exact = q.astype(np.float64) @ k.T.astype(np.float64) / np.outer(*norms)
    assert np.abs(r / 2.0**COSINE_BITS - exact).max() <= 2.0**-23
    assert not r[0].any() and not r[:, 1].any()


def test_parallel_rows_have_cosine_one() -> None:
    q = np.random.default_rng(1).integers(-LIMIT, LIMIT + 1, (4, 500))
    r = cosines(q, -q, UNWATCHED)
    assert np.abs(np.diag(r) + (1 << COSINE_BITS)).max() <= 2


@pytest.mark.parametrize("temperature", [0.0, -3.0, 1.0, 8.0, 40.0, 170.0])
def test_attention_weight_error(temperature: float) -> None:
    rng = np.random.default_rng(7)
    r = np.clip(np.rint(rng.uniform(-1, 1, (512, 32)) * 2**24), -(2**24), 2**24).astype(np.int64)
    r[:100] //= 50
    t = round(temperature * np.log2(np.e) * 2**16)
    weights = softmax(r, t, UNWATCHED) / 2.0**15
    logits = r / 2.0**24 * temperature
    exact = np.exp(logits - logits.max(axis=1, keepdims=True))
    exact /= exact.sum(axis=1, keepdims=True)
    error = np.abs(weights - exact)
    # Half a unit of 2^-15, a whole one only where the weight is cut to 1 - 2^-15.
    assert error[exact < 1 - 2.0**-15].max() <= 2.0**-16 * 1.35
    assert error.max() <= 2.0**-15 * 1.01


def test_attention_output_error() -> None:
    """The whole operation against real arithmetic, on values that have nothing in common: the worst case."""
    rng = np.random.default_rng(3)
    width, heads, size = 32, 4, 24
    third = width * heads
    x = np.empty((3 * third, size, size), np.int16)
    for part in range(3):
        flat = rows(rng, third, size * size, 0.3)
        x[part * third : (part + 1) * third] = flat.reshape(third, size, size)
    x[2 * third :] = np.clip(np.rint(rng.normal(0, 6000, (third, size, size))), -LIMIT, LIMIT)
    temperatures = np.array([1.0, 2.5, 6.0, 15.0])
    tensors = {
        "temperature": np.rint(temperatures * np.log2(np.e) * 2**16).astype(np.int32),
        "shift": np.full(third, 15, np.uint8),
    }
    node = Node("a", "channel_attention", ("x",), {"heads": heads}, tensors, -LIMIT, LIMIT)
    graph = Graph((GraphInput("x", 3 * third, -LIMIT, LIMIT),), (node,), ("a",))
    acc: dict[str, np.ndarray] = {}
    golden.run(graph, {"x": x}, (1, 1), accumulators=acc.__setitem__)
    q, k, v = (p.reshape(heads, width, -1).astype(np.float64) for p in np.split(x, 3))
    q, k = (m / np.maximum(np.linalg.norm(m, axis=2, keepdims=True), 1e-12) for m in (q, k))
    logits = q @ k.transpose(0, 2, 1) * temperatures[:, None, None]
    weights = np.exp(logits - logits.max(axis=2, keepdims=True))
    exact = (weights / weights.sum(axis=2, keepdims=True)) @ v
    error = acc["a"].reshape(exact.shape) / 2.0**15 - exact
    ratio = 10 * np.log10((exact**2).mean() / (error**2).mean())
    # One step of v is 1 / 6000 of its deviation here; averaging 32 of them leaves 1 / 1000.
    assert ratio > 71
    assert np.abs(error).max() < 2.0


def test_positions_at_the_stated_maximum_stay_exact() -> None:
    """The largest sum over 2^23 positions is below 2^53, so float64 engines are exact there as well."""
    assert MAX_POSITIONS * LIMIT * LIMIT < 1 << 53
    assert (MAX_POSITIONS + 1024) * LIMIT * LIMIT > 1 << 53


def test_attention_bound_covers_weights_that_round_up() -> None:
    """Rows of equal weights round up together; the proved accumulator has room for that."""
    for width in (1, 3, 5, 7, 11, 32, 1024):
        weights = softmax(np.zeros((width, width), np.int64), 0, UNWATCHED)
        graph = Graph(
            (GraphInput("x", 3 * width, -LIMIT, LIMIT),),
            (
                Node(
                    "a",
                    "channel_attention",
                    ("x",),
                    {"heads": 1},
                    {"temperature": np.zeros(1, np.int32), "shift": np.zeros(width, np.uint8)},
                    -LIMIT,
                    LIMIT,
                ),
            ),
            ("a",),
        )
        assert int(weights.sum(axis=1).max()) * LIMIT <= prove(graph).accumulators["a"].bound[0]
