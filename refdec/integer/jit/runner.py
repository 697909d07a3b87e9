"""Running plans: memory, base addresses, threads."""

from __future__ import annotations

import os
import threading
import weakref
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from refdec.integer.graph import Graph
from refdec.integer.jit import layout as at
from refdec.integer.jit.attention import attention_matrix
from refdec.integer.jit.describe import Ring
from refdec.integer.jit.kernels import run_program
from refdec.integer.jit.lower import Lowering, attention_weights
from refdec.integer.jit.pack import padded
from refdec.integer.jit.schedule import SLACK, Level, Plan, make_plan
from refdec.integer.jit.steps import Lowered, Tensor

PLANS = 8
"""Plans remembered per graph."""
PIECE = 256
"""So many operations run before signals are heard: some hundredths of a second."""
SPARE_BYTES, SPARES = 1 << 22, 4
"""Arenas up to this size are kept for the next run, and so many per plan."""

Int16Array = npt.NDArray[np.int16]
Bytes = npt.NDArray[np.uint8]


class Compiled:
    """Everything remembered about one graph."""

    def __init__(self, graph: Graph) -> None:
        self._lowered: dict[tuple[str, ...], Lowered] = {}
        self._plans: OrderedDict[Any, Plan] = OrderedDict()
        self._lock = threading.Lock()
        # The graph itself is the key that keeps this object alive: no reference back to it.
        self._graph = weakref.ref(graph)

    def plan(
        self,
        sizes: Mapping[str, tuple[int, int]],
        size: tuple[int, int],
        outputs: tuple[str, ...],
        threads: int,
    ) -> Plan:
        graph = self._graph()
        assert graph is not None
        key = (tuple(sizes[item.name] for item in graph.inputs), size, outputs, threads)
        with self._lock:
            plan = self._plans.pop(key, None)
            if plan is None:
                lowered = self._lowered.get(outputs)
                if lowered is None:
                    lowered = self._lowered[outputs] = Lowering(graph, outputs).lower()
                plan = make_plan(lowered, graph.shapes(sizes, size), threads)
            self._plans[key] = plan
            while len(self._plans) > PLANS:
                self._plans.popitem(last=False)
        return plan


_COMPILED: weakref.WeakKeyDictionary[Graph, Compiled] = weakref.WeakKeyDictionary()
_COMPILED_LOCK = threading.Lock()


def compiled(graph: Graph) -> Compiled:
    """What is remembered about ``graph``."""
    with _COMPILED_LOCK:
        known = _COMPILED.get(graph)
        if known is None:
            known = _COMPILED[graph] = Compiled(graph)
        return known


@cache
def _pool(workers: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers, thread_name_prefix="refdec-integer")


if hasattr(os, "register_at_fork"):
    # A child process has none of its parent's threads.
    os.register_at_fork(after_in_child=_pool.cache_clear)


def execute(
    graph: Graph,
    inputs: Mapping[str, npt.NDArray[Any]],
    size: tuple[int, int],
    outputs: Sequence[str],
    threads: int,
) -> dict[str, Int16Array]:
    """The tensors ``outputs`` for checked inputs."""
    sizes = {name: (int(a.shape[1]), int(a.shape[2])) for name, a in inputs.items()}
    plan = compiled(graph).plan(sizes, (int(size[0]), int(size[1])), tuple(outputs), threads)
    return run_plan(plan, inputs)


def _bases(
    plan: Plan, inputs: Mapping[str, npt.NDArray[Any]], results: Mapping[str, Int16Array]
) -> tuple[npt.NDArray[np.int64], list[npt.NDArray[Any]]]:
    """Base addresses of what all bands share, and the arrays behind them that nobody else holds."""
    bases = np.zeros(plan.bases, np.int64)
    zero = np.zeros(plan.zero, np.uint8)
    lowered = plan.lowered
    for index, array in (
        (at.B_WEIGHTS, lowered.weights),
        (at.B_BLOCKS, lowered.blocks),
        (at.B_NUMBERS, plan.numbers),
        (at.B_ZERO, zero),
    ):
        bases[index] = array.ctypes.data
    for index, (name, is_input) in enumerate(plan.externals):
        bases[at.B_EXTERNAL + index] = (inputs if is_input else results)[name].ctypes.data
    return bases, [zero]


