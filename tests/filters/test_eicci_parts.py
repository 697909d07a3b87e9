"""What surrounds eICCI's networks: bands, corrections, chroma at another size, tiles."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refdec.codestream.geometry import Rect, filter_tile_count
from refdec.codestream.headers import Icci, IcciTile
from refdec.filters import PLANE_LIMIT, WHITE
from refdec.filters.eicci_tiles import FilterTile, computed, filter_tiles
from refdec.filters.golden import eicci as golden
from refdec.filters.jit import eicci as jit
from tests.picture import real_formulas as real
from tests.picture.test_picture import header

Int32 = npt.NDArray[np.int32]
CORNERS = np.array([0, 1, WHITE - 1, WHITE, -PLANE_LIMIT, PLANE_LIMIT, -WHITE, 2 * WHITE], np.int32)
SIDES = st.one_of(st.integers(1, 9), st.integers(1, 40))
SIZES = st.tuples(SIDES, SIDES)


def plane(random: np.random.Generator, size: tuple[int, int], kind: str) -> Int32:
    if kind == "corners":
        return random.choice(CORNERS, size)
    low, high = (0, WHITE) if kind == "samples" else (-PLANE_LIMIT, PLANE_LIMIT)
    return random.integers(low, high + 1, size, dtype=np.int32)


KINDS = st.sampled_from(["samples", "corners", "everything"])


def one_level() -> npt.NDArray[np.int64]:
    """Bands from a 2 x 2 cell in raster order (a, c, b, d), by the published signs."""
    return np.array([[1, 1, 1, 1], [-1, 1, -1, 1], [-1, -1, 1, 1], [1, -1, -1, 1]])


def two_levels() -> npt.NDArray[np.int64]:
    """All 16 bands from a block of 4 x 4 samples in raster order."""
    matrix = np.zeros((16, 16), np.int64)
    for first in range(4):
        for second in range(4):
            for k in range(4):
                for j in range(4):
                    # sample j of cell k
                    row, column = 2 * (k // 2) + j // 2, 2 * (k % 2) + j % 2
                    matrix[4 * first + second, 4 * row + column] = (
                        one_level()[first, j] * one_level()[second, k]
                    )
    return matrix


@given(st.integers(0, 2**32), SIZES, KINDS, st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_bands(seed: int, size: tuple[int, int], kind: str, threads: int) -> None:
    random = np.random.default_rng(seed)
    planes = (plane(random, size, kind), plane(random, size, kind), plane(random, size, "samples"))
    fraction = random.integers(0, 23, 48).astype(np.int32)
    low, high = (random.integers(*span, 48).astype(np.int32) for span in ((-32767, 1), (0, 32768)))
    expected = golden.bands(planes, fraction, low, high)
    found = jit.bands(planes, fraction, low, high, threads)
    assert expected.dtype == found.dtype == np.int16
    np.testing.assert_array_equal(found, expected)
    # one block, in exact arithmetic
    y, x = (int(random.integers(0, -(-n // 4))) for n in size)
    at = [np.minimum(np.arange(4 * k, 4 * k + 4), n - 1) for k, n in zip((y, x), size, strict=True)]
    for k in range(3):
        block = planes[k][np.ix_(*at)].reshape(-1).astype(object)
        for band, total in enumerate(two_levels().astype(object) @ block):
            channel = 16 * k + band
            exact = Fraction(int(total) << int(fraction[channel]), 1 << 26)
            clipped = min(max(exact, int(low[channel])), int(high[channel]))
            assert abs(int(found[channel, y, x]) - clipped) <= Fraction(1, 2)


@given(st.integers(0, 2**32), SIZES, KINDS, st.booleans(), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_corrections(seed: int, size: tuple[int, int], kind: str, extreme: bool, threads: int) -> None:
    random = np.random.default_rng(seed)
    grid = tuple(-(-n // 4) for n in size)
    delta = random.integers(-32767, 32768, (16, *grid)).astype(np.int16)
    if extreme:
        delta = (32767 * np.sign(delta)).astype(np.int16)
    fraction = random.integers(0, 23, 16).astype(np.int32)
    spans = [sorted(int(v) for v in random.integers(0, n + 1, 2)) for n in size]
    part = slice(*spans[0]), slice(*spans[1])
    before = plane(random, (size[0] + 3, size[1] + 5), kind)
    target = slice(part[0].start + 3, part[0].stop + 3), slice(part[1].start + 2, part[1].stop + 2)
    results = []
    for engine, own in ((golden, 1), (jit, threads)):
        results.append(before.copy())
        engine.correct(results[-1], delta, fraction, part, target, own)
    np.testing.assert_array_equal(results[1], results[0])
    scaled = delta.astype(np.int64) << (22 - fraction.astype(np.int64))[:, None, None]
    change = np.einsum("bs,byx->syx", two_levels(), scaled).reshape(4, 4, *grid)
    change = change.transpose(2, 0, 3, 1).reshape(4 * grid[0], 4 * grid[1])
    expected = before.astype(np.int64)
    expected[target] = np.clip(expected[target] + change[part], -PLANE_LIMIT, PLANE_LIMIT)
    np.testing.assert_array_equal(results[0], expected)


def test_a_correction_by_the_bands_of_a_picture_is_that_picture() -> None:
    """The transforms are each other's inverse, in the scale of both."""
    random = np.random.default_rng(3)
    samples = (random.integers(0, 256, (8, 12)) << 16).astype(np.int32)
    fraction = np.full(48, 12, np.int32)
    limit = np.full(48, 32767, np.int32)
    for engine in (golden, jit):
        bands = engine.bands((samples,) * 3, fraction, -limit, limit)
        found = np.zeros_like(samples)
        engine.correct(found, bands[:16], fraction[:16], *((slice(0, 8), slice(0, 12)),) * 2)
        # 12 fraction bits of 256 steps are sixteenths; sixteen of them, each rounded to a half
        assert np.abs(found - samples).max() <= 16 << 9


