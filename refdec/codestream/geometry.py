"""Sizes and rectangles that follow from the picture header."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from refdec.codestream.headers import PictureHeader

CHANNELS = (160, 96)
"""Latent channels of luma and chroma (CS-GEO-01)."""

LEAST_TILE = 64 * 64
"""Samples as which a synthesis tile counts at least: below, what it costs does not shrink with it."""
PICTURE_DEPTH, LATENT_DEPTH, PSI_DEPTH, HYPER_DEPTH = 0, 4, 5, 6


class Rect(NamedTuple):
    """Rows ``y .. y+h-1`` and columns ``x .. x+w-1``."""

    y: int
    x: int
    h: int
    w: int

    def slices(self) -> tuple[slice, slice]:
        """Row and column slice."""
        return slice(self.y, self.y + self.h), slice(self.x, self.x + self.w)


class SynthesisTile(NamedTuple):
    """One synthesis tile.

    :param picture: luma samples that the transforms compute.
    :param latent: latent samples that they read.
    :param core: luma samples that are kept; the cores of all tiles partition the picture.
    """

    picture: Rect
    latent: Rect
    core: Rect


def ceil_div(value: int, divisor: int) -> int:
    """Smallest integer that is not below ``value / divisor``."""
    return -(-value // divisor)


def latent_size(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of the latent of either component, from the luma size (CS-GEO-02)."""
    return ceil_div(height, 16), ceil_div(width, 16)


