"""From a graph to steps: nodes fused where nothing else needs what lies between them.

Lowering does not know sizes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from refdec.integer.graph import Graph, Node
from refdec.integer.jit import layout, pack
from refdec.integer.jit import vector_ir as ir
from refdec.integer.jit.pack import Epilogue, Pool, Taps, padded
from refdec.integer.jit.placement import Placement
from refdec.integer.jit.steps import Attention, IntArray, Lowered, Phase, Step, Store, Tensor

SMALL_OUTPUT = 8
"""Transposed convolutions up to this many channels that lead to an output compute all phases in one panel."""


@dataclass
class Chain:
    """Nodes that became one step.

    :param name: the last value.
    :param first: first stage of the epilogue, channels as the sums have them.
    :param epilogue: all of it, channels as the result has them (the same object without a pixel shuffle).
    :param factor: of the pixel shuffle on the way.
    """

    name: str
    first: Epilogue
    epilogue: Epilogue
    operand: Tensor | None = None
    factor: int = 1


class Lowering(Placement):
    """Lower ``graph``; ``outputs`` may name any tensors."""

    def __init__(self, graph: Graph, outputs: Sequence[str]) -> None:
        super().__init__(graph, outputs)
        self.steps: list[Step] = []
        self.attentions: list[Attention] = []
        self.weights, self.blocks, self.numbers = Pool(np.int16), Pool(np.int32), Pool(np.int64)
        self._levels: dict[Store, int] = {}
        self._runtime_bytes: dict[int, int] = {}

    # -- steps ----------------------------------------------------------------------------------------

    def _emit(self, step: Step) -> Step:
        reads = [t.store for t in (step.source, step.operand) if t is not None]
        step.level = max([step.level, *(self._levels[s] for s in reads)])
        for tensor in (step.out, step.dual):
            if tensor is not None:
                self._levels[tensor.store] = max(self._levels.get(tensor.store, 0), step.level)
        self.steps.append(step)
        return step

    def lower(self) -> Lowered:
        for item in self.graph.inputs:
            if self._users[item.name] or item.name in self.outputs:
                out = self._make(item.name)
                step = Step(layout.PACK, out=out, channels=item.channels, external=item.name)
                self._emit(step)
        for node in self.graph.nodes:
            if node.name not in self._done:
                getattr(self, f"_{node.op}")(node)
        for name in self.outputs:
            source, factor = self._unpacked[name]
            channels = self.graph.channels[name]
            tensor = self.tensors[source]
            step = Step(layout.UNPACK, tensor, channels=channels, extra=factor, external=name)
            self._emit(step)
        return Lowered(
            self.graph,
            self.outputs,
            tuple(self.steps),
            tuple(self.stores.values()),
            tuple(self.attentions),
            self.weights.join(),
            self.blocks.join(),
            self.numbers.join(),
        )

    # -- chains of nodes --------------------------------------------------------------------------

    def _bounds(self, node: Node) -> tuple[Any, Any]:
        return self.graph.clip_range(node.name)

    def _first_stage(self, node: Node) -> Epilogue:
        shift = node.tensors["shift"]
        out = Epilogue(len(shift), leaky=node.attributes.get("leaky"))
        out.flags |= ir.LEAKY if out.leaky is not None else 0
        out.set(ir.V_BIAS, node.tensors.get("bias", 0))
        out.set(ir.V_SHIFT, shift)
        out.set(ir.V_ROUND, pack.rounding_term(shift, node.attributes.get("rounding", "half_up")))
        out.set(ir.V_LO, self._bounds(node)[0])
        out.set(ir.V_HI, self._bounds(node)[1])
        return out

    def _follow(self, name: str, first: Epilogue, shuffle: bool) -> Chain:
        """Take the users of ``name`` into the epilogue as long as nothing else needs the value between."""
        chain = Chain(name, first, first)
        while (user := self._only_user(chain.name)) is not None and user.name not in self._done:
            if user.op == "clip":
                chain.epilogue.clip(*self._bounds(user))
            elif user.op in ("add", "mul") and chain.operand is None:
                swapped = user.inputs[0] != chain.name
                other = self.tensors.get(user.inputs[0 if swapped else 1])
                if other is None:
                    break
                self._second(chain.epilogue, user, swapped)
                chain.operand = other
            elif user.op == "pixel_shuffle" and shuffle and chain.factor == 1 and chain.operand is None:
                channels = self.graph.channels[user.name]
                if channels % ir.LANES:
                    break
                chain.factor = int(user.attributes["factor"])
                # Channels count after the shuffle from here on.
                chain.epilogue = Epilogue(channels)
                chain.epilogue.set(ir.V_LO, -32768)
                chain.epilogue.set(ir.V_HI, 32767)
            elif user.op != "crop":
                break
            self._done.add(user.name)
            chain.name = user.name
        return chain

    def _second(self, epilogue: Epilogue, user: Node, swapped: bool) -> None:
        t = user.tensors
        left = None
        if user.op == "add":
            left = (t["shift_b"], t["shift_a"]) if swapped else (t["shift_a"], t["shift_b"])
        flag = ir.ADD if user.op == "add" else ir.MUL
        epilogue.second(flag, t["shift"], user.attributes["rounding"], *self._bounds(user), left)

    def _copy_of(self, name: str, epilogue: Epilogue) -> Tensor | None:
        """A clip among several users of ``name`` becomes the second result."""
        for user in self._users[name]:
            if user.op == "clip" and user.name not in self._done:
                self._done.add(user.name)
                epilogue.copy(*self._bounds(user))
                return self._make(user.name)
        return None

    # -- convolutions -----------------------------------------------------------------------------

    def _conv(self, node: Node) -> None:
        weight = node.tensors["weight"]
        top, left = node.attributes["pad"][:2]
        out, per_group, kh, kw = weight.shape
        groups, stride = node.attributes["groups"], node.attributes["stride"]
        if per_group == 1 and groups == out and (kh, kw) == (3, 3) and stride == 1:
            self._depthwise(node, top, left)
            return
        rows = Taps(tuple(k - top for k in range(kh)), tuple(range(kh)))
        columns = Taps(tuple(k - left for k in range(kw)), tuple(range(kw)))
        self._convolution(node, weight, groups, stride, rows, columns)

    def _convolution(
        self, node: Node, weight: IntArray, groups: int, stride: int, rows: Taps, columns: Taps
    ) -> None:
        chain = self._follow(node.name, self._first_stage(node), shuffle=True)
        step = self._finish(layout.CONV, chain, self.tensors[node.inputs[0]])
        step.stride = stride
        for dy in range(chain.factor):
            for dx in range(chain.factor):
                if chain.factor == 1 and chain.first is chain.epilogue:
                    self._add_phase(step, 0, 0, weight, groups, rows, columns, chain.epilogue)
                    continue
                order = np.arange(dy * chain.factor + dx, len(weight), chain.factor**2)
                expanded = self._ungrouped(weight[order], order * groups // len(weight), groups)
                stage = chain.epilogue.behind(chain.first.reordered(order))
                self._add_phase(step, dy, dx, expanded, 1, rows, columns, stage)
        self._emit(step)

    def _finish(self, kind: int, chain: Chain, source: Tensor) -> Step:
        """The step of a chain, with its results; geometry and emission are the caller's."""
        dual = self._copy_of(chain.name, chain.epilogue)
        step = Step(kind, source, self._make(chain.name), chain.operand, dual, factor=chain.factor)
        step.flags = chain.epilogue.flags | chain.first.flags
        return step

    @staticmethod
    def _ungrouped(weight: IntArray, group: IntArray, groups: int) -> IntArray:
        if groups == 1:
            return weight
        out, per_group, kh, kw = weight.shape
        full = np.zeros((out, groups * per_group, kh, kw), np.int16)
        for o, g in enumerate(group.tolist()):
            full[o, g * per_group : (g + 1) * per_group] = weight[o]
        return full

    def _add_phase(
        self,
        step: Step,
        dy: int,
        dx: int,
        weight: IntArray,
        groups: int,
        rows: Taps,
        columns: Taps,
        epilogue: Epilogue,
    ) -> None:
        assert step.source is not None
        store = step.source.store
        whole = step.source.first == 0 and padded(step.source.channels) == store.channels
        available = store.channels - step.source.first
        packed = pack.pack_conv(weight, groups, rows, columns, available, whole)
        blocks = self.blocks.add(epilogue.blocks([2 * start for start in packed.starts]))
        panels = padded(len(weight)) // ir.LANES
        at = self.weights.add(packed.weights)
        panel_bytes = 2 * len(packed.weights) // panels
        step.phases.append(Phase(dy, dx, packed.segments, packed.steps, at, panel_bytes, blocks))
        step.reach = _union(step.reach, rows.offsets, first=len(step.phases) == 1)
        step.columns = _union(step.columns, columns.offsets, first=len(step.phases) == 1)

    def _transposed_conv(self, node: Node) -> None:
        weight = node.tensors["weight"]
        kernel = weight.shape[2]
        taps = pack.tap_phases(kernel)
        forward = weight.transpose(1, 0, 2, 3)
        if self._lower_small(node, forward, taps):
            return
        chain = self._follow(node.name, self._first_stage(node), shuffle=False)
        step = self._finish(layout.CONV, chain, self.tensors[node.inputs[0]])
        step.factor = 2
        for dy in range(2):
            for dx in range(2):
                self._add_phase(step, dy, dx, forward, 1, taps[dy], taps[dx], chain.epilogue)
        self._emit(step)

    def _small_target(self, node: Node) -> str | None:
        """The output that is written from ``node`` and nothing else is, through a crop or shuffle or not."""
        if not self._users[node.name]:
            return node.name if node.name in self.outputs else None
        user = self._only_user(node.name)
        if user is None:
            return None
        for output, (source, _) in self._unpacked.items():
            if source == node.name:
                return output
        if user.op == "crop" and user.name in self.outputs and not self._users[user.name]:
            return user.name
        return None

    def _lower_small(self, node: Node, forward: IntArray, taps: tuple[Taps, Taps]) -> bool:
        """A few output channels on the way out: all four phases as channels of one convolution."""
        out = len(forward)
        target = self._small_target(node)
        if target is None or out > SMALL_OUTPUT:
            return False
        inner_factor = self._unpacked[target][1]
        weight, order, axis = pack.all_phases(forward, taps, inner_factor)
        factor = 2 * inner_factor
        epilogue = self._first_stage(node).reordered(order)
        source = self.tensors[node.inputs[0]]
        # The value has the rows and columns of the operand.
        store = self._store(f"{node.name} phases", source.store.size, len(weight))
        self.tensors[node.name] = Tensor(store, 0, len(weight))
        step = Step(layout.CONV, source, self.tensors[node.name], flags=epilogue.flags)
        self._add_phase(step, 0, 0, weight, 1, axis, axis, epilogue)
        self._emit(step)
        # Where the output is a crop of this node, writing the output crops.
        self._done.add(target)
        self._unpacked[target] = (node.name, factor)
        return True

    def _depthwise(self, node: Node, top: int, left: int) -> None:
        chain = self._follow(node.name, self._first_stage(node), shuffle=False)
        step = self._finish(layout.DEPTHWISE, chain, self.tensors[node.inputs[0]])
        weights = pack.pack_depthwise(node.tensors["weight"])
        panels = padded(len(node.tensors["weight"])) // ir.LANES
        segments = tuple((k - top, -left) for k in range(3))
        at, blocks = self.weights.add(weights), self.blocks.add(chain.epilogue.blocks())
        step.phases.append(Phase(0, 0, segments, 0, at, 2 * len(weights) // panels, blocks))
        step.reach, step.columns = (-top, 2 - top), (-left, 2 - left)
        self._emit(step)

    # -- one value at a time ----------------------------------------------------------------------

    def _pointwise(self, node: Node, epilogue: Epilogue, operand: Tensor | None) -> None:
        if operand is None:
            chain = self._follow(node.name, epilogue, shuffle=False)
        else:
            chain = Chain(node.name, epilogue, epilogue, operand)
            while (user := self._only_user(chain.name)) is not None and user.op in ("clip", "crop"):
                if user.name in self._done:
                    break
                if user.op == "clip":
                    epilogue.clip(*self._bounds(user))
                self._done.add(user.name)
                chain.name = user.name
        step = self._finish(layout.POINTWISE, chain, self.tensors[node.inputs[0]])
        step.blocks = self.blocks.add(epilogue.blocks())
        self._emit(step)

    def _clip(self, node: Node, flags: int = 0) -> None:
        epilogue = Epilogue(self.graph.channels[node.name], flags=flags)
        epilogue.set(ir.V_LO, self._bounds(node)[0])
        epilogue.set(ir.V_HI, self._bounds(node)[1])
        self._pointwise(node, epilogue, None)

    def _abs(self, node: Node) -> None:
        self._clip(node, ir.ABS)

    def _binary(self, node: Node) -> None:
        epilogue = Epilogue(self.graph.channels[node.name])
        epilogue.set(ir.V_LO, -32768)
        epilogue.set(ir.V_HI, 32767)
        self._second(epilogue, node, swapped=False)
        self._pointwise(node, epilogue, self.tensors[node.inputs[1]])

    _add = _mul = _binary

    def _absorb_crops(self, name: str) -> str:
        while (user := self._only_user(name)) is not None and user.op == "crop":
            if user.name in self._done:
                break
            self._done.add(user.name)
            name = user.name
        return name

    def _lut(self, node: Node) -> None:
        lo, hi = self._bounds(node)
        epilogue = Epilogue(len(lo))
        epilogue.set(ir.V_LO, lo)
        epilogue.set(ir.V_HI, hi)
        table = node.tensors["table"]
        uniform = bool((lo == lo[0]).all() and (hi == hi[0]).all())
        if uniform:
            table = np.clip(table, lo[0], hi[0])
        out = self._make(self._absorb_crops(node.name))
        step = Step(layout.LUT, self.tensors[node.inputs[0]], out, channels=len(lo), extra=int(uniform))
        step.table, step.blocks = self.weights.add(table), self.blocks.add(epilogue.blocks())
        self._emit(step)

    def _layer_norm(self, node: Node) -> None:
        shift = node.tensors["shift"]
        half = np.where(shift > 0, np.int64(1) << np.maximum(shift.astype(np.int64) - 1, 0), 0)
        values = (node.tensors["weight"], node.tensors["bias"], half, shift, *self._bounds(node))
        numbers = np.zeros((len(values), padded(len(shift))), np.int64)
        for row, value in zip(numbers, values, strict=True):
            row[: len(shift)] = value
        out = self._make(self._absorb_crops(node.name))
        step = Step(layout.NORM, self.tensors[node.inputs[0]], out, channels=len(shift))
        step.numbers = self.numbers.add(numbers.reshape(len(values), -1, ir.LANES).transpose(1, 0, 2))
        step.extra = int(node.attributes["epsilon"])
        self._emit(step)

    def _channel_attention(self, node: Node) -> None:
        source = self.tensors[node.inputs[0]]
        channels = self.graph.channels[node.name]
        heads = int(node.attributes["heads"])
        width = channels // heads
        index = len(self.attentions)
        self.attentions.append(Attention(node, heads, width))
        gram = Step(layout.GRAM, source, channels=channels, extra=width, runtime=index)
        self._emit(gram)
        # Only v lives on until the weights are known.
        store = self._store(f"{node.name} values", source.store.size, channels)
        values = Tensor(store, 0, channels)
        self._copy(Tensor(source.store, source.first + 2 * channels, channels), values)
        chain = self._follow(node.name, self._first_stage(node), shuffle=False)
        step = self._finish(layout.CONV, chain, values)
        step.runtime, step.level = index, gram.level + 1
        packed = attention_weights(np.zeros((heads, width, width), np.int16), values)
        blocks = self.blocks.add(chain.epilogue.blocks([2 * start for start in packed.starts]))
        panel_bytes = 2 * len(packed.weights) // (padded(channels) // ir.LANES)
        at = self._runtime_bytes.get(gram.level, 0)
        self._runtime_bytes[gram.level] = at + packed.weights.nbytes
        step.phases.append(Phase(0, 0, packed.segments, packed.steps, at, panel_bytes, blocks))
        self._emit(step)

    # -- moving values ----------------------------------------------------------------------------

    def _crop(self, node: Node) -> None:
        self._copy(self.tensors[node.inputs[0]], self._make(node.name))

    def _copy(self, source: Tensor, out: Tensor) -> None:
        self._emit(Step(layout.COPY, source, out, channels=source.channels))

    def _slice(self, node: Node) -> None:
        source = self.tensors[node.inputs[0]]
        first = source.first + node.attributes["start"]
        self.tensors[node.name] = Tensor(source.store, first, self.graph.channels[node.name])

    def _concat(self, node: Node) -> None:
        store = self.stores.get(node.name) or self._store(
            node.name, node.name, self.graph.channels[node.name]
        )
        self.tensors[node.name] = Tensor(store, 0, self.graph.channels[node.name])
        first, direct = 0, set()
        for part in node.inputs:
            channels = self.graph.channels[part]
            if self._places.get(part) != (node.name, first) or part in direct:
                self._copy(self.tensors[part], Tensor(store, first, channels))
            direct.add(part)
            first += channels

    def _pixel_shuffle(self, node: Node) -> None:
        source = self.tensors[node.inputs[0]]
        factor = int(node.attributes["factor"])
        out = self._make(self._absorb_crops(node.name))
        step = Step(layout.SHUFFLE, source, out, channels=out.channels, extra=factor, factor=factor)
        self._emit(step)


def _union(reach: tuple[int, int], offsets: Iterable[int], *, first: bool) -> tuple[int, int]:
    values = [*offsets] if first else [*reach, *offsets]
    return min(values), max(values)


def attention_weights(weights: npt.NDArray[np.int16], values: Tensor) -> pack.PackedConv:
    """Attention weights ``[heads, c, c]`` as a grouped 1x1 convolution of the v channels."""
    heads, width = weights.shape[:2]
    single = Taps((0,), (0,))
    available = values.store.channels - values.first
    flat = weights.reshape(heads * width, width, 1, 1)
    return pack.pack_conv(flat, heads, single, single, available, whole_pixels=False)
