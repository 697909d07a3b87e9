"""Bits in and out of byte strings, most significant bit first.

Every read and write of the codestream goes through the two classes here, so that a position is always
known to the bit and no read can leave its payload.
"""

from __future__ import annotations

import numpy as np

from refdec.errors import CodestreamSyntaxError, TruncatedStreamError

MAX_EXP_GOLOMB_PREFIX = 32
_BULK_COUNT = 24


def bounded_width(maximum: int) -> int:
    """Bits of a bounded field whose largest value is ``maximum`` (CS-BIT-03)."""
    return maximum.bit_length()


def ue_width(value: int) -> int:
    """Bits of the unsigned exponential-Golomb code of ``value``."""
    return 2 * (value + 1).bit_length() - 1


def se_to_ue(value: int) -> int:
    """Number of a signed value in the order 0, 1, -1, 2, -2, ... (CS-BIT-05)."""
    return 2 * abs(value) - (1 if value > 0 else 0)


def ue_to_se(number: int) -> int:
    """Signed value with the given number; inverse of :func:`se_to_ue`."""
    magnitude = (number + 1) >> 1
    return magnitude if number & 1 else -magnitude


class BitReader:
    """Reads fields from ``data``; positions in errors count from the start of the codestream.

    :param data: the payload; nothing outside it is ever read.
    :param origin: absolute offset of the payload's first bit in the codestream.
    """

    __slots__ = ("data", "end", "origin", "position")

    def __init__(self, data: bytes, origin: int = 0) -> None:
        self.data = data
        self.origin = origin
        self.position = 0
        self.end = 8 * len(data)

    @property
    def offset(self) -> int:
        """Absolute bit offset of the next bit."""
        return self.origin + self.position

    @property
    def remaining(self) -> int:
        """Bits left in the payload."""
        return self.end - self.position

    def require(self, bits: int, element: str) -> None:
        """:raises TruncatedStreamError: fewer than ``bits`` bits are left."""
        if bits > self.end - self.position:
            raise TruncatedStreamError(
                "the data ends before this element is complete",
                bit_offset=self.offset,
                element=element,
                expected=f"{bits} more bits",
                found=f"{self.end - self.position} bits up to the end of the payload",
            )

    def read(self, width: int, element: str) -> int:
        """An unsigned integer of ``width`` bits (CS-BIT-01, CS-BIT-02); a width of 0 yields 0."""
        position = self.position
        stop = position + width
        if stop > self.end:
            self.require(width, element)
        first, last = position >> 3, (stop + 7) >> 3
        chunk = int.from_bytes(self.data[first:last], "big")
        self.position = stop
        return (chunk >> (8 * last - stop)) & ((1 << width) - 1)

    def read_many(self, count: int, width: int, element: str) -> tuple[int, ...]:
        """``count`` integers of ``width`` bits; all must be there before any is made (CS-LIM-02)."""
        self.require(count * width, element)
        if count < _BULK_COUNT or width == 0:
            return tuple(self.read(width, element) for _ in range(count))
        position, stop = self.position, self.position + count * width
        first, last = position >> 3, (stop + 7) >> 3
        raw = np.unpackbits(np.frombuffer(self.data[first:last], np.uint8))
        bits = raw[position - 8 * first : stop - 8 * first].reshape(count, width)
        weights = np.left_shift(1, np.arange(width - 1, -1, -1, dtype=np.int64))
        self.position = stop
        return tuple((bits.astype(np.int64) @ weights).tolist())

    def read_ue(self, element: str) -> int:
        """An unsigned exponential-Golomb code (CS-BIT-04)."""
        position = self.position
        first = position >> 3
        window = self.data[first : first + 9]
        size = 72 - (position & 7)
        bits = (int.from_bytes(window, "big") << (72 - 8 * len(window))) & ((1 << size) - 1)
        zeros = size - bits.bit_length()
        width = 2 * zeros + 1
        if zeros > MAX_EXP_GOLOMB_PREFIX and self.remaining > MAX_EXP_GOLOMB_PREFIX:
            raise CodestreamSyntaxError(
                "an exponential-Golomb code has too long a prefix",
                bit_offset=self.offset,
                element=element,
                expected=f"a one after at most {MAX_EXP_GOLOMB_PREFIX} zeros",
                found=f"at least {MAX_EXP_GOLOMB_PREFIX + 1} zeros",
            )
        self.require(width if bits else self.remaining + 1, element)
        self.position = position + width
        return (bits >> (size - width)) - 1

    def read_se(self, element: str) -> int:
        """A signed exponential-Golomb code (CS-BIT-05)."""
        return ue_to_se(self.read_ue(element))

    def align(self) -> int:
        """Skip to the next byte and return the padding bits' value; its width was at most 7 (CS-BIT-06)."""
        width = -self.position % 8
        return self.read(width, "padding") if width else 0


class BitWriter:
    """Collects fields; :meth:`bytes` pads the last byte with zeros."""

    __slots__ = ("_bits", "_value", "_whole")

    def __init__(self) -> None:
        self._whole = bytearray()
        self._value = 0
        self._bits = 0

    @property
    def position(self) -> int:
        """Bits written so far."""
        return 8 * len(self._whole) + self._bits

    def write(self, value: int, width: int) -> None:
        """Append ``value`` in ``width`` bits; it must fit."""
        if not 0 <= value < 1 << width:
            raise ValueError(f"{value} does not fit in {width} bits")
        self._value = self._value << width | value
        self._bits += width
        whole, self._bits = divmod(self._bits, 8)
        if whole:
            self._whole += (self._value >> self._bits).to_bytes(whole, "big")
            self._value &= (1 << self._bits) - 1

    def write_ue(self, value: int) -> None:
        """Append an unsigned exponential-Golomb code."""
        if not 0 <= value <= 2 ** (MAX_EXP_GOLOMB_PREFIX + 1) - 2:
            raise ValueError(f"{value} has no exponential-Golomb code")
        self.write(value + 1, ue_width(value))

    def write_se(self, value: int) -> None:
        """Append a signed exponential-Golomb code."""
        self.write_ue(se_to_ue(value))

    def align(self) -> None:
        """Append zero bits up to the next byte."""
        self.write(0, -self._bits % 8)

    def bytes(self) -> bytes:
        """Everything written, the last byte padded with zero bits."""
        self.align()
        return bytes(self._whole)
