"""The EFE filters as compiled integer kernels, strip by strip.

Independent of
:mod:`refdec.filters.golden.efe`: everything that EFE linear does to a plane is folded into one 4x4
kernel and one constant for each rectangle and phase, and a division is a shift of a sum of whole numbers.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import types

from refdec.engine_record import ran
from refdec.entropy.jit.kernel import kernel, narrow, reads, wide, writes
from refdec.filters.efe_parameters import LinearFilter, NonlinearFilter
from refdec.filters.planes import by_strips

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

_i64, _i32, _void = types.int64, types.int32, types.void
_TAPS = 4
_LIMIT = (1 << 30) - 1


@kernel(_void, reads(_i32, 2), _i64, _i64, _i64, _i64, _i64, writes(_i32))
def phase_row(plane, y, down, across, row_step, column_step, line):  # type: ignore[no-untyped-def]
    """Row ``y`` of a phase from position -1 on; what lies outside repeats what lies at the border."""
    height, width = plane.shape
    rows = (height + row_step - 1) // row_step
    columns = (width + column_step - 1) // column_step
    source = min(min(max(y, 0), rows - 1) * row_step + down, height - 1)
    inside = (width - across + column_step - 1) // column_step
    row = plane[source]
    for x in range(inside):
        line[x + 1] = row[x * column_step + across]
    # an odd width leaves the last cell without its second sample: it repeats the first
    for x in range(inside, columns):
        line[x + 1] = row[width - 1]
    line[0] = line[1]
    line[columns + 1] = line[columns]
    line[columns + 2] = line[columns]


@kernel(_void, reads(_i32), _i64, _i64, _i64, _i64, _i64, _i64, writes(_i64))
def add_row(line, left, right, k0, k1, k2, k3, total):  # type: ignore[no-untyped-def]
    """Four taps of one row: products of 32 bits each, summed in 64."""
    a, b, c, d = wide(narrow(k0)), wide(narrow(k1)), wide(narrow(k2)), wide(narrow(k3))
    for i in range(right - left):
        x = left + i
        total[x] += (a * line[x] + b * line[x + 1]) + (c * line[x + 2] + d * line[x + 3])


@kernel(
    _void,
    reads(_i32, 2),
    reads(_i32, 2),
    _i64,
    _i64,
    _i64,
    _i64,
    reads(_i64),
    reads(_i64),
    reads(_i64, 5),
    reads(_i64, 3),
    writes(_i32, 3),
    writes(_i64),
    writes(_i64),
    writes(_i32, 2),
)
def linear_rows(  # type: ignore[no-untyped-def]
    luma, chroma, row_step, column_step, first, last, rows, columns, taps, constants, lines, held, total, out
):
    """Rows ``first`` to ``last - 1`` of every phase; ``taps`` is ``[row, column, phase, plane, 4 * 4]``."""
    across_count = columns.shape[0] - 1
    for p in range(4):
        down, across = p >> 1, p & 1
        if down >= row_step or across >= column_step:
            continue
        held[:] = -2
        i = 0
        for y in range(first, last):
            for row in range(y - 1, y + 3):
                slot = (row + 1) & 3
                if held[slot] != row:
                    held[slot] = row
                    phase_row(luma, row, down, across, 2, 2, lines[0, slot])
                    phase_row(chroma, row, down, across, row_step, column_step, lines[1, slot])
            target = y * row_step + down
            if target >= out.shape[0]:
                continue
            # rectangles without rows are passed over
            while rows[i + 1] <= y:
                i += 1
            for j in range(across_count):
                left, right = columns[j], columns[j + 1]
                constant = constants[i, j, p]
                for x in range(left, right):
                    total[x] = constant
                for plane in range(2):
                    for a in range(4):
                        k0, k1 = taps[i, j, p, plane, 4 * a], taps[i, j, p, plane, 4 * a + 1]
                        k2, k3 = taps[i, j, p, plane, 4 * a + 2], taps[i, j, p, plane, 4 * a + 3]
                        if (k0 | k1 | k2 | k3) != 0:
                            add_row(lines[plane, (y + a) & 3], left, right, k0, k1, k2, k3, total)
            count = (out.shape[1] - across + column_step - 1) // column_step
            line = out[target]
            for x in range(count):
                line[x * column_step + across] = narrow(min(max(total[x] >> 11, -_LIMIT), _LIMIT))


@kernel(
    _void,
    reads(_i32, 2),
    reads(_i32, 2),
    reads(_i32, 2),
    _i64,
    _i64,
    _i64,
    _i64,
    _i64,
    _i64,
    reads(_i32, 3),
    reads(_i64, 3),
    _i64,
    reads(_i64, 2),
    writes(_i64),
    writes(_i32, 2),
)
def nonlinear_rows(  # type: ignore[no-untyped-def]
    luma,
    chroma,
    alternative,
    row_step,
    column_step,
    first,
    last,
    tile_rows,
    tile_columns,
    knots,
    weights,
    block,
    mask,
    total,
    out,
):
    """Rows ``first`` to ``last - 1`` of a chroma plane, in units of 1/102400 until the last step."""
    width = chroma.shape[1]
    for y in range(first, last):
        source, plane, line = luma[y * row_step], chroma[y], out[y]
        for x in range(width):
            total[x] = wide(plane[x]) * 51200
        for j in range(weights.shape[1]):
            i = y // tile_rows
            left = j * tile_columns
            right = min(left + tile_columns, width)
            a0, a1 = weights[i, j, 0], weights[i, j, 1]
            a2, a3 = weights[i, j, 2], weights[i, j, 3]
            a4, a5 = weights[i, j, 4], weights[i, j, 5]
            a6, a7 = weights[i, j, 6], weights[i, j, 7]
            k0, k1, k2, k3 = knots[i, j, 0], knots[i, j, 1], knots[i, j, 2], knots[i, j, 3]
            k4, k5, k6, k7 = knots[i, j, 4], knots[i, j, 5], knots[i, j, 6], knots[i, j, 7]
            for x in range(left, right):
                # luma times 25 and knots are below 2^30: differences fit 32 bits
                value = wide(source[x * column_step]) * 25
                result = max(total[x] + a0 * (value - k0), 0)
                result += a1 * max(value - k1, 0) + a2 * max(value - k2, 0) + a3 * max(value - k3, 0)
                result += a4 * max(value - k4, 0) + a5 * max(value - k5, 0)
                total[x] = result + a6 * max(value - k6, 0) + a7 * max(value - k7, 0)
        if mask.shape[1] == 0:
            for x in range(width):
                line[x] = narrow(min(max(((total[x] + 25600) >> 11) // 25, -_LIMIT), _LIMIT))
            continue
        other = alternative[y]
        for j in range(mask.shape[1]):
            share = mask[y // block, j]
            for x in range(j * block, min((j + 1) * block, width)):
                mixed = (2 - share) * total[x] + share * 51200 * wide(other[x])
                line[x] = narrow(min(max(((mixed + 51200) >> 12) // 25, -_LIMIT), _LIMIT))


def linear(luma: Int32, chroma: Int32, tool: LinearFilter, threads: int = 1) -> Int32:
    """See :func:`refdec.filters.golden.efe.linear`."""
    ran("filters", "jit")
    y, c = np.ascontiguousarray(luma), np.ascontiguousarray(chroma)
    out = np.empty(c.shape, np.int32)
    taps, constants = _folded(tool)
    steps = (3 - tool.subsampling[0], 3 - tool.subsampling[1])
    rows, columns = np.array(tool.rows, np.int64), np.array(tool.columns, np.int64)

    def strip(first: int, last: int) -> None:
        width = int(columns[-1])
        lines, total = np.empty((2, 4, width + 3), np.int32), np.empty(width, np.int64)
        held = np.empty(4, np.int64)
        linear_rows(y, c, *steps, first, last, rows, columns, taps, constants, lines, held, total, out)

    by_strips(tool.rows[-1], threads, strip)
    return out


def _folded(tool: LinearFilter) -> tuple[Int64, Int64]:
    """Weights on luma and chroma of every rectangle and phase, times 2048, and what is added to them."""
    grid, side = tool.luma.shape[:2], tool.luma.shape[-1]
    taps = np.zeros((*grid, 4, 2, _TAPS, _TAPS), np.int64)
    first = 1 - (side - 1) // 2
    place = np.s_[..., first : first + side, first : first + side]
    taps[:, :, :, 0][place] = tool.luma[:, :, None]
    taps[:, :, :, 1][place] = tool.chroma
    # the mean goes with these weights only: those below add up to 1
    total = tool.chroma.sum((-1, -2))
    if tool.interpolates:
        half = np.array([[0, 256, 0, 0], [-16, 144, 144, -16]], np.int64)
        for p in range(4):
            # 256 * 256 parts; a weight has 2048
            taps[:, :, p, 1] += np.multiply.outer(half[p >> 1], half[p & 1]) >> 5
    else:
        taps[..., 1, 1, 1] += 2048
    # luma first, as in the kernel; a floor of the constant alone is a floor of the whole
    constants = (102400 - tool.mean * 65536 * total) // 100
    return np.ascontiguousarray(taps.reshape(*grid, 4, 2, _TAPS * _TAPS)), np.ascontiguousarray(constants)


def nonlinear(
    luma: Int32, chroma: Int32, alternative: Int32 | None, tool: NonlinearFilter, threads: int = 1
) -> Int32:
    """See :func:`refdec.filters.golden.efe.nonlinear`."""
    ran("filters", "jit")
    y, c = np.ascontiguousarray(luma), np.ascontiguousarray(chroma)
    out = np.empty(c.shape, np.int32)
    mask, other = np.zeros((0, 0), np.int64), np.zeros((0, 0), np.int32)
    if tool.mask is not None:
        assert alternative is not None
        mask, other = tool.mask, np.ascontiguousarray(alternative)
    least, largest = tool.luma[..., 0:1] << 11, tool.luma[..., 1:2] << 11
    step = np.arange(8)
    # at most 2^30: eight parts of 16 bits and 11
    knots = (8 * least + step * (largest - least)).astype(np.int32)

    def strip(first: int, last: int) -> None:
        total = np.empty(c.shape[1], np.int64)
        nonlinear_rows(
            y,
            c,
            other,
            *tool.subsampling,
            first,
            last,
            *tool.tile,
            knots,
            tool.weights,
            tool.block,
            mask,
            total,
            out,
        )

    by_strips(c.shape[0], threads, strip)
    return out
