"""Draws hyper-latents, symbols and quality maps: from the models' own distributions, or to their ends."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from conformance.generate.plan import DrawSymbols, DrawZ, Int8, Int32, UInt8
from conformance.verify.synthetic import Splitmix
from refdec.entropy.tables import STATES, Z_OFFSET, coder_tables, symbol_of_column

Bool = npt.NDArray[np.bool_]
Z_ENDS = (-31, 31)
VALUE_ENDS = (-32768, 32767)
SHORT = 4
"""Magnitudes from the bound on that have the short escape code."""


@lru_cache(maxsize=1)
def symbols_by_slot() -> npt.NDArray[np.int32]:
    """int32 ``[32, 256]``: the symbol that owns each of the 256 units of mass of a level."""
    tables = coder_tables()
    column = np.array([symbol_of_column(c) for c in range(STATES)], np.int32)
    return np.stack([np.repeat(column, masses) for masses in tables.masses])


def model_z(random: Splitmix, cdf: UInt8, shape: tuple[int, int, int]) -> Int8:
    """From the channels' distributions; the escape's share is any value at all."""
    bytes_ = random.integers(0, 255, shape)
    anything = random.integers(*Z_ENDS, shape)
    out = np.empty(shape, np.int64)
    for channel in range(shape[0]):
        out[channel] = np.searchsorted(cdf[channel], bytes_[channel], side="right") - Z_OFFSET
    return np.where(bytes_ == STATES - 1, anything, out).astype(np.int8)


def any_z(random: Splitmix, cdf: UInt8, shape: tuple[int, int, int]) -> Int8:
    """All values alike: most of them are escapes."""
    return random.integers(*Z_ENDS, shape).astype(np.int8)


def end_z(random: Splitmix, cdf: UInt8, shape: tuple[int, int, int]) -> Int8:
    """Only the two ends of the range."""
    return np.array(Z_ENDS, np.int8)[random.integers(0, 1, shape)]


def constant_z(value: int) -> DrawZ:
    """One value everywhere."""
    return lambda random, cdf, shape: np.full(shape, value, np.int8)


def model_symbols(random: Splitmix, levels: UInt8, mask: Bool, threads: int) -> Int32:
    """From the levels' distributions, escapes by their own mass of 1 in 256, one in eight of them long."""
    symbols = symbols_by_slot()[levels, random.integers(0, STATES - 1, levels.shape)]
    return _escaped(random, levels, symbols)


def _escaped(random: Splitmix, levels: UInt8, symbols: Int32) -> Int32:
    """The same with every escape symbol replaced by a value beyond its bound."""
    bounds = coder_tables().bounds.astype(np.int64)[levels]
    short = bounds + random.integers(0, SHORT - 1, levels.shape)
    long = bounds + random.integers(SHORT, 2000, levels.shape)
    size = np.where(random.integers(0, 7, levels.shape) == 0, long, short)
    signs = 1 - 2 * random.integers(0, 1, levels.shape)
    return np.where(symbols == -bounds, size * signs, symbols).astype(np.int32)


def escapes(share: int) -> DrawSymbols:
    """Of 256 symbols ``share`` are escapes: short, long, and at the ends of 16 bits."""

    def draw(random: Splitmix, levels: UInt8, mask: Bool, threads: int) -> Int32:
        usual = model_symbols(random, levels, mask, threads)
        forced = _escaped(random, levels, -coder_tables().bounds.astype(np.int32)[levels])
        ends = np.array(VALUE_ENDS, np.int32)[random.integers(0, 1, levels.shape)]
        forced = np.where(random.integers(0, 31, levels.shape) == 0, ends, forced)
        return np.where(random.integers(0, 255, levels.shape) < share, forced, usual).astype(np.int32)

    return draw


def no_symbols(random: Splitmix, levels: UInt8, mask: Bool, threads: int) -> Int32:
    """Zeros."""
    return np.zeros(levels.shape, np.int32)


def ends_of_bounds(random: Splitmix, levels: UInt8, mask: Bool, threads: int) -> Int32:
    """The largest symbols without an escape and the smallest with one, both signs."""
    bounds = coder_tables().bounds.astype(np.int64)[levels]
    size = bounds - random.integers(0, 1, levels.shape)
    return (size * (1 - 2 * random.integers(0, 1, levels.shape))).astype(np.int32)


def ends_of_values(random: Splitmix, levels: UInt8, mask: Bool, threads: int) -> Int32:
    """Only the two ends of 16 bits."""
    return np.array(VALUE_ENDS, np.int32)[random.integers(0, 1, levels.shape)]


def all_states(random: Splitmix, levels: UInt8, mask: Bool, threads: int) -> Int32:
    """Symbols that lead the coder through as many pairs of level and state as there are positions.

    The encoder runs backwards, and which state of a symbol it lands on depends on the state that it comes
    from; so it is followed, and of all symbols one is taken that leads to a pair not seen before.
    """
    follow = _Follow(random)
    flat, coded = levels.reshape(-1).tolist(), mask.reshape(-1).tolist()
    out = np.zeros(levels.size, np.int32)
    turns = 2 if threads == 1 else threads
    states = [0] * turns
    for i in range(levels.size - 1, -1, -1):
        if coded[i]:
            out[i], states[i % turns] = follow.step(flat[i], states[i % turns])
    return _escaped(random, levels, out.reshape(levels.shape))


class _Follow:
    """Where each symbol of a level leads from a state, and which of it was visited."""

    def __init__(self, random: Splitmix) -> None:
        self.seen = np.zeros((32, STATES), np.bool_)
        self.random = random
        self.tables = coder_tables()
        self.columns = [np.flatnonzero(masses) for masses in self.tables.masses]

    def step(self, level: int, state: int) -> tuple[int, int]:
        """A symbol and the state it leads to."""
        columns = self.columns[level]
        mass = self.tables.masses[level][columns].astype(np.int64)
        start = self.tables.starts[level][columns].astype(np.int64)
        x = STATES + state
        bits = np.array([max(0, 9 - int(m).bit_length()) for m in mass])
        bits -= x < mass << bits
        target = self.tables.state_map[level][start + (x >> bits) - mass]
        fresh = np.flatnonzero(~self.seen[level][target])
        choice = fresh if len(fresh) else np.arange(len(columns))
        pick = int(choice[int(self.random.integers(0, len(choice) - 1, (1,))[0])])
        self.seen[level, target[pick]] = True
        return symbol_of_column(int(columns[pick])), int(target[pick])


def stripes(random: Splitmix, shape: tuple[int, int]) -> Int8:
    """All 17 indices side by side, in the rows all of them once more."""
    line = np.arange(shape[1]) * 17 // shape[1] - 8
    rows = np.arange(shape[0]) * 17 // shape[0]
    return ((line[None] + 8 + rows[:, None]) % 17 - 8).astype(np.int8)


def noise(random: Splitmix, shape: tuple[int, int]) -> Int8:
    """Any index anywhere."""
    return random.integers(-8, 8, shape).astype(np.int8)


def even(random: Splitmix, shape: tuple[int, int]) -> Int8:
    """Even indices alone, which both rounding rules predict alike."""
    return (2 * random.integers(-4, 4, shape)).astype(np.int8)


def rough(random: Splitmix, shape: tuple[int, int]) -> Int8:
    """A slope with small steps, negative and odd sums among them."""
    slope = (np.arange(shape[0])[:, None] - np.arange(shape[1])) // 2
    return np.clip(slope + random.integers(-2, 1, shape), -8, 8).astype(np.int8)


def constant(index: int) -> object:
    """One index everywhere."""
    return lambda random, shape: np.full(shape, index, np.int8)
