"""The picture stage in binary64 and in exact fractions, straight from the published formulas."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]
KR, KB = Fraction("0.2126"), Fraction("0.0722")
KG = 1 - KR - KB
U_DIVISOR, V_DIVISOR = Fraction("1.8556"), Fraction("1.5748")


def cubic(distance: Any) -> Any:
    """The cubic convolution kernel with A = -3/4, for ``0 <= distance <= 2``."""
    a = Fraction(-3, 4)
    if distance <= 1:
        return (a + 2) * distance**3 - (a + 3) * distance**2 + 1
    return a * distance**3 - 5 * a * distance**2 + 8 * a * distance - 4 * a


def axis_weights(length: int, target: int) -> list[dict[int, Fraction]]:
    """Exact weight of every source sample in every result sample, corners aligned, border repeated."""
    rows = []
    for i in range(target):
        position = Fraction(i * (length - 1), target - 1) if target > 1 else Fraction(0)
        whole = position.numerator // position.denominator
        t = position - whole
        row: dict[int, Fraction] = {}
        for tap, distance in ((-1, 1 + t), (0, t), (1, 1 - t), (2, 2 - t)):
            index = min(max(whole + tap, 0), length - 1)
            row[index] = row.get(index, Fraction(0)) + cubic(distance)
        rows.append(row)
    return rows


def interpolated(plane: npt.NDArray[Any], size: tuple[int, int]) -> Float64:
    """A plane of sample values at another resolution."""
    down, across = np.zeros((size[0], plane.shape[0])), np.zeros((size[1], plane.shape[1]))
    for matrix, length in ((down, plane.shape[0]), (across, plane.shape[1])):
        for i, row in enumerate(axis_weights(length, len(matrix))):
            for j, weight in row.items():
                matrix[i, j] = weight
    return down @ plane.astype(np.float64) @ across.T


def rgb(y: Any, u: Any, v: Any) -> tuple[Any, Any, Any]:
    """BT.709 on sample values in 0..255; exact for fractions."""
    kinds = (lambda c: c) if isinstance(y, Fraction) else float
    u, v = u - kinds(Fraction(255, 2)), v - kinds(Fraction(255, 2))
    red = y + kinds(V_DIVISOR) * v
    blue = y + kinds(U_DIVISOR) * u
    green = y - kinds(KB * U_DIVISOR / KG) * u - kinds(KR * V_DIVISOR / KG) * v
    return red, green, blue


def samples(values: Float64, depth: int) -> npt.NDArray[np.int64]:
    """Sample values in 0..255 clipped and rounded, halves to even, as the reference does it."""
    return np.rint(np.clip(values, 0, 255) / 255 * ((1 << depth) - 1)).astype(np.int64)
