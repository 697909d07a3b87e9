"""Kernels for scales, masks, segments, the quality map and dequantisation.

Latents come as ``[C, h * w]`` or flat; every element is touched once, in order, and all arithmetic
that could leave 32 bits is done in 64. Definitions: docs/arithmetic.md, AR-LOG, AR-SKIP, AR-RVS,
AR-LSBS, AR-QMAP, AR-DEQ.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from refdec.entropy.jit.kernel import i64, kernel, narrow, reads, wide, writes
from refdec.entropy.tables import (
    LIKELY_MAX,
    LIKELY_PAD,
    MAX_LEVEL,
    QUALITY_MAX,
    SKIP_THRESHOLD,
    Z_SYMBOLS,
)

Vector = NDArray[Any]

INT32_MAX = 2**31 - 1
FLOOR, TRUNCATE = 0, 1
NO_FAILURE = -1

i32_1 = reads(types.int32)
i32_2 = reads(types.int32, 2)
u8_1 = reads(types.uint8)


@kernel(i64, i32_2, i32_1, i32_1, writes(types.int32, 2))
def add_scales(base: Vector, per_channel: Vector, per_position: Vector, output: Vector) -> int:
    """``base + per_channel[c] + per_position[i]``; ``per_position`` may be empty."""
    for c in range(base.shape[0]):
        gain = per_channel[c]
        if per_position.size:
            for i in range(base.shape[1]):
                output[c, i] = narrow(base[c, i] + gain + per_position[i])
        else:
            for i in range(base.shape[1]):
                output[c, i] = narrow(base[c, i] + gain)
    return 0


@kernel(i64, i32_1, writes(types.uint8))
def scale_levels(scale: Vector, output: Vector) -> int:
    """``clip((scale + 64) >> 7, 0, 31)``."""
    for i in range(scale.size):
        # The smaller of the two first, so that adding 64 stays within 32 bits.
        low = min(scale[i], narrow(MAX_LEVEL << 7))
        output[i] = np.uint8(max(narrow(0), narrow(narrow(low + narrow(64)) >> narrow(7))))
    return 0


@kernel(i64, i32_2, u8_1, writes(types.uint8, 2))
def coded_positions(scale: Vector, always: Vector, output: Vector) -> int:
    """1 where a scale is above the threshold or ``always[i]`` is 1; ``always`` may be empty."""
    for c in range(scale.shape[0]):
        if always.size:
            for i in range(scale.shape[1]):
                output[c, i] = np.uint8(scale[c, i] > SKIP_THRESHOLD) | always[i]
        else:
            for i in range(scale.shape[1]):
                output[c, i] = np.uint8(scale[c, i] > SKIP_THRESHOLD)
    return 0


@kernel(i64, reads(types.uint8, 3), writes(types.uint8, 2))
def cleared_cubes(flags: Vector, always: Vector) -> int:
    """1 at every position whose cube has flag 0: phases of 2 x 2 positions, cubes of 8 x 8 of a phase."""
    for y in range(always.shape[0]):
        for x in range(always.shape[1]):
            phase = ((y & 1) << 1) | (x & 1)
            always[y, x] = np.uint8(flags[phase, y >> 4, x >> 4] == 0)
    return 0


@kernel(i64, reads(types.int32, 3), writes(types.int32, 3))
def block_means(scale: Vector, output: Vector) -> int:
    """Rounded means of 8 x 8 blocks; positions outside the latent count as ``LIKELY_PAD``."""
    channels, height, width = scale.shape
    for c in range(channels):
        for top in range(0, height, 8):
            bottom = min(top + 8, height)
            for left in range(0, width, 8):
                right = min(left + 8, width)
                total = LIKELY_PAD * (64 - (bottom - top) * (right - left))
                for y in range(top, bottom):
                    for x in range(left, right):
                        total += scale[c, y, x]
                mean = narrow(min(max((total + 32) >> 6, 0), LIKELY_MAX))
                for y in range(top, bottom):
                    for x in range(left, right):
                        output[c, y, x] = mean
    return 0


@kernel(i64, i32_2, i32_1, i32_2, i32_2, i32_2, u8_1, *[writes(types.int32, 2)] * 3)
def scale_variance(
    likely: Vector,
    bounds: Vector,
    log_table: Vector,
    inverse_table: Vector,
    forward_table: Vector,
    choice: Vector,
    log: Vector,
    inverse: Vector,
    forward: Vector,
) -> int:
    """Table values of each position's segment; row ``choice[c]`` of the tables holds for a channel."""
    for c in range(likely.shape[0]):
        row = wide(choice[c])
        for i in range(likely.shape[1]):
            value = likely[c, i]
            segment = wide(value > bounds[0]) + wide(value > bounds[1]) + wide(value > bounds[2])
            log[c, i] = log_table[row, segment]
            inverse[c, i] = inverse_table[row, segment]
            forward[c, i] = forward_table[row, segment]
    return 0


