"""Streams that a decoder must reject, made from good ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from conformance.encoder.payloads import with_quality_map
from refdec.codestream import (
    Codestream,
    Dialect,
    Marker,
    PictureHeader,
    Substream,
    parse,
    thread_table,
    threaded_payload,
)
from refdec.codestream.assemble import write_picture_header
from refdec.codestream.container import join
from refdec.codestream.geometry import latent_size
from refdec.entropy import EntropyEngine
from refdec.tables import table


@dataclass(frozen=True)
class Malformed:
    """One stream that must be rejected."""

    name: str
    purpose: str
    data: bytes
    dialect: Dialect = Dialect.T840


class Base(NamedTuple):
    """A good stream, parsed."""

    data: bytes
    stream: Codestream

    def marker_offset(self, marker: Marker) -> int:
        return self.stream.substreams_of(marker)[0].marker_offset

    def payload_offset(self, marker: Marker) -> int:
        return self.stream.substreams_of(marker)[0].payload_offset


def make_malformed(plain: bytes, threads: bytes, draft: bytes, engine: EntropyEngine) -> Iterator[Malformed]:
    """All of them.

    :param plain: a good stream with one thread everywhere and without a quality map.
    :param threads: one with sixteen threads everywhere.
    :param draft: one in the draft dialect.
    """
    base = Base(plain, parse(plain))
    picture = base.stream.picture
    yield Malformed("empty", "No byte at all.", b"")
    yield Malformed("no-soc", "Starts with the picture header's marker.", plain[2:])
    yield Malformed("no-eoc", "Ends before the end marker.", plain[:-2])
    yield Malformed("cut-header", "Ends inside the picture header.", plain[:12])
    cut = base.payload_offset(Marker.SORP) + 5
    yield Malformed("cut-payload", "Ends inside the luma residual.", plain[:cut])
    yield Malformed("unassigned-marker", "A marker without meaning.", plain[:-2] + b"\xff\x9f\x00\xff\x81")
    yield Malformed("second-soc", "The start marker a second time.", plain[:-2] + plain)
    yield Malformed("pih-late", "The picture header is not the first substream.", _moved(base, Marker.PIH))
    for marker in (Marker.PIH, Marker.SOZ, Marker.SORP):
        yield Malformed(
            f"twice-{marker.name.lower()}", f"{marker.name} occurs twice.", _repeated(base, marker)
        )
    for marker in (Marker.SOZ, Marker.SORP, Marker.SORS):
        yield Malformed(
            f"without-{marker.name.lower()}", f"{marker.name} is missing.", _changed(base, {marker: None})
        )

    yield Malformed("stream-profile", "An undefined stream profile.", _header(base, stream_profile_idc=1))
    yield Malformed("level", "A level that does not exist.", _header(base, level_idc=53))
    yield Malformed("model", "A model that the level does not permit.", _header(base, level_idc=50))
    yield Malformed(
        "bit-depth-12", "A bit depth that decoders do not support.", _header(base, bit_depth_idc=2)
    )
    yield Malformed(
        "colour-transform", "An undefined colour transform.", _bits(base, "colour_transform_idx", 3)
    )
    yield Malformed(
        "dimensions", "65,599 x 65,599 samples announced in a short file.", _dimensions(base.stream)
    )
    yield Malformed("dialect", "A stream of the draft dialect read as the published one.", draft)

    yield from _payload_defects(base, Base(threads, parse(threads)))
    yield from _quality_defects(base, picture, engine)


def _payload_defects(base: Base, threads: Base) -> Iterator[Malformed]:
    for marker, what in ((Marker.SOZ, "z"), (Marker.SORP, "luma residual"), (Marker.SORS, "chroma residual")):
        (payload,) = (s.payload for s in base.stream.substreams_of(marker))
        name = marker.name.lower()
        yield Malformed(
            f"no-terminator-{name}",
            f"The {what} is all zeros.",
            _changed(base, {marker: bytes(len(payload))}),
        )
        yield Malformed(
            f"left-over-{name}",
            f"A byte too many in the {what}.",
            _changed(base, {marker: b"\xa5" + payload}),
        )
        yield Malformed(
            f"too-short-{name}", f"The {what} lacks its first byte.", _changed(base, {marker: payload[1:]})
        )
        middle = len(payload) // 2
        flipped = payload[:middle] + bytes([payload[middle] ^ 0x10]) + payload[middle + 1 :]
        yield Malformed(
            f"bit-flip-{name}", f"One bit of the {what} flipped.", _changed(base, {marker: flipped})
        )
        yield Malformed(f"empty-{name}", f"The {what} has no byte.", _changed(base, {marker: b""}))
    yield Malformed(
        "threads-over-3-bytes",
        "Sixteen threads over three bytes.",
        _changed(threads, {Marker.SORP: b"\xff\xfe\x01\x02\x03"}),
    )
    yield Malformed(
        "thread-size-negative",
        "A thread larger than the mean by more than there is.",
        _changed(threads, {Marker.SORS: thread_table([40, *[0] * 15]) + b"\x01\x02\x03"}),
    )
    yield Malformed(
        "thread-empty",
        "One thread of sixteen has no byte, thus no terminator.",
        _changed(threads, {Marker.SOZ: _without_thread(threads, 3)}),
    )


def _quality_defects(base: Base, picture: PictureHeader, engine: EntropyEngine) -> Iterator[Malformed]:
    shape = latent_size(picture.height, picture.width)
    announced = with_quality_map(picture, np.zeros(shape, np.int8), engine)
    header = {Marker.PIH: write_picture_header(announced)}
    yield Malformed("without-soq", "A quality map is announced and missing.", _changed(base, header))
    deltas = np.zeros(shape, np.int32)
    deltas[0, 0] = 9
    level = table("parameters", "quality_levels")[announced.quality_map_entropy_index]
    coded = engine.encode_residual(
        deltas.reshape(-1),
        np.full(deltas.size, level, np.uint8),
        np.ones(deltas.size, np.bool_),
        announced.num_threads_q,
    )
    data = _changed(base, header)
    with_map = data[:-2] + join([(Marker.SOQ, threaded_payload(*coded))])[2:]
    yield Malformed("quality-map-range", "A quality map that leaves -8..8.", with_map)


def _changed(base: Base, payloads: dict[Marker, bytes | None]) -> bytes:
    """The stream with other payloads; ``None`` leaves the substream out."""
    return _joined((s, payloads.get(s.marker, s.payload)) for s in base.stream.substreams)


def _joined(parts: Iterator[tuple[Substream, bytes | None]]) -> bytes:
    return join((substream.marker, payload) for substream, payload in parts if payload is not None)


def _header(base: Base, **changes: int) -> bytes:
    picture = replace(base.stream.picture, **changes)  # type: ignore[arg-type]
    return _changed(base, {Marker.PIH: write_picture_header(picture, strict=False)})


def _bits(base: Base, name: str, value: int) -> bytes:
    """The stream with the bits of one header field overwritten, by a value that no writer would take."""
    record = next(r for r in base.stream.header_fields if r.name == name)
    shift = 8 * len(base.data) - record.bit_offset - record.width
    whole = int.from_bytes(base.data, "big")
    whole = whole & ~(((1 << record.width) - 1) << shift) | value << shift
    return whole.to_bytes(len(base.data), "big")


def _moved(base: Base, marker: Marker) -> bytes:
    return _ordered(base, lambda s: s.marker is marker)


def _ordered(base: Base, key: Callable[[Substream], bool]) -> bytes:
    return join((s.marker, s.payload) for s in sorted(base.stream.substreams, key=key))


def _repeated(base: Base, marker: Marker) -> bytes:
    substreams: Sequence[Substream] = base.stream.substreams
    again = [s for s in substreams if s.marker is marker]
    return join((s.marker, s.payload) for s in (*substreams, *again))


def _dimensions(stream: Codestream) -> bytes:
    """The largest picture that a header can announce, in a file of some 60 bytes."""
    picture = replace(
        stream.picture,
        img_width_minus64=65535,
        img_height_minus64=65535,
        components=(
            replace(stream.picture.components[0], use_cube_flags=0, cube_groups=()),
            replace(stream.picture.components[1], use_cube_flags=0, cube_groups=()),
        ),
    )
    header = write_picture_header(picture, strict=False)
    payload = b"\x00\x00\x01"
    return join([(Marker.PIH, header), *((m, payload) for m in (Marker.SORP, Marker.SORS, Marker.SOZ))])


def _without_thread(base: Base, index: int) -> bytes:
    """The z payload with one thread's bytes taken away."""
    coded = base.stream.z_payload().threads(base.stream.picture.num_threads_z)
    starts = np.cumsum((0, *coded.sizes))
    parts = [coded.data[starts[i] : starts[i + 1]] for i in range(len(coded.sizes))]
    parts[index] = b""
    return threaded_payload(b"".join(parts), [len(part) for part in parts])
