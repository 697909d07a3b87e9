"""Layer normalisation over channels in integers (AN-NORM)."""

from __future__ import annotations

import numpy as np

from refdec.integer.golden.bounds import Int64Array, Watch
from refdec.integer.golden.elementwise import finish, per_channel
from refdec.integer.graph import Node
from refdec.integer.nodes import FLOAT64_EXACT
from refdec.integer.proof import layer_norm_limit

FRACTION = 14
ROOT_BITS = 24
INVERSE_BITS = 47


def isqrt(values: Int64Array, bits: int) -> Int64Array:
    """The largest ``r`` with ``r * r <= value``, bit after bit, for values below ``4^bits``."""
    root = np.zeros_like(values)
    for bit in range(bits - 1, -1, -1):
        candidate = root | (np.int64(1) << bit)
        root = np.where(candidate * candidate <= values, candidate, root)
    return root


def layer_norm(a: Int64Array, node: Node, lo: Int64Array, hi: Int64Array, watch: Watch) -> Int64Array:
    """AN-NORM-01 to 04: ``(v - mean) / sqrt(variance + epsilon) * weight + bias`` at every position."""
    channels = len(a)  # AN-NORM-05
    total = a.sum(axis=0)
    squares = channels * (a * a).sum(axis=0)
    watch.below("C * sum of squares", squares, (1 << 48) - 1)
    t = squares - total * total + node.attributes["epsilon"]  # AN-NORM-01
    watch.below("C^2 * (variance + epsilon)", t, (1 << 48) - 1)
    j = np.zeros_like(t)
    for _ in range(ROOT_BITS):
        low = t < 1 << (2 * ROOT_BITS - 2)
        t, j = np.where(low, t << 2, t), np.where(low, j + 1, j)
    root = isqrt(t, ROOT_BITS)
    inverse = (np.int64(1) << INVERSE_BITS) // root  # AN-NORM-02
    product = ((channels * a - total) << j) * inverse
    watch.below("normalised product", product, FLOAT64_EXACT - 1)  # AN-PROOF-05
    drop = INVERSE_BITS - FRACTION
    n = (product + (1 << (drop - 1))) >> drop  # AN-NORM-03
    watch.below("normalised value", n, layer_norm_limit(channels))
    scaled = n * per_channel(node.tensors["weight"]) + per_channel(node.tensors["bias"])  # AN-NORM-04
    return finish(scaled, node, lo, hi, watch, "half_up")