@given(st.integers(0, 2**32), SIZES, KINDS, st.booleans(), st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_larger_and_smaller_chroma(
    seed: int, size: tuple[int, int], kind: str, both: bool, threads: int
) -> None:
    random = np.random.default_rng(seed)
    small = (-(-size[0] // 2) if both else size[0], -(-size[1] // 2))
    source, large = plane(random, small, kind), plane(random, size, kind)
    expected = golden.enlarged(source, size)
    np.testing.assert_array_equal(jit.enlarged(source, size, threads), expected)
    exact = np.clip(real.interpolated(source, size), -PLANE_LIMIT, PLANE_LIMIT)
    # a half step, and weights of 15 bits
    reach = float(np.abs(large.astype(np.int64)).max() + np.abs(source.astype(np.int64)).max())
    assert np.abs(expected - exact).max() <= 0.51 + reach * 8 * 3 * 2.0**-16 * 11 / 8
    expected = golden.reduced(large, small)
    np.testing.assert_array_equal(jit.reduced(large, small, threads), expected)
    down, across = (linear(n, m) for n, m in zip(size, small, strict=True))
    # two roundings, and weights of 30 bits
    assert np.abs(expected - down @ large.astype(np.float64) @ across.T).max() <= 1.02 + reach * 2.0**-29


def linear(length: int, target: int) -> npt.NDArray[np.float64]:
    """Matrix of linear interpolation with aligned corners."""
    out = np.zeros((target, length))
    for i in range(target):
        position = Fraction(i * (length - 1), max(target - 1, 1))
        whole = int(position)
        out[i, whole] += 1 - float(position - whole)
        out[i, min(whole + 1, length - 1)] += float(position - whole)
    return out


def test_larger_and_smaller_chroma_as_in_pytorch() -> None:
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(4)
    source = random.integers(0, WHITE, (50, 33), dtype=np.int32)
    values = torch.from_numpy(source.astype(np.float64))[None, None]
    for size in ((50, 65), (99, 66)):
        exact = torch.nn.functional.interpolate(values, size, mode="bicubic", align_corners=True)
        assert np.abs(jit.enlarged(source, size) - exact[0, 0].numpy()).max() < 2**16 / 40
    for size in ((50, 17), (25, 17)):
        exact = torch.nn.functional.interpolate(values, size, mode="bilinear", align_corners=True)
        assert np.abs(jit.reduced(source, size) - exact[0, 0].numpy()).max() <= 1.02


@given(st.integers(0, 2**32), SIZES, KINDS)
@settings(max_examples=20, deadline=None)
def test_clipping(seed: int, size: tuple[int, int], kind: str) -> None:
    source = plane(np.random.default_rng(seed), size, kind)
    for engine in (golden, jit):
        np.testing.assert_array_equal(engine.clipped(source), np.minimum(np.maximum(source, 0), WHITE))


def icci(size: int, overlap: int, count: int) -> Icci:
    return Icci((IcciTile((1, 1, 1)),) * count, 1, size // 16, overlap // 16)


def reference_grid(length: int, size: int, overlap: int) -> list[tuple[int, int, int, int]]:
    """Tiles and cores along an axis as the reference makes them: begin, size, core begin, core size."""
    side = min(size, length)
    tiles = [[x, min(side, length - x)] for x in range(0, length - overlap, side - overlap)]
    if tiles[-1][1] < 176 and len(tiles) > 1:
        tiles[-2][1] -= 176
        tiles[-1] = [tiles[-1][0] - 176, tiles[-1][1] + 176]
    out = []
    for x, w in tiles:
        left = 0 if x == 0 else overlap // 2
        right = 0 if x + w >= length else overlap // 2
        out.append((x, w, x + left, w - left - right))
    return out


@given(st.integers(64, 3000), st.integers(64, 3000), st.integers(24, 130), st.integers(0, 31), st.data())
@settings(max_examples=120, deadline=None)
def test_tiles_are_the_references(
    height: int, width: int, size: int, overlap: int, data: st.DataObject
) -> None:
    size, overlap = 16 * size, 16 * min(overlap, min(size, -(-height // 16), -(-width // 16)) - 1)
    cut = data.draw(st.tuples(st.integers(0, 63), st.integers(0, 63)))
    picture = header(width, height, diff_display_img_width=cut[1], diff_display_img_height=cut[0])
    shown = height - cut[0], width - cut[1]
    count = filter_tile_count(height, width, size, overlap)
    tiles = filter_tiles(picture, icci(size, overlap, count))
    assert len(tiles) == count
    rows, columns = (reference_grid(n, size, overlap) for n in (height, width))
    covered = np.zeros(shown, np.int32)
    for (read, core), (row, column) in zip(tiles, [(r, c) for r in rows for c in columns], strict=True):
        if min(row[1], column[1]) <= 0 or min(row[0], column[0]) < 0:
            continue  # the reference fails
        for found, wanted, limit in (
            ((read.y, read.h), row[:2], shown[0]),
            ((read.x, read.w), column[:2], shown[1]),
            ((core.y, core.h), row[2:], shown[0]),
            ((core.x, core.w), column[2:], shown[1]),
        ):
            length = max(min(wanted[0] + wanted[1], limit) - wanted[0], 0)
            assert found[1] == length and (length == 0 or found[0] == wanted[0])
        covered[core.slices()] += 1
    if any(min(x, w - 1) < 0 for line in (rows, columns) for x, w, _, _ in line):
        return
    assert covered.min() == 1
    if all(line[-2][1] > 176 + overlap for line in (rows, columns) if len(line) > 1):
        assert covered.max() == 1


@given(st.integers(64, 400), st.integers(1, 25), st.integers(0, 24), st.integers(0, 63))
@settings(max_examples=80, deadline=None)
def test_small_tiles_cover_the_picture(length: int, size: int, overlap: int, cut: int) -> None:
    """Also where the reference fails."""
    size, overlap = 16 * size, 16 * min(overlap, min(size, -(-length // 16)) - 1)
    picture = header(length, length, diff_display_img_width=cut, diff_display_img_height=cut)
    count = filter_tile_count(length, length, size, overlap)
    covered = np.zeros((length - cut, length - cut), np.int32)
    for read, core in filter_tiles(picture, icci(size, overlap, count)):
        covered[core.slices()] += 1
        inside = np.zeros_like(covered)
        inside[core.slices()] = 1
        inside[read.slices()] = 0
        assert not inside.any(), "a core outside of its tile"
    assert covered.min() >= 1


def test_the_reference_decoders_example() -> None:
    """2096 x 4100, tiles of 2048 that overlap by 48: the last row and column are too small."""
    picture = header(2096, 4100)
    tiles = filter_tiles(picture, icci(2048, 48, 6))
    assert [tuple(t.read) for t in tiles] == [
        (0, 0, 2048, 1872),
        (0, 1824, 2048, 272),
        (2000, 0, 1872, 1872),
        (2000, 1824, 1872, 272),
        (3824, 0, 276, 1872),
        (3824, 1824, 276, 272),
    ]
    assert tuple(tiles[3].core) == (2024, 1848, 1824, 248)


@given(st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_what_is_computed_is_enough_and_no_more_than_the_tile(seed: int) -> None:
    random = np.random.default_rng(seed)
    read = Rect(*(16 * random.integers(0, 9, 2)).tolist(), *random.integers(1, 200, 2).tolist())
    margins = random.integers(0, read.h, 2), random.integers(0, read.w, 2)
    top, bottom = sorted(margins[0].tolist())
    left, right = sorted(margins[1].tolist())
    core = Rect(read.y + top, read.x + left, bottom - top, right - left)
    reach = tuple(random.integers(0, 12, 2).tolist())
    found = computed(FilterTile(read, core), reach)
    for k in (0, 1):
        low, high = found[k] - read[k], found[k] + found[k + 2] - read[k]
        assert 0 <= low <= high <= read[k + 2] and low % 4 == 0
        assert high % 4 == 0 or high == read[k + 2]
        first, last = core[k] - read[k], core[k] + core[k + 2] - read[k]
        assert low <= max(first // 4 - reach[k], 0) * 4
        assert high >= min(-(-last // 4) * 4 + 4 * reach[k], read[k + 2])
        assert high - low <= last - first + 8 * reach[k] + 8
