"""Residuals to symbols and back, in float32, one operation at a time, in the reference encoder's order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from refdec.tables import table

Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]

SYMBOL_MIN, SYMBOL_MAX = -32768, 32767
_SCALER_OFFSET = 4096
_TINY = np.float32(1e-9)


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

    def of_channels(self, channels: slice) -> Steps:
        """The same for some of the channels."""
        return Steps(
            self.scaler[channels],
            self.quality,
            None if self.forward is None else self.forward[channels],
            None if self.inverse is None else self.inverse[channels],
        )


def linear_gain(scale_index: npt.NDArray[np.integer]) -> Float32:
    """The multiplier of a scale index ``gain_log + delta_beta``, 10 fractional bits."""
    scaler = table("scaler", "scaler")[np.asarray(scale_index, np.int64) + _SCALER_OFFSET]
    return scaler.astype(np.float32) / np.float32(1024)


def quality_factor(quality_map: npt.NDArray[np.integer]) -> Float32:
    """The multiplier of a quality index, 4 fractional bits."""
    linear = table("parameters", "quality_linear")
    return linear[np.asarray(quality_map, np.int64) + len(linear) // 2].astype(np.float32) / np.float32(16)


def quantise(difference: Float32, steps: Steps, coded: npt.NDArray[np.bool_]) -> Int32:
    """Symbols of ``y - mean``; 0 where nothing is coded.

    :param difference: float32 ``[C, h, w]``.
    """
    value = difference.astype(np.float32) * steps.scaler
    if steps.quality is not None:
        value = value * steps.quality
    if steps.forward is not None:
        value = value * steps.forward.astype(np.float32) / np.float32(128)
    value = np.where(coded, value, np.float32(0))
    return np.rint(np.clip(value, SYMBOL_MIN, SYMBOL_MAX)).astype(np.int32)


def dequantise(symbols: npt.NDArray[np.integer], steps: Steps) -> Float32:
    """What the reference decoder makes of symbols, in float32. The encoder needs it to judge its choices."""
    value = symbols.astype(np.float32)
    if steps.inverse is not None:
        value = value * steps.inverse.astype(np.float32) / np.float32(65536)
    if steps.quality is not None:
        value = value / (steps.quality + _TINY)
    return value / (steps.scaler + _TINY)
