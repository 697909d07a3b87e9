"""Markers, substreams and tables that are wrong while every header is right."""

from __future__ import annotations

from conformance.generate.bases import good
from conformance.generate.build import Context
from conformance.generate.plan import Refused
from conformance.generate.registry import recipe
from refdec.codestream import Marker, region_table
from refdec.codestream.bits import BitWriter
from refdec.codestream.container import join
from refdec.errors import CodestreamSyntaxError, TruncatedStreamError

UNASSIGNED = (0xFF85, 0xFF86, 0xFF87, 0xFF8D, 0xFF8F, 0xFF90, 0xFFBF, 0xFFFF, 0x0000, 0x8282, 0xFE82)


@recipe("must-reject", variants={f"{value:04x}": value for value in UNASSIGNED})
def unassigned(c: Context, value: int) -> Refused:
    """A marker that is not assigned, in front of a substream that would be well-formed.

    Nothing says that a marker can be skipped: what it would mean is unknown.
    """
    base = good(c, "plain")
    at = base.one(Marker.SOZ).marker_offset
    data = base.data[:at] + value.to_bytes(2, "big") + b"\x80" + base.data[at:]
    return Refused(data, base.base, CodestreamSyntaxError, "marker", 8 * at)


FOREIGN = {
    "jpeg": "ffd8ffe0", "png": "89504e470d0a1a0a", "jpeg2000": "ff4fff51", "jpegxl": "ff0a",
    "box": "0000000c", "end": "ff81", "header": "ff82",
}  # fmt: skip


@recipe("must-reject", variants=FOREIGN)
def not_a_codestream(c: Context, start: str) -> Refused:
    """Another file format's first bytes, or a codestream without its start marker."""
    base = good(c, "plain")
    data = bytes.fromhex(start) + base.data[2:]
    return Refused(data, base.base, CodestreamSyntaxError, "SOC", 0)


@recipe("must-reject")
def empty_codestream(c: Context) -> Refused:
    """The start marker and the end marker, and nothing in between."""
    base = good(c, "plain")
    return Refused(bytes.fromhex("ff80ff81"), base.base, CodestreamSyntaxError, bit_offset=16)


@recipe("must-reject", variants={"second": False, "behind-end": True})
def start_again(c: Context, nested: bool) -> Refused:
    """The start marker a second time, alone or with a whole codestream behind it."""
    base = good(c, "plain")
    end = len(base.data) - 2
    data = base.data[:end] + (base.data if nested else b"\xff\x80" + base.data[end:])
    return Refused(data, base.base, CodestreamSyntaxError, "marker", 8 * end)


@recipe("must-reject", variants={m.name.lower(): m for m in (Marker.TON, Marker.RDI, Marker.SOZ, Marker.UDI)})
def header_late(c: Context, marker: Marker) -> Refused:
    """Another substream in front of the picture header.

    The picture header has to be the first: without it no other payload can be understood.
    """
    base = good(c, "plain")
    parts = [(s.marker, s.payload) for s in base.stream.substreams]
    front = next((part for part in parts if part[0] is marker), (marker, b"user"))
    data = join([front, *(part for part in parts if part is not front)])
    return Refused(data, base.base, CodestreamSyntaxError, "PIH", 16)


TWICE = {
    m.name.lower(): m for m in (Marker.PIH, Marker.TON, Marker.RDI, Marker.SOZ, Marker.SORP, Marker.SORS)
}


@recipe("must-reject", variants={**TWICE, "soq": Marker.SOQ})
def twice(c: Context, marker: Marker) -> Refused:
    """A substream that may be there once is there twice, the second time at the end.

    Which of the two counts is nowhere said.
    """
    base = good(c, "threads" if marker is Marker.SOQ else "plain")
    part = base.one(marker)
    end = len(base.data) - 2
    data = base.data[:end] + base.data[part.marker_offset : base.end(part)] + base.data[end:]
    return Refused(data, base.base, CodestreamSyntaxError, marker.name, 8 * end)


@recipe(
    "must-reject", variants={m.name.lower(): m for m in (Marker.SOZ, Marker.SORP, Marker.SORS, Marker.SOQ)}
)
def missing(c: Context, marker: Marker) -> Refused:
    """A substream that the headers announce is not there.

    A quality map is announced by a flag; the others are always there.
    """
    base = good(c, "threads" if marker is Marker.SOQ else "plain")
    data = base.with_payloads({marker: None})
    return Refused(data, base.base, CodestreamSyntaxError, marker.name, 8 * (len(data) - 2))


