"""The EFE filters as the definitions read: int64, every bound asserted.

Statements AR-EFL-02 to AR-EFL-09 and AR-EFN-02 to AR-EFN-08 of docs/arithmetic-filters.md. Planes are int32
with 16 fraction bits.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from refdec import coverage
from refdec.engine_record import ran
from refdec.filters.efe_parameters import KNOTS, LinearFilter, NonlinearFilter
from refdec.filters.planes import PLANE_BITS, PLANE_LIMIT, WHITE

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

LINEAR_UNIT = 204800
"""Weights have 2048 parts, the mean 100: all terms are whole multiples of 1 / (2048 * 100)."""
NONLINEAR_UNIT = 51200
"""Weights have 2048 parts, knots 25."""
NOTHING, HALFWAY = (0, 16, 0, 0), (-1, 9, 9, -1)
"""Interpolation by nothing and by half a sample, in sixteenths (AR-EFL-07)."""
LINEAR_BOUND = 1 << 60
NONLINEAR_BOUND = 1 << 49


def linear(luma: Int32, chroma: Int32, tool: LinearFilter, threads: int = 1) -> Int32:
    """EFE linear on one chroma plane (AR-EFL-02 to AR-EFL-09).

    :param luma: ``[h, w]``, 0..255; ``chroma``: ``[ch, cw]``, within ``PLANE_LIMIT``.
    :returns: the new chroma plane.
    """
    ran("filters", "golden")
    assert luma.min() >= 0 and luma.max() <= WHITE and np.abs(chroma).max() <= PLANE_LIMIT
    # a subsampled axis of chroma already is a phase
    splits = (3 - tool.subsampling[0], 3 - tool.subsampling[1])  # AR-EFL-02
    out = np.zeros(chroma.shape, np.int64)
    for down in range(splits[0]):
        for across in range(splits[1]):
            c, y = phase(chroma, down, across, splits), phase(luma, down, across, (2, 2))
            new = linear_phase(y, c, 2 * down + across, tool)
            place = out[down :: splits[0], across :: splits[1]]
            place[:] = new[: place.shape[0], : place.shape[1]]  # AR-EFL-09
    return out.astype(np.int32)


def phase(plane: Int32, row: int, column: int, splits: tuple[int, int]) -> Int64:
    """One position of every cell of ``splits`` samples, two samples more on each side (AR-EFL-02 to 03)."""
    height, width = plane.shape
    whole = np.pad(plane.astype(np.int64), ((0, height % splits[0]), (0, width % splits[1])), mode="edge")
    return np.pad(whole[row :: splits[0], column :: splits[1]], 2, mode="edge")  # AR-EFL-03


def linear_phase(y: Int64, c: Int64, p: int, tool: LinearFilter) -> Int64:
    """Phase ``p`` of the result, from the extended phases of luma and of chroma (AR-EFL-06)."""
    # chroma less its mean, in hundredths
    centred = 100 * c - (tool.mean << PLANE_BITS)
    total = LINEAR_UNIT * c[2:-2, 2:-2]
    if tool.interpolates:
        total += 8 * correlate(centred, interpolation(p), 1)  # AR-EFL-07
    side = tool.luma.shape[-1]
    origin = (side - 1) // 2
    for i, (top, bottom) in enumerate(zip(tool.rows, tool.rows[1:], strict=False)):
        for j, (left, right) in enumerate(zip(tool.columns, tool.columns[1:], strict=False)):
            if side == 0 or top == bottom or left == right:
                continue
            rectangle = (slice(top, bottom + 4), slice(left, right + 4))
            part = correlate(centred[rectangle], tool.chroma[i, j, p], origin)
            part += 100 * correlate(y[rectangle], tool.luma[i, j], origin)
            total[top:bottom, left:right] += part  # AR-EFL-06
    assert np.abs(total).max() < LINEAR_BOUND
    coverage.clips("EFE linear (AR-EFL-08)", total, -PLANE_LIMIT * LINEAR_UNIT, PLANE_LIMIT * LINEAR_UNIT)
    return saturated(total, LINEAR_UNIT)  # AR-EFL-08


def interpolation(p: int) -> Int64:
    """What half a sample adds to a phase that lies between the samples, in parts of 256 (AR-EFL-07)."""
    down, across = divmod(p, 2)
    rows, columns = np.array((NOTHING, HALFWAY), np.int64)[[down, across]]
    nothing = np.array(NOTHING, np.int64)
    return np.outer(rows, columns) - np.outer(nothing, nothing)


def correlate(extended: Int64, weights: Int64, origin: int) -> Int64:
    """Sum of ``weights[a, b]`` times the sample at ``(y + a - origin, x + b - origin)``."""
    height, width = extended.shape[0] - 4, extended.shape[1] - 4
    total = np.zeros((height, width), np.int64)
    for a, b in np.ndindex(*weights.shape):
        top, left = 2 + a - origin, 2 + b - origin
        total += weights[a, b] * extended[top : top + height, left : left + width]
    return total


def nonlinear(
    luma: Int32, chroma: Int32, alternative: Int32 | None, tool: NonlinearFilter, threads: int = 1
) -> Int32:
    """EFE non-linear on one chroma plane (AR-EFN-01 to AR-EFN-08).

    :param luma: ``[h, w]``, 0..255; ``chroma``: ``[ch, cw]``, within ``PLANE_LIMIT``.
    :param alternative: chroma of the alternative picture; needed where the tool has a mask.
    :returns: the new chroma plane.
    """
    ran("filters", "golden")
    assert luma.min() >= 0 and luma.max() <= WHITE and np.abs(chroma).max() <= PLANE_LIMIT
    decimated = luma[:: tool.subsampling[0], :: tool.subsampling[1]].astype(np.int64)  # AR-EFN-02
    total = NONLINEAR_UNIT * chroma.astype(np.int64)
    for i, j in np.ndindex(tool.weights.shape[:2]):
        rows = slice(i * tool.tile[0], (i + 1) * tool.tile[0])
        columns = slice(j * tool.tile[1], (j + 1) * tool.tile[1])
        above = [above_knot(decimated[rows, columns], k, tool.luma[i, j]) for k in range(KNOTS)]
        weights = tool.weights[i, j]
        part = np.maximum(0, total[rows, columns] + weights[0] * above[0])
        part += sum(weights[k] * np.maximum(0, above[k]) for k in range(1, KNOTS))
        total[rows, columns] = part  # AR-EFN-05
    assert np.abs(total).max() < NONLINEAR_BOUND
    if tool.mask is None:
        _note_nonlinear(total, NONLINEAR_UNIT)
        return saturated(total, NONLINEAR_UNIT).astype(np.int32)  # AR-EFN-06
    assert alternative is not None and alternative.shape == chroma.shape
    assert np.abs(alternative).max() <= PLANE_LIMIT
    coverage.values("efe-mask", "halves of the alternative picture:", tool.mask)
    mask = np.repeat(np.repeat(tool.mask, tool.block, 0), tool.block, 1)[: chroma.shape[0], : chroma.shape[1]]
    mixed = mask * NONLINEAR_UNIT * alternative.astype(np.int64) + (2 - mask) * total  # AR-EFN-08
    _note_nonlinear(mixed, 2 * NONLINEAR_UNIT)
    return saturated(mixed, 2 * NONLINEAR_UNIT).astype(np.int32)


def _note_nonlinear(total: Int64, unit: int) -> None:
    coverage.clips("EFE non-linear (AR-EFN-06)", total, -PLANE_LIMIT * unit, PLANE_LIMIT * unit)


def above_knot(luma: Int64, k: int, limits: Int64) -> Int64:
    """Luma less the k-th of eight evenly spaced values from the tile's least on, times 25 (AR-EFN-04)."""
    least, largest = int(limits[0]), int(limits[1])
    # k eighths of hundredths: 25 * 2^16 / 800 = 2^11
    return 25 * luma - ((KNOTS - k) * least + k * largest) * 2048  # AR-EFN-04


def saturated(total: Int64, unit: int) -> Int64:
    """``total / unit`` to the nearest, halves up, within the planes' limit (AR-EFL-08, AR-EFN-06)."""
    return np.clip((2 * total + unit) // (2 * unit), -PLANE_LIMIT, PLANE_LIMIT)
