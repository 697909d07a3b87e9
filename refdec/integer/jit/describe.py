"""Descriptors: the int64 rows that the interpreter reads for each operation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from refdec.integer.graph import Shape
from refdec.integer.jit import layout as at
from refdec.integer.jit import vector_ir as ir
from refdec.integer.jit.pack import padded
from refdec.integer.jit.steps import Lowered, Phase, Step, Store, Tensor

Int64 = npt.NDArray[np.int64]


@dataclass(eq=False)
class Ring:
    """Memory of one store: ``capacity`` rows of ``row`` bytes; ``left`` zero pixels in front of each row."""

    store: Store
    height: int
    width: int
    left: int = 0
    right: int = 0
    row: int = 0
    capacity: int = 1
    kept: bool = False
    base: int = 0
    offset: int = 0

    @property
    def size(self) -> int:
        return self.row * self.capacity


def operation_steps(lowered: Lowered) -> list[Step]:
    """The step of every operation: one per phase, and one for a step without phases."""
    return [step for step in lowered.steps for _ in range(max(1, len(step.phases)))]


def describe(
    lowered: Lowered,
    shapes: Mapping[str, Shape],
    rings: Mapping[Store, Ring],
    externals: Sequence[tuple[str, bool]],
    gram: int,
) -> tuple[Int64, Int64]:
    """Descriptors ``[operations, FIELDS]``, and the numbers that they point to.

    :param externals: tensor name and whether it is an input, in the order of their bases.
    :param gram: base of the first attention's sums.
    """
    rows: list[Int64] = []
    numbers = list(lowered.numbers.tolist())
    bases = {key: at.B_EXTERNAL + index for index, key in enumerate(externals)}
    for step in lowered.steps:
        phases: list[Phase | None] = [*step.phases] or [None]
        for phase in phases:
            d = np.zeros(at.FIELDS, np.int64)
            # Rings that an operation does not use need a capacity all the same.
            d[[at.IN_CAPACITY, at.OUT_CAPACITY, at.X_CAPACITY, at.DUAL_CAPACITY]] = 1
            d[at.KIND], d[at.FLAGS], d[at.CHANNELS] = step.kind, step.flags, step.channels
            d[at.STRIDE], d[at.ROW_FACTOR], d[at.EXTRA0] = step.stride, 1, step.extra
            _source(d, step, rings)
            _results(d, step, phase, rings)
            d[at.W_BASE], d[at.W_OFFSET] = at.B_WEIGHTS, step.table
            d[at.BLOCK_BASE], d[at.BLOCK_OFFSET] = at.B_BLOCKS, step.blocks
            if phase is not None:
                _phase(d, step, phase, rings, numbers)
            else:
                d[at.SEGMENT_TABLE] = step.numbers // 8
            if step.kind == at.SHUFFLE and step.out is not None:
                d[at.EXTRA1], d[at.EXTRA2] = rings[step.out.store].height, rings[step.out.store].width
            elif step.kind == at.PACK:
                d[at.IN_BASE] = bases[step.external, True]
            elif step.kind == at.UNPACK:
                _, height, width = shapes[step.external]
                d[at.OUT_BASE], d[at.OUT_ROW] = bases[step.external, False], 2 * width
                d[at.EXTRA1], d[at.EXTRA2] = height, width
            elif step.kind == at.GRAM:
                d[at.OUT_BASE], d[at.EXTRA1] = gram + step.runtime, padded(step.extra)
            rows.append(d)
    return np.array(rows, np.int64).reshape(-1, at.FIELDS), np.array([*numbers, *[0] * 8], np.int64)


def _tensor(d: Int64, field: int, tensor: Tensor, rings: Mapping[Store, Ring]) -> None:
    """Base, offset of pixel 0, row distance and capacity from ``field`` on."""
    ring = rings[tensor.store]
    pixel = 2 * ring.store.channels
    d[field], d[field + 1] = ring.base, ring.offset + ring.left * pixel + 2 * tensor.first
    d[field + 2], d[field + 3] = ring.row, ring.capacity


def _source(d: Int64, step: Step, rings: Mapping[Store, Ring]) -> None:
    if step.source is None:
        return
    ring = rings[step.source.store]
    _tensor(d, at.IN_BASE, step.source, rings)
    d[at.IN_HEIGHT], d[at.IN_STEP] = ring.height, 2 * ring.store.channels * step.stride
    d[at.ZERO_OFFSET] = 2 * (ring.left * ring.store.channels + step.source.first)
    d[at.WIDTH] = ring.width


def _results(d: Int64, step: Step, phase: Phase | None, rings: Mapping[Store, Ring]) -> None:
    dy, dx = (phase.dy, phase.dx) if phase is not None else (0, 0)
    tensors = ((step.out, at.OUT_BASE), (step.operand, at.X_BASE), (step.dual, at.DUAL_BASE))
    steps = (at.OUT_STEP, at.X_STEP, at.DUAL_STEP)
    factor = step.factor if phase is not None else 1
    for (tensor, field), step_field in zip(tensors, steps, strict=True):
        if tensor is None:
            continue
        pixel = 2 * tensor.store.channels
        _tensor(d, field, tensor, rings)
        d[field + 1] += dx * pixel
        d[step_field] = pixel * factor
    if step.out is not None:
        ring = rings[step.out.store]
        d[at.PANELS] = padded(step.out.channels) // ir.LANES
        if phase is not None:
            d[at.ROW_FACTOR], d[at.ROW_START] = factor, dy
            d[at.WIDTH] = -(-(ring.width - dx) // factor)
            d[at.ROWS] = -(-(ring.height - dy) // factor)
        elif step.kind != at.SHUFFLE:
            d[at.WIDTH] = ring.width


def _phase(d: Int64, step: Step, phase: Phase, rings: Mapping[Store, Ring], numbers: list[int]) -> None:
    assert step.source is not None
    pixel = 2 * rings[step.source.store].store.channels
    d[at.SEGMENTS], d[at.SEGMENT_TABLE], d[at.STEPS] = len(phase.segments), len(numbers), phase.steps
    for row, column in phase.segments:
        numbers += [row, column * pixel]
    d[at.W_BASE] = at.B_WEIGHTS if step.runtime < 0 else at.B_RUNTIME + 0
    d[at.W_OFFSET], d[at.W_PANEL] = phase.weights, phase.panel_bytes
    d[at.BLOCK_OFFSET] = phase.blocks
