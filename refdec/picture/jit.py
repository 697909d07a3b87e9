"""Chroma format, colour and rounding as compiled integer kernels.

Independent of :mod:`refdec.picture.golden`: weights come from long division, the conversion works with the
complements of the coefficients in 32 bits, and rounding looks at remainders.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import types

from refdec.engine_record import ran
from refdec.entropy.jit.kernel import Kernel, kernel, narrow, reads, wide, writes

IntArray = npt.NDArray[np.integer[Any]]

_i64, _void = types.int64, types.void
_u8, _u16, _i32 = types.uint8, types.uint16, types.int32


@kernel(_void, _i64, _i64, writes(_i64), writes(_i32, 2))
def cubic_axis(length, target, first, weights):  # type: ignore[no-untyped-def]
    """First tap and four weights of every interpolated sample of an axis."""
    scale = wide(target - 1)
    if scale < 1:
        scale = wide(1)
    whole = 4 * scale * scale * scale
    for i in range(target):
        position = i * (length - 1)
        r = position % scale
        s = scale - r
        first[i] = position // scale - 1
        near, far = (1, 2) if r <= s else (2, 1)
        left = wide(1 << 15)
        for tap in (0, 3, far):
            if tap == 0:
                n = -3 * r * s * s
            elif tap == 3:
                n = -3 * s * r * r
            elif tap == 1:
                n = whole - r * r * (9 * scale - 5 * r)
            else:
                n = whole - s * s * (9 * scale - 5 * s)
            # n + whole is positive; binary long division gives 15 bits behind the point
            n += whole
            quotient = n // whole
            n -= quotient * whole
            for _ in range(15):
                n += n
                quotient += quotient
                if n >= whole:
                    n -= whole
                    quotient += 1
            if n + n >= whole:
                quotient += 1
            quotient -= 1 << 15
            weights[i, tap] = narrow(quotient)
            left -= quotient
        weights[i, near] = narrow(left)


@kernel(
    _void,
    reads(_u16, 2),
    reads(_i64),
    reads(_i32, 2),
    reads(_i64),
    reads(_i32, 2),
    _i64,
    writes(_i32, 2),
    writes(_i64),
    writes(_i32, 2),
)
def interpolate_rows(plane, columns, across, lines, down, start, wide_rows, held, out):  # type: ignore[no-untyped-def]
    """Rows from ``start`` on; ``wide_rows`` holds four source rows stretched, ``held`` says which."""
    height, width = plane.shape
    for slot in range(4):
        held[slot] = -1
    for i in range(out.shape[0]):
        y = start + i
        for tap in range(4):
            row = min(max(lines[y] + tap, 0), height - 1)
            slot = row & 3
            if held[slot] == row:
                continue
            held[slot] = row
            for x in range(columns.shape[0]):
                c = columns[x]
                if c >= 0 and c + 3 < width:
                    a, b = wide(plane[row, c]), wide(plane[row, c + 1])
                    d, e = wide(plane[row, c + 2]), wide(plane[row, c + 3])
                else:
                    a = wide(plane[row, max(c, 0)])
                    b = wide(plane[row, min(max(c + 1, 0), width - 1)])
                    d = wide(plane[row, min(max(c + 2, 0), width - 1)])
                    e = wide(plane[row, min(c + 3, width - 1)])
                # the weights add up to 2^15, so the centre can be taken off at the end
                total = a * across[x, 0] + b * across[x, 1] + d * across[x, 2] + e * across[x, 3]
                wide_rows[slot, x] = narrow(total - (32640 << 15))
        top, bottom = lines[y], height - 1
        p, q = min(max(top, 0), bottom) & 3, min(max(top + 1, 0), bottom) & 3
        r, s = min(max(top + 2, 0), bottom) & 3, min(max(top + 3, 0), bottom) & 3
        wp, wq, wr, ws = wide(down[y, 0]), wide(down[y, 1]), wide(down[y, 2]), wide(down[y, 3])
        for x in range(columns.shape[0]):
            upper = wp * wide_rows[p, x] + wq * wide_rows[q, x]
            lower = wr * wide_rows[r, x] + ws * wide_rows[s, x]
            # one more bit than the result needs says whether to round up
            fine = (upper + lower) >> 29
            out[i, x] = narrow((fine >> 1) + (fine & 1) + 32640)


def _rgb_bytes(luma, u, v, red, green, blue):  # type: ignore[no-untyped-def]
    # 1.5748 and 1.8556 as 2 minus something, 0.468 as a half minus something: all products fit in 32
    # bits, and shifting them first drops nothing that the final shift would keep
    for i in range(luma.shape[0]):
        for j in range(luma.shape[1]):
            y = narrow(luma[i, j]) + narrow(128)
            cu = narrow(narrow(u[i, j]) - narrow(32640))
            cv = narrow(narrow(v[i, j]) - narrow(32640))
            r = narrow(y + 2 * cv + narrow(narrow(cv * narrow(-27866)) >> 16)) >> 8
            b = narrow(y + 2 * cu + narrow(narrow(cu * narrow(-9463)) >> 16)) >> 8
            mixed = narrow(narrow(cv * narrow(2089)) - narrow(cu * narrow(12276)))
            g = narrow(2 * y - cv + narrow(mixed >> 15)) >> 9
            red[i, j] = min(max(r, 0), 255)
            green[i, j] = min(max(g, 0), 255)
            blue[i, j] = min(max(b, 0), 255)


def _fine_rgb_bytes(luma, u, v, red, green, blue):  # type: ignore[no-untyped-def]
    # 16 fraction bits, so 32 after the matrix; clipping first makes the bit below the point the rounding
    whole = wide(255 << 32)
    for i in range(luma.shape[0]):
        for j in range(luma.shape[1]):
            y = wide(luma[i, j]) << 16
            cu = wide(u[i, j]) - (32640 << 8)
            cv = wide(v[i, j]) - (32640 << 8)
            r = min(max(y + (cv << 17) - 27866 * cv, 0), whole) >> 31
            b = min(max(y + (cu << 17) - 9463 * cu, 0), whole) >> 31
            g = min(max(y - (cv << 15) + 2089 * cv - 12276 * cu, 0), whole) >> 31
            red[i, j] = (r >> 1) + (r & 1)
            green[i, j] = (g >> 1) + (g & 1)
            blue[i, j] = (b >> 1) + (b & 1)


# Fraction bits are constants of the compiled code: a division by what is not is many times slower.
def _rgb_words(fraction: int) -> Kernel:
    whole, middle = 255 << fraction + 16, 255 << fraction - 1

    def rgb_words(luma, u, v, top, red, green, blue):  # type: ignore[no-untyped-def]
        for i in range(luma.shape[0]):
            for j in range(luma.shape[1]):
                y = wide(luma[i, j]) << 16
                cu = wide(u[i, j]) - middle
                cv = wide(v[i, j]) - middle
                r = top * min(max(y + (cv << 17) - 27866 * cv, 0), whole)
                b = top * min(max(y + (cu << 17) - 9463 * cu, 0), whole)
                g = top * min(max(y - (cv << 15) + 2089 * cv - 12276 * cu, 0), whole)
                red[i, j] = r // whole + (2 * (r % whole) >= whole)
                green[i, j] = g // whole + (2 * (g % whole) >= whole)
                blue[i, j] = b // whole + (2 * (b % whole) >= whole)

    return rgb_words


def _bytes(fraction: int) -> Kernel:
    whole, half = 255 << fraction, fraction - 1

    def samples(plane, out):  # type: ignore[no-untyped-def]
        for i in range(plane.shape[0]):
            for j in range(plane.shape[1]):
                value = min(max(wide(plane[i, j]), 0), whole)
                out[i, j] = (value >> fraction) + ((value >> half) & 1)

    return samples


def _words(fraction: int) -> Kernel:
    whole = 255 << fraction

    def samples(plane, top, out):  # type: ignore[no-untyped-def]
        for i in range(plane.shape[0]):
            for j in range(plane.shape[1]):
                value = top * min(max(wide(plane[i, j]), 0), whole)
                out[i, j] = value // whole + (2 * (value % whole) >= whole)

    return samples


_PLANES = {np.dtype(np.uint16): reads(_u16, 2), np.dtype(np.int32): reads(_i32, 2)}
_LUMA = _PLANES[np.dtype(np.uint16)]
RGB_BYTES = {
    dtype: kernel(_void, _LUMA, chroma, chroma, *(writes(_u8, 2),) * 3)(_rgb_bytes)
    for dtype, chroma in _PLANES.items()
}
RGB_WORDS = {
    dtype: kernel(_void, _LUMA, chroma, chroma, _i64, *(writes(_u16, 2),) * 3)(_rgb_words(8))
    for dtype, chroma in _PLANES.items()
}
BYTES = {dtype: kernel(_void, plane, writes(_u8, 2))(_bytes(8)) for dtype, plane in _PLANES.items()}
WORDS = {dtype: kernel(_void, plane, _i64, writes(_u16, 2))(_words(8)) for dtype, plane in _PLANES.items()}

_FINE = reads(_i32, 2)
FINE_RGB_BYTES = kernel(_void, *(_FINE,) * 3, *(writes(_u8, 2),) * 3)(_fine_rgb_bytes)
FINE_RGB_WORDS = kernel(_void, *(_FINE,) * 3, _i64, *(writes(_u16, 2),) * 3)(_rgb_words(16))
FINE_BYTES = kernel(_void, _FINE, writes(_u8, 2))(_bytes(16))
FINE_WORDS = kernel(_void, _FINE, _i64, writes(_u16, 2))(_words(16))


@lru_cache(maxsize=8)
def _axis(length: int, target: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    first, weights = np.empty(target, np.int64), np.empty((target, 4), np.int32)
    cubic_axis(length, target, first, weights)
    return first, weights


def interpolate(plane: IntArray, size: tuple[int, int], rows: tuple[int, int]) -> npt.NDArray[np.int32]:
    """See :func:`refdec.picture.golden.interpolate`."""
    ran("picture", "jit")
    source = np.ascontiguousarray(plane, np.uint16)
    out = np.empty((rows[1] - rows[0], size[1]), np.int32)
    across, down = _axis(source.shape[1], size[1]), _axis(source.shape[0], size[0])
    stretched, held = np.empty((4, size[1]), np.int32), np.empty(4, np.int64)
    interpolate_rows(source, *across, *down, rows[0], stretched, held, out)
    return out


def to_rgb(
    luma: IntArray, u: IntArray, v: IntArray, depth: int, fraction: int = 8
) -> tuple[IntArray, IntArray, IntArray]:
    """See :func:`refdec.picture.golden.to_rgb`."""
    ran("picture", "jit")
    y, u, v = (np.ascontiguousarray(plane) for plane in (luma, u, v))
    out = [np.empty(y.shape, np.uint8 if depth == 8 else np.uint16) for _ in range(3)]
    small, large = (
        (RGB_BYTES[u.dtype], RGB_WORDS[u.dtype]) if fraction == 8 else (FINE_RGB_BYTES, FINE_RGB_WORDS)
    )
    if depth == 8:
        small(y, u, v, *out)
    else:
        large(y, u, v, (1 << depth) - 1, *out)
    return out[0], out[1], out[2]


def to_samples(plane: IntArray, depth: int, fraction: int = 8) -> IntArray:
    """See :func:`refdec.picture.golden.to_samples`."""
    ran("picture", "jit")
    source = np.ascontiguousarray(plane)
    out = np.empty(source.shape, np.uint8 if depth == 8 else np.uint16)
    small, large = (BYTES[source.dtype], WORDS[source.dtype]) if fraction == 8 else (FINE_BYTES, FINE_WORDS)
    if depth == 8:
        small(source, out)
    else:
        large(source, (1 << depth) - 1, out)
    return out
