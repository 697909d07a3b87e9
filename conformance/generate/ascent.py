"""Search for inputs of an integer graph that drive one layer's sums towards their proved bound.

Integers alone and a counted number of evaluations, so that a seed gives the same inputs on every machine. The
unknowns are signs: at every position each group of inputs of the graph's first convolution takes the signs of
some combination of that convolution's weights, which makes its outputs as large as they get. From the best of
a few draws on, one group at one position after another tries other combinations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from conformance.verify.synthetic import Splitmix
from refdec.integer import Graph, golden, prove
from refdec.integer.graph import Node

Int64 = npt.NDArray[np.int64]
Inputs = dict[str, npt.NDArray[np.int16]]
STARTS = 6
OPTIONS = 16
PARTS = 1_000_000
"""A bound is divided into so many parts: shares are compared as integers."""


@dataclass(frozen=True)
class Search:
    """What is searched for.

    :param graph: its first convolution has a kernel of one position and reads free inputs alone.
    :param grid: rows and columns of the inputs; ``size``: of the picture, in luma samples.
    :param fixed: inputs that are not searched for.
    :param most: magnitude of the free inputs.
    :param budget: evaluations.
    """

    graph: Graph
    grid: tuple[int, int]
    size: tuple[int, int]
    most: int
    budget: int
    fixed: Mapping[str, npt.NDArray[np.int16]]

    def free(self) -> list[str]:
        """Names of the inputs that are searched for."""
        return [item.name for item in self.graph.inputs if item.name not in self.fixed]

    def inputs(self, signs: Int64) -> Inputs:
        """The graph's inputs for signs ``[C, h, w]`` of all free inputs together."""
        found, start = dict(self.fixed), 0
        for item in self.graph.inputs:
            if item.name not in self.fixed:
                part = signs[start : start + item.channels] * self.most
                found[item.name] = part.astype(np.int16)
                start += item.channels
        return found


class _Heard(Exception):
    def __init__(self, sums: Int64) -> None:
        self.sums = sums


def sums_of(search: Search, node: str, signs: Int64) -> Int64:
    """Complete sums ``[C, H, W]`` of a node; what lies behind it is not computed."""

    def hear(name: str, sums: Int64) -> None:
        if name == node:
            raise _Heard(sums)

    try:
        golden.run(search.graph, search.inputs(signs), search.size, accumulators=hear)
    except _Heard as found:
        return found.sums
    raise ValueError(f"'{node}' adds nothing up")


def ascend(search: Search, node: str, random: Splitmix) -> tuple[Int64, int]:
    """Signs ``[C, h, w]`` of the free inputs, and the share of the bound of ``node`` that they reach.

    :returns: the share in parts of :data:`PARTS`.
    """
    groups = list(_groups(first_layer(search.graph), random))
    bound = prove(search.graph).accumulators[node]
    low, high = (np.maximum(b.astype(np.int64), 1) for b in (-bound.acc_lo, bound.acc_hi))
    rows, columns = search.grid
    shape = (len(groups), rows, columns)

    def signs_of(chosen: Int64) -> Int64:
        return np.concatenate([options[chosen[g]].transpose(2, 0, 1) for g, options in enumerate(groups)])

    best: tuple[int, Int64, tuple[bool, int, int, int]] | None = None
    for _ in range(STARTS):
        chosen = random.integers(0, OPTIONS - 1, shape)
        sums = sums_of(search, node, signs_of(chosen))
        for above, limit in ((False, low), (True, high)):
            share = (sums if above else -sums) * PARTS // limit[:, None, None]
            place = np.unravel_index(int(np.argmax(share)), share.shape)
            if best is None or int(share[place]) > best[0]:
                c, y, x = (int(v) for v in place)
                best = int(share[place]), chosen, (above, c, y, x)
    assert best is not None
    share_found, chosen, (above, c, y, x) = best
    limit = int((high if above else low)[c])
    full = sums_of(search, node, signs_of(chosen)).shape[1:]
    for g, row, column, option in _moves(shape, (y * rows // full[0], x * columns // full[1]), search.budget):
        other = chosen.copy()
        other[g, row, column] = (chosen[g, row, column] + option) % OPTIONS
        value = int(sums_of(search, node, signs_of(other))[c, y, x])
        now = (value if above else -value) * PARTS // limit
        if now > share_found:
            share_found, chosen = now, other
    return signs_of(chosen), share_found


def _moves(
    shape: tuple[int, ...], centre: tuple[int, int], budget: int
) -> Iterator[tuple[int, int, int, int]]:
    """Group, row, column and step, the positions next to the target first."""
    groups, rows, columns = shape
    places = sorted(
        ((row, column) for row in range(rows) for column in range(columns)),
        key=lambda p: (max(abs(p[0] - centre[0]), abs(p[1] - centre[1])), p),
    )
    left = budget
    for step in range(1, OPTIONS):
        for row, column in places[:9]:
            for g in range(groups):
                if left == 0:
                    return
                left -= 1
                yield g, row, column, step


def first_layer(graph: Graph) -> Node:
    """The first convolution of a graph.

    :raises ValueError: its kernel has more than one position.
    """
    node = next(node for node in graph.nodes if node.op == "conv")
    if node.tensors["weight"].shape[2:] != (1, 1):
        raise ValueError(f"'{node.name}' looks at its neighbours")
    return node


def _groups(layer: Node, random: Splitmix) -> Iterator[Int64]:
    """For each group of inputs: signs ``[OPTIONS, inputs]`` of combinations of its outputs' weights."""
    weight = layer.tensors["weight"][:, :, 0, 0].astype(np.int64)
    count = layer.attributes["groups"]
    each = len(weight) // count
    for g in range(count):
        part = weight[g * each : (g + 1) * each]
        mix = _combinations(each, random) @ part
        yield np.where(mix >= 0, 1, -1).astype(np.int64)


def _combinations(count: int, random: Splitmix) -> Int64:
    """Coefficients ``[OPTIONS, count]``: of two outputs all that differ in signs, of many each alone and
    some that are drawn."""
    if count <= 2:
        values = (-2, -1, 0, 1, 2)
        pairs = [(a, b) for a in values for b in values if 1 in (abs(a), abs(b))]
        return np.array(pairs[:OPTIONS], np.int64)[:, :count]
    drawn = random.integers(-4, 4, (OPTIONS, count))
    alone = min(count, OPTIONS // 2)
    drawn[:alone] = np.eye(count, dtype=np.int64)[:alone] * (1 - 2 * (np.arange(alone) % 2))[:, None]
    return drawn
