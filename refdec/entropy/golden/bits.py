"""The bits of one thread: a stack, written from the bottom and read from the top (AR-TANS-01..03)."""

from __future__ import annotations

from collections.abc import Sequence

from refdec.entropy.interface import THREAD_COUNTS
from refdec.errors import CorruptPayloadError, TruncatedStreamError


class BitWriter:
    """Grows one little-endian integer bit by bit.

    The integer is kept in two parts, finished bytes and fewer than 8 pending bits above them, so
    that a long thread costs linear time.
    """

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._pending = 0
        self._pending_bits = 0

    def write(self, value: int, bits: int) -> None:
        """Put ``bits`` bits of ``value`` above everything written so far."""
        assert 0 <= value < 1 << bits
        self._pending |= value << self._pending_bits
        self._pending_bits += bits
        while self._pending_bits >= 8:
            self._bytes.append(self._pending & 255)
            self._pending >>= 8
            self._pending_bits -= 8

    def close(self) -> bytes:
        """The terminator and zeros up to a whole byte (AR-TANS-02)."""
        self.write(1, 1)
        if self._pending_bits:
            self.write(0, 8 - self._pending_bits)
        return bytes(self._bytes)


class BitReader:
    """Reads what :class:`BitWriter` wrote, last bit first.

    :param data: the bytes of one thread.
    :param bit_offset: place of the thread in the codestream, for errors.
    :param element: name of the payload, for errors.
    :raises CorruptPayloadError: no bit is set, so there is no terminator.
    """

    def __init__(self, data: bytes, bit_offset: int, element: str) -> None:
        self.bit_offset = bit_offset
        self.element = element
        self._data = data
        significant = data.rstrip(b"\0")
        if not significant:
            raise CorruptPayloadError(
                "a thread has no terminator bit",
                bit_offset=bit_offset,
                element=element,
                expected="at least one bit that is set",
                found=f"{len(data)} bytes, all zero" if data else "no bytes",
            )
        # AR-TANS-02: bits below the terminator, which is the highest bit that is set.
        self.position = 8 * (len(significant) - 1) + significant[-1].bit_length() - 1

    def read(self, bits: int) -> int:
        """The topmost ``bits`` bits (0..16) not read yet.

        :raises TruncatedStreamError: fewer are left.
        """
        assert 0 <= bits <= 16
        position = self.position - bits
        if position < 0:
            raise TruncatedStreamError(
                "a thread ends before its last symbol",
                bit_offset=self.bit_offset,
                element=self.element,
                expected=f"{bits} more bits",
                found=f"{self.position} bits left",
            )
        # AR-TANS-01, AR-TANS-03
        self.position = position
        first = position >> 3
        window = int.from_bytes(self._data[first : first + 3], "little")
        return (window >> (position & 7)) & ((1 << bits) - 1)

    def check_end(self, states: Sequence[int]) -> None:
        """The state that every encoder starts from (AR-TANS-07).

        :raises CorruptPayloadError: a state byte is not 0, or bits are left.
        """
        if any(states) or self.position:  # AR-TANS-07
            raise CorruptPayloadError(
                "a thread does not end in the state that every encoder starts from",
                bit_offset=self.bit_offset,
                element=self.element,
                expected="all state bytes 0 and no bits left",
                found=f"state bytes {', '.join(map(str, states))} and {self.position} bits left",
            )


def open_threads(
    data: bytes, sizes: Sequence[int], byte_offset: int, element: str
) -> list[tuple[bytes, int]]:
    """Bytes and bit offset of each thread.

    :raises TruncatedStreamError, CorruptPayloadError: the sizes do not add up to the data.
    """
    if len(sizes) not in THREAD_COUNTS or min(sizes) < 0:
        raise ValueError(f"{len(sizes)} thread sizes {tuple(sizes)}")
    total = sum(sizes)
    if total != len(data):
        error = TruncatedStreamError if total > len(data) else CorruptPayloadError
        raise error(
            "the thread sizes do not add up to the payload",
            bit_offset=8 * byte_offset,
            element=element,
            expected=f"{total} bytes",
            found=f"{len(data)} bytes",
        )
    threads, begin = [], 0
    for size in sizes:
        threads.append((data[begin : begin + size], 8 * (byte_offset + begin)))
        begin += size
    return threads
