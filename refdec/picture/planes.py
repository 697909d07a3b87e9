"""From the synthesised planes to the picture: crop, decimation, chroma format, colour, rounding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from refdec.codestream import PictureHeader
from refdec.codestream.geometry import ceil_div
from refdec.errors import UnsupportedFeatureError

UInt16 = npt.NDArray[np.uint16]
Int32 = npt.NDArray[np.int32]
IntArray = npt.NDArray[np.integer[Any]]
Planes = tuple[IntArray, IntArray, IntArray]

BT709 = 1
PLANE_FRACTION, FILTERED_FRACTION = 8, 16
"""Fraction bits of synthesised planes, and of planes that pass through post-filters."""
STRIP_ROWS = 128
"""Rows of chroma that exist at the output's resolution at the same time."""


@dataclass(frozen=True)
class Picture:
    """A decoded picture.

    :param planes: R, G, B or Y, U, V; ``[h, w]``, uint8 at 8 bits, else uint16.
    :param colour: what the planes are. ``YCbCr`` is what the source was, nothing was converted.
    :param bit_depth: bits of a sample.
    :param subsampling: vertical and horizontal factor of the second and third plane.
    """

    planes: Planes
    colour: Literal["RGB", "YCbCr"]
    bit_depth: int
    subsampling: tuple[int, int]

    @property
    def names(self) -> tuple[str, str, str]:
        """Names of the planes."""
        return ("R", "G", "B") if self.colour == "RGB" else ("Y", "U", "V")

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the picture."""
        height, width = self.planes[0].shape
        return height, width


def arithmetic(engine: str) -> ModuleType:
    """The module that computes for an engine.

    :raises ValueError: no such engine.
    """
    if engine == "golden":
        from refdec.picture import golden

        return golden
    if engine == "jit":
        from refdec.picture import jit

        return jit
    raise ValueError(f"engine must be golden or jit, found {engine!r}")


def colour_of(picture: PictureHeader) -> Literal["RGB", "YCbCr"]:
    """What the planes of the decoded picture are."""
    return "RGB" if picture.colour_transform_idx == BT709 else "YCbCr"


def require_supported(picture: PictureHeader) -> None:
    """Whether the picture's colour conversion is defined (AR-PIC-09).

    :raises UnsupportedFeatureError: it is not.
    """
    if picture.colour_transform_idx not in (0, BT709):
        raise UnsupportedFeatureError(
            "the user-defined colour transform has no usable definition",
            element="PIH.colour_transform_idx",
            expected="0 (none) or 1 (BT.709)",
            found=str(picture.colour_transform_idx),
        )
    if picture.colour_transform_idx == BT709 and picture.source_subsampling != (1, 1):
        # AR-PIC-09
        raise UnsupportedFeatureError(
            "an RGB picture cannot have subsampled planes",
            element="PIH.colour_transform_idx",
            expected="0 (none) for a source that is not 4:4:4",
            found=str(picture.colour_transform_idx),
        )


def coded_planes(picture: PictureHeader, luma: UInt16, chroma: UInt16) -> tuple[UInt16, UInt16, UInt16]:
    """Planes at displayed size in the coded chroma format (AR-PIC-03).

    :param luma: ``[1, H, W]``, 8 fraction bits; ``chroma``: ``[2, H, W]``, at luma resolution.
    """
    height, width = picture.display_height, picture.display_width
    down, across = picture.coded_subsampling  # AR-PIC-03
    return (
        np.ascontiguousarray(luma[0, :height, :width]),
        np.ascontiguousarray(chroma[0, :height:down, :width:across]),
        np.ascontiguousarray(chroma[1, :height:down, :width:across]),
    )


def make_picture(
    picture: PictureHeader, planes: tuple[UInt16, UInt16, UInt16], *, engine: str = "jit", threads: int = 1
) -> Picture:
    """Coded planes to the picture, strip by strip (AR-PIC-05 to AR-PIC-08).

    :param planes: result of :func:`coded_planes`.
    :raises UnsupportedFeatureError: as :func:`require_supported`.
    """
    require_supported(picture)
    chosen = arithmetic(engine)
    chroma_size = source_chroma_size(picture)

    def chroma(first: int, last: int) -> list[IntArray]:
        return [
            plane[first:last]
            if plane.shape == chroma_size
            else chosen.interpolate(plane, chroma_size, (first, last))
            for plane in planes[1:]
        ]

    return _coloured(picture, planes[0], chroma, PLANE_FRACTION, engine, threads)


def source_planes(
    picture: PictureHeader, planes: tuple[UInt16, UInt16, UInt16], *, engine: str = "jit", threads: int = 1
) -> tuple[Int32, Int32, Int32]:
    """Coded planes as post-filters take them: in the source's chroma format, 16 fraction bits (AR-FLT-01).

    :param planes: result of :func:`coded_planes`.
    """
    chosen = arithmetic(engine)
    size = source_chroma_size(picture)
    spare = FILTERED_FRACTION - PLANE_FRACTION

    def stretched(plane: UInt16) -> Int32:
        out = np.empty(size, np.int32)

        def strip(first: int, last: int) -> None:
            part = (
                plane[first:last] if plane.shape == size else chosen.interpolate(plane, size, (first, last))
            )
            # AR-FLT-01
            np.left_shift(part, spare, out=out[first:last], dtype=np.int32, casting="unsafe")

        _strips(size[0], engine, threads, strip)
        return out

    return planes[0].astype(np.int32) << np.int32(spare), stretched(planes[1]), stretched(planes[2])


def finish_picture(
    picture: PictureHeader, planes: tuple[Int32, Int32, Int32], *, engine: str = "jit", threads: int = 1
) -> Picture:
    """Filtered planes to the picture (AR-PIC-07, AR-PIC-08).

    :param planes: in the source's chroma format, 16 fraction bits; luma in 0..255.
    :raises UnsupportedFeatureError: as :func:`require_supported`.
    """
    require_supported(picture)

    def chroma(first: int, last: int) -> list[IntArray]:
        return [plane[first:last] for plane in planes[1:]]

    return _coloured(picture, planes[0], chroma, FILTERED_FRACTION, engine, threads)


def source_chroma_size(picture: PictureHeader) -> tuple[int, int]:
    """Rows and columns of a chroma plane of the picture."""
    down, across = picture.source_subsampling
    return ceil_div(picture.display_height, down), ceil_div(picture.display_width, across)


def _coloured(
    picture: PictureHeader,
    luma: IntArray,
    chroma: Callable[[int, int], Sequence[IntArray]],
    fraction: int,
    engine: str,
    threads: int,
) -> Picture:
    """Colour and rounding, strip by strip; ``chroma`` gives rows of both planes in the source's format."""
    chosen = arithmetic(engine)
    depth = picture.bit_depth
    down, across = picture.source_subsampling
    chroma_size = source_chroma_size(picture)
    colour = colour_of(picture)
    dtype = np.uint8 if depth == 8 else np.uint16
    out = (np.empty(luma.shape, dtype), np.empty(chroma_size, dtype), np.empty(chroma_size, dtype))

    def strip(start: int, stop: int) -> None:
        rows = slice(start, stop)
        # strips begin at even rows, so subsampled ones follow each other without a gap
        first, last = start // down, ceil_div(stop, down)
        u, v = chroma(first, last)
        if colour == "RGB":
            red, green, blue = chosen.to_rgb(luma[rows], u, v, depth, fraction)
            out[0][rows], out[1][rows], out[2][rows] = red, green, blue
            return
        out[0][rows] = chosen.to_samples(luma[rows], depth, fraction)
        out[1][first:last] = chosen.to_samples(u, depth, fraction)
        out[2][first:last] = chosen.to_samples(v, depth, fraction)

    _strips(luma.shape[0], engine, threads, strip)
    return Picture(out, colour, depth, (down, across))


def _strips(height: int, engine: str, threads: int, work: Callable[[int, int], None]) -> None:
    # the golden engine stretches all rows of a plane whenever it is asked for some
    step = height if engine == "golden" else STRIP_ROWS
    starts = range(0, height, step)
    if threads > 1 and len(starts) > 1:
        with ThreadPoolExecutor(min(threads, len(starts))) as pool:
            list(pool.map(lambda start: work(start, min(start + step, height)), starts))
        return
    for start in starts:
        work(start, min(start + step, height))
