"""LEF: the index rule is binary32's, engines agree, and values are those of the formula."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refdec.filters import WHITE
from refdec.filters.golden import lef as golden
from refdec.filters.jit import lef as jit
from refdec.filters.lef import GAINS, THRESHOLDS

CORNERS = np.array([0, 1, 2, WHITE - 1, WHITE, WHITE // 2], np.int32)


def binary32_index(length: int, target: int) -> npt.NDArray[np.int64]:
    """The reference's rule as it is written there."""
    ratio = np.float32(length) / np.float32(target)
    index = np.floor(np.arange(target, dtype=np.float32) * ratio).astype(np.int64)
    return np.minimum(index, length - 1)


def test_index_is_that_of_binary32() -> None:
    """Small sizes, with and without a display crop."""
    plain = 0
    for shown in range(1, 260):
        for coded in {shown, shown + 1, shown + 7, shown + 63}:
            length = -(-coded // 16)
            expected = binary32_index(length, shown).tolist()
            assert golden.nearest_index(length, shown) == expected
            assert jit.nearest_index(length, shown).tolist() == expected
            plain += expected != [i * length // shown for i in range(shown)]
    assert plain > 0, "sizes at which exact division gives something else"


@pytest.mark.parametrize("shown", [150, 200, 1080, 1366, 4000, 6000, 8191, 65535, 65598])
def test_index_at_usual_and_long_sizes(shown: int) -> None:
    torch = pytest.importorskip("torch")
    length = -(-shown // 16)
    samples = torch.arange(length, dtype=torch.float32).view(1, 1, length, 1)
    expected = torch.nn.functional.interpolate(samples, size=(shown, 1), mode="nearest").flatten()
    found = jit.nearest_index(length, shown)
    np.testing.assert_array_equal(found, expected.numpy().astype(np.int64))
    np.testing.assert_array_equal(golden.nearest_index(length, shown), found)


@pytest.mark.slow
def test_index_at_every_size() -> None:
    for shown in range(1, 65599):
        length = -(-shown // 16)
        assert np.array_equal(jit.nearest_index(length, shown), binary32_index(length, shown)), shown
    for coded in range(64, 65599, 61):
        for cut in (1, 2, 15, 16, 17, 40, 63):
            length, shown = -(-coded // 16), coded - cut
            assert np.array_equal(jit.nearest_index(length, shown), binary32_index(length, shown))


@st.composite
def cases(draw: st.DrawFn) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], int]:
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    size = draw(st.tuples(st.integers(1, 70), st.integers(1, 70)))
    crop = draw(st.tuples(st.integers(0, 63), st.integers(0, 63)))
    grid = tuple(-(-(n + c) // 16) for n, c in zip(size, crop, strict=True))
    if draw(st.booleans()):
        luma = random.choice(CORNERS, size)
    else:
        luma = random.integers(0, WHITE + 1, size, dtype=np.int32)
    model_id = draw(st.integers(0, 3))
    near = np.array([t + d for t in THRESHOLDS[model_id] for d in (-1, 0, 1)])
    scale_log = random.choice(near, grid) if draw(st.booleans()) else random.integers(-64, 5000, grid)
    return luma, scale_log.astype(np.int32), model_id


@given(cases(), st.integers(1, 3))
@settings(max_examples=80, deadline=None)
def test_engines_agree(case: tuple[Any, Any, int], threads: int) -> None:
    luma, scale_log, model_id = case
    steering = scale_log, THRESHOLDS[model_id], GAINS[model_id]
    expected = golden.sharpen(luma, *steering)
    found = jit.sharpen(luma, *steering, threads)
    assert expected.dtype == found.dtype == np.int32
    np.testing.assert_array_equal(found, expected)
    assert found.min() >= 0 and found.max() <= WHITE


@given(cases())
@settings(max_examples=30, deadline=None)
def test_values_are_the_formula_rounded_once(case: tuple[Any, Any, int]) -> None:
    luma, scale_log, model_id = case
    found = golden.sharpen(luma, scale_log, THRESHOLDS[model_id], GAINS[model_id])
    height, width = luma.shape
    rows, columns = (binary32_index(n, m) for n, m in zip(scale_log.shape, luma.shape, strict=True))
    for y, x in {(0, 0), (height // 2, width // 2), (height - 1, 0), (height // 3, width // 3)}:
        value = Fraction(int(luma[y, x]), WHITE)
        blurred = value
        if 0 < y < height - 1 and 0 < x < width - 1:
            block = luma[y - 1 : y + 2, x - 1 : x + 2].astype(int)
            blurred = Fraction(int(5 * block.sum() + 19 * block[1, 1]), 64 * WHITE)
        s = scale_log[rows[y], columns[x]]
        level = sum(int(s >= t) for t in THRESHOLDS[model_id])
        exact = blurred + (value - blurred) * Fraction(GAINS[model_id][level], 100)
        assert abs(int(found[y, x]) - WHITE * min(max(exact, Fraction(0)), Fraction(1))) <= Fraction(1, 2)


def test_distance_to_the_reference_formula_in_binary32() -> None:
    """The figure in docs/arithmetic-filters.md."""
    random = np.random.default_rng(5)
    size = (150, 200)
    luma = random.integers(0, WHITE + 1, size, dtype=np.int32)
    scale_log = random.integers(0, 3968, (10, 13)).astype(np.int32)
    for model_id in range(4):
        found = jit.sharpen(luma, scale_log, THRESHOLDS[model_id], GAINS[model_id])
        x = (luma / np.float32(WHITE)).astype(np.float32)
        kernel = np.full((3, 3), 5, np.float32) / np.float32(64)
        kernel[1, 1] = np.float32(24 / 64)
        blurred = x.copy()
        blurred[1:-1, 1:-1] = sum(
            kernel[dy, dx] * x[dy : dy + size[0] - 2, dx : dx + size[1] - 2]
            for dy in range(3)
            for dx in range(3)
        )
        index = np.ix_(binary32_index(10, 150), binary32_index(13, 200))
        gain = np.full(size, np.float32(1))
        for threshold, hundredths in zip(THRESHOLDS[model_id], GAINS[model_id][1:], strict=True):
            gain[scale_log[index] >= threshold] = np.float32(hundredths / 100)
        expected = np.clip(blurred + (x - blurred) * gain, 0, 1) * 255
        assert np.abs(found / 65536 - expected).max() < 2**-13
        assert np.count_nonzero(found != luma) > 0.5 * luma.size


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (2, 40), (40, 2), (40, 1)])
def test_a_picture_that_is_all_frame_stays(size: tuple[int, int]) -> None:
    luma = np.random.default_rng(2).integers(0, WHITE + 1, size, dtype=np.int32)
    scale_log = np.full((3, 3), 3967, np.int32)
    for engine in (golden, jit):
        np.testing.assert_array_equal(engine.sharpen(luma, scale_log, THRESHOLDS[0], GAINS[0]), luma)


def test_small_scales_change_nothing() -> None:
    luma = np.random.default_rng(2).integers(0, WHITE + 1, (40, 50), dtype=np.int32)
    scale_log = np.full((3, 4), THRESHOLDS[2][0] - 1, np.int32)
    np.testing.assert_array_equal(jit.sharpen(luma, scale_log, THRESHOLDS[2], GAINS[2]), luma)
