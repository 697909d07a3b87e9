"""The overflow proof: no accumulator of a graph can leave int32, whatever the input and the engine.

Interval arithmetic per channel, from the declared input ranges through every node. For a sum
``acc = bias + sum w a`` the interval that is proved holds for *every partial sum in every order*: each
activation interval is first widened to contain 0, so that leaving a product out is the same as a legal
activation, and the bias is optional as well. Vectorised engines that add products in pairs, start from
zero, from the bias, or from bias plus rounding are all covered: AN-PROOF-01 to
05 in ``docs/arithmetic-networks.md``.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import isqrt
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from refdec.errors import ModelError
from refdec.integer.graph import Graph, Int32Array, Node
from refdec.integer.nodes import FLOAT64_EXACT, INT32_MAX, IntArray

if TYPE_CHECKING:
    from refdec.integer.model_file import Model

Int64Array = npt.NDArray[np.int64]


class OverflowProofError(ModelError):
    """A node whose accumulator cannot be proved to stay in range.

    :param node, op, channel: where.
    :param bound: the largest magnitude that cannot be excluded.
    :param context: file and graph, in front of the message.
    """

    code = "model-overflow"

    def __init__(self, node: str, op: str, channel: int, bound: int, limit: int, context: str = "") -> None:
        self.node, self.op, self.channel, self.bound, self.limit = node, op, channel, bound, limit
        self.context = context
        super().__init__(
            f"{context}{': ' if context else ''}node '{node}' ({op}), channel {channel}: "
            f"the accumulator can reach {bound} ({bound.bit_length() + 1} bits), the limit is {limit}"
        )

    def within(self, place: str) -> OverflowProofError:
        """The same error with a larger place in front."""
        context = f"{place}: {self.context}" if self.context else place
        return OverflowProofError(self.node, self.op, self.channel, self.bound, self.limit, context)


@dataclass(frozen=True)
class Interval:
    """Per-channel values that a tensor can take: ``lo <= v <= hi``, int32 ``[C]`` each."""

    lo: Int32Array
    hi: Int32Array


@dataclass(frozen=True)
class Accumulator:
    """What is proved about one node's accumulator, int64 ``[C]`` each.

    :param low, high: hold every partial sum in every order, with or without bias and rounding.
    :param acc_lo, acc_hi: hold every complete sum, without rounding.
    :param limit: what ``low`` and ``high`` were held against: int32, or 2^53 for 64-bit nodes.
    """

    low: Int64Array
    high: Int64Array
    acc_lo: Int64Array
    acc_hi: Int64Array
    limit: int = INT32_MAX

    @property
    def bound(self) -> Int64Array:
        """The largest proved magnitude per channel."""
        return np.maximum(self.high, -self.low)


@dataclass(frozen=True)
class Proof:
    """Ranges of every tensor and bounds of every accumulator of a graph that was proved."""

    ranges: Mapping[str, Interval]
    accumulators: Mapping[str, Accumulator] = field(repr=False)


_PROOFS: weakref.WeakKeyDictionary[Graph, Proof] = weakref.WeakKeyDictionary()


def prove(graph: Graph) -> Proof:
    """Prove that no accumulator of ``graph`` overflows; remembered per graph.

    :raises OverflowProofError: names the first node and channel for which it fails.
    """
    known = _PROOFS.get(graph)
    if known is not None:
        return known
    ranges: dict[str, Interval] = {}
    accumulators: dict[str, Accumulator] = {}
    for item in graph.inputs:
        ranges[item.name] = Interval(*graph.clip_range(item.name))
    for node in graph.nodes:
        interval, accumulator = _node(graph, node, [ranges[i] for i in node.inputs])
        if accumulator is not None:
            _require(node, accumulator)
            accumulators[node.name] = accumulator
        ranges[node.name] = interval
    proof = Proof(ranges, accumulators)
    _PROOFS[graph] = proof
    return proof


def _require(node: Node, a: Accumulator) -> None:
    bad = (a.high > a.limit) | (a.low < -a.limit - 1)
    if bool(bad.any()):
        channel = int(np.argmax(np.where(bad, a.bound, -1)))
        raise OverflowProofError(node.name, node.op, channel, int(a.bound[channel]), a.limit)


def _node(graph: Graph, node: Node, sources: list[Interval]) -> tuple[Interval, Accumulator | None]:
    a = sources[0]
    if node.op in ("conv", "transposed_conv"):
        accumulator = (_conv if node.op == "conv" else _transposed_conv)(node, a)
        return _clipped(graph, node, *_epilogue(node, accumulator.acc_lo, accumulator.acc_hi)), accumulator
    if node.op == "add":
        accumulator = _add(node, a, sources[1])
        return _clipped(graph, node, *_epilogue(node, accumulator.acc_lo, accumulator.acc_hi)), accumulator
    if node.op == "mul":
        accumulator = _mul(node, a, sources[1])
        return _clipped(graph, node, *_epilogue(node, accumulator.acc_lo, accumulator.acc_hi)), accumulator
    if node.op == "layer_norm":
        accumulator = _layer_norm(node, a)
        return _clipped(graph, node, *_epilogue(node, accumulator.acc_lo, accumulator.acc_hi)), accumulator
    if node.op == "channel_attention":
        accumulator = _attention(node, a)
        return _clipped(graph, node, *_epilogue(node, accumulator.acc_lo, accumulator.acc_hi)), accumulator
    lo, hi = a.lo.astype(np.int64), a.hi.astype(np.int64)
    if node.op == "clip":
        return _clipped(graph, node, lo, hi), None
    if node.op == "abs":
        low = np.where((lo <= 0) & (hi >= 0), 0, np.minimum(abs(lo), abs(hi)))
        return _clipped(graph, node, low, np.maximum(abs(lo), abs(hi))), None
    if node.op == "lut":
        return _clipped(graph, node, *_lut(node.tensors["table"], a)), None
    if node.op == "pixel_shuffle":
        square = node.attributes["factor"] ** 2
        return _interval(lo.reshape(-1, square).min(axis=1), hi.reshape(-1, square).max(axis=1)), None
    if node.op == "crop":
        return a, None
    if node.op == "concat":
        return _interval(
            np.concatenate([s.lo for s in sources]), np.concatenate([s.hi for s in sources])
        ), None
    assert node.op == "slice", node.op
    part = slice(node.attributes["start"], node.attributes["stop"])
    return _interval(lo[part], hi[part]), None


def _interval(lo: npt.NDArray[Any], hi: npt.NDArray[Any]) -> Interval:
    return Interval(lo.astype(np.int32), hi.astype(np.int32))


def _clipped(graph: Graph, node: Node, lo: Int64Array, hi: Int64Array) -> Interval:
    low, high = graph.clip_range(node.name)
    return _interval(np.clip(lo, low, high), np.clip(hi, low, high))


def _with_zero(a: Interval) -> tuple[Int64Array, Int64Array]:
    return np.minimum(a.lo, 0).astype(np.int64), np.maximum(a.hi, 0).astype(np.int64)


def rounding_term(node: Node) -> Int64Array:
    """What ``round`` adds before the shift, int64 ``[C]``: half of the last place, or nothing."""
    shift = node.tensors["shift"].astype(np.int64)
    if node.attributes.get("rounding", "half_up") == "floor":
        return np.zeros_like(shift)
    return np.where(shift > 0, np.left_shift(1, np.maximum(shift - 1, 0)), 0)


def _epilogue(node: Node, lo: Int64Array, hi: Int64Array) -> tuple[Int64Array, Int64Array]:
    # Both steps never decrease, so the ends of the interval stay its ends.
    leaky = node.attributes.get("leaky")
    if leaky is not None:
        lo, hi = (np.where(v < 0, (v * leaky["numerator"]) >> leaky["shift"], v) for v in (lo, hi))
    term, shift = rounding_term(node), node.tensors["shift"].astype(np.int64)
    return (lo + term) >> shift, (hi + term) >> shift


def _sums(weight: Int64Array, lo: Int64Array, hi: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Least and greatest ``sum w a`` per output: weight [out, in, taps], ``lo`` and ``hi`` [(out,) in]."""
    plus, minus = np.maximum(weight, 0).sum(axis=2), np.minimum(weight, 0).sum(axis=2)
    return (plus * lo + minus * hi).sum(axis=1), (plus * hi + minus * lo).sum(axis=1)


