"""The residual coder: me-tANS with 32 distributions, masks and escapes (AR-TANS-04..11).

Threads are independent of one another, so each is decoded from its first call to its last before
the next is looked at. Everything is written for reading; the tables are turned into Python lists
because indexing those is what a plain loop does fastest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from refdec import coverage
from refdec.entropy.golden.bits import BitReader, BitWriter, open_threads
from refdec.entropy.interface import THREAD_COUNTS, Bool, Int32, IntArray
from refdec.entropy.tables import MAX_LEVEL, STATES, coder_tables, refill_bits, symbol_of_column
from refdec.errors import CorruptPayloadError

VALUE_MIN, VALUE_MAX = -32768, 32767
SHORT_ESCAPE_LIMIT = 8

Entry: TypeAlias = "tuple[int, int, int]"
CallLists: TypeAlias = "tuple[list[int], list[bool]]"


@lru_cache(maxsize=1)
def decode_rows() -> list[list[Entry]]:
    """Per distribution and state: symbol, number of bits, base of the next state."""
    packed = coder_tables().decode.astype(np.int64)
    symbols = ((packed & 0xFFFF) ^ 0x8000) - 0x8000
    fields = np.stack([symbols, packed >> 24, (packed >> 16) & 255], axis=-1)
    return [[(int(s), int(n), int(b)) for s, n, b in row] for row in fields]


@lru_cache(maxsize=1)
def encode_rows() -> list[dict[int, tuple[int, int]]]:
    """Per distribution and codable symbol: mass, and the mass before its column."""
    tables = coder_tables()
    rows = []
    for masses, starts in zip(tables.masses.tolist(), tables.starts.tolist(), strict=True):
        rows.append({symbol_of_column(c): (p, starts[c]) for c, p in enumerate(masses) if p})
    return rows


def check_call(levels: IntArray, mask: Bool) -> tuple[list[int], list[bool]]:
    """Levels and mask of a call as lists.

    :raises ValueError: the shapes differ or a level is not one of the 32 distributions.
    """
    levels, mask = np.asarray(levels), np.asarray(mask)
    if levels.ndim != 1 or levels.shape != mask.shape:
        raise ValueError(f"levels {levels.shape} and mask {mask.shape} must be two lists of one length")
    if levels.size and not 0 <= int(levels.min()) <= int(levels.max()) <= MAX_LEVEL:
        raise ValueError(f"levels must be in 0..{MAX_LEVEL}")
    return levels.astype(np.int64).tolist(), mask.astype(np.bool_).tolist()


def thread_groups(length: int, threads: int, thread: int) -> Iterator[range]:
    """The positions of one thread of a call, in groups that are decoded together (AR-TANS-08).

    Position i belongs to thread ``i mod threads``. Below ``T``, the largest multiple of ``4 * threads``
    that the call holds, a thread's positions form groups of four; from there on they stand alone.
    """
    tail = length // (4 * threads) * (4 * threads)
    for base in range(0, tail, 4 * threads):
        yield range(base + thread, base + 4 * threads, threads)  # AR-TANS-04, AR-TANS-08
    for position in range(tail + thread, length, threads):
        yield range(position, position + 1)


def state_count(threads: int) -> int:
    """Two states take turns in a single thread; of several threads each has one (AR-TANS-05)."""
    return 2 if threads == 1 else 1


def decode_thread(
    reader: BitReader,
    threads: int,
    thread: int,
    calls: Sequence[CallLists],
    outputs: Sequence[Int32],
    stop: int | None,
) -> None:
    """Decode one thread of all calls into ``outputs``; check its end unless ``stop`` is given."""
    rows = coverage.visited_rows("tans-states", decode_rows())
    bounds: list[int] = coder_tables().bounds.tolist()
    count = state_count(threads)
    read = reader.read
    # AR-TANS-05, AR-TANS-06
    states = [read(8) for _ in range(count)]
    for (levels, mask), output in zip(calls, outputs, strict=True):
        for group in thread_groups(len(levels), threads, thread):
            if stop is not None and group.start >= stop:
                break  # AR-PROG-01
            escaped = []
            # First pass: one symbol per coded position. With two states the parity of the position
            # chooses, and positions that are not coded count as well.
            for i in group:
                if mask[i]:
                    # AR-TANS-09, AR-PDF-01, AR-PDF-02, AR-TAB-01, AR-TAB-02, AR-TAB-03, AR-TAB-04
                    level = levels[i]
                    turn = i % count
                    symbol, bits, base = rows[level][states[turn]]
                    state = base | read(bits)
                    assert 0 <= state < STATES
                    states[turn] = state
                    output[i] = symbol
                    if symbol == -bounds[level]:
                        escaped.append(i)
            # Second pass: the magnitudes beyond the bound, after all symbols of the group.
            for i in escaped:
                output[i] = read_escape(reader, bounds[levels[i]])  # AR-TANS-11
    if stop is not None:
        return  # AR-PROG-02
    reader.check_end(states)


def read_escape(reader: BitReader, bound: int) -> int:
    """A value of magnitude ``bound`` or more (AR-TANS-10).

    :raises CorruptPayloadError: it does not fit 16 bits, which no encoder can write.
    """
    before = reader.position
    code = reader.read(3) if reader.read(1) else reader.read(16)  # AR-TANS-10
    if coverage.is_heard():
        coverage.point("escapes", _escape_point(code, before - reader.position))
    magnitude = bound + (code >> 1)
    value = -magnitude if code & 1 else magnitude
    if not VALUE_MIN <= value <= VALUE_MAX:  # AR-TANS-12
        raise CorruptPayloadError(
            "an escaped residual does not fit 16 bits",
            bit_offset=reader.bit_offset,
            element=reader.element,
            expected=f"{VALUE_MIN}..{VALUE_MAX}",
            found=str(value),
        )
    return value


def _escape_point(code: int, bits: int) -> str:
    if bits == 4:
        return f"3 bits, code {code}"
    if code < SHORT_ESCAPE_LIMIT:
        return "16 bits for a code below 8"
    return f"16 bits, {'negative' if code & 1 else 'positive'}"


def decode_calls(
    data: bytes,
    sizes: Sequence[int],
    calls: Sequence[tuple[IntArray, Bool]],
    stop: int | None,
    byte_offset: int,
    element: str,
) -> list[Int32]:
    """Decode a payload of several calls; ``stop`` is for payloads of one call."""
    checked = [check_call(levels, mask) for levels, mask in calls]
    if stop is not None and not (len(calls) == 1 and 0 <= stop <= len(checked[0][0])):
        raise ValueError(f"cannot stop at position {stop}")
    outputs = [np.zeros(len(levels), np.int32) for levels, _ in checked]
    for thread, (part, bit_offset) in enumerate(open_threads(data, sizes, byte_offset, element)):
        reader = BitReader(part, bit_offset, element)
        decode_thread(reader, len(sizes), thread, checked, outputs, stop)
    if stop is not None:
        outputs[0][stop:] = 0
    return outputs


def encode_state(writer: BitWriter, state: int, mass: int, start: int) -> int:
    """Write the bits that a state gives up for a symbol; the slot that the state goes to (AR-TANS-09)."""
    x = STATES + state
    bits = refill_bits(mass)
    if x < mass << bits:
        bits -= 1
    writer.write(x & ((1 << bits) - 1), bits)
    slot = start + (x >> bits) - mass
    assert start <= slot < start + mass
    return slot


def encode_thread(
    threads: int, thread: int, calls: Sequence[CallLists], values: Sequence[list[int]]
) -> bytes:
    """Everything that :func:`decode_thread` reads, written in the opposite order."""
    tables = coder_tables()
    bounds: list[int] = tables.bounds.tolist()
    state_map: list[list[int]] = tables.state_map.tolist()
    rows = encode_rows()
    count = state_count(threads)
    writer = BitWriter()
    states = [0] * count
    for (levels, mask), residual in zip(reversed(calls), reversed(values), strict=True):
        for group in reversed(list(thread_groups(len(levels), threads, thread))):
            coded = [i for i in reversed(group) if mask[i]]
            symbols = {}
            for i in coded:
                bound, value = bounds[levels[i]], residual[i]
                symbols[i] = value if -bound < value < bound else -bound
                if symbols[i] == -bound:
                    write_escape(writer, value, bound)
            for i in coded:
                level, turn = levels[i], i % count
                slot = encode_state(writer, states[turn], *rows[level][symbols[i]])
                states[turn] = state_map[level][slot]
    for state in reversed(states):
        writer.write(state, 8)
    return writer.close()


def write_escape(writer: BitWriter, value: int, bound: int) -> None:
    """A value of magnitude ``bound`` or more: 4 bits where that is enough, else 17 (AR-TANS-10)."""
    code = 2 * (abs(value) - bound) + (value < 0)
    assert 0 <= code < 1 << 16
    if code < SHORT_ESCAPE_LIMIT:
        writer.write(code, 3)
        writer.write(1, 1)
    else:
        writer.write(code, 16)
        writer.write(0, 1)


def encode_calls(
    values: Sequence[IntArray], calls: Sequence[tuple[IntArray, Bool]], threads: int
) -> tuple[bytes, tuple[int, ...]]:
    """Encode several calls into one payload, calls in the order of decoding."""
    if threads not in THREAD_COUNTS:
        raise ValueError(f"{threads} threads; possible are {THREAD_COUNTS}")
    if len(values) != len(calls):
        raise ValueError(f"{len(values)} lists of values for {len(calls)} calls")
    checked = [check_call(levels, mask) for levels, mask in calls]
    residuals: list[list[int]] = []
    for array, (levels, mask) in zip(values, checked, strict=True):
        residual = np.asarray(array)
        if residual.shape != (len(levels),):
            raise ValueError(f"values {residual.shape} for a call of {len(levels)} positions")
        coded = residual[np.array(mask, np.bool_)]
        if coded.size and not VALUE_MIN <= int(coded.min()) <= int(coded.max()) <= VALUE_MAX:
            raise ValueError(f"coded values must be in {VALUE_MIN}..{VALUE_MAX}")
        residuals.append(residual.tolist())
    parts = [encode_thread(threads, t, checked, residuals) for t in range(threads)]
    return b"".join(parts), tuple(map(len, parts))
