"""Residuals to symbols and back, in float32, one operation at a time, in the reference encoder's order."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from refdec.tables import table

Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]

SYMBOL_MIN, SYMBOL_MAX = -32768, 32767
_SCALER_OFFSET = 4096
_TINY = np.float32(1e-9)
SIGMA_MIN, SIGMA_MAX, LEVELS = 0.11, 54.82, 32
"""Standard deviations of the lowest and the highest scale level, in steps; levels between are geometric."""
LARGEST_MOVED = 15
"""Magnitude above which rounding is to the nearest whatever the rate."""
MOST_MOVED = 0.45
"""Of a step: how far beyond the middle a value may still be rounded down."""


@dataclass(frozen=True)
class Steps:
    """Everything that scales a residual on its way to a symbol.

    :param scaler: float32 ``[C, 1, 1]``, linear gain of a channel.
    :param quality: float32 ``[h, w]``, factor of the quality map, or ``None``.
    :param forward: int32 ``[C, h, w]`` in units of 1/128, residual variance scaling, or ``None``.
    :param inverse: int32 ``[C, h, w]`` in units of 1/65536, its counterpart, or ``None``.
    """

    scaler: Float32
    quality: Float32 | None
    forward: Int32 | None
    inverse: Int32 | None


def linear_gain(scale_index: npt.NDArray[np.integer]) -> Float32:
    """The multiplier of a scale index ``gain_log + delta_beta``, 10 fractional bits."""
    scaler = table("scaler", "scaler")[np.asarray(scale_index, np.int64) + _SCALER_OFFSET]
    return scaler.astype(np.float32) / np.float32(1024)


def quality_factor(quality_map: npt.NDArray[np.integer]) -> Float32:
    """The multiplier of a quality index, 4 fractional bits."""
    linear = table("parameters", "quality_linear")
    return linear[np.asarray(quality_map, np.int64) + len(linear) // 2].astype(np.float32) / np.float32(16)


def quantise(
    difference: Float32,
    steps: Steps,
    coded: npt.NDArray[np.bool_],
    *,
    rate_weight: float = 0.0,
    log_sigma: Int32 | None = None,
) -> Int32:
    """Symbols of ``y - mean``; 0 where nothing is coded.

    :param difference: float32 ``[C, h, w]``.
    :param rate_weight: squared steps that a bit is worth, see :func:`towards_cheaper`; 0 rounds to the
        nearest as the reference encoder does.
    :param log_sigma: int32 ``[C, h, w]``, the scale used for coding; needed where a bit is worth something.
    """
    value = difference.astype(np.float32) * steps.scaler
    if steps.quality is not None:
        value = value * steps.quality
    if steps.forward is not None:
        value = value * steps.forward.astype(np.float32) / np.float32(128)
    value = np.where(coded, value, np.float32(0))
    symbols = np.rint(np.clip(value, SYMBOL_MIN, SYMBOL_MAX)).astype(np.int32)
    if rate_weight > 0:
        assert log_sigma is not None
        symbols = towards_cheaper(value, symbols, log_sigma, rate_weight)
    return symbols


def towards_cheaper(value: Float32, symbols: Int32, log_sigma: Int32, rate_weight: float) -> Int32:
    """Symbols that are one nearer to 0 where that costs less: squared error plus ``rate_weight`` a bit.

    Bits are those of a normal distribution rounded to integers (Sullivan, "Efficient scalar quantization of
    exponential and Laplacian random variables", 1996, shows why a dead zone is the optimum).

    :param value: what was rounded, in steps, float32 ``[C, h, w]``.
    :param symbols: int32, the nearest integers.
    :param log_sigma: scale in Q7 log units. :param rate_weight: squared steps a bit.
    """
    magnitude = np.abs(symbols)
    level = np.clip((log_sigma + 64) >> 7, 0, LEVELS - 1)
    saved = _bits_saved()[level, np.minimum(magnitude, LARGEST_MOVED + 1)]
    moved = np.minimum(np.float32(rate_weight / 2) * saved, np.float32(MOST_MOVED))
    down = np.abs(value) < magnitude.astype(np.float32) - np.float32(0.5) + moved
    return np.asarray(symbols - np.sign(symbols) * down, np.int32)


@cache
def _bits_saved() -> Float32:
    """Bits that a symbol takes more than the next one towards 0: float32 ``[levels, magnitude]``, first and
    last column 0."""
    saved = np.zeros((LEVELS, LARGEST_MOVED + 2), np.float32)
    for level in range(LEVELS):
        unit = SIGMA_MIN * (SIGMA_MAX / SIGMA_MIN) ** (level / (LEVELS - 1)) * math.sqrt(2)
        tail = [math.erfc((k - 0.5) / unit) for k in range(1, LARGEST_MOVED + 2)]
        mass = [2 - 2 * tail[0]] + [max(a - b, 1e-5) for a, b in pairwise(tail)]
        bits = -np.log2(mass)
        saved[level, 1:-1] = np.maximum(np.diff(bits), 0)
    return saved


def dequantise(symbols: npt.NDArray[np.integer], steps: Steps) -> Float32:
    """What the reference decoder makes of symbols, in float32. The encoder needs it to judge its choices."""
    value = symbols.astype(np.float32)
    if steps.inverse is not None:
        value = value * steps.inverse.astype(np.float32) / np.float32(65536)
    if steps.quality is not None:
        value = value / (steps.quality + _TINY)
    return value / (steps.scaler + _TINY)
