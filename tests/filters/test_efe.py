"""EFE linear and non-linear: engines against each other and exact fractions; defects that must show."""

from __future__ import annotations

import itertools
import time
import tracemalloc
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refdec.filters import PLANE_LIMIT, FilterPlanes
from refdec.filters.efe_parameters import SPLITS, border, linear_filter, wants_alternative
from refdec.filters.golden import efe as golden
from refdec.filters.jit import efe as jit
from tests.filters import efe_cases as cases

SIZES = st.one_of(st.integers(64, 72), st.integers(64, 200))
CODES = st.sampled_from([None, (32767 - 40, 80), (32767 - 400, 800), (0, 65535), (65535, 65535)])


@given(
    SIZES,
    SIZES,
    st.sampled_from(cases.FORMATS),
    st.integers(0, 2**32),
    CODES,
    st.booleans(),
    st.tuples(*[st.integers(0, 63)] * 2),
)
@settings(max_examples=60, deadline=None)
def test_engines_agree_on_whatever_the_syntax_allows(
    height: int,
    width: int,
    kind: tuple[str, str],
    seed: int,
    codes: tuple[int, int] | None,
    corners: bool,
    crop: tuple[int, int],
) -> None:
    # a crop may leave a single row or column
    picture = cases.picture_of(height, width, kind, crop)
    tools = cases.tools_of(picture, seed, codes)
    planes = cases.planes_of(picture, seed, corners)
    expected = cases.apply(picture, tools, planes)
    assert (expected.linear.alternative is not None) == wants_alternative(tools)
    for threads in (1, 3):
        found = cases.apply(picture, tools, planes, "jit", threads)
        for a, b in zip(expected.chroma, found.chroma, strict=True):
            assert a.dtype == b.dtype == np.int32
            np.testing.assert_array_equal(a, b)
    for state in (expected.linear, expected.nonlinear):
        assert state.planes[0] is planes.planes[0]


@given(SIZES, SIZES, st.sampled_from(cases.FORMATS), st.integers(0, 2**32), CODES)
@settings(max_examples=25, deadline=None)
def test_samples_are_exact(
    height: int, width: int, kind: tuple[str, str], seed: int, codes: tuple[int, int] | None
) -> None:
    """Each filter rounds once: its samples are the exact ones to the nearest."""
    picture = cases.picture_of(height, width, kind, (seed % 3, seed % 5))
    tools = cases.tools_of(picture, seed, codes)
    planes = cases.planes_of(picture, seed)
    found = cases.apply(picture, tools, planes)
    assert tools.efe_linear is not None and tools.efe_nonlinear is not None
    sets = [(1, found.linear.planes[1:])]
    if found.linear.alternative is not None:
        sets.append((0, found.linear.alternative))
    for which, chroma in sets:
        oracle = cases.LinearOracle(picture, tools.efe_linear, which, planes)
        for plane in (0, 1):
            for y, x in cases.positions(chroma[plane].shape, seed, 8):
                assert chroma[plane][y, x] == cases.rounded(oracle.sample(plane, y, x))
    exact = cases.NonlinearOracle(picture, tools.efe_nonlinear, found.linear)
    for plane in (0, 1):
        result = found.nonlinear.planes[1 + plane]
        for y, x in cases.positions(result.shape, seed, 20):
            assert result[y, x] == cases.rounded(exact.sample(plane, y, x))


LINEAR_DEFECTS = {
    "mean is not taken off": ("444", "444", 1),
    "no weights, no interpolation": ("444", "420", 0),
    "filters lean to the left": ("420", "420", 1),
    "one list for all phases": ("444", "422", 3),
    "rectangles end at their borders": ("420", "420", 6),
    "result is clamped to samples": ("444", "444", 1),
    "eighth split goes row by row": ("420", "420", 8),
    "halves are rounded up": ("420", "420", 3),
    "borders are not multiples of 32": ("444", "444", 7),
    "luma is its first phase": ("444", "444", 2),
    "the border of the plane is repeated": ("444", "444", 5),
}


