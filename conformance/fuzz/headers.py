"""Targets of the codestream's syntax: markers and sizes, headers, tables; nothing is decoded."""

from __future__ import annotations

import json
from collections.abc import Iterator

from conformance.fuzz import seeds
from conformance.fuzz.syntax_mutator import mutate_container, mutate_stream
from conformance.fuzz.target import Disagreement, Finding, Target, answered
from refdec.codestream import Codestream, Dialect, HeaderValueError, parse, rewrite
from refdec.codestream.container import join, split
from refdec.codestream.describe import as_text, describe
from refdec.codestream.payloads import Payload, split_regions
from refdec.errors import BitstreamError
from refdec.limits import DEFAULT_LIMITS

MODULES = ("refdec/codestream",)
MAX_BYTES = 4096


def container(data: bytes) -> str:
    """Markers and sizes; what is cut can be joined again."""

    def read() -> None:
        found = split(data, DEFAULT_LIMITS)
        again = split(join((s.marker, s.payload) for s in found.substreams), DEFAULT_LIMITS)
        if [s[0::4] for s in again.substreams] != [s[0::4] for s in found.substreams]:
            raise Disagreement("substreams that are written again are others")
        if sum(len(s.payload) for s in found.substreams) + found.trailing > len(data):
            raise Finding("more bytes came out than went in")

    return answered(read, BitstreamError)


def headers(data: bytes) -> str:
    """All segments and tables, in both dialects: the one that is asked for, and where that fails the other.

    Limits are those of the decoder: a header may announce the largest picture that they allow.
    """
    return answered(lambda: parse(data), BitstreamError)


def inspect(data: bytes) -> str:
    """What ``refdec info`` does, in both dialects and without the rules; good streams are written again."""
    results = []
    for dialect in Dialect:
        results.append(answered(lambda d=dialect: _inspected(data, d), BitstreamError))
    return "ok" if "ok" in results else results[0]


def _inspected(data: bytes, dialect: Dialect) -> None:
    stream = parse(data, dialect, check_conformance=False)
    description = describe(stream)
    if json.loads(json.dumps(description)) != description:
        raise Finding("the description does not survive JSON")
    as_text(description)
    if not stream.violations:
        _rewritten(parse(data, dialect), dialect)


def _rewritten(stream: Codestream, dialect: Dialect) -> None:
    """What was parsed is written, and parses to the same again."""
    try:
        data = rewrite(stream)
    except HeaderValueError:
        return  # a value that is tolerated and cannot be written
    again = parse(data, dialect)
    if (again.picture, again.tools, again.rendering) != (stream.picture, stream.tools, stream.rendering):
        raise Disagreement("headers that are written again are others")
    if rewrite(again) != data:
        raise Disagreement("a stream that is written a second time is another")


def tables(data: bytes) -> str:
    """Tables of threads and of regions alone: the first byte says how many there are."""
    if not data:
        return "empty"
    count, regions = 1 << (data[0] & 15) % 5, 2 + (data[0] >> 4)
    body = data[1:]

    def read() -> None:
        threads = Payload(body, 7, "SOZ").threads(count)
        if len(threads.sizes) != count or sum(threads.sizes) != len(threads.data) or min(threads.sizes) < 0:
            raise Finding(f"threads of {threads.sizes} bytes in {len(threads.data)}")
        if threads.deltas and threads.records[0].bit_offset != 56:
            raise Finding("the table's first element is not where the payload starts")

    def cut() -> None:
        found = split_regions(body, 9, regions, "SORP")
        if len(found.payloads) != regions or sum(len(p.data) for p in found.payloads if p) > len(body):
            raise Finding("more bytes in regions than there are")

    first, second = answered(read, BitstreamError), answered(cut, BitstreamError)
    return "ok" if "ok" in (first, second) else first


def _streams() -> Iterator[bytes]:
    yield from seeds.base_streams(MAX_BYTES)
    yield from seeds.bundled_streams(2000)
    yield from seeds.suite_streams(MAX_BYTES)


def _tables() -> Iterator[bytes]:
    for data in seeds.bundled_streams(2000):
        try:
            stream = parse(data)
        except BitstreamError:
            continue
        for payload, threads in stream.threaded():
            log = len(threads.sizes).bit_length() - 1
            yield bytes([log | 0x20]) + payload.data[:256]


TARGETS = (
    Target(
        "container", "Markers and sizes of a codestream.", container, _streams, mutate_container,
        MAX_BYTES, share=2, modules=("refdec/codestream/container.py", "refdec/codestream/bits.py"),
    ),
    Target(
        "headers", "Every header, region and thread table, in both dialects.",
        headers, _streams, mutate_stream, MAX_BYTES, share=6, modules=MODULES,
    ),
    Target(
        "inspect", "What refdec info shows of any stream; good ones are written again.", inspect, _streams,
        mutate_stream, MAX_BYTES, share=4, modules=MODULES,
    ),
    Target(
        "tables", "Tables of threads and of regions by themselves.", tables, _tables, None, 300, share=2,
        modules=("refdec/codestream/payloads.py", "refdec/codestream/bits.py"),
    ),
)  # fmt: skip
