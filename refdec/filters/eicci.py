"""eICCI: networks that correct every plane by the other two, in bands (AR-ICC-01 to AR-ICC-09).

Facts from the JPEG AI reference software.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType

import numpy as np
import numpy.typing as npt

from refdec.codestream import PictureHeader, ToolHeader
from refdec.codestream.headers import Icci, IcciTile
from refdec.filters.eicci_tiles import FilterTile, computed, filter_tiles
from refdec.filters.planes import FilterContext, FilterPlanes, Planes
from refdec.integer import Graph, run
from refdec.memory import graph_memory
from refdec.models_io import ModelSet, eicci_file_name
from refdec.networks.eicci import LARGEST_REACH, EicciModel, Trunk
from refdec.operating_point import operating_point
from refdec.settings import Settings

Int16 = npt.NDArray[np.int16]

SHORT_LISTS = {
    "sop": (((5, 6), (2, 6), (2, 7), (3, 8)), ((0, 1), (0, 1), (1, 2), (1, 2))),
    "bop": (((5, 6), (3, 6), (2, 7), (3, 8)), ((0, 1), (1, 2), (2, 3), (2, 3))),
    "hop": (((5, 6), (6, 8), (2, 7), (3, 9)), ((0, 2), (1, 3), (2, 3), (2, 3))),
}
"""Networks for luma and for chroma that a short index means, by operating point and model id (AR-ICC-09)."""


def arithmetic(engine: str) -> ModuleType:
    """The module that computes for an engine."""
    if engine == "golden":
        from refdec.filters.golden import eicci as golden

        return golden
    from refdec.filters.jit import eicci as jit

    return jit


def bank_of(point: str) -> str:
    """The bank of networks for an operating point (AR-ICC-09)."""
    return "hop" if point == "hop" else "bop"  # AR-ICC-09


def networks_of(tile: IcciTile, point: str, model_id: int) -> tuple[int | None, int | None]:
    """Networks of a tile for luma and for chroma; ``None`` where no plane of them is filtered (AR-ICC-09)."""
    luma, chroma = tile.index_Y, tile.index_UV
    if tile.icci_use_shortList:
        lists = SHORT_LISTS[point]
        luma, chroma = lists[0][model_id][luma], lists[1][model_id][chroma]
    return luma if tile.icci_use[0] else None, chroma if any(tile.icci_use[1:]) else None


def entries(icci: Icci, settings: Settings) -> tuple[IcciTile, ...]:
    """What the header says about every tile, or, as the reference decoder has it, about the first for all."""
    return icci.tiles[:1] * len(icci.tiles) if settings.eicci_first_tile else icci.tiles


def needed(picture: PictureHeader, tools: ToolHeader, settings: Settings) -> list[tuple[str, int]]:
    """Bank and index of every network that the filter runs."""
    assert tools.icci is not None
    point = operating_point(picture, settings)
    found = {k for t in entries(tools.icci, settings) for k in networks_of(t, point, picture.model_id)}
    return [(bank_of(point), index) for index in sorted(k for k in found if k is not None)]


def digests(
    picture: PictureHeader, tools: ToolHeader, models: ModelSet, settings: Settings
) -> dict[str, str]:
    """Digest by file name of these networks.

    :raises ModelError: one is missing or damaged.
    """
    return {eicci_file_name(*key): models.eicci(*key).digest for key in needed(picture, tools, settings)}


def available(picture: PictureHeader, tools: ToolHeader, models: ModelSet, settings: Settings) -> bool:
    """Whether the model set has all of them."""
    return all(models.has_eicci(*key) for key in needed(picture, tools, settings))


def apply(state: FilterPlanes, context: FilterContext) -> FilterPlanes:
    """See :mod:`refdec.filters`.

    :raises ModelError: a network is missing or damaged.
    """
    icci, settings = context.tools.icci, context.settings
    assert icci is not None
    engine, threads = arithmetic(settings.engine), settings.threads
    size, subsampled = state.planes[0].shape, state.planes[1].shape
    planes = full_size(state.planes, settings)
    tiles = filter_tiles(context.picture, icci)
    # AR-ICC-03: each tile sees what the ones before it have made of the picture
    for tile, entry in zip(tiles, entries(icci, settings), strict=True):
        filter_tile(planes, tile, entry, context)
    luma, *chroma = (engine.clipped(plane, threads) for plane in planes)
    if subsampled != size:
        chroma = [engine.reduced(plane, subsampled, threads) for plane in chroma]
    return replace(state, planes=(luma, chroma[0], chroma[1]))


def full_size(planes: Planes, settings: Settings) -> Planes:
    """Copies of the planes, chroma at luma's size (AR-ICC-01)."""
    luma, *chroma = planes
    if chroma[0].shape != luma.shape:
        engine = arithmetic(settings.engine)
        chroma = [engine.enlarged(plane, luma.shape, settings.threads) for plane in chroma]
    else:
        chroma = [plane.copy() for plane in chroma]
    return luma.copy(), chroma[0], chroma[1]


