"""Tiles of the inter-component filter: what each reads, and what it writes (AR-ICC-02, AR-ICC-03)."""

from __future__ import annotations

from typing import NamedTuple

from refdec.codestream import PictureHeader
from refdec.codestream.geometry import Rect
from refdec.codestream.headers import Icci

SMALLEST_LAST = 176
"""A last column or row below this takes as much from its neighbour."""


class FilterTile(NamedTuple):
    """One tile, cut at the displayed picture; rectangles in luma samples, empty ones included.

    :param read: samples that the tile sees. :param core: samples that it replaces.
    """

    read: Rect
    core: Rect


def filter_tiles(picture: PictureHeader, icci: Icci) -> list[FilterTile]:
    """All tiles, row by row, as many as the tool header has entries for."""
    if not icci.icci_tile_enable:
        whole = Rect(0, 0, picture.display_height, picture.display_width)
        return [FilterTile(whole, whole)]
    size, overlap = 16 * icci.icci_tile_size, 16 * icci.icci_tile_overlap
    rows = _spans(picture.height, picture.display_height, size, overlap)
    columns = _spans(picture.width, picture.display_width, size, overlap)
    return [
        FilterTile(Rect(y, x, h, w), Rect(top, left, high, wide))
        for (y, h), (top, high) in rows
        for (x, w), (left, wide) in columns
    ]


Span = tuple[int, int]


def _spans(length: int, shown: int, size: int, overlap: int) -> list[tuple[Span, Span]]:
    """Start and length of every tile along one axis, and of its core.

    :param length: coded samples; ``shown``: displayed ones.
    """
    size = min(size, length)
    tiles = [[start, min(start + size, length)] for start in range(0, length - overlap, size - overlap)]
    if len(tiles) > 1 and tiles[-1][1] - tiles[-1][0] < SMALLEST_LAST:
        before = tiles[-2]
        # AR-ICC-02: not where nothing of the neighbour would be left, or of the picture
        if before[1] - before[0] > SMALLEST_LAST and tiles[-1][0] >= SMALLEST_LAST:
            before[1] -= SMALLEST_LAST
            tiles[-1][0] -= SMALLEST_LAST
    half = overlap // 2
    out = []
    for start, stop in tiles:
        first = start + (half if start > 0 else 0)
        last = stop - (half if stop < length else 0)
        out.append((_cut(start, stop, shown), _cut(first, last, shown)))
    return out


def _cut(start: int, stop: int, shown: int) -> Span:
    start = min(start, shown)
    return start, max(min(stop, shown) - start, 0)


def computed(tile: FilterTile, reach: tuple[int, int]) -> Rect:
    """The part of a tile that its core depends on, in whole blocks of 4 x 4 samples from the tile's corner.

    :param reach: how many rows and columns of blocks to either side a block's result depends on.
    """
    (y, x, height, width), core = tile

    def along(start: int, length: int, first: int, size: int, reach: int) -> Span:
        low = max((first - start) // 4 - reach, 0) * 4
        high = min(-(-(first + size - start) // 4) * 4 + 4 * reach, length)
        return start + low, high - low

    top, rows = along(y, height, core.y, core.h, reach[0])
    left, columns = along(x, width, core.x, core.w, reach[1])
    return Rect(top, left, rows, columns)
