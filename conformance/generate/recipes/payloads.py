"""Entropy-coded payloads that no encoder makes: tables of threads, states, values."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from conformance.encoder.payloads import region_payloads
from conformance.generate.bases import Good, good
from conformance.generate.build import Builder, Context
from conformance.generate.plan import Refused
from conformance.generate.registry import recipe
from refdec import entropy
from refdec.codestream import Marker, ThreadedData, threaded_payload
from refdec.codestream.bits import BitWriter
from refdec.entropy.tables import coder_tables
from refdec.errors import BitstreamError, CodestreamSyntaxError, CorruptPayloadError, TruncatedStreamError
from refdec.tables import table

PAYLOADS = {m.name.lower(): m for m in (Marker.SOZ, Marker.SORP, Marker.SORS, Marker.SOQ)}
ONE, MANY = "plain", "threads"


def _base(c: Context, marker: Marker) -> Good:
    return good(c, MANY if marker is Marker.SOQ else ONE)


def _damaged(
    base: Good, marker: Marker, payload: bytes, error: type[BitstreamError], element: str | None = None
) -> Refused:
    data = base.with_payloads({marker: payload})
    return Refused(data, base.base, error, marker.name if element is None else element)


@recipe("must-reject", variants=PAYLOADS)
def no_terminator(c: Context, marker: Marker) -> Refused:
    """A payload of zeros: there is no bit that says where its data begin."""
    base = _base(c, marker)
    return _damaged(base, marker, bytes(len(base.one(marker).payload)), *_zeros(marker))


def _zeros(marker: Marker) -> tuple[type[BitstreamError], str | None]:
    # Sixteen threads have a table, and zeros are no code of it.
    if marker is Marker.SOQ:
        return CodestreamSyntaxError, "SOQ.thread_size_delta"
    return CorruptPayloadError, None


@recipe("must-reject", variants={"soz": Marker.SOZ, "sorp": Marker.SORP, "sors": Marker.SORS})
def nothing(c: Context, marker: Marker) -> Refused:
    """A payload without a byte.

    Even where nothing is coded there are the states and a terminator.
    """
    return _damaged(good(c, ONE), marker, b"", CorruptPayloadError)


@recipe("must-reject", variants={"soz": Marker.SOZ, "sorp": Marker.SORP, "sors": Marker.SORS})
def left_over(c: Context, marker: Marker) -> Refused:
    """A byte too many in front, which is where a payload ends for a decoder.

    All symbols are right, and bits are left behind them. Only the check of the final state finds it.
    """
    base = good(c, ONE)
    return _damaged(base, marker, b"\xa5" + base.one(marker).payload, CorruptPayloadError)


@recipe("must-reject", variants={"soz": Marker.SOZ, "sorp": Marker.SORP, "sors": Marker.SORS})
def cut_in_front(c: Context, marker: Marker) -> Refused:
    """A payload that lacks its first byte, which is the last that a decoder reads."""
    base = good(c, ONE)
    return _noticed(base, marker, base.one(marker).payload[1:])


@recipe("must-reject", variants={"soz": Marker.SOZ, "sorp": Marker.SORP, "sors": Marker.SORS})
def cut_behind(c: Context, marker: Marker) -> Refused:
    """A payload that lacks its last byte, in which the states and the terminator are."""
    base = good(c, ONE)
    return _noticed(base, marker, base.one(marker).payload[:-1])


FLIPS = {f"{name}-{place}": (m, place) for name, m in PAYLOADS.items() for place in (1, 2, 3)}


@recipe("must-reject", variants=FLIPS)
def flipped(c: Context, case: tuple[Marker, int]) -> Refused:
    """One bit of a payload is another: at a quarter, the half or three quarters of it.

    Symbols from there on are wrong, and the coder does not end in the state in which every encoder begins. A
    decoder that does not look at the final state shows a damaged picture as if it were right.
    """
    marker, place = case
    base = good(c, MANY if marker is Marker.SOQ else ONE)
    payload = base.one(marker).payload
    start = len(payload) * place // 4
    for at in range(start, len(payload)):
        changed = payload[:at] + bytes([payload[at] ^ 0x10]) + payload[at + 1 :]
        refused = _noticed(base, marker, changed)
        if _is_noticed(c, refused):
            return refused
    raise ValueError("no flipped bit is noticed")


def _noticed(base: Good, marker: Marker, payload: bytes) -> Refused:
    """Damage that is noticed at the end of a thread or before; which of the two depends on the symbols."""
    return Refused(base.with_payloads({marker: payload}), base.base, BitstreamError, marker.name)


def _is_noticed(c: Context, bad: Refused) -> bool:
    """Whether damage is noticed where it was done, and not only in what follows from it."""
    from conformance.generate.entry import refusal

    error = refusal(c, bad)
    return error is not None and error.element == bad.element


def _threads(base: Good, marker: Marker) -> ThreadedData:
    return next(t for p, t in base.stream.threaded() if p.element == marker.name)


def _parts(coded: ThreadedData) -> list[bytes]:
    starts = np.cumsum((0, *coded.sizes)).tolist()
    return [coded.data[a:b] for a, b in pairwise(starts)]


def _join(parts: list[bytes]) -> bytes:
    return threaded_payload(b"".join(parts), [len(part) for part in parts])


@recipe("must-reject", variants={f"{n}-{i}": (m, i) for n, m in PAYLOADS.items() for i in (0, 15)})
def thread_empty(c: Context, case: tuple[Marker, int]) -> Refused:
    """The first or the last of sixteen threads has no byte."""
    marker, index = case
    base = good(c, MANY)
    parts = _parts(_threads(base, marker))
    parts[index] = b""
    return _damaged(base, marker, _join(parts), CorruptPayloadError)


@recipe("must-reject", variants=PAYLOADS)
def threads_exchanged(c: Context, marker: Marker) -> Refused:
    """Two threads stand at each other's place.

    Each of them is sound; they code other positions than they are read for.
    """
    base = good(c, MANY)
    parts = _parts(_threads(base, marker))
    for first in range(15):
        changed = list(parts)
        changed[first], changed[first + 1] = parts[first + 1], parts[first]
        refused = _noticed(base, marker, _join(changed))
        if _is_noticed(c, refused):
            return refused
    raise ValueError("no exchange is noticed")


def _deltas(*values: int) -> bytes:
    writer = BitWriter()
    for value in values:
        writer.write_se(value)
    return writer.bytes()


TABLES: dict[str, bytes] = {
    "first-negative": _deltas(1000, *[0] * 14),
    "first-too-large": _deltas(-1000, *[0] * 14),
    "last-too-large": _deltas(*[0] * 14, -200),
    "all-largest": _deltas(*[1 << 31] * 15),
    "all-smallest": _deltas(*[-(1 << 31)] * 15),
}


@recipe("must-reject", variants={f"{n}-{t}": (m, t) for n, m in PAYLOADS.items() for t in TABLES})
def thread_sizes(c: Context, case: tuple[Marker, str]) -> Refused:
    """A table of threads with a size that is negative, or larger than what is left.

    Sizes are differences from the mean, and up to 32 bits: a decoder that adds them in 32 bits can come out
    anywhere.
    """
    marker, name = case
    base = good(c, MANY)
    payload = TABLES[name] + bytes(range(1, 120))
    index = 14 if name.startswith("last") else 0
    return _damaged(base, marker, payload, CodestreamSyntaxError, f"{marker.name} thread {index}")


@recipe("must-reject", variants={f"{n}-{k}": (m, k) for n, m in PAYLOADS.items() for k in (0, 1)})
def thread_table_ends(c: Context, case: tuple[Marker, int]) -> Refused:
    """Sixteen threads, and hardly a byte for their table."""
    marker, count = case
    base = good(c, MANY)
    return _damaged(base, marker, b"\xff" * count, TruncatedStreamError, f"{marker.name}.thread_size_delta")


@recipe("must-reject", variants=PAYLOADS)
def thread_table_endless(c: Context, marker: Marker) -> Refused:
    """A table of threads that begins with more zeros than any size needs."""
    base = good(c, MANY)
    payload = bytes(8) + base.one(marker).payload
    return _damaged(base, marker, payload, CodestreamSyntaxError, f"{marker.name}.thread_size_delta")


def _either(a: bytes, b: bytes) -> bytes:
    """Every bit that is set in one of them."""
    assert len(a) == len(b)
    return bytes(x | y for x, y in zip(a, b, strict=True))


@recipe("must-reject", variants={"above": 1, "below": -1})
def value_too_large(c: Context, sign: int) -> Refused:
    """A residual whose escape stands for more than 16 bits hold.

    The escape has 16 bits, to which the bound of the level is added. A decoder that accepts it lets the sum
    wrap around.
    """
    base = good(c, "few")
    builder = Builder(replace(c, name="base few"), base.base.plan)
    z_hats, symbols = builder.drawn
    scales = builder.scales(0, z_hats[0])
    levels = builder.engine.levels(scales.log)[:8]
    place = np.unravel_index(int(np.argmax(levels)), levels.shape)
    bound = int(coder_tables().bounds[levels[place]])
    largest = 32767 - bound
    payload = None
    # Both are legal; the bits of their escapes together are 15 ones and the sign.
    for rest in (largest, 0x7FFF ^ largest | 0x4000):
        changed = symbols[0].copy()
        changed[place] = sign * (bound + rest)
        coded = region_payloads(builder.picture, 0, scales, changed, builder.engine)[0]
        assert coded is not None
        payload = coded if payload is None else _either(payload, coded)
    assert payload is not None
    return _damaged(base, Marker.SORP, payload, CorruptPayloadError)


@recipe("must-reject")
def z_too_large(c: Context) -> Refused:
    """A hyper-latent of 32: an escape with all six bits set, which no encoder can write."""
    base = good(c, "few")
    builder = Builder(replace(c, name="base few"), base.base.plan)
    cdfs = [model.z_cdf for model in builder.models]
    # A channel in which neither 30 nor 31 has a probability of its own.
    channel = int(np.argmax((np.diff(cdfs[0][:, -3:].astype(int)) == 0).all(axis=1)))
    coded = []
    for value in (30, 31):
        z_hats = [z.copy() for z in builder.drawn[0]]
        z_hats[0][channel, 0, 0] = value
        coded.append(threaded_payload(*builder.engine.encode_z(z_hats, cdfs, 1)))
    return _damaged(base, Marker.SOZ, _either(*coded), CorruptPayloadError)


@recipe("must-reject", variants={"above": ((0, 0), 9), "below": ((2, 3), -17), "far": ((1, 1), 32767)})
def map_out_of_range(c: Context, case: tuple[tuple[int, int], int]) -> Refused:
    """A quality map that leaves -8..8.

    The tables end there. The reference encoder is known to clip its maps to -9..9.
    """
    place, delta = case
    base = good(c, MANY)
    picture = base.stream.picture
    deltas = np.zeros((4, 5), np.int32)
    deltas[place] = delta
    level = table("parameters", "quality_levels")[picture.quality_map_entropy_index]
    coded = entropy.engine("golden").encode_residual(
        deltas.reshape(-1), np.full(20, level, np.uint8), np.ones(20, np.bool_), picture.num_threads_q
    )
    return _damaged(base, Marker.SOQ, threaded_payload(*coded), CorruptPayloadError)


@recipe("must-reject", variants={"sorp": Marker.SORP, "sors": Marker.SORS})
def region_damaged(c: Context, marker: Marker) -> Refused:
    """The second of two independent regions is damaged, the first is sound."""
    base = good(c, "independent")
    second = base.stream.substreams_of(marker)[1]
    data = bytearray(base.data)
    # The coder can fall back into step, and end in the right state: more is taken away until it does not.
    for at in range(base.end(second) - 1, second.payload_offset, -1):
        data[at] = 0
        refused = Refused(bytes(data), base.base, BitstreamError, f"{marker.name} region 1")
        if _is_noticed(c, refused):
            return refused
    raise ValueError("no damage is noticed")
