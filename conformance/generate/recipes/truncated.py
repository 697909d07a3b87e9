"""Streams that end too early: at every border of the container, and inside every header."""

from __future__ import annotations

from conformance.generate.bases import Good, good
from conformance.generate.build import Context
from conformance.generate.plan import Refused
from conformance.generate.registry import recipe
from refdec.codestream import Marker
from refdec.errors import TruncatedStreamError

SUBSTREAMS = {
    m.name.lower(): m for m in (Marker.PIH, Marker.TON, Marker.RDI, Marker.SORP, Marker.SORS, Marker.SOZ)
}
SUBSTREAMS["soq"] = Marker.SOQ
PLACES = ("before", "in-marker", "behind-marker", "behind-size", "one-byte-short")


def _base(c: Context, marker: Marker) -> Good:
    return good(c, "threads" if marker is Marker.SOQ else "plain")


@recipe(
    "must-reject",
    variants={f"{name}-{place}": (m, place) for name, m in SUBSTREAMS.items() for place in PLACES},
)
def file_ends(c: Context, case: tuple[Marker, str]) -> Refused:
    """The file ends at a border of a substream: before its marker, in it, behind it, behind its size, one
    byte short.

    A decoder that accepts one, or crashes, reads beyond the end of its input.
    """
    marker, place = case
    base = _base(c, marker)
    part = base.one(marker)
    cut = {
        "before": part.marker_offset,
        "in-marker": part.marker_offset + 1,
        "behind-marker": part.marker_offset + 2,
        "behind-size": part.payload_offset,
        "one-byte-short": base.end(part) - 1,
    }[place]
    offset = {"before": cut, "in-marker": part.marker_offset, "behind-marker": cut}.get(
        place, part.payload_offset
    )
    return Refused(base.data[:cut], base.base, TruncatedStreamError, bit_offset=8 * offset)


@recipe("must-reject", variants={str(n): n for n in (0, 1, 2, 3)})
def file_short(c: Context, length: int) -> Refused:
    """Nothing at all, a byte, the start marker, the start marker and a byte."""
    base = good(c, "plain")
    return Refused(base.data[:length], base.base, TruncatedStreamError, bit_offset=0 if length < 2 else 16)


@recipe("must-reject")
def file_without_end(c: Context) -> Refused:
    """Everything is there but the end marker.

    A stream that ends without it may have lost a substream.
    """
    base = good(c, "plain")
    end = len(base.data) - 2
    return Refused(base.data[:end], base.base, TruncatedStreamError, bit_offset=8 * end)


@recipe("must-reject", variants={str(n): n for n in range(13)})
def picture_header_ends(c: Context, length: int) -> Refused:
    """A picture header with fewer bytes than its elements need; the container around it is sound.

    The element that is cut is the one to be named. A decoder that accepts one has read the next substream as
    if it belonged to the header, or zeros.
    """
    return _cut_header(good(c, "plain"), Marker.PIH, length)


@recipe("must-reject", variants={str(n): n for n in (0, 1, 2, 4, 8, 16, 32, 64, 100, 150)})
def tool_header_ends(c: Context, length: int) -> Refused:
    """A tool header with all post-filters that has fewer bytes than its elements need.

    Lists of weights are as long as earlier elements say: a decoder has to find out that they are not there
    before it makes room for them.
    """
    return _cut_header(good(c, "tools"), Marker.TON, length)


@recipe("must-reject", variants={str(n): n for n in (0, 1, 2, 10, 30)})
def rendering_ends(c: Context, length: int) -> Refused:
    """Rendering information with fewer bytes than its elements need.

    It describes and has no influence on decoding; it is damaged all the same.
    """
    return _cut_header(good(c, "plain"), Marker.RDI, length)


def _cut_header(base: Good, marker: Marker, length: int) -> Refused:
    payload = base.one(marker).payload
    if length >= len(payload):
        raise ValueError(f"{marker.name} has {len(payload)} bytes alone")
    data = base.with_payloads({marker: payload[:length]})
    records = [r for r in base.stream.header_fields if r.segment == marker.name]
    start = 8 * base.one(marker).payload_offset
    cut = next(r for r in records if r.bit_offset - start + r.bits > 8 * length)
    return Refused(data, base.base, TruncatedStreamError, f"{cut.segment}.{cut.name}")
