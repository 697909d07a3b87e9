"""Streams that must be rejected, made from good ones: the first change of a kind that must be noticed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from refdec.codestream import Codestream, Dialect, Marker, parse
from refdec.errors import BitstreamError

Refuses = Callable[[bytes], BitstreamError | None]
"""What is wrong with a stream, or ``None`` if it decodes."""
FLIP = 0x10


def damaged(data: bytes, dialect: Dialect, kind: str, refuses: Refuses) -> tuple[bytes, BitstreamError]:
    """A damaged stream and how it is refused.

    Not every changed byte makes a stream malformed: some of them only make another picture.

    :param kind: ``cut-header``, ``cut-residual``, ``marker``, ``no-start``, ``twice``, or ``byte-`` and a
        marker in small letters.
    :raises ValueError: no change of this kind is noticed, or there is no such kind.
    """
    for candidate in _candidates(data, parse(data, dialect), kind):
        error = refuses(candidate)
        if error is not None:
            return candidate, error
    raise ValueError(f"no damage of kind '{kind}' is noticed")


def _candidates(data: bytes, stream: Codestream, kind: str) -> Iterator[bytes]:
    if kind == "cut-header":
        yield data[: stream.substreams_of(Marker.PIH)[0].payload_offset + 5]
    elif kind == "cut-residual":
        residual = stream.substreams_of(Marker.SORP)[0]
        yield data[: residual.payload_offset + len(residual.payload) // 2]
    elif kind == "marker":
        start = stream.substreams_of(Marker.SOZ)[0].marker_offset
        yield data[:start] + b"\xff\xbf" + data[start + 2 :]
    elif kind == "no-start":
        yield data[2:]
    elif kind == "twice":
        part = stream.substreams_of(Marker.SOZ)[0]
        end = part.payload_offset + len(part.payload)
        yield data[:end] + data[part.marker_offset : end] + data[end:]
    elif kind.startswith("byte-"):
        part = stream.substreams_of(Marker[kind.removeprefix("byte-").upper()])[0]
        middle = part.payload_offset + len(part.payload) // 2
        for offset in range(middle, part.payload_offset + len(part.payload)):
            yield data[:offset] + bytes([data[offset] ^ FLIP]) + data[offset + 1 :]
    else:
        raise ValueError(f"no damage of kind '{kind}'")
