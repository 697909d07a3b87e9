"""LEF as the definitions read (AR-LEF-01 to AR-LEF-04)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from refdec import coverage
from refdec.engine_record import ran
from refdec.filters.planes import WHITE, Int32

FLOAT_BITS = 24
"""Significant bits of binary32."""


def to_float_bits(numerator: int, denominator: int) -> tuple[int, int]:
    """A positive fraction as ``m / 2**e`` with 24 bits, to the nearest, ties to even (AR-LEF-01)."""
    e = 0
    while (numerator << e + 1) // denominator < 1 << FLOAT_BITS:
        e += 1
    m, rest = divmod(numerator << e, denominator)  # AR-LEF-01
    if 2 * rest > denominator or (2 * rest == denominator and m % 2 == 1):
        m += 1
    return m, e


def nearest_index(length: int, target: int) -> list[int]:
    """Which of ``length`` samples each of ``target`` samples takes (AR-LEF-01)."""
    m, e = to_float_bits(length, target)
    out = []
    for i in range(target):
        product = i * m
        spare = max(product.bit_length() - FLOAT_BITS, 0)
        whole, rest = divmod(product, 1 << spare)
        if 2 * rest > 1 << spare or (2 * rest == 1 << spare and whole % 2 == 1):
            whole += 1
        out.append(min((whole << spare) >> e, length - 1))  # AR-LEF-01
    return out


def gain_map(
    scale_log: Int32, size: tuple[int, int], thresholds: Sequence[int], gains: Sequence[int]
) -> npt.NDArray[np.int64]:
    """Gain of every sample in hundredths (AR-LEF-02).

    :param scale_log: int32 ``[lh, lw]``; ``size``: rows and columns of the luma plane.
    """
    rows = nearest_index(scale_log.shape[0], size[0])
    columns = nearest_index(scale_log.shape[1], size[1])
    out = np.full(size, gains[0], np.int64)
    steering = scale_log[np.ix_(rows, columns)]
    for threshold, gain in zip(thresholds, gains[1:], strict=True):
        out[steering >= threshold] = gain  # AR-LEF-02
    return out


def sharpen(
    luma: Int32, scale_log: Int32, thresholds: Sequence[int], gains: Sequence[int], threads: int = 1
) -> Int32:
    """Luma with its difference to a blurred one amplified (AR-LEF-03, AR-LEF-04).

    :param luma: int32 ``[h, w]``, 16 fraction bits, 0..255; so is the result.
    :param scale_log: int32 ``[lh, lw]``, the latent channel that steers.
    :param thresholds: three, ascending; ``gains``: four, in hundredths, at least 100.
    """
    ran("filters", "golden")
    x = luma.astype(np.int64)
    assert x.min() >= 0 and x.max() <= WHITE
    height, width = luma.shape
    blurred = 64 * x
    if height > 2 and width > 2:
        inner = np.zeros((height - 2, width - 2), np.int64)
        for dy in range(3):
            for dx in range(3):
                weight = 24 if dy == dx == 1 else 5
                inner += weight * x[dy : dy + height - 2, dx : dx + width - 2]
        blurred[1:-1, 1:-1] = inner  # AR-LEF-03
    assert blurred.min() >= 0 and blurred.max() <= 64 * WHITE
    gain = gain_map(scale_log, (height, width), thresholds, gains)
    wanted = 100 * blurred + gain * (64 * x - blurred)
    assert np.abs(wanted).max() < 1 << 40
    rounded = (wanted + 3200) // 6400  # AR-LEF-04
    coverage.clips("sharpened luma (AR-LEF-04)", rounded, 0, WHITE)
    return np.clip(rounded, 0, WHITE).astype(np.int32)
