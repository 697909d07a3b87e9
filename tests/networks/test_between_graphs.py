"""Rounding to the latent's scale, saturation and the output map: both forms against exact rationals."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refdec.networks import golden, jit

FORMS = pytest.mark.parametrize("form", [golden, jit], ids=["golden", "jit"])
INT32 = st.integers(-(2**31) + 1, 2**31 - 1)


def floor_half_up(value: Fraction) -> int:
    return (2 * value + 1).__floor__() // 2


@FORMS
@given(value=INT32 | st.integers(-(2**20), 2**20), fraction=st.integers(0, 15))
def test_residual_is_rounded_to_nearest_and_saturated(form, value, fraction):
    out = form.residual_to_latent(np.full((1, 1, 1), value, np.int32), np.array([fraction], np.int32))
    exact = floor_half_up(Fraction(value, 4096) * 2**fraction)
    assert out.dtype == np.int16
    assert out.item() == max(-32767, min(32767, exact))


@FORMS
def test_residual_rounds_halves_up_on_every_scale(form):
    fraction = np.arange(16, dtype=np.int32)
    step = np.where(fraction < 12, 1 << np.maximum(12 - fraction, 0), 2)
    for sign in (1, -1):
        residual = (sign * 3 * step // 2).astype(np.int32)[:, None, None]
        out = form.residual_to_latent(residual, fraction)[:, 0, 0]
        halves = 2 if sign == 1 else -1
        expected = np.where(fraction < 12, halves, sign * 3 * (1 << np.maximum(fraction - 12, 0)))
        assert out.tolist() == expected.tolist()


def test_both_forms_agree_on_odd_strides():
    random = np.random.default_rng(3)
    residual = random.integers(-(2**31) + 1, 2**31, (16, 9, 14), dtype=np.int32)
    residual[:, ::3] >>= 14
    fraction = random.permutation(16).astype(np.int32)
    for view in (residual, residual[:, ::-1, ::2], np.asfortranarray(residual)):
        a, b = golden.residual_to_latent(view, fraction), jit.residual_to_latent(view, fraction)
        assert a.dtype == b.dtype == np.int16
        assert np.array_equal(a, b)


@FORMS
def test_latent_saturates_per_channel(form):
    value = np.array([-(2**31), -5, 0, 7, 2**31 - 1], np.int32).reshape(1, 1, 5).repeat(3, 0)
    lo, hi = np.array([-32767, -4, 0], np.int32), np.array([32767, 6, 0], np.int32)
    out = form.saturate_latent(value, lo, hi)
    assert out.dtype == np.int16
    assert out[:, 0].tolist() == [[-32767, -5, 0, 7, 32767], [-4, -4, 0, 6, 6], [0] * 5]


@FORMS
def test_output_map_is_exact_for_every_signal(form):
    signal = np.arange(-32640, 32641, dtype=np.int16).reshape(1, 97, -1)
    plane = form.signal_to_plane(signal)
    assert plane.dtype == np.uint16
    samples = form.plane_to_bytes(plane)
    assert samples.dtype == np.uint8
    assert np.array_equal(plane.astype(int), signal.astype(int) + 32640)
    some = [array.ravel()[::97].tolist() for array in (signal, plane, samples)]
    for s, p, b in zip(*some, strict=True):
        # 2^15 units of the signal are 128 sample steps, 0 is 127.5
        value = Fraction(s, 2**15) * 128 + Fraction(255, 2)
        assert Fraction(p, 256) == value
        assert b == min(255, floor_half_up(value))


@FORMS
@pytest.mark.parametrize("signal, sample", [(-32640, 0), (-32513, 0), (-32512, 1), (0, 128), (32640, 255)])
def test_output_map_at_stated_points(form, signal, sample):
    plane = form.signal_to_plane(np.full((1, 1, 1), signal, np.int16))
    assert form.plane_to_bytes(plane).item() == sample


def test_golden_refuses_what_no_graph_makes():
    with pytest.raises(AssertionError):
        golden.signal_to_plane(np.full((1, 1, 1), 32641, np.int16))
    with pytest.raises(AssertionError):
        golden.residual_to_latent(np.zeros((1, 1, 1), np.int32), np.array([16], np.int32))
