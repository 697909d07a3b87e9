"""The vector loops without LLVM: what they emit is computed at once, on Python's integers.

:class:`PythonBuilder` has the methods of llvmlite's builder that :mod:`vector_ir` and :mod:`vector_sums`
call. A value is a type and a list of integers, one per lane. Sums and products that leave their type are an
error here, where a processor would wrap: the bounds of :mod:`refdec.integer.proof` say that there are none.
Memory is the process's own, at the addresses that the kernels give.
"""

from __future__ import annotations

import ctypes
import operator
import struct
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir

from refdec.python_kernels import wrapped

CODES = {8: "b", 16: "h", 32: "i", 64: "q"}
COMPARISONS = {"<": operator.lt, ">": operator.gt, "!=": operator.ne}
I64 = ir.IntType(64)


class Lanes:
    """A value: its type and its lanes; a scalar has one."""

    __slots__ = ("align", "type", "values")

    def __init__(self, kind: Any, values: list[int]) -> None:
        self.type, self.values = kind, values
        self.align = 0


def bits_of(kind: Any) -> int:
    """Width of a scalar type, or of a lane."""
    return int((kind.element if isinstance(kind, ir.VectorType) else kind).width)


def like(kind: Any, element: Any) -> Any:
    """A type of other elements with as many lanes."""
    return ir.VectorType(element, kind.count) if isinstance(kind, ir.VectorType) else element


def lanes_of(value: Any) -> list[int]:
    """Lanes of a value or of a constant of llvmlite's."""
    if isinstance(value, Lanes):
        return value.values
    known = value.constant
    return [v.constant for v in known] if isinstance(value.type, ir.VectorType) else [known]


class PythonBuilder:
    """Computes what a builder of llvmlite's would emit."""

    def _exact(self, a: Any, b: Any, function: Callable[[int, int], int]) -> Lanes:
        out = list(map(function, lanes_of(a), lanes_of(b)))
        limit = 1 << (bits_of(a.type) - 1)
        if max(out) >= limit or min(out) < -limit:
            raise OverflowError(f"{max(out)} or {min(out)} leaves {bits_of(a.type)} bits")
        return Lanes(a.type, out)

    def add(self, a: Any, b: Any) -> Lanes:
        """Sum; it must fit."""
        return self._exact(a, b, operator.add)

    def sub(self, a: Any, b: Any) -> Lanes:
        """Difference; it must fit."""
        return self._exact(a, b, operator.sub)

    def mul(self, a: Any, b: Any) -> Lanes:
        """Product; it must fit."""
        return self._exact(a, b, operator.mul)

    def shl(self, a: Any, b: Any) -> Lanes:
        """Product with a power of two; it must fit."""
        return self._exact(a, b, operator.lshift)

    def ashr(self, a: Any, b: Any) -> Lanes:
        """Floor of the quotient by a power of two."""
        return Lanes(a.type, list(map(operator.rshift, lanes_of(a), lanes_of(b))))

    def and_(self, a: Any, b: Any) -> Lanes:
        """Bits of both."""
        return Lanes(a.type, list(map(operator.and_, lanes_of(a), lanes_of(b))))

    def sext(self, a: Any, kind: Any) -> Lanes:
        """The same values in more bits."""
        return Lanes(kind, lanes_of(a))

    def trunc(self, a: Any, kind: Any) -> Lanes:
        """The low bits, in two's complement."""
        bits = bits_of(kind)
        return Lanes(kind, [wrapped(v, bits, True) for v in lanes_of(a)])

    def icmp_signed(self, sign: str, a: Any, b: Any) -> Lanes:
        """1 where it holds."""
        found = map(COMPARISONS[sign], lanes_of(a), lanes_of(b))
        return Lanes(like(a.type, ir.IntType(1)), [int(v) for v in found])

    def select(self, condition: Any, a: Any, b: Any) -> Lanes:
        """Lanes of ``a`` where the condition holds, else of ``b``."""
        chosen = zip(lanes_of(condition), lanes_of(a), lanes_of(b), strict=True)
        return Lanes(a.type, [x if c else y for c, x, y in chosen])

    def insert_element(self, a: Any, scalar: Any, place: Any) -> Lanes:
        """One lane replaced."""
        out = list(lanes_of(a))
        out[lanes_of(place)[0]] = lanes_of(scalar)[0]
        return Lanes(a.type, out)

    def shuffle_vector(self, a: Any, b: Any, order: Any) -> Lanes:
        """Lanes of ``a`` and ``b``, numbered through, in an order."""
        both, places = lanes_of(a) + lanes_of(b), lanes_of(order)
        return Lanes(ir.VectorType(a.type.element, len(places)), [both[i] for i in places])

    def bitcast(self, a: Any, kind: Any) -> Lanes:
        """The same bytes as they would lie in memory."""
        return Lanes(kind, unpack(kind, pack(a)))

    def inttoptr(self, a: Any, _kind: Any) -> Any:
        """Addresses stay integers; the type goes with what is loaded."""
        return Lanes(_kind, lanes_of(a))

    def load(self, address: Any) -> Lanes:
        """From memory."""
        kind = address.type.pointee
        return Lanes(kind, unpack(kind, ctypes.string_at(address.values[0], size_of(kind))))

    def store(self, value: Any, address: Any) -> Lanes:
        """To memory."""
        data = pack(value)
        ctypes.memmove(address.values[0], data, len(data))
        return Lanes(value.type, [])


def size_of(kind: Any) -> int:
    """Bytes of a value in memory."""
    return bits_of(kind) // 8 * (kind.count if isinstance(kind, ir.VectorType) else 1)


def pack(value: Any) -> bytes:
    """A value as it lies in memory."""
    values = lanes_of(value)
    return struct.pack(f"={len(values)}{CODES[bits_of(value.type)]}", *values)


def unpack(kind: Any, data: bytes) -> list[int]:
    """The lanes of a value in memory."""
    width = bits_of(kind) // 8
    return list(struct.unpack(f"={len(data) // width}{CODES[width * 8]}", data))


def of_addresses(emit: Callable[[Any, Sequence[Any]], Any]) -> Callable[[Sequence[int]], None]:
    """A vector loop as kernels call it: with one tuple of integers."""

    def call(values: Sequence[int]) -> None:
        emit(PythonBuilder(), [Lanes(I64, [int(v)]) for v in values])

    return call


def loader(bits: int) -> Callable[[int], int]:
    """One number of so many bits at an address."""
    kind = ir.IntType(bits)
    return lambda address: unpack(kind, ctypes.string_at(address, bits // 8))[0]


def storer(bits: int) -> Callable[[int, int], None]:
    """The low bits of a number to an address."""

    def store(address: int, value: int) -> None:
        data = pack(Lanes(ir.IntType(bits), [wrapped(value, bits, True)]))
        ctypes.memmove(address, data, len(data))

    return store
