"""eICCI in the encoder: which planes each tile filters, and by which networks.

A tile's planes are filtered by the network that leaves the smallest squared error against the source in what
the tile replaces, and stay as they are where no network lowers it. Tiles are decided in the order in which
decoders filter them, each on what the ones before it have made of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from conformance.encoder.efe_linear import squared_error
from refdec.codestream import PictureHeader, ToolHeader
from refdec.codestream.geometry import Rect
from refdec.codestream.headers import Icci, IcciTile
from refdec.codestream.profiles import TRANSFORM_NAMES
from refdec.errors import RefdecError
from refdec.filters import WHITE, FilterContext, FilterPlanes, Planes, eicci
from refdec.filters.eicci_tiles import FilterTile, computed, filter_tiles
from refdec.models_io import EICCI_NETWORKS, ModelSet
from refdec.operating_point import operating_point
from refdec.settings import Settings

Int32 = npt.NDArray[np.int32]
Tiling = Literal["auto", "off"] | tuple[int, int]
Layout = tuple[int, int]

TILE, OVERLAP = 2048, 48
"""Tiles of the reference encoder, in samples."""
TILED_FROM = TILE * TILE
"""Coded samples above which it tiles."""
NO_FILTER = IcciTile((0, 0, 0))


class EicciError(RefdecError):
    """eICCI is asked for where it cannot be."""

    exit_code = 2
    code = "eicci"


def networks(picture: PictureHeader, models: ModelSet) -> tuple[int, ...]:
    """Networks that the model set has for all operating points that a stream lists."""
    banks = {eicci.bank_of(name) for name in _points(picture)}
    return tuple(k for k in range(EICCI_NETWORKS) if all(models.has_eicci(bank, k) for bank in banks))


def tile_layout(picture: PictureHeader, tiling: Tiling) -> Layout | None:
    """Tile size and overlap in samples, ``None`` for one tile.

    :raises EicciError: tiles that the tool header cannot express.
    """
    if tiling == "off" or (tiling == "auto" and picture.height * picture.width <= TILED_FROM):
        return None
    size, overlap = (TILE, OVERLAP) if tiling == "auto" else tiling
    side = min(size, picture.height, picture.width)
    if overlap >= side:
        raise EicciError(f"tiles of eICCI cannot overlap by {overlap} where the shortest side is {side}")
    return size, overlap


def require_possible(picture: PictureHeader, models: ModelSet, tiling: Tiling) -> None:
    """Refuse what no stream of this picture can carry, or what the model set has no networks for.

    :raises EicciError: what and why.
    """
    if not picture.icci_coded:
        raise EicciError("eICCI cannot be used: the tool header of a 4:2:0 source has no place for it")
    tile_layout(picture, tiling)
    if not networks(picture, models):
        points = " and ".join(name.upper() for name in _points(picture))
        raise EicciError(
            f"eICCI cannot be used: the model set has no network of it for {points} "
            "(the bundled set has none; refconf import makes them from the standard's checkpoints)"
        )


def choose_eicci(
    picture: PictureHeader,
    decoded: Planes,
    source: Planes,
    models: ModelSet,
    settings: Settings,
    tiling: Tiling = "auto",
) -> tuple[Icci | None, Planes]:
    """The filter's part of the tool header, and the planes behind it; ``None`` where nothing is gained.

    :param decoded: what the filter gets: Y, U, V, int32 with 16 fraction bits, displayed size, the source's
        chroma format. :param source: the original in the same form.
    :raises EicciError: no network, or no place in the header.
    :raises ModelError: a network is damaged.
    """
    require_possible(picture, models, tiling)
    layout = tile_layout(picture, tiling)
    size, overlap = layout or (0, 0)
    empty = Icci((), int(layout is not None), size // 16, overlap // 16)
    context = FilterContext(picture, ToolHeader(icci_enable_flag=1, icci=empty), None, models, settings)
    chooser = _Chooser(context, eicci.full_size(source, settings), networks(picture, models))
    planes = eicci.full_size(decoded, settings)
    entries = []
    for tile in filter_tiles(picture, empty):
        entries.append(chooser.entry(planes, tile))
        eicci.filter_tile(planes, tile, entries[-1], context)
    return _judged(replace(empty, tiles=tuple(entries)), decoded, source, context)


def _judged(
    icci: Icci, decoded: Planes, source: Planes, context: FilterContext
) -> tuple[Icci | None, Planes]:
    """The same without planes whose error in the source's format it does not lower: chroma of subsampled
    sources is chosen at luma's size."""
    while any(any(tile.icci_use) for tile in icci.tiles):
        tools = ToolHeader(icci_enable_flag=1, icci=icci)
        planes = eicci.apply(FilterPlanes(decoded), replace(context, tools=tools)).planes
        used = [any(tile.icci_use[p] for tile in icci.tiles) for p in range(3)]
        worse = [
            on and squared_error(a, c) >= squared_error(b, c)
            for on, a, b, c in zip(used, planes, decoded, source, strict=True)
        ]
        if not any(worse):
            return icci, planes
        icci = replace(icci, tiles=tuple(_without(tile, worse) for tile in icci.tiles))
    return None, decoded


