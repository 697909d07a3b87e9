"""LEF as a compiled kernel: row by row, one gain for every sample of a row of the latent.

Independent of :mod:`refdec.filters.golden.lef`: it adds a multiple of the difference to the sample instead
of blending, divides by 25 with a reciprocal, and rounds to binary32 by adding half of what is cut off.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numba import types

from refdec.engine_record import ran
from refdec.entropy.jit.kernel import kernel, narrow, reads, wide, writes
from refdec.filters.planes import Int32, by_strips

_i64, _void, _i32 = types.int64, types.void, types.int32
RECIPROCAL = 2748779070
"""2^36 / 25, rounded up: exact for non-negative operands below 2^31."""


@kernel(_void, _i64, _i64, writes(_i64))
def nearest_axis(length, target, index):  # type: ignore[no-untyped-def]
    """Source sample of every sample of an axis: binary32 ratio, binary32 product, rounded down."""
    shift = wide(0)
    while (wide(length) << (shift + 1)) < (wide(target) << 24):
        shift += 1
    ratio = (wide(length) << shift) // target
    rest = 2 * ((wide(length) << shift) - ratio * target)
    ratio += (rest > target) | ((rest == target) & (ratio & 1))
    for i in range(target):
        product = i * ratio
        cut = wide(0)
        while (product >> cut) >= (1 << 24):
            cut += 1
        if cut > 0:
            # half of what is cut off, less one where the last bit kept is even
            product += (1 << (cut - 1)) - 1 + ((product >> cut) & 1)
            product = (product >> cut) << cut
        index[i] = min(product >> shift, length - 1)


@kernel(
    _void,
    reads(_i32, 2),
    reads(_i32, 2),
    reads(_i64),
    reads(_i64),
    reads(_i64),
    reads(_i64),
    _i64,
    _i64,
    writes(_i32),
    writes(_i32, 2),
)
def sharpen_rows(luma, scale_log, rows, columns, thresholds, gains, first, last, boost, out):  # type: ignore[no-untyped-def]
    """Rows ``first .. last - 1``; ``boost`` holds one row of gains less 100."""
    height, width = luma.shape
    held = wide(-1)
    for y in range(first, last):
        if y == 0 or y == height - 1 or width < 3:
            for x in range(width):
                out[y, x] = luma[y, x]
            continue
        if rows[y] != held:
            held = rows[y]
            for x in range(width):
                s = wide(scale_log[held, columns[x]])
                level = (s >= thresholds[0]) + wide(s >= thresholds[1]) + wide(s >= thresholds[2])
                boost[x] = narrow(gains[level] - 100)
        out[y, 0] = luma[y, 0]
        out[y, width - 1] = luma[y, width - 1]
        for x in range(1, width - 1):
            centre = luma[y, x]
            above = narrow(luma[y - 1, x - 1] + luma[y - 1, x] + luma[y - 1, x + 1])
            below = narrow(luma[y + 1, x - 1] + luma[y + 1, x] + luma[y + 1, x + 1])
            around = narrow(above + below + luma[y, x - 1] + luma[y, x + 1])
            # 64 times the difference to the blurred sample, at most 2^30
            detail = narrow(40 * centre - 5 * around)
            # the offset makes the dividend positive, and is taken off again as 2^26
            scaled = ((wide(boost[x]) * detail + 3200) >> 8) + (wide(25) << 26)
            value = centre + ((scaled * RECIPROCAL) >> 36) - (1 << 26)
            out[y, x] = narrow(min(max(value, 0), 255 << 16))


def nearest_index(length: int, target: int) -> npt.NDArray[np.int64]:
    """See :func:`refdec.filters.golden.lef.nearest_index`."""
    index = np.empty(target, np.int64)
    nearest_axis(length, target, index)
    return index


def sharpen(
    luma: Int32, scale_log: Int32, thresholds: Sequence[int], gains: Sequence[int], threads: int = 1
) -> Int32:
    """See :func:`refdec.filters.golden.lef.sharpen`."""
    ran("filters", "jit")
    plane, steering = (np.ascontiguousarray(a, np.int32) for a in (luma, scale_log))
    height, width = plane.shape
    rows, columns = nearest_index(steering.shape[0], height), nearest_index(steering.shape[1], width)
    levels = np.array(thresholds, np.int64), np.array(gains, np.int64)
    out = np.empty(plane.shape, np.int32)

    def strip(first: int, last: int) -> None:
        boost = np.empty(width, np.int32)
        sharpen_rows(plane, steering, rows, columns, *levels, first, last, boost, out)

    by_strips(height, threads, strip)
    return out
