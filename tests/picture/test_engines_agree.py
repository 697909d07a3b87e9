"""Both engines of the picture stage give the same samples, and those of an oracle in exact fractions."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refdec.picture import golden, jit
from tests.picture import real_formulas as real

CORNERS = (0, 1, 127, 128, 129, 32639, 32640, 32641, 65151, 65152, 65279, 65280)
LENGTHS = st.one_of(st.integers(1, 9), st.integers(1, 70))


@st.composite
def planes(draw: st.DrawFn, size: tuple[int, int]) -> npt.NDArray[np.uint16]:
    """Noise of the whole range, or only values at which something happens."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    if draw(st.booleans()):
        return random.choice(np.array(CORNERS, np.uint16), size)
    return random.integers(0, 65281, size).astype(np.uint16)


@st.composite
def interpolations(draw: st.DrawFn) -> tuple[npt.NDArray[np.uint16], tuple[int, int], tuple[int, int]]:
    """A plane, a size, and some rows of the result."""
    source = (draw(LENGTHS), draw(LENGTHS))
    size = tuple(draw(st.sampled_from([n, 2 * n, max(2 * n - 1, 1), draw(LENGTHS)])) for n in source)
    first = draw(st.integers(0, size[0] - 1))
    return draw(planes(source)), (size[0], size[1]), (first, draw(st.integers(first + 1, size[0])))


@given(interpolations())
@settings(max_examples=60, deadline=None)
def test_interpolation(case: tuple[npt.NDArray[np.uint16], tuple[int, int], tuple[int, int]]) -> None:
    plane, size, rows = case
    expected = golden.interpolate(plane, size, rows)
    found = jit.interpolate(plane, size, rows)
    assert expected.dtype == found.dtype == np.int32
    np.testing.assert_array_equal(found, expected)
    assert np.abs(found - golden.CENTRE).max() <= golden.CHROMA_LIMIT


