"""The Numba engine gives the golden engine's integers: every node, any threads, sizes, rows per chunk."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refdec.errors import ModelError, ResourceLimitError
from refdec.integer import Graph, GraphInput, Node, golden, jit, run
from refdec.integer.jit import layout, lower, runner, schedule
from refdec.integer.proof import OverflowProofError
from tests.integer.jit_graphs import GRAPHS, attention_block, conv_node, gated_network
from tests.integer.random_graphs import OPERATIONS, Case, random_case, random_inputs, strided

THREADS = (1, 2, 3, 5)


@pytest.fixture(autouse=True)
def bands_for_little_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many bands as threads, however small the picture."""
    monkeypatch.setattr(schedule, "LEAST_WORK", 0)


def assert_equal(found: dict[str, np.ndarray], expected: dict[str, np.ndarray], *context: object) -> None:
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert found[name].dtype == np.int16 and found[name].flags.c_contiguous
        assert np.array_equal(found[name], array), (name, *context)


def every_node(engine, case: Case, **options) -> dict[str, np.ndarray]:
    seen: dict[str, np.ndarray] = {}
    engine(case.graph, case.inputs, case.size, observe=seen.__setitem__, **options)
    return seen


def with_chunks(case: Case, threads: int, rows: int) -> dict[str, np.ndarray]:
    """The outputs when bands run in chunks of ``rows`` rows of the coarsest grid."""
    sizes = {name: array.shape[1:] for name, array in case.inputs.items()}
    lowered = lower.Lowering(case.graph, case.graph.outputs).lower()
    plan = schedule.make_plan(lowered, case.graph.shapes(sizes, case.size), threads, rows)
    return runner.run_plan(plan, case.inputs)


@pytest.mark.parametrize("op", OPERATIONS)
def test_operations(op: str) -> None:
    for seed in range(12):
        case = random_case(77 * seed + 5, first=op, steps=1 + seed % 3)
        expected = golden.run(case.graph, case.inputs, case.size)
        for threads in THREADS:
            found = jit.run(case.graph, case.inputs, case.size, threads=threads)
            assert_equal(found, expected, case.seed, threads)


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(THREADS), st.integers(1, 4))
def test_random_graphs(seed: int, threads: int, rows: int) -> None:
    case = random_case(seed)
    expected = golden.run(case.graph, case.inputs, case.size)
    assert_equal(jit.run(case.graph, case.inputs, case.size, threads=threads), expected, seed, threads)
    assert_equal(with_chunks(case, threads, rows), expected, seed, threads, rows)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(THREADS))
def test_observed_nodes(seed: int, threads: int) -> None:
    case = random_case(seed)
    expected = every_node(golden.run, case)
    found = every_node(jit.run, case, threads=threads)
    assert_equal(found, expected, seed, threads)
    assert list(found) == [node.name for node in case.graph.nodes]


def test_twin_agrees() -> None:
    pytest.importorskip("torch")
    from conformance import twin

    for seed in range(40):
        case = random_case(9000 + seed)
        found = jit.run(case.graph, case.inputs, case.size, threads=1 + seed % 3)
        assert_equal(found, twin.run(case.graph, case.inputs, case.size), seed)


@pytest.mark.parametrize("kind", range(5))
def test_memory_layout_of_inputs(kind: int) -> None:
    for seed in range(25):
        case = random_case(seed)
        moved = {name: strided(array, kind) for name, array in case.inputs.items()}
        expected = golden.run(case.graph, case.inputs, case.size)
        assert_equal(jit.run(case.graph, moved, case.size, threads=1 + seed % 2), expected, seed)


def network_cases(name: str) -> Iterator[Case]:
    """One topology at sizes around the tiles' widths, saturating and not."""
    graph = GRAPHS[name]()
    rng = np.random.default_rng(len(name))
    for index, (h, w) in enumerate(((1, 1), (2, 3), (3, 5), (5, 11), (4, 12), (3, 13), (2, 17), (7, 25))):
        for _ in range(2):
            inputs = random_inputs(graph, {item.name: (h, w) for item in graph.inputs}, rng)
            size = (16 * h - index % 16, 16 * w - (3 * index) % 16)
            yield Case(index, graph, inputs, size)


@pytest.mark.parametrize("name", sorted(GRAPHS))
def test_kernel_modes_and_tile_tails(name: str) -> None:
    for case in network_cases(name):
        expected = golden.run(case.graph, case.inputs, case.size)
        for threads in (1, 3):
            found = jit.run(case.graph, case.inputs, case.size, threads=threads)
            assert_equal(found, expected, name, case.seed, threads)
        for rows in (1, 2, 100):
            assert_equal(with_chunks(case, 2, rows), expected, name, case.seed, rows)


