"""What post-filters read and write."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from refdec.codestream import PictureHeader, ToolHeader
from refdec.models_io import ModelSet
from refdec.settings import Settings

Int32 = npt.NDArray[np.int32]
Planes = tuple[Int32, Int32, Int32]

PLANE_BITS = 16
"""Fraction bits of a plane between filters (AR-FLT-01)."""
WHITE = 255 << PLANE_BITS
"""The sample value 255."""
PLANE_LIMIT = (1 << 30) - 1
"""No sample between filters is larger in magnitude (AR-FLT-02): differences of two fit 32 bits."""
STRIP_ROWS = 64


@dataclass(frozen=True)
class FilterPlanes:
    """A picture on its way through the filters.

    :param planes: Y, U, V; int32 ``[h, w]``, 16 fraction bits, displayed size, source chroma format.
    :param alternative: U and V of the alternative picture that EFE linear makes for EFE non-linear.
    """

    planes: Planes
    alternative: tuple[Int32, Int32] | None = None


@dataclass(frozen=True)
class FilterContext:
    """What a filter knows apart from the planes.

    :param picture: picture header; :param tools: tool header.
    :param scale_log: int32 ``[lh, lw]``, luma's final scale logs (trace point ``log_sigma``) of the channel
        that the tool header names for LEF; ``None`` where LEF is off.
    :param models: where networks come from.
    """

    picture: PictureHeader
    tools: ToolHeader
    scale_log: Int32 | None
    models: ModelSet
    settings: Settings


def by_strips(height: int, threads: int, work: Callable[[int, int], None], rows: int = STRIP_ROWS) -> None:
    """Call ``work(first, last)`` for strips of rows that cover ``height``, on several threads if asked."""
    starts = range(0, height, rows)
    if threads > 1 and len(starts) > 1:
        with ThreadPoolExecutor(min(threads, len(starts))) as pool:
            list(pool.map(lambda start: work(start, min(start + rows, height)), starts))
        return
    for start in starts:
        work(start, min(start + rows, height))
