"""Scales, skip mode, residual and variance scaling, latent scaling (AR-LOG, AR-SKIP, AR-RVS, AR-LSBS).

Scales are integers in units of 1/128 level: 128 units are one step of the 32 distributions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from refdec import coverage
from refdec.entropy.interface import Bool, Int32, IntArray, UInt8, VarianceScaling
from refdec.entropy.tables import (
    BASE_MAX,
    LIKELY_MAX,
    LIKELY_PAD,
    MAX_LEVEL,
    QUALITY_MAX,
    SKIP_THRESHOLD,
    parameters,
)

LOG_MIN, LOG_MAX = -2048, 2047
ADDEND_MIN, ADDEND_MAX = -8192, 8191
BLOCK = 8
INT32_MAX = 2**31 - 1


def require_range(values: IntArray, low: int, high: int, what: str) -> NDArray[np.int64]:
    """The values as int64.

    :raises ValueError: one of them lies outside low..high.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "iu":
        raise ValueError(f"{what} must be integers, not {array.dtype}")
    if array.size and not (low <= int(array.min()) and int(array.max()) <= high):
        raise ValueError(f"{what} must be in {low}..{high}")
    return array.astype(np.int64)


def skip_scale_log(
    base: IntArray, gain_log: IntArray, delta_beta: int, quality_map: IntArray | None
) -> Int32:
    """See :meth:`refdec.entropy.interface.EntropyEngine.skip_scale_log`."""
    scale = require_range(base, 0, BASE_MAX, "base")
    gain = require_range(gain_log, LOG_MIN, LOG_MAX, "gain_log")
    if not LOG_MIN <= delta_beta <= LOG_MAX:
        raise ValueError(f"delta_beta must be in {LOG_MIN}..{LOG_MAX}")
    channels, height, width = scale.shape
    # AR-LOG-02, AR-LOG-04
    addend = np.broadcast_to((gain + delta_beta)[:, None, None], (channels, height, width))
    if quality_map is not None:
        index = require_range(quality_map, -QUALITY_MAX, QUALITY_MAX, "quality_map")
        coverage.values("quality-map", "index", index)
        # AR-QMAP-05
        addend = addend + parameters()["quality_log"].astype(np.int64)[index + QUALITY_MAX]
    # 12 bits for the gain, 12 for the displacement, at most 886 for the map: always inside.
    assert addend.size == 0 or (int(addend.min()) >= ADDEND_MIN and int(addend.max()) <= ADDEND_MAX)
    result = scale + addend  # AR-LOG-01, AR-LOG-03
    assert result.size == 0 or int(np.abs(result).max()) < 1 << 15
    return np.ascontiguousarray(result, np.int32)


def levels(scale_log: IntArray) -> UInt8:
    """See :meth:`refdec.entropy.interface.EntropyEngine.levels`."""
    rounded = (np.asarray(scale_log).astype(np.int64) + 64) >> 7  # AR-LOG-05
    coverage.clips("level (AR-LOG-05)", rounded, 0, MAX_LEVEL)
    return np.ascontiguousarray(np.clip(rounded, 0, MAX_LEVEL), np.uint8)


