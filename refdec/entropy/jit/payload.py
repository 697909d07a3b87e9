"""Payloads of several threads: their bytes laid out for the kernels, and failures turned into errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refdec.entropy.interface import THREAD_COUNTS
from refdec.entropy.jit.decode import OK, RESERVED_SYMBOL, TRUNCATED, VALUE_RANGE
from refdec.entropy.jit.workers import share_out
from refdec.errors import BitstreamError, CorruptPayloadError, TruncatedStreamError

MARGIN = 8
NO_TERMINATOR = 4

Lane = NDArray[np.int64]

# Which class, what happened, what was expected, by status.
FAILURES: dict[int, tuple[type[BitstreamError], str, str]] = {
    TRUNCATED: (TruncatedStreamError, "a thread ends before its last symbol", "more bits"),
    VALUE_RANGE: (CorruptPayloadError, "an escaped residual does not fit 16 bits", "-32768..32767"),
    RESERVED_SYMBOL: (CorruptPayloadError, "a z symbol has the value that no encoder writes", "0..62"),
    NO_TERMINATOR: (CorruptPayloadError, "a thread has no terminator bit", "at least one bit that is set"),
}


@dataclass
class Cursor:
    """Where the decoder stands in each thread: what the decoding kernels read and write.

    ``first``, ``position`` and ``status`` per thread, ``state`` per lane; see
    :mod:`refdec.entropy.jit.decode`.
    """

    first: Lane
    position: Lane
    state: Lane
    status: Lane


class PayloadReader:
    """The threads of one payload, opened.

    :raises ValueError: the number of threads or a size cannot come from any codestream.
    :raises TruncatedStreamError, CorruptPayloadError: the sizes do not add up to the data.
    """

    def __init__(self, data: bytes, sizes: Sequence[int], byte_offset: int, element: str) -> None:
        self.sizes = [int(size) for size in sizes]
        self.threads = len(self.sizes)
        if self.threads not in THREAD_COUNTS or min(self.sizes) < 0:
            raise ValueError(f"{self.threads} thread sizes {tuple(self.sizes)}")
        self.byte_offset = byte_offset
        self.element = element
        total = sum(self.sizes)
        if total != len(data):
            failure = TruncatedStreamError if total > len(data) else CorruptPayloadError
            raise failure(
                "the thread sizes do not add up to the payload",
                bit_offset=8 * byte_offset,
                element=element,
                expected=f"{total} bytes",
                found=f"{len(data)} bytes",
            )
        self.buffer = np.empty(MARGIN + total, np.uint8)
        self.buffer[:MARGIN] = 0
        self.buffer[MARGIN:] = np.frombuffer(data, np.uint8)
        self.cursor = self._open(bytes(data))
        # Threads from this one on are not decoded: it failed.
        self.limit = self.threads
        failed = np.flatnonzero(self.cursor.status)
        if failed.size:
            self.limit = int(failed[0])

    def _open(self, data: bytes) -> Cursor:
        """Terminators and first states."""
        threads = self.threads
        lanes = max(threads, 2)
        states = lanes // threads
        cursor = Cursor(
            first=np.zeros(threads, np.int64),
            position=np.zeros(threads, np.int64),
            state=np.zeros(lanes, np.int64),
            status=np.zeros(threads, np.int64),
        )
        begin = 0
        for t, size in enumerate(self.sizes):
            cursor.first[t] = MARGIN + begin
            thread = data[begin : begin + size].rstrip(b"\0")
            begin += size
            if not thread:
                cursor.status[t] = NO_TERMINATOR
                continue
            top = int.from_bytes(thread[-4:], "little")
            # Bits below the terminator: in the last four bytes, and in all.
            here = top.bit_length() - 1
            position = 8 * (len(thread) - min(4, len(thread))) + here
            if position < 8 * states:
                cursor.status[t] = TRUNCATED
                continue
            for k in range(states):
                cursor.state[t + k] = (top >> (here - 8 * (k + 1))) & 255
            cursor.position[t] = position - 8 * states
        return cursor

    def run(self, workers: int, walk: Callable[[Cursor, int, int], int]) -> None:
        """Walk the threads below the first that failed, with up to ``workers`` OS threads.

        :param walk: ``walk(cursor, low, high)`` decodes threads ``low..high - 1``; returns the
            number of the first of them that failed, or ``high``.
        """
        if self.limit == 0:
            return
        first = self.cursor.first

        def share(arrays: Sequence[Lane], low: int, high: int) -> int:
            return walk(Cursor(first, *arrays), low, high)

        arrays = self.cursor.position, self.cursor.state, self.cursor.status
        self.limit = share_out(arrays, self.limit, workers, share)

    def finish(self, check_end: bool) -> None:
        """Raise the error of the lowest thread that failed, if any.

        :param check_end: whether everything was decoded, so that no bits and no state may be left.
        """
        states = self.cursor.state.size // self.threads
        for t in range(self.threads):
            left = int(self.cursor.position[t])
            status = int(self.cursor.status[t])
            state = self.cursor.state[t : t + states].tolist()
            if status != OK:
                failure, message, expected = FAILURES[status]
                found = f"a thread of {self.sizes[t]} bytes"
                raise failure(
                    message, bit_offset=self._place(t), element=self.element, expected=expected, found=found
                )
            if check_end and (left or any(state)):
                raise CorruptPayloadError(
                    "a thread does not end in the state that every encoder starts from",
                    bit_offset=self._place(t),
                    element=self.element,
                    expected="all state bytes 0 and no bits left",
                    found=f"state bytes {', '.join(map(str, state))} and {left} bits left",
                )

    def _place(self, thread: int) -> int:
        return 8 * (self.byte_offset + sum(self.sizes[:thread]))
