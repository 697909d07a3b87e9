"""From the synthesised planes to the picture: crop, decimation, chroma format, colour, rounding."""

from __future__ import annotations

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
IntArray = npt.NDArray[np.integer[Any]]
Planes = tuple[IntArray, IntArray, IntArray]

BT709 = 1
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
    down, across = picture.coded_subsampling
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
    depth = picture.bit_depth
    height, width = planes[0].shape
    down, across = picture.source_subsampling
    chroma_size = (ceil_div(height, down), ceil_div(width, across))
    colour = colour_of(picture)
    dtype = np.uint8 if depth == 8 else np.uint16
    out = (np.empty((height, width), dtype), np.empty(chroma_size, dtype), np.empty(chroma_size, dtype))

    # the golden engine stretches all rows of a plane whenever it is asked for some
    step = height if engine == "golden" else STRIP_ROWS

    def strip(start: int) -> None:
        rows = slice(start, min(start + step, height))
        # strips begin at even rows, so subsampled ones follow each other without a gap
        first, last = rows.start // down, ceil_div(rows.stop, down)
        u, v = (
            plane[first:last]
            if plane.shape == chroma_size
            else chosen.interpolate(plane, chroma_size, (first, last))
            for plane in planes[1:]
        )
        if colour == "RGB":
            red, green, blue = chosen.to_rgb(planes[0][rows], u, v, depth)
            out[0][rows], out[1][rows], out[2][rows] = red, green, blue
            return
        out[0][rows] = chosen.to_samples(planes[0][rows], depth)
        out[1][first:last], out[2][first:last] = chosen.to_samples(u, depth), chosen.to_samples(v, depth)

    starts = range(0, height, step)
    if threads > 1 and len(starts) > 1:
        with ThreadPoolExecutor(min(threads, len(starts))) as pool:
            list(pool.map(strip, starts))
    else:
        for start in starts:
            strip(start)
    return Picture(out, colour, depth, (down, across))
