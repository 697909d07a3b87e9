"""Encoding kernels: decoding run backwards, from the last group to the first.

Lanes, streams, rows and groups are those of :mod:`refdec.entropy.jit.decode`. Stream ``t`` grows in
``buffer`` from ``position[t]`` on; up to 7 bits that do not fill a byte wait in ``pending[t]``
(``waiting[t]`` of them). Words of 8 bytes are stored of which only the finished bytes count, so each
stream's part of the buffer needs room for what it can take at most (:func:`capacity`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from refdec.entropy.jit.decode import CHUNK, RESIDUAL, Z, list_groups, mark_rows
from refdec.entropy.jit.kernel import at, i64, kernel, reads, store_word, wide, writes
from refdec.entropy.jit.packed import (
    DELTA_SHIFT,
    ENCODE_CENTRE,
    ENCODE_ESCAPE_SHIFT,
    ENCODE_ROW_SHIFT,
    MAP_MARGIN,
    NOT_CODED,
)

MAP_INDEX = (1 << 15) - 1
DELTA_MASK = (1 << 12) - 1
NO_ROWS = 0

Vector = NDArray[Any]


def capacity(positions: int) -> int:
    """Bytes that a stream of so many positions can take: 8 bits for the state and 17 for an escape each."""
    return (25 * positions + 7) // 8 + 16


@kernel(i64, reads(types.int16), i64, i64, reads(types.uint8), writes(types.uint16))
def mark_symbols(values: Vector, begin: int, count: int, rows: Vector, symbols: Vector) -> int:
    """Index of the encode entry of each position from ``begin`` on."""
    for i in range(count):
        clipped = min(np.int16(ENCODE_CENTRE), max(np.int16(-ENCODE_CENTRE), values[at(begin + i)]))
        shifted = np.uint16(clipped + np.int16(ENCODE_CENTRE))
        symbols[at(i)] = np.uint16(np.uint16(np.uint16(rows[at(i)]) << np.uint16(ENCODE_ROW_SHIFT)) | shifted)
    return 0


@kernel(
    i64,
    *(writes(types.uint8), writes(types.int64), writes(types.int64), writes(types.int64), i64),
    *(reads(types.uint8), reads(types.uint16), reads(types.int16), i64, i64, i64, i64),
    *(reads(types.uint32), reads(types.uint8), i64),
)
def write_escapes(
    buffer: Vector,
    position: Vector,
    pending: Vector,
    waiting: Vector,
    t: int,
    rows: Vector,
    symbols: Vector,
    values: Vector,
    offset: int,
    base: int,
    stride: int,
    count: int,
    entries: Vector,
    bounds: Vector,
    kind: int,
) -> int:
    """What a group's second pass reads, written last position first."""
    for j in range(count):
        local = base + (count - 1 - j) * stride
        symbol = wide(symbols[at(local)])
        if (wide(entries[at(symbol)]) >> ENCODE_ESCAPE_SHIFT) & 1 == 0:
            continue
        if kind == RESIDUAL:
            value = wide(values[at(offset + local)])
            code = 2 * (abs(value) - wide(bounds[at(rows[at(local)])])) + wide(value < 0)
            word = code | 8 if code < 8 else code
            width = 4 if code < 8 else 17
        else:
            word = symbol
            width = 6
        here = wide(position[at(t)])
        bits = wide(waiting[at(t)])
        word = wide(pending[at(t)]) | word << bits
        bits += width
        store_word(buffer, here, word)
        position[at(t)] = here + (bits >> 3)
        pending[at(t)] = word >> (bits & -8)
        waiting[at(t)] = bits & 7
    return 0


