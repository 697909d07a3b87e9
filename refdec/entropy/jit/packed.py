"""The shared tables in the layouts that the kernels walk.

A *row* is a distribution, or ``NOT_CODED`` for positions without a symbol: there decoding and
encoding read and write no bits and keep the state, so that the inner loops need no branch on the
mask.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from refdec.entropy.tables import DISTRIBUTIONS, STATES, coder_tables, parameters, refill_bits

NOT_CODED = DISTRIBUTIONS
ROWS = DISTRIBUTIONS + 1

# Decode entry: bits 0..7 base of the next state, 8..23 symbol (int16), 24 escape, 28..31 bits to read.
SYMBOL_SHIFT = 8
ESCAPE_SHIFT = 24
BITS_SHIFT = 28

# Encode entry: bits 0..14 added to the shifted state gives an index of the state map, 16..27 added to
# the state gives 256 times the number of bits to write, 30 escape. The index of an entry is
# row << 9 | clip(symbol, -128, 128) + 128; symbols without a column of their own have the escape's.
ENCODE_ROW_SHIFT = 9
ENCODE_CENTRE = 128
DELTA_SHIFT = 16
ENCODE_ESCAPE_SHIFT = 30

# Slots can lie up to a state's 256 below their row; the map has this many entries in front.
MAP_MARGIN = STATES


class DecodeTables(NamedTuple):
    """``entries``: ``uint32[ROWS * 256]``, index ``row << 8 | state``. ``bounds``: ``uint8[ROWS]``."""

    entries: NDArray[np.uint32]
    bounds: NDArray[np.uint8]


class EncodeTables(NamedTuple):
    """``entries``: ``uint32[ROWS * 512]``; ``state_map``: ``uint8``; ``bounds`` as for decoding."""

    entries: NDArray[np.uint32]
    state_map: NDArray[np.uint8]
    bounds: NDArray[np.uint8]


def _bounds() -> NDArray[np.uint8]:
    # 255 where nothing is coded: no symbol is the negative of it.
    return np.append(coder_tables().bounds, np.uint8(255)).astype(np.uint8)


@lru_cache(maxsize=1)
def decode_tables() -> DecodeTables:
    """Entries of all rows for decoding residuals."""
    tables = coder_tables()
    known = tables.decode.astype(np.int64)
    symbol = known & 0xFFFF
    escape = symbol == (-tables.bounds.astype(np.int64) & 0xFFFF)[:, None]
    entries = np.empty((ROWS, STATES), np.int64)
    entries[:NOT_CODED] = (
        (known >> 24) << BITS_SHIFT
        | escape.astype(np.int64) << ESCAPE_SHIFT
        | symbol << SYMBOL_SHIFT
        | (known >> 16) & 255
    )
    entries[NOT_CODED] = np.arange(STATES)
    return DecodeTables(entries.astype(np.uint32).reshape(-1), _bounds())


@lru_cache(maxsize=1)
def encode_tables() -> EncodeTables:
    """Entries of all rows for encoding residuals, and the map from slots to states."""
    tables = coder_tables()
    entries = np.empty((ROWS, 1 << ENCODE_ROW_SHIFT), np.int64)
    for d, bound in enumerate(tables.bounds.tolist()):
        # Columns of the symbols -128..128, the escape's where |symbol| >= bound.
        symbol = np.arange(-ENCODE_CENTRE, (1 << ENCODE_ROW_SHIFT) - ENCODE_CENTRE)
        escape = np.abs(symbol) >= bound
        symbol = np.where(escape, -bound, symbol)
        column = np.where(symbol < 0, -2 * symbol - 1, 2 * symbol)
        delta = tables.encode.astype(np.int64)[d, symbol + 128] >> 16
        offset = tables.starts.astype(np.int64)[d, column] - tables.masses[d, column]
        entries[d] = (
            escape.astype(np.int64) << ENCODE_ESCAPE_SHIFT
            | delta << DELTA_SHIFT
            | MAP_MARGIN + STATES * d + offset
        )
    # No bits, and the slot of x = 256 + s is s.
    entries[NOT_CODED] = MAP_MARGIN + STATES * NOT_CODED - STATES
    state_map = np.zeros((ROWS + 1, STATES), np.uint8)
    state_map[1:ROWS] = tables.state_map
    state_map[ROWS] = np.arange(STATES)
    return EncodeTables(entries.astype(np.uint32).reshape(-1), state_map.reshape(-1), _bounds())


@lru_cache(maxsize=1)
def refill_table() -> NDArray[np.uint8]:
    """``uint8[512]``: bits that bring a value 1..511 back to 9 bits; 0 at 0."""
    return np.array([0, *(refill_bits(value) for value in range(1, 2 * STATES))], np.uint8)


@lru_cache(maxsize=1)
def identity_map() -> NDArray[np.uint8]:
    """State map of z, where the slot is the state, with the margin of :func:`encode_tables`."""
    return np.tile(np.arange(STATES, dtype=np.uint8), 2)


def parameter(name: str) -> NDArray[np.int32]:
    """A small table, flat."""
    return parameters()[name].reshape(-1)