def filter_tile(planes: Planes, tile: FilterTile, entry: IcciTile, context: FilterContext) -> None:
    """One tile, in place: both networks read the planes as they are, then the chosen planes are corrected."""
    if tile.core.h == 0 or tile.core.w == 0:
        return
    settings = context.settings
    engine = arithmetic(settings.engine)
    point = operating_point(context.picture, settings)
    corrections = []
    luma, chroma = networks_of(entry, point, context.picture.model_id)
    for index, first, used in ((luma, 0, entry.icci_use[:1]), (chroma, 1, entry.icci_use[1:])):
        if index is None:
            continue
        model = context.models.eicci(bank_of(point), index)
        trunk = model.chroma if first else model.luma
        area = computed(tile, trunk.reach)
        delta = correction(planes, area.slices(), model, trunk, settings)
        top, left = tile.core.y - area.y, tile.core.x - area.x
        part = slice(top, top + tile.core.h), slice(left, left + tile.core.w)
        for k, on in enumerate(used):
            channels = slice(16 * k, 16 * k + 16)
            if on:
                corrections.append((planes[first + k], delta[channels], trunk.fraction[channels], part))
    for plane, delta, fraction, part in corrections:
        engine.correct(plane, delta, fraction, part, tile.core.slices(), settings.threads)


def correction(
    planes: Planes, area: tuple[slice, slice], model: EicciModel, trunk: Trunk, settings: Settings
) -> Int16:
    """What a network adds to the bands of an area (AR-ICC-04).

    :param planes: all three at luma's size. :param trunk: luma's or chroma's half of the network.
    :returns: int16 ``[16 or 32, ceil(h/4), ceil(w/4)]``.
    """
    low, high = trunk.graph.clip_range("bands")
    seen = (planes[0][area], planes[1][area], planes[2][area])
    bands = arithmetic(settings.engine).bands(seen, model.band_fraction, low, high, settings.threads)
    size = seen[0].shape
    # AR-ICC-04
    return run(
        trunk.graph, {"bands": bands}, (size[0], size[1]), engine=settings.engine, threads=settings.threads
    )["delta"]


def memory(picture: PictureHeader, tools: ToolHeader, models: ModelSet, settings: Settings) -> int:
    """Upper estimate, in bytes, of what the filter allocates.

    :raises ModelError: a network is missing or damaged.
    """
    assert tools.icci is not None
    pixels = picture.height * picture.width
    golden = settings.engine == "golden"
    # planes that are corrected, and clipped ones; the golden engine's bands of one plane after the other
    kept = pixels * (24 + (3 * 16 + 64 if golden else 0))
    tiles = [t for t in filter_tiles(picture, tools.icci) if t.core.h and t.core.w]
    areas = [computed(t, (LARGEST_REACH, LARGEST_REACH)) for t in tiles]
    sizes = {(area.h, area.w) for area in areas}
    graphs = [
        trunk.graph
        for key in needed(picture, tools, settings)
        for trunk in (models.eicci(*key).luma, models.eicci(*key).chroma)
    ]
    return kept + max(_graph_peaks(graphs, sizes, settings), default=0)


def _graph_peaks(graphs: list[Graph], sizes: set[tuple[int, int]], settings: Settings) -> Iterator[int]:
    for graph in graphs:
        for height, width in sizes:
            grid = (-(-height // 4), -(-width // 4))
            # bands twice: both trunks' corrections may be there when the second runs
            ends = 2 * (48 + 32) * grid[0] * grid[1]
            yield ends + graph_memory(graph, {"bands": grid}, (height, width), settings, False)
