"""Integer forms of everything that is no convolution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.quantize.layers import Step
from conformance.quantize.options import QuantisationError
from conformance.quantize.tables import table
from refdec.integer import Node

if TYPE_CHECKING:
    from conformance.quantize.compile import _Compiler

LEAKY_SHIFT = 21
#: a leaky node works on the activation with this many more bits, so that small negative values keep some
_LEAKY_GUARD = 6


def leaky_attribute(slope: float) -> dict[str, int]:
    """The dyadic slope nearest to ``slope`` with a numerator of at most 15 bits."""
    shift = LEAKY_SHIFT
    while shift > 0 and round(slope * 2**shift) > 32767:
        shift -= 1
    numerator = round(slope * 2**shift)
    if not 0 <= numerator <= min(1 << shift, 32767):
        raise QuantisationError(f"leaky slope {slope} is not between 0 and 1")
    return {"numerator": numerator, "shift": shift}


class Elementwise:
    """Makes the integer node of a step; scales of new classes are chosen on the way."""

    def __init__(self, compiler: _Compiler) -> None:
        self.c = compiler

    def make(self, step: Step, _references: object = None) -> Node:
        """The integer node of ``step``."""
        made: Node = getattr(self, f"_{step.node.op}")(step)
        return made

    def _node(
        self,
        step: Step,
        attributes: dict[str, Any],
        tensors: dict[str, np.ndarray] | None = None,
        *,
        op: str | None = None,
        clips: bool = True,
    ) -> Node:
        lo, hi = self.c.clip_range(step.output, step) if clips else (None, None)
        return Node(
            step.output,
            op or step.node.op,
            step.node.inputs,
            attributes,
            tensors or {},
            lo,
            hi,
            self.c.fraction(step.output),
        )

    def _ids(self, name: str) -> np.ndarray:
        ids: np.ndarray = self.c.classes.of[name]
        return ids

    def _clip(self, step: Step) -> Node:
        return self._node(step, {})

    _abs = _clip

    def _crop(self, step: Step) -> Node:
        return self._node(step, {"divisor": step.node.attributes["divisor"]}, clips=False)

    def _concat(self, step: Step) -> Node:
        return self._node(step, {}, clips=False)

    def _slice(self, step: Step) -> Node:
        keep = {k: step.node.attributes[k] for k in ("start", "stop")}
        return self._node(step, keep, clips=False)

    def _pixel_shuffle(self, step: Step) -> Node:
        return self._node(step, {"factor": step.node.attributes["r"]}, clips=False)

    def _leaky(self, step: Step) -> Node:
        """A depthwise 1x1 convolution by a power of two whose accumulator has the slope."""
        channels = len(self._ids(step.output))
        weight = np.full((channels, 1, 1, 1), 1 << _LEAKY_GUARD, self.c.scheme.weight_dtype)
        tensors = {
            "weight": weight,
            "bias": np.zeros(channels, np.int32),
            "shift": np.full(channels, _LEAKY_GUARD, np.uint8),
        }
        attributes = {"groups": channels, "leaky": leaky_attribute(step.node.attributes["slope"])}
        return self._node(step, attributes, tensors, op="conv")

    def _add(self, step: Step) -> Node:
        a, b = (np.log2(self.c.scale[self._ids(n)]).astype(int) for n in step.node.inputs)
        common = np.minimum(np.maximum(a, b), np.minimum(a, b) + 15)
        # Where the two scales are more than 15 bits apart the finer one cannot be kept.
        if (common < np.maximum(a, b)).any():
            raise QuantisationError(f"{step.output}: the terms' scales are more than 15 bits apart")
        ids = self._ids(step.output)
        out = np.log2(self.c.power_of_two(ids)).astype(int)
        if (out > common).any() and np.isnan(self.c.forced[ids[out > common]]).all():
            self.c.scale[ids] = np.exp2(np.minimum(out, _least_per_class(ids, common)))
            out = np.log2(self.c.scale[ids]).astype(int)
        common = np.maximum(common, out)
        shifts = {"shift_a": common - a, "shift_b": common - b, "shift": common - out}
        if max(s.max() for s in shifts.values()) > 15:
            raise QuantisationError(f"{step.output}: terms and sum are more than 15 bits apart")
        return self._node(step, {}, {k: v.astype(np.uint8) for k, v in shifts.items()})

    def _mul(self, step: Step) -> Node:
        product = np.prod([self.c.scale[self._ids(n)] for n in step.node.inputs], axis=0)
        ids = self._ids(step.output)
        wanted = np.where(np.isnan(self.c.forced[ids]), self.c.wanted[ids], self.c.forced[ids])
        shift = np.rint(np.log2(product) - wanted)
        shift += np.log2(product) - shift > self.c.top[ids] + 1e-9
        shift = np.clip(shift, 0, 31)
        scale = product * np.exp2(-shift)
        # A class with other members takes one scale: the coarsest.
        chosen = np.full(self.c.classes.count, np.inf)
        np.minimum.at(chosen, ids, scale)
        shift = np.rint(np.log2(product / chosen[ids]))
        if shift.max() > 31 or not np.allclose(product * np.exp2(-shift), chosen[ids], rtol=1e-12):
            raise QuantisationError(f"{step.output}: no shift brings the product to its scale")
        self.c.scale[ids] = chosen[ids]
        return self._node(step, {}, {"shift": shift.astype(np.uint8)})

    def _lut(self, step: Step) -> Node:
        function = step.node.attributes["function"]
        source = int(np.log2(self.c.scale[self._ids(step.node.inputs[0])[0]]))
        out = int(np.log2(self.c.power_of_two(self._ids(step.output))[0]))
        return self._node(step, {}, {"table": table(function, source, out)})

    def _layer_norm(self, step: Step) -> Node:
        node = step.node
        fraction = int(np.log2(self.c.scale[self._ids(node.inputs[0])[0]]))
        gain, bias = node.tensors["weight"], node.tensors["bias"]
        c = len(gain)
        out = np.log2(self.c.power_of_two(self._ids(step.output)))
        # The normalised value has 14 fraction bits; weights are as fine as int16 and the int32 bias allow.
        room = np.minimum(
            np.floor(np.log2(32767 / np.maximum(np.abs(gain), 1e-9))),
            np.floor(np.log2((2.0**31 - 1) / np.maximum(np.abs(bias), 1e-9))) - 14,
        )
        room = np.minimum(room, 33 + out)
        shift = 14 + room - out
        if shift.min() < 0:
            raise QuantisationError(f"{step.output}: the output scale is finer than the weights allow")
        tensors = {
            "weight": np.clip(np.rint(gain * np.exp2(room)), -32767, 32767).astype(np.int16),
            "bias": np.rint(bias * np.exp2(room + 14)).astype(np.int32),
            "shift": shift.astype(np.uint8),
        }
        epsilon = max(1, round(c * c * node.attributes["eps"] * 4.0**fraction))
        return self._node(step, {"epsilon": epsilon}, tensors)

    def _channel_attention(self, step: Step) -> Node:
        node = step.node
        heads, ids = node.attributes["heads"], self._ids(step.output)
        values = np.log2(self.c.scale[self._ids(node.inputs[0])[2 * len(ids) :]])
        out = np.log2(self.c.power_of_two(ids))
        shift = values + 15 - out
        finer = shift < 0
        if finer.any():
            if not np.isnan(self.c.forced[ids[finer]]).all():
                raise QuantisationError(f"{step.output}: the output scale is finer than the values' allow")
            self.c.scale[ids] = np.exp2(_least_per_class(ids, np.minimum(out, values + 15)))
            shift = values + 15 - np.log2(self.c.scale[ids])
        temperature = np.rint(2.0**16 * np.log2(np.e) * node.tensors["temperature"])
        if np.abs(temperature).max() > 1 << 24:
            raise QuantisationError(f"{step.output}: a temperature above {2**8 * np.log(2):.0f}")
        tensors = {
            "temperature": temperature.astype(np.int32),
            "shift": np.minimum(shift, 31).astype(np.uint8),
        }
        return self._node(step, {"heads": heads}, tensors)


def _least_per_class(ids: np.ndarray, values: np.ndarray) -> np.ndarray:
    """For every entry the least of ``values`` among the entries with the same id."""
    least = np.full(int(ids.max()) + 1, np.inf)
    np.minimum.at(least, ids, values)
    return least[ids]
