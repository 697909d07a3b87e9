"""The two payload coders over the kernels: arguments checked, scratch allocated, threads shared out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from refdec.entropy.interface import THREAD_COUNTS, Bool, Int8, Int32, IntArray, UInt8
from refdec.entropy.jit import packed
from refdec.entropy.jit.decode import CHUNK, decode_call, decode_channels
from refdec.entropy.jit.payload import Cursor, PayloadReader
from refdec.entropy.jit.workers import share_out
from refdec.entropy.tables import MAX_LEVEL, STATES, Z_OFFSET, Z_SYMBOLS

CDF_TOP = 255
VALUE_MIN, VALUE_MAX = -32768, 32767


@dataclass(frozen=True)
class Call:
    """One call in the form that the kernels read: ``uint8[L]`` levels and mask (0 or 1)."""

    levels: UInt8
    mask: UInt8

    @staticmethod
    def of(levels: IntArray, mask: Bool) -> Call:
        """:raises ValueError: the shapes differ or a level is not one of the 32 distributions."""
        levels, mask = np.asarray(levels), np.asarray(mask)
        if levels.ndim != 1 or levels.shape != mask.shape:
            raise ValueError(f"levels {levels.shape} and mask {mask.shape} must be two lists of one length")
        if levels.size and not 0 <= int(levels.min()) <= int(levels.max()) <= MAX_LEVEL:
            raise ValueError(f"levels must be in 0..{MAX_LEVEL}")
        return Call(
            np.ascontiguousarray(levels, np.uint8), np.ascontiguousarray(mask, np.bool_).view(np.uint8)
        )


def decode_calls(
    data: bytes,
    sizes: Sequence[int],
    calls: Sequence[tuple[IntArray, Bool]],
    stop: int | None,
    byte_offset: int,
    element: str,
    workers: int,
) -> list[Int32]:
    """Decode a payload of several calls; ``stop`` is for payloads of one call."""
    checked = [Call.of(levels, mask) for levels, mask in calls]
    if stop is not None and not (len(calls) == 1 and 0 <= stop <= checked[0].levels.size):
        raise ValueError(f"cannot stop at position {stop}")
    reader = PayloadReader(data, sizes, byte_offset, element)
    tables = packed.decode_tables()
    outputs = [np.zeros(call.levels.size, np.int32) for call in checked]

    def walk(cursor: Cursor, low: int, high: int) -> int:
        rows = np.empty(CHUNK, np.uint8)
        groups = np.empty(CHUNK // 4, np.uint32)
        for call, output in zip(checked, outputs, strict=True):
            end = call.levels.size if stop is None else stop
            high = decode_call(
                *(reader.buffer, cursor.first, cursor.position, cursor.state, cursor.status),
                *(call.levels, call.mask, reader.threads, low, high, end, output),
                *(tables.entries, tables.bounds, rows, groups),
            )
            if high <= low:
                break
        return high

    reader.run(workers, walk)
    reader.finish(check_end=stop is None)
    if stop is not None:
        outputs[0][stop:] = 0
    return outputs


class PayloadWriter:
    """Room for the streams of one payload, and their bytes in the end.

    :param positions: how many positions one thread codes at most.
    :raises ValueError: no codestream can have so many threads.
    """

    def __init__(self, threads: int, positions: int) -> None:
        if threads not in THREAD_COUNTS:
            raise ValueError(f"{threads} threads; possible are {THREAD_COUNTS}")
        from refdec.entropy.jit.encode import capacity

        self.threads = threads
        room = capacity(positions)
        self.buffer = np.empty(threads * room, np.uint8)
        self.first = np.arange(threads, dtype=np.int64) * room
        self.position = self.first.copy()
        self.pending = np.zeros(threads, np.int64)
        self.waiting = np.zeros(threads, np.int64)
        self.state = np.zeros(max(threads, 2), np.int64)

    def close(self) -> tuple[bytes, tuple[int, ...]]:
        """The last states and terminators; all threads joined, and the bytes of each."""
        states = self.state.size // self.threads
        parts = []
        for t in range(self.threads):
            end, bits = int(self.pending[t]), int(self.waiting[t])
            for state in reversed(self.state[t : t + states].tolist()):
                end |= state << bits
                bits += 8
            end |= 1 << bits
            finished = self.buffer[self.first[t] : self.position[t]].tobytes()
            parts.append(finished + end.to_bytes(bits // 8 + 1, "little"))
        return b"".join(parts), tuple(map(len, parts))


def check_values(values: IntArray, mask: UInt8) -> NDArray[np.int16]:
    """Values of a call as ``int16[L]``; those that are not coded may be anything.

    :raises ValueError: the shape is not the call's, or a coded value does not fit 16 bits.
    """
    array = np.asarray(values)
    if array.shape != mask.shape:
        raise ValueError(f"values {array.shape} for a call of {mask.size} positions")
    if array.size and not VALUE_MIN <= int(array.min()) <= int(array.max()) <= VALUE_MAX:
        array = np.where(mask != 0, array, 0)
        if not VALUE_MIN <= int(array.min()) <= int(array.max()) <= VALUE_MAX:
            raise ValueError(f"coded values must be in {VALUE_MIN}..{VALUE_MAX}")
    return np.require(array, np.int16, ["C", "A"])


def encode_calls(
    values: Sequence[IntArray], calls: Sequence[tuple[IntArray, Bool]], threads: int, workers: int
) -> tuple[bytes, tuple[int, ...]]:
    """Encode several calls into one payload, calls in the order of decoding."""
    from refdec.entropy.jit.encode import encode_call

    if len(values) != len(calls):
        raise ValueError(f"{len(values)} lists of values for {len(calls)} calls")
    checked = [Call.of(levels, mask) for levels, mask in calls]
    coded = [check_values(array, call.mask) for array, call in zip(values, checked, strict=True)]
    positions = sum(-(-call.levels.size // max(threads, 1)) for call in checked)
    writer = PayloadWriter(threads, positions)
    tables = packed.encode_tables()

    def walk(arrays: Sequence[NDArray[np.int64]], low: int, high: int) -> int:
        rows = np.empty(CHUNK, np.uint8)
        symbols = np.empty(CHUNK, np.uint16)
        groups = np.empty(CHUNK // 4, np.uint32)
        for call, array in zip(reversed(checked), reversed(coded), strict=True):
            encode_call(
                *(writer.buffer, *arrays, array, call.levels, call.mask, threads, low, high),
                *(tables.entries, tables.state_map, tables.bounds, rows, symbols, groups),
            )
        return high

    arrays = writer.position, writer.pending, writer.waiting, writer.state
    share_out(arrays, threads, workers, walk)
    return writer.close()


def check_cdfs(cdfs: Sequence[UInt8]) -> UInt8:
    """The channels of all components one after another, flat.

    :raises ValueError: a row is not what ``z_cdf`` gives.
    """
    rows = []
    for cdf in cdfs:
        array = np.asarray(cdf)
        if array.ndim != 2 or array.shape[1] != Z_SYMBOLS:
            raise ValueError(f"z cdf has shape {array.shape}, expected [C, {Z_SYMBOLS}]")
        # Numbers of 8 bits that rise to 255 need no other check.
        wide = array.astype(np.int64)
        if bool(
            (wide[:, 1:] < wide[:, :-1]).any() or (wide[:, 0] < 0).any() or (wide[:, -1] != CDF_TOP).any()
        ):
            raise ValueError("z cdf must rise to 255")
        rows.append(wide.astype(np.uint8))
    return np.concatenate(rows).reshape(-1) if rows else np.zeros(0, np.uint8)


def decode_z(
    data: bytes,
    sizes: Sequence[int],
    cdfs: Sequence[UInt8],
    hz: int,
    wz: int,
    byte_offset: int,
    element: str,
    workers: int,
) -> list[Int8]:
    """See :meth:`refdec.entropy.interface.EntropyEngine.decode_z`."""
    if hz < 1 or wz < 1:
        raise ValueError(f"hyper latent of {hz} x {wz}")
    flat = check_cdfs(cdfs)
    reader = PayloadReader(data, sizes, byte_offset, element)
    length = hz * wz
    output = np.zeros(flat.size // Z_SYMBOLS * length, np.int8)

    def walk(cursor: Cursor, low: int, high: int) -> int:
        return decode_channels(
            *(reader.buffer, cursor.first, cursor.position, cursor.state, cursor.status),
            *(flat, packed.refill_table(), length, reader.threads, low, high, output),
            *(np.empty(STATES, np.uint32), np.empty(length, np.uint8)),
            *(np.empty(length // 4 + 1, np.uint32), np.empty(length, np.int32)),
        )

    reader.run(workers, walk)
    reader.finish(check_end=True)
    ends = np.cumsum([len(cdf) * length for cdf in cdfs])
    return [np.ascontiguousarray(part).reshape(-1, hz, wz) for part in np.split(output, ends[:-1])]


def encode_z(zs: Sequence[IntArray], cdfs: Sequence[UInt8], threads: int) -> tuple[bytes, tuple[int, ...]]:
    """See :meth:`refdec.entropy.interface.EntropyEngine.encode_z`."""
    from refdec.entropy.jit.encode import encode_channels

    flat = check_cdfs(cdfs)
    parts = []
    for z, cdf in zip(zs, cdfs, strict=True):
        array = np.asarray(z)
        if array.ndim != 3 or array.shape[0] != len(cdf) or array.shape[1:] != np.shape(zs[0])[1:]:
            raise ValueError(f"hyper latent of shape {array.shape} for {len(cdf)} channels")
        if array.size == 0 or int(array.min()) < -Z_OFFSET or int(array.max()) > Z_OFFSET:
            raise ValueError(f"hyper latents must be in -{Z_OFFSET}..{Z_OFFSET}")
        parts.append(array.astype(np.int16).reshape(-1))
    values = np.concatenate(parts) if parts else np.zeros(0, np.int16)
    length = values.size * Z_SYMBOLS // flat.size if flat.size else 0
    channels = flat.size // Z_SYMBOLS
    writer = PayloadWriter(threads, channels * -(-length // max(threads, 1)))
    encode_channels(
        *(writer.buffer, writer.position, writer.pending, writer.waiting, writer.state),
        *(values, flat, packed.refill_table(), length, threads, 0, threads, packed.identity_map()),
        *(np.empty(STATES, np.uint32), np.empty(length, np.uint8)),
        *(np.empty(length, np.uint16), np.empty(length // 4 + 1, np.uint32)),
    )
    return writer.close()
