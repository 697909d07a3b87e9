"""What surrounds the networks of eICCI, as compiled kernels: one pass over the samples each way.

Independent of :mod:`refdec.filters.golden.eicci`: transforms are butterflies within a block of 4 x 4
samples, rounding reads the bit below the cut, interpolation runs row by row.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import types

from refdec.engine_record import ran
from refdec.entropy.jit.kernel import kernel, narrow, reads, wide, writes
from refdec.filters.planes import Int32, Planes, by_strips
from refdec.picture.jit import _axis as cubic_axis

Int16 = npt.NDArray[np.int16]

_i64, _void, _i32, _i16 = types.int64, types.void, types.int32, types.int16
LIMIT = (1 << 30) - 1
BLOCK_ROWS = 16


@kernel(
    _void, reads(_i32, 2), reads(_i32), reads(_i32), reads(_i32), _i64, _i64, writes(_i64), writes(_i16, 3)
)
def band_rows(plane, fraction, low, high, first, last, block, out):  # type: ignore[no-untyped-def]
    """Rows ``first .. last - 1`` of the 16 bands of a plane; ``block`` has room for 16 numbers."""
    height, width = plane.shape
    for y in range(first, last):
        for x in range(out.shape[2]):
            # row pairs first: the sums and differences of what lies above each other, then of the columns
            for i in range(4):
                row = min(4 * y + i, height - 1)
                for j in range(4):
                    block[4 * i + j] = plane[row, min(4 * x + j, width - 1)]
            for k in range(4):
                # corner k of the 2 x 2 quads: its four samples become LL, HL, LH, HH
                at = 8 * (k >> 1) + 2 * (k & 1)
                a, c = block[at], block[at + 1]
                b, d = block[at + 4], block[at + 5]
                block[at] = (a + b) + (c + d)
                block[at + 1] = (c + d) - (a + b)
                block[at + 4] = (b + d) - (a + c)
                block[at + 5] = (a + d) - (b + c)
            for band in range(4):
                at = 4 * (band >> 1) + (band & 1)
                a, c = block[at], block[at + 2]
                b, d = block[at + 8], block[at + 10]
                for second in range(4):
                    if second == 0:
                        total = (a + b) + (c + d)
                    elif second == 1:
                        total = (c + d) - (a + b)
                    elif second == 2:
                        total = (b + d) - (a + c)
                    else:
                        total = (a + d) - (b + c)
                    channel = 4 * band + second
                    fine = total >> (25 - wide(fraction[channel]))
                    value = (fine >> 1) + (fine & 1)
                    out[channel, y, x] = min(max(value, wide(low[channel])), wide(high[channel]))


@kernel(
    _void,
    reads(_i16, 3),
    reads(_i64),
    *(_i64,) * 7,
    writes(_i64),
    writes(_i32, 2),
)
def correct_rows(delta, left, y0, x0, ty, tx, columns, first, last, block, plane):  # type: ignore[no-untyped-def]
    """Rows ``first .. last - 1`` of what is written: sample ``(y0 + i, x0 + j)`` of the inverse transform is
    added to ``plane[ty + i, tx + j]``, ``j < columns``."""
    begin, end = x0 >> 2, (x0 + columns + 3) >> 2
    for i in range(first, last):
        y = (y0 + i) >> 2
        corner = (y0 + i) & 3
        for x in range(begin, end):
            # only the two rows of the block that this row of samples needs: one of each level
            for band in range(4):
                p = wide(delta[4 * band, y, x]) << left[4 * band]
                q = wide(delta[4 * band + 1, y, x]) << left[4 * band + 1]
                r = wide(delta[4 * band + 2, y, x]) << left[4 * band + 2]
                s = wide(delta[4 * band + 3, y, x]) << left[4 * band + 3]
                if corner >> 1:
                    block[2 * band] = (p + r) - (q + s)
                    block[2 * band + 1] = (p + q) + (r + s)
                else:
                    block[2 * band] = (p + s) - (q + r)
                    block[2 * band + 1] = (p + q) - (r + s)
            for half in range(2):
                p, q, r, s = block[half], block[2 + half], block[4 + half], block[6 + half]
                if corner & 1:
                    near, far = (p + r) - (q + s), (p + q) + (r + s)
                else:
                    near, far = (p + s) - (q + r), (p + q) - (r + s)
                j = 4 * x + 2 * half - x0
                if 0 <= j < columns:
                    value = plane[ty + i, tx + j] + near
                    plane[ty + i, tx + j] = narrow(min(max(value, -LIMIT), LIMIT))
                if 0 <= j + 1 < columns:
                    value = plane[ty + i, tx + j + 1] + far
                    plane[ty + i, tx + j + 1] = narrow(min(max(value, -LIMIT), LIMIT))


@kernel(
    _void,
    reads(_i32, 2),
    *(reads(_i64), reads(_i32, 2)) * 2,
    _i64,
    _i64,
    writes(_i64, 2),
    writes(_i64),
    writes(_i32, 2),
)
def enlarge_rows(plane, columns, across, lines, down, first, last, wide_rows, held, out):  # type: ignore[no-untyped-def]
    """Rows ``first .. last - 1``; ``wide_rows`` holds four source rows stretched, ``held`` says which."""
    height, width = plane.shape
    for slot in range(4):
        held[slot] = -1
    for y in range(first, last):
        for tap in range(4):
            row = min(max(lines[y] + tap, 0), height - 1)
            slot = row & 3
            if held[slot] == row:
                continue
            held[slot] = row
            for x in range(out.shape[1]):
                total = wide(0)
                for j in range(4):
                    total += wide(across[x, j]) * plane[row, min(max(columns[x] + j, 0), width - 1)]
                wide_rows[slot, x] = total
        top, bottom = lines[y], height - 1
        p, q = min(max(top, 0), bottom) & 3, min(max(top + 1, 0), bottom) & 3
        r, s = min(max(top + 2, 0), bottom) & 3, min(max(top + 3, 0), bottom) & 3
        for x in range(out.shape[1]):
            upper = down[y, 0] * wide_rows[p, x] + down[y, 1] * wide_rows[q, x]
            lower = down[y, 2] * wide_rows[r, x] + down[y, 3] * wide_rows[s, x]
            fine = (upper + lower) >> 29
            out[y, x] = narrow(min(max((fine >> 1) + (fine & 1), -LIMIT), LIMIT))


@kernel(_void, _i64, _i64, writes(_i64), writes(_i64), writes(_i64))
def linear_axis(length, target, near, far, weight):  # type: ignore[no-untyped-def]
    """Both source samples of every result sample of an axis, and the weight of the second."""
    scale = wide(max(target - 1, 1))
    for i in range(target):
        position = i * (length - 1)
        r = position % scale
        near[i] = position // scale
        far[i] = min(near[i] + 1, length - 1)
        doubled = (r << 31) // scale
        weight[i] = (doubled >> 1) + (doubled & 1)


@kernel(_void, reads(_i32, 2), *(reads(_i64),) * 6, _i64, _i64, writes(_i32, 2))
def reduce_rows(plane, near, far, weight, above, below, share, first, last, out):  # type: ignore[no-untyped-def]
    """Rows ``first .. last - 1`` of a plane made smaller, across and then down."""
    for y in range(first, last):
        a, b = above[y], below[y]
        for x in range(out.shape[1]):
            i, j, w = near[x], far[x], weight[x]
            fine = ((wide(plane[a, j]) - plane[a, i]) * w) >> 29
            upper = plane[a, i] + (fine >> 1) + (fine & 1)
            fine = ((wide(plane[b, j]) - plane[b, i]) * w) >> 29
            lower = plane[b, i] + (fine >> 1) + (fine & 1)
            fine = ((lower - upper) * share[y]) >> 29
            out[y, x] = narrow(upper + (fine >> 1) + (fine & 1))


@kernel(_void, reads(_i32, 2), _i64, _i64, writes(_i32, 2))
def clip_rows(plane, first, last, out):  # type: ignore[no-untyped-def]
    """Rows ``first .. last - 1``, limited to the range of samples."""
    for y in range(first, last):
        for x in range(plane.shape[1]):
            out[y, x] = min(max(plane[y, x], narrow(0)), narrow(255 << 16))


def enlarged(plane: Int32, size: tuple[int, int], threads: int = 1) -> Int32:
    """See :func:`refdec.filters.golden.eicci.enlarged`."""
    source, out = np.ascontiguousarray(plane, np.int32), np.empty(size, np.int32)
    across, down = cubic_axis(source.shape[1], size[1]), cubic_axis(source.shape[0], size[0])

    def strip(first: int, last: int) -> None:
        rows, held = np.empty((4, size[1]), np.int64), np.empty(4, np.int64)
        enlarge_rows(source, *across, *down, first, last, rows, held, out)

    by_strips(size[0], threads, strip)
    return out


def linear_taps(length: int, target: int) -> tuple[npt.NDArray[np.int64], ...]:
    """All of an axis; see :func:`refdec.filters.golden.eicci.linear_taps`."""
    near, far, weight = (np.empty(target, np.int64) for _ in range(3))
    linear_axis(length, target, near, far, weight)
    return near, far, weight


def reduced(plane: Int32, size: tuple[int, int], threads: int = 1) -> Int32:
    """See :func:`refdec.filters.golden.eicci.reduced`."""
    source, out = np.ascontiguousarray(plane, np.int32), np.empty(size, np.int32)
    across, down = linear_taps(source.shape[1], size[1]), linear_taps(source.shape[0], size[0])

    def strip(first: int, last: int) -> None:
        reduce_rows(source, *across, *down, first, last, out)

    by_strips(size[0], threads, strip)
    return out


def bands(planes: Planes, fraction: Int32, low: Int32, high: Int32, threads: int = 1) -> Int16:
    """See :func:`refdec.filters.golden.eicci.bands`."""
    ran("filters", "jit")
    height, width = (-(-side // 4) for side in planes[0].shape)
    out = np.empty((48, height, width), np.int16)
    for k, plane in enumerate(planes):
        source, part = np.ascontiguousarray(plane, np.int32), slice(16 * k, 16 * k + 16)
        limits = (np.ascontiguousarray(v[part], np.int32) for v in (fraction, low, high))
        given, target = (source, *limits), out[part]

        def strip(first: int, last: int, given: tuple[Int32, ...] = given, target: Int16 = target) -> None:
            band_rows(*given, first, last, np.empty(16, np.int64), target)

        by_strips(height, threads, strip, BLOCK_ROWS)
    return out


def correct(
    plane: Int32,
    delta: Int16,
    fraction: Int32,
    part: tuple[slice, slice],
    target: tuple[slice, slice],
    threads: int = 1,
) -> None:
    """See :func:`refdec.filters.golden.eicci.correct`."""
    left = (22 - fraction).astype(np.int64)
    rows, columns = (s.stop - s.start for s in part)
    starts = part[0].start, part[1].start, target[0].start, target[1].start
    change = np.ascontiguousarray(delta)

    def strip(first: int, last: int) -> None:
        correct_rows(change, left, *starts, columns, first, last, np.empty(8, np.int64), plane)

    by_strips(rows, threads, strip)


def clipped(plane: Int32, threads: int = 1) -> Int32:
    """See :func:`refdec.filters.golden.eicci.clipped`."""
    source, out = np.ascontiguousarray(plane, np.int32), np.empty(plane.shape, np.int32)

    def strip(first: int, last: int) -> None:
        clip_rows(source, first, last, out)

    by_strips(source.shape[0], threads, strip)
    return out
