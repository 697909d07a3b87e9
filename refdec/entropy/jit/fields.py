"""Scales, masks, segments, quality map and dequantisation over the kernels of :mod:`refdec.entropy.jit.maps`.

Arguments are brought to C-contiguous int32 here; what already is goes through without a copy.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from refdec.entropy.interface import Bool, Int8, Int32, IntArray, Rounding, UInt8, VarianceScaling
from refdec.entropy.jit import maps
from refdec.entropy.tables import (
    BASE_MAX,
    LIKELY_MAX,
    QUALITY_MAX,
    SCALE_INDEX_MAX,
    SCALE_INDEX_MIN,
    Z_SYMBOLS,
    parameters,
    scaler_table,
)
from refdec.errors import CodestreamSyntaxError, CorruptPayloadError, ModelError

LOG_MIN, LOG_MAX = -2048, 2047
ADDEND_MIN, ADDEND_MAX = -8192, 8191
INVERSE_MAX = (1 << 17) - 1
INT32_MIN, INT32_MAX = -(1 << 31), (1 << 31) - 1
TOTAL_MAX = (1 << 55) - 1

NOTHING = np.zeros(0, np.int32)
NO_PLANES = np.zeros((0, 0), np.int32)
NO_FLAGS = np.zeros(0, np.uint8)
# What the kernels' signatures ask for: C-contiguous, aligned.
KERNEL_LAYOUT: Final = ("C", "A")
ROUNDINGS = {"floor": maps.FLOOR, "truncate": maps.TRUNCATE}


def bounded(values: IntArray, low: int, high: int, what: str) -> Int32:
    """The values as C-contiguous int32.

    :raises ValueError: one of them lies outside low..high, or they are no integers.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "iu":
        raise ValueError(f"{what} must be integers, not {array.dtype}")
    if array.size and not (low <= int(array.min()) and int(array.max()) <= high):
        raise ValueError(f"{what} must be in {low}..{high}")
    return np.require(array, np.int32, KERNEL_LAYOUT)


def saturated(values: IntArray) -> Int32:
    """The values as C-contiguous int32; those beyond 32 bits become the nearest number that fits."""
    array = np.asarray(values)
    if not np.can_cast(array.dtype, np.int32):
        array = np.clip(array, max(INT32_MIN, int(np.iinfo(array.dtype).min)), INT32_MAX)
    return np.require(array, np.int32, KERNEL_LAYOUT)


def planes(array: Int32) -> Int32:
    """``[C, h, w]`` as ``[C, h * w]``, without a copy."""
    channels, height, width = array.shape
    return array.reshape(channels, height * width)


def skip_scale_log(
    base: IntArray, gain_log: IntArray, delta_beta: int, quality_map: IntArray | None
) -> Int32:
    """See :meth:`refdec.entropy.interface.EntropyEngine.skip_scale_log`."""
    scale = bounded(base, 0, BASE_MAX, "base")
    gain = bounded(gain_log, LOG_MIN, LOG_MAX, "gain_log")
    if not LOG_MIN <= delta_beta <= LOG_MAX:
        raise ValueError(f"delta_beta must be in {LOG_MIN}..{LOG_MAX}")
    channels, height, width = scale.shape
    if gain.shape != (channels,):
        raise ValueError(f"gain_log {gain.shape} for {channels} channels")
    gain = gain + np.int32(delta_beta)
    by_position = NOTHING
    if quality_map is not None:
        by_position = quality_values("quality_log", quality_map, height, width)
    if scale.size:
        low = int(gain.min()) + int(by_position.min(initial=0) if quality_map is None else by_position.min())
        high = int(gain.max()) + int(by_position.max(initial=0) if quality_map is None else by_position.max())
        if low < ADDEND_MIN or high > ADDEND_MAX:
            raise CodestreamSyntaxError(
                "gain, beta displacement and quality map together leave the range of a scale",
                element="beta_displacement_log",
                expected=f"{ADDEND_MIN}..{ADDEND_MAX}",
                found=f"{low}..{high}",
            )
    output = np.empty(scale.shape, np.int32)
    maps.add_scales(planes(scale), gain, by_position, planes(output))
    return output


