"""Streams that decode for a reader that ignores what it need not understand; a strict one refuses them."""

from __future__ import annotations

from conformance.generate import filters
from conformance.generate.build import Context
from conformance.generate.fields import planar
from conformance.generate.plan import Edit, Plan, both
from conformance.generate.registry import recipe
from refdec.codestream import Dialect, Marker, parse
from refdec.codestream.container import join, split
from refdec.limits import DEFAULT_LIMITS

BEHIND = {"zeros": bytes(7), "marker": b"\xff\x82", "again": b""}


@recipe("may-reject", variants=BEHIND)
def behind_the_end(c: Context, more: bytes) -> Plan:
    """Bytes behind the end marker: zeros, half a substream, the codestream once more.

    They belong to nothing. A decoder that goes on reading takes them for substreams.
    """
    return Plan(model=1, edit=lambda data: data + (more or data))


def _payload(marker: Marker, change: Edit) -> Edit:
    """A change of the first substream with a marker."""

    def edit(data: bytes) -> bytes:
        parts = split(data, DEFAULT_LIMITS).substreams
        first = next(part for part in parts if part.marker is marker)
        return join((p.marker, change(p.payload) if p is first else p.payload) for p in parts)

    return edit


PADDED = {"pih": Marker.PIH, "ton": Marker.TON}


@recipe("may-reject", variants=PADDED)
def padding(c: Context, marker: Marker) -> Plan:
    """The bits behind a header's last element, up to the next byte, are ones.

    They are to be zero and mean nothing. A strict reader may refuse them.
    """

    def edit(data: bytes) -> bytes:
        stream = parse(data)
        last = max((r for r in stream.header_fields if r.segment == marker.name), key=lambda r: r.bit_offset)
        unused = -(last.bit_offset + last.bits) % 8
        if not unused:
            raise ValueError(f"{marker.name} ends with a byte")
        return _payload(marker, lambda p: p[:-1] + bytes([p[-1] | ((1 << unused) - 1)]))(data)

    return Plan(size=(64, 66), model=2, edit=edit)


@recipe("may-reject", variants={"pih": Marker.PIH, "ton": Marker.TON, "rdi": Marker.RDI})
def header_goes_on(c: Context, marker: Marker) -> Plan:
    """A header with bytes behind its last element.

    A later version of the standard may put something there. They are ignored.
    """
    return Plan(size=(66, 64), model=0, edit=_payload(marker, lambda payload: payload + b"\x00\x80\x3c"))


@recipe("may-reject")
def map_unannounced(c: Context) -> Plan:
    """A quality map's substream in a stream whose header says that there is none.

    The header decides: the substream is ignored.
    """

    def edit(data: bytes) -> bytes:
        parts = split(data, DEFAULT_LIMITS).substreams
        return join([*((p.marker, p.payload) for p in parts), (Marker.SOQ, b"\x00\x2b\x01")])

    return Plan(size=(64, 80), model=1, edit=edit)


@recipe("may-reject", variants={"u": (0, 3), "v": (2, 0)})
def efe_half(c: Context, splits: tuple[int, int]) -> Plan:
    """EFE linear with weights for one chroma plane alone, chroma as large as it is coded.

    The other plane stays what it is. Decoders are known to fail here, so encoders should write the filter
    off instead (CS-TON-R02).
    """
    tools = filters.efe_linear(splits)
    return Plan(size=(65, 70), model=3, header=planar("444", "444"), tools_drawn=tools, strict=False)


@recipe("may-reject")
def draft_regions_many(c: Context) -> Plan:
    """The draft's header with 272 independent regions in a picture of one: all but the last are empty.

    The index of a region has eight bits, so that the last one cannot be named; its residual is zero.
    """
    rows, columns = 17, 16
    missing = frozenset(range(rows * columns))
    return Plan(
        size=(65, 70), model=1, dialect=Dialect.DIS, regions=(rows, columns), independent=True,
        left_out=(missing, missing), parts=both(beta=-900), strict=False,
    )  # fmt: skip