@given(st.data(), st.tuples(LENGTHS, LENGTHS), st.sampled_from([8, 10]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_colour_and_rounding(data: st.DataObject, size: tuple[int, int], depth: int, overshoot: bool) -> None:
    luma = data.draw(planes(size))
    chroma: list[npt.NDArray[Any]] = [data.draw(planes(size)) for _ in range(2)]
    if overshoot:
        # as far as interpolation can go
        chroma = [(c.astype(np.int32) * 2 - 2 * 32640) * 61799 // 65280 + 32640 for c in chroma]
    for expected, found in zip(
        golden.to_rgb(luma, *chroma, depth), jit.to_rgb(luma, *chroma, depth), strict=True
    ):
        assert expected.dtype == found.dtype == (np.uint8 if depth == 8 else np.uint16)
        np.testing.assert_array_equal(found, expected)
    for plane in (luma, *chroma):
        expected, found = golden.to_samples(plane, depth), jit.to_samples(plane, depth)
        assert expected.dtype == found.dtype
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "length, target", [(1, 1), (1, 2), (2, 3), (2, 4), (5, 9), (5, 10), (17, 17), (9, 40)]
)
def test_weights_against_fractions(length: int, target: int) -> None:
    first, weights = jit._axis(length, target)
    for i, exact in enumerate(real.axis_weights(length, target)):
        start, taps = golden.cubic_taps(length, target, i)
        assert (start, taps) == (first[i], tuple(weights[i].tolist()))
        assert sum(taps) == 1 << 15
        found: dict[int, Fraction] = {}
        for j, tap in enumerate(taps):
            index = min(max(start + j, 0), length - 1)
            found[index] = found.get(index, Fraction(0)) + Fraction(tap, 1 << 15)
        # three weights to the nearest, the fourth takes what they leave
        assert all(
            abs(found.get(k, 0) - w) <= Fraction(3, 1 << 16) for k, w in exact.items() if w or k in found
        )


@pytest.mark.parametrize("length, target", [(32768, 65536), (32799, 65598), (65535, 65598)])
def test_weights_of_the_longest_axes(length: int, target: int) -> None:
    first, weights = jit._axis(length, target)
    assert (weights.sum(1) == 1 << 15).all()
    assert first.min() == -1 and first.max() == length - 2
    assert np.abs(weights).sum(1).max() <= 45060
    for i in [*range(0, target, 997), target - 1]:
        assert golden.cubic_taps(length, target, i) == (first[i], tuple(weights[i].tolist()))


def test_interpolation_against_fractions() -> None:
    random = np.random.default_rng(3)
    plane = random.choice(np.array(CORNERS, np.uint16), (4, 5))
    size = (7, 10)
    found = golden.interpolate(plane, size, (0, 7))
    down, across = real.axis_weights(4, 7), real.axis_weights(5, 10)
    for y, x in np.ndindex(size):
        exact = sum(a * b * int(plane[i, j]) for i, a in down[y].items() for j, b in across[x].items())
        # a half step of rounding, and 3 * 2^-16 for each of eight weights on at most half the range
        assert abs(int(found[y, x]) - exact) <= Fraction(1, 2) + 32640 * 8 * Fraction(3, 1 << 16) * Fraction(
            11, 8
        )


@pytest.mark.parametrize("value", CORNERS)
def test_a_flat_plane_stays_flat(value: int) -> None:
    plane = np.full((3, 5), value, np.uint16)
    assert (jit.interpolate(plane, (6, 9), (0, 6)) == value).all()


def test_the_same_size_is_no_change() -> None:
    plane = np.random.default_rng(1).integers(0, 65281, (13, 7)).astype(np.uint16)
    np.testing.assert_array_equal(jit.interpolate(plane, (13, 7), (0, 13)), plane)


@pytest.mark.parametrize("depth", [8, 10])
def test_every_plane_value_is_rounded_to_the_nearest_sample(depth: int) -> None:
    top = (1 << depth) - 1
    every = np.arange(65281).astype(np.uint16)
    found = golden.to_samples(every[None], depth)[0].tolist()
    for value, sample in enumerate(found):
        exact = Fraction(value * top, 255 * 256)
        assert sample - Fraction(1, 2) <= exact < sample + Fraction(1, 2)


@pytest.mark.parametrize("depth", [8, 10])
def test_colour_against_fractions(depth: int) -> None:
    values = np.array(CORNERS, np.uint16)
    y, u, v = (a.reshape(1, -1) for a in np.meshgrid(values, values, values))
    found = np.stack([p[0] for p in golden.to_rgb(y, u, v, depth)], axis=-1).tolist()
    top = (1 << depth) - 1
    slack = Fraction(1, 2) + Fraction(top, 255) * Fraction(2, 1 << 17) * 128
    for a, b, c, samples in zip(y[0].tolist(), u[0].tolist(), v[0].tolist(), found, strict=True):
        exact = real.rgb(Fraction(a, 256), Fraction(b, 256), Fraction(c, 256))
        for sample, value in zip(samples, exact, strict=True):
            clipped = min(max(value, Fraction(0)), Fraction(255)) * top / 255
            assert abs(sample - clipped) <= slack


@pytest.mark.parametrize("grey", [0, 77, 128, 255])
@pytest.mark.parametrize("depth", [8, 10])
def test_grey_stays_grey(grey: int, depth: int) -> None:
    y = np.full((1, 1), 256 * grey, np.uint16)
    middle = np.full((1, 1), 32640, np.uint16)
    red, green, blue = (int(p[0, 0]) for p in jit.to_rgb(y, middle, middle, depth))
    assert red == green == blue == (grey * ((1 << depth) - 1) * 2 + 255) // 510


@pytest.mark.parametrize("depth, limit", [(8, 0.3), (10, 1.0)])
@pytest.mark.parametrize("down, across", [(1, 1), (1, 2), (2, 2)])
def test_distance_to_real_arithmetic(down: int, across: int, depth: int, limit: float) -> None:
    """The table in docs/arithmetic-picture.md: never more than 1 off, and rarely."""
    random = np.random.default_rng(7)
    size = (160, 192)
    y, u, v = random.integers(0, 65281, (3, *size)).astype(np.uint16)
    chroma: list[npt.NDArray[Any]] = [np.ascontiguousarray(c[::down, ::across]) for c in (u, v)]
    exact = [c / 256 for c in chroma]
    if (down, across) != (1, 1):
        exact = [real.interpolated(c, size) / 256 for c in chroma]
        chroma = [jit.interpolate(c, size, (0, size[0])) for c in chroma]
        off = max(np.abs(c / 256 - e).max() for c, e in zip(chroma, exact, strict=True))
        assert 0 < off <= 0.02
    found = jit.to_rgb(y, *chroma, depth)
    differing = 0
    for plane, value in zip(found, real.rgb(y / 256, *exact), strict=True):
        distance = np.abs(plane.astype(np.int64) - real.samples(value, depth))
        assert distance.max() <= 1
        differing += int(np.count_nonzero(distance))
    assert 100 * differing / (3 * y.size) <= limit