def run_program_bases(
    plan: Plan, inputs: Mapping[str, npt.NDArray[Any]]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], list[npt.NDArray[Any]]]:
    """Descriptors and addresses to run parts of a plan of one level and one band, for measurements.

    The third value is the memory that the addresses point to: to be held as long as they are used.
    """
    results = {name: np.empty(plan.shapes[name], np.int16) for name in plan.lowered.outputs}
    bases, memory = _bases(plan, inputs, results)
    arena = np.zeros(plan.arena, np.uint8)
    bases[at.B_ARENA] = arena.ctypes.data
    held: list[npt.NDArray[Any]] = [*memory, *inputs.values(), *results.values(), arena]
    return plan.bind_strides(inputs), bases, [*held, plan.lowered.weights, plan.lowered.blocks, plan.numbers]


def run_plan(plan: Plan, inputs: Mapping[str, npt.NDArray[Any]]) -> dict[str, Int16Array]:
    """Run a plan on inputs of the sizes it was made for."""
    results = {name: np.empty(plan.shapes[name], np.int16) for name in plan.lowered.outputs}
    operations = plan.bind_strides(inputs)
    bases, memory = _bases(plan, inputs, results)
    kept: dict[Ring, Bytes] = {}
    runtime: Int16Array | None = None
    for level in plan.levels:
        for ring in level.begins:
            kept[ring] = np.zeros(ring.offset + ring.size + SLACK, np.uint8)
            bases[ring.base] = kept[ring].ctypes.data
        if runtime is not None:
            bases[at.B_RUNTIME] = runtime.ctypes.data
        sums = _run_level(plan, level, operations, bases)
        runtime = _attention(plan, level, sums)
        for ring in level.ends:
            del kept[ring]
    del memory
    return results


def _run_level(
    plan: Plan, level: Level, operations: npt.NDArray[np.int64], bases: npt.NDArray[np.int64]
) -> list[npt.NDArray[np.int64]]:
    """All bands; returns the Gram sums of the level's attentions."""
    tables, sums = [], []
    for _ in level.programs:
        table = bases.copy()
        own = []
        for index in level.attentions:
            a = plan.lowered.attentions[index]
            channels = a.heads * a.width
            own.append(np.zeros((channels + 2 * a.heads) * padded(a.width), np.int64))
            table[plan.gram + index] = own[-1].ctypes.data
        tables.append(table)
        sums.append(own)

    def band(index: int) -> None:
        try:
            arena = plan.spare.pop()
        except IndexError:
            arena = np.zeros(plan.arena, np.uint8)
        tables[index][at.B_ARENA] = arena.ctypes.data
        program = level.programs[index]
        for start in range(0, len(program), PIECE):
            if stopped:
                return
            run_program(operations, program[start : start + PIECE], tables[index])
        if plan.arena <= SPARE_BYTES and len(plan.spare) < SPARES:
            plan.spare.append(arena)

    # Whoever is free takes the next band: a helper that does not get a processor holds nobody up.
    waiting = deque(range(len(level.programs)))
    stopped: list[bool] = []

    def work() -> None:
        while True:
            try:
                index = waiting.popleft()
            except IndexError:
                return
            band(index)

    helpers = len(level.programs) - 1
    others = [_pool(helpers).submit(work) for _ in range(helpers)]
    try:
        work()
    except BaseException:  # an interruption too: the others need not do their bands
        stopped.append(True)
        raise
    finally:
        # One that has not begun finds nothing to do; the others use memory that must live until they end.
        running = [future for future in others if not future.cancel()]
        wait(running)
    for future in running:
        future.result()
    return [np.sum(parts, axis=0) for parts in zip(*sums, strict=True)]


def _attention(plan: Plan, level: Level, sums: list[npt.NDArray[np.int64]]) -> Int16Array | None:
    """Weights of the next level's weighted sums."""
    if not level.attentions:
        return None
    packed = []
    for index, total in zip(level.attentions, sums, strict=True):
        a = plan.lowered.attentions[index]
        matrix = attention_matrix(total, a.heads, a.width, a.node.tensors["temperature"])
        step = next(s for s in plan.lowered.steps if s.phases and s.runtime == index)
        assert isinstance(step.source, Tensor)
        packed.append(attention_weights(matrix, step.source).weights)
    return np.concatenate([*packed, np.zeros(64, np.int16)])
