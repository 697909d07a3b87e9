"""Rounding and tables: against exhaustive search, plain rounding, and 60-digit arithmetic."""

from __future__ import annotations

from itertools import product

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.quantize.elementwise import leaky_attribute
from conformance.quantize.options import QuantisationError
from conformance.quantize.rounding import Moments, best_bias, moments, round_adaptive, round_nearest
from conformance.quantize.tables import table


def output_error(w: np.ndarray, m: Moments) -> np.ndarray:
    """Mean squared error ``[O]`` of the accumulator over the rows, with the best bias."""
    if m.xx.ndim == 2:
        quadratic = ((w @ m.xx) * w).sum(1)
    else:
        quadratic = np.einsum("ok,okl,ol->o", w, m.xx, w, optimize=True)
    return np.maximum(quadratic - 2 * (w * m.xt.T).sum(1) + m.tt, 0.0)


def problem(seed: int, rows: int, inputs: int, outputs: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Correlated inputs, real weights of a few steps, and the outputs that these make."""
    rng = np.random.default_rng(seed)
    x = np.rint(rng.standard_normal((rows, inputs)) @ rng.standard_normal((inputs, inputs)) * 20)
    w = rng.uniform(-6, 6, (outputs, inputs))
    return x, w, x @ w.T + rng.uniform(-50, 50, outputs)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 24), st.integers(1, 6))
def test_adaptive_never_loses_by_much_and_stays_in_range(seed: int, inputs: int, outputs: int) -> None:
    x, w, t = problem(seed, 200, inputs, outputs)
    m = moments(x, t)
    adaptive, nearest = round_adaptive(w, m, 5), round_nearest(w, 5)
    assert np.array_equal(adaptive, np.rint(adaptive)) and np.abs(adaptive).max() <= 5
    # The ridge may prefer the original weights a little; nothing else can make it worse.
    slack = 0.03 * (w * w * np.diag(m.xx)).sum(1)
    assert (output_error(adaptive, m) <= output_error(nearest, m) + slack).all()


def test_adaptive_against_every_rounding() -> None:
    gains = []
    for seed in range(12):
        x, w, t = problem(seed, 300, 6, 1)
        m = moments(x, t)
        best = min(output_error(np.floor(w) + np.array(up, float), m)[0] for up in product((0, 1), repeat=6))
        nearest = output_error(round_nearest(w, 127), m)[0]
        found = output_error(round_adaptive(w, m, 127, ridge=1e-6), m)[0]
        gains.append((nearest / found, found / best))
    better, worse = np.array(gains).T
    assert np.median(better) > 1.5
    assert np.median(worse) < 1.05


def test_own_row_weights_serve_the_weighted_rows() -> None:
    own, shared = 0.0, 0.0
    for seed in range(20):
        x, w, t = problem(seed, 60, 12, 3)
        weight = np.random.default_rng(seed).uniform(0, 1, t.shape) ** 20
        m = moments(x, t, weight)
        own += output_error(round_adaptive(w, m, 127), m).sum()
        shared += output_error(round_adaptive(w, moments(x, t), 127), m).sum()
    assert own < 0.8 * shared


def test_error_and_bias_are_those_of_the_rows() -> None:
    x, w, t = problem(7, 100, 5, 4)
    m = moments(x, t)
    q = round_nearest(w, 127)
    residual = x @ q.T + best_bias(q, m) - t
    np.testing.assert_allclose(residual.mean(0), 0, atol=1e-8)
    np.testing.assert_allclose((residual**2).mean(0), output_error(q, m), rtol=1e-6)


def test_inputs_never_seen_are_rounded_plainly() -> None:
    x, w, t = problem(8, 100, 6, 2)
    x[:, 2] = 0
    q = round_adaptive(w, moments(x, t), 127)
    np.testing.assert_array_equal(q[:, 2], np.rint(w[:, 2]))


@pytest.mark.parametrize(
    ("function", "fraction", "out"), [("sigmoid", 11, 15), ("elu", 12, 12), ("elu", 9, 14)]
)
def test_tables_are_correctly_rounded(function: str, fraction: int, out: int) -> None:
    found = table(function, fraction, out)
    assert found.shape == (65536,) and found.dtype == np.int16
    rng = np.random.default_rng(9)
    with mpmath.workdps(60):
        for a in [-32768, -32767, -1, 0, 1, 32767, *rng.integers(-32768, 32768, 400).tolist()]:
            x = mpmath.mpf(a) / 2**fraction
            elu = x if a > 0 else mpmath.expm1(x)
            y = elu if function == "elu" else 1 / (1 + mpmath.exp(-x))
            wanted = int(mpmath.floor(y * 2**out + mpmath.mpf(1) / 2))
            assert found[a + 32768] == max(-32767, min(32767, wanted)), a


def test_a_tie_of_the_table_goes_up() -> None:
    # elu(x) = x for positive x: with one output bit less, every odd input is a tie.
    found = table("elu", 4, 3)
    assert found[32768 + 5] == 3 and found[32768 + 7] == 4


def test_leaky_slopes() -> None:
    for slope in (0.0, 0.01, 0.2, 0.5, 1.0):
        a = leaky_attribute(slope)
        assert a["numerator"] <= min(1 << a["shift"], 32767)
        assert abs(a["numerator"] / 2 ** a["shift"] - slope) <= 2.0**-15
    with pytest.raises(QuantisationError):
        leaky_attribute(1.5)
