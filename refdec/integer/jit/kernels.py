"""Operations on rows in Numba, and the interpreter that runs a whole program without Python.

Everything is int64 arithmetic on addresses around the vector loops of :mod:`vector_ir`; only
:func:`run_program` is compiled for callers and cached, the rest becomes part of it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from numba import njit, types

from refdec.integer.jit import layout as at
from refdec.integer.jit import vector_ir as ir
from refdec.integer.jit import vector_sums as sums_ir
from refdec.kernel_cache import keep_compiled
from refdec.python_kernels import COMPILED, PythonKernel

CONV, POINTWISE, DEPTHWISE, PACK, UNPACK = at.CONV, at.POINTWISE, at.DEPTHWISE, at.PACK, at.UNPACK
COPY, SHUFFLE, LUT, NORM, GRAM = at.COPY, at.SHUFFLE, at.LUT, at.NORM, at.GRAM
MAIN_TILE, SIDE_TILE = ir.MAIN_TILE, ir.SIDE_TILE
BLOCK_BYTES = 4 * ir.LANES * ir.BLOCK
SCALARS = 4 * ir.LANES * ir.V_SCALARS
LO_BYTES, HI_BYTES = 4 * ir.LANES * ir.V_LO, 4 * ir.LANES * ir.V_HI
PANEL_BYTES = 2 * ir.LANES
GRAM_TILE, GRAM_PAIRS = sums_ir.GRAM_TILE, sums_ir.GRAM_PAIRS

conv_main, conv_side, conv_single, pointwise = ir.conv_main, ir.conv_side, ir.conv_single, ir.pointwise
depthwise_main, depthwise_single, norm_apply = ir.depthwise_main, ir.depthwise_single, sums_ir.norm_apply
gram_zip_q, gram_zip_k, gram_main, gram_single = (
    sums_ir.gram_zip_q,
    sums_ir.gram_zip_k,
    sums_ir.gram_main,
    sums_ir.gram_single,
)
transpose = ir.transpose
load_i16, load_i32, load_i64 = ir.load_i16, ir.load_i32, ir.load_i64
store_i16, store_i32, store_i64 = ir.store_i16, ir.store_i32, ir.store_i64

Descriptor = npt.NDArray[np.int64]


def inner(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiled as a part of the program runner, for the argument types that it uses."""
    if not COMPILED:
        return PythonKernel(function)
    return cast("Callable[..., Any]", njit(nogil=True, error_model="numpy")(function))


@inner
def _row(d, bases, field, y):  # type: ignore[no-untyped-def]
    # The fields base, offset, row distance and capacity follow each other wherever a tensor is described.
    return bases[d[field]] + d[field + 1] + (y % d[field + 3]) * d[field + 2]


@inner
def _fill_segments(d, bases, y, segments):  # type: ignore[no-untyped-def]
    table = bases[at.B_NUMBERS] + 8 * d[at.SEGMENT_TABLE]
    for s in range(d[at.SEGMENTS]):
        row = y * d[at.STRIDE] + load_i64(table + 16 * s)
        if 0 <= row < d[at.IN_HEIGHT]:
            start = _row(d, bases, at.IN_BASE, row)
        else:
            start = bases[at.B_ZERO] + d[at.ZERO_OFFSET]
        segments[s] = start + load_i64(table + 16 * s + 8)


