"""Random legal graphs with inputs, for every test that compares engines.

``random_case(seed)`` always gives the same case. Graphs use every operation, odd sizes down to one
sample, grouped, depthwise and strided convolutions, per-channel and one-sided clip ranges, weights at
the limits of their type, and biases that leave the int32 proof no head-room.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from refdec.integer import Graph, GraphInput, Node
from refdec.integer.nodes import ACTIVATION_MAX, INT32_MAX

Shape = tuple[int, int, int]
MAX_ELEMENTS = 6000
LEAKY = ({"numerator": 41, "shift": 12}, {"numerator": 1, "shift": 3}, {"numerator": 0, "shift": 0})


@dataclass(frozen=True)
class Case:
    """A graph, inputs within its ranges, and the luma size to run it at."""

    seed: int
    graph: Graph
    inputs: dict[str, npt.NDArray[np.int16]]
    size: tuple[int, int]


@dataclass
class _Builder:
    rng: np.random.Generator
    size: tuple[int, int]
    nodes: list[Node] = field(default_factory=list)
    shapes: dict[str, Shape] = field(default_factory=dict)
    largest: dict[str, int] = field(default_factory=dict)

    def pick(self) -> str:
        """A tensor to go on from; mostly a recent one, so that graphs get deep."""
        names = list(self.shapes)
        if self.rng.random() < 0.7:
            names = names[-2:]
        return names[int(self.rng.integers(len(names)))]

    def clip_range(self, channels: int) -> tuple[Any, Any]:
        kind = self.rng.integers(6)
        if kind == 0:
            return -ACTIVATION_MAX, ACTIVATION_MAX
        if kind == 1:
            return 0, int(self.rng.integers(1, ACTIVATION_MAX + 1))
        if kind == 2:
            return -128, 127
        if kind == 3 and self.rng.random() < 0.3:
            value = int(self.rng.integers(-ACTIVATION_MAX, ACTIVATION_MAX + 1))
            return value, min(ACTIVATION_MAX, value + int(self.rng.integers(0, 3)))
        low = self.rng.integers(-ACTIVATION_MAX, ACTIVATION_MAX, channels)
        high = np.minimum(ACTIVATION_MAX, low + self.rng.integers(0, 2 * ACTIVATION_MAX, channels))
        return low.tolist(), high.tolist()

    def emit(
        self,
        op: str,
        inputs: tuple[str, ...],
        shape: Shape,
        attributes: dict[str, Any] | None = None,
        tensors: dict[str, Any] | None = None,
        clips: bool = True,
    ) -> str:
        name = f"n{len(self.nodes)}.{op}"
        lo, hi = self.clip_range(shape[0]) if clips else (None, None)
        self.nodes.append(Node(name, op, inputs, attributes or {}, tensors or {}, lo, hi))
        self.shapes[name] = shape
        if clips:
            self.largest[name] = int(max(abs(np.min(lo)), abs(np.max(hi))))
        else:
            self.largest[name] = max(self.largest[i] for i in inputs)
        return name

    def weights(self, shape: tuple[int, ...], terms: int, largest: int) -> npt.NDArray[Any]:
        """Weights, extreme or modest, for sums of ``terms`` products that stay below half of int32."""
        top = min(32767, (INT32_MAX // 2) // max(1, terms * largest))
        kind = self.rng.integers(4)
        if kind == 0:
            return self.rng.choice(np.array([-top, 0, top]), shape).astype(np.int16)
        if kind == 1 or top < 2:
            return self.rng.integers(-min(top, 127), min(top, 127) + 1, shape).astype(np.int8)
        if kind == 2:
            return self.rng.integers(-top, top + 1, shape).astype(np.int16)
        return np.full(shape, int(self.rng.choice([-top, top])), np.int16)

    def epilogue(self, weight: npt.NDArray[Any], axis: int, largest: int) -> dict[str, Any]:
        """Bias and shift for ``weight``; some biases use up everything that the proof leaves."""
        channels = weight.shape[axis]
        others = tuple(i for i in range(weight.ndim) if i != axis)
        reach = np.abs(weight.astype(np.int64)).sum(axis=others) * largest
        bits = np.array([int(r).bit_length() for r in reach])
        shift = np.clip(bits - self.rng.integers(2, 18, channels), 0, 31)
        room = INT32_MAX - reach - np.where(shift > 0, 1 << np.maximum(shift - 1, 0), 0)
        sign = self.rng.choice([-1, 1], channels)
        bias = np.where(self.rng.random(channels) < 0.3, sign * room, sign * (reach // 5) + 7)
        bias = np.clip(bias, -room, room)
        return {"weight": weight, "bias": bias.astype(np.int32), "shift": shift.astype(np.uint8)}

    def tail(self) -> dict[str, Any]:
        out: dict[str, Any] = {"rounding": str(self.rng.choice(["half_up", "floor"]))}
        if self.rng.random() < 0.3:
            out["leaky"] = LEAKY[int(self.rng.integers(len(LEAKY)))]
        return out

    def conv(self, source: str, outputs: int | None = None, plain: bool = False) -> str:
        c, h, w = self.shapes[source]
        groups, stride = 1, 1
        if not plain:
            divisors = [g for g in range(1, c + 1) if c % g == 0]
            groups = int(self.rng.choice(divisors)) if self.rng.random() < 0.5 else 1
            stride = int(self.rng.integers(1, 3))
        if outputs is None:
            outputs = groups * int(self.rng.integers(1, max(2, 9 // groups)))
        kh, kw = (1, 1) if plain else (int(k) for k in self.rng.integers(1, 4, 2))
        pad = [0, 0, 0, 0]
        if not plain and self.rng.random() < 0.8:
            limits = (kh, kw, kh, kw)
            pad = [int(self.rng.integers(0, k)) for k in limits]
        if h + pad[0] + pad[2] < kh or w + pad[1] + pad[3] < kw:
            kh = kw = 1
            pad = [0, 0, 0, 0]
        largest = self.largest[source]
        weight = self.weights((outputs, c // groups, kh, kw), c // groups * kh * kw, largest)
        attributes = {"groups": groups, "stride": stride, "pad": pad} | self.tail()
        rows = (h + pad[0] + pad[2] - kh) // stride + 1
        columns = (w + pad[1] + pad[3] - kw) // stride + 1
        return self.emit(
            "conv", (source,), (outputs, rows, columns), attributes, self.epilogue(weight, 0, largest)
        )

    def transposed_conv(self, source: str) -> str:
        c, h, w = self.shapes[source]
        k, outputs = int(self.rng.integers(3, 5)), int(self.rng.integers(1, 7))
        largest = self.largest[source]
        weight = self.weights((c, outputs, k, k), c * k * k, largest)
        tensors = self.epilogue(weight, 1, largest)
        return self.emit("transposed_conv", (source,), (outputs, 2 * h, 2 * w), self.tail(), tensors)

    def clip(self, source: str) -> str:
        return self.emit("clip", (source,), self.shapes[source])

    def abs(self, source: str) -> str:
        return self.emit("abs", (source,), self.shapes[source])

    def _partner(self, source: str) -> str:
        same = [n for n, s in self.shapes.items() if s == self.shapes[source]]
        return same[int(self.rng.integers(len(same)))]

    def add(self, source: str) -> str:
        c = self.shapes[source][0]
        tensors = {
            "shift_a": self.rng.integers(0, 15, c).astype(np.uint8),
            "shift_b": self.rng.integers(0, 15, c).astype(np.uint8),
            "shift": self.rng.integers(0, 29, c).astype(np.uint8),
        }
        inputs = (source, self._partner(source))
        return self.emit("add", inputs, self.shapes[source], {"rounding": self.tail()["rounding"]}, tensors)

    def mul(self, source: str) -> str:
        shift = self.rng.integers(0, 31, self.shapes[source][0]).astype(np.uint8)
        inputs = (source, self._partner(source))
        rounding = {"rounding": self.tail()["rounding"]}
        return self.emit("mul", inputs, self.shapes[source], rounding, {"shift": shift})

    def lut(self, source: str) -> str:
        table = self.rng.integers(-32768, 32768, 65536).astype(np.int16)
        return self.emit("lut", (source,), self.shapes[source], tensors={"table": table})

    def pixel_shuffle(self, source: str) -> str:
        r = int(self.rng.integers(1, 5))
        source = self.conv(source, r * r * int(self.rng.integers(1, 3)), plain=True)
        c, h, w = self.shapes[source]
        return self.emit("pixel_shuffle", (source,), (c // (r * r), h * r, w * r), {"factor": r}, clips=False)

    def crop(self, source: str) -> str:
        c, h, w = self.shapes[source]
        fits = [
            d for d in (1, 2, 3, 4, 8, 16, 64) if -(-self.size[0] // d) <= h and -(-self.size[1] // d) <= w
        ]
        if not fits:
            return source
        d = int(self.rng.choice(fits))
        shape = (c, -(-self.size[0] // d), -(-self.size[1] // d))
        return self.emit("crop", (source,), shape, {"divisor": d}, clips=False)

    def concat(self, source: str) -> str:
        others = [n for n, s in self.shapes.items() if s[1:] == self.shapes[source][1:]]
        inputs = (source, others[int(self.rng.integers(len(others)))])
        c = sum(self.shapes[i][0] for i in inputs)
        return self.emit("concat", inputs, (c, *self.shapes[source][1:]), clips=False)

    def slice(self, source: str) -> str:
        c, h, w = self.shapes[source]
        start = int(self.rng.integers(0, c))
        stop = int(self.rng.integers(start + 1, c + 1))
        attributes = {"start": start, "stop": stop}
        return self.emit("slice", (source,), (stop - start, h, w), attributes, clips=False)

    def layer_norm(self, source: str) -> str:
        c = self.shapes[source][0]
        weight = self.rng.integers(-32767, 32768, c).astype(np.int16)
        tensors = {
            "weight": weight,
            "bias": self.rng.integers(-(1 << 31), 1 << 31, c).astype(np.int32),
            "shift": self.rng.integers(10, 30, c).astype(np.uint8),
        }
        epsilon = int(self.rng.choice([1, 100, 1 << 20]))
        return self.emit("layer_norm", (source,), self.shapes[source], {"epsilon": epsilon}, tensors)

    def channel_attention(self, source: str) -> str:
        heads, width = int(self.rng.integers(1, 4)), int(self.rng.integers(1, 5))
        source = self.conv(source, 3 * heads * width, plain=True)
        _, h, w = self.shapes[source]
        top = int(self.rng.choice([1 << 10, 1 << 17, 1 << 24]))
        tensors = {
            "temperature": self.rng.integers(-top, top + 1, heads).astype(np.int32),
            "shift": self.rng.integers(10, 18, heads * width).astype(np.uint8),
        }
        shape = (heads * width, h, w)
        return self.emit("channel_attention", (source,), shape, {"heads": heads}, tensors)


OPERATIONS = (
    "conv",
    "transposed_conv",
    "clip",
    "abs",
    "add",
    "mul",
    "lut",
    "pixel_shuffle",
    "crop",
    "concat",
    "slice",
    "layer_norm",
    "channel_attention",
)


def random_case(seed: int, *, first: str | None = None, steps: int | None = None) -> Case:
    """The case of ``seed``.

    :param first: operation that the graph starts with, so that it surely occurs.
    :param steps: number of operations asked for; fewer where tensors would grow too large.
    """
    rng = np.random.default_rng(seed)
    h, w = (int(n) for n in rng.integers(1, 10, 2))
    if rng.random() < 0.2:
        h = w = 1
    size = (int(rng.integers(1, 16 * h + 1)), int(rng.integers(1, 16 * w + 1)))
    builder = _Builder(rng, size)
    inputs = []
    for index in range(int(rng.integers(1, 3))):
        lo, hi = builder.clip_range(channels := int(rng.integers(1, 9)))
        inputs.append(GraphInput(f"x{index}", channels, lo, hi))
        builder.shapes[f"x{index}"] = (channels, h, w)
        builder.largest[f"x{index}"] = int(max(abs(np.min(lo)), abs(np.max(hi))))
    steps = int(rng.integers(1, 8)) if steps is None else steps
    for step in range(steps):
        op = first if first is not None and step == 0 else str(rng.choice(OPERATIONS))
        action: Callable[[str], str] = getattr(builder, op)
        source = builder.pick()
        c, rows, columns = builder.shapes[source]
        if c * rows * columns > MAX_ELEMENTS:
            break
        action(source)
    outputs = [node.name for node in builder.nodes[-1:]] or ["x0"]
    if len(builder.nodes) > 2:
        outputs.append(builder.nodes[int(rng.integers(len(builder.nodes) - 1))].name)
    graph = Graph(tuple(inputs), tuple(builder.nodes), tuple(outputs))
    return Case(seed, graph, random_inputs(graph, {i.name: (h, w) for i in inputs}, rng), size)


def random_inputs(
    graph: Graph, sizes: dict[str, tuple[int, int]], rng: np.random.Generator
) -> dict[str, npt.NDArray[np.int16]]:
    """Inputs within the declared ranges: uniform, or at the ends of the ranges, or all equal."""
    out = {}
    for item in graph.inputs:
        lo, hi = (bound[:, None, None].astype(np.int64) for bound in graph.clip_range(item.name))
        shape = (item.channels, *sizes[item.name])
        values = rng.integers(0, 1 << 20, shape) % (hi - lo + 1) + lo
        kind = rng.integers(4)
        if kind == 0:
            values = np.where(rng.random(shape) < 0.5, lo, hi)
        elif kind == 1:
            values = np.broadcast_to(np.clip(0, lo, hi), shape)
        out[item.name] = values.astype(np.int16)
    return out


def attention_case(seed: int) -> Case:
    """Channel attention whose output is the matrix of its weights: v is 1 in one position for each channel.

    Rows are close to each other and temperatures high, so that the last bits of cosines and exponentials
    show in the weights.
    """
    rng = np.random.default_rng(seed)
    heads, width = int(rng.integers(1, 5)), int(rng.integers(1, 33))
    third, rows = heads * width, int(rng.integers(1, 4))
    columns = -(-width // rows) + int(rng.integers(0, 30))
    spread = 2.0 ** -rng.uniform(1, 12)
    x = np.empty((3 * third, rows, columns), np.int16)
    base = rng.normal(0, 1, (rows, columns))
    for channel in range(2 * third):
        row = (base + spread * rng.normal(0, 1, base.shape)) * 2.0 ** rng.uniform(4, 13)
        x[channel] = np.clip(np.rint(row), -ACTIVATION_MAX, ACTIVATION_MAX)
    if rng.random() < 0.2:
        x[int(rng.integers(2 * third))] = 0
    x[2 * third :] = np.tile(np.eye(width, rows * columns, dtype=np.int16), (heads, 1)).reshape(
        third, rows, columns
    )
    tensors = {
        "temperature": rng.integers(-(1 << 24), (1 << 24) + 1, heads).astype(np.int32),
        "shift": np.zeros(third, np.uint8),
    }
    node = Node("weights", "channel_attention", ("x",), {"heads": heads}, tensors, -32767, 32767)
    graph = Graph((GraphInput("x", 3 * third, -ACTIVATION_MAX, ACTIVATION_MAX),), (node,), ("weights",))
    return Case(seed, graph, {"x": x}, (rows, columns))


def layer_norm_case(seed: int) -> Case:
    """Layer normalisation whose output is the normalised value itself, with all of its 14 fraction bits."""
    rng = np.random.default_rng(seed)
    channels = int(rng.choice([1, 2, 3, 5, 64, 128, 512]))
    size = (int(rng.integers(1, 40)), int(rng.integers(1, 40)))
    x = rng.normal(rng.normal(0, 3000, (1, *size)), 2.0 ** rng.uniform(-2, 13), (channels, *size))
    tensors = {
        "weight": np.ones(channels, np.int16),
        "bias": np.zeros(channels, np.int32),
        "shift": np.zeros(channels, np.uint8),
    }
    epsilon = int(rng.choice([1, 1000, 1 << 30]))
    node = Node("norm", "layer_norm", ("x",), {"epsilon": epsilon}, tensors, -32767, 32767)
    graph = Graph((GraphInput("x", channels, -ACTIVATION_MAX, ACTIVATION_MAX),), (node,), ("norm",))
    values = np.clip(np.rint(x), -ACTIVATION_MAX, ACTIVATION_MAX).astype(np.int16)
    return Case(seed, graph, {"x": values}, size)


def strided(array: npt.NDArray[Any], kind: int) -> npt.NDArray[Any]:
    """The same values as they are (0), reversed (1), channels last (2), with gaps (3), Fortran order (4)."""
    if kind == 1:
        return array[::-1, ::-1, ::-1].copy()[::-1, ::-1, ::-1]
    if kind == 2:
        return np.ascontiguousarray(array.transpose(1, 2, 0)).transpose(2, 0, 1)
    if kind == 3:
        wide = np.zeros(tuple(3 * n for n in array.shape), array.dtype)
        wide[::3, 1::3, 2::3] = array
        return wide[::3, 1::3, 2::3]
    if kind == 4:
        return np.asfortranarray(array)
    return array
