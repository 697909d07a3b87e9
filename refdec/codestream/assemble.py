"""Headers and payloads into a codestream."""

from __future__ import annotations

from collections.abc import Sequence

from refdec.codestream.container import Marker, join
from refdec.codestream.headers import DEFAULT_TOOLS, PictureHeader, RenderingInformation, ToolHeader
from refdec.codestream.payloads import region_table, thread_table
from refdec.codestream.picture_syntax import PIH
from refdec.codestream.rendering_syntax import RDI
from refdec.codestream.stream import RESIDUAL_MARKERS, Codestream
from refdec.codestream.syntax import HeaderValueError
from refdec.codestream.tool_syntax import TON
from refdec.codestream.writer import write_segment

MAX_INDEPENDENT_REGIONS = 256
NO_RENDERING = RenderingInformation()


def write_picture_header(picture: PictureHeader, *, strict: bool = True) -> bytes:
    """PIH payload, in the dialect of the header.

    :raises HeaderValueError: the header cannot be written.
    """
    return write_segment(PIH, picture, picture, strict=strict)


def write_tool_header(tools: ToolHeader, picture: PictureHeader, *, strict: bool = True) -> bytes:
    """TON payload; its syntax depends on the picture header.

    :raises HeaderValueError: the header cannot be written.
    """
    return write_segment(TON, tools, picture, strict=strict)


def write_rendering(rendering: RenderingInformation, *, strict: bool = True) -> bytes:
    """RDI payload.

    :raises HeaderValueError: the header cannot be written.
    """
    return write_segment(RDI, rendering, None, strict=strict)


def residual_substreams(
    picture: PictureHeader, component: int, payloads: Sequence[bytes | None]
) -> list[tuple[Marker, bytes]]:
    """SORP or SORS substreams from the payloads of all regions, by region index (CS-REG-01, CS-REG-02).

    :param payloads: threads with their table; ``None`` leaves an independent region out.
    :raises HeaderValueError: not one payload for each region, or one is missing that may not be.
    """
    marker = RESIDUAL_MARKERS[component]
    if len(payloads) != picture.num_regions:
        raise HeaderValueError(f"{len(payloads)} payloads for {picture.num_regions} regions of {marker.name}")
    if picture.independent_regions:
        if any(p is not None for p in payloads[MAX_INDEPENDENT_REGIONS:]):
            raise HeaderValueError(f"{len(payloads)} independent regions, their index has 8 bits")
        return [(marker, bytes([i]) + p) for i, p in enumerate(payloads) if p is not None]
    present = [p for p in payloads if p is not None]
    if len(present) != len(payloads):
        raise HeaderValueError(f"{marker.name}: only independent regions may be missing")
    return [(marker, region_table([len(p) for p in present]) + b"".join(present))]


def assemble(
    picture: PictureHeader,
    *,
    z: bytes,
    residuals: tuple[Sequence[bytes | None], Sequence[bytes | None]],
    quality: bytes | None = None,
    tools: ToolHeader | None = DEFAULT_TOOLS,
    rendering: RenderingInformation | None = NO_RENDERING,
    user_data: Sequence[bytes] = (),
    strict: bool = True,
) -> bytes:
    """A whole codestream, substreams in the reference encoder's order (CS-WRT-02).

    :param z: SOZ payload, thread table included; ``quality`` likewise.
    :param residuals: for luma and chroma the payload of each region, thread tables included.
    :param tools: ``None`` leaves TON out; the reference encoder always writes it. ``rendering`` likewise.
    :param strict: refuse whatever a conforming stream may not hold.
    :raises HeaderValueError: a header cannot be written, or payloads do not fit the headers.
    """
    if (quality is not None) != bool(picture.gain_3D_enable_flag):
        raise HeaderValueError("a quality map payload and gain_3D_enable_flag go together")
    parts: list[tuple[Marker, bytes]] = [(Marker.PIH, write_picture_header(picture, strict=strict))]
    if tools is not None:
        parts.append((Marker.TON, write_tool_header(tools, picture, strict=strict)))
    parts += [(Marker.UDI, data) for data in user_data]
    if rendering is not None:
        parts.append((Marker.RDI, write_rendering(rendering, strict=strict)))
    for component in (0, 1):
        parts += residual_substreams(picture, component, residuals[component])
    parts.append((Marker.SOZ, z))
    if quality is not None:
        parts.append((Marker.SOQ, quality))
    return join(parts)


def rewrite(stream: Codestream) -> bytes:
    """Write a parsed codestream again from its parsed form, substreams in their order.

    Headers and tables are written anew and entropy-coded bytes are kept, so this equals the input up to
    padding bits and surplus bytes that a reader ignores. Payloads of a stream that lacks some are kept.

    :raises HeaderValueError: a header cannot be written.
    """
    picture = stream.picture
    payloads = _payloads_again(stream) if _complete(stream) else {}
    parts = []
    for substream in stream.substreams:
        if substream.marker is Marker.PIH:
            payload = write_picture_header(picture, strict=False)
        elif substream.marker is Marker.TON:
            payload = write_tool_header(stream.tools, picture, strict=False)
        elif substream.marker is Marker.RDI and stream.rendering is not None:
            payload = write_rendering(stream.rendering, strict=False)
        else:
            payload = payloads.get(substream.payload_offset, substream.payload)
        parts.append((substream.marker, payload))
    return join(parts)


def _complete(stream: Codestream) -> bool:
    markers = {s.marker for s in stream.substreams}
    return {Marker.SOZ, Marker.SORP, Marker.SORS} <= markers


def _payloads_again(stream: Codestream) -> dict[int, bytes]:
    """Entropy-coded payloads with their tables written anew, by the offset of their substream."""
    by_name = {p.element: thread_table(t.sizes) + t.data for p, t in stream.threaded()}
    again = {s.payload_offset: by_name[s.marker.name] for s in stream.substreams if s.marker.name in by_name}
    picture = stream.picture
    for component in (0, 1):
        substreams = stream.substreams_of(RESIDUAL_MARKERS[component])
        payloads = [None if p is None else by_name[p.element] for p in stream.residual_payloads(component)]
        if not picture.independent_regions:
            again[substreams[0].payload_offset] = residual_substreams(picture, component, payloads)[0][1]
            continue
        for substream in substreams:
            index = substream.payload[0]
            again[substream.payload_offset] = substream.payload[:1] + (payloads[index] or b"")
    return again