@kernel(
    i64,
    *(
        writes(types.uint8),
        writes(types.int64),
        writes(types.int64),
        writes(types.int64),
        writes(types.int64),
    ),
    *(reads(types.uint8), reads(types.uint16), reads(types.uint32), i64, i64, i64, i64, i64, i64),
    *(reads(types.int16), reads(types.uint32), reads(types.uint8), reads(types.uint8), i64),
)
def encode_groups(
    buffer: Vector,
    position: Vector,
    pending: Vector,
    waiting: Vector,
    state: Vector,
    rows: Vector,
    symbols: Vector,
    groups: Vector,
    count: int,
    tail: int,
    length: int,
    threads: int,
    low: int,
    high: int,
    values: Vector,
    entries: Vector,
    state_map: Vector,
    bounds: Vector,
    packed: int,
) -> int:
    """Encode positions ``tail..length - 1`` alone and then ``count`` groups of four, all backwards.

    ``packed`` is ``2 * offset + kind`` as in :func:`refdec.entropy.jit.decode.decode_groups`, the
    offset being that of ``values``.
    """
    offset = packed >> 1
    kind = packed & 1
    lanes = max(threads, 2)
    for j in range(length - tail):
        i = length - 1 - j
        t = i & (threads - 1)
        if rows[at(i)] == NOT_CODED or t < low or t >= high:
            continue
        lane = i & (lanes - 1)
        entry = wide(entries[at(symbols[at(i)])])
        if (entry >> ENCODE_ESCAPE_SHIFT) & 1:
            write_escapes(
                *(buffer, position, pending, waiting, t),
                *(rows, symbols, values, offset, i, 1, 1, entries, bounds, kind),
            )
        x = wide(state[at(lane)])
        bits = (x + ((entry >> DELTA_SHIFT) & DELTA_MASK)) >> 8
        x |= 256
        held = wide(waiting[at(t)])
        word = wide(pending[at(t)]) | (x & ((1 << bits) - 1)) << held
        held += bits
        here = wide(position[at(t)])
        store_word(buffer, here, word)
        position[at(t)] = here + (held >> 3)
        pending[at(t)] = word >> (held & -8)
        waiting[at(t)] = held & 7
        state[at(lane)] = state_map[at((entry & MAP_INDEX) + (x >> bits))]
    for g in range(count):
        base = wide(groups[at(count - 1 - g)])
        t = base & (threads - 1)
        e0 = wide(entries[at(symbols[at(base)])])
        e1 = wide(entries[at(symbols[at(base + threads)])])
        e2 = wide(entries[at(symbols[at(base + 2 * threads)])])
        e3 = wide(entries[at(symbols[at(base + 3 * threads)])])
        if ((e0 | e1 | e2 | e3) >> ENCODE_ESCAPE_SHIFT) & 1:
            write_escapes(
                *(buffer, position, pending, waiting, t),
                *(rows, symbols, values, offset, base, threads, 4, entries, bounds, kind),
            )
        # With one thread the states take turns, otherwise both names stand for the thread's own.
        if threads == 1:
            later = wide(state[1])
            sooner = wide(state[0])
        else:
            later = wide(state[at(t)])
            sooner = later
        held = wide(waiting[at(t)])
        word = wide(pending[at(t)])

        bits = (later + ((e3 >> DELTA_SHIFT) & DELTA_MASK)) >> 8
        x = later | 256
        word |= (x & ((1 << bits) - 1)) << held
        held += bits
        later = wide(state_map[at((e3 & MAP_INDEX) + (x >> bits))])

        before = sooner if threads == 1 else later
        bits = (before + ((e2 >> DELTA_SHIFT) & DELTA_MASK)) >> 8
        x = before | 256
        word |= (x & ((1 << bits) - 1)) << held
        held += bits
        sooner = wide(state_map[at((e2 & MAP_INDEX) + (x >> bits))])

        before = later if threads == 1 else sooner
        bits = (before + ((e1 >> DELTA_SHIFT) & DELTA_MASK)) >> 8
        x = before | 256
        word |= (x & ((1 << bits) - 1)) << held
        held += bits
        later = wide(state_map[at((e1 & MAP_INDEX) + (x >> bits))])

        before = sooner if threads == 1 else later
        bits = (before + ((e0 >> DELTA_SHIFT) & DELTA_MASK)) >> 8
        x = before | 256
        word |= (x & ((1 << bits) - 1)) << held
        held += bits
        sooner = wide(state_map[at((e0 & MAP_INDEX) + (x >> bits))])

        here = wide(position[at(t)])
        store_word(buffer, here, word)
        position[at(t)] = here + (held >> 3)
        pending[at(t)] = word >> (held & -8)
        waiting[at(t)] = held & 7
        state[at(t)] = sooner
        if threads == 1:
            state[1] = later
    return 0


