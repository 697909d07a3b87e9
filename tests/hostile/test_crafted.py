"""Streams made to hurt: sizes that lie, threads without bytes, pictures without end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from conformance.verify.suite import Suite
from refdec.codestream import Marker, parse, region_table, thread_table
from refdec.codestream.assemble import write_picture_header
from refdec.codestream.bits import BitWriter
from refdec.codestream.container import join
from refdec.decoder import decode_entropy
from refdec.entropy import ENGINES
from refdec.errors import (
    BitstreamError,
    CodestreamSyntaxError,
    CorruptPayloadError,
    ResourceLimitError,
    TruncatedStreamError,
)
from refdec.limits import Limits
from refdec.models_io import ModelSet
from tests.hostile.attempts import attempt


def with_payload(data: bytes, marker: Marker, payload: bytes) -> bytes:
    """The stream with another payload in every substream of one kind."""
    return join((s.marker, payload if s.marker is marker else s.payload) for s in parse(data).substreams)


def payload_of(data: bytes, marker: Marker) -> bytes:
    return parse(data).substreams_of(marker)[0].payload


def expect(data: bytes, models: ModelSet, engine: str, error: type[BitstreamError], element: str) -> None:
    outcome = attempt(data, models, engine, memory=engine == "jit")
    assert isinstance(outcome.error, error), outcome
    assert outcome.error.element is not None and element in outcome.error.element, str(outcome.error)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 15, 16, 17])
def test_sixteen_threads_over_few_bytes(
    suite: Suite, synthetic_models: ModelSet, engine: str, count: int
) -> None:
    for marker in (Marker.SOZ, Marker.SORP, Marker.SORS):
        for fill in (b"\x00", b"\x01", b"\xff"):
            bad = with_payload(suite.streams["threads-16.jai"], marker, fill * count)
            expect(bad, synthetic_models, engine, BitstreamError, marker.name)


@pytest.mark.parametrize("engine", ENGINES)
def test_no_terminator(suite: Suite, synthetic_models: ModelSet, engine: str) -> None:
    data = suite.streams["plain-64x64.jai"]
    for marker in (Marker.SOZ, Marker.SORP, Marker.SORS):
        for count in (1, 2, 3, 100):
            bad = with_payload(data, marker, bytes(count))
            expect(bad, synthetic_models, engine, CorruptPayloadError, marker.name)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("thread", [0, 7, 15])
def test_a_thread_without_bytes(suite: Suite, synthetic_models: ModelSet, engine: str, thread: int) -> None:
    data = suite.streams["threads-16.jai"]
    stream = parse(data)
    payload = stream.residual_payloads(0)[0]
    assert payload is not None
    coded = payload.threads(16)
    starts = [sum(coded.sizes[:i]) for i in range(17)]
    parts = [coded.data[starts[i] : starts[i + 1]] for i in range(16)]
    parts[thread] = b""
    bad = thread_table([len(part) for part in parts]) + b"".join(parts)
    expect(with_payload(data, Marker.SORP, bad), synthetic_models, engine, CorruptPayloadError, "SORP")


def deltas(*values: int) -> bytes:
    """A thread table of arbitrary deltas."""
    writer = BitWriter()
    for value in values:
        writer.write_se(value)
    return writer.bytes()


@pytest.mark.parametrize(
    "table",
    [
        deltas(*[1 << 31] * 15),
        deltas(*[-(1 << 31)] * 15),
        deltas(1000, *[0] * 14),
        deltas(-1000, *[0] * 14),
        deltas(*[0] * 14, -30),
    ],
)
def test_thread_sizes_that_cannot_be(suite: Suite, synthetic_models: ModelSet, table: bytes) -> None:
    data = suite.streams["threads-16.jai"]
    for marker in (Marker.SOZ, Marker.SORP, Marker.SORS):
        bad = with_payload(data, marker, table + bytes(range(1, 200)))
        expect(bad, synthetic_models, "jit", CodestreamSyntaxError, f"{marker.name} thread")


@pytest.mark.parametrize("code", [bytes(8), bytes(4) + b"\x40", b"\x00" * 5 + b"\xff" * 8])
def test_endless_exponential_golomb_codes(suite: Suite, synthetic_models: ModelSet, code: bytes) -> None:
    """In a thread table, a region table and a substream's size."""
    bad = with_payload(suite.streams["threads-16.jai"], Marker.SOZ, code)
    assert attempt(bad, synthetic_models, "jit").error is not None
    bad = with_payload(suite.streams["regions-dependent.jai"], Marker.SORP, code)
    assert attempt(bad, synthetic_models, "jit").error is not None
    assert attempt(b"\xff\x80\xff\x82" + code, synthetic_models, "jit").error is not None