@recipe("must-reject")
def maps_unannounced(c: Context) -> Refused:
    """Two quality maps in a stream whose header announces none.

    One would be ignored. Two of them are too many, announced or not.
    """
    base = good(c, "plain")
    part = (Marker.SOQ, b"\x2b")
    data = join([*((s.marker, s.payload) for s in base.stream.substreams), part, part])
    return Refused(data, base.base, CodestreamSyntaxError, Marker.SOQ.name)


def _sized(value: int) -> bytes:
    writer = BitWriter()
    writer.write_ue(value)
    return writer.bytes()


@recipe(
    "must-reject", variants={"2-20": 1 << 20, "2-31": 1 << 31, "2-32": (1 << 32) - 1, "2-33": (1 << 33) - 2}
)
def size_claims(c: Context, size: int) -> Refused:
    """A substream whose size goes far beyond the end of the file.

    A decoder that makes room for it before it looks whether the bytes are there can be made to take all
    memory.
    """
    base = good(c, "plain")
    part = base.one(Marker.SORS)
    coded = _sized(size)
    data = base.data[: part.marker_offset + 2] + coded + base.data[part.payload_offset :]
    offset = 8 * (part.marker_offset + 2 + len(coded))
    return Refused(data, base.base, TruncatedStreamError, "SORS", offset)


@recipe("must-reject", variants={"5": 5, "9": 9, "64": 64})
def size_endless(c: Context, count: int) -> Refused:
    """A size code that begins with more zeros than any size needs."""
    base = good(c, "plain")
    part = base.one(Marker.SOZ)
    data = base.data[: part.marker_offset + 2] + bytes(count) + base.data[part.payload_offset :]
    return Refused(data, base.base, CodestreamSyntaxError, "size of SOZ", 8 * (part.marker_offset + 2))


@recipe("must-reject", variants={"one-too-many": 2, "255": 255})
def region_unknown(c: Context, index: int) -> Refused:
    """An independent region whose index is not below their number."""
    base = good(c, "independent")
    part = base.stream.substreams_of(Marker.SORP)[1]
    data = base.data[: part.payload_offset] + bytes([index]) + base.data[part.payload_offset + 1 :]
    return Refused(data, base.base, CodestreamSyntaxError, "SORP.region_index", 8 * part.payload_offset)


@recipe("must-reject", variants={"sorp": Marker.SORP, "sors": Marker.SORS})
def region_twice(c: Context, marker: Marker) -> Refused:
    """An independent region that is there twice."""
    base = good(c, "independent")
    part = base.stream.substreams_of(marker)[1]
    data = base.data[: part.payload_offset] + b"\x00" + base.data[part.payload_offset + 1 :]
    return Refused(
        data, base.base, CodestreamSyntaxError, f"{marker.name}.region_index", 8 * part.payload_offset
    )


@recipe("must-reject", variants={"sorp": Marker.SORP, "sors": Marker.SORS})
def region_nameless(c: Context, marker: Marker) -> Refused:
    """An independent region's substream without a byte, so without an index."""
    base = good(c, "independent")
    first = base.one(marker)
    parts = [(s.marker, b"" if s is first else s.payload) for s in base.stream.substreams]
    return Refused(join(parts), base.base, TruncatedStreamError, marker.name)


@recipe("must-reject", variants={"1": 1, "2-20": 1 << 20, "2-32": (1 << 32) - 1})
def region_sizes(c: Context, beyond: int) -> Refused:
    """A table of dependent regions that claims more bytes than the substream has."""
    base = good(c, "regions")
    payload = base.one(Marker.SORP).payload
    rest = payload[len(region_table([_first_region(c), 0])) :]
    data = base.with_payloads({Marker.SORP: region_table([len(rest) + beyond, 0]) + rest})
    return Refused(data, base.base, CodestreamSyntaxError, "SORP.region_size[0]")


@recipe("must-reject", variants={"sorp": Marker.SORP, "sors": Marker.SORS})
def region_table_ends(c: Context, marker: Marker) -> Refused:
    """A substream of dependent regions that ends inside the table of their sizes."""
    base = good(c, "regions")
    data = base.with_payloads({marker: b""})
    return Refused(data, base.base, TruncatedStreamError, f"{marker.name}.region_size")


def _first_region(c: Context) -> int:
    payload = good(c, "regions").stream.residual_payloads(0)[0]
    assert payload is not None
    return len(payload.data)
