"""From a float graph to an integer graph that is proved free of overflow.

Nodes are made in execution order. Each one is rounded knowing what the integer nodes before it really
output on the calibration inputs, and its result is held against the float network's: errors of earlier
layers are taken up where later ones can.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np
import torch

from conformance import twin
from conformance.quantize.calibration import ChannelStatistics, Sample, collect
from conformance.quantize.elementwise import Elementwise
from conformance.quantize.float_graph import FloatGraph, evaluate
from conformance.quantize.layers import LINEAR, Step, fuse
from conformance.quantize.linear import Linear
from conformance.quantize.options import SCHEMES, Format, Options, QuantisationError, Scheme
from conformance.quantize.report import CompilationReport, LayerReport, signal_to_noise
from conformance.quantize.scales import PlanLimits, Range, ScaleClasses, finest, plan
from refdec.integer import Graph, GraphInput, Node, prove


def compile_graph(
    graph: FloatGraph,
    calibration: Sequence[Sample],
    scheme: str = "w16a16",
    *,
    statistics: Mapping[str, ChannelStatistics] | None = None,
    formats: Mapping[str, Format] | None = None,
    options: Options | None = None,
) -> tuple[Graph, CompilationReport]:
    """Compiles ``graph``.

    :param calibration: float inputs ``[C, H, W]`` by name, with the luma size for ``crop`` nodes.
    :param scheme: ``w16a16``, ``w8a16`` or ``w8a8``.
    :param statistics: what :func:`collect` found, over more inputs than ``calibration`` perhaps; by default
        it is run on ``calibration``.
    :param formats: number formats of graph inputs and outputs that are given from outside.
    :param options: calibration policy.
    :returns: the integer graph, proved, with the float graph's tensor names (an activation that was folded
        into the layer before it gives that layer its name), and the report.
    :raises QuantisationError: no integer form within the scheme, the formats and 32-bit accumulators.
    """
    if scheme not in SCHEMES:
        raise QuantisationError(f"no scheme {scheme!r}; there are {', '.join(SCHEMES)}")
    if not calibration:
        raise QuantisationError("compilation needs at least one calibration input")
    if statistics is None:
        statistics = collect(graph, calibration)
    chosen = SCHEMES[scheme], formats or {}, options or Options()
    return _Compiler(graph, calibration, statistics, *chosen).compile()


@dataclass
class Live:
    """A tensor while somebody still needs it.

    :param real, integer: values per calibration sample, float32 and int16 ``[C, H, W]``.
    :param lo, hi: proved integer range per channel, int64.
    """

    real: list[np.ndarray]
    integer: list[np.ndarray]
    lo: np.ndarray
    hi: np.ndarray


class _Compiler:
    def __init__(
        self,
        graph: FloatGraph,
        samples: Sequence[Sample],
        statistics: Mapping[str, ChannelStatistics],
        scheme: Scheme,
        formats: Mapping[str, Format],
        options: Options,
    ) -> None:
        self.graph, self.samples, self.scheme, self.options = graph, samples, scheme, options
        self.formats = dict(formats)
        unknown = set(formats) - {i.name for i in graph.inputs} - set(graph.outputs)
        if unknown:
            raise QuantisationError(f"formats for {sorted(unknown)}, which are no inputs or outputs")
        self.steps = fuse(graph)
        self.classes = ScaleClasses(graph, self.steps)
        if not options.free_scales:
            self.classes.fixed[:] = True
        self.statistics = statistics
        self.forced = self._forced_scales()
        self.meant = np.zeros(self.classes.count, bool)
        self.ranges = self._ranges()
        limits = PlanLimits(scheme.weight_limit, scheme.activation_limit)
        self.top = finest(graph, self.classes, self.ranges, limits)
        self.wanted = np.where(np.isnan(self.forced), self.top, self.forced)
        if options.plan_scales:
            self.wanted = plan(
                graph,
                self.steps,
                self.classes,
                self.ranges,
                self.statistics,
                limits,
                self.top,
                self.forced,
            )
        self._align_terms()
        self.scale = np.full(self.classes.count, np.nan)
        self.live: dict[str, Live] = {}
        self.nodes: list[Node] = []
        self.report = CompilationReport(graph.name, scheme.name)

    # -- formats and ranges ---------------------------------------------------------------------

    def _forced_scales(self) -> np.ndarray:
        forced = np.full(self.classes.count, np.nan)
        for spec in self.graph.inputs:
            # Values on a dyadic grid are exact at the grid's own scale: anything finer costs weight bits.
            if spec.step is not None and np.log2(spec.step) % 1 == 0:
                forced[self.classes.of[spec.name]] = -np.log2(spec.step)
        gridded = forced.copy()
        for name, given in self.formats.items():
            if given.fraction is None:
                continue
            ids = self.classes.of[name]
            for i, f in zip(ids, np.broadcast_to(np.asarray(given.fraction), ids.shape), strict=True):
                if not np.isnan(forced[i]) and forced[i] != f and np.isnan(gridded[i]):
                    raise QuantisationError(f"{name}: formats ask for two scales of one channel")
                forced[i], gridded[i] = f, np.nan
        return forced

    def _align_terms(self) -> None:
        """Keeps the wanted scales of the two terms of a sum within what its shifts can bring together."""
        for step in self.steps:
            if step.node.op == "add":
                a, b = (self.classes.of[n] for n in step.node.inputs)
                for finer, other in ((a, b), (b, a)):
                    most = np.where(np.isnan(self.forced[finer]), self.wanted[other] + 13, np.inf)
                    self.wanted[finer] = np.minimum(self.wanted[finer], most)

    def _ranges(self) -> dict[str, Range]:
        """Real ranges of every tensor: calibrated, widened, cut to the operation's meaning or a format."""
        cut: dict[str, Range] = {}
        for step in self.steps:
            if step.lo is not None or step.hi is not None:
                lo = -np.inf if step.lo is None else step.lo
                cut[step.output] = (np.array(lo), np.array(np.inf if step.hi is None else step.hi))
        limit_lo = np.full(self.classes.count, -np.inf)
        limit_hi = np.full(self.classes.count, np.inf)
        for name, given in self.formats.items():
            ids = self.classes.of[name]
            unit = np.exp2(-self.forced[ids])
            # What lies beyond a range that was given is cut on purpose.
            self.meant[ids] |= given.lo is not None and given.hi is not None
            if given.lo is not None and given.fraction is not None:
                limit_lo[ids] = np.broadcast_to(given.lo, ids.shape) * unit
            if given.hi is not None and given.fraction is not None:
                limit_hi[ids] = np.broadcast_to(given.hi, ids.shape) * unit
        ranges: dict[str, Range] = {}
        inputs = {spec.name for spec in self.graph.inputs}
        terms = {step.output: step.node.inputs for step in self.steps if step.node.op == "add"}
        for name, ids in self.classes.of.items():
            lo, hi = self._widened(name, self.statistics[name])
            # A sum must not be cut where its terms are not: one at its limits, the other as it was seen.
            for term, other in permutations(terms[name]) if name in terms else ():
                low, high = self.statistics[other].range()
                lo = np.minimum(lo, ranges[term][0] + np.minimum(low, 0))
                hi = np.maximum(hi, ranges[term][1] + np.maximum(high, 0))
            if name in cut:
                lo, hi = np.maximum(lo, cut[name][0]), np.minimum(hi, cut[name][1])
            lo, hi = np.maximum(lo, limit_lo[ids]), np.minimum(hi, limit_hi[ids])
            if name in inputs:
                # What may come in is not a matter of what was seen.
                lo = np.where(np.isfinite(limit_lo[ids]), limit_lo[ids], lo)
                hi = np.where(np.isfinite(limit_hi[ids]), limit_hi[ids], hi)
            # A scale given from outside limits what fits.
            reach = 32767 * np.exp2(-np.where(np.isnan(self.forced[ids]), -24.0, self.forced[ids]))
            ranges[name] = (np.maximum(lo, -reach), np.minimum(hi, reach))
        return ranges

    def _widened(self, name: str, seen: ChannelStatistics) -> Range:
        lo, hi = seen.range()
        extra = self.options.headroom - 1
        spread = 0.25 * (hi - lo)
        lo = lo - extra * np.maximum(np.abs(lo), spread)
        hi = hi + extra * np.maximum(np.abs(hi), spread)
        o_lo, o_hi = seen.range(self.options.tail)
        usual, most = np.maximum(-o_lo, o_hi), np.maximum(-seen.lowest[:, 0], seen.highest[:, 0])
        active = usual > 0
        if active.any() and np.median(most[active] / usual[active]) > self.options.explosion:
            reach = self.options.tail_reach * usual
            lo, hi = np.maximum(lo, -reach), np.minimum(hi, reach)
        least = max(float(np.abs(lo).max()), float(np.abs(hi).max()), 2.0**-20) * self.options.floor
        for spec in self.graph.inputs:
            if spec.name == name:
                lo, hi = np.minimum(lo, -least), np.maximum(hi, least)
                lo = lo if spec.lo is None else np.full_like(lo, spec.lo)
                hi = hi if spec.hi is None else np.full_like(hi, spec.hi)
        short = np.maximum(hi, -lo) < least
        return np.where(short, np.minimum(lo, -least), lo), np.where(short, least, hi)

    def clip_range(self, name: str, step: Step | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Integer clip range of a tensor whose scales are chosen."""
        ids = self.classes.of[name]
        lo, hi = self.ranges[name]
        scale = self.scale[ids]
        limit = 32767 if name in self.graph.outputs or step is None else self.scheme.activation_limit
        low = np.clip(np.floor(lo * scale + 1e-9), -limit, limit)
        high = np.clip(np.ceil(hi * scale - 1e-9), -limit, limit)
        if step is not None and step.lo is not None:
            low = np.maximum(low, np.rint(step.lo * scale))
        if step is not None and step.hi is not None:
            high = np.minimum(high, np.rint(step.hi * scale))
        given = self.formats.get(name, Format())
        if given.lo is not None:
            low = np.broadcast_to(np.asarray(given.lo, np.float64), low.shape)
        if given.hi is not None:
            high = np.broadcast_to(np.asarray(given.hi, np.float64), high.shape)
        return low.astype(np.int32), np.maximum(low, high).astype(np.int32)

    def fraction(self, name: str) -> tuple[int, ...]:
        return tuple(np.rint(np.log2(self.scale[self.classes.of[name]])).astype(int).tolist())

    def power_of_two(self, ids: np.ndarray) -> np.ndarray:
        """Chooses the wanted scales of classes as powers of two."""
        exponent = np.floor(self.wanted[ids] + 0.5)
        exponent = np.where(exponent > self.top[ids] + 1e-9, np.floor(self.top[ids] + 1e-9), exponent)
        exponent = np.where(np.isnan(self.forced[ids]), exponent, self.forced[ids])
        self.scale[ids] = np.exp2(exponent)
        return self.scale[ids]

    # -- the walk -------------------------------------------------------------------------------

    def compile(self) -> tuple[Graph, CompilationReport]:
        inputs = [self._input(spec.name, spec.channels) for spec in self.graph.inputs]
        linear, elementwise = Linear(self), Elementwise(self)
        for number, step in enumerate(self.steps):
            references = self._reference(step)
            make = linear.make if step.node.op in LINEAR else elementwise.make
            node = make(step, references)
            self._append(node, step, references)
            self._forget(number)
        graph = Graph(tuple(inputs), tuple(self.nodes), tuple(self.graph.outputs))
        prove(graph)
        self.report.scales = {name: self.scale[ids] for name, ids in self.classes.of.items()}
        return graph, self.report

    def _input(self, name: str, channels: int) -> GraphInput:
        ids = self.classes.of[name]
        scale = self.power_of_two(ids)
        lo, hi = self.clip_range(name)
        real = [np.asarray(values[name], np.float32) for values, _ in self.samples]
        integer = [
            np.clip(np.rint(x * scale[:, None, None]), lo[:, None, None], hi[:, None, None]).astype(np.int16)
            for x in real
        ]
        self.live[name] = Live(real, integer, lo.astype(np.int64), hi.astype(np.int64))
        self._log(name, "input", None, lo, hi)
        return GraphInput(name, channels, lo, hi, self.fraction(name))

    def _reference(self, step: Step) -> list[np.ndarray]:
        """What the float network computes at this node, before a folded activation."""
        attributes = {k: v for k, v in step.node.attributes.items() if k != "leaky"}
        linear = replace(step.node, attributes=attributes)
        out = []
        with torch.no_grad():
            for i, (_, size) in enumerate(self.samples):
                args = [torch.from_numpy(self.live[n].real[i]) for n in step.node.inputs]
                out.append(evaluate(linear, args, size).numpy())
        return out

    def _append(self, node: Node, step: Step, references: list[np.ndarray]) -> None:
        sources = {n: self.live[n] for n in node.inputs}
        alone = Graph(
            tuple(GraphInput(n, len(s.lo), s.lo.astype(int), s.hi.astype(int)) for n, s in sources.items()),
            (node,),
            (node.name,),
        )
        proof = prove(alone)
        integer = [
            twin.run(alone, {n: s.integer[i] for n, s in sources.items()}, size or (1, 1))[node.name]
            for i, (_, size) in enumerate(self.samples)
        ]
        real = references
        if "leaky" in step.node.attributes:
            real = [np.where(r < 0, r * np.float32(step.slope), r) for r in references]
        elif step.output != step.node.name:
            activation = self.graph[step.output]
            real = [evaluate(activation, [torch.from_numpy(r)], None).numpy() for r in references]
        interval = proof.ranges[node.name]
        self.live[node.name] = Live(real, integer, interval.lo.astype(np.int64), interval.hi.astype(np.int64))
        self.nodes.append(node)
        lo, hi = alone.clips.get(node.name, (interval.lo, interval.hi))
        bits = 0
        if node.name in proof.accumulators:
            bits = int(proof.accumulators[node.name].bound.max()).bit_length() + 1
        self._log(node.name, node.op, node, lo, hi, bits, step)

    def _log(
        self,
        name: str,
        op: str,
        node: Node | None,
        lo: np.ndarray,
        hi: np.ndarray,
        bits: int = 0,
        step: Step | None = None,
    ) -> None:
        live, scale = self.live[name], self.scale[self.classes.of[name]]
        meant = step is not None and bool(self.meant[self.classes.of[name]].all())
        low, high = ((v / scale)[:, None, None] for v in (lo, hi))
        wanted = [np.clip(r, low, high) if meant else r for r in live.real]
        pairs = [(r, q / scale[:, None, None]) for r, q in zip(wanted, live.integer, strict=True)]
        saturated = 0
        if (node is None or node.lo is not None) and not meant:
            for q in live.integer:
                if step is None or step.lo is None:
                    saturated += int((q <= lo[:, None, None]).sum())
                if step is None or step.hi is None:
                    saturated += int((q >= hi[:, None, None]).sum())
        weight = None if node is None else node.tensors.get("weight")
        shift = np.zeros(1, int) if node is None else node.tensors.get("shift", np.zeros(1, int))
        logs = np.log2(scale)
        self.report.layers.append(
            LayerReport(
                name,
                op,
                len(scale),
                (float(logs.min()), float(logs.max())),
                float((lo / scale).min()),
                float((hi / scale).max()),
                0 if weight is None else int(np.abs(weight.astype(int)).max()).bit_length() + 1,
                bits,
                (int(shift.min()), int(shift.max())),
                signal_to_noise(pairs),
                saturated,
                sum(q.size for q in live.integer),
            )
        )

    def _forget(self, number: int) -> None:
        needed = {n for step in self.steps[number + 1 :] for n in step.node.inputs}
        for name in list(self.live):
            if name not in needed:
                del self.live[name]
