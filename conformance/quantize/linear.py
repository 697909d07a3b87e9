"""Integer convolutions: scales within the proof, weights rounded for the layer's output, bias."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.quantize.elementwise import leaky_attribute
from conformance.quantize.float_graph import FloatNode
from conformance.quantize.layers import (
    Problem,
    Step,
    accumulator_reach,
    gather,
    output_weight,
    problems,
    spread_inputs,
    store,
)
from conformance.quantize.options import QuantisationError
from conformance.quantize.rounding import (
    Moments,
    best_bias,
    moments,
    round_adaptive,
    round_nearest,
)
from conformance.quantize.scales import ACCUMULATOR
from refdec.integer import Node

if TYPE_CHECKING:
    from conformance.quantize.compile import _Compiler

#: layers up to this many weights per output can afford moments for every output by itself
_OWN_MOMENTS = 160
_OWN_ROWS = 8192
#: half of the last place must stay small against the accumulator
_MOST_SHIFT = 22


class Linear:
    """Makes conv and transposed_conv nodes."""

    def __init__(self, compiler: _Compiler) -> None:
        self.c = compiler

    def make(self, step: Step, references: list[np.ndarray]) -> Node:
        """The integer node of ``step``.

        :param references: the float network's output before any activation, per calibration sample.
        """
        node = step.node
        source = self.c.live[node.inputs[0]]
        scale_in = self.c.scale[self.c.classes.of[node.inputs[0]]]
        weight = output_weight(node) / spread_inputs(node, scale_in)[..., None, None]
        bias = node.tensors.get("bias", np.zeros(len(weight)))
        unit = np.maximum(accumulator_reach(node, weight, bias, source.lo, source.hi), 1e-30)
        largest = np.maximum(np.abs(weight).max((1, 2, 3)), 1e-30)
        finest = np.minimum(ACCUMULATOR / unit, (self.c.scheme.weight_limit + 0.49) / largest)

        kept: list[tuple[Problem, Moments | None]] = [
            (p, self._moments(step, p, references)) for p in problems(node)
        ]
        accumulator, shift = self._scales(step, finest)
        todo = np.ones(len(weight), bool)
        integer = np.zeros(node.tensors["weight"].shape)
        offset = np.zeros(len(weight))
        for _ in range(12):
            self._round(node, weight, bias, accumulator, kept, todo, integer, offset)
            rows = integer if node.op == "conv" else integer.transpose(1, 0, 2, 3)
            half = np.where(shift > 0, np.exp2(shift - 1), 0)
            reach = accumulator_reach(node, rows, offset, source.lo, source.hi) + half
            todo = (reach > 2**31 - 1) | (np.abs(offset) > 2**31 - 1)
            if not todo.any():
                break
            over = np.maximum(reach, np.abs(offset)) / (2**31 - 1)
            finest = np.where(todo, accumulator / over * 0.995, finest)
            accumulator, shift = self._scales(step, finest)
        else:
            raise QuantisationError(f"{step.output}: no accumulator scale keeps within 32 bits")
        attributes: dict[str, Any] = {}
        if node.op == "conv":
            attributes = {k: node.attributes[k] for k in ("stride", "pad", "groups")}
        if step.slope is not None:
            attributes["leaky"] = leaky_attribute(step.slope)
        lo, hi = self.c.clip_range(step.output, step)
        tensors = {
            "weight": integer.astype(self.c.scheme.weight_dtype),
            "bias": offset.astype(np.int32),
            "shift": shift.astype(np.uint8),
        }
        fraction = self.c.fraction(step.output)
        return Node(step.output, node.op, node.inputs, attributes, tensors, lo, hi, fraction)

    def _scales(self, step: Step, finest: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Accumulator scales and shifts of every output, not above ``finest``; sets the output's scales."""
        c = self.c
        ids = c.classes.of[step.output]
        limit = np.full(c.classes.count, np.inf)
        np.minimum.at(limit, ids, finest)
        chosen = np.full(c.classes.count, np.nan)
        for k in np.unique(ids):
            if c.classes.fixed[k] or not np.isnan(c.forced[k]):
                chosen[k] = c.power_of_two(np.array([k]))[0]
                if chosen[k] > limit[k]:
                    if not np.isnan(c.forced[k]):
                        raise QuantisationError(f"{step.output}: the given scale is finer than 32 bits allow")
                    chosen[k] = np.exp2(np.floor(np.log2(limit[k])))
            else:
                steps = max(0.0, np.rint(np.log2(limit[k]) - c.wanted[k]))
                if np.log2(limit[k]) - steps > c.top[k] + 1e-9:
                    steps += 1
                chosen[k] = limit[k] * 2.0 ** -min(steps, _MOST_SHIFT)
                if chosen[k] > 2.0 ** c.top[k]:
                    chosen[k] = 2.0 ** c.top[k]
        c.scale[ids] = chosen[ids]
        shift = np.clip(np.floor(np.log2(finest / chosen[ids]) + 1e-9), 0, _MOST_SHIFT)
        return chosen[ids] * np.exp2(shift), shift

    def _positions(
        self, problem: Problem, references: list[np.ndarray], most: int
    ) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Per sample: its number and chosen rows and columns of the problem's output grid."""
        rng = np.random.default_rng(self.c.options.seed)
        (py, px), step = problem.phase, problem.spread
        sizes = [(-(-(r.shape[1] - py) // step), -(-(r.shape[2] - px) // step)) for r in references]
        total = sum(h * w for h, w in sizes)
        for i, (h, w) in enumerate(sizes):
            share = max(1, most * h * w // total)
            flat = np.arange(h * w) if share >= h * w else rng.choice(h * w, share, replace=False)
            yield i, flat // w, flat % w

    def _moments(self, step: Step, problem: Problem, references: list[np.ndarray]) -> Moments | None:
        options, c = self.c.options, self.c
        if options.rounding == "nearest" and not options.bias_correction:
            return None
        width = problem.weight.shape[1] * problem.weight.shape[2]
        factor = self._factor(step) if width <= _OWN_MOMENTS else None
        most = min(options.rows, max(4096, 16 * width))
        if factor is not None:
            most = min(most, _OWN_ROWS)
        source = c.live[step.node.inputs[0]]
        lo, hi = source.lo[problem.inputs], source.hi[problem.inputs]
        t_lo, t_hi = self._target_range(step, problem)
        xs, ts, ws, keep = [], [], [], []
        for i, rows, columns in self._positions(problem, references, most):
            x = gather(source.integer[i], problem, rows, columns)
            ys, cs = rows * problem.spread + problem.phase[0], columns * problem.spread + problem.phase[1]
            t = references[i][problem.outputs][:, ys, cs].T
            # Where a range cuts values off, no weights make up for it; such rows would only mislead.
            taps = x.reshape(len(x), -1, len(problem.taps))
            cut = ((taps <= lo[:, None]) & (lo < 0)[:, None]) | ((taps >= hi[:, None]) & (hi > 0)[:, None])
            keep.append(~cut.any((1, 2)) & ((t >= t_lo) & (t <= t_hi)).all(1))
            xs.append(x)
            ts.append(t)
            if factor is not None:
                other = c.live[factor].real[i][problem.outputs][:, ys, cs].T
                ws.append(other.astype(np.float64) ** 2)
        good = np.concatenate(keep)
        if good.mean() < 0.5:
            good[:] = True
        x, t = np.concatenate(xs)[good].astype(np.float64), np.concatenate(ts)[good].astype(np.float64)
        if len(x) < 2:
            return None
        return moments(x, t, np.concatenate(ws)[good] if ws else None)

    def _target_range(self, step: Step, problem: Problem) -> tuple[np.ndarray, np.ndarray]:
        """Real outputs that the layer's clip range can represent, with room for the ones just outside."""
        lo, hi = (v[problem.outputs] for v in self.c.ranges[step.output])
        room = 0.1 * (hi - lo)
        if step.output != step.node.name or step.slope is not None:
            return np.full_like(lo, -np.inf), hi + room if step.hi is None else np.full_like(hi, np.inf)
        return lo - room, hi + room

    def _factor(self, step: Step) -> str | None:
        """The tensor that the layer's output will be multiplied with, if that is all that happens to it and
        the tensor exists already."""
        readers = self.c.graph.consumers(step.output)
        if step.output != step.node.name or len(readers) != 1 or readers[0].op != "mul":
            return None
        a, b = readers[0].inputs
        other = b if a == step.output else a
        return other if other in self.c.live and other != step.output else None

    def _round(
        self,
        node: FloatNode,
        weight: np.ndarray,
        bias: np.ndarray,
        accumulator: np.ndarray,
        kept: list[tuple[Problem, Moments | None]],
        todo: np.ndarray,
        integer: np.ndarray,
        offset: np.ndarray,
    ) -> None:
        """Rounds the outputs in ``todo`` into ``integer`` and ``offset``."""
        limit, options = self.c.scheme.weight_limit, self.c.options
        if todo.any():
            offset[todo] = 0
        scaled = weight * accumulator[:, None, None, None]
        as_stored = _with_weight(node, scaled if node.op == "conv" else scaled.transpose(1, 0, 2, 3))
        phases = len(kept) if node.op == "transposed_conv" else 1
        before_all = problems(_with_weight(node, integer))
        for (problem, m), now, before in zip(kept, problems(as_stored), before_all, strict=True):
            rows = np.flatnonzero(todo[problem.outputs])
            if rows.size == 0:
                continue
            a = accumulator[problem.outputs]
            w = now.weight.reshape(len(now.weight), -1)
            at = np.arange(problem.outputs.start, problem.outputs.stop)[rows]
            if m is None:
                rounded = round_nearest(w[rows], limit)
                offset[at] += bias[at] * a[rows] / phases
            else:
                part = _rows(m, rows, a)
                if options.rounding == "adaptive":
                    rounded = round_adaptive(w[rows], part, limit, options.ridge)
                else:
                    rounded = round_nearest(w[rows], limit)
                offset[at] += best_bias(rounded, part) / phases
            target = before.weight.reshape(w.shape).copy()
            target[rows] = rounded
            store(integer, node, problem, target.reshape(now.weight.shape))
        offset[todo] = np.rint(offset[todo])


def _with_weight(node: FloatNode, weight: np.ndarray) -> FloatNode:
    return FloatNode(node.name, node.op, node.inputs, node.attributes, {"weight": weight})


def _rows(m: Moments, rows: np.ndarray, accumulator: np.ndarray) -> Moments:
    """The moments of some outputs, targets in accumulator units."""
    a = accumulator[rows]
    own = m.xx.ndim == 3
    return Moments(
        m.xx[rows] if own else m.xx,
        m.xt[:, rows] * a,
        m.mean_x[rows] if own else m.mean_x,
        m.mean_t[rows] * a,
        m.tt[rows] * a * a,
    )
