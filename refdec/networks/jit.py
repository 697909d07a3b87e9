"""The arithmetic between the integer graphs, in the width of its operands, without intermediate copies.

Independent of :mod:`refdec.networks.golden`: rounding reads the bit below the cut, and the output map lives
on 16-bit wrap-around.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from refdec.engine_record import ran

IntArray = npt.NDArray[np.integer[Any]]


def residual_to_latent(residual: IntArray, fraction: IntArray) -> npt.NDArray[np.int16]:
    """See :func:`refdec.networks.golden.residual_to_latent`."""
    ran("latents", "jit")
    value = np.asarray(residual, np.int32)
    right = np.maximum(12 - fraction, 0).astype(np.int32)[:, None, None]
    left = np.maximum(fraction - 12, 0).astype(np.int32)[:, None, None]
    # v >> s rounds down, and the last bit that it drops says whether the half is reached; at s = 0
    # nothing is dropped
    dropped = (value >> np.maximum(right - 1, 0)) & np.minimum(right, 1)
    out = value >> right
    # the largest right shift is 12, so this cannot carry out of 32 bits unless s is 0, when dropped is 0
    np.add(out, dropped, out=out)
    # clipping before the shift to the left keeps it inside 32 bits
    limit = np.int32(32767)
    np.clip(out, -limit, limit, out=out)
    np.left_shift(out, left, out=out)
    np.clip(out, -limit, limit, out=out)
    return out.astype(np.int16)


def saturate_latent(value: IntArray, lo: IntArray, hi: IntArray) -> npt.NDArray[np.int16]:
    """See :func:`refdec.networks.golden.saturate_latent`."""
    low, high = (np.asarray(b, np.int32)[:, None, None] for b in (lo, hi))
    return np.minimum(np.maximum(value, low), high).astype(np.int16)


def signal_to_plane(signal: IntArray) -> npt.NDArray[np.uint16]:
    """See :func:`refdec.networks.golden.signal_to_plane`."""
    ran("latents", "jit")
    # adding 32640 modulo 2^16 to the two's complement pattern is the sum itself, which is never negative
    return np.asarray(signal, np.int16).view(np.uint16) + np.uint16(32640)


def plane_to_bytes(plane: IntArray) -> npt.NDArray[np.uint8]:
    """See :func:`refdec.networks.golden.plane_to_bytes`."""
    value = np.asarray(plane, np.uint16)
    whole = (value >> np.uint16(8)).astype(np.uint8)
    whole += ((value >> np.uint16(7)) & np.uint16(1)).astype(np.uint8)
    return whole
