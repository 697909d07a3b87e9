"""Softmax of channel attention between its two passes over the picture, in Python and NumPy integers."""

from __future__ import annotations

from math import isqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from refdec.integer.exp2 import HIGH, LOW

Int64 = npt.NDArray[np.int64]


def _normaliser(total: int) -> tuple[int, int]:
    """Exponent ``e`` and root of ``total * 4^e``, which lies in 2^50 .. 2^52 - 1."""
    if total == 0:
        return 0, 1
    bits = total.bit_length()
    # The wanted bit length is 51 or 52.
    e = (52 - bits) // 2
    return e, isqrt(total << 2 * e if e >= 0 else total >> -2 * e)


def _weights_of_row(cosines: list[int], temperature: int) -> list[int]:
    logits = [r * temperature for r in cosines]
    top = max(logits)
    powers = []
    for logit in logits:
        d = (top - logit + (1 << 23)) >> 24
        powers.append(((HIGH[(d >> 8) & 255] * LOW[d & 255]) >> 26) >> min(d >> 16, 27))
    total = sum(powers)
    return [min(32767, ((e << 15) + (total >> 1)) // total) for e in powers]


def attention_matrix(
    sums: Int64, heads: int, width: int, temperature: npt.NDArray[Any]
) -> npt.NDArray[np.int16]:
    """Attention weights with 15 fraction bits.

    :param sums: int64 rows, padded to panels: ``heads * width`` rows of the sums of q_i k_j, then
        ``heads`` rows of the sums of q_i^2, then of k_i^2.
    :param temperature: one per head.
    :returns: int16 ``[heads, width, width]``.
    """
    channels = heads * width
    rows = sums.reshape(channels + 2 * heads, -1)[:, :width]
    products, squares = rows[:channels].tolist(), rows[channels:].reshape(-1).tolist()
    q = [_normaliser(a) for a in squares[:channels]]
    k = [_normaliser(a) for a in squares[channels : 2 * channels]]
    out = np.empty((channels, width), np.int16)
    for i in range(channels):
        head = i // width
        cosines = []
        for j in range(width):
            other = head * width + j
            if squares[i] == 0 or squares[channels + other] == 0:
                cosines.append(0)
                continue
            shift = q[i][0] + k[other][0]
            g = products[i][j] << shift if shift >= 0 else products[i][j] >> -shift
            root = k[other][1]
            cosines.append((((g // q[i][1]) << 24) + (root >> 1)) // root)
        out[i] = _weights_of_row(cosines, int(temperature[head]))
    return out.reshape(heads, width, width)
