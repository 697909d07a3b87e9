"""Vector code of layer norms and of the Gram sums of channel attention; see :mod:`vector_ir`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir

from refdec.integer.jit.vector_ir import (
    I16,
    I32,
    LANES,
    MAIN_TILE,
    W16,
    W32,
    W64,
    ZIP,
    Value,
    at,
    clamp,
    const,
    lanes,
    load,
    loop,
    pair_products,
    splat,
    store,
    tuple_intrinsic,
    vector,
)


def norm_tile() -> Callable[..., Any]:
    """Second pass of a layer norm at one pixel: ``(C v - S) << j`` times the inverse, weight, bias, clip.

    Arguments: operand, result, panels, C, S, j, inverse, numbers. Numbers are int64, per panel the vectors
    weight, bias, rounding term, shift, lo, hi.
    """

    def emit(b: Any, args: Sequence[Value]) -> None:
        source, out, panels = args[:3]
        channels, total, j, inverse = (splat(b, v) for v in args[3:7])

        def body(_index: Value, at_: list[Value]) -> list[Value]:
            weight, bias, rounding, shift, lo, hi = (
                load(b, at(b, at_[2], 8 * LANES * i), W64, 8) for i in range(NORM_VECTORS)
            )
            v = b.sext(load(b, at_[0], W16), W64)
            product = b.mul(b.shl(b.sub(b.mul(v, channels), total), j), inverse)
            half, drop = (ir.Constant(W64, [value] * LANES) for value in (1 << 32, 33))
            # Less than 2^20 in magnitude: 32 bits keep it, and the product becomes one of 32-bit factors.
            n = b.sext(b.trunc(b.ashr(b.add(product, half), drop), W32), W64)
            v = b.ashr(b.add(b.add(b.mul(n, weight), bias), rounding), shift)
            store(b, b.trunc(clamp(b, v, lo, hi), W16), at_[1])
            return [at(b, at_[0], 32), at(b, at_[1], 32), at(b, at_[2], 8 * LANES * NORM_VECTORS)]

        loop(b, panels, [source, out, args[7]], body)

    return tuple_intrinsic(emit, 8)


NORM_VECTORS = 6


def gram_zip(split: bool) -> Callable[..., Any]:
    """Pairs of pixels zipped per channel, 16 channels, and their squares summed up.

    Arguments: first even pixel, first odd pixel, distance of two even ones, number of pairs, result (64 bytes
    a pair), second result, address of 16 int64 sums. ``split``: the high bytes (signed) go to the first
    result and the low bytes to the second one; otherwise the values go to the first.
    """

    def emit(b: Any, args: Sequence[Value]) -> None:
        even, odd, distance, count, high_at, low_at, squares = args
        sums = load(b, squares, W64, 8)
        wide = vector(I16, 2 * LANES)

        def body(_index: Value, carried: list[Value]) -> list[Value]:
            e, o, high, low, total = carried
            z = b.shuffle_vector(load(b, e, W16), load(b, o, W16), lanes(ZIP))
            if split:
                store(b, b.ashr(z, ir.Constant(wide, [8] * 2 * LANES)), high)
                store(b, b.and_(z, ir.Constant(wide, [255] * 2 * LANES)), low)
            else:
                store(b, z, high)
            total = b.add(total, b.sext(pair_products(b, z, z), W64))
            return [b.add(e, distance), b.add(o, distance), at(b, high, 64), at(b, low, 64), total]

        store(b, loop(b, count, [even, odd, high_at, low_at, sums], body)[4], squares, 8)

    return tuple_intrinsic(emit, 7)


GRAM_TILE = MAIN_TILE // 3
GRAM_PAIRS = 64
"""Pairs between two flushes to 64 bits: up to 128 cannot leave int32."""


def gram_tile(rows: int) -> Callable[..., Any]:
    """Products of ``rows`` neighbouring q channels with 16 k channels over zipped pairs, added to int64 sums.

    Arguments: high and low bytes of q, k, number of pairs (at most 128), address of the first sums, distance
    of the sums of two q channels.
    """

    def emit(b: Any, args: Sequence[Value]) -> None:
        high, low, k, count, sums, distance = args
        zero = ir.Constant(W32, [0] * LANES)

        def body(_index: Value, carried: list[Value]) -> list[Value]:
            h, lo, k_at = carried[:3]
            kz = load(b, k_at, vector(I16, 2 * LANES))
            out = []
            for i, acc in enumerate(carried[3:]):
                pair = splat(b, load(b, at(b, h if i < rows else lo, 4 * (i % rows)), I32))
                out.append(b.add(acc, pair_products(b, b.bitcast(pair, vector(I16, 2 * LANES)), kz)))
            return [at(b, h, 64), at(b, lo, 64), at(b, k_at, 64), *out]

        acc = loop(b, count, [high, low, k, *[zero] * (2 * rows)], body)[3:]
        eight = ir.Constant(W64, [8] * LANES)
        for i in range(rows):
            place = b.add(sums, b.mul(distance, const(i)))
            value = b.add(b.shl(b.sext(acc[i], W64), eight), b.sext(acc[rows + i], W64))
            store(b, b.add(load(b, place, W64, 8), value), place, 8)

    return tuple_intrinsic(emit, 6)


norm_apply = norm_tile()
gram_zip_q = gram_zip(split=True)
gram_zip_k = gram_zip(split=False)
gram_main = gram_tile(GRAM_TILE)
gram_single = gram_tile(1)