@inner
def _conv_rows(d, bases, y0, y1, segments):  # type: ignore[no-untyped-def]
    rows = segments.ctypes.data
    count, steps, width = d[at.SEGMENTS], d[at.STEPS], d[at.WIDTH]
    in_step, out_step, x_step, dual_step = d[at.IN_STEP], d[at.OUT_STEP], d[at.X_STEP], d[at.DUAL_STEP]
    flags, panels = d[at.FLAGS], d[at.PANELS]
    weights, blocks = bases[d[at.W_BASE]] + d[at.W_OFFSET], bases[d[at.BLOCK_BASE]] + d[at.BLOCK_OFFSET]
    mains = width // MAIN_TILE
    rest = width - mains * MAIN_TILE
    sides = (rest + SIDE_TILE - 1) // SIDE_TILE
    if width >= MAIN_TILE and sides * SIDE_TILE >= MAIN_TILE:
        mains, sides, rest = mains + 1, 0, 0
    for y in range(y0, min(y1, d[at.ROWS])):
        _fill_segments(d, bases, y, segments)
        row = y * d[at.ROW_FACTOR] + d[at.ROW_START]
        out = _row(d, bases, at.OUT_BASE, row)
        x = _row(d, bases, at.X_BASE, row)
        dual = _row(d, bases, at.DUAL_BASE, row)
        for panel in range(panels):
            w = weights + panel * d[at.W_PANEL]
            block = blocks + panel * BLOCK_BYTES
            offset = load_i32(block + SCALARS)
            c = panel * PANEL_BYTES
            for t in range(mains):
                # The last tile moves back into the row: pixels computed twice, exactly the same.
                p = min(t * MAIN_TILE, width - MAIN_TILE)
                conv_main((
                    rows, count, steps, offset + p * in_step, in_step, w, block, flags,
                    out + c + p * out_step, out_step, x + c + p * x_step, x_step,
                    dual + c + p * dual_step, dual_step,
                ))  # fmt: skip
            if rest > 0:
                first = mains * MAIN_TILE
                if width >= SIDE_TILE:
                    for t in range(sides):
                        p = min(first + t * SIDE_TILE, width - SIDE_TILE)
                        conv_side((
                            rows, count, steps, offset + p * in_step, in_step, w, block, flags,
                            out + c + p * out_step, out_step, x + c + p * x_step, x_step,
                            dual + c + p * dual_step, dual_step,
                        ))  # fmt: skip
                else:
                    for p in range(first, width):
                        conv_single((
                            rows, count, steps, offset + p * in_step, in_step, w, block, flags,
                            out + c + p * out_step, out_step, x + c + p * x_step, x_step,
                            dual + c + p * dual_step, dual_step,
                        ))  # fmt: skip


@inner
def _pointwise_rows(d, bases, y0, y1):  # type: ignore[no-untyped-def]
    blocks = bases[d[at.BLOCK_BASE]] + d[at.BLOCK_OFFSET]
    for y in range(y0, y1):
        a, out = _row(d, bases, at.IN_BASE, y), _row(d, bases, at.OUT_BASE, y)
        x, dual = _row(d, bases, at.X_BASE, y), _row(d, bases, at.DUAL_BASE, y)
        for panel in range(d[at.PANELS]):
            c = panel * PANEL_BYTES
            pointwise((
                d[at.WIDTH], a + c, d[at.IN_STEP], blocks + panel * BLOCK_BYTES, d[at.FLAGS],
                out + c, d[at.OUT_STEP], x + c, d[at.X_STEP], dual + c, d[at.DUAL_STEP],
            ))  # fmt: skip


@inner
def _depthwise_rows(d, bases, y0, y1, segments):  # type: ignore[no-untyped-def]
    width, step, flags = d[at.WIDTH], d[at.IN_STEP], d[at.FLAGS]
    out_step, x_step, dual_step = d[at.OUT_STEP], d[at.X_STEP], d[at.DUAL_STEP]
    weights, blocks = bases[d[at.W_BASE]] + d[at.W_OFFSET], bases[d[at.BLOCK_BASE]] + d[at.BLOCK_OFFSET]
    for y in range(y0, y1):
        _fill_segments(d, bases, y, segments)
        out = _row(d, bases, at.OUT_BASE, y)
        x = _row(d, bases, at.X_BASE, y)
        dual = _row(d, bases, at.DUAL_BASE, y)
        p = 0
        while p < width:
            tile = SIDE_TILE
            if width < SIDE_TILE:
                tile = 1
            elif p > width - SIDE_TILE:
                p = width - SIDE_TILE
            for panel in range(d[at.PANELS]):
                c = panel * PANEL_BYTES
                q = c + p * step
                w = weights + panel * d[at.W_PANEL]
                block = blocks + panel * BLOCK_BYTES
                if tile == SIDE_TILE:
                    depthwise_main((
                        segments[0] + q, segments[1] + q, segments[2] + q, step, w, block, flags,
                        out + c + p * out_step, out_step, x + c + p * x_step, x_step,
                        dual + c + p * dual_step, dual_step,
                    ))  # fmt: skip
                else:
                    depthwise_single((
                        segments[0] + q, segments[1] + q, segments[2] + q, step, w, block, flags,
                        out + c + p * out_step, out_step, x + c + p * x_step, x_step,
                        dual + c + p * dual_step, dual_step,
                    ))  # fmt: skip
            p += tile