@pytest.mark.parametrize("sizes", [[1 << 30, 0], [100_000, 0], [0, 0]])
def test_region_sizes_that_cannot_be(suite: Suite, synthetic_models: ModelSet, sizes: list[int]) -> None:
    data = suite.streams["regions-dependent.jai"]
    rest = payload_of(data, Marker.SORP)[4:]
    bad = with_payload(data, Marker.SORP, region_table(sizes) + rest)
    expect(bad, synthetic_models, "jit", BitstreamError, "SORP")


def test_regions_that_do_not_exist_or_come_twice(suite: Suite, synthetic_models: ModelSet) -> None:
    substreams = parse(suite.streams["regions-independent.jai"]).substreams
    luma = [s.payload for s in substreams if s.marker is Marker.SORP]
    others = [(s.marker, s.payload) for s in substreams if s.marker is not Marker.SORP]
    for payloads in ([luma[0], luma[0]], [b"\x04" + luma[0][1:]], [b"\xff"], [b""]):
        bad = join([*others, *((Marker.SORP, payload) for payload in payloads)])
        assert attempt(bad, synthetic_models, "jit").error is not None
    bare = join(others)
    assert attempt(bare, synthetic_models, "jit").error is None, "every region may be missing"


def huge(suite: Suite, width: int, height: int) -> bytes:
    """A picture header of any size in front of payloads of three bytes."""
    picture = parse(suite.streams["minimal.jai"]).picture
    header = write_picture_header(
        replace(picture, img_width_minus64=width - 64, img_height_minus64=height - 64), strict=False
    )
    payload = b"\x00\x00\x01"
    return join([(Marker.PIH, header), *((m, payload) for m in (Marker.SOZ, Marker.SORP, Marker.SORS))])


@pytest.mark.parametrize("engine", ENGINES)
def test_65599_pixels_in_a_short_file(suite: Suite, synthetic_models: ModelSet, engine: str) -> None:
    data = huge(suite, 65599, 65599)
    assert len(data) < 60
    outcome = attempt(data, synthetic_models, engine, memory=True)
    assert isinstance(outcome.error, ResourceLimitError)
    assert outcome.seconds < 0.5 and outcome.peak < 1 << 20


def test_65599_pixels_without_a_pixel_limit_meet_the_memory_limit(
    suite: Suite, synthetic_models: ModelSet
) -> None:
    limits = Limits(max_pixels=1 << 40)
    with pytest.raises(ResourceLimitError, match="memory"):
        # The level's own limit on the area comes first; level 5 permits 398 million samples.
        decode_entropy(huge(suite, 19_000, 19_000), synthetic_models, engine="golden", limits=limits)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_large_picture_of_nothing_ends_early(suite: Suite, synthetic_models: ModelSet, engine: str) -> None:
    """Within the limits, but without data: the first payload is exhausted at once."""
    outcome = attempt(huge(suite, 1400, 1400), synthetic_models, engine, memory=True)
    assert isinstance(outcome.error, (TruncatedStreamError, CorruptPayloadError))
    assert outcome.seconds < 5


def test_more_bytes_or_substreams_than_allowed(suite: Suite, synthetic_models: ModelSet) -> None:
    data = suite.streams["plain-64x64.jai"]
    for limits in (Limits(max_input_bytes=len(data) - 1), Limits(max_substreams=5), Limits(max_pixels=4095)):
        with pytest.raises(ResourceLimitError):
            decode_entropy(data, synthetic_models, engine="golden", limits=limits)
    exact = Limits(max_input_bytes=len(data), max_substreams=6, max_pixels=4096)
    decode_entropy(data, synthetic_models, engine="golden", limits=exact)