@kernel(i64, i32_1, i64, i64, writes(types.uint8))
def count_bounds(likely: Vector, first: int, second: int, output: Vector) -> int:
    """How many of two bounds lie below each value."""
    for i in range(likely.size):
        output[i] = np.uint8(np.uint8(likely[i] > first) + np.uint8(likely[i] > second))
    return 0


@kernel(i64, i32_1, i32_1, u8_1, i32_1, i32_1, writes(types.int32))
def scale_latent(
    y: Vector, residual: Vector, segments: Vector, mean: Vector, weight: Vector, output: Vector
) -> int:
    """``y + ((mean * (y - residual) + weight * residual + 4096) >> 13)``, saturated, by segment."""
    for i in range(y.size):
        segment = wide(segments[i])
        value = wide(y[i])
        part = wide(residual[i])
        change = (wide(mean[segment]) * (value - part) + wide(weight[segment]) * part + 4096) >> 13
        output[i] = narrow(min(max(value + change, -INT32_MAX), INT32_MAX))
    return 0


@kernel(i64, i32_2, i32_1, i32_1, i32_2, writes(types.int32, 2))
def dequantise_latent(
    residual: Vector, scalers: Vector, linear: Vector, inverse: Vector, output: Vector
) -> int:
    """Rounded quotients of :meth:`refdec.entropy.interface.EntropyEngine.dequantise`.

    ``linear`` (per position) and ``inverse`` may be empty. The numerator has at most 43 bits, the
    denominator 26.
    """
    for c in range(residual.shape[0]):
        scaler = wide(scalers[c])
        for i in range(residual.shape[1]):
            value = wide(residual[c, i])
            # Most residuals are 0, and a division takes as long as everything else here together.
            if value == 0:
                output[c, i] = 0
                continue
            factor = wide(inverse[c, i]) if inverse.size else 65536
            denominator = scaler * (wide(linear[i]) if linear.size else 16)
            # Twice the magnitude; with the sign outside, halves go up for both signs.
            doubled = abs(value) * factor << 11
            if value > 0:
                rounded = wide(np.uint64(doubled + denominator) // np.uint64(2 * denominator))
            else:
                rounded = -wide(np.uint64(doubled + denominator - 1) // np.uint64(2 * denominator))
            output[c, i] = narrow(min(max(rounded, -INT32_MAX), INT32_MAX))
    return 0


@kernel(i64, i64, i64, i64)
def half(total: int, negative: int, rounding: int) -> Any:
    """Half of a sum: ``FLOOR``, or ``TRUNCATE`` adds 1 where the sum is ``negative`` (0 or 1) and odd."""
    return wide((total + (rounding & negative & total & 1)) >> 1)


@kernel(i64, i32_2, i64, writes(types.int8, 2))
def sum_deltas(delta: Vector, rounding: int, output: Vector) -> Any:
    """Quality indices from deltas.

    :return: ``NO_FAILURE``, or ``(raster position) * 2**32 + (value + 2**31)`` of the first index
        out of range.
    """
    height, width = delta.shape
    for y in range(height):
        for x in range(width):
            if y == 0:
                predicted = wide(output[0, x - 1]) if x > 0 else 0
            elif x == 0:
                predicted = wide(output[y - 1, 0])
            else:
                total = wide(output[y, x - 1]) + wide(output[y - 1, x])
                predicted = half(total, wide(total < 0), rounding)
            value = predicted + wide(delta[y, x])
            if value < -QUALITY_MAX or value > QUALITY_MAX:
                return ((y * width + x) << 32) + (value + (1 << 31))
            output[y, x] = np.int8(value)
    return NO_FAILURE


@kernel(i64, reads(types.int8, 2), i64, writes(types.int32, 2))
def difference(quality: Vector, rounding: int, output: Vector) -> int:
    """Deltas of quality indices."""
    height, width = quality.shape
    for y in range(height):
        for x in range(width):
            if y == 0:
                predicted = wide(quality[0, x - 1]) if x > 0 else 0
            elif x == 0:
                predicted = wide(quality[y - 1, 0])
            else:
                total = wide(quality[y, x - 1]) + wide(quality[y - 1, x])
                predicted = half(total, wide(total < 0), rounding)
            output[y, x] = narrow(wide(quality[y, x]) - predicted)
    return 0


@kernel(i64, reads(types.int64, 2), writes(types.uint8, 2))
def cumulative_masses(freqs: Vector, output: Vector) -> int:
    """Cumulative frequencies scaled to 255, to the nearest; the caller has bounded the totals."""
    for c in range(freqs.shape[0]):
        total = wide(0)
        for k in range(Z_SYMBOLS):
            total += freqs[c, k]
        so_far = wide(0)
        for k in range(Z_SYMBOLS):
            so_far += freqs[c, k]
            output[c, k] = np.uint8((255 * so_far + (total >> 1)) // total)
    return 0