@inner
def _transpose(source, row_step, step, out, out_row_step, out_step, rows, count):  # type: ignore[no-untyped-def]
    # ``rows`` rows of ``count`` values become columns; all distances in bytes.
    whole = rows & ~15 if step == 2 and out_row_step == 2 and count >= 16 else 0
    for i in range(0, whole, 16):
        for t in range(0, count, 16):
            k = min(t, count - 16)
            transpose((source + i * row_step + k * 2, row_step, out + i * 2 + k * out_step, out_step))
    for i in range(whole, rows):
        a, o = source + i * row_step, out + i * out_row_step
        for k in range(count):
            store_i16(o + k * out_step, load_i16(a + k * step))


@inner
def _pack_rows(d, bases, y0, y1):  # type: ignore[no-untyped-def]
    # From [C, H, W] of any strides into a ring. EXTRA0: distance of two channels.
    for y in range(y0, y1):
        source = bases[d[at.IN_BASE]] + d[at.IN_OFFSET] + y * d[at.IN_ROW]
        out = _row(d, bases, at.OUT_BASE, y)
        _transpose(source, d[at.EXTRA0], d[at.IN_STEP], out, 2, d[at.OUT_STEP], d[at.CHANNELS], d[at.WIDTH])


@inner
def _unpack_rows(d, bases, y0, y1):  # type: ignore[no-untyped-def]
    # From a ring into [planes, H, W], with a pixel shuffle by r: channels of one plane row are neighbours.
    r, height, width = d[at.EXTRA0], d[at.EXTRA1], d[at.EXTRA2]
    plane, line, step = d[at.OUT_ROW] * height, d[at.OUT_ROW], d[at.IN_STEP]
    pixels = -(-width // r)
    for y in range(y0, y1):
        a = _row(d, bases, at.IN_BASE, y)
        if r == 1:
            out, channels = bases[d[at.OUT_BASE]] + y * line, d[at.CHANNELS]
            if width >= 16:
                tiled = channels & ~15
                for x in range(0, width, 16):
                    p = min(x, width - 16)
                    for c in range(0, tiled, 16):
                        transpose((a + p * step + 2 * c, step, out + c * plane + 2 * p, plane))
                for x in range(width):
                    for c in range(tiled, channels):
                        store_i16(out + c * plane + 2 * x, load_i16(a + x * step + 2 * c))
            else:
                for c in range(channels):
                    for x in range(width):
                        store_i16(out + c * plane + 2 * x, load_i16(a + x * step + 2 * c))
            continue
        for c in range(d[at.CHANNELS]):
            for dy in range(min(r, height - y * r)):
                source = a + 2 * (c * r * r + dy * r)
                out = bases[d[at.OUT_BASE]] + c * plane + (y * r + dy) * line
                if r == 4 and width % 4 == 0:
                    for x in range(pixels):
                        store_i64(out + 8 * x, load_i64(source + x * step))
                elif r == 8 and width % 8 == 0:
                    for x in range(pixels):
                        store_i64(out + 16 * x, load_i64(source + x * step))
                        store_i64(out + 16 * x + 8, load_i64(source + x * step + 8))
                elif r == 2 and width % 2 == 0:
                    for x in range(pixels):
                        store_i32(out + 4 * x, load_i32(source + x * step))
                else:
                    for x in range(pixels):
                        for dx in range(min(r, width - x * r)):
                            store_i16(out + 2 * (x * r + dx), load_i16(source + x * step + 2 * dx))


@inner
def _copy_rows(d, bases, y0, y1):  # type: ignore[no-untyped-def]
    for y in range(y0, y1):
        a, out = _row(d, bases, at.IN_BASE, y), _row(d, bases, at.OUT_BASE, y)
        for x in range(d[at.WIDTH]):
            s, o = a + x * d[at.IN_STEP], out + x * d[at.OUT_STEP]
            for c in range(d[at.CHANNELS]):
                store_i16(o + 2 * c, load_i16(s + 2 * c))


@inner
def _shuffle_rows(d, bases, y0, y1):  # type: ignore[no-untyped-def]
    # Rows y0..y1 of the operand become r rows each; CHANNELS counts those of the result.
    r, height, width = d[at.EXTRA0], d[at.EXTRA1], d[at.EXTRA2]
    for y in range(y0, y1):
        a = _row(d, bases, at.IN_BASE, y)
        for dy in range(min(r, height - y * r)):
            out = _row(d, bases, at.OUT_BASE, y * r + dy)
            for x in range(width):
                s = a + (x // r) * d[at.IN_STEP] + 2 * (dy * r + x % r)
                for c in range(d[at.CHANNELS]):
                    store_i16(out + x * d[at.OUT_STEP] + 2 * c, load_i16(s + 2 * c * r * r))


@inner
def _lut_rows(d, bases, y0, y1):  # type: ignore[no-untyped-def]
    # EXTRA0: whether the table holds clipped values already.
    table = bases[d[at.W_BASE]] + d[at.W_OFFSET] + 65536
    blocks = bases[d[at.BLOCK_BASE]] + d[at.BLOCK_OFFSET]
    for y in range(y0, y1):
        a, out = _row(d, bases, at.IN_BASE, y), _row(d, bases, at.OUT_BASE, y)
        for x in range(d[at.WIDTH]):
            s, o = a + x * d[at.IN_STEP], out + x * d[at.OUT_STEP]
            if d[at.EXTRA0] != 0:
                for c in range(d[at.CHANNELS]):
                    store_i16(o + 2 * c, load_i16(table + 2 * load_i16(s + 2 * c)))
            else:
                for c in range(d[at.CHANNELS]):
                    v = load_i16(table + 2 * load_i16(s + 2 * c))
                    bounds = blocks + (c >> 4) * BLOCK_BYTES + 4 * (c & 15)
                    v = min(max(v, load_i32(bounds + LO_BYTES)), load_i32(bounds + HI_BYTES))
                    store_i16(o + 2 * c, v)


@inner
def _root(t):  # type: ignore[no-untyped-def]
    # Largest r with r * r <= t for 0 <= t < 2^48: Newton from above.
    r = np.int64(1) << 24
    while True:
        n = (r + t // r) >> 1
        if n >= r:
            return r
        r = n


@inner
def _norm_rows(d, bases, y0, y1):  # type: ignore[no-untyped-def]
    # EXTRA0 is epsilon.
    channels = d[at.CHANNELS]
    numbers = bases[at.B_NUMBERS] + 8 * d[at.SEGMENT_TABLE]
    for y in range(y0, y1):
        a, out = _row(d, bases, at.IN_BASE, y), _row(d, bases, at.OUT_BASE, y)
        for x in range(d[at.WIDTH]):
            s, o = a + x * d[at.IN_STEP], out + x * d[at.OUT_STEP]
            total = np.int64(0)
            squares = np.int64(0)
            for c in range(channels):
                v = load_i16(s + 2 * c)
                total += v
                squares += v * v
            t = channels * squares - total * total + d[at.EXTRA0]
            j = np.int64(0)
            while t < np.int64(1) << 46:
                t <<= 2
                j += 1
            inverse = (np.int64(1) << 47) // _root(t)
            norm_apply((s, o, d[at.PANELS], channels, total, j, inverse, numbers))


@inner
def _gram_rows(d, bases, y0, y1, scratch):  # type: ignore[no-untyped-def]
    # Sums over pixels of q_i k_j, then q_i^2, then k_i^2, of each head: int64, added to what is there, rows
    # padded to panels. CHANNELS: of q; EXTRA0: channels of one head; EXTRA1: padded.
    channels, width, padded = d[at.CHANNELS], d[at.EXTRA0], d[at.EXTRA1]
    groups, heads, step = padded >> 4, channels // width, d[at.IN_STEP]
    pairs, pixels = (d[at.WIDTH] + 1) >> 1, d[at.WIDTH]
    sums = bases[d[at.OUT_BASE]]
    squares = sums + 8 * channels * padded
    high = scratch.ctypes.data
    part = 64 * GRAM_PAIRS
    low, keys = high + groups * part, high + 2 * groups * part
    zero = bases[at.B_ZERO]
    for y in range(y0, y1):
        a = _row(d, bases, at.IN_BASE, y)
        for head in range(heads):
            for first in range(0, pairs, GRAM_PAIRS):
                count = min(GRAM_PAIRS, pairs - first)
                full = min(count, (pixels >> 1) - first)
                for g in range(groups):
                    to = g * part
                    q = a + 2 * (head * width + 16 * g) + 2 * first * step
                    k = q + 2 * channels
                    q_squares = squares + 8 * (head * padded + 16 * g)
                    k_squares = q_squares + 8 * heads * padded
                    if full > 0:
                        gram_zip_q((q, q + step, 2 * step, full, high + to, low + to, q_squares))
                        gram_zip_k((k, k + step, 2 * step, full, keys + to, keys + to, k_squares))
                    if full < count:
                        # The last pixel of an odd row has a partner of zeros.
                        q, k, to = q + 2 * full * step, k + 2 * full * step, to + 64 * full
                        gram_zip_q((q, zero, step, 1, high + to, low + to, q_squares))
                        gram_zip_k((k, zero, step, 1, keys + to, keys + to, k_squares))
                for g in range(groups):
                    i = np.int64(0)
                    while i < width:
                        place = sums + 8 * ((head * width + i) * padded + 16 * g)
                        at_q = (i >> 4) * part + 4 * (i & 15)
                        k = keys + g * part
                        if (i & 15) + GRAM_TILE <= min(np.int64(16), width - (i & ~15)):
                            gram_main((high + at_q, low + at_q, k, count, place, 8 * padded))
                            i += GRAM_TILE
                        else:
                            gram_single((high + at_q, low + at_q, k, count, place, 8 * padded))
                            i += 1


def _build(stamp: int) -> Callable[..., None]:
    # The stamp of all sources is part of the cache's key, so that a change elsewhere cannot leave old machine
    # code behind.
    signature = types.void(
        types.Array(types.int64, 2, "C", readonly=True),
        types.Array(types.int32, 2, "C", readonly=True),
        types.Array(types.int64, 1, "C", readonly=True),
    )

    def run_program(operations: Descriptor, program: npt.NDArray[np.int32], bases: Descriptor) -> None:
        """Run ``program`` [n, 3] (operation, first row, end row) over ``operations`` [m, FIELDS]."""
        if stamp < 0:
            return
        segments = np.empty(at.MAX_SEGMENTS, np.int64)
        for i in range(len(program)):
            d = operations[program[i, 0]]
            kind, y0, y1 = d[at.KIND], np.int64(program[i, 1]), np.int64(program[i, 2])
            if kind == CONV:
                _conv_rows(d, bases, y0, y1, segments)
            elif kind == POINTWISE:
                _pointwise_rows(d, bases, y0, y1)
            elif kind == DEPTHWISE:
                _depthwise_rows(d, bases, y0, y1, segments)
            elif kind == PACK:
                _pack_rows(d, bases, y0, y1)
            elif kind == UNPACK:
                _unpack_rows(d, bases, y0, y1)
            elif kind == COPY:
                _copy_rows(d, bases, y0, y1)
            elif kind == SHUFFLE:
                _shuffle_rows(d, bases, y0, y1)
            elif kind == LUT:
                _lut_rows(d, bases, y0, y1)
            elif kind == NORM:
                _norm_rows(d, bases, y0, y1)
            elif kind == GRAM:
                scratch = np.empty(3 * 8 * GRAM_PAIRS * (d[at.EXTRA1] >> 4), np.int64)
                _gram_rows(d, bases, y0, y1, scratch)

    if not COMPILED:
        return PythonKernel(run_program)
    compiled = keep_compiled(njit(nogil=True, error_model="numpy")(run_program), str(stamp))
    compiled.compile(signature)
    compiled.disable_compile()
    return cast("Callable[..., None]", compiled)


def _stamp() -> int:
    folder = Path(__file__).parent
    sources = b"".join(
        (folder / f"{name}.py").read_bytes() for name in ("vector_ir", "vector_sums", "layout", "kernels")
    )
    return zlib.crc32(sources + repr((ir.PAIRED, ir.MAIN_TILE)).encode())


run_program = _build(_stamp())