def psi_size(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of the hyper-decoder's output (CS-GEO-03)."""
    return ceil_div(height, 32), ceil_div(width, 32)


def hyper_size(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of the hyper-latent of either component (CS-GEO-04)."""
    return ceil_div(height, 64), ceil_div(width, 64)


def cube_shape(height: int, width: int) -> tuple[int, int, int]:
    """Phases, rows and columns of the cube flags of a component (CS-GEO-05)."""
    rows, columns = latent_size(height, width)
    return 4, ceil_div(ceil_div(rows, 2), 8), ceil_div(ceil_div(columns, 2), 8)


def region_borders(length: int, regions: int, depth: int) -> tuple[int, ...]:
    """Borders of the regions along one axis at resolution ``1 / 2**depth`` (CS-GEO-06).

    :param length: luma samples along the axis.
    :returns: ``regions + 1`` ascending positions.
    """
    step = ceil_div(length, 128) // regions * 128
    return (*((i * step) >> depth for i in range(regions)), ceil_div(length, 1 << depth))


def region_rectangles(picture: PictureHeader, component: int, depth: int, extended: bool) -> list[Rect]:
    """Rectangles of all regions, row by row (CS-GEO-06, CS-GEO-07).

    :param component: 0 luma, 1 chroma.
    :param depth: 4 for the latent, 5 for psi, 6 for the hyper-latent, 0 for the picture.
    :param extended: grow dependent regions into their neighbours by the signalled overlap.
    """
    height, width = picture.height, picture.width
    if component == 1:
        height, width = height + height % 2, width + width % 2
    rows = region_borders(height, picture.num_region_rows, depth)
    columns = region_borders(width, picture.num_region_cols, depth)
    grow = region_extension(picture, depth) if extended else 0
    rectangles = []
    for row in range(picture.num_region_rows):
        top, bottom = max(rows[row] - grow, 0), min(rows[row + 1] + grow, rows[-1])
        for column in range(picture.num_region_cols):
            left, right = max(columns[column] - grow, 0), min(columns[column + 1] + grow, columns[-1])
            rectangles.append(Rect(top, left, bottom - top, right - left))
    return rectangles


def region_extension(picture: PictureHeader, depth: int) -> int:
    """Samples by which a region grows towards each neighbour; 0 for independent regions (CS-GEO-07)."""
    if picture.independent_regions:
        return 0
    mcm = picture.mcm_overlap_in_latent_samples
    hyper = picture.hyper_decoder_overlap_in_latent_samples
    return {PICTURE_DEPTH: 128 * hyper, LATENT_DEPTH: 2 * mcm, PSI_DEPTH: mcm, HYPER_DEPTH: 2 * hyper}[depth]


def synthesis_tiles(picture: PictureHeader) -> list[SynthesisTile]:
    """The synthesis tiles, row by row (CS-GEO-08, CS-GEO-09).

    Both components share one tiling; a stream in which they differ is refused by the header's rules.
    """
    height, width = picture.height, picture.width
    tiling = picture.components[0].tiling
    if tiling is None:
        whole = Rect(0, 0, height, width)
        return [SynthesisTile(whole, Rect(0, 0, *latent_size(height, width)), whole)]
    size, overlap = tiling
    tile_h, tile_w = min(size, height), min(size, width)
    if picture.independent_regions:
        regions = region_rectangles(picture, 0, PICTURE_DEPTH, extended=False)
        # CS-GEO-09
        return [
            _grown_tile(
                Rect(y, x, min(tile_h, height - y), min(tile_w, width - x)), regions, overlap, picture
            )
            for y in range(0, height, tile_h)
            for x in range(0, width, tile_w)
        ]
    # CS-GEO-08
    return [
        _overlapping_tile(Rect(y, x, min(tile_h, height - y), min(tile_w, width - x)), overlap, picture)
        for y in range(0, height - overlap, tile_h - overlap)
        for x in range(0, width - overlap, tile_w - overlap)
    ]


def _latent_of(tile: Rect) -> Rect:
    """Latent positions of a tile (CS-GEO-11)."""
    return Rect(tile.y // 16, tile.x // 16, ceil_div(tile.h, 16), ceil_div(tile.w, 16))


def _overlapping_tile(tile: Rect, overlap: int, picture: PictureHeader) -> SynthesisTile:
    half = overlap // 2
    top = tile.y + (half if tile.y > 0 else 0)
    left = tile.x + (half if tile.x > 0 else 0)
    bottom = tile.y + tile.h - (half if tile.y + tile.h < picture.height else 0)
    right = tile.x + tile.w - (half if tile.x + tile.w < picture.width else 0)
    return SynthesisTile(tile, _latent_of(tile), Rect(top, left, bottom - top, right - left))


def _grown_tile(tile: Rect, regions: list[Rect], overlap: int, picture: PictureHeader) -> SynthesisTile:
    half = overlap // 2
    top, left, bottom, right = tile.y, tile.x, tile.y + tile.h, tile.x + tile.w
    for region in regions:
        region_bottom, region_right = region.y + region.h, region.x + region.w
        inside = tile.y >= region.y and tile.x >= region.x
        if not inside or tile.y + tile.h > region_bottom or tile.x + tile.w > region_right:
            continue
        if tile.y > region.y:
            top -= half
        if tile.x > region.x:
            left -= half
        if tile.y + tile.h < region_bottom:
            bottom += min(half, picture.height - bottom)
        if tile.x + tile.w < region_right:
            right += min(half, picture.width - right)
    grown = Rect(top, left, bottom - top, right - left)
    return SynthesisTile(grown, _latent_of(grown), tile)


def synthesis_work(height: int, width: int, size: int, overlap: int, independent: bool) -> int:
    """Luma samples of all synthesis tiles together, each counted as ``LEAST_TILE`` at least (CS-LIM-03).

    :param overlap: of tiles that cannot be laid, the result is that of one tile.
    :param independent: of independent regions, whose tiles grow instead: an upper bound.
    """
    if overlap >= (size if independent else min(size, height, width)):
        return height * width
    spread, count = 1, 1
    for side in (height, width):
        step = min(size, side) - (0 if independent else overlap)
        number = ceil_div(side if independent else side - overlap, step)
        spread *= side + (number - 1) * overlap
        count *= number
    return max(spread, count * LEAST_TILE)


def filter_tile_count(height: int, width: int, size: int, overlap: int) -> int:
    """Tiles of the inter-component filter (CS-GEO-10); ``size`` must exceed ``overlap`` on both axes."""
    rows = ceil_div(height - overlap, min(size, height) - overlap)
    columns = ceil_div(width - overlap, min(size, width) - overlap)
    return rows * columns