def test_repeated_runs_reuse_nothing_stale() -> None:
    """Other inputs and other sizes in between do not leave traces."""
    cases = [case for name in ("gated", "attention") for case in network_cases(name)]
    expected = [golden.run(case.graph, case.inputs, case.size) for case in cases]
    for order in (1, -1):
        for case, values in list(zip(cases, expected, strict=True))[::order]:
            assert_equal(jit.run(case.graph, case.inputs, case.size, threads=2), values, case.seed)


def kinds(graph: Graph) -> list[int]:
    return [step.kind for step in lower.Lowering(graph, graph.outputs).lower().steps]


def test_fusion() -> None:
    """What needs no pass of its own gets none."""
    found = kinds(gated_network())
    assert set(found) == {layout.PACK, layout.CONV, layout.UNPACK}
    convolutions = sum(node.op in ("conv", "transposed_conv") for node in gated_network().nodes)
    assert found.count(layout.CONV) == convolutions
    found = kinds(attention_block())
    assert layout.SHUFFLE not in found and found.count(layout.GRAM) == 1
    assert found.count(layout.POINTWISE) == 1  # the gate behind the table


def test_memory_does_not_grow_with_height() -> None:
    graph = gated_network()
    lowered = lower.Lowering(graph, graph.outputs).lower()
    arenas = []
    for h in (64, 256):
        shapes = graph.shapes({"x": (h, 40)}, (16 * h, 640))
        plan = schedule.make_plan(lowered, shapes, 1, 4)
        assert not any(ring.kept for ring in plan.rings)
        arenas.append(plan.arena)
    assert arenas[0] == arenas[1]


def test_little_work_stays_in_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    graph = gated_network()
    lowered = lower.Lowering(graph, graph.outputs).lower()
    bands = []
    for h, w in ((4, 6), (90, 160)):
        plan = schedule.make_plan(lowered, graph.shapes({"x": (h, w)}, (16 * h, 16 * w)), 4)
        bands.append(len(plan.levels[0].programs))
    assert bands == [1, 4]


def test_errors_are_those_of_the_interface() -> None:
    case = random_case(3)
    name = next(iter(case.inputs))
    with pytest.raises(ValueError, match=name):
        run(case.graph, case.inputs | {name: case.inputs[name][:, :, 0]}, case.size)
    with pytest.raises(ValueError, match="threads"):
        run(case.graph, case.inputs, case.size, threads=0)
    big = Graph((GraphInput("x", 32, -32767, 32767),), (conv_node("c", "x", 32, 16, weight=32767),), ("c",))
    with pytest.raises(OverflowProofError):
        run(big, {"x": np.zeros((32, 2, 2), np.int16)}, (2, 2))
    crop = Graph((GraphInput("x", 1, 0, 1),), (Node("c", "crop", ("x",), {"divisor": 1}),), ("c",))
    with pytest.raises(ModelError):
        run(crop, {"x": np.zeros((1, 2, 2), np.int16)}, (3, 3))
    with pytest.raises(ResourceLimitError):
        run(attention_block(), {"x": np.broadcast_to(np.int16(0), (16, 2900, 2900))}, (1, 1))


def test_shapes_are_worked_out_once_for_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is remembered is bounded, and a size that a graph cannot run at is refused each time."""
    graph = Graph((GraphInput("x", 2, -9, 9),), (conv_node("c", "x", 2, 2, 3),), ("c",))
    asked: list[tuple[int, int]] = []
    shapes = Graph.shapes

    def counted(self: Graph, sizes: dict[str, tuple[int, int]], size: tuple[int, int]) -> object:
        asked.append(size)
        return shapes(self, sizes, size)

    monkeypatch.setattr(Graph, "shapes", counted)
    for size in ((4, 5), (4, 6), (4, 5), (4, 6)):
        jit.run(graph, {"x": np.ones((2, *size), np.int16)}, size)
    assert asked == [(4, 5), (4, 6)]
    for rows in range(1, 3 * runner.PLANS):
        jit.run(graph, {"x": np.ones((2, rows, 3), np.int16)}, (rows, 3))
    assert len(runner.compiled(graph)._plans) == runner.PLANS
    for _ in range(2):
        with pytest.raises(ModelError):
            jit.run(graph, {"x": np.ones((2, 0, 3), np.int16)}, (0, 3))