@kernel(
    i64,
    *(
        writes(types.uint8),
        writes(types.int64),
        writes(types.int64),
        writes(types.int64),
        writes(types.int64),
    ),
    *(reads(types.int16), reads(types.uint8), reads(types.uint8), i64, i64, i64),
    *(reads(types.uint32), reads(types.uint8), reads(types.uint8)),
    *(writes(types.uint8), writes(types.uint16), writes(types.uint32)),
)
def encode_call(
    buffer: Vector,
    position: Vector,
    pending: Vector,
    waiting: Vector,
    state: Vector,
    values: Vector,
    levels: Vector,
    mask: Vector,
    threads: int,
    low: int,
    high: int,
    entries: Vector,
    state_map: Vector,
    bounds: Vector,
    rows: Vector,
    symbols: Vector,
    groups: Vector,
) -> int:
    """One residual call for threads ``low..high - 1``.

    ``rows``, ``symbols`` (``CHUNK`` elements each) and ``groups`` (``CHUNK / 4``) are scratch.
    """
    chunks = (levels.size + CHUNK - 1) // CHUNK
    for chunk in range(chunks):
        begin = (chunks - 1 - chunk) * CHUNK
        length = min(CHUNK, levels.size - begin)
        mark_rows(levels, mask, begin, length, rows)
        mark_symbols(values, begin, length, rows, symbols)
        tail = length & -(4 * threads)
        count = list_groups(rows, tail, threads, low, high, groups)
        encode_groups(
            *(buffer, position, pending, waiting, state, rows, symbols, groups, count, tail, length),
            *(threads, low, high, values, entries, state_map, bounds, 2 * begin + RESIDUAL),
        )
    return 0


@kernel(i64, reads(types.uint8), i64, reads(types.uint8), writes(types.uint32))
def z_encode_entries(cdfs: Vector, begin: int, refill: Vector, entries: Vector) -> int:
    """Encode entries (63) of one channel, whose cumulative masses start at ``cdfs[begin]``."""
    start = 0
    for symbol in range(63):
        end = wide(cdfs[at(begin + symbol)])
        mass = end - start
        first = start
        escape = wide(mass == 0) << ENCODE_ESCAPE_SHIFT
        if mass == 0:
            mass = 1
            first = 255
        bits = wide(refill[at(mass)])
        delta = ((bits + 1) << 8) - (mass << bits)
        entries[at(symbol)] = np.uint32(escape | delta << DELTA_SHIFT | (MAP_MARGIN + first - mass))
        start = end
    return 0


@kernel(
    i64,
    *(
        writes(types.uint8),
        writes(types.int64),
        writes(types.int64),
        writes(types.int64),
        writes(types.int64),
    ),
    *(reads(types.int16), reads(types.uint8), reads(types.uint8), i64, i64, i64, i64, reads(types.uint8)),
    *(writes(types.uint32), writes(types.uint8), writes(types.uint16), writes(types.uint32)),
)
def encode_channels(
    buffer: Vector,
    position: Vector,
    pending: Vector,
    waiting: Vector,
    state: Vector,
    values: Vector,
    cdfs: Vector,
    refill: Vector,
    length: int,
    threads: int,
    low: int,
    high: int,
    state_map: Vector,
    entries: Vector,
    rows: Vector,
    symbols: Vector,
    groups: Vector,
) -> int:
    """All channels of z for threads ``low..high - 1``, last channel first; ``values`` are -31..31.

    ``entries`` (64), ``rows``, ``symbols`` (``length`` each) and ``groups`` (``length / 4 + 1``) are scratch.
    """
    rows[:length] = NO_ROWS
    tail = length & -(4 * threads)
    count = list_groups(rows, tail, threads, low, high, groups)
    channels = cdfs.size // 63
    for k in range(channels):
        channel = channels - 1 - k
        begin = channel * length
        z_encode_entries(cdfs, 63 * channel, refill, entries)
        for i in range(length):
            symbols[at(i)] = np.uint16(wide(values[at(begin + i)]) + 31)
        encode_groups(
            *(buffer, position, pending, waiting, state, rows, symbols, groups, count, tail, length),
            *(threads, low, high, values, entries, state_map, refill, 2 * begin + Z),
        )
    return 0
