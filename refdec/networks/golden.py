"""The arithmetic between the integer graphs, written as the definitions read (int64, every bound asserted).

Statements AR-LAT-01, AR-LAT-05, AR-PIC-01 and AR-PIC-02 of docs/arithmetic-picture.md.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from refdec import coverage
from refdec.engine_record import ran

RESIDUAL_FRACTION = 12
LATENT_MAX = 32767
SIGNAL_MAX = 32640
"""Largest magnitude of the signal: 127.5 with 8 fraction bits."""

IntArray = npt.NDArray[np.integer[Any]]


def residual_to_latent(residual: IntArray, fraction: IntArray) -> npt.NDArray[np.int16]:
    """The dequantised residual on the scale of the latent (AR-LAT-01).

    :param residual: int32 ``[C, h, w]``, 12 fraction bits.
    :param fraction: int ``[C]``, fraction bits of the latent's channels, 0..15.
    :returns: int16 ``[C, h, w]``, rounded to nearest, halves up, saturated to -32767..32767.
    """
    ran("latents", "golden")
    assert residual.ndim == 3 and fraction.shape == residual.shape[:1]
    assert fraction.min() >= 0 and fraction.max() <= 15
    out = np.empty(residual.shape, np.int64)
    for channel, bits in enumerate(fraction.tolist()):
        value = residual[channel].astype(np.int64)
        if bits < RESIDUAL_FRACTION:
            shift = RESIDUAL_FRACTION - bits
            out[channel] = (value + (1 << (shift - 1))) >> shift  # AR-LAT-01
        else:
            out[channel] = value << (bits - RESIDUAL_FRACTION)
    coverage.clips("residual on the latent's scale (AR-LAT-01)", out, -LATENT_MAX, LATENT_MAX)
    out = np.clip(out, -LATENT_MAX, LATENT_MAX)  # AR-NUM-01
    return out.astype(np.int16)


def saturate_latent(value: IntArray, lo: IntArray, hi: IntArray) -> npt.NDArray[np.int16]:
    """A latent computed in 32 bits, clipped to its channels' ranges ``lo..hi`` (AR-LAT-05)."""
    bounds = [b.astype(np.int64)[:, None, None] for b in (lo, hi)]
    assert all(abs(b).max() <= LATENT_MAX for b in bounds)
    coverage.clips("scaled latent (AR-LAT-05)", value, *bounds)
    return np.clip(value.astype(np.int64), *bounds).astype(np.int16)  # AR-LAT-05


def signal_to_plane(signal: IntArray) -> npt.NDArray[np.uint16]:
    """Samples with 8 fraction bits, 0..65280 (AR-PIC-01)."""
    ran("latents", "golden")
    value = signal.astype(np.int64)
    assert value.size == 0 or (value.min() >= -SIGNAL_MAX and value.max() <= SIGNAL_MAX)
    return (value + SIGNAL_MAX).astype(np.uint16)  # AR-PIC-01


def plane_to_bytes(plane: IntArray) -> npt.NDArray[np.uint8]:
    """8-bit samples, halves up (AR-PIC-02)."""
    value = (plane.astype(np.int64) + 128) >> 8
    assert value.size == 0 or (value.min() >= 0 and value.max() <= 255)
    return value.astype(np.uint8)
