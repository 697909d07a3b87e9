"""The hyper latent coder (AR-Z-01..05).

Bits and groups are those of the residual coder; each channel has a distribution of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from refdec import coverage
from refdec.entropy.golden.bits import BitReader, BitWriter, open_threads
from refdec.entropy.golden.residual import Entry, encode_state, state_count, thread_groups
from refdec.entropy.interface import THREAD_COUNTS, Int8, IntArray, UInt8
from refdec.entropy.tables import STATES, Z_ESCAPE, Z_ESCAPE_STATE, Z_OFFSET, Z_SYMBOLS, refill_bits
from refdec.errors import CorruptPayloadError, ModelError

ESCAPE_BITS = 6
CDF_TOP = 255


def z_cdf(freqs: IntArray) -> UInt8:
    """See :meth:`refdec.entropy.interface.EntropyEngine.z_cdf`."""
    freqs = np.asarray(freqs)
    if freqs.ndim != 2 or freqs.shape[1] != Z_SYMBOLS:
        raise ModelError(f"z frequencies have shape {freqs.shape}, expected [C, {Z_SYMBOLS}]")
    # The total of a channel is about 1e9: 255 times that needs more than 32 bits.
    cumulative = np.cumsum(freqs, axis=1, dtype=np.int64)
    total = cumulative[:, -1:]
    if int(freqs.min()) < 0 or int(total.min()) <= 0:
        raise ModelError("z frequencies must not be negative, and not all zero in any channel")
    assert int(total.max()) <= (2**63 - 1) // (CDF_TOP + 1)
    cdf = (CDF_TOP * cumulative + (total >> 1)) // total
    assert int(cdf.min()) >= 0 and bool(np.all(cdf[:, -1] == CDF_TOP))
    return np.ascontiguousarray(cdf, np.uint8)


def check_cdfs(cdfs: Sequence[UInt8]) -> list[list[int]]:
    """All channels of all components in the order of decoding, luma first (AR-Z-04).

    :raises ValueError: a row is not what :func:`z_cdf` gives.
    """
    channels: list[list[int]] = []
    for cdf in cdfs:
        rows = np.asarray(cdf, np.int64)
        if rows.ndim != 2 or rows.shape[1] != Z_SYMBOLS:
            raise ValueError(f"z cdf has shape {rows.shape}, expected [C, {Z_SYMBOLS}]")
        if np.any(np.diff(rows, axis=1) < 0) or np.any(rows[:, 0] < 0) or np.any(rows[:, -1] != CDF_TOP):
            raise ValueError("z cdf must rise to 255")
        channels.extend(rows.tolist())
    return channels


def decode_entries(cdf: list[int]) -> list[Entry]:
    """Per state: symbol, number of bits, base of the next state (AR-Z-03)."""
    entries = []
    start = 0
    for symbol, end in enumerate([*cdf, STATES]):
        mass = end - start
        for state in range(start, end):
            value = mass + state - start
            bits = refill_bits(value)
            entries.append((symbol, bits, (value << bits) - STATES))  # AR-Z-02, AR-Z-03
        start = end
    assert len(entries) == STATES and entries[Z_ESCAPE_STATE][0] == Z_ESCAPE
    return coverage.visited("z-states", "any channel", entries)


def decode_thread(
    reader: BitReader, threads: int, thread: int, channels: list[list[Entry]], output: Int8
) -> None:
    """Decode one thread of every channel into ``output`` (``int8[channel, position]``)."""
    count = state_count(threads)
    states = [reader.read(8) for _ in range(count)]
    for entries, channel in zip(channels, output, strict=True):
        # AR-Z-04: each channel is a call of its own: groups and parity start anew.
        for group in thread_groups(channel.size, threads, thread):
            symbols = []
            for i in group:
                symbol, bits, base = entries[states[i % count]]
                states[i % count] = base | reader.read(bits)
                symbols.append(symbol)
            for i, symbol in zip(group, symbols, strict=True):
                value = reader.read(ESCAPE_BITS) if symbol == Z_ESCAPE else symbol
                if value == Z_ESCAPE:  # AR-Z-05
                    raise CorruptPayloadError(
                        "a z symbol has the value that no encoder writes",
                        bit_offset=reader.bit_offset,
                        element=reader.element,
                        expected=f"0..{Z_SYMBOLS - 1}",
                        found=str(value),
                    )
                if symbol == Z_ESCAPE:
                    coverage.point("escapes", "z, 6 bits")
                channel[i] = value - Z_OFFSET  # AR-Z-01
    reader.check_end(states)


def decode_z(
    data: bytes, sizes: Sequence[int], cdfs: Sequence[UInt8], hz: int, wz: int, byte_offset: int, element: str
) -> list[Int8]:
    """See :meth:`refdec.entropy.interface.EntropyEngine.decode_z`."""
    if hz < 1 or wz < 1:
        raise ValueError(f"hyper latent of {hz} x {wz}")
    rows = check_cdfs(cdfs)
    channels = [decode_entries(cdf) for cdf in rows]
    output = np.zeros((len(rows), hz * wz), np.int8)
    for thread, (part, bit_offset) in enumerate(open_threads(data, sizes, byte_offset, element)):
        decode_thread(BitReader(part, bit_offset, element), len(sizes), thread, channels, output)
    ends = np.cumsum([len(cdf) for cdf in cdfs])
    return [part.reshape(-1, hz, wz) for part in np.split(output, ends[:-1])]


def encode_thread(threads: int, thread: int, cdfs: list[list[int]], symbols: list[list[int]]) -> bytes:
    """Everything that :func:`decode_thread` reads, written in the opposite order."""
    count = state_count(threads)
    writer = BitWriter()
    states = [0] * count
    for cdf, channel in zip(reversed(cdfs), reversed(symbols), strict=True):
        starts, ends = [0, *cdf], [*cdf, STATES]
        for group in reversed(list(thread_groups(len(channel), threads, thread))):
            coded = {}
            for i in reversed(group):
                coded[i] = channel[i]
                if starts[coded[i]] == ends[coded[i]]:
                    # No mass: the escape carries the symbol itself.
                    writer.write(channel[i], ESCAPE_BITS)
                    coded[i] = Z_ESCAPE
            for i, symbol in coded.items():
                mass = ends[symbol] - starts[symbol]
                # Without a state map: the slot is the state.
                states[i % count] = encode_state(writer, states[i % count], mass, starts[symbol])
    for state in reversed(states):
        writer.write(state, 8)
    return writer.close()


def encode_z(zs: Sequence[IntArray], cdfs: Sequence[UInt8], threads: int) -> tuple[bytes, tuple[int, ...]]:
    """See :meth:`refdec.entropy.interface.EntropyEngine.encode_z`."""
    if threads not in THREAD_COUNTS:
        raise ValueError(f"{threads} threads; possible are {THREAD_COUNTS}")
    rows = check_cdfs(cdfs)
    symbols: list[list[int]] = []
    for z, cdf in zip(zs, cdfs, strict=True):
        values = np.asarray(z, np.int64)
        if values.ndim != 3 or values.shape[0] != len(cdf) or values.shape[1:] != np.shape(zs[0])[1:]:
            raise ValueError(f"hyper latent of shape {values.shape} for {len(cdf)} channels")
        if values.size == 0 or np.abs(values).max() > Z_OFFSET:
            raise ValueError(f"hyper latents must be in -{Z_OFFSET}..{Z_OFFSET}")
        symbols.extend((values + Z_OFFSET).reshape(len(cdf), -1).tolist())
    parts = [encode_thread(threads, t, rows, symbols) for t in range(threads)]
    return b"".join(parts), tuple(map(len, parts))
