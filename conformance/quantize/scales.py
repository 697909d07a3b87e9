"""Scales: which channels must share one, and how fine each should be.

An activation's integer is its real value times the scale of its channel, rounded. Channels that only move
(shuffle, crop, concat, slice) or pass through clip, abs and leaky keep their scale; layer norm and tables
need one scale for all their channels. Everything tied together is a *class*. What is left free is planned
at once for the whole network: fine scales cost weight resolution in the next layer, because its accumulator
must stay within 32 bits and its weights within 8 or 16, coarse ones cost activation resolution; the plan
minimises the sum of all nodes' noise-to-signal ratios.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from conformance.quantize.calibration import ChannelStatistics
from conformance.quantize.float_graph import FloatGraph
from conformance.quantize.layers import LINEAR, Step, accumulator_reach, output_weight, spread_inputs

#: the accumulator limit, with a little room for what rounding does to the weights
ACCUMULATOR = 2.0**31 * (1 - 2.0**-9)
#: rounding noise that adaptive rounding leaves, relative to plain rounding (a typical value)
_WEIGHT_NOISE = 0.3

Range = tuple[np.ndarray, np.ndarray]


class ScaleClasses:
    """Union-find over the channels of every tensor: ``of[name]`` is the class number of each channel.

    ``fixed[class]`` says that the scale must be a power of two; ``roots`` lists, per class, the tensors whose
    node chooses it.
    """

    def __init__(self, graph: FloatGraph, steps: Sequence[Step]) -> None:
        self._parent: list[int] = []
        tensors: dict[str, np.ndarray] = {}

        def fresh(name: str, channels: int) -> np.ndarray:
            ids = np.arange(len(self._parent), len(self._parent) + channels)
            self._parent.extend(ids.tolist())
            tensors[name] = ids
            return ids

        fixed: list[int] = []
        products: list[tuple[str, str, str]] = []
        for spec in graph.inputs:
            fixed.extend(fresh(spec.name, spec.channels).tolist())
        for step in steps:
            node, xs = step.node, [tensors[i] for i in step.node.inputs]
            match node.op:
                case "clip" | "abs" | "leaky" | "crop":
                    tensors[step.output] = xs[0]
                case "slice":
                    tensors[step.output] = xs[0][node.attributes["start"] : node.attributes["stop"]]
                case "concat":
                    tensors[step.output] = np.concatenate(xs)
                case "pixel_shuffle":
                    groups = xs[0].reshape(-1, node.attributes["r"] ** 2)
                    for group in groups:
                        self._tie(group)
                    tensors[step.output] = groups[:, 0]
                case _:
                    out = fresh(step.output, graph.channels(step.output))
                    if node.op in ("lut", "layer_norm"):
                        self._tie(xs[0])
                    if node.op == "lut":
                        self._tie(out)
                    if node.op == "channel_attention":
                        heads = node.attributes["heads"]
                        for head in np.split(xs[0][2 * len(out) :], heads):
                            self._tie(head)
                    if node.op == "mul":
                        products.append((*node.inputs, step.output))
                    elif node.op not in LINEAR:
                        fixed.extend(out.tolist())
                        for x in xs:
                            fixed.extend(x.tolist())
        for name in graph.outputs:
            fixed.extend(tensors[name].tolist())

        roots = np.array([self._find(i) for i in range(len(self._parent))])
        _, classes = np.unique(roots, return_inverse=True)
        self.of = {name: classes[ids] for name, ids in tensors.items()}
        self.count = int(classes.max()) + 1
        self.fixed = np.zeros(self.count, bool)
        self.fixed[classes[fixed]] = True
        self._fix_products(products)

    def _find(self, i: int) -> int:
        while self._parent[i] != i:
            self._parent[i] = self._parent[self._parent[i]]
            i = self._parent[i]
        return i

    def _tie(self, ids: np.ndarray) -> None:
        first = self._find(int(ids[0]))
        for i in ids[1:]:
            self._parent[self._find(int(i))] = first

    def _fix_products(self, products: list[tuple[str, str, str]]) -> None:
        """A product's scale is the product of its factors' scales: fixed needs fixed, and so does shared."""
        for _ in range(len(products) + 1):
            for a, b, out in products:
                shared = np.bincount(self.of[out], minlength=self.count) > 1
                must = self.fixed[self.of[out]] | shared[self.of[out]]
                for name in (a, b, out):
                    self.fixed[self.of[name][must]] = True


@dataclass(frozen=True)
class PlanLimits:
    """Largest weight magnitude, largest activation magnitude inside the graph and at its ends."""

    weight: int
    activation: int
    ends: int = 32767


def plan(
    graph: FloatGraph,
    steps: Sequence[Step],
    classes: ScaleClasses,
    ranges: Mapping[str, Range],
    statistics: Mapping[str, ChannelStatistics],
    limits: PlanLimits,
    top: np.ndarray,
    forced: np.ndarray,
) -> np.ndarray:
    """log2 of the scale wanted for every class, ``[classes.count]``.

    :param top: log2 of the finest scale at which every class's range fits (:func:`finest`).
    :param forced: log2 of the scale where it is given, NaN elsewhere.
    """
    terms = [t for step in steps for t in _terms(graph, step, classes, ranges, statistics, limits)]
    free = torch.full((classes.count,), -1.0, dtype=torch.float64, requires_grad=True)
    ceiling, given = torch.from_numpy(top), torch.from_numpy(forced)

    def scales() -> torch.Tensor:
        planned = ceiling - torch.nn.functional.softplus(free)
        return torch.where(torch.isnan(given), planned, torch.nan_to_num(given))

    optimiser = torch.optim.Adam([free], lr=0.1)
    for _ in range(300):
        scale = scales()
        loss = torch.stack([term(scale) for term in terms]).sum()
        optimiser.zero_grad()
        loss.backward()
        # The noise spans many decades: every class follows its own slope, not the loudest one's.
        free.grad /= loss.detach()
        optimiser.step()
    return scales().detach().numpy()


def finest(
    graph: FloatGraph, classes: ScaleClasses, ranges: Mapping[str, Range], limits: PlanLimits
) -> np.ndarray:
    """log2 of the finest scale ``[classes.count]`` at which no range of the class leaves its integers."""
    ends = {i.name for i in graph.inputs} | set(graph.outputs)
    top = np.full(classes.count, 24.0)
    for name, ids in classes.of.items():
        lo, hi = ranges[name]
        limit = limits.ends if name in ends else limits.activation
        np.minimum.at(top, ids, np.log2(limit / np.maximum(np.maximum(-lo, hi), 2.0**-24)))
    return top


def _terms(graph, step, classes, ranges, statistics, limits):  # type: ignore[no-untyped-def]
    """Noise-to-signal terms of one node as functions of all classes' log2 scales."""
    node = step.node

    def index(name: str) -> torch.Tensor:
        return torch.from_numpy(classes.of[name])

    def rounding(name: str, gain: np.ndarray):  # type: ignore[no-untyped-def]
        ids, weight = index(name), torch.from_numpy(gain / 12)
        return lambda scale: (weight * torch.exp2(-2 * scale[ids])).sum()

    if node.op in LINEAR:
        yield _linear_term(graph, step, classes, ranges, statistics, limits)
    elif node.op == "mul":
        a, b = node.inputs
        power = statistics[node.name].variance.sum() + 1e-30
        yield rounding(a, statistics[b].square / power)
        yield rounding(b, statistics[a].square / power)
    elif node.op in ("add", "lut", "layer_norm", "channel_attention"):
        for name in node.inputs:
            power = statistics[name].variance.sum() + 1e-30
            yield rounding(name, np.full(len(classes.of[name]), 1 / power))
    if step.output in graph.outputs:
        power = statistics[step.output].variance.sum() + 1e-30
        yield rounding(step.output, np.full(len(classes.of[step.output]), 1 / power))