@pytest.mark.parametrize("defect", LINEAR_DEFECTS)
def test_defects_of_efe_linear_show(defect: str) -> None:
    *kind, split = LINEAR_DEFECTS[defect]
    # phases of 129 columns: 2.5 blocks of 32 make the first half
    picture = cases.picture_of(201, 258, (kind[0], kind[1]))
    tools = cases.tools_of(picture, 5, (32767 - 300, 600), split=(split, split), side=(4, 4))
    planes = cases.planes_of(picture, 5)
    assert tools.efe_linear is not None
    right = cases.LinearOracle(picture, tools.efe_linear, 1, planes)
    wrong = cases.LinearOracle(picture, tools.efe_linear, 1, planes, defect)
    for engine in ("golden", "jit"):
        u = cases.apply(picture, tools, planes, engine).linear.planes[1]
        height, width = u.shape
        # along the border, where all cells of all rectangles meet, and inside
        places = [*cases.positions(u.shape, 5, 60), *((y, width - 1) for y in range(0, height, 7))]
        samples = [(int(u[y, x]), right.sample(0, y, x), wrong.sample(0, y, x)) for y, x in places]
        assert all(found == cases.rounded(value) for found, value, _ in samples)
        assert any(abs(found - value) > 1 << 15 for found, _, value in samples)


NONLINEAR_DEFECTS = {
    "luma is averaged": ("420", 1, 1),
    "seven parts": ("444", 0, 0),
    "the range of luma is not negative": ("444", 0, 0),
    "the whole sum is not negative": ("422", 0, 0),
    "nothing is cut off at 0": ("420", 1, 0),
    "result is clamped to 255": ("420", 0, 0),
    "each plane decides about its own mask": ("444", 0, 1),
    "one mask for both planes": ("422", 1, 1),
    "masks are flags": ("444", 1, 1),
    "the alternative is the input": ("444", 1, 0),
}