def _grouped(values: Int64Array, outputs: int, groups: int) -> Int64Array:
    """Per-input values ``[in]`` as each output channel sees them, ``[out, in/groups]``."""
    return np.repeat(values.reshape(groups, -1), outputs // groups, axis=0)


def _affine(
    node: Node, partial: tuple[Int64Array, Int64Array], complete: tuple[Int64Array, Int64Array]
) -> Accumulator:
    bias = node.tensors["bias"].astype(np.int64)
    low = partial[0] + np.minimum(bias, 0)
    high = partial[1] + np.maximum(bias, 0) + rounding_term(node)
    return Accumulator(low, high, complete[0] + bias, complete[1] + bias)


def _conv(node: Node, a: Interval) -> Accumulator:
    weight = node.tensors["weight"].astype(np.int64)
    out, groups = weight.shape[0], node.attributes["groups"]
    weight = weight.reshape(out, weight.shape[1], -1)
    low, high = (_grouped(v, out, groups) for v in _with_zero(a))
    partial = _sums(weight, low, high)
    if any(node.attributes["pad"]):
        return _affine(node, partial, partial)
    exact = (_grouped(v.astype(np.int64), out, groups) for v in (a.lo, a.hi))
    return _affine(node, partial, _sums(weight, *exact))


def transposed_phases(k: int) -> Iterator[tuple[list[int], list[int]]]:
    """Kernel rows and columns that meet in one output sample: even or odd row, even or odd column."""
    # Y = 2y - 1 + ky: even output rows take odd kernel rows and the other way round.
    taps = [[t for t in range(k) if (t + phase) % 2 == 1] for phase in (0, 1)]
    for rows in taps:
        for columns in taps:
            yield rows, columns


def _transposed_conv(node: Node, a: Interval) -> Accumulator:
    weight = node.tensors["weight"].astype(np.int64).transpose(1, 0, 2, 3)
    lo, hi = _with_zero(a)
    lows, highs = [], []
    for rows, columns in transposed_phases(weight.shape[2]):
        taps = weight[:, :, rows][:, :, :, columns].reshape(*weight.shape[:2], -1)
        low, high = _sums(taps, lo, hi)
        lows.append(low)
        highs.append(high)
    sums = np.min(lows, axis=0), np.max(highs, axis=0)
    return _affine(node, sums, sums)


def _add(node: Node, a: Interval, b: Interval) -> Accumulator:
    sa, sb = (node.tensors[role].astype(np.int64) for role in ("shift_a", "shift_b"))
    lo = (a.lo.astype(np.int64) << sa) + (b.lo.astype(np.int64) << sb)
    hi = (a.hi.astype(np.int64) << sa) + (b.hi.astype(np.int64) << sb)
    (a_lo, a_hi), (b_lo, b_hi) = _with_zero(a), _with_zero(b)
    high = (a_hi << sa) + (b_hi << sb) + rounding_term(node)
    return Accumulator((a_lo << sa) + (b_lo << sb), high, lo, hi)


def _mul(node: Node, a: Interval, b: Interval) -> Accumulator:
    corners = [x.astype(np.int64) * y for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
    lo, hi = np.min(corners, axis=0), np.max(corners, axis=0)
    return Accumulator(np.minimum(lo, 0), np.maximum(hi, 0) + rounding_term(node), lo, hi)


def _lut(table: IntArray, a: Interval) -> tuple[Int64Array, Int64Array]:
    lows, highs = [], []
    for lo, hi in zip(a.lo.tolist(), a.hi.tolist(), strict=True):
        part = table[lo + 32768 : hi + 32769]
        lows.append(int(part.min()))
        highs.append(int(part.max()))
    return np.array(lows, np.int64), np.array(highs, np.int64)


def layer_norm_limit(channels: int) -> int:
    """Largest ``|n|`` of a layer norm: sqrt(C - 1) with 14 fraction bits, and what rounding adds."""
    # 1 for the floor of the root, 1 for rounding and the relative error of 2^-22 of the inverse.
    return isqrt((channels - 1) << 28) + 2


def _layer_norm(node: Node, a: Interval) -> Accumulator:
    channels, epsilon = len(a.lo), node.attributes["epsilon"]
    magnitude = int(np.maximum(-a.lo, a.hi).max())
    total = channels * channels * magnitude * magnitude + epsilon
    if total >= 1 << 48:
        raise OverflowProofError(node.name, node.op, 0, total, (1 << 48) - 1)
    reach = layer_norm_limit(channels) * np.abs(node.tensors["weight"].astype(np.int64))
    bias, term = node.tensors["bias"].astype(np.int64), rounding_term(node)
    low, high = np.minimum(bias, 0) - reach, np.maximum(bias, 0) + reach + term
    return Accumulator(low, high, bias - reach, bias + reach, FLOAT64_EXACT - 1)


def attention_weight_sum(head_channels: int) -> int:
    """Largest sum of one row of attention weights: 2^15 plus half a unit of rounding for each."""
    return (1 << 15) + (head_channels + 1) // 2


def _attention(node: Node, a: Interval) -> Accumulator:
    channels = len(a.lo) // 3
    heads = node.attributes["heads"]
    lo, hi = (v[2 * channels :].reshape(heads, -1) for v in _with_zero(a))
    weight_sum = attention_weight_sum(channels // heads)
    low = np.repeat(lo.min(axis=1) * weight_sum, channels // heads)
    high = np.repeat(hi.max(axis=1) * weight_sum, channels // heads)
    return Accumulator(low, high + rounding_term(node), low, high)


@dataclass(frozen=True)
class ProofRow:
    """One channel of one node in the proof table.

    :param bound: largest proved magnitude of any partial sum; ``bits`` includes the sign.
    :param headroom: bits left below the limit (int32, or 2^53 for layer_norm).
    :param seen: largest magnitude that was observed, ``None`` if nothing was run.
    """

    graph: str
    node: str
    op: str
    channel: int
    acc_lo: int
    acc_hi: int
    bound: int
    bits: int
    headroom: int
    out_lo: int
    out_hi: int
    seen: int | None = None


class Peaks:
    """Largest accumulator magnitudes seen per node and channel; give ``Peaks.record`` to ``golden.run``."""

    def __init__(self) -> None:
        self.values: dict[str, Int64Array] = {}

    def record(self, node: str, accumulator: Int64Array) -> None:
        """Take in one node's accumulators, ``[C, H, W]``."""
        peak = np.abs(accumulator).max(axis=(1, 2))
        known = self.values.get(node)
        self.values[node] = peak if known is None else np.maximum(known, peak)


def graph_rows(name: str, graph: Graph, peaks: Peaks | None = None) -> Iterator[ProofRow]:
    """The proof table of one graph, a row for each channel of each node that accumulates."""
    proof = prove(graph)
    for node in graph.nodes:
        accumulator = proof.accumulators.get(node.name)
        if accumulator is None:
            continue
        seen = None if peaks is None else peaks.values.get(node.name)
        bounds, out = accumulator.bound, proof.ranges[node.name]
        for channel, bound in enumerate(bounds.tolist()):
            yield ProofRow(
                name,
                node.name,
                node.op,
                channel,
                int(accumulator.acc_lo[channel]),
                int(accumulator.acc_hi[channel]),
                bound,
                bound.bit_length() + 1,
                accumulator.limit.bit_length() - bound.bit_length(),
                int(out.lo[channel]),
                int(out.hi[channel]),
                None if seen is None else int(seen[channel]),
            )


def report(model: Model, peaks: Mapping[str, Peaks] | None = None) -> list[ProofRow]:
    """The proof table of a model.

    :param peaks: what was observed, by graph name.
    :raises OverflowProofError: the model cannot be proved.
    """
    rows: list[ProofRow] = []
    for name, graph in model.graphs.items():
        rows.extend(graph_rows(name, graph, None if peaks is None else peaks.get(name)))
    return rows


__all__ = [
    "Accumulator",
    "Interval",
    "OverflowProofError",
    "Peaks",
    "Proof",
    "ProofRow",
    "graph_rows",
    "prove",
    "report",
]
