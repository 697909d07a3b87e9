"""Before and behind the filters: planes of the source's format, and colour and rounding with more bits."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refdec.filters import PLANE_LIMIT, WHITE
from refdec.picture import coded_planes, finish_picture, golden, jit, make_picture, source_planes
from tests.picture import real_formulas as real
from tests.picture.test_picture import CASES, formats, header, synthesised

CORNERS = (0, 1, 1 << 15, (1 << 15) - 1, 32640 << 8, WHITE - (1 << 15), WHITE - (1 << 15) - 1, WHITE)
WIDE = (*CORNERS, -1, -PLANE_LIMIT, PLANE_LIMIT, WHITE + 1, -WHITE, 2 * WHITE)


@pytest.mark.parametrize("source, coded, transform, depth", CASES)
@pytest.mark.parametrize("width, height, right, bottom", [(64, 64, 0, 0), (67, 131, 3, 2), (70, 259, 63, 63)])
def test_the_way_through_the_filters_without_any_changes_nothing(
    source: str, coded: str, transform: int, depth: int, width: int, height: int, right: int, bottom: int
) -> None:
    picture = header(
        width,
        height,
        diff_display_img_width=right,
        diff_display_img_height=bottom,
        colour_transform_idx=transform,
        bit_depth_idc=depth,
        **formats(source, coded),
    )
    parts = coded_planes(picture, *synthesised(picture))
    expected = make_picture(picture, parts)
    for engine, threads in (("golden", 1), ("jit", 1), ("jit", 3)):
        planes = source_planes(picture, parts, engine=engine, threads=threads)
        for plane, samples in zip(planes, expected.planes, strict=True):
            assert plane.dtype == np.int32 and plane.shape == samples.shape
        np.testing.assert_array_equal(planes[0], parts[0].astype(np.int32) << 8)
        if source == coded:
            np.testing.assert_array_equal(planes[1], parts[1].astype(np.int32) << 8)
        found = finish_picture(picture, planes, engine=engine, threads=threads)
        assert (found.colour, found.bit_depth, found.subsampling) == (
            expected.colour,
            expected.bit_depth,
            expected.subsampling,
        )
        for a, b in zip(found.planes, expected.planes, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)


@given(st.integers(0, 2**32), st.sampled_from([8, 10]), st.booleans())
@settings(max_examples=40, deadline=None)
def test_engines_agree_behind_the_filters(seed: int, depth: int, corners: bool) -> None:
    random = np.random.default_rng(seed)
    size = tuple(random.integers(1, 40, 2))
    if corners:
        luma = random.choice(np.array(CORNERS, np.int32), size)
        u, v = (random.choice(np.array(WIDE, np.int32), size) for _ in range(2))
    else:
        luma = random.integers(0, WHITE + 1, size, dtype=np.int32)
        u, v = (random.integers(-(1 << 25), 1 << 25, size, dtype=np.int32) for _ in range(2))
    for expected, found in zip(
        golden.to_rgb(luma, u, v, depth, 16), jit.to_rgb(luma, u, v, depth, 16), strict=True
    ):
        assert expected.dtype == found.dtype
        np.testing.assert_array_equal(found, expected)
    for plane in (luma, u, v):
        np.testing.assert_array_equal(jit.to_samples(plane, depth, 16), golden.to_samples(plane, depth, 16))


@pytest.mark.parametrize("depth", [8, 10])
def test_colour_against_fractions(depth: int) -> None:
    values, wide = np.array(CORNERS, np.int32), np.array(WIDE, np.int32)
    y, u, v = (a.reshape(1, -1) for a in np.meshgrid(values, wide, wide))
    found = np.stack([p[0] for p in golden.to_rgb(y, u, v, depth, 16)], axis=-1).tolist()
    top = (1 << depth) - 1
    one = 1 << 16
    for a, b, c, samples in zip(y[0].tolist(), u[0].tolist(), v[0].tolist(), found, strict=True):
        exact = real.rgb(Fraction(a, one), Fraction(b, one), Fraction(c, one))
        # coefficients are rounded to 16 bits
        slack = Fraction(1, 2) + Fraction(top, 255) * Fraction(abs(b) + abs(c) + 256 * one, one << 17)
        for sample, value in zip(samples, exact, strict=True):
            clipped = min(max(value, Fraction(0)), Fraction(255)) * top / 255
            assert abs(sample - clipped) <= slack