def _linear_term(graph, step, classes, ranges, statistics, limits):  # type: ignore[no-untyped-def]
    node = step.node
    weight = output_weight(node)
    flat = np.abs(weight).reshape(*weight.shape[:2], -1)
    square = statistics[node.inputs[0]].square
    taps = flat.shape[2] / (1 if node.op == "conv" else 4)
    gain = output_gain(graph, step, statistics)
    ids = torch.from_numpy(spread_inputs(node, classes.of[node.inputs[0]]))
    largest = torch.from_numpy(np.log2(np.maximum(flat.max(2), 1e-12)))
    energy = torch.from_numpy((flat**2).sum(2) * taps / flat.shape[2])
    power = torch.from_numpy(spread_inputs(node, square) * taps * _WEIGHT_NOISE + 1e-12)
    bias = node.tensors.get("bias", np.zeros(len(weight)))
    reach = accumulator_reach(node, weight, bias, *ranges[node.inputs[0]])
    bound = torch.from_numpy(np.log2(ACCUMULATOR / np.maximum(reach, 1e-30)))
    gains = torch.from_numpy(gain / 12)[:, None]
    limit = float(np.log2(limits.weight))

    def term(scale: torch.Tensor) -> torch.Tensor:
        s = scale[ids]
        # Smooth maximum over the inputs, a little above the true one.
        widest = torch.logsumexp((largest - s) * 16 * np.log(2), 1) / (16 * np.log(2))
        accumulator = torch.minimum(bound, limit - widest)[:, None]
        noise = energy * torch.exp2(-2 * s) + power * torch.exp2(2 * (s - accumulator))
        return (gains * noise).sum()

    return term


def output_gain(graph: FloatGraph, step: Step, statistics: Mapping[str, ChannelStatistics]) -> np.ndarray:
    """How much a unit of noise power in each output channel of a layer matters, ``[out]``.

    In a factor of a product noise counts times the other factor; elsewhere against the layer's own signal.
    """
    name = step.output
    readers = graph.consumers(name)
    if step.output == step.node.name and readers and all(r.op == "mul" for r in readers):
        others = [statistics[r.inputs[1] if r.inputs[0] == name else r.inputs[0]].square for r in readers]
        power = sum(statistics[r.name].variance.sum() for r in readers)
        return np.sum(others, axis=0) / (power + 1e-30)
    own = statistics[step.node.name].variance
    return np.full(len(own), 1 / (own.sum() + 1e-30))
