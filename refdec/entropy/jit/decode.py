"""Decoding kernels: the walk through groups, residual calls and z.

Lanes and streams. With one thread there are one stream of bits and two states that take turns; with
``n`` threads there are ``n`` streams with one state each. Position ``i`` of a call uses state
``i mod lanes`` and stream ``i mod threads``, ``lanes = max(threads, 2)``. The tables and the
definition of the walk: docs/arithmetic.md, AR-TANS and AR-Z.

The bits of a stream lie in ``buffer`` from ``first[t]`` on, with at least 8 bytes in front of the
first stream; ``position[t]`` bits are left, and the next bit to read is number ``position[t] - 1``.
A window is the 8 bytes that end with the byte ``position >> 3``, thus 56 to 63 bits that are still
to be read, more than the 32 that one group can take before its escapes. A group may read below the
stream: it gets bits of a neighbour, all inside the buffer, and the position turns negative, which
is looked at before anything of the group is used.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from refdec.entropy.jit.kernel import at, i64, kernel, load_four, load_word, reads, wide, writes
from refdec.entropy.jit.packed import BITS_SHIFT, ESCAPE_SHIFT, NOT_CODED, SYMBOL_SHIFT

OK = 0
TRUNCATED = 1
VALUE_RANGE = 2
RESERVED_SYMBOL = 3

RESIDUAL = 0
Z = 1

# Positions whose rows and groups are prepared together: a multiple of 4 * 16 that stays in the L1
# cache with the entries in use.
CHUNK = 8192
NO_GROUP = NOT_CODED * 0x01010101

Vector = NDArray[Any]


@kernel(i64, reads(types.uint8), reads(types.uint8), i64, i64, writes(types.uint8))
def mark_rows(levels: Vector, mask: Vector, begin: int, count: int, rows: Vector) -> int:
    """Rows of the positions from ``begin`` on: the level, or ``NOT_CODED``."""
    for i in range(count):
        level = levels[at(begin + i)]
        coded = mask[at(begin + i)]
        rows[at(i)] = level if coded else np.uint8(NOT_CODED)
    return 0


@kernel(i64, reads(types.uint8), i64, i64, i64, i64, writes(types.uint32))
def list_groups(rows: Vector, length: int, threads: int, low: int, high: int, groups: Vector) -> int:
    """First positions of the groups of four of threads ``low..high - 1`` that hold a coded symbol.

    :return: their number. ``length`` is a multiple of ``4 * threads``.
    """
    count = 0
    if threads == 1:
        for base in range(0, length, 4):
            groups[at(count)] = np.uint32(base)
            count += load_four(rows, base) != NO_GROUP
    else:
        for block in range(0, length, 4 * threads):
            for base in range(block + low, block + high):
                both = rows[at(base)] & rows[at(base + threads)]
                others = rows[at(base + 2 * threads)] & rows[at(base + 3 * threads)]
                groups[at(count)] = np.uint32(base)
                count += (both & others & NOT_CODED) == 0
    return count


@kernel(
    i64,
    *(reads(types.uint8), i64, i64, reads(types.uint8), writes(types.int32)),
    *(i64, i64, i64, i64, reads(types.uint8), i64),
)
def read_escapes(
    buffer: Vector,
    first: int,
    position: int,
    rows: Vector,
    output: Vector,
    offset: int,
    base: int,
    stride: int,
    count: int,
    bounds: Vector,
    kind: int,
) -> int:
    """Second pass of a group: the position after it, or minus the kind of failure."""
    for k in range(count):
        local = base + k * stride
        place = offset + local
        window = load_word(buffer, first + (position >> 3) - 7)
        available = (position & 7) | 56
        if kind == RESIDUAL:
            bound = wide(bounds[at(rows[at(local)])])
            if output[at(place)] != -bound:
                continue
            width = 4 if (window >> (available - 1)) & 1 else 17
            position -= width
            if position < 0:
                return -TRUNCATED
            code = (window >> (available - width)) & ((1 << (width - 1)) - 1)
            magnitude = bound + (code >> 1)
            value = -magnitude if code & 1 else magnitude
            if value < -32768 or value > 32767:
                return -VALUE_RANGE
            output[at(place)] = np.int32(value)
        else:
            if output[at(place)] != 32:
                continue
            position -= 6
            if position < 0:
                return -TRUNCATED
            value = (window >> (available - 6)) & 63
            if value == 63:
                return -RESERVED_SYMBOL
            output[at(place)] = np.int32(value - 31)
    return position


@kernel(
    i64,
    *(reads(types.uint8), reads(types.int64), writes(types.int64), writes(types.int64), writes(types.int64)),
    *(reads(types.uint8), reads(types.uint32), i64, i64, i64, i64, i64, i64),
    *(writes(types.int32), reads(types.uint32), reads(types.uint8), i64),
)
def decode_groups(
    buffer: Vector,
    first: Vector,
    position: Vector,
    state: Vector,
    status: Vector,
    rows: Vector,
    groups: Vector,
    count: int,
    tail: int,
    length: int,
    threads: int,
    low: int,
    high: int,
    output: Vector,
    entries: Vector,
    bounds: Vector,
    packed: int,
) -> int:
    """Decode ``count`` groups of four of threads ``low..high - 1``, then ``tail..length - 1`` one by one.

    Positions count within ``rows``; ``packed`` is ``2 * offset + kind``: the place of ``rows[0]``
    in ``output``, and which coder's escapes are read. A thread that fails gets a status, and from
    then on only the threads below it are decoded, as theirs are the errors that come first.

    :return: the number of the first thread that is not decoded any more: ``high``, or one that failed.
    """
    offset = packed >> 1
    kind = packed & 1
    if threads == 1:
        begin = wide(first[0])
        left = wide(position[0])
        even = wide(state[0])
        odd = wide(state[1])
        for g in range(count):
            base = wide(groups[at(g)])
            window = load_word(buffer, begin + (left >> 3) - 7)
            available = (left & 7) | 56
            before = available
            e0 = wide(entries[at(wide(rows[at(base)]) << 8 | even)])
            bits = e0 >> BITS_SHIFT
            available -= bits
            even = (e0 & 255) | ((window >> available) & ((1 << bits) - 1))
            e1 = wide(entries[at(wide(rows[at(base + 1)]) << 8 | odd)])
            bits = e1 >> BITS_SHIFT
            available -= bits
            odd = (e1 & 255) | ((window >> available) & ((1 << bits) - 1))
            e2 = wide(entries[at(wide(rows[at(base + 2)]) << 8 | even)])
            bits = e2 >> BITS_SHIFT
            available -= bits
            even = (e2 & 255) | ((window >> available) & ((1 << bits) - 1))
            e3 = wide(entries[at(wide(rows[at(base + 3)]) << 8 | odd)])
            bits = e3 >> BITS_SHIFT
            available -= bits
            odd = (e3 & 255) | ((window >> available) & ((1 << bits) - 1))
            left += available - before
            if left < 0:
                status[0] = TRUNCATED
                return 0
            place = offset + base
            output[at(place)] = np.int32(np.int16(e0 >> SYMBOL_SHIFT))
            output[at(place + 1)] = np.int32(np.int16(e1 >> SYMBOL_SHIFT))
            output[at(place + 2)] = np.int32(np.int16(e2 >> SYMBOL_SHIFT))
            output[at(place + 3)] = np.int32(np.int16(e3 >> SYMBOL_SHIFT))
            if ((e0 | e1 | e2 | e3) >> ESCAPE_SHIFT) & 1:
                left = read_escapes(buffer, begin, left, rows, output, offset, base, 1, 4, bounds, kind)
                if left < 0:
                    status[0] = -left
                    return 0
        position[0] = left
        state[0] = even
        state[1] = odd
    else:
        for g in range(count):
            base = wide(groups[at(g)])
            t = base & (threads - 1)
            if t >= high:
                continue
            begin = wide(first[at(t)])
            left = wide(position[at(t)])
            now = wide(state[at(t)])
            window = load_word(buffer, begin + (left >> 3) - 7)
            available = (left & 7) | 56
            before = available
            e0 = wide(entries[at(wide(rows[at(base)]) << 8 | now)])
            bits = e0 >> BITS_SHIFT
            available -= bits
            now = (e0 & 255) | ((window >> available) & ((1 << bits) - 1))
            e1 = wide(entries[at(wide(rows[at(base + threads)]) << 8 | now)])
            bits = e1 >> BITS_SHIFT
            available -= bits
            now = (e1 & 255) | ((window >> available) & ((1 << bits) - 1))
            e2 = wide(entries[at(wide(rows[at(base + 2 * threads)]) << 8 | now)])
            bits = e2 >> BITS_SHIFT
            available -= bits
            now = (e2 & 255) | ((window >> available) & ((1 << bits) - 1))
            e3 = wide(entries[at(wide(rows[at(base + 3 * threads)]) << 8 | now)])
            bits = e3 >> BITS_SHIFT
            available -= bits
            now = (e3 & 255) | ((window >> available) & ((1 << bits) - 1))
            left += available - before
            if left < 0:
                status[at(t)] = TRUNCATED
                high = t
                continue
            place = offset + base
            output[at(place)] = np.int32(np.int16(e0 >> SYMBOL_SHIFT))
            output[at(place + threads)] = np.int32(np.int16(e1 >> SYMBOL_SHIFT))
            output[at(place + 2 * threads)] = np.int32(np.int16(e2 >> SYMBOL_SHIFT))
            output[at(place + 3 * threads)] = np.int32(np.int16(e3 >> SYMBOL_SHIFT))
            if ((e0 | e1 | e2 | e3) >> ESCAPE_SHIFT) & 1:
                left = read_escapes(buffer, begin, left, rows, output, offset, base, threads, 4, bounds, kind)
                if left < 0:
                    status[at(t)] = -left
                    high = t
                    continue
            position[at(t)] = left
            state[at(t)] = now
    lanes = max(threads, 2)
    for i in range(tail, length):
        t = i & (threads - 1)
        if rows[at(i)] == NOT_CODED or t < low or t >= high:
            continue
        lane = i & (lanes - 1)
        begin = wide(first[at(t)])
        left = wide(position[at(t)])
        entry = wide(entries[at(wide(rows[at(i)]) << 8 | state[at(lane)])])
        bits = entry >> BITS_SHIFT
        window = load_word(buffer, begin + (left >> 3) - 7)
        available = ((left & 7) | 56) - bits
        left -= bits
        if left < 0:
            status[at(t)] = TRUNCATED
            high = t
            continue
        output[at(offset + i)] = np.int32(np.int16(entry >> SYMBOL_SHIFT))
        if (entry >> ESCAPE_SHIFT) & 1:
            left = read_escapes(buffer, begin, left, rows, output, offset, i, 1, 1, bounds, kind)
            if left < 0:
                status[at(t)] = -left
                high = t
                continue
        position[at(t)] = left
        state[at(lane)] = (entry & 255) | ((window >> available) & ((1 << bits) - 1))
    return high


@kernel(
    i64,
    *(reads(types.uint8), reads(types.int64), writes(types.int64), writes(types.int64), writes(types.int64)),
    *(reads(types.uint8), reads(types.uint8), i64, i64, i64, i64, writes(types.int32)),
    *(reads(types.uint32), reads(types.uint8), writes(types.uint8), writes(types.uint32)),
)
def decode_call(
    buffer: Vector,
    first: Vector,
    position: Vector,
    state: Vector,
    status: Vector,
    levels: Vector,
    mask: Vector,
    threads: int,
    low: int,
    high: int,
    stop: int,
    output: Vector,
    entries: Vector,
    bounds: Vector,
    rows: Vector,
    groups: Vector,
) -> int:
    """One residual call for threads ``low..high - 1``: every group whose first position is below ``stop``.

    ``rows`` (``CHUNK`` elements) and ``groups`` (``CHUNK / 4``) are scratch.

    :return: as :func:`decode_groups`.
    """
    for begin in range(0, min(levels.size, stop), CHUNK):
        length = min(CHUNK, levels.size - begin)
        mark_rows(levels, mask, begin, length, rows)
        tail = length & -(4 * threads)
        count = list_groups(rows, tail, threads, low, high, groups)
        while count > 0 and begin + groups[count - 1] >= stop:
            count -= 1
        length = max(tail, min(length, stop - begin))
        high = decode_groups(
            *(buffer, first, position, state, status, rows, groups, count, tail, length),
            *(threads, low, high, output, entries, bounds, 2 * begin + RESIDUAL),
        )
        if high <= low:
            break
    return high


@kernel(i64, reads(types.uint8), i64, reads(types.uint8), writes(types.uint32))
def z_entries(cdfs: Vector, begin: int, refill: Vector, entries: Vector) -> int:
    """Decode entries (256) of one channel, whose 63 cumulative masses start at ``cdfs[begin]``."""
    start = 0
    for symbol in range(64):
        end = wide(cdfs[at(begin + symbol)]) if symbol < 63 else 256
        escape = wide(symbol == 63) << ESCAPE_SHIFT
        known = ((symbol - 31) & 0xFFFF) << SYMBOL_SHIFT | escape
        for s in range(start, end):
            value = end - 2 * start + s
            bits = wide(refill[at(value)])
            entries[at(s)] = np.uint32(bits << BITS_SHIFT | known | ((value << bits) & 255))
        start = end
    return 0


@kernel(
    i64,
    *(reads(types.uint8), reads(types.int64), writes(types.int64), writes(types.int64), writes(types.int64)),
    *(reads(types.uint8), reads(types.uint8), i64, i64, i64, i64, writes(types.int8)),
    *(writes(types.uint32), writes(types.uint8), writes(types.uint32), writes(types.int32)),
)
def decode_channels(
    buffer: Vector,
    first: Vector,
    position: Vector,
    state: Vector,
    status: Vector,
    cdfs: Vector,
    refill: Vector,
    length: int,
    threads: int,
    low: int,
    high: int,
    output: Vector,
    entries: Vector,
    rows: Vector,
    groups: Vector,
    line: Vector,
) -> int:
    """All channels of z for threads ``low..high - 1``: one call of ``length`` positions per channel.

    ``entries`` (256), ``rows`` (``length``), ``groups`` (``length / 4 + 1``) and ``line`` (``length``)
    are scratch.

    :return: as :func:`decode_groups`.
    """
    rows[:length] = 0
    tail = length & -(4 * threads)
    count = list_groups(rows, tail, threads, low, high, groups)
    for channel in range(cdfs.size // 63):
        z_entries(cdfs, 63 * channel, refill, entries)
        high = decode_groups(
            *(buffer, first, position, state, status, rows, groups, count, tail, length),
            *(threads, low, high, line, entries, refill, Z),
        )
        if high <= low:
            break
        begin = channel * length
        for i in range(length):
            t = i & (threads - 1)
            if low <= t < high:
                output[at(begin + i)] = np.int8(line[at(i)])
    return high
