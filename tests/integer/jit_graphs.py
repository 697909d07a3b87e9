"""Graphs with the shapes and patterns of the standard's networks, in random integers."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from refdec.integer import Graph, GraphInput, Node

INPUT_LIMIT = 2000


def _random(name: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(name.encode()))


def _tail(name: str, outputs: int, bits: int) -> dict[str, Any]:
    rng = _random(name)
    return {
        "bias": rng.integers(-(1 << (bits + 8)), 1 << (bits + 8), outputs).astype(np.int32),
        "shift": rng.integers(bits, bits + 3, outputs).astype(np.uint8),
    }


def conv_node(
    name: str,
    source: str,
    inputs: int,
    outputs: int,
    kernel: int = 1,
    *,
    groups: int = 1,
    lo: int = -INPUT_LIMIT,
    hi: int = INPUT_LIMIT,
    weight: int | None = None,
    pad: tuple[int, int, int, int] | None = None,
    **attributes: Any,
) -> Node:
    """A convolution whose sums fit int32 for inputs up to a few thousand; ``weight``: all weights alike."""
    shape = (outputs, inputs // groups, kernel, kernel)
    values = np.full(shape, weight) if weight is not None else _random(name).integers(-200, 200, shape)
    attributes["pad"] = pad if pad is not None else (kernel // 2,) * 4
    attributes["groups"] = groups
    tensors = {"weight": values.astype(np.int16), **_tail(name, outputs, 10)}
    return Node(name, "conv", (source,), attributes, tensors, lo, hi)


def transposed_node(name: str, source: str, inputs: int, outputs: int, kernel: int) -> Node:
    weight = _random(name).integers(-200, 200, (inputs, outputs, kernel, kernel)).astype(np.int16)
    tensors = {"weight": weight, **_tail(name, outputs, 9)}
    return Node(name, "transposed_conv", (source,), {}, tensors, -INPUT_LIMIT, INPUT_LIMIT)


def binary_node(name: str, op: str, a: str, b: str, channels: int, **options: Any) -> Node:
    rng = _random(name)
    tensors = {"shift": rng.integers(1, 4, channels).astype(np.uint8)}
    if op == "mul":
        tensors["shift"] = rng.integers(8, 12, channels).astype(np.uint8)
    else:
        tensors |= {f"shift_{k}": rng.integers(0, 3, channels).astype(np.uint8) for k in "ab"}
    return Node(name, op, (a, b), options, tensors, -INPUT_LIMIT, INPUT_LIMIT)


def gate(name: str, source: str, channels: int, groups: int) -> list[Node]:
    """ReLU6, grouped 3x3, 1x1, product with the unclipped value."""
    return [
        Node(f"{name}.relu6", "clip", (source,), lo=0, hi=1500),
        conv_node(f"{name}.conv", f"{name}.relu6", channels, channels, 3, groups=groups),
        conv_node(f"{name}.conv2", f"{name}.conv", channels, channels),
        binary_node(name, "mul", source, f"{name}.conv2", channels),
    ]


def _inputs(channels: int) -> tuple[GraphInput, ...]:
    return (GraphInput("x", channels, -INPUT_LIMIT, INPUT_LIMIT),)


def gated_network() -> Graph:
    """The pattern of the fast synthesis: residual, doubling by shuffle and transposed, gates, crops."""
    nodes = [
        conv_node("start.conv", "x", 48, 48, 3),
        Node("start.relu", "clip", ("start.conv",), lo=0, hi=INPUT_LIMIT),
        binary_node("start", "add", "x", "start.relu", 48),
        conv_node("up.conv", "start", 48, 128, 2, pad=(0, 0, 1, 1)),
        Node("up", "pixel_shuffle", ("up.conv",), {"factor": 2}),
        *gate("gate1", "up", 32, 2),
        Node("crop8", "crop", ("gate1",), {"divisor": 8}),
        transposed_node("up2", "crop8", 32, 32, 4),
        Node("crop4", "crop", ("up2",), {"divisor": 4}),
        *gate("gate2", "crop4", 32, 2),
        conv_node("last", "gate2", 32, 16),
        Node("shuffle", "pixel_shuffle", ("last",), {"factor": 4}),
        Node("signal", "crop", ("shuffle",), {"divisor": 1}),
    ]
    return Graph(_inputs(48), tuple(nodes), ("signal",))


def attention_block() -> Graph:
    """The pattern of a transformer block with a small transposed convolution on the way out."""
    norm = {
        "weight": _random("norm").integers(-9000, 9000, 16).astype(np.int16),
        "bias": _random("bias").integers(-(1 << 24), 1 << 24, 16).astype(np.int32),
        "shift": np.full(16, 18, np.uint8),
    }
    temperature = np.array([90000, 150000], np.int32)
    attention = {"temperature": temperature, "shift": np.full(16, 15, np.uint8)}
    table = (np.arange(-32768, 32768) // 3).astype(np.int16)
    nodes = [
        Node("norm", "layer_norm", ("x",), {"epsilon": 1 << 12}, norm, -INPUT_LIMIT, INPUT_LIMIT),
        conv_node("qkv.conv", "norm", 16, 48),
        conv_node("qkv", "qkv.conv", 48, 48, 3, groups=48),
        Node("attention", "channel_attention", ("qkv",), {"heads": 2}, attention, -INPUT_LIMIT, INPUT_LIMIT),
        conv_node("project", "attention", 16, 16),
        binary_node("sum", "add", "x", "project", 16),
        conv_node("in", "sum", 16, 64),
        conv_node("depthwise", "in", 64, 64, 3, groups=64),
        Node("a", "slice", ("depthwise",), {"start": 0, "stop": 32}),
        Node("b", "slice", ("depthwise",), {"start": 32, "stop": 64}),
        Node("table", "lut", ("a",), tensors={"table": table}, lo=-9000, hi=9000),
        binary_node("gated", "mul", "table", "b", 32),
        conv_node("out", "gated", 32, 16),
        binary_node("y", "add", "sum", "out", 16),
        transposed_node("up", "y", 16, 8, 3),
        Node("signal", "pixel_shuffle", ("up",), {"factor": 2}),
    ]
    return Graph(_inputs(16), tuple(nodes), ("signal",))


def branches() -> Graph:
    """Concatenations with and without copies, slices, one tensor with many users."""
    nodes = [
        conv_node("a", "x", 48, 32, 3),
        conv_node("b", "x", 48, 24),
        Node("ab", "concat", ("a", "x", "b", "a")),
        conv_node("c", "ab", 136, 16, 3),
        Node("odd", "slice", ("ab",), {"start": 37, "stop": 72}),
        conv_node("d", "odd", 35, 7, 3),
        conv_node("e", "odd", 35, 16),
        binary_node("sum", "add", "c", "e", 16),
        binary_node("product", "mul", "e", "sum", 16, rounding="floor"),
        Node("absolute", "abs", ("product",), lo=5, hi=900),
    ]
    return Graph(_inputs(48), tuple(nodes), ("d", "absolute", "x", "odd"))


def single_layers(outputs: int) -> Callable[[], Graph]:
    """Convolutions of every kind side by side, ``outputs`` channels each."""

    def build() -> Graph:
        leaky = {"numerator": 41, "shift": 12}
        nodes = [
            conv_node("dense", "x", 32, outputs, 3, leaky=leaky),
            conv_node("point", "x", 32, outputs, rounding="floor"),
            conv_node("strided", "x", 32, outputs, 3, stride=2),
            conv_node("large", "x", 32, outputs, 5),
            conv_node("grouped", "x", 32, 2 * outputs, 3, groups=2, leaky=leaky),
            conv_node("depthwise", "x", 32, 32, 3, groups=32, leaky=leaky),
            conv_node("moved", "x", 32, 32, 3, groups=32, pad=(2, 0, 0, 2)),
            conv_node("strided_depthwise", "x", 32, 32, 3, groups=32, stride=2),
            transposed_node("t3", "x", 32, outputs, 3),
            transposed_node("t4", "x", 32, outputs, 4),
            conv_node("after", "t4", outputs, 8, 3),
        ]
        names = tuple(node.name for node in nodes if node.name != "t4")
        return Graph(_inputs(32), tuple(nodes), names)

    return build


GRAPHS: dict[str, Callable[[], Graph]] = {
    "gated": gated_network,
    "attention": attention_block,
    "branches": branches,
    "layers1": single_layers(1),
    "layers16": single_layers(16),
    "layers40": single_layers(40),
}
