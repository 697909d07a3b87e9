"""Convolutions, one kernel tap at a time (AN-CONV, AN-TCONV)."""

from __future__ import annotations

import numpy as np

from refdec.integer.golden.bounds import Int64Array, Watch
from refdec.integer.golden.elementwise import finish, per_channel
from refdec.integer.graph import Node


def _mix(weight: Int64Array, a: Int64Array, groups: int) -> Int64Array:
    """``sum_i weight[o, i] a[i]`` in each group: [out, in/groups] and [in, H, W] -> [out, H, W]."""
    if weight.shape[1] == 1 and groups == len(weight):
        return weight[:, :, None] * a
    outputs, inputs = len(weight) // groups, len(a) // groups
    parts = []
    for g in range(groups):
        w = weight[g * outputs : (g + 1) * outputs]
        parts.append(np.einsum("oi,in->on", w, a[g * inputs : (g + 1) * inputs].reshape(inputs, -1)))
    return np.concatenate(parts).reshape(len(weight), *a.shape[1:])


def conv(a: Int64Array, node: Node, lo: Int64Array, hi: Int64Array, watch: Watch) -> Int64Array:
    """AN-CONV-01 to 03: correlation with zero padding, groups and stride."""
    weight = node.tensors["weight"].astype(np.int64)
    top, left, bottom, right = node.attributes["pad"]
    stride, groups = node.attributes["stride"], node.attributes["groups"]
    padded = np.pad(a, ((0, 0), (top, bottom), (left, right)))  # AN-CONV-02
    kh, kw = weight.shape[2:]
    h = (padded.shape[1] - kh) // stride + 1
    w = (padded.shape[2] - kw) // stride + 1  # AN-CONV-03
    acc = np.broadcast_to(per_channel(node.tensors["bias"]), (len(weight), h, w)).copy()
    for ky in range(kh):
        for kx in range(kw):
            rows = slice(ky, ky + (h - 1) * stride + 1, stride)
            columns = slice(kx, kx + (w - 1) * stride + 1, stride)
            acc += _mix(weight[:, :, ky, kx], padded[:, rows, columns], groups)  # AN-CONV-01
            watch.partial(acc)  # AN-PROOF-02, AN-PROOF-03
    return finish(acc, node, lo, hi, watch)


def transposed_conv(a: Int64Array, node: Node, lo: Int64Array, hi: Int64Array, watch: Watch) -> Int64Array:
    """AN-TCONV-01: every sample spreads its kernel over the doubled grid, up and left by one."""
    weight = node.tensors["weight"].astype(np.int64)
    k = weight.shape[2]
    h, w = a.shape[1:]
    # Row Y of the output is row Y + 1 here, so that tap 0 of the first sample has a place.
    grid = np.zeros((weight.shape[1], 2 * h + 2, 2 * w + 2), np.int64)
    grid += per_channel(node.tensors["bias"])
    for ky in range(k):
        for kx in range(k):
            product = _mix(weight[:, :, ky, kx].T, a, 1)  # AN-TCONV-01
            # AN-TCONV-02
            grid[:, ky : ky + 2 * h : 2, kx : kx + 2 * w : 2] += product
            watch.partial(grid)
    return finish(grid[:, 1 : 1 + 2 * h, 1 : 1 + 2 * w], node, lo, hi, watch)
