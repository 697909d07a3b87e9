"""Weights and epilogue parameters in the order in which the vector loops read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from refdec.integer.jit import vector_ir as ir

Int16 = npt.NDArray[np.int16]
Int32 = npt.NDArray[np.int32]
IntArray = npt.NDArray[np.integer[Any]]
LANES = ir.LANES


def padded(channels: int) -> int:
    """``channels`` up to the next multiple of a panel."""
    return -(-channels // LANES) * LANES


def rounding_term(shift: IntArray, rounding: str) -> Int32:
    """What is added before a shift to the right: half a unit, or nothing."""
    s = shift.astype(np.int64)
    if rounding == "floor":
        return np.zeros(len(s), np.int32)
    return np.where(s > 0, np.int64(1) << np.maximum(s - 1, 0), 0).astype(np.int32)


@dataclass
class Epilogue:
    """What follows a sum, per channel: first stage, an optional second operand, an optional clipped copy."""

    channels: int
    vectors: dict[int, Int32] = field(default_factory=dict)
    flags: int = 0
    leaky: Mapping[str, int] | None = None

    def set(self, index: int, values: IntArray | int) -> None:
        self.vectors[index] = np.broadcast_to(np.asarray(values, np.int32), (self.channels,)).copy()

    def _bounds(self) -> tuple[int, int]:
        second = self.flags & (ir.MUL | ir.ADD)
        return (ir.V_LO2, ir.V_HI2) if second else (ir.V_LO, ir.V_HI)

    def clip(self, lo: Int32, hi: Int32) -> None:
        """Another clip behind what is there."""
        for index in self._bounds():
            self.vectors[index] = np.minimum(np.maximum(self.vectors[index], lo), hi)

    def second(
        self,
        flag: int,
        shift: IntArray,
        rounding: str,
        lo: Int32,
        hi: Int32,
        left: tuple[IntArray, IntArray] | None = None,
    ) -> None:
        """Product (``MUL``) or sum (``ADD``) with the second operand; ``left``: shifts of value, operand."""
        self.flags |= flag
        self.set(ir.V_SHIFT2, shift)
        self.set(ir.V_ROUND2, rounding_term(shift, rounding))
        self.set(ir.V_LO2, lo)
        self.set(ir.V_HI2, hi)
        if left is not None:
            self.set(ir.V_LEFT_A, left[0])
            self.set(ir.V_LEFT_B, left[1])

    def copy(self, lo: Int32, hi: Int32) -> None:
        """A second result: the first one clipped."""
        self.flags |= ir.DUAL
        self.set(ir.V_LO3, lo)
        self.set(ir.V_HI3, hi)

    def reordered(self, order: IntArray) -> Epilogue:
        """The same for channels taken in ``order``."""
        vectors = {index: v[order] for index, v in self.vectors.items()}
        return Epilogue(len(order), vectors, self.flags, self.leaky)

    def behind(self, first: Epilogue) -> Epilogue:
        """This epilogue (clips and second stage) behind a first stage for the same channels."""
        lo, hi = self.vectors[ir.V_LO], self.vectors[ir.V_HI]
        vectors = {**self.vectors, **first.vectors}
        for index in (ir.V_LO, ir.V_HI):
            vectors[index] = np.minimum(np.maximum(first.vectors[index], lo), hi)
        return Epilogue(self.channels, vectors, self.flags | first.flags, first.leaky)

    def blocks(self, offsets: Sequence[int] | None = None) -> Int32:
        """int32 ``[panels, BLOCK, 16]``; ``offsets``: bytes to add to the operand's address, per panel."""
        out = np.zeros((padded(self.channels) // LANES, ir.BLOCK, LANES), np.int32)
        for index, values in self.vectors.items():
            row = np.zeros(padded(self.channels), np.int32)
            row[: self.channels] = values
            out[:, index] = row.reshape(-1, LANES)
        if offsets is not None:
            out[:, ir.V_SCALARS, ir.S_CHANNEL_OFFSET] = offsets
        if self.leaky is not None:
            out[:, ir.V_SCALARS, ir.S_NUMERATOR] = self.leaky["numerator"]
            out[:, ir.V_SCALARS, ir.S_SLOPE_SHIFT] = self.leaky["shift"]
        return out


class Pool:
    """Arrays joined into one, addressed by byte offsets."""

    def __init__(self, dtype: Any) -> None:
        self._parts: list[IntArray] = []
        self._dtype = np.dtype(dtype)
        self._bytes = 0

    def add(self, values: Any) -> int:
        array = np.asarray(values, self._dtype).reshape(-1)
        start = self._bytes
        pad = -array.nbytes % 64 // self._dtype.itemsize
        self._parts += [array, np.zeros(pad, self._dtype)]
        self._bytes += array.nbytes + pad * self._dtype.itemsize
        return start

    def join(self) -> IntArray:
        return np.concatenate([*self._parts, np.zeros(64, self._dtype)])


@dataclass(frozen=True)
class Taps:
    """Taps along one axis: ``offsets`` in input samples (ascending, no gaps) and kernel indices."""

    offsets: tuple[int, ...]
    indices: tuple[int, ...]


@dataclass(frozen=True)
class PackedConv:
    """Weights of one convolution (or one phase of it).

    :param weights: int16, panel by panel.
    :param segments: ``(row offset, column offset)`` of each run.
    :param steps: loop steps per run.
    :param starts: first channel that each panel reads.
    """

    weights: Int16
    segments: tuple[tuple[int, int], ...]
    steps: int
    starts: tuple[int, ...]


def pack_conv(
    weight: IntArray, groups: int, rows: Taps, columns: Taps, available: int, whole_pixels: bool
) -> PackedConv:
    """Weights ``[out, in/groups, kh, kw]`` for output channels in the given order.

    :param groups: group of each output channel is ``index * groups // out``.
    :param available: channels of a pixel that may be read from the operand's first one on.
    :param whole_pixels: whether the ``available`` channels of neighbours in x follow each other in memory.
    """
    out, per_group = weight.shape[:2]
    panels = padded(out) // LANES
    group = np.arange(out) * groups // out
    lowest = [int(group[p * LANES : (p + 1) * LANES].min()) * per_group for p in range(panels)]
    highest = [(int(group[p * LANES : (p + 1) * LANES].max()) + 1) * per_group for p in range(panels)]
    window = max(high - low for low, high in zip(lowest, highest, strict=True))
    window += window % 2
    joined = whole_pixels and len(columns.offsets) > 1 and 5 * window >= 4 * available
    if joined:
        window = available
    starts = [min(start, available - window) for start in lowest]
    values = np.zeros((panels * LANES, len(rows.indices), len(columns.indices), window), np.int16)
    picked = weight[:, :, rows.indices][:, :, :, columns.indices]
    for o in range(out):
        first = int(group[o]) * per_group - starts[o // LANES]
        values[o, :, :, first : first + per_group] = picked[o].transpose(1, 2, 0)
    if joined:
        segments = tuple((y, columns.offsets[0]) for y in rows.offsets)
    else:
        segments = tuple((y, x) for y in rows.offsets for x in columns.offsets)
    run = values.reshape(panels, LANES, -1)
    unit = 2 if ir.PAIRED else 1
    # [panel, 16, K] -> [panel, K / unit, 16, unit]
    packed = run.reshape(panels, LANES, run.shape[2] // unit, unit).transpose(0, 2, 1, 3)
    steps = run.shape[2] // unit // len(segments)
    return PackedConv(np.ascontiguousarray(packed).reshape(-1), segments, steps, tuple(starts))


def pack_depthwise(weight: IntArray) -> Int16:
    """Weights ``[C, 1, 3, 3]`` panel by panel as :func:`vector_ir.depthwise_tile` reads them."""
    panels = padded(len(weight)) // LANES
    flat = np.zeros((panels * LANES, 9), np.int16)
    flat[: len(weight)] = weight.reshape(-1, 9)
    taps = flat.reshape(panels, LANES, 9).transpose(0, 2, 1)
    if not ir.PAIRED:
        return np.ascontiguousarray(taps).reshape(-1)
    zero = np.zeros((panels, LANES), np.int16)
    pairs = [(taps[:, c], taps[:, 3 + c]) for c in range(3)]
    pairs += [(taps[:, 6], taps[:, 7]), (zero, taps[:, 8])]
    return np.stack([np.stack(pair, axis=2) for pair in pairs], axis=1).reshape(-1)


def tap_phases(kernel: int) -> tuple[Taps, Taps]:
    """Taps of the even and the odd outputs of a transposed convolution (stride 2, padding 1)."""
    even = sorted(((1 - k) // 2, k) for k in range(1, kernel, 2))
    odd = sorted(((2 - k) // 2, k) for k in range(0, kernel, 2))
    return tuple(Taps(tuple(o for o, _ in t), tuple(k for _, k in t)) for t in (even, odd))  # type: ignore[return-value]


def all_phases(
    weight: IntArray, phases: tuple[Taps, Taps], r: int
) -> tuple[Int16, npt.NDArray[np.int64], Taps]:
    """A transposed convolution ``[out, in, k, k]`` as one convolution that computes all phases as channels.

    :param r: factor of a pixel shuffle behind it; channels come out as a shuffle by 2 r reads them.
    :returns: weights, the original channel of each new one, and the taps along both axes.
    """
    offsets = sorted({*phases[0].offsets, *phases[1].offsets})
    span, factor, squares = len(offsets), 2 * r, 4 * r * r
    out = np.zeros((len(weight) * 4, weight.shape[1], span, span), np.int16)
    order = np.zeros(len(out), np.int64)
    for channel in range(len(weight)):
        plane, py, px = channel // (r * r), channel // r % r, channel % r
        for ty, vertical in enumerate(phases):
            for tx, horizontal in enumerate(phases):
                o = plane * squares + (ty * r + py) * factor + tx * r + px
                order[o] = channel
                for oy, ky in zip(vertical.offsets, vertical.indices, strict=True):
                    for ox, kx in zip(horizontal.offsets, horizontal.indices, strict=True):
                        out[o, :, oy - offsets[0], ox - offsets[0]] = weight[channel, :, ky, kx]
    return out, order, Taps(tuple(offsets), tuple(range(span)))
