"""The spatial quality map: prediction of each index from its left and upper neighbour (AR-QMAP)."""

from __future__ import annotations

import numpy as np

from refdec import coverage
from refdec.entropy.golden.scales import require_range
from refdec.entropy.interface import Int8, Int32, IntArray, Rounding
from refdec.entropy.tables import QUALITY_MAX
from refdec.errors import CorruptPayloadError


def half(total: int, rounding: Rounding) -> int:
    """Half of a sum of two indices; the rules differ for negative odd sums only (AR-QMAP-03)."""
    if total < 0 and total & 1:
        coverage.point("quality-map", f"half of a negative odd sum, rounding {rounding}")  # AR-QMAP-03
    if rounding == "floor":
        return total >> 1
    if rounding == "truncate":
        return -(-total >> 1) if total < 0 else total >> 1
    raise ValueError(f"no rounding rule {rounding!r}")


def predict(rows: list[list[int]], y: int, x: int, rounding: Rounding) -> int:
    """Prediction from the neighbours that come before in raster order (AR-QMAP-02)."""
    if coverage.is_heard():
        row, column = ("later" if n else "first" for n in (y, x))
        coverage.point("quality-map", f"prediction in the {row} row, {column} column")
    if y == 0:
        return rows[0][x - 1] if x else 0
    if x == 0:
        return rows[y - 1][0]
    return half(rows[y][x - 1] + rows[y - 1][x], rounding)


def quality_map_from_deltas(delta: IntArray, rounding: Rounding, byte_offset: int, element: str) -> Int8:
    """See :meth:`refdec.entropy.interface.EntropyEngine.quality_map_from_deltas`."""
    deltas: list[list[int]] = require_range(delta, -(1 << 15), (1 << 15) - 1, "delta").tolist()
    rows: list[list[int]] = []
    for y, line in enumerate(deltas):
        rows.append([])
        for x, d in enumerate(line):
            value = predict(rows, y, x, rounding) + d  # AR-QMAP-01, AR-QMAP-02
            if not -QUALITY_MAX <= value <= QUALITY_MAX:  # AR-QMAP-04
                raise CorruptPayloadError(
                    f"a quality index is out of range at row {y}, column {x} (rounding rule {rounding!r})",
                    bit_offset=8 * byte_offset,
                    element=element,
                    expected=f"-{QUALITY_MAX}..{QUALITY_MAX}",
                    found=str(value),
                )
            rows[y].append(value)
    return np.array(rows, np.int8).reshape(np.shape(delta))


def quality_map_deltas(quality_map: IntArray, rounding: Rounding) -> Int32:
    """See :meth:`refdec.entropy.interface.EntropyEngine.quality_map_deltas`."""
    rows: list[list[int]] = require_range(quality_map, -QUALITY_MAX, QUALITY_MAX, "quality_map").tolist()
    deltas = [
        [value - predict(rows, y, x, rounding) for x, value in enumerate(line)] for y, line in enumerate(rows)
    ]
    return np.array(deltas, np.int32).reshape(np.shape(quality_map))
