"""Graphs are valid by construction, and say what they cannot run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from refdec.errors import ModelError, ResourceLimitError
from refdec.integer import Graph, GraphInput, Node, run
from refdec.integer.nodes import MAX_POSITIONS, OPS
from tests.integer.random_graphs import OPERATIONS, random_case


def tensors(**given: tuple[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    return {role: np.zeros(shape, dtype) for role, (dtype, shape) in given.items()}


def epilogue(channels: int) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {"bias": ("int32", (channels,)), "shift": ("uint8", (channels,))}


def single(op: str, channels: int, attributes: dict[str, Any], given: dict[str, np.ndarray]) -> Graph:
    lo, hi = (-9, 9) if OPS[op].clips else (None, None)
    names = ("x",) * (OPS[op].arity or 1)
    return Graph(
        (GraphInput("x", channels, -9, 9),), (Node("n", op, names, attributes, given, lo, hi),), ("n",)
    )


def conv(weight: tuple[int, ...], **attributes: Any) -> Graph:
    given = tensors(weight=("int8", weight), **epilogue(weight[0]))
    return single("conv", weight[1] * attributes.get("groups", 1), attributes, given)


ATTENTION = tensors(temperature=("int32", (2,)), shift=("uint8", (4,)))
BAD = {
    "groups that do not divide": lambda: single(
        "conv", 6, {"groups": 4}, tensors(weight=("int8", (4, 1, 1, 1)), **epilogue(4))
    ),
    "kernel too large": lambda: conv((1, 1, 16, 1)),
    "kernel without rows": lambda: conv((1, 1, 0, 1)),
    "transposed kernel of two": lambda: single(
        "transposed_conv", 3, {}, tensors(weight=("int8", (3, 2, 2, 2)), **epilogue(2))
    ),
    "transposed weight as a plain one": lambda: single(
        "transposed_conv", 3, {}, tensors(weight=("int8", (2, 3, 3, 3)), **epilogue(2))
    ),
    "shuffle that does not divide": lambda: single("pixel_shuffle", 6, {"factor": 2}, {}),
    "shuffle by nothing": lambda: single("pixel_shuffle", 6, {"factor": 0}, {}),
    "crop by nothing": lambda: single("crop", 1, {"divisor": 0}, {}),
    "slice beyond the end": lambda: single("slice", 4, {"start": 2, "stop": 5}, {}),
    "slice of nothing": lambda: single("slice", 4, {"start": 2, "stop": 2}, {}),
    "table too short": lambda: single("lut", 4, {}, tensors(table=("int16", (65535,)))),
    "mul with a short shift": lambda: single("mul", 4, {}, tensors(shift=("uint8", (3,)))),
    "add without a shift": lambda: single(
        "add", 4, {}, tensors(shift_a=("uint8", (4,)), shift_b=("uint8", (4,)))
    ),
    "norm over too many": lambda: single(
        "layer_norm", 513, {"epsilon": 1}, tensors(weight=("int16", (513,)), **epilogue(513))
    ),
    "norm without epsilon": lambda: single(
        "layer_norm", 4, {}, tensors(weight=("int16", (4,)), **epilogue(4))
    ),
    "norm with epsilon zero": lambda: single(
        "layer_norm", 4, {"epsilon": 0}, tensors(weight=("int16", (4,)), **epilogue(4))
    ),
    "attention heads that do not divide": lambda: single("channel_attention", 13, {"heads": 2}, ATTENTION),
    "attention temperature per channel": lambda: single("channel_attention", 12, {"heads": 4}, ATTENTION),
    "attention too hot": lambda: single(
        "channel_attention",
        12,
        {"heads": 2},
        ATTENTION | {"temperature": np.full(2, (1 << 24) + 1, np.int32)},
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_illegal_nodes(what: str) -> None:
    with pytest.raises(ModelError, match="node 'n'"):
        BAD[what]()


def test_left_shifts_are_limited() -> None:
    given = tensors(shift_a=("uint8", (4,)), shift_b=("uint8", (4,)), shift=("uint8", (4,)))
    single("add", 4, {}, given | {"shift_a": np.full(4, 15, np.uint8)})
    with pytest.raises(ModelError, match="shift_a"):
        single("add", 4, {}, given | {"shift_a": np.full(4, 16, np.uint8)})


@pytest.mark.parametrize(
    ("graph", "shape", "size"),
    [
        (conv((1, 1, 3, 3)), (1, 2, 9), (1, 1)),
        (single("crop", 1, {"divisor": 4}, {}), (1, 2, 2), (9, 8)),
        (single("crop", 1, {"divisor": 4}, {}), (1, 2, 2), (8, 9)),
    ],
)
def test_sizes_that_do_not_fit(graph: Graph, shape: tuple[int, ...], size: tuple[int, int]) -> None:
    with pytest.raises(ModelError, match="node 'n'"):
        run(graph, {"x": np.zeros(shape, np.int16)}, size, engine="golden")


def test_inputs_of_different_sizes() -> None:
    graph = Graph(
        (GraphInput("x", 1, 0, 1), GraphInput("y", 2, 0, 1)), (Node("n", "concat", ("x", "y")),), ("n",)
    )
    good = {"x": np.zeros((1, 3, 3), np.int16), "y": np.ones((2, 3, 3), np.int16)}
    assert run(graph, good, (3, 3), engine="golden")["n"].shape == (3, 3, 3)
    with pytest.raises(ModelError, match="different sizes"):
        run(graph, good | {"y": np.ones((2, 3, 4), np.int16)}, (3, 3), engine="golden")


def test_attention_positions_are_limited() -> None:
    graph = single("channel_attention", 12, {"heads": 2}, ATTENTION)
    assert graph.shapes({"x": (1 << 11, 1 << 12)}, (1, 1))["n"] == (4, 1 << 11, 1 << 12)
    with pytest.raises(ResourceLimitError, match=str(MAX_POSITIONS)):
        graph.shapes({"x": (1 << 11, (1 << 12) + 1)}, (1, 1))


def test_tensors_that_explode_are_refused_before_they_are_made() -> None:
    nodes = [
        Node(
            f"n{i}",
            "transposed_conv",
            (f"n{i - 1}" if i else "x",),
            {},
            tensors(weight=("int8", (1, 1, 3, 3)), **epilogue(1)),
            0,
            1,
        )
        for i in range(40)
    ]
    graph = Graph((GraphInput("x", 1, 0, 1),), tuple(nodes), ("n39",))
    with pytest.raises(ResourceLimitError, match="too large"):
        run(graph, {"x": np.zeros((1, 1, 1), np.int16)}, (1, 1), engine="golden")


def test_identity_graph() -> None:
    graph = Graph((GraphInput("x", 2, -5, 5),), (), ("x",))
    x = np.arange(-5, 5, dtype=np.int16).reshape(2, 1, 5)[:, :, ::-1]
    out = run(graph, {"x": x}, (1, 1), engine="golden")["x"]
    assert np.array_equal(out, x) and out.flags.c_contiguous


@pytest.mark.parametrize("op", OPERATIONS)
def test_shapes_are_those_that_come_out(op: str) -> None:
    for seed in range(10):
        case = random_case(seed, first=op)
        sizes = {name: (a.shape[1], a.shape[2]) for name, a in case.inputs.items()}
        shapes = case.graph.shapes(sizes, case.size)
        seen: dict[str, tuple[int, ...]] = {}
        run(
            case.graph,
            case.inputs,
            case.size,
            engine="golden",
            observe=lambda n, a, s=seen: s.update({n: a.shape}),
        )
        assert all(shapes[name] == shape for name, shape in seen.items())
        assert list(shapes) == [*sizes, *(node.name for node in case.graph.nodes)]


def test_json_form_is_a_fixed_point() -> None:
    for seed in range(40):
        graph = random_case(seed).graph
        data, arrays = graph.to_json("p/")
        again, more = Graph.from_json(data, arrays).to_json("p/")
        assert data == again
        assert all(np.array_equal(arrays[key], more[key]) for key in arrays)