def _without(tile: IcciTile, planes: list[bool]) -> IcciTile:
    y, u, v = (int(on and not off) for on, off in zip(tile.icci_use, planes, strict=True))
    if not (y or u or v):
        return NO_FILTER
    return replace(
        tile,
        icci_use=(y, u, v),
        index_Y=tile.index_Y if y else 0,
        index_UV=tile.index_UV if u or v else 0,
    )


@dataclass(frozen=True)
class _Chooser:
    """Decides tiles.

    :param wanted: the original at luma's size. :param candidates: numbers of networks.
    """

    context: FilterContext
    wanted: Planes
    candidates: tuple[int, ...]

    def entry(self, planes: Planes, tile: FilterTile) -> IcciTile:
        """The best entry for a tile of the picture as the tiles before it have left it."""
        if tile.core.h == 0 or tile.core.w == 0:
            return NO_FILTER
        as_it_is = [self._error(p, planes[p][tile.core.slices()], tile.core) for p in range(3)]
        luma: tuple[float, int] | None = None
        chroma: tuple[float, int, tuple[int, int]] | None = None
        for k in self.candidates:
            y, u, v = self._errors(planes, tile, k)
            if y < as_it_is[0] and (luma is None or y < luma[0]):
                luma = y, k
            use = int(u < as_it_is[1]), int(v < as_it_is[2])
            total = min(u, as_it_is[1]) + min(v, as_it_is[2])
            if any(use) and (chroma is None or total < chroma[0]):
                chroma = total, k, use
        return self._coded(
            None if luma is None else luma[1],
            None if chroma is None else chroma[1],
            (0, 0) if chroma is None else chroma[2],
        )

    def _errors(self, planes: Planes, tile: FilterTile, index: int) -> list[float]:
        """Squared errors of Y, U, V in the tile's core behind a network."""
        settings = self.context.settings
        engine = eicci.arithmetic(settings.engine)
        point = operating_point(self.context.picture, settings)
        model = self.context.models.eicci(eicci.bank_of(point), index)
        core = tile.core
        found = []
        for trunk, first, count in ((model.luma, 0, 1), (model.chroma, 1, 2)):
            area = computed(tile, trunk.reach)
            delta = eicci.correction(planes, area.slices(), model, trunk, settings)
            top, left = core.y - area.y, core.x - area.x
            part = slice(top, top + core.h), slice(left, left + core.w)
            for k in range(count):
                channels = slice(16 * k, 16 * k + 16)
                trial = planes[first + k][core.slices()].copy()
                whole = slice(0, core.h), slice(0, core.w)
                engine.correct(
                    trial, delta[channels], trunk.fraction[channels], part, whole, settings.threads
                )
                found.append(self._error(first + k, trial, core))
        return found

    def _error(self, plane: int, samples: Int32, core: Rect) -> float:
        return squared_error(np.clip(samples, 0, WHITE), self.wanted[plane][core.slices()])

    def _coded(self, luma: int | None, chroma: int | None, use: tuple[int, int]) -> IcciTile:
        """The entry that says it, by the short lists where they have both and mean the same for all operating
        points that the stream lists."""
        if luma is None and chroma is None:
            return NO_FILTER
        picture = self.context.picture
        flags = (int(luma is not None), *use)
        short = set()
        for point in _points(picture):
            lists = [names[picture.model_id] for names in eicci.SHORT_LISTS[point]]
            places = [
                0 if k is None else names.index(k) if k in names else -1
                for k, names in zip((luma, chroma), lists, strict=True)
            ]
            short.add(tuple(places))
        found = short.pop()
        if not short and min(found) >= 0:
            return IcciTile(flags, 1, *found)
        return IcciTile(flags, 0, luma or 0, chroma or 0)


def _points(picture: PictureHeader) -> tuple[str, ...]:
    """Operating points that a stream lists, the default one first."""
    return tuple(dict.fromkeys(TRANSFORM_NAMES[k].lower() for k in picture.synthesis_transform_id))
