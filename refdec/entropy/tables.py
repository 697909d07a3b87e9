"""me-tANS tables, built from the 32 distributions, and the small tables of the entropy stage.

Everything here is shared by the engines: data, no decoding. Definitions: docs/arithmetic.md,
statements AR-PDF-01..02 and AR-TAB-01..04. All arrays are read-only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from refdec.errors import ModelError
from refdec.tables import load, table

DISTRIBUTIONS = 32
STATES = 256
MASS_BITS = 8

MAX_LEVEL = 31
SKIP_THRESHOLD = 382
BASE_MAX = 3967
LIKELY_MAX = 4351
LIKELY_PAD = 1411
QUALITY_MAX = 8
SCALE_INDEX_MIN, SCALE_INDEX_MAX = -4096, 4094

Z_SYMBOLS = 63
Z_ESCAPE = 63
Z_OFFSET = 31
Z_ESCAPE_STATE = 255

DECODE_DIGEST = 0xAE578F601A5739FF
STATE_MAP_DIGEST = 0x175E35E0EEF47AD9
ENCODE_DIGEST = 0x81B7251E16CC1DA7


@dataclass(frozen=True, slots=True)
class CoderTables:
    """The me-tANS tables of all distributions.

    :param bounds: ``uint8[32]``; the escape symbol of distribution d is ``-bounds[d]``.
    :param masses: ``int32[32, 256]``, mass of each column (symbol order 0, -1, 1, -2, 2, ...).
    :param starts: ``int32[32, 256]``, mass before each column.
    :param decode: ``uint32[32, 256]``, per state ``nbits << 24 | base << 16 | symbol & 0xffff``.
    :param state_map: ``uint8[32, 256]``, slot -> state.
    :param encode: ``uint32[32, 256]``, index symbol + 128, ``delta_bits << 16 | (start - mass) & 255``
        with ``delta_bits = ((nb + 1) << 8) - (mass << nb)``; 10 stands for nb where the mass is 0.
    """

    bounds: NDArray[np.uint8]
    masses: NDArray[np.int32]
    starts: NDArray[np.int32]
    decode: NDArray[np.uint32]
    state_map: NDArray[np.uint8]
    encode: NDArray[np.uint32]


def fnv1a64(data: bytes) -> int:
    """FNV-1a, 64 bits."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return value


def symbol_of_column(column: int) -> int:
    """Columns 0, 1, 2, 3, ... hold the symbols 0, -1, 1, -2, ... (AR-PDF-01)."""
    return -((column + 1) >> 1) if column & 1 else column >> 1


def refill_bits(value: int) -> int:
    """nb(v) of AR-TAB-03: bits that bring a value of 1..255 back to 9 bits; 0 from 256 on."""
    return max(0, MASS_BITS + 1 - value.bit_length())


def _lower_half(mass: int) -> int:
    return mass - (mass >> 1)


def _upper_half(mass: int) -> int:
    return (mass >> 1) + STATES // 2


def _masses() -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Bounds, and the masses per column with the unit of the escape at column ``2 * bound - 1``."""
    bounds = table("distributions", "bounds")
    flat = table("distributions", "pdf")
    masses = np.zeros((DISTRIBUTIONS, STATES), np.int32)
    begin = 0
    for row, bound in zip(masses, bounds.tolist(), strict=True):
        escape = 2 * bound - 1
        row[:escape] = flat[begin : begin + escape]
        row[escape] = 1
        begin += escape
        if int(row.sum()) != STATES:
            raise ModelError("the masses of a distribution do not add up to 256")
    return bounds.astype(np.uint8), masses


@lru_cache(maxsize=1)
def coder_tables() -> CoderTables:
    """Build the tables and compare them with the digests known for them.

    :raises ModelError: a digest differs: the installation is damaged.
    """
    bounds, masses = _masses()
    starts = np.cumsum(masses, axis=1, dtype=np.int32) - masses
    decode = np.zeros((DISTRIBUTIONS, STATES), np.uint32)
    state_map = np.zeros((DISTRIBUTIONS, STATES), np.uint8)
    encode = np.zeros((DISTRIBUTIONS, STATES), np.uint32)
    for d in range(DISTRIBUTIONS):
        for column in range(STATES):
            mass, start = int(masses[d, column]), int(starts[d, column])
            symbol = symbol_of_column(column)
            nb = refill_bits(mass) if mass else 10
            encode[d, symbol + 128] = (((nb + 1) << 8) - (mass << nb)) << 16 | (start - mass) & 255
            end = start + mass
            states = [
                *range(_lower_half(start), _lower_half(end)),
                *range(_upper_half(start), _upper_half(end)),
            ]
            for k, state in enumerate(states):
                value = mass + k
                bits = refill_bits(value)
                state_map[d, start + k] = state
                decode[d, state] = bits << 24 | ((value << bits) - STATES) << 16 | symbol & 0xFFFF
    for what, array, digest in (
        ("decode", decode.astype("<u4"), DECODE_DIGEST),
        ("state map", state_map, STATE_MAP_DIGEST),
        ("encode", encode.astype("<u4"), ENCODE_DIGEST),
    ):
        if fnv1a64(array.tobytes()) != digest:
            raise ModelError(f"the {what} table built from the distributions is not the known one")
    result = CoderTables(bounds, masses, starts, decode, state_map, encode)
    for array in (bounds, masses, starts, decode, state_map, encode):
        array.setflags(write=False)
    return result


def scaler_table() -> NDArray[np.int32]:
    """``int32[8191]``: the multiplier in units of 1/1024, index ``L + 4096`` (AR-DEQ-02)."""
    return table("scaler", "scaler")


def parameters() -> dict[str, NDArray[np.int32]]:
    """The small tables by name; see :mod:`refdec.tables`, group ``parameters``."""
    return load("parameters")