def quality_values(table: str, quality_map: IntArray, height: int, width: int) -> Int32:
    """A table's value at each position of a quality map, flat."""
    index = bounded(quality_map, -QUALITY_MAX, QUALITY_MAX, "quality_map")
    if index.shape != (height, width):
        raise ValueError(f"quality map {index.shape} for a latent of {height} x {width}")
    return np.take(parameters()[table], index.reshape(-1) + QUALITY_MAX)


def levels(scale_log: IntArray) -> UInt8:
    """See :meth:`refdec.entropy.interface.EntropyEngine.levels`."""
    scale = saturated(scale_log)
    output = np.empty(scale.shape, np.uint8)
    maps.scale_levels(scale.reshape(-1), output.reshape(-1))
    return output


def skip_mask(skip_scale_log: IntArray, cube_flags: UInt8 | None) -> Bool:
    """See :meth:`refdec.entropy.interface.EntropyEngine.skip_mask`."""
    scale = saturated(skip_scale_log)
    channels, height, width = scale.shape
    always = NO_FLAGS
    if cube_flags is not None:
        rows, columns = (height + 15) >> 4, (width + 15) >> 4
        flags = bounded(cube_flags, 0, 1, "cube_flags")
        if flags.shape != (4, rows, columns):
            raise ValueError(f"cube flags {flags.shape} for a latent of {height} x {width}")
        plane = np.empty((height, width), np.uint8)
        maps.cleared_cubes(flags.astype(np.uint8), plane)
        always = plane.reshape(-1)
    output = np.empty((channels, height * width), np.uint8)
    maps.coded_positions(planes(scale), always, output)
    return output.view(np.bool_).reshape(channels, height, width)


def likely_map(skip_scale_log: IntArray) -> Int32:
    """See :meth:`refdec.entropy.interface.EntropyEngine.likely_map`."""
    scale = bounded(skip_scale_log, -(1 << 15), (1 << 15) - 1, "skip_scale_log")
    output = np.empty(scale.shape, np.int32)
    maps.block_means(scale, output)
    return output


def variance_scaling(
    likely: IntArray, model_id: int, rvs: bool, grfs_flags: IntArray | None
) -> VarianceScaling:
    """See :meth:`refdec.entropy.interface.EntropyEngine.variance_scaling`."""
    if not 0 <= model_id <= 3:
        raise ValueError(f"model_id {model_id} must be in 0..3")
    likely = bounded(likely, 0, LIKELY_MAX, "likely")
    choice = np.zeros(likely.shape[0], np.uint8)
    if grfs_flags is not None:
        flags = bounded(grfs_flags, 0, 1, "grfs_flags")
        if flags.ndim != 1 or flags.size > choice.size:
            raise ValueError(f"{flags.size} GRFS flags for {choice.size} channels")
        # Rows of the tables: GRFS off, flag 0 (also for channels without a flag), flag 1.
        choice[: flags.size] = flags
        choice += np.uint8(1)
    tables = [
        np.ascontiguousarray(parameters()[name][int(rvs), :, model_id])
        for name in ("scaling_log", "scaling_inverse", "scaling_forward")
    ]
    outputs = [np.empty(likely.shape, np.int32) for _ in tables]
    maps.scale_variance(
        planes(likely), parameters()["scaling_bounds"][model_id], *tables, choice, *map(planes, outputs)
    )
    return VarianceScaling(*outputs)


def lsbs_segments(likely: IntArray) -> UInt8:
    """See :meth:`refdec.entropy.interface.EntropyEngine.lsbs_segments`."""
    likely = bounded(likely, 0, LIKELY_MAX, "likely")
    output = np.empty(likely.shape, np.uint8)
    first, second = parameters()["lsbs_bounds"].tolist()
    maps.count_bounds(likely.reshape(-1), first, second, output.reshape(-1))
    return output


def lsbs(y: IntArray, residual: IntArray, segments: UInt8, model_id: int) -> Int32:
    """See :meth:`refdec.entropy.interface.EntropyEngine.lsbs`."""
    if not 0 <= model_id <= 3:
        raise ValueError(f"model_id {model_id} must be in 0..3")
    latent = bounded(y, INT32_MIN, INT32_MAX, "y")
    part = bounded(residual, INT32_MIN, INT32_MAX, "residual")
    index = np.ascontiguousarray(segments)
    if index.size and not 0 <= int(index.min()) <= int(index.max()) <= 2:
        raise ValueError("segments must be in 0..2")
    if not latent.shape == part.shape == index.shape:
        raise ValueError(f"y {latent.shape}, residual {part.shape}, segments {index.shape}")
    output = np.empty(latent.shape, np.int32)
    maps.scale_latent(
        *(latent.reshape(-1), part.reshape(-1), index.astype(np.uint8, copy=False).reshape(-1)),
        *(parameters()[name][model_id] for name in ("lsbs_mean", "lsbs_residual")),
        output.reshape(-1),
    )
    return output