@pytest.mark.parametrize("defect", NONLINEAR_DEFECTS)
def test_defects_of_efe_nonlinear_show(defect: str) -> None:
    kind, mask_u, mask_v = NONLINEAR_DEFECTS[defect]
    picture = cases.picture_of(167, 131, (kind, kind))
    tools = cases.tools_of(
        picture,
        11,
        (32767 - 1500, 3000),
        split=(1, 1),
        masks=(mask_u, mask_v),
        block=(16,),
        corrects=(1, 1),
        tile=(60, 50),
    )
    planes = cases.planes_of(picture, 11)
    if defect == "each plane decides about its own mask":
        # an alternative picture that must not be looked at
        planes = replace(planes, alternative=(planes.planes[1], planes.planes[1] // 2))
    assert tools.efe_nonlinear is not None
    for engine in ("golden", "jit"):
        found = cases.apply(picture, tools, planes, engine)
        right = cases.NonlinearOracle(picture, tools.efe_nonlinear, found.linear)
        wrong = cases.NonlinearOracle(picture, tools.efe_nonlinear, found.linear, defect)
        differing = 0
        for plane in (0, 1):
            result = found.nonlinear.planes[1 + plane]
            for y, x in cases.positions(result.shape, 3, 80):
                assert result[y, x] == cases.rounded(right.sample(plane, y, x))
                differing += abs(int(result[y, x]) - wrong.sample(plane, y, x)) > 1 << 15
        assert differing > 0


def test_the_alternative_picture_comes_from_unfiltered_planes() -> None:
    picture = cases.picture_of(80, 80, ("444", "444"))
    tools = cases.tools_of(picture, 2, (32767 - 300, 600), split=(1, 1), masks=(1, 0), block=(16,))
    planes = cases.planes_of(picture, 2)
    first = cases.apply(picture, tools, planes).linear
    assert first.alternative is not None
    again = cases.apply(picture, tools, FilterPlanes(first.planes)).linear
    assert again.alternative is not None
    assert tools.efe_linear is not None
    oracle = cases.LinearOracle(picture, tools.efe_linear, 0, planes)
    assert first.alternative[0][7, 9] == cases.rounded(oracle.sample(0, 7, 9)) != again.alternative[0][7, 9]


@pytest.mark.parametrize("percent, fraction", [(0, 0.0), (33, 0.33), (50, 0.5), (66, 0.66), (100, 1.0)])
def test_borders_are_those_of_binary64(percent: int, fraction: float) -> None:
    # the widest picture has 65599 columns, a phase of it 32800
    for n in range(1, 32801):
        assert border(percent, n) == cases.reference_border(fraction, n)


def test_rectangles_cover_every_size_once() -> None:
    for down, across, _ in SPLITS:
        assert down[0] == across[0] == 0 and down[-1] == across[-1] == 100
        for n in range(1, 400):
            borders = [border(f, n) for f in down]
            assert borders[0] == 0 and borders[-1] == n and borders == sorted(borders)


@pytest.mark.parametrize("engine", ["golden", "jit"])
@pytest.mark.parametrize("size", [(64, 64), (1, 1), (1, 64), (33, 2)])
@pytest.mark.parametrize("split", range(1, 9))
def test_empty_rectangles_are_passed_over(engine: str, size: tuple[int, int], split: int) -> None:
    """The reference decoder fails on them."""
    picture = cases.picture_of(64, 64, ("444", "444"), (64 - size[0], 64 - size[1]))
    tools = cases.tools_of(picture, split, (32767 - 100, 200), split=(split, split))
    planes = cases.planes_of(picture, split)
    assert tools.efe_linear is not None
    tool = linear_filter(picture, tools.efe_linear, 1, 0)
    if split > 1:
        pairs = [*itertools.pairwise(tool.rows), *itertools.pairwise(tool.columns)]
        assert any(a == b for a, b in pairs)
    u = cases.apply(picture, tools, planes, engine).linear.planes[1]
    oracle = cases.LinearOracle(picture, tools.efe_linear, 1, planes)
    for y, x in cases.positions(u.shape, split, 10):
        assert u[y, x] == cases.rounded(oracle.sample(0, y, x))


@pytest.mark.parametrize("kind", cases.FORMATS)
def test_a_plane_without_weights(kind: tuple[str, str]) -> None:
    """Unchanged where chroma keeps its resolution (the reference decoder fails), else interpolated."""
    picture = cases.picture_of(70, 90, kind)
    tools = cases.tools_of(picture, 3, (32767 - 100, 200), split=(0, 0))
    planes = cases.planes_of(picture, 3)
    for engine in ("golden", "jit"):
        linear = cases.apply(picture, tools, planes, engine).linear
        for before, after in zip(planes.planes[1:], linear.planes[1:], strict=True):
            if kind[0] == kind[1]:
                assert after is before
                continue
            # the first phase lies on the samples, the others between them
            np.testing.assert_array_equal(after[::2, ::2], before[::2, ::2])
            assert (after[1::2] != before[1::2]).any()


@pytest.mark.parametrize("kind", cases.FORMATS)
def test_weights_of_zero_change_nothing(kind: tuple[str, str]) -> None:
    picture = cases.picture_of(75, 66, kind)
    planes = cases.planes_of(picture, 4)
    zero = cases.tools_of(picture, 4, (32767, 0), split=(7, 8), masks=(0, 0), corrects=(1, 1))
    none = cases.tools_of(picture, 4, (32767, 0), split=(0, 0), masks=(0, 0), corrects=(0, 0))
    for engine in ("golden", "jit"):
        found, expected = (cases.apply(picture, tools, planes, engine) for tools in (zero, none))
        # EFE non-linear never leaves a sample below 0
        chroma = (state.planes[1:] for state in (found.nonlinear, expected.nonlinear, planes))
        for a, b, before in zip(*chroma, strict=True):
            np.testing.assert_array_equal(a, np.maximum(b, 0))
            if kind[0] == kind[1]:
                np.testing.assert_array_equal(b, before)


@pytest.mark.parametrize("kind", cases.FORMATS)
@pytest.mark.parametrize("codes", [(0, 0), (65535, 65535), (65535, 0)])
def test_the_largest_weights_saturate(kind: tuple[str, str], codes: tuple[int, int]) -> None:
    """Sums stay in 64 bits (the golden engine asserts it), results within the planes' limit."""
    picture = cases.picture_of(64, 64, kind)
    tools = cases.tools_of(
        picture,
        1,
        codes,
        split=(1, 1),
        side=(4, 4),
        mean=(32767, 0),
        corrects=(1, 1),
    )
    size = cases.planes_of(picture, 1).planes[1].shape
    luma = np.full((64, 64), cases.WHITE, np.int32)
    low, high = np.full(size, -PLANE_LIMIT, np.int32), np.full(size, PLANE_LIMIT, np.int32)
    planes = FilterPlanes((luma, low, high))
    expected = cases.apply(picture, tools, planes)
    found = cases.apply(picture, tools, planes, "jit")
    for a, b in zip(expected.chroma, found.chroma, strict=True):
        np.testing.assert_array_equal(a, b)
    assert max(np.abs(p).max() for p in expected.linear.planes[1:]) == PLANE_LIMIT


def test_bounds_of_the_sums() -> None:
    """What AR-EFL-08 and AR-EFN-05 state, from the ranges of the syntax."""
    largest, limit = 65535 + 65535 - 32767, Fraction(PLANE_LIMIT)
    chroma = 100 * limit + (32767 << 16)
    # interpolation: |t| adds up to 20/16, less the identity
    linear = 204800 * limit + 16 * largest * (chroma + 100 * cases.WHITE) + 8 * chroma * (20 * 20 + 256)
    assert linear < 1 << 58 and 2 * linear < 1 << 62
    lowest, highest = 2048 * 8 * 65535, 25 * cases.WHITE
    nonlinear = 51200 * limit + largest * (max(lowest, highest) + 7 * highest)
    assert nonlinear < 1 << 49 and 2 * (2 * nonlinear + 2 * 51200 * limit) < 1 << 62
    # what the fast engine folds into one kernel, and the least value of its 32-bit knots
    assert 2 * 16 * (largest + 2048) * limit < 1 << 62 and 2048 * 8 * 65535 < 1 << 31
    assert golden.LINEAR_BOUND >= 1 << 58 and golden.NONLINEAR_BOUND == 1 << 49 and jit._LIMIT == PLANE_LIMIT


def test_as_many_tiles_and_blocks_as_there_can_be_take_no_longer() -> None:
    picture = cases.picture_of(1023, 1023, ("444", "444"))
    both = {"split": (8, 7), "masks": (1, 1), "corrects": (1, 1)}
    few = cases.tools_of(picture, 1, block=(1000,), tile=(1023, 1023), **both)
    many = cases.tools_of(picture, 1, block=(1,), tile=(128, 1), **both)
    assert many.efe_nonlinear is not None and many.efe_nonlinear.numTiles > 8000
    planes = cases.planes_of(picture, 1)
    seconds = []
    for tools in (few, many, few, many):
        start = time.process_time()
        cases.apply(picture, tools, planes, "jit")
        seconds.append(time.process_time() - start)
    assert min(seconds[1::2]) < 10 * min(seconds[::2]) + 1


@pytest.mark.parametrize("kind", [("444", "420"), ("420", "420")])
@pytest.mark.parametrize("engine, threads", [("golden", 1), ("jit", 1), ("jit", 3)])
def test_memory_stays_below_the_estimate(engine: str, threads: int, kind: tuple[str, str]) -> None:
    picture = cases.picture_of(300, 400, kind)
    both: dict[str, cases.Choice] = {"masks": (1, 1), "split": (7, 8), "corrects": (1, 1), "tile": (300, 400)}
    tools = cases.tools_of(picture, 1, **both)
    context = cases.context_of(picture, tools, engine, threads)
    state = cases.planes_of(picture, 1)
    for item in (cases.efe_linear, cases.efe_nonlinear):
        item.apply(state, context)
        tracemalloc.start()
        try:
            after = item.apply(state, context)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        estimate = item.memory(picture, tools, context.models, context.settings)
        assert peak <= estimate + (64 << 10)
        assert estimate <= 4 * peak
        state = after
