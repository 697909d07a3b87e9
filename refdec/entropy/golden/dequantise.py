"""From decoded residuals to fixed-point values, exact up to one rounding (AR-DEQ-01..03)."""

from __future__ import annotations

import numpy as np

from refdec import coverage
from refdec.entropy.golden.scales import INT32_MAX, require_range
from refdec.entropy.interface import RESIDUAL_FRACTION_BITS, Int32, IntArray
from refdec.entropy.tables import (
    QUALITY_MAX,
    SCALE_INDEX_MAX,
    SCALE_INDEX_MIN,
    parameters,
    scaler_table,
)

INVERSE_BITS = 16
LINEAR_BITS = 4
SCALER_BITS = 10


def dequantise(
    residual: IntArray, scale_index: IntArray, quality_map: IntArray | None, inverse: IntArray | None
) -> Int32:
    """See :meth:`refdec.entropy.interface.EntropyEngine.dequantise`."""
    value = require_range(residual, -(1 << 15), (1 << 15) - 1, "residual")
    index = require_range(scale_index, SCALE_INDEX_MIN, SCALE_INDEX_MAX, "scale_index")
    scaler = scaler_table().astype(np.int64)[index - SCALE_INDEX_MIN]  # AR-DEQ-02

    if coverage.is_heard():
        coverage.values("scaler-entries", "L =", index[value.any(axis=(1, 2))])

    # Numerator and denominator of residual * inverse/2**16 * 2**4/linear * 2**10/scaler * 2**12.
    multiplier = np.full((1, 1, 1), 1 << INVERSE_BITS, np.int64)
    if inverse is not None:
        multiplier = require_range(inverse, 1, (1 << 17) - 1, "inverse")
    linear = np.full((1, 1), 1 << LINEAR_BITS, np.int64)
    if quality_map is not None:
        quality = require_range(quality_map, -QUALITY_MAX, QUALITY_MAX, "quality_map")
        linear = parameters()["quality_linear"].astype(np.int64)[quality + QUALITY_MAX]
    shift = RESIDUAL_FRACTION_BITS + SCALER_BITS + LINEAR_BITS - INVERSE_BITS
    assert shift >= 0
    numerator = (value * multiplier) << shift  # AR-DEQ-01
    denominator = linear[None] * scaler[:, None, None]
    assert int(np.abs(numerator).max(initial=0)) < 1 << 43
    assert int(denominator.min(initial=1)) > 0 and int(denominator.max(initial=1)) < 1 << 26

    # floor(n/d + 1/2), which is the nearest integer with halves towards plus infinity.
    nearest = (2 * numerator + denominator) // (2 * denominator)  # AR-DEQ-03
    coverage.clips("dequantised residual (AR-DEQ-03)", nearest, -INT32_MAX, INT32_MAX)
    return np.ascontiguousarray(np.clip(nearest, -INT32_MAX, INT32_MAX), np.int32)
