"""Convolutions as matrix products in float32, each proved exact by its plan, put together in integers.

A tap of a kernel is one matrix product with the activations moved by an offset: nothing is transformed
and nothing but products of a weight and an activation is ever added up, so the plan's bound is the bound.
PyTorch's convolutions promise no such thing: they may choose Winograd or Fourier transforms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from conformance.twin.checks import Checks
from conformance.twin.split import Part, Plan, Terms
from refdec.integer.graph import Node
from refdec.integer.proof import Interval, rounding_term, transposed_phases

Tap = tuple[int, int]


def cut(values: torch.Tensor, part: Part) -> torch.Tensor:
    """A part of int32 values, in float32."""
    if not part.bits:
        return values.to(torch.float32)
    half = 1 << (part.bits - 1)
    moved = values + half
    if part.high:
        return moved.bitwise_right_shift_(part.bits).to(torch.float32)
    return moved.bitwise_and_(2 * half - 1).sub_(half).to(torch.float32)


def sum_of_taps(
    weight: torch.Tensor, planes: Sequence[torch.Tensor], offsets: Sequence[int], out: torch.Tensor
) -> None:
    """``out[g, o, n] = sum over taps t, channels i of weight[t, g, o, i] * planes[t][g, i, offsets[t] + n]``.

    :param weight: float32 [taps, groups, outputs, inputs].
    :param planes: float32 [groups, inputs, positions] for each tap.
    :param out: float32 [groups, outputs, N].
    """
    length = out.shape[2]
    for tap, (plane, offset) in enumerate(zip(planes, offsets, strict=True)):
        moved = plane[:, :, offset : offset + length]
        if out.shape[0] == 1:
            out[0].addmm_(weight[tap, 0], moved[0], beta=0 if tap == 0 else 1)
        else:
            out.baddbmm_(weight[tap], moved, beta=0 if tap == 0 else 1)


@dataclass(frozen=True, eq=False)
class Convolution:
    """Weights of one convolution on a device, cut as its plan says.

    :param weights: for each product float32 [taps, groups, outputs, inputs].
    :param sums: for each product int64 [taps, groups, inputs, 1], over output channels.
    :param taps: row and column of each tap in the padded map.
    """

    plan: Plan
    weights: tuple[torch.Tensor, ...]
    sums: tuple[torch.Tensor, ...]
    taps: tuple[Tap, ...]
    groups: int

    def run(
        self, padded: torch.Tensor, stride: int, size: tuple[int, int], turned: bool, checks: Checks
    ) -> torch.Tensor:
        """Sums without bias, int32 or int64 [outputs, rows, columns].

        :param padded: int32 [inputs, H, W].
        :param size: rows and columns of the result.
        :param turned: keep channels next to each other in memory.
        """
        rows, columns = size
        inputs = padded.shape[0]
        # With stride 2 every tap reads one of four maps, of all even or odd rows and columns.
        height, width = (n + max(t[axis] // stride for t in self.taps) for axis, n in enumerate(size))
        short = [max(0, stride * n - m) for n, m in zip((height, width), padded.shape[1:], strict=True)]
        if any(short):
            padded = functional.pad(padded, (0, short[1], 0, short[0]))
        maps: dict[tuple[Part, int, int], torch.Tensor] = {}
        for y, x in {(y % stride, x % stride) for y, x in self.taps}:
            one = padded[:, y::stride, x::stride][:, :height, :width]
            for part in self.plan.activations:
                maps[part, y, x] = _flat(cut(one, part), turned).reshape(
                    self.groups, inputs // self.groups, -1
                )
        offsets = [y // stride * width + x // stride for y, x in self.taps]
        outputs = self.groups * self.weights[0].shape[2]
        partial = torch.empty((outputs, rows * width), dtype=torch.float32, device=padded.device)
        if turned:
            partial = torch.empty((rows * width, outputs), dtype=torch.float32, device=padded.device).t()
        # Beyond its last column a row goes on in the next one: computed, bounded like the rest, not used.
        length = (rows - 1) * width + columns
        grouped = partial.view(self.groups, -1, rows * width)[:, :, :length]
        total: torch.Tensor | None = None
        for product, weight, sums in zip(self.plan.products, self.weights, self.sums, strict=True):
            planes = [
                maps[product.activation, y % stride, x % stride][:, product.start : product.stop]
                for y, x in self.taps
            ]
            sum_of_taps(weight, planes, offsets, grouped)
            checks.taps(self.plan.name, sums, planes, offsets, grouped)
            whole = partial.view(outputs, rows, width)[:, :, :columns]
            whole = whole.to(torch.int32 if self.plan.narrow else torch.int64)
            if total is None:
                total = whole.mul_(1 << product.shift) if product.shift else whole
            else:
                total.add_(whole, alpha=1 << product.shift)
        assert total is not None
        return total


def _flat(plane: torch.Tensor, turned: bool) -> torch.Tensor:
    """[C, H, W] as [C, H * W], with channels or positions next to each other in memory."""
    if turned:
        return plane.permute(1, 2, 0).contiguous().flatten(0, 1).t()
    return plane.contiguous().flatten(1)


def _terms(weight: npt.NDArray[np.int64], node: Node, a: Interval, groups: int) -> Terms:
    """Bounds see every output channel with the channels of its group: weight [outputs, inputs, taps]."""
    outputs = weight.shape[0]
    lo, hi = (
        np.repeat(v.astype(np.int64).reshape(groups, -1), outputs // groups, axis=0) for v in (a.lo, a.hi)
    )
    constant = np.abs(node.tensors["bias"].astype(np.int64)) + rounding_term(node)
    return Terms(weight, lo, hi, constant)


def convolution(node: Node, a: Interval, device: torch.device) -> Convolution:
    """A ``conv`` node for inputs in ``a``.

    :raises InexactError: no way is proved to be exact.
    """
    weight = node.tensors["weight"].astype(np.int64)
    outputs, inputs, rows, columns = weight.shape
    groups = node.attributes["groups"]
    flat = weight.reshape(outputs, inputs, -1)
    plan = _terms(flat, node, a, groups).best(node.name)
    taps = tuple((y, x) for y in range(rows) for x in range(columns))
    return Convolution(plan, *_weights(plan, flat, groups, device), taps, groups)


def transposed_phases_of(node: Node, a: Interval, device: torch.device) -> tuple[Convolution, ...]:
    """A ``transposed_conv`` node as one convolution for each of the four phases of AN-TCONV-02.

    Their taps are places in a map that is padded by one on every side.

    :raises InexactError: no way is proved to be exact.
    """
    weight = node.tensors["weight"].astype(np.int64).transpose(1, 0, 2, 3)
    out = []
    for phase, (rows, columns) in enumerate(transposed_phases(weight.shape[2])):
        # Output row Y = 2 r + phase meets input row y with 2 y - 1 + ky = Y.
        dy, dx = divmod(phase, 2)
        taps = tuple(((dy + 1 - ky) // 2 + 1, (dx + 1 - kx) // 2 + 1) for ky in rows for kx in columns)
        flat = weight[:, :, rows][:, :, :, columns].reshape(*weight.shape[:2], -1)
        plan = _terms(flat, node, a, 1).best(node.name)
        out.append(Convolution(plan, *_weights(plan, flat, 1, device), taps, 1))
    return tuple(out)


def _weights(
    plan: Plan, flat: npt.NDArray[np.int64], groups: int, device: torch.device
) -> tuple[tuple[torch.Tensor, ...], tuple[torch.Tensor, ...]]:
    """Weights and sums of :class:`Convolution` for ``flat`` [outputs, inputs, taps]."""
    # Products with different parts of the activations share their weights.
    known: dict[tuple[Part, int, int], tuple[torch.Tensor, torch.Tensor]] = {}
    keys = [(p.weight, p.start, p.stop) for p in plan.products]
    for weight, start, stop in dict.fromkeys(keys):
        part = weight.of(flat)[:, start:stop].transpose(2, 0, 1)
        part = part.reshape(part.shape[0], groups, part.shape[1] // groups, part.shape[2])
        floats, sums = part.astype(np.float32), part.sum(axis=2)[..., None]
        known[weight, start, stop] = torch.from_numpy(floats).to(device), torch.from_numpy(sums).to(device)
    return tuple(known[key][0] for key in keys), tuple(known[key][1] for key in keys)


def depthwise(node: Node, weight: torch.Tensor, padded: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """One input channel for each output: products and sums in int32, which AN-PROOF-03 proves to hold them.

    :param weight: int32 [outputs, kh, kw].
    """
    outputs, rows, columns = weight.shape
    stride = node.attributes["stride"]
    if outputs != padded.shape[0]:
        padded = padded.repeat_interleave(outputs // padded.shape[0], dim=0)
    total = torch.zeros((outputs, *size), dtype=torch.int32, device=padded.device)
    last = [stride * (n - 1) + 1 for n in size]
    for y in range(rows):
        for x in range(columns):
            moved = padded[:, y : y + last[0] : stride, x : x + last[1] : stride]
            total += moved * weight[:, y, x, None, None]
    return total


def is_depthwise(node: Node) -> bool:
    """Whether every output channel sees one input channel."""
    return node.op == "conv" and node.tensors["weight"].shape[1] == 1
