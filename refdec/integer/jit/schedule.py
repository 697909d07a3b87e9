"""From steps to programs for one picture size: memory, descriptors, and the order of rows.

A level (the steps between two attentions) runs in bands of rows, one or more per thread. A band runs in
chunks: each step goes on by as many rows as the chunk's end needs, so that a store keeps only the rows
that somebody still reads, as a ring. Stores that a later level reads are kept whole. Bands overlap where
convolutions look across their borders; those rows are computed twice, with equal results.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from refdec.integer.graph import Shape
from refdec.integer.jit import layout as at
from refdec.integer.jit.describe import Ring, describe, operation_steps
from refdec.integer.jit.steps import Lowered, Step, Store

CACHE_BYTES = 1 << 20
"""Rings of one band should fit into this much memory, unless single rows are larger."""
LEAST_WORK = 1 << 26
"""Multiply-adds that are worth a band of their own: about a millisecond."""
SLACK = 4096
"""Bytes behind a memory area that vector loads may touch."""
ALIGN = 64

Int64 = npt.NDArray[np.int64]
Int32 = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Level:
    """Programs of the bands of one level, and which kept stores begin and end with it."""

    programs: tuple[Int32, ...]
    begins: tuple[Ring, ...]
    ends: tuple[Ring, ...]
    attentions: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """Everything that depends on sizes.

    :param externals: tensor names of the external bases, inputs (``True``) and outputs.
    :param arena: bytes of one band's rings.
    :param gram: first external base of the Gram sums, one per attention.
    :param spare: small arenas of earlier runs. The zero columns in them are never written, so they stay.
    """

    lowered: Lowered
    shapes: Mapping[str, Shape]
    operations: Int64
    numbers: Int64
    levels: tuple[Level, ...]
    rings: tuple[Ring, ...]
    externals: tuple[tuple[str, bool], ...]
    gram: int
    bases: int
    arena: int
    zero: int
    spare: list[npt.NDArray[np.uint8]] = field(default_factory=list)

    def bind_strides(self, inputs: Mapping[str, npt.NDArray[Any]]) -> Int64:
        """Descriptors for inputs of these strides."""
        operations = self.operations.copy()
        for index, step in enumerate(operation_steps(self.lowered)):
            if step.kind == at.PACK:
                sc, sy, sx = inputs[step.external].strides
                operations[index, [at.EXTRA0, at.IN_ROW, at.IN_STEP]] = sc, sy, sx
        return operations


class _Sizes:
    """Rows of work, reads and writes of the steps at one size."""

    def __init__(self, lowered: Lowered, shapes: Mapping[str, Shape]) -> None:
        self.shapes = shapes
        self.height = {store: shapes[store.size][1] for store in lowered.stores}
        self.width = {store: shapes[store.size][2] for store in lowered.stores}
        self.units: dict[Step, int] = {}
        self.extent: dict[Step, tuple[int, int]] = {}
        for step in lowered.steps:
            if step.kind == at.UNPACK:
                extent = shapes[step.external][1:]
                units = -(-extent[0] // step.extra)
            elif step.out is None:
                assert step.source is not None
                extent = (self.height[step.source.store], self.width[step.source.store])
                units = extent[0]
            else:
                extent = (self.height[step.out.store], self.width[step.out.store])
                units = -(-extent[0] // step.factor)
            self.units[step], self.extent[step] = units, extent

    def reads(self, step: Step, first: int, end: int) -> list[tuple[Store, int, int]]:
        """Rows ``[low, high)`` of stores that work rows ``[first, end)`` read."""
        out = []
        if step.source is not None:
            store = step.source.store
            low = first * step.stride + step.reach[0]
            high = (end - 1) * step.stride + step.reach[1] + 1
            height = self.height[store]
            out.append((store, min(max(low, 0), height), min(max(high, 0), height)))
        if step.operand is not None:
            store = step.operand.store
            height = self.height[store]
            out.append((store, min(first * step.factor, height), min(end * step.factor, height)))
        return out


def make_plan(
    lowered: Lowered,
    shapes: Mapping[str, Shape],
    threads: int,
    chunk_rows: int | None = None,
) -> Plan:
    """Plan for one size and number of threads; ``chunk_rows`` overrides the rows of a chunk."""
    sizes = _Sizes(lowered, shapes)
    rings = {s: Ring(s, sizes.height[s], sizes.width[s]) for s in lowered.stores}
    _borders(lowered, sizes, rings)
    count = 1 + max((step.level for step in lowered.steps), default=0)
    spans = _store_levels(lowered)
    for store, (first, last) in spans.items():
        rings[store].kept = last > first
        if rings[store].kept:
            rings[store].capacity = max(1, rings[store].height)
    programs = []
    first_operation = {}
    operation = 0
    for step in lowered.steps:
        first_operation[step] = operation
        operation += max(1, len(step.phases))
    for level in range(count):
        steps = [step for step in lowered.steps if step.level == level]
        programs.append(_bands(steps, sizes, rings, spans, first_operation, threads, chunk_rows))
    externals = [(s.external, True) for s in lowered.steps if s.kind == at.PACK]
    externals += [(s.external, False) for s in lowered.steps if s.kind == at.UNPACK]
    gram = at.B_EXTERNAL + len(externals)
    base = gram + len(lowered.attentions)
    arena = ALIGN
    for ring in rings.values():
        if ring.kept:
            ring.base, ring.offset = base, ALIGN
            base += 1
        else:
            ring.base, ring.offset = at.B_ARENA, arena
            arena += ring.size
    kept = [(ring, spans[ring.store]) for ring in rings.values() if ring.kept]
    levels = tuple(
        Level(
            tuple(programs[level]),
            tuple(r for r, (first, _) in kept if first == level),
            tuple(r for r, (_, last) in kept if last == level),
            tuple(s.runtime for s in lowered.steps if s.kind == at.GRAM and s.level == level),
        )
        for level in range(count)
    )
    operations, numbers = describe(lowered, shapes, rings, externals, gram)
    zero = max((ring.row for ring in rings.values()), default=0) + SLACK
    return Plan(
        lowered,
        shapes,
        operations,
        numbers,
        levels,
        tuple(rings.values()),
        tuple(externals),
        gram,
        base,
        arena + SLACK,
        zero,
    )


def _borders(lowered: Lowered, sizes: _Sizes, rings: Mapping[Store, Ring]) -> None:
    """Zero columns that the convolutions read beside each row, and the distance of rows."""
    for step in lowered.steps:
        if step.source is None or not step.phases:
            continue
        ring = rings[step.source.store]
        width = -(-sizes.extent[step][1] // step.factor)
        ring.left = max(ring.left, -step.columns[0])
        ring.right = max(ring.right, (width - 1) * step.stride + step.columns[1] - (ring.width - 1))
    for ring in rings.values():
        columns = ring.left + ring.width + ring.right
        row = columns * ring.store.channels * 2
        ring.row = -(-row // ALIGN) * ALIGN


def _store_levels(lowered: Lowered) -> dict[Store, tuple[int, int]]:
    """First level that writes and last level that uses each store."""
    spans: dict[Store, tuple[int, int]] = {}
    for step in lowered.steps:
        for tensor in (step.source, step.operand, step.out, step.dual):
            if tensor is not None:
                first, last = spans.get(tensor.store, (step.level, step.level))
                spans[tensor.store] = (min(first, step.level), max(last, step.level))
    return spans


def _bands(
    steps: list[Step],
    sizes: _Sizes,
    rings: Mapping[Store, Ring],
    spans: Mapping[Store, tuple[int, int]],
    first_operation: Mapping[Step, int],
    threads: int,
    chunk_rows: int | None,
) -> list[Int32]:
    units = [sizes.units[step] for step in steps]
    grid = max(1, min(units, default=1))
    if chunk_rows is None:
        stores = {t.store for s in steps for t in (s.out, s.dual) if t is not None}
        bytes_per_picture = sum(rings[s].row * rings[s].height for s in stores if not rings[s].kept)
        chunk_rows = max(1, CACHE_BYTES * grid // max(1, bytes_per_picture))
    work = sum(_work(step, sizes) for step in steps)
    bands = max(1, min(threads, grid, work // LEAST_WORK if LEAST_WORK else threads))
    out = []
    for band in range(bands):
        first, end = grid * band // bands, grid * (band + 1) // bands
        out.append(_Walk(steps, sizes, rings, spans, grid, first).run(end, chunk_rows, first_operation))
    return out


def _work(step: Step, sizes: _Sizes) -> int:
    """Multiply-adds of a step, roughly."""
    if step.out is None:
        return 0
    height, width = sizes.extent[step]
    per_pixel = sum(len(phase.segments) * max(1, phase.steps) for phase in step.phases) or 1
    return height * width // step.factor**2 * step.out.store.channels * per_pixel * 2


class _Walk:
    """The way of one band through its rows."""

    def __init__(
        self,
        steps: list[Step],
        sizes: _Sizes,
        rings: Mapping[Store, Ring],
        spans: Mapping[Store, tuple[int, int]],
        grid: int,
        first: int,
    ) -> None:
        self.steps, self.sizes, self.rings, self.grid = steps, sizes, rings, grid
        level = steps[0].level if steps else 0
        written = {t.store for s in steps for t in (s.out, s.dual) if t is not None}
        self.ours = written
        self.sinks = {
            s
            for s in steps
            if s.out is None or any(spans[t.store][1] > level for t in (s.out, s.dual) if t is not None)
        }
        self._start = first
        self.done = self._targets(first, low=True)

    def _targets(self, boundary: int, low: bool) -> dict[Step, int]:
        """Rows of work of each step: where a band that starts at ``boundary`` starts, or one ends."""
        # Rows of stores that are needed: the first one, or the one behind the last.
        need: dict[Store, int] = {}
        out: dict[Step, int] = {}
        for step in reversed(self.steps):
            units = self.sizes.units[step]
            values = []
            if step in self.sinks:
                values.append(units * boundary // self.grid)
            for tensor in (step.out, step.dual):
                if tensor is not None and tensor.store in need:
                    rows = need[tensor.store]
                    values.append(rows // step.factor if low else -(-rows // step.factor))
            if not values:
                # Nobody reads it.
                out[step] = 0
                continue
            value = min(values) if low else max(values)
            value = min(value, units)
            out[step] = value
            if value >= units if low else value <= 0:
                continue
            reads = self.sizes.reads(step, value, units) if low else self.sizes.reads(step, 0, value)
            for store, first, end in reads:
                if store in self.ours:
                    row = first if low else end
                    known = need.get(store)
                    need[store] = row if known is None else (min if low else max)(known, row)
        return out

    def run(self, end: int, chunk_rows: int, first_operation: Mapping[Step, int]) -> Int32:
        program: list[tuple[int, int, int]] = []
        boundary = self._start
        while boundary < end:
            boundary = min(end, boundary + chunk_rows)
            targets = self._targets(boundary, low=False)
            self._grow_rings(targets)
            for step in self.steps:
                a, b = self.done[step], targets[step]
                if b > a:
                    for phase in range(max(1, len(step.phases))):
                        program.append((first_operation[step] + phase, a, b))
                    self.done[step] = b
        return np.array(program, np.int32).reshape(-1, 3)

    def _grow_rings(self, targets: Mapping[Step, int]) -> None:
        """Room for what is written up to ``targets`` and still read from ``done`` on."""
        lowest: dict[Store, int] = {}
        for step in self.steps:
            if self.done[step] >= self.sizes.units[step]:
                continue
            for store, low, _ in self.sizes.reads(step, self.done[step], self.sizes.units[step]):
                lowest[store] = min(lowest.get(store, low), low)
        for step in self.steps:
            for tensor in (step.out, step.dual):
                if tensor is None or self.rings[tensor.store].kept:
                    continue
                ring = self.rings[tensor.store]
                top = min(targets[step] * step.factor, ring.height)
                low = min(lowest.get(tensor.store, top), self.done[step] * step.factor)
                ring.capacity = max(ring.capacity, top - low)
