"""Witnesses: inputs that reach the proved bound of a layer, run through the golden engine (AN-PROOF-06).

For one layer over a box of inputs the extreme of ``bias + sum w a`` is at a corner: each activation at
one end of its proved range, chosen by the sign of its weight. Executing that corner shows that the
bound is not only safe but tight, and that nothing wraps on the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from refdec.integer import golden
from refdec.integer.golden.bounds import Int64Array
from refdec.integer.graph import Graph, GraphInput, Int32Array, Node
from refdec.integer.nodes import IntArray
from refdec.integer.proof import Accumulator, Interval, prove, transposed_phases

if TYPE_CHECKING:
    from refdec.integer.model_file import Model


@dataclass(frozen=True)
class Witness:
    """One executed extreme.

    :param proved: the complete sum that the proof allows at most (``upper``) or at least.
    :param reached: the sum that the golden engine computed for the witness input.
    :param output: the layer's output there.
    """

    graph: str
    node: str
    channel: int
    upper: bool
    proved: int
    reached: int
    output: int


def witnesses(name: str, graph: Graph, *, all_channels: bool = False) -> Iterator[Witness]:
    """Execute the extremes of every convolution, addition and product of a graph.

    :param all_channels: every channel; otherwise of each node the one with the least head-room.
    :raises OverflowProofError: the graph cannot be proved.
    :raises BoundViolation: the proof is wrong.
    """
    proof = prove(graph)
    for node in graph.nodes:
        accumulator = proof.accumulators.get(node.name)
        if accumulator is None or node.op not in ("conv", "transposed_conv", "add", "mul"):
            continue
        bounds = accumulator.bound
        channels = range(len(bounds)) if all_channels else (int(np.argmax(bounds)),)
        sources = [proof.ranges[i] for i in node.inputs]
        for channel in channels:
            for upper in (True, False):
                reached, output = _execute(graph, node, sources, accumulator, channel, upper)
                proved = accumulator.acc_hi[channel] if upper else accumulator.acc_lo[channel]
                yield Witness(name, node.name, channel, upper, int(proved), reached, output)


def model_witnesses(model: Model, *, all_channels: bool = False) -> list[Witness]:
    """:func:`witnesses` of every graph of a model."""
    return [
        w for name, graph in model.graphs.items() for w in witnesses(name, graph, all_channels=all_channels)
    ]


def _execute(
    graph: Graph, node: Node, sources: list[Interval], accumulator: Accumulator, channel: int, upper: bool
) -> tuple[int, int]:
    """The sum and the output of one channel at its witness input."""
    lo, hi = graph.clip_range(node.name)
    clip = int(lo[channel]), int(hi[channel])
    if node.op in ("add", "mul"):
        return _pair(node, sources, channel, upper, clip)
    if node.op == "conv":
        return _conv(node, sources[0], channel, upper, clip)
    return _transposed(node, sources[0], channel, upper, clip)


def _run(
    node: Node, inputs: tuple[tuple[Int64Array, Int32Array, Int32Array], ...], at: tuple[int, int]
) -> tuple[int, int]:
    names = tuple(f"x{i}" for i in range(len(inputs)))
    declared = tuple(
        GraphInput(name, len(values), lo.tolist(), hi.tolist())
        for name, (values, lo, hi) in zip(names, inputs, strict=True)
    )
    seen: dict[str, Int64Array] = {}
    single = Node(node.name, node.op, names, node.attributes, node.tensors, node.lo, node.hi)
    given = {name: values.astype(np.int16) for name, (values, _, _) in zip(names, inputs, strict=True)}
    graph = Graph(declared, (single,), (node.name,))
    out = golden.run(graph, given, (1, 1), accumulators=seen.__setitem__)[node.name]
    return int(seen[node.name][0][at]), int(out[0][at])


def _corner(weight: IntArray, lo: Int32Array, hi: Int32Array, upper: bool) -> Int64Array:
    """The end of each range that the sign of its weight asks for: weight [C, kh, kw], ranges [C]."""
    low, high = (np.broadcast_to(v[:, None, None], weight.shape).astype(np.int64) for v in (lo, hi))
    return np.where((weight > 0) == upper, high, low)


def _one_channel(node: Node, channel: int, clip: tuple[int, int], axis: int) -> Node:
    tensors = {
        "weight": node.tensors["weight"].take([channel], axis=axis),
        "bias": node.tensors["bias"][channel : channel + 1],
        "shift": node.tensors["shift"][channel : channel + 1],
    }
    attributes = dict(node.attributes)
    if node.op == "conv":
        attributes["groups"] = 1
    return Node(node.name, node.op, ("x0",), attributes, tensors, *clip)


def _conv(node: Node, source: Interval, channel: int, upper: bool, clip: tuple[int, int]) -> tuple[int, int]:
    weight = node.tensors["weight"][channel]
    width = len(weight)
    first = channel // (len(node.tensors["weight"]) // node.attributes["groups"]) * width
    lo, hi = source.lo[first : first + width], source.hi[first : first + width]
    top, left, _, _ = node.attributes["pad"]
    stride = node.attributes["stride"]
    # The first window that lies wholly inside the map, so that no tap falls on padding.
    at = -(-top // stride), -(-left // stride)
    y, x = at[0] * stride - top, at[1] * stride - left
    values = np.broadcast_to(
        np.clip(0, lo, hi)[:, None, None], (width, y + weight.shape[1], x + weight.shape[2])
    ).astype(np.int64)
    values[:, y:, x:] = _corner(weight, lo, hi, upper)
    return _run(_one_channel(node, channel, clip, 0), ((values, lo, hi),), at)


def _transposed(
    node: Node, source: Interval, channel: int, upper: bool, clip: tuple[int, int]
) -> tuple[int, int]:
    weight = node.tensors["weight"][:, channel]
    best: tuple[int, int] | None = None
    for rows, columns in transposed_phases(weight.shape[1]):
        # Output row Y takes input row y with kernel row Y + 1 - 2y; Y = 2 or 3 keeps y within 0..2.
        out_row, out_column = (2 + (taps[0] + 1) % 2 for taps in (rows, columns))
        values = np.broadcast_to(np.clip(0, source.lo, source.hi)[:, None, None], (len(weight), 4, 4)).astype(
            np.int64
        )
        for ky in rows:
            for kx in columns:
                y, x = (out_row + 1 - ky) // 2, (out_column + 1 - kx) // 2
                corner = _corner(weight[:, ky, kx][:, None, None], source.lo, source.hi, upper)
                values[:, y, x] = corner[:, 0, 0]
        single = _one_channel(node, channel, clip, 1)
        found = _run(single, ((values, source.lo, source.hi),), (out_row, out_column))
        if best is None or (found[0] > best[0] if upper else found[0] < best[0]):
            best = found
    assert best is not None
    return best


def _pair(
    node: Node, sources: list[Interval], channel: int, upper: bool, clip: tuple[int, int]
) -> tuple[int, int]:
    tensors = {role: tensor[channel : channel + 1] for role, tensor in node.tensors.items()}
    single = Node(node.name, node.op, node.inputs, node.attributes, tensors, *clip)
    lo_hi = [(s.lo[channel : channel + 1], s.hi[channel : channel + 1]) for s in sources]
    results = []
    for a in lo_hi[0]:
        for b in lo_hi[1]:
            inputs = tuple(
                (v.astype(np.int64)[:, None, None], *bounds) for v, bounds in zip((a, b), lo_hi, strict=True)
            )
            results.append(_run(single, inputs, (0, 0)))
    return (max if upper else min)(results, key=lambda r: r[0])
