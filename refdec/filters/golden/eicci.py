"""What surrounds the networks of eICCI, as the definitions read (AR-ICC-01, AR-ICC-05 to AR-ICC-08)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from refdec import coverage
from refdec.engine_record import ran
from refdec.filters.planes import PLANE_LIMIT, WHITE, Int32, Planes
from refdec.picture.golden import cubic_taps

Int16 = npt.NDArray[np.int16]
Int64 = npt.NDArray[np.int64]

SIGNS = ((1, 1, 1, 1), (-1, -1, 1, 1), (-1, 1, -1, 1), (1, -1, -1, 1))
"""LL, HL, LH, HH of top left, bottom left, top right, bottom right."""
BAND_SHIFT = 26
DELTA_SHIFT = 22
LINEAR_BITS = 30


def saturated(value: Int64, what: str) -> Int32:
    """Chroma as far as AR-FLT-02 lets it go."""
    coverage.clips(what, value, -PLANE_LIMIT, PLANE_LIMIT)
    return np.clip(value, -PLANE_LIMIT, PLANE_LIMIT).astype(np.int32)  # AR-FLT-02


def enlarged(plane: Int32, size: tuple[int, int], threads: int = 1) -> Int32:
    """A chroma plane at luma's size, by cubic interpolation (AR-ICC-01)."""
    height, width = plane.shape
    wide = np.zeros((height, size[1]), np.int64)
    for x in range(size[1]):
        first, weights = cubic_taps(width, size[1], x)
        for j, weight in enumerate(weights):
            wide[:, x] += weight * plane[:, min(max(first + j, 0), width - 1)].astype(np.int64)
    out = np.zeros(size, np.int64)
    for y in range(size[0]):
        first, weights = cubic_taps(height, size[0], y)
        for j, weight in enumerate(weights):
            out[y] += weight * wide[min(max(first + j, 0), height - 1)]
    assert np.abs(out).max() < 1 << 62
    # AR-ICC-01
    return saturated((out + (1 << 29)) >> 30, "chroma made larger (AR-ICC-01)")


def linear_taps(length: int, target: int, index: int) -> tuple[int, int, int]:
    """Two source samples and the weight of the second, 30 fraction bits (AR-ICC-08)."""
    scale = max(target - 1, 1)
    whole, r = divmod(index * (length - 1), scale)
    # AR-ICC-08
    return whole, min(whole + 1, length - 1), ((r << LINEAR_BITS + 1) + scale) // (2 * scale)


def reduced(plane: Int32, size: tuple[int, int], threads: int = 1) -> Int32:
    """A chroma plane back in its source's size, by linear interpolation (AR-ICC-08)."""
    value = plane.astype(np.int64)
    half = 1 << LINEAR_BITS - 1
    across = [linear_taps(value.shape[1], size[1], x) for x in range(size[1])]
    value = np.stack(
        [value[:, a] + ((value[:, b] - value[:, a]) * w + half >> LINEAR_BITS) for a, b, w in across], 1
    )
    down = [linear_taps(value.shape[0], size[0], y) for y in range(size[0])]
    value = np.stack([value[a] + ((value[b] - value[a]) * w + half >> LINEAR_BITS) for a, b, w in down])
    assert np.abs(value).max() <= PLANE_LIMIT
    return value.astype(np.int32)


def _corners(block: Int64) -> tuple[Int64, ...]:
    return block[0::2, 0::2], block[1::2, 0::2], block[0::2, 1::2], block[1::2, 1::2]


def _split(plane: Int64) -> Iterator[Int64]:
    """The four bands of one level."""
    for signs in SIGNS:
        yield np.sum([s * part for s, part in zip(signs, _corners(plane), strict=True)], axis=0)


def bands(planes: Planes, fraction: Int32, low: Int32, high: Int32, threads: int = 1) -> Int16:
    """Two levels of Haar bands of three planes, rounded for the networks (AR-ICC-05).

    :param planes: int32 ``[h, w]``, 16 fraction bits.
    :param fraction: fraction bits of the 48 bands; ``low``, ``high``: what they are clipped to.
    :returns: int16 ``[48, ceil(h/4), ceil(w/4)]``.
    """
    ran("filters", "golden")
    parts: list[Int64] = []
    for plane in planes:
        h, w = plane.shape
        whole = np.pad(plane.astype(np.int64), ((0, -h % 4), (0, -w % 4)), mode="edge")
        parts += [second for first in _split(whole) for second in _split(first)]
    total = np.stack(parts)
    assert np.abs(total).max() < 1 << 35
    shift = (BAND_SHIFT - fraction.astype(np.int64))[:, None, None]
    rounded = (total + (1 << shift - 1)) >> shift
    limits = low.astype(np.int64)[:, None, None], high.astype(np.int64)[:, None, None]
    coverage.clips("band of eICCI (AR-ICC-05)", rounded, *limits)
    out: Int16 = np.clip(rounded, *limits).astype(np.int16)  # AR-ICC-05
    return out


def _joined(parts: list[Int64]) -> Int64:
    """Four bands to the plane of which they are, without the division."""
    height, width = parts[0].shape
    plane = np.empty((2 * height, 2 * width), np.int64)
    for k, corner in enumerate(_corners(plane)):
        corner[:] = np.sum([SIGNS[band][k] * parts[band] for band in range(4)], axis=0)
    return plane


def correct(
    plane: Int32,
    delta: Int16,
    fraction: Int32,
    part: tuple[slice, slice],
    target: tuple[slice, slice],
    threads: int = 1,
) -> None:
    """Add what a network found to a plane, in place (AR-ICC-06).

    :param plane: int32 ``[h, w]``, 16 fraction bits.
    :param delta: int16 ``[16, h', w']``; ``fraction``: its channels' fraction bits, at most 22.
    :param part: which samples of the inverse transform are written; ``target``: where to.
    """
    scaled = [d.astype(np.int64) << int(DELTA_SHIFT - f) for d, f in zip(delta, fraction, strict=True)]
    change = _joined([_joined(scaled[4 * first : 4 * first + 4]) for first in range(4)])
    assert np.abs(change).max() < 1 << 42
    # AR-ICC-06
    plane[target] = saturated(plane[target] + change[part], "corrected plane (AR-ICC-06)")


def clipped(plane: Int32, threads: int = 1) -> Int32:
    """A plane back in the range of samples (AR-ICC-07)."""
    coverage.clips("filtered plane (AR-ICC-07)", plane, 0, WHITE)
    return np.clip(plane, 0, WHITE)  # AR-ICC-07
