"""Rounding, clipping, and what looks at one position at a time (AN-ROUND, -ACT, -ADD, -MUL, -LUT)."""

from __future__ import annotations

import numpy as np

from refdec import coverage
from refdec.integer.golden.bounds import Int64Array, Watch
from refdec.integer.graph import Node
from refdec.integer.nodes import IntArray


def per_channel(values: IntArray) -> Int64Array:
    """``[C]`` as int64 ``[C, 1, 1]``."""
    return values.astype(np.int64)[:, None, None]


def clip(values: Int64Array, node: Node, lo: Int64Array, hi: Int64Array) -> Int64Array:
    """AN-CLIP-01: to ``lo..hi`` of each channel."""
    low, high = per_channel(lo), per_channel(hi)
    coverage.clips(node.op, values, low, high)
    return np.minimum(np.maximum(values, low), high)


def round_shift(values: Int64Array, shift: IntArray, rounding: str, watch: Watch) -> Int64Array:
    """AN-ROUND-01, 02: divide by ``2^shift`` of each channel, halves up or down to the floor."""
    s = per_channel(shift)
    if rounding == "floor":
        return values >> s  # AN-ROUND-02
    values = np.where(s > 0, values + (np.int64(1) << np.maximum(s - 1, 0)), values)  # AN-ROUND-01
    watch.rounded(values)
    return values >> s


def finish(
    values: Int64Array, node: Node, lo: Int64Array, hi: Int64Array, watch: Watch, rounding: str | None = None
) -> Int64Array:
    """AN-FIN-01: leaky slope (AN-LEAKY-01), rounding shift, clip."""
    watch.complete(values)
    leaky = node.attributes.get("leaky")
    if leaky is not None:
        values = np.where(values < 0, (values * leaky["numerator"]) >> leaky["shift"], values)  # AN-LEAKY-01
    rounded = round_shift(values, node.tensors["shift"], rounding or node.attributes["rounding"], watch)
    return clip(rounded, node, lo, hi)  # AN-FIN-01


def add(a: Int64Array, b: Int64Array, node: Node, lo: Int64Array, hi: Int64Array, watch: Watch) -> Int64Array:
    """AN-ADD-01: align both, add, shift back."""
    left = a << per_channel(node.tensors["shift_a"])
    right = b << per_channel(node.tensors["shift_b"])
    watch.partial(left)  # AN-PROOF-04
    watch.partial(right)
    return finish(left + right, node, lo, hi, watch)


def mul(a: Int64Array, b: Int64Array, node: Node, lo: Int64Array, hi: Int64Array, watch: Watch) -> Int64Array:
    """AN-MUL-01: product, shift back."""
    return finish(a * b, node, lo, hi, watch)


def lut(a: Int64Array, table: IntArray) -> Int64Array:
    """AN-LUT-01: one table for all channels."""
    return table.astype(np.int64)[a + 32768]


def pixel_shuffle(a: Int64Array, r: int) -> Int64Array:
    """AN-SHUFFLE-01: r * r channels become r x r samples."""
    c, h, w = a.shape
    out = np.empty((c // (r * r), h * r, w * r), np.int64)
    for dy in range(r):
        for dx in range(r):
            out[:, dy::r, dx::r] = a[dy * r + dx :: r * r]
    return out
