"""Markers and sizes: a codestream cut into substreams, without a look inside them."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from refdec.codestream.bits import BitReader, BitWriter
from refdec.errors import BitstreamError, CodestreamSyntaxError, ResourceLimitError, TruncatedStreamError
from refdec.limits import Limits

SOC, EOC = 0xFF80, 0xFF81


class Marker(enum.IntEnum):
    """Markers that start a substream (CS-CON-03)."""

    PIH = 0xFF82
    TON = 0xFF83
    RDI = 0xFF84
    SOZ = 0xFF88
    SORP = 0xFF89
    SORS = 0xFF8A
    SOQ = 0xFF8B
    UDI = 0xFF8C


_MARKERS = {int(m): m for m in Marker}
_FOREIGN = {
    0xFFD8: "the start of a JPEG file",
    0x8950: "the start of a PNG file",
    0xFF4F: "the start of a JPEG 2000 codestream",
    0xFF0A: "the start of a JPEG XL codestream",
    0x0000: "perhaps the start of a file in a box format",
}


class Substream(NamedTuple):
    """One marker segment; offsets are bytes from the start of the codestream.

    :param size_bits: bits of the size code, padding excluded.
    """

    marker: Marker
    marker_offset: int
    size_bits: int
    payload_offset: int
    payload: bytes


class Container(NamedTuple):
    """A codestream as substreams in file order, and the bytes behind its end."""

    substreams: tuple[Substream, ...]
    trailing: int


def split(data: bytes, limits: Limits) -> Container:
    """Cut a codestream at its markers.

    :raises ResourceLimitError: more bytes or substreams than allowed.
    :raises TruncatedStreamError: the data ends before EOC.
    :raises CodestreamSyntaxError: something other than a substream where one should start.
    """
    if len(data) > limits.max_input_bytes:
        raise ResourceLimitError(
            "the codestream is larger than allowed",
            bit_offset=0,
            expected=f"at most {limits.max_input_bytes} bytes",
            found=f"{len(data)} bytes",
        )
    first = _marker(data, 0, "SOC")
    if first != SOC:
        raise CodestreamSyntaxError(
            "this is no JPEG AI codestream",
            bit_offset=0,
            element="SOC",
            expected=f"SOC ({SOC:#06x})",
            found=f"{first:#06x}" + (f", {_FOREIGN[first]}" if first in _FOREIGN else ""),
        )
    substreams: list[Substream] = []
    position = 2
    while True:
        value = _marker(data, position, "EOC" if substreams else "PIH")
        if value == EOC:
            break
        marker = _MARKERS.get(value)  # CS-CON-03
        if marker is None:
            # CS-CON-04, CS-CON-05
            raise CodestreamSyntaxError(
                "SOC occurs a second time"
                if value == SOC
                else "the marker is not assigned, it cannot be skipped",
                bit_offset=8 * position,
                element="marker",
                expected="a marker of " + ", ".join(m.name for m in Marker) + " or EOC",
                found=f"{value:#06x}",
            )
        if len(substreams) >= limits.max_substreams:
            raise ResourceLimitError(
                "the codestream has more substreams than allowed",
                bit_offset=8 * position,
                expected=f"at most {limits.max_substreams}",
            )
        substreams.append(_substream(data, position, marker))  # CS-CON-01, CS-CON-02
        position = substreams[-1].payload_offset + len(substreams[-1].payload)
    if not substreams:
        raise CodestreamSyntaxError(
            "the codestream holds no substream at all",
            bit_offset=8 * position,
            expected=f"PIH ({int(Marker.PIH):#06x})",
            found="EOC",
        )
    return Container(tuple(substreams), len(data) - position - 2)


def _marker(data: bytes, position: int, name: str) -> int:
    if position + 2 > len(data):
        raise TruncatedStreamError(
            "the codestream ends where a marker should be",
            bit_offset=8 * position,
            element=name,
            expected=f"{name} or another marker of 2 bytes" if name != "SOC" else f"SOC ({SOC:#06x})",
            found=f"{len(data) - position} bytes",
        )
    return int.from_bytes(data[position : position + 2], "big")


def _substream(data: bytes, position: int, marker: Marker) -> Substream:
    # A size code has at most 65 bits; nothing beyond them is looked at.
    reader = BitReader(data[position + 2 : position + 12], 8 * (position + 2))
    size = reader.read_ue(f"size of {marker.name}")
    bits = reader.position
    reader.align()
    start = position + 2 + reader.position // 8
    if size > len(data) - start:
        raise TruncatedStreamError(
            "the payload is shorter than its size",
            bit_offset=8 * start,
            element=marker.name,
            expected=f"{size} bytes",
            found=f"{len(data) - start} bytes up to the end of the data",
        )
    return Substream(marker, position, bits, start, data[start : start + size])


def whole_part(data: bytes, limits: Limits) -> bytes:
    """A codestream of the substreams that come whole before the end of data that end too early, or before the
    first that cannot be read."""
    substreams: list[Substream] = []
    position = 2
    with suppress(BitstreamError):
        while len(substreams) < limits.max_substreams:
            marker = _MARKERS.get(_marker(data, position, "EOC"))
            if marker is None:
                break
            substreams.append(_substream(data, position, marker))
            position = substreams[-1].payload_offset + len(substreams[-1].payload)
    return join((substream.marker, substream.payload) for substream in substreams)


def join(substreams: Iterable[tuple[Marker, bytes]]) -> bytes:
    """A codestream of the given substreams, in the given order."""
    parts = [SOC.to_bytes(2, "big")]
    for marker, payload in substreams:
        size = BitWriter()
        size.write_ue(len(payload))
        parts += [int(marker).to_bytes(2, "big"), size.bytes(), payload]
    parts.append(EOC.to_bytes(2, "big"))
    return b"".join(parts)
