"""The machine's peak of int16 multiply-adds, and single layers of the Numba engine held against it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir as llvm
from numba import njit, types
from numba.extending import intrinsic

from refdec.integer import Graph, GraphInput, Node
from refdec.integer.jit import layout
from refdec.integer.jit import vector_ir as ir
from refdec.integer.jit.describe import operation_steps
from refdec.integer.jit.kernels import run_program
from refdec.integer.jit.lower import Lowering
from refdec.integer.jit.runner import run_program_bases
from refdec.integer.jit.schedule import make_plan

ACCUMULATORS = 12
ROUNDS = 500_000
"""A call of more than a millisecond: shorter ones are over before the clock of the core has settled."""


def _emit_peak(b: Any, rounds: Any, address: Any) -> Any:
    """Accumulators multiplied with each other, in registers: nothing can be moved out of the loop."""
    width = 2 * ir.LANES if ir.PAIRED else ir.LANES
    vector = llvm.VectorType(llvm.IntType(16), width)
    start = ir.load(b, address, llvm.VectorType(llvm.IntType(32), ir.LANES))
    weights = ir.load(b, address, vector)

    def body(_index: Any, acc: list[Any]) -> list[Any]:
        out = []
        for i, value in enumerate(acc):
            other = b.bitcast(acc[(i + 1) % len(acc)], llvm.VectorType(llvm.IntType(16), 2 * ir.LANES))
            if ir.PAIRED:
                product = ir.pair_products(b, weights, other)
            else:
                half = b.shuffle_vector(
                    other, other, llvm.Constant(_indices(ir.LANES), list(range(ir.LANES)))
                )
                wide = llvm.VectorType(llvm.IntType(32), ir.LANES)
                product = b.mul(b.sext(weights, wide), b.sext(half, wide))
            out.append(b.add(value, product))
        return out

    acc = ir.loop(b, rounds, [start] * ACCUMULATORS, body)
    total = acc[0]
    for value in acc[1:]:
        total = b.xor(total, value)
    return b.sext(b.extract_element(total, llvm.Constant(llvm.IntType(32), 0)), llvm.IntType(64))


def _indices(lanes: int) -> Any:
    return llvm.VectorType(llvm.IntType(32), lanes)


@intrinsic
def _peak(typingctx: Any, rounds: Any, address: Any) -> Any:
    def generate(context: Any, b: Any, signature: Any, args: Any) -> Any:
        return _emit_peak(b, args[0], args[1])

    return types.int64(types.int64, types.int64), generate


def peak_kernel() -> tuple[Callable[[], object], int]:
    """A call that does nothing but multiply-adds, and how many it does."""

    @njit(types.int64(types.int64, types.int64), nogil=True)
    def kernel(rounds: int, address: int) -> int:
        return _peak(rounds, address)

    data = np.arange(1, 65, dtype=np.int16)
    per_step = (2 if ir.PAIRED else 1) * ir.LANES * ACCUMULATORS
    return lambda: kernel(ROUNDS, data.ctypes.data), ROUNDS * per_step


def layer(kind: str, channels: int, outputs: int, groups: int = 1) -> Graph:
    """One convolution: ``conv3``, ``conv1`` or ``transposed4``."""
    rng = np.random.default_rng(0)
    kernel = {"conv3": 3, "conv1": 1, "transposed4": 4}[kind]
    tail = {"bias": np.zeros(outputs, np.int32), "shift": np.full(outputs, 12, np.uint8)}
    pad = (kernel // 2,) * 4
    if kind == "transposed4":
        weight = rng.integers(-99, 100, (channels, outputs, 4, 4)).astype(np.int16)
        op, attributes = "transposed_conv", {}
    else:
        weight = rng.integers(-99, 100, (outputs, channels // groups, kernel, kernel)).astype(np.int16)
        op, attributes = "conv", {"pad": pad, "groups": groups}
    node = Node("y", op, ("x",), attributes, {"weight": weight, **tail}, -9999, 9999)
    return Graph((GraphInput("x", channels, -999, 999),), (node,), ("y",))


def layer_kernel(graph: Graph, height: int, width: int) -> tuple[Callable[[], object], int]:
    """The convolution alone, in the engine's memory layout, and its multiply-adds."""
    lowered = Lowering(graph, graph.outputs).lower()
    plan = make_plan(lowered, graph.shapes({"x": (height, width)}, (height, width)), 1)
    x = np.random.default_rng(0).integers(-999, 1000, (graph.channels["x"], height, width)).astype(np.int16)
    operations, bases, memory = run_program_bases(plan, {"x": x})
    program = plan.levels[0].programs[0]
    run_program(operations, program, bases)
    kinds = (layout.CONV, layout.DEPTHWISE)
    wanted = [i for i, step in enumerate(operation_steps(lowered)) if step.kind in kinds]
    program = np.ascontiguousarray(program[np.isin(program[:, 0], wanted)])
    node = graph.nodes[0]
    weight = node.tensors["weight"]
    outputs = graph.channels["y"]
    taps = 4 if node.op == "transposed_conv" else weight.shape[2] * weight.shape[3]
    area = plan.shapes["y"][1] * plan.shapes["y"][2]
    per_output = (weight.shape[0] if node.op == "transposed_conv" else weight.shape[1]) * taps
    # The default argument keeps the memory alive that the addresses point to.
    return lambda memory=memory: run_program(operations, program, bases), area * outputs * per_output


def rate(call: Callable[[], object], products: int, rounds: int) -> float:
    """Multiply-adds per second, best of ``rounds``."""
    best = min(_seconds(call) for _ in range(rounds))
    return products / best


def _seconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin
