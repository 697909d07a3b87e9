"""Chroma format, colour and rounding as the definitions read: int64, every bound asserted.

Statements AR-PIC-04 to AR-PIC-08 of docs/arithmetic-picture.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from refdec import coverage
from refdec.engine_record import ran

IntArray = npt.NDArray[np.integer[Any]]
Int64 = npt.NDArray[np.int64]

PLANE_MAX = 65280
"""255 with 8 fraction bits."""
CENTRE = 32640
"""127.5 with 8 fraction bits."""
WEIGHT_BITS = 15
CHROMA_LIMIT = 61800
"""No centred chroma sample is larger in magnitude after interpolation."""
FILTERED_LIMIT = (1 << 30) + (CENTRE << 8)
"""The same behind post-filters, with 16 fraction bits: what AR-FLT-02 leaves, less the centre."""
COLOUR_BITS = 16
V_TO_R, U_TO_G, V_TO_G, U_TO_B = 103206, 12276, 30679, 121609
"""Conversion matrix with 16 fraction bits (AR-PIC-07)."""


def cubic_taps(length: int, target: int, index: int) -> tuple[int, tuple[int, int, int, int]]:
    """First source sample and weights of one interpolated sample (AR-PIC-04).

    :param length: samples of the source along the axis; ``target``: of the result.
    :returns: position of the first of four taps (it may lie outside) and weights that add up to 2^15.
    """
    scale = max(target - 1, 1)
    whole, r = divmod(index * (length - 1), scale)
    s = scale - r
    cube = 4 * scale**3
    numerators = (
        -3 * r * s * s,
        5 * r**3 - 9 * r * r * scale + cube,
        5 * s**3 - 9 * s * s * scale + cube,
        -3 * s * r * r,
    )
    weights = [((2 * n << WEIGHT_BITS) + cube) // (2 * cube) for n in numerators]  # AR-PIC-04
    nearest = 1 if 2 * r <= scale else 2
    weights[nearest] += (1 << WEIGHT_BITS) - sum(weights)
    return whole - 1, (weights[0], weights[1], weights[2], weights[3])


def interpolate(plane: IntArray, size: tuple[int, int], rows: tuple[int, int]) -> npt.NDArray[np.int32]:
    """Rows ``rows[0] .. rows[1] - 1`` of a chroma plane at another resolution (AR-PIC-05).

    :param plane: uint16 ``[h, w]``, 8 fraction bits.
    :param size: rows and columns of the whole result.
    :returns: int32 ``[rows, columns]``, 8 fraction bits; it may leave 0..65280.
    """
    ran("picture", "golden")
    height, width = plane.shape
    centred = plane.astype(np.int64) - CENTRE
    assert np.abs(centred).max() <= CENTRE
    wide = np.zeros((height, size[1]), np.int64)
    for x in range(size[1]):
        first, weights = cubic_taps(width, size[1], x)
        for j, weight in enumerate(weights):
            wide[:, x] += weight * centred[:, min(max(first + j, 0), width - 1)]
    out = np.zeros((rows[1] - rows[0], size[1]), np.int64)
    for y in range(*rows):
        first, weights = cubic_taps(height, size[0], y)
        for j, weight in enumerate(weights):
            out[y - rows[0]] += weight * wide[min(max(first + j, 0), height - 1)]
    half = 1 << (2 * WEIGHT_BITS - 1)
    out = (out + half) >> (2 * WEIGHT_BITS)  # AR-PIC-05, AR-PIC-06
    assert np.abs(out).max() <= CHROMA_LIMIT
    return (out + CENTRE).astype(np.int32)


def to_rgb(
    luma: IntArray, u: IntArray, v: IntArray, depth: int, fraction: int = 8
) -> tuple[IntArray, IntArray, IntArray]:
    """Red, green and blue samples (AR-PIC-07, AR-PIC-08).

    :param luma: ``[h, w]``, sample values in 0..255; ``u``, ``v`` the same size, they may leave that range.
    :param depth: bits of a sample of the result, 8 or 10.
    :param fraction: fraction bits of the planes: 8, or 16 behind post-filters.
    """
    ran("picture", "golden")
    spare = fraction - 8
    limit = CHROMA_LIMIT if spare == 0 else FILTERED_LIMIT
    y = luma.astype(np.int64) << COLOUR_BITS
    u, v = u.astype(np.int64) - (CENTRE << spare), v.astype(np.int64) - (CENTRE << spare)
    assert luma.min() >= 0 and luma.max() <= PLANE_MAX << spare
    assert np.abs(u).max() <= limit and np.abs(v).max() <= limit
    assert (PLANE_MAX << spare + COLOUR_BITS) + (V_TO_G + U_TO_B) * limit < 1 << 63
    # AR-PIC-07
    red = y + V_TO_R * v
    green = y - U_TO_G * u - V_TO_G * v
    blue = y + U_TO_B * u
    planes = [rounded(plane, fraction + COLOUR_BITS, depth) for plane in (red, green, blue)]
    return planes[0], planes[1], planes[2]


def to_samples(plane: IntArray, depth: int, fraction: int = 8) -> IntArray:
    """A plane rounded to samples without any colour conversion (AR-PIC-08).

    :param plane: ``[h, w]``, ``fraction`` fraction bits; values outside 0..255 are clipped.
    """
    ran("picture", "golden")
    return rounded(plane.astype(np.int64), fraction, depth)


def rounded(value: Int64, fraction: int, depth: int) -> IntArray:
    """Values in 0..255 with ``fraction`` fraction bits, clipped, as samples of ``depth`` bits (AR-PIC-08)."""
    one = 1 << fraction
    coverage.clips(f"sample of {depth} bits, {fraction} fraction bits (AR-PIC-08)", value, 0, 255 * one)
    clipped = np.clip(value, 0, 255 * one)  # AR-PIC-08
    top = (1 << depth) - 1
    assert 2 * top * 255 * one + 255 * one < 1 << 63
    out = (2 * top * clipped + 255 * one) // (510 * one)
    assert out.min() >= 0 and out.max() <= top
    return out.astype(np.uint8 if depth == 8 else np.uint16)
