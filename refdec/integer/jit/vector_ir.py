"""The inner loops as LLVM vector code: generic integer vectors that each target lowers its own way.

Numba's own loops do not reach an integer multiply-add, so the loops that matter are written here as
intrinsics. Only generic IR is used: on x86 the products of neighbours that are added become ``vpmaddwd``
or, where the machine has VNNI, ``vpdpwssd``; AArch64 has no such instruction and gets widening
multiply-adds from the other form. Both forms compute the same integers.

All addresses are int64. An activation row is pixels of a fixed distance in bytes with channels as int16
inside; vectors are 16 channels wide. Per panel of 16 output channels there is one block of the
epilogue's parameters, :data:`BLOCK` int32 vectors of 16 (see the constants ``V_...``).
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from typing import Any, cast

import llvmlite.binding as llvm
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

from refdec.integer.jit.python_builder import Lanes, PythonBuilder, loader, of_addresses, storer
from refdec.python_kernels import COMPILED

LANES = 16
# Vectors of an epilogue block: first stage, second stage (add or mul), second output, and the scalars.
V_BIAS, V_ROUND, V_SHIFT, V_LO, V_HI = range(5)
V_ROUND2, V_SHIFT2, V_LEFT_A, V_LEFT_B, V_LO2, V_HI2 = range(5, 11)
V_LO3, V_HI3, V_SCALARS = range(11, 14)
BLOCK = 14
# Lanes of the last vector.
S_CHANNEL_OFFSET, S_NUMERATOR, S_SLOPE_SHIFT = range(3)
# Bits of the flags.
LEAKY, MUL, ADD, DUAL, ABS = 1, 2, 4, 8, 16

PAIRED = platform.machine().lower() in ("x86_64", "amd64", "x86", "i386", "i686")
"""Whether weights are packed in pairs of input channels (x86) or one by one."""


def _has_wide_vectors() -> bool:
    # The caller may choose what is compiled for: NUMBA_CPU_FEATURES.
    asked: str | None = getattr(config, "CPU_FEATURES", None)
    if asked is not None:
        chosen = {word[1:] for word in asked.split(",") if word.startswith("+")}
        return PAIRED and {"avx512bw", "avx512vl"} <= chosen
    features = llvm.get_host_cpu_features()
    return bool(PAIRED and features.get("avx512bw") and features.get("avx512vl"))


MAIN_TILE = 12 if _has_wide_vectors() else 6
"""Pixels of the main tile: with one accumulator each they just fit the vector registers."""
SIDE_TILE = 4

I16, I32, I64 = ir.IntType(16), ir.IntType(32), ir.IntType(64)
Value = Any
_unpack: Any = cgutils.unpack_tuple
_tuple_type: Any = types.UniTuple


def typed(definition: Callable[..., Any]) -> Callable[..., Any]:
    """An intrinsic as its callers see it: without the typing context."""
    return cast("Callable[..., Any]", intrinsic(definition))


def vector(bits: Any, count: int = LANES) -> Any:
    return ir.VectorType(bits, count)


W16, W32, W64 = vector(I16), vector(I32), vector(I64)


def const(value: int) -> Any:
    if not COMPILED:
        return Lanes(I64, [value])
    return ir.Constant(I64, value)


def lanes(order: Sequence[int]) -> Any:
    """The constant that picks lanes in a shuffle."""
    if not COMPILED:
        return Lanes(vector(I32, len(order)), list(order))
    return ir.Constant(vector(I32, len(order)), list(order))


def splat(b: Any, scalar: Value) -> Value:
    if isinstance(b, PythonBuilder):
        return Lanes(vector(scalar.type), scalar.values * LANES)
    v = b.insert_element(ir.Constant(vector(scalar.type), ir.Undefined), scalar, ir.Constant(I32, 0))
    return b.shuffle_vector(v, v, lanes([0] * LANES))


def load(b: Any, address: Value, kind: Any, align: int = 2) -> Value:
    value = b.load(b.inttoptr(address, ir.PointerType(kind)))
    value.align = align
    return value


def store(b: Any, value: Value, address: Value, align: int = 2) -> None:
    b.store(value, b.inttoptr(address, ir.PointerType(value.type))).align = align


def at(b: Any, address: Value, offset: int) -> Value:
    return address if offset == 0 else b.add(address, const(offset))


def pair_products(b: Any, x: Value, y: Value) -> Value:
    """Two vectors of 32 int16: ``x[2i] y[2i] + x[2i+1] y[2i+1]`` in 16 int32."""
    wide = vector(I32, 2 * LANES)
    p = b.mul(b.sext(x, wide), b.sext(y, wide))
    even = b.shuffle_vector(p, p, lanes(range(0, 2 * LANES, 2)))
    odd = b.shuffle_vector(p, p, lanes(range(1, 2 * LANES, 2)))
    return b.add(even, odd)


def clamp(b: Any, v: Value, lo: Value, hi: Value) -> Value:
    v = b.select(b.icmp_signed("<", v, lo), lo, v)
    return b.select(b.icmp_signed(">", v, hi), hi, v)


class _Block:
    """Reads vectors of an epilogue block."""

    def __init__(self, b: Any, address: Value) -> None:
        self._b, self._address = b, address

    def vector(self, index: int) -> Value:
        return load(self._b, at(self._b, self._address, index * 4 * LANES), W32, 4)

    def scalar(self, lane: int) -> Value:
        return load(self._b, at(self._b, self._address, V_SCALARS * 4 * LANES + 4 * lane), I32, 4)


def _branch_if(
    b: Any, flags: Value, bit: int, values: list[Value], change: Callable[[list[Value]], list[Value]]
) -> list[Value]:
    """``values``, changed where the flag is set; a branch, not a select."""
    if isinstance(b, PythonBuilder):
        return change(values) if b.and_(flags, const(bit)).values[0] else values
    before = b.block
    on, after = b.append_basic_block("on"), b.append_basic_block("after")
    b.cbranch(b.icmp_signed("!=", b.and_(flags, const(bit)), const(0)), on, after)
    b.position_at_end(on)
    changed = change(values)
    end = b.block
    b.branch(after)
    b.position_at_end(after)
    merged = []
    for old, new in zip(values, changed, strict=True):
        phi = b.phi(old.type)
        phi.add_incoming(old, before)
        phi.add_incoming(new, end)
        merged.append(phi)
    return merged


class Places:
    """Where the pixels of a tile lie: result, second operand, second result."""

    def __init__(self, b: Any, args: Sequence[Value]) -> None:
        self._b = b
        self.out, self.out_step, self.x, self.x_step, self.dual, self.dual_step = args

    def _pixel(self, base: Value, step: Value, index: int) -> Value:
        return base if index == 0 else self._b.add(base, self._b.mul(step, const(index)))

    def operand(self, index: int) -> Value:
        v = load(self._b, self._pixel(self.x, self.x_step, index), W16)
        return self._b.sext(v, W32)

    def put(self, v: Value, index: int, second: bool) -> None:
        base, step = (self.dual, self.dual_step) if second else (self.out, self.out_step)
        store(self._b, self._b.trunc(v, W16), self._pixel(base, step, index))


def first_stage(b: Any, acc: list[Value], block: _Block, flags: Value) -> list[Value]:
    """Leaky slope, rounding shift and clip of accumulators that already hold the bias."""

    def slope(values: list[Value]) -> list[Value]:
        n = splat(b, b.sext(block.scalar(S_NUMERATOR), I64))
        k = splat(b, b.sext(block.scalar(S_SLOPE_SHIFT), I64))
        zero = ir.Constant(W32, [0] * LANES)
        out = []
        for v in values:
            steep = b.trunc(b.ashr(b.mul(b.sext(v, W64), n), k), W32)
            out.append(b.select(b.icmp_signed("<", v, zero), steep, v))
        return out

    acc = _branch_if(b, flags, LEAKY, acc, slope)
    rounding, shift = block.vector(V_ROUND), block.vector(V_SHIFT)
    lo, hi = block.vector(V_LO), block.vector(V_HI)
    return [clamp(b, b.ashr(b.add(v, rounding), shift), lo, hi) for v in acc]


def second_stage(b: Any, values: list[Value], block: _Block, flags: Value, places: Places) -> None:
    """Product or sum with the second operand, stores, and the clipped copy."""

    def finish(v: Value) -> Value:
        v = b.ashr(b.add(v, block.vector(V_ROUND2)), block.vector(V_SHIFT2))
        return clamp(b, v, block.vector(V_LO2), block.vector(V_HI2))

    def multiply(values: list[Value]) -> list[Value]:
        return [finish(b.mul(v, places.operand(i))) for i, v in enumerate(values)]

    def add(values: list[Value]) -> list[Value]:
        left, right = block.vector(V_LEFT_A), block.vector(V_LEFT_B)
        return [finish(b.add(b.shl(v, left), b.shl(places.operand(i), right))) for i, v in enumerate(values)]

    values = _branch_if(b, flags, MUL, values, multiply)
    values = _branch_if(b, flags, ADD, values, add)
    for i, v in enumerate(values):
        places.put(v, i, second=False)

    def copy(values: list[Value]) -> list[Value]:
        lo, hi = block.vector(V_LO3), block.vector(V_HI3)
        for i, v in enumerate(values):
            places.put(clamp(b, v, lo, hi), i, second=True)
        return values

    _branch_if(b, flags, DUAL, values, copy)


def loop(
    b: Any, count: Value, start: list[Value], body: Callable[[Any, list[Value]], list[Value]]
) -> list[Value]:
    """``body`` ``count`` times (at least once) on carried values; returns the last ones."""
    if isinstance(b, PythonBuilder):
        for k in range(max(1, count.values[0])):
            start = body(Lanes(I64, [k]), start)
        return start
    before = b.block
    top, end = b.append_basic_block("loop"), b.append_basic_block("end")
    b.branch(top)
    b.position_at_end(top)
    index = b.phi(I64)
    index.add_incoming(const(0), before)
    carried = []
    for value in start:
        phi = b.phi(value.type)
        phi.add_incoming(value, before)
        carried.append(phi)
    after = body(index, carried)
    following = b.add(index, const(1))
    last = b.block
    index.add_incoming(following, last)
    for phi, value in zip(carried, after, strict=True):
        phi.add_incoming(value, last)
    b.cbranch(b.icmp_signed("<", following, count), top, end)
    b.position_at_end(end)
    return after


def conv_tile(pixels: int, paired: bool = PAIRED) -> Callable[..., Any]:
    """The convolution of ``pixels`` neighbours into one panel of 16 output channels.

    The intrinsic's arguments, all int64: address of the segments' row addresses (int64 each), their number,
    steps per segment (pairs of channels, or channels), offset to add to each row address, input distance of
    two pixels, weights, epilogue block, flags, and then result, its distance, second operand, its distance,
    second result, its distance. A segment is a contiguous run of channels in every pixel; weights are read
    strictly in order.
    """
    width = 2 * LANES if paired else LANES
    step_bytes = 4 if paired else 2

    def emit(b: Any, args: Sequence[Value]) -> None:
        rows, segments, steps, offset, distance, weights, block_address, flags = args[:8]
        block = _Block(b, block_address)
        bias = block.vector(V_BIAS)

        def multiply(index: Value, carried: list[Value], starts: list[Value]) -> list[Value]:
            w_at, acc = carried[0], carried[1:]
            w = load(b, w_at, vector(I16, width))
            w_wide = None if paired else b.sext(w, W32)
            k = b.mul(index, const(step_bytes))
            out = []
            for i in range(pixels):
                address = b.add(starts[i], k)
                if paired:
                    a = b.bitcast(splat(b, load(b, address, I32)), vector(I16, width))
                    product = pair_products(b, w, a)
                else:
                    a = b.sext(splat(b, load(b, address, I16)), W32)
                    product = b.mul(w_wide, a)
                out.append(b.add(acc[i], product))
            return [b.add(w_at, const(2 * width)), *out]

        def segment(index: Value, carried: list[Value]) -> list[Value]:
            base = b.add(load(b, b.add(rows, b.shl(index, const(3))), I64, 8), offset)
            starts = [b.add(base, b.mul(distance, const(i))) for i in range(pixels)]
            return loop(b, steps, carried, lambda k, values: multiply(k, values, starts))

        acc = loop(b, segments, [weights, *[bias] * pixels], segment)[1:]
        values = first_stage(b, acc, block, flags)
        second_stage(b, values, block, flags, Places(b, args[8:]))

    return tuple_intrinsic(emit, 14)


def tuple_intrinsic(emit: Callable[[Any, Sequence[Value]], Any], count: int) -> Callable[..., Any]:
    """An intrinsic of one tuple of ``count`` int64 values and no result."""
    if not COMPILED:
        return of_addresses(emit)

    def definition(typingctx: Any, values: Any) -> Any:
        def generate(context: Any, b: Any, signature: Any, args: Any) -> Any:
            emit(b, _unpack(b, args[0], count))
            return context.get_dummy_value()

        return types.void(_tuple_type(types.int64, count)), generate

    return typed(definition)


def pointwise_tile() -> Callable[..., Any]:
    """Pixel after pixel without a convolution: both stages on one int16 operand.

    Arguments: number of pixels, operand, its distance, epilogue block, flags, then as :func:`conv_tile`
    from the result on.
    """

    def emit(b: Any, args: Sequence[Value]) -> None:
        count, source, distance, block_address, flags = args[:5]
        block = _Block(b, block_address)
        out, out_step, x, x_step, dual, dual_step = args[5:]

        def absolute(values: list[Value]) -> list[Value]:
            zero = ir.Constant(W32, [0] * LANES)
            return [b.select(b.icmp_signed("<", v, zero), b.sub(zero, v), v) for v in values]

        def body(_index: Value, at_: list[Value]) -> list[Value]:
            v = b.sext(load(b, at_[0], W16), W32)
            v = _branch_if(b, flags, ABS, [v], absolute)[0]
            v = clamp(b, v, block.vector(V_LO), block.vector(V_HI))
            places = Places(b, [at_[1], out_step, at_[2], x_step, at_[3], dual_step])
            second_stage(b, [v], block, flags, places)
            return [b.add(a, s) for a, s in zip(at_, (distance, out_step, x_step, dual_step), strict=True)]

        loop(b, count, [source, out, x, dual], body)

    return tuple_intrinsic(emit, 11)


DEPTHWISE_TAPS = 9


def depthwise_tile(pixels: int, paired: bool = PAIRED) -> Callable[..., Any]:
    """A 3x3 depthwise convolution of ``pixels`` neighbours, 16 channels.

    Arguments: addresses of the three rows at the first tap, distance of two pixels, weights, epilogue
    block, flags, then as :func:`conv_tile` from the result on. Weights: nine vectors of 16 in row order;
    paired: the pairs (row 0, row 1) of each column, then of row 2 (column 0, column 1), (0, column 2).
    """

    def emit(b: Any, args: Sequence[Value]) -> None:
        rows, (distance, weights, block_address, flags) = args[:3], args[3:7]
        block = _Block(b, block_address)
        bias = block.vector(V_BIAS)
        taps = [
            [load(b, b.add(row, b.mul(distance, const(i))), W16) for i in range(pixels + 2)] for row in rows
        ]
        acc: list[Value] = [bias] * pixels
        if paired:
            order = lanes([lane // 2 + (lane % 2) * LANES for lane in range(2 * LANES)])

            def zipped(x: Value, y: Value) -> Value:
                return b.shuffle_vector(x, y, order)

            upper = [zipped(x, y) for x, y in zip(taps[0], taps[1], strict=True)]
            lower = [zipped(x, y) for x, y in zip(taps[2], taps[2][1:], strict=False)]
            pairs = [load(b, at(b, weights, 64 * i), vector(I16, 2 * LANES)) for i in range(5)]
            for i in range(pixels):
                for column in range(3):
                    acc[i] = b.add(acc[i], pair_products(b, upper[i + column], pairs[column]))
                acc[i] = b.add(acc[i], pair_products(b, lower[i], pairs[3]))
                acc[i] = b.add(acc[i], pair_products(b, lower[i + 1], pairs[4]))
        else:
            for tap in range(DEPTHWISE_TAPS):
                w = b.sext(load(b, at(b, weights, 32 * tap), W16), W32)
                for i in range(pixels):
                    acc[i] = b.add(acc[i], b.mul(b.sext(taps[tap // 3][i + tap % 3], W32), w))
        second_stage(b, first_stage(b, acc, block, flags), block, flags, Places(b, args[7:]))

    return tuple_intrinsic(emit, 13)


ZIP = [lane // 2 + (lane % 2) * LANES for lane in range(2 * LANES)]


def transpose_tile() -> Callable[..., Any]:
    """16 x 16 values transposed: arguments source, distance of its rows, result, distance of its rows."""

    def emit(b: Any, args: Sequence[Value]) -> None:
        source, source_step, out, out_step = args
        rows = [load(b, b.add(source, b.mul(source_step, const(i))), W16) for i in range(LANES)]
        # Four rounds of zipping row i with row i + 8 are a transposition.
        low, high = lanes(ZIP[:LANES]), lanes(ZIP[LANES:])
        for _ in range(4):
            pairs = list(zip(rows[: LANES // 2], rows[LANES // 2 :], strict=True))
            rows = [b.shuffle_vector(x, y, mask) for x, y in pairs for mask in (low, high)]
        for i, row in enumerate(rows):
            store(b, row, b.add(out, b.mul(out_step, const(i))))

    return tuple_intrinsic(emit, 4)


def _load_intrinsic(bits: int) -> Callable[..., Any]:
    if not COMPILED:
        return loader(bits)

    def definition(typingctx: Any, address: Any) -> Any:
        def generate(context: Any, b: Any, signature: Any, args: Any) -> Any:
            value = load(b, args[0], ir.IntType(bits), 2)
            return value if bits == 64 else b.sext(value, I64)

        return types.int64(types.int64), generate

    return typed(definition)


def _store_intrinsic(bits: int) -> Callable[..., Any]:
    if not COMPILED:
        return storer(bits)

    def definition(typingctx: Any, address: Any, value: Any) -> Any:
        def generate(context: Any, b: Any, signature: Any, args: Any) -> Any:
            value = args[1] if bits == 64 else b.trunc(args[1], ir.IntType(bits))
            store(b, value, args[0], 2)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64), generate

    return typed(definition)


load_i16, load_i32, load_i64 = (_load_intrinsic(bits) for bits in (16, 32, 64))
store_i16, store_i32, store_i64 = (_store_intrinsic(bits) for bits in (16, 32, 64))

conv_main = conv_tile(MAIN_TILE)
conv_side = conv_tile(SIDE_TILE)
conv_single = conv_tile(1)
pointwise = pointwise_tile()
depthwise_main = depthwise_tile(4)
depthwise_single = depthwise_tile(1)
transpose = transpose_tile()