def dequantise(
    residual: IntArray, scale_index: IntArray, quality_map: IntArray | None, inverse: IntArray | None
) -> Int32:
    """See :meth:`refdec.entropy.interface.EntropyEngine.dequantise`."""
    values = bounded(residual, -(1 << 15), (1 << 15) - 1, "residual")
    index = bounded(scale_index, SCALE_INDEX_MIN, SCALE_INDEX_MAX, "scale_index")
    channels, height, width = values.shape
    if index.shape != (channels,):
        raise ValueError(f"scale_index {index.shape} for {channels} channels")
    scalers = np.take(scaler_table(), index - np.int32(SCALE_INDEX_MIN))
    linear, factors = NOTHING, NO_PLANES
    if quality_map is not None:
        linear = quality_values("quality_linear", quality_map, height, width)
    if inverse is not None:
        factors = bounded(inverse, 1, INVERSE_MAX, "inverse")
        if factors.shape != values.shape:
            raise ValueError(f"inverse {factors.shape} for residuals {values.shape}")
        factors = planes(factors)
    output = np.empty(values.shape, np.int32)
    maps.dequantise_latent(planes(values), scalers, linear, factors, planes(output))
    return output


def _rounding(rounding: Rounding) -> int:
    if rounding not in ROUNDINGS:
        raise ValueError(f"no rounding rule {rounding!r}")
    return ROUNDINGS[rounding]


def quality_map_from_deltas(delta: IntArray, rounding: Rounding, byte_offset: int, element: str) -> Int8:
    """See :meth:`refdec.entropy.interface.EntropyEngine.quality_map_from_deltas`."""
    deltas = bounded(delta, -(1 << 15), (1 << 15) - 1, "delta")
    output = np.empty(deltas.shape, np.int8)
    failure = int(maps.sum_deltas(deltas, _rounding(rounding), output))
    if failure != maps.NO_FAILURE:
        row, column = divmod(failure >> 32, deltas.shape[1])
        raise CorruptPayloadError(
            f"a quality index is out of range at row {row}, column {column} (rounding rule {rounding!r})",
            bit_offset=8 * byte_offset,
            element=element,
            expected=f"-{QUALITY_MAX}..{QUALITY_MAX}",
            found=str((failure & 0xFFFFFFFF) - (1 << 31)),
        )
    return output


def quality_map_deltas(quality_map: IntArray, rounding: Rounding) -> Int32:
    """See :meth:`refdec.entropy.interface.EntropyEngine.quality_map_deltas`."""
    quality = bounded(quality_map, -QUALITY_MAX, QUALITY_MAX, "quality_map").astype(np.int8)
    output = np.empty(quality.shape, np.int32)
    maps.difference(quality, _rounding(rounding), output)
    return output


def z_cdf(freqs: IntArray) -> UInt8:
    """See :meth:`refdec.entropy.interface.EntropyEngine.z_cdf`."""
    array: NDArray[np.int64] = np.asarray(freqs)
    if array.ndim != 2 or array.shape[1] != Z_SYMBOLS:
        raise ModelError(f"z frequencies have shape {array.shape}, expected [C, {Z_SYMBOLS}]")
    # No frequency above this bound, so that no total of 63 of them needs more than 64 bits.
    if array.size and not 0 <= int(array.min()) <= int(array.max()) <= TOTAL_MAX // Z_SYMBOLS:
        raise ModelError("z frequencies must not be negative, and small enough to be added in 64 bits")
    if not bool(array.any(axis=1).all()):
        raise ModelError("the z frequencies of a channel are all zero")
    output = np.empty(array.shape, np.uint8)
    maps.cumulative_masses(np.require(array, np.int64, KERNEL_LAYOUT), output)
    return output