def skip_mask(scale_log: IntArray, cube_flags: UInt8 | None) -> Bool:
    """See :meth:`refdec.entropy.interface.EntropyEngine.skip_mask`."""
    scale = np.asarray(scale_log)
    height, width = scale.shape[1:]
    coded = scale > SKIP_THRESHOLD  # AR-SKIP-01
    if cube_flags is not None:
        rows, columns = ((n + 2 * BLOCK - 1) // (2 * BLOCK) for n in (height, width))
        flags = require_range(cube_flags, 0, 1, "cube_flags")
        if flags.shape != (4, rows, columns):
            raise ValueError(f"cube flags {flags.shape} for a latent of {height} x {width}")
        y, x = np.arange(height)[:, None], np.arange(width)[None, :]
        phase = 2 * (y & 1) + (x & 1)
        flag = flags[phase, (y >> 1) >> 3, (x >> 1) >> 3]  # AR-SKIP-02
        coded = coded | (flag == 0)[None]  # AR-SKIP-03
    return np.ascontiguousarray(coded)


def likely_map(scale_log: IntArray) -> Int32:
    """See :meth:`refdec.entropy.interface.EntropyEngine.likely_map`."""
    scale = require_range(scale_log, -(1 << 15), (1 << 15) - 1, "skip_scale_log")
    channels, height, width = scale.shape
    rows, columns = -(-height // BLOCK), -(-width // BLOCK)
    padded = np.full((channels, rows * BLOCK, columns * BLOCK), LIKELY_PAD, np.int64)
    padded[:, :height, :width] = scale
    sums = padded.reshape(channels, rows, BLOCK, columns, BLOCK).sum(axis=(2, 4))
    assert sums.size == 0 or int(np.abs(sums).max()) <= 64 << 15
    coverage.clips("likely value (AR-RVS-01)", sums + 32, 0, (LIKELY_MAX << 6) + 63)
    means = np.clip((sums + 32) >> 6, 0, LIKELY_MAX)  # AR-RVS-01
    full = means.repeat(BLOCK, axis=1).repeat(BLOCK, axis=2)
    return np.ascontiguousarray(full[:, :height, :width], np.int32)


def segments(likely: IntArray, bounds: NDArray[np.int32]) -> NDArray[np.int64]:
    """Number of bounds that lie strictly below each value (AR-RVS-03)."""
    likely = np.asarray(likely)
    count = np.zeros(likely.shape, np.int64)
    for bound in bounds.tolist():
        count += likely > bound
    return count


def variance_scaling(
    likely: IntArray, model_id: int, rvs: bool, grfs_flags: IntArray | None
) -> VarianceScaling:
    """See :meth:`refdec.entropy.interface.EntropyEngine.variance_scaling`."""
    if not 0 <= model_id <= 3:
        raise ValueError(f"model_id {model_id} must be in 0..3")
    tables = parameters()
    likely = require_range(likely, 0, LIKELY_MAX, "likely")
    channels = likely.shape[0]
    # 0: GRFS off; 1: flag 0, as for all channels without a flag; 2: flag 1.
    state = np.zeros(channels, np.int64)
    if grfs_flags is not None:
        flags = require_range(grfs_flags, 0, 1, "grfs_flags")
        if flags.ndim != 1 or flags.size > channels:
            raise ValueError(f"{flags.size} GRFS flags for {channels} channels")
        state[:] = 1
        state[: flags.size] += flags
        coverage.values("table-entries", f"GRFS, {'with' if rvs else 'no'} RVS, flag", state - 1)
    segment = segments(likely, tables["scaling_bounds"][model_id])  # AR-RVS-03
    if rvs:
        coverage.values("table-entries", f"RVS, model {model_id}, segment", segment)  # AR-RVS-04
    log, inverse, forward = (
        np.ascontiguousarray(tables[name][int(rvs)][state[:, None, None], model_id, segment], np.int32)
        for name in ("scaling_log", "scaling_inverse", "scaling_forward")
    )
    return VarianceScaling(log, inverse, forward)  # AR-RVS-02


def lsbs_segments(likely: IntArray) -> UInt8:
    """See :meth:`refdec.entropy.interface.EntropyEngine.lsbs_segments`."""
    likely = require_range(likely, 0, LIKELY_MAX, "likely")
    return np.ascontiguousarray(segments(likely, parameters()["lsbs_bounds"]), np.uint8)  # AR-LSBS-01


def lsbs(y: IntArray, residual: IntArray, segment: UInt8, model_id: int) -> Int32:
    """See :meth:`refdec.entropy.interface.EntropyEngine.lsbs`."""
    if not 0 <= model_id <= 3:
        raise ValueError(f"model_id {model_id} must be in 0..3")
    tables = parameters()
    latent = require_range(y, -(1 << 31), INT32_MAX, "y")
    part = require_range(residual, -(1 << 31), INT32_MAX, "residual")
    index = require_range(segment, 0, 2, "segments")
    coverage.values("table-entries", f"LSBS, model {model_id}, segment", index)
    mean_weight = tables["lsbs_mean"].astype(np.int64)[model_id][index]
    residual_weight = tables["lsbs_residual"].astype(np.int64)[model_id][index]
    # At most (46 * 2**32 + 56 * 2**31) < 2**39: exact in 64 bits.
    change = (mean_weight * (latent - part) + residual_weight * part + 4096) >> 13  # AR-LSBS-02
    coverage.clips("scaled latent (AR-LSBS-02)", latent + change, -INT32_MAX, INT32_MAX)
    return np.ascontiguousarray(np.clip(latent + change, -INT32_MAX, INT32_MAX), np.int32)
