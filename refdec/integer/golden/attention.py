"""Channel attention in integers: cosines between channels, softmax, weighted sum (AN-ATT)."""

from __future__ import annotations

import numpy as np

from refdec.integer import exp2
from refdec.integer.golden.bounds import Int64Array, Watch
from refdec.integer.golden.elementwise import finish
from refdec.integer.golden.normalisation import isqrt
from refdec.integer.graph import Node
from refdec.integer.nodes import FLOAT64_EXACT
from refdec.integer.proof import attention_weight_sum

NORM_BITS = 26
COSINE_BITS = 24
EXP_BITS = 26
WEIGHT_BITS = 15
WEIGHT_MAX = 32767


def shift_either(values: Int64Array, shift: Int64Array) -> Int64Array:
    """``values * 2^shift``, floored where ``shift`` is negative."""
    return np.where(shift >= 0, values << np.maximum(shift, 0), values >> np.maximum(-shift, 0))


def norms(squares: Int64Array) -> tuple[Int64Array, Int64Array]:
    """AN-ATT-02: exponent ``e`` and ``isqrt(A * 4^e)`` for sums of squares ``A``; a sum of 0 gives (0, 1)."""
    exponent = np.zeros_like(squares)
    value = np.where(squares > 0, squares, 1)
    for _ in range(NORM_BITS):
        low, high = value < 1 << (2 * NORM_BITS - 2), value >= 1 << (2 * NORM_BITS)
        exponent = exponent + low - high
        value = np.where(low, value << 2, np.where(high, value >> 2, value))
    root = isqrt(value, NORM_BITS)
    return np.where(squares > 0, exponent, 0), np.where(squares > 0, root, 1)


def cosines(q: Int64Array, k: Int64Array, watch: Watch) -> Int64Array:
    """AN-ATT-01 to 03: cosines of the rows of ``q`` [c, N] with those of ``k``, 24 fraction bits."""
    gram = np.einsum("in,jn->ij", q, k)  # AN-ATT-01
    q_squares, k_squares = (q * q).sum(axis=1), (k * k).sum(axis=1)
    for what, values in (("q k", gram), ("q q", q_squares), ("k k", k_squares)):
        watch.below(f"sum {what}", values, FLOAT64_EXACT - 1)
    q_exponent, q_norm = norms(q_squares)
    k_exponent, k_norm = norms(k_squares)
    g = shift_either(gram, q_exponent[:, None] + k_exponent[None, :])
    watch.below("scaled q k", g, FLOAT64_EXACT - 1)
    u = (g // q_norm[:, None]) << COSINE_BITS
    watch.below("half-normalised q k", u, FLOAT64_EXACT - 1)
    r = (u + (k_norm[None, :] >> 1)) // k_norm[None, :]  # AN-ATT-03
    watch.below("cosine", r, (1 << COSINE_BITS) + 4)
    return np.where((q_squares > 0)[:, None] & (k_squares > 0)[None, :], r, 0)


def softmax(r: Int64Array, temperature: int, watch: Watch) -> Int64Array:
    """AN-ATT-04 and 05: attention weights with 15 fraction bits from cosines ``[c, c]``."""
    logits = r * temperature
    distance = logits.max(axis=1, keepdims=True) - logits
    watch.below("distance", distance, FLOAT64_EXACT - 1)
    d = (distance + (1 << (COSINE_BITS - 1))) >> COSINE_BITS
    high, low = np.array(exp2.HIGH, np.int64), np.array(exp2.LOW, np.int64)
    fraction = (high[(d >> 8) & 255] * low[d & 255]) >> EXP_BITS  # AN-ATT-04
    e = fraction >> np.minimum(d >> 16, EXP_BITS + 1)
    z = e.sum(axis=1, keepdims=True)
    weights: Int64Array = np.minimum(WEIGHT_MAX, ((e << WEIGHT_BITS) + (z >> 1)) // z)  # AN-ATT-05
    return weights


def channel_attention(a: Int64Array, node: Node, lo: Int64Array, hi: Int64Array, watch: Watch) -> Int64Array:
    """AN-ATT-06: heads one after the other; q, k, v are the three thirds of the channels."""
    third, heads = len(a) // 3, node.attributes["heads"]
    width = third // heads  # AN-ATT-07
    acc = np.empty((third, *a.shape[1:]), np.int64)
    for head in range(heads):
        rows = slice(head * width, (head + 1) * width)
        q, k, v = (a[part * third : (part + 1) * third][rows].reshape(width, -1) for part in range(3))
        weights = softmax(cosines(q, k, watch), int(node.tensors["temperature"][head]), watch)
        watch.below("sum of weights", weights.sum(axis=1), attention_weight_sum(width))
        acc[rows] = np.einsum("ij,jn->in", weights, v).reshape(width, *a.shape[1:])
    return finish(acc, node, lo, hi, watch, "half_up")
