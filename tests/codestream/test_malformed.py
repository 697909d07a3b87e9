"""Streams that are wrong: the class, the place and the words of the error; and none that hangs or crashes."""

from __future__ import annotations

import random
import time
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refdec.codestream import Dialect, PictureHeader, assemble, component_header, parse, threaded_payload
from refdec.codestream.assemble import residual_substreams, write_picture_header, write_tool_header
from refdec.codestream.bits import BitReader, BitWriter
from refdec.codestream.container import Marker, join
from refdec.codestream.headers import DEFAULT_TOOLS, IcciTile
from refdec.codestream.payloads import Payload, split_regions, thread_table
from refdec.errors import (
    BitstreamError,
    CodestreamSyntaxError,
    ResourceLimitError,
    TruncatedStreamError,
)
from refdec.limits import Limits
from tests.strategies_codestream import Generator, generate_container, generate_headers, seeded

HEIGHT, WIDTH = 600, 1100


def picture(**changes: object) -> PictureHeader:
    header = PictureHeader(
        decoder_profile_id=1,
        num_synthesis_transforms_minus1=1,
        synthesis_transform_id=(1, 0),
        level_idc=52,
        img_width_minus64=WIDTH - 64,
        img_height_minus64=HEIGHT - 64,
        model_id=1,
        components=(component_header(0, HEIGHT, WIDTH), component_header(1, HEIGHT, WIDTH)),
    )
    return replace(header, **changes)  # type: ignore[arg-type]


INDEPENDENT = {
    "region_partitioning_flag": 1,
    "num_ver_splits_minus1": 1,
    "num_hor_splits_minus1": 1,
    "region_residual_in_its_own_substream_flag": 1,
}
DEPENDENT = {**INDEPENDENT, "region_residual_in_its_own_substream_flag": 0}


def substreams(header: PictureHeader, **other: bytes) -> list[tuple[Marker, bytes]]:
    """A minimal stream; ``other`` replaces payloads by marker name."""
    parts = [
        (Marker.PIH, write_picture_header(header, strict=False)),
        (Marker.TON, b"\0"),
        (Marker.RDI, b"\0"),
    ]
    for component in (0, 1):
        payloads = [bytes([65 + i]) for i in range(header.num_regions)]
        parts += residual_substreams(header, component, payloads)
    parts += [(Marker.SOZ, b"z")] + ([(Marker.SOQ, b"q")] if header.gain_3D_enable_flag else [])
    return [(marker, other.get(marker.name, payload)) for marker, payload in parts]


def reject(
    data: bytes, kind: type[BitstreamError], *words: str, limits: Limits | None = None
) -> BitstreamError:
    with pytest.raises(BitstreamError) as caught:
        parse(data, limits=limits or Limits())
    assert type(caught.value) is kind, str(caught.value)
    for word in words:
        assert word in str(caught.value)
    return caught.value


def test_the_base_of_the_tests_below_is_accepted() -> None:
    for changes in ({}, INDEPENDENT, DEPENDENT, {"gain_3D_enable_flag": 1}):
        assert parse(join(substreams(picture(**changes)))).warnings == ()


@pytest.mark.parametrize("marker", [Marker.SOZ, Marker.SORP, Marker.SORS])
def test_a_payload_that_must_be_there(marker: Marker) -> None:
    parts = [part for part in substreams(picture()) if part[0] is not marker]
    reject(join(parts), CodestreamSyntaxError, marker.name, "missing", "exactly one")
    assert parse(join(parts), check_conformance=False).picture == picture()


@pytest.mark.parametrize("marker", [m for m in Marker if m is not Marker.UDI])
def test_a_substream_that_is_there_twice(marker: Marker) -> None:
    parts = substreams(picture(gain_3D_enable_flag=1))
    again = next(part for part in parts if part[0] is marker)
    error = reject(join([*parts, again]), CodestreamSyntaxError, marker.name, "more than once")
    size = BitWriter()
    size.write_ue(len(again[1]))
    assert error.bit_offset == 8 * (len(join(parts)) - 2)


def test_quality_map_payload_and_its_flag() -> None:
    parts = [part for part in substreams(picture(gain_3D_enable_flag=1)) if part[0] is not Marker.SOQ]
    reject(join(parts), CodestreamSyntaxError, "SOQ", "gain_3D_enable_flag")
    stream = parse(join([*substreams(picture()), (Marker.SOQ, b"")]))
    assert any("SOQ" in warning for warning in stream.warnings)
    assert stream.quality_payload() is None


def test_picture_header_must_come_first() -> None:
    first, second, *rest = substreams(picture())
    reject(join([second, first, *rest]), CodestreamSyntaxError, "picture header must come first", "TON")


def test_independent_regions() -> None:
    header = picture(**INDEPENDENT)
    good = [part for part in substreams(header) if part[0] is not Marker.SORP]
    reject(join([*good, (Marker.SORP, b"")]), TruncatedStreamError, "region index")
    reject(join([*good, (Marker.SORP, b"\4x")]), CodestreamSyntaxError, "does not exist", "0..3", "found 4")
    twice = [*good, (Marker.SORP, b"\2x"), (Marker.SORP, b"\2y")]
    reject(join(twice), CodestreamSyntaxError, "there twice")
    stream = parse(join([*good, (Marker.SORP, b"\2x"), (Marker.SORP, b"\0")]))
    assert [None if p is None else p.data for p in stream.residual_payloads(0)] == [b"", None, b"x", None]
    assert [None if p is None else p.data for p in stream.residual_payloads(1)] == [b"A", b"B", b"C", b"D"]


def region_codes(*sizes: int) -> bytes:
    writer = BitWriter()
    for size in sizes:
        writer.write_ue(size)
    return writer.bytes()


def test_dependent_regions_beyond_their_substream() -> None:
    header = picture(**DEPENDENT)
    table = region_codes(3, 4, 5)
    data = join(substreams(header, SORS=table + bytes(11)))
    error = reject(data, CodestreamSyntaxError, "SORS.region_size[2]", "4 bytes", "found 5 bytes")
    start = data.index(table + bytes(11))
    assert error.bit_offset == 8 * start + 5 + 5
    reject(join(substreams(header, SORS=b"")), TruncatedStreamError, "SORS.region_size")
    reject(join(substreams(header, SORS=b"\x20")), TruncatedStreamError, "SORS.region_size")
    reject(join(substreams(header, SORS=bytes(9))), CodestreamSyntaxError, "too long a prefix")
    parse(join(substreams(header, SORS=table + bytes(12))))


def delta_codes(*deltas: int) -> bytes:
    writer = BitWriter()
    for delta in deltas:
        writer.write_se(delta)
    return writer.bytes()


THREADED = {"multi_threading_z": 1, "log2_num_threads_z_minus1": 1}


@pytest.mark.parametrize(
    ("deltas", "length", "thread", "size"),
    [
        ((6, 0, 0), 20, 0, -1),  # mean 5
        ((0, 7, 0), 20, 1, -2),
        ((-16, 0, 0), 20, 0, 21),
        ((0, -6, -1), 20, 2, 6),
        (((1 << 32) - 1, 0, 0), 20, 0, 6 - (1 << 32)),
    ],
)
def test_thread_sizes_that_cannot_be(deltas: tuple[int, ...], length: int, thread: int, size: int) -> None:
    payload = delta_codes(*deltas) + bytes(length)
    error = reject(
        join(substreams(picture(**THREADED), SOZ=payload)),
        CodestreamSyntaxError,
        f"SOZ thread {thread}",
        f"found {size} bytes",
    )
    assert error.bit_offset is not None


def test_thread_tables_that_end_early() -> None:
    sixteen = picture(multi_threading_z=1, log2_num_threads_z_minus1=3)
    for length in range(3):
        payload = bytes(length)
        data = join(substreams(sixteen, SOZ=payload))
        kind = TruncatedStreamError
        reject(data, kind, "SOZ")
    assert parse(join(substreams(sixteen, SOZ=b"\xff\xfe"))).threaded()[0][1].sizes == (0,) * 16
    assert parse(join(substreams(sixteen, SOZ=b"\xff\xfeabc"))).threaded()[0][1].sizes == (0,) * 15 + (3,)


@given(st.integers(1, 4).flatmap(lambda k: st.lists(st.integers(0, 5000), min_size=1 << k, max_size=1 << k)))
def test_thread_tables_round_trip(sizes: list[int]) -> None:
    payload = threaded_payload(bytes(sum(sizes)), sizes)
    threads = Payload(payload, 7, "x").threads(len(sizes))
    assert list(threads.sizes) == sizes
    assert threads.byte_offset == 7 + len(thread_table(sizes))
    assert len(threads.data) == sum(sizes)


@given(st.binary(max_size=60), st.sampled_from([2, 4, 8, 16]))
def test_any_bytes_as_a_thread_table(payload: bytes, count: int) -> None:
    try:
        threads = Payload(payload, 0, "x").threads(count)
    except (TruncatedStreamError, CodestreamSyntaxError):
        return
    assert min(threads.sizes) >= 0
    assert sum(threads.sizes) == len(threads.data) == len(payload) - threads.byte_offset


@given(st.binary(max_size=60), st.integers(1, 40))
def test_any_bytes_as_a_region_table(payload: bytes, regions: int) -> None:
    try:
        found = split_regions(payload, 0, regions, "SORP").payloads
    except (TruncatedStreamError, CodestreamSyntaxError):
        return
    assert len(found) == regions
    joined = b"".join(p.data for p in found if p is not None)
    assert payload.endswith(joined)


def test_filter_structure_that_cannot_be_read_on() -> None:
    """Rules without which the rest of the tool header makes no sense hold even for a bare field parser."""
    header = picture()
    lead = "001" + f"{1:015b}{2:015b}"
    cases = {
        "CS-TON-R01": lead + f"{9:04b}{0:04b}",
        "CS-TON-R04": "0001" + "1" + f"{0:08b}{0:05b}",
        "CS-TON-R06": "0001" + "1" + f"{2:08b}{2:05b}",
    }
    for rule, bits in cases.items():
        payload = int(bits.ljust(400, "0"), 2).to_bytes(50, "big")
        data = join(substreams(header, TON=payload))
        reject(data, CodestreamSyntaxError, rule)
        with pytest.raises(CodestreamSyntaxError):
            parse(data, check_conformance=False)


def test_bounded_values_inside_lists() -> None:
    """A weight above maxSymbol and a mask value of 3 are named with their own bit."""
    lead = "001" + f"{1:015b}{2:015b}"
    empty = f"{0:04b}{0:04b}{0:016b}{65535:016b}"
    weights = f"{1:04b}{0:04b}{1:04b}{0:016b}{2:016b}" + "01" + "11"
    bits = lead + empty + weights
    payload = int(bits.ljust(400, "0"), 2).to_bytes(50, "big")
    data = join(substreams(picture(), TON=payload))
    error = reject(data, CodestreamSyntaxError, "luma_weights", "0..2", "found 3")
    assert error.bit_offset == 8 * data.index(payload) + len(bits) - 2


def test_more_bytes_are_tolerated() -> None:
    parts = substreams(picture())
    parts[0] = (Marker.PIH, parts[0][1] + b"\1\2")
    parts[1] = (Marker.TON, b"\x01")
    stream = parse(join(parts) + b"tail")
    assert len(stream.warnings) == 3
    assert stream.picture == picture()


def test_number_of_icci_tiles_is_checked_before_any_is_made() -> None:
    wide = replace(
        picture(img_width_minus64=9000, img_height_minus64=9000),
        components=(component_header(0, 9064, 9064), component_header(1, 9064, 9064)),
    )
    bits = "0001" + "1" + f"{1:08b}{0:05b}"
    payload = int(bits.ljust(24, "0"), 2).to_bytes(3, "big")
    data = join(substreams(wide, TON=payload))
    start = time.perf_counter()
    reject(data, TruncatedStreamError, "TON.icci.tiles", f"{3 * 567 * 567} more bits")
    assert time.perf_counter() - start < 0.5
    assert IcciTile((0, 0, 0)).index_Y == 0


def test_a_huge_picture_in_a_small_file() -> None:
    """65,599 x 65,599 samples, every list switched on, in 60 bytes: refused before anything is allocated."""
    header = picture(img_width_minus64=65535, img_height_minus64=65535)
    payload = write_picture_header(replace(header, components=(cubes(0), cubes(1))), strict=False)[:40]
    data = join([(Marker.PIH, payload), (Marker.SORP, b""), (Marker.SORS, b""), (Marker.SOZ, b"")])
    assert len(data) <= 60
    for dialect in Dialect:
        shifted = data if dialect is Dialect.T840 else dis_form(header)
        tracemalloc.start()
        start = time.perf_counter()
        with pytest.raises(ResourceLimitError, match="65599 x 65599"):
            parse(shifted, dialect)
        assert time.perf_counter() - start < 0.1
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
        tracemalloc.stop()
    allowed = Limits(max_pixels=1 << 33)
    reject(data, TruncatedStreamError, "cube", limits=allowed)


def cubes(component: int) -> object:
    """A component whose cube flags are all coded."""
    return replace(
        component_header(component, 65599, 65599, cube_flags=[0] * (4 * 257 * 257)),
    )


def dis_form(header: PictureHeader) -> bytes:
    return join([(Marker.PIH, write_picture_header(replace(header, dialect=Dialect.DIS), strict=False))])


def test_limits_of_bytes_and_substreams() -> None:
    data = join([*substreams(picture()), *[(Marker.UDI, b"")] * 50])
    parse(data)
    reject(data, ResourceLimitError, f"{len(data)} bytes", limits=Limits(max_input_bytes=len(data) - 1))
    reject(data, ResourceLimitError, "substreams", limits=Limits(max_substreams=20))
    pixels = HEIGHT * WIDTH
    parse(data, limits=Limits(max_pixels=pixels))
    error = reject(data, ResourceLimitError, f"{WIDTH} x {HEIGHT}", limits=Limits(max_pixels=pixels - 1))
    assert error.bit_offset is not None and error.exit_code == 5


@pytest.mark.parametrize(("size", "overlap", "factor"), [(512, 496, 900), (32, 16, 15.9), (16, 0, 15.9)])
def test_tiles_that_multiply_the_work(size: int, overlap: int, factor: float) -> None:
    """A small picture may have such tiles, a large one not: the place that says so is named (CS-LIM-03)."""
    tiling = {"synthesis_tile_enable": 1, "synthesis_tile_size": size // 16}
    tiling["synthesis_tile_overlap"] = overlap // 16
    for side, possible in ((520, True), (10_000, False)):
        components = tuple(replace(component_header(c, side, side), **tiling) for c in (0, 1))
        header = replace(
            picture(), img_width_minus64=side - 64, img_height_minus64=side - 64, components=components
        )
        data = join(
            [
                (Marker.PIH, write_picture_header(header, strict=False)),
                *[(marker, b"\1") for marker in (Marker.SORP, Marker.SORS, Marker.SOZ)],
            ]
        )
        if possible:
            parse(data, check_conformance=False)
            continue
        start = time.perf_counter()
        error = reject(data, ResourceLimitError, "samples in all tiles")
        assert time.perf_counter() - start < 1
        assert error.element == "PIH.components[0].synthesis_tile_overlap" and error.exit_code == 5
        fields = parse(data, limits=Limits(max_pixels=1 << 40), check_conformance=False).header_fields
        offsets = [r.bit_offset for r in fields if r.name == "components[0].synthesis_tile_overlap"]
        assert offsets == [error.bit_offset]
        assert int(str(error.found).split()[0]) > factor * side * side


@pytest.mark.parametrize("dialect", list(Dialect))
def test_the_other_dialect_is_named_and_never_used(dialect: Dialect) -> None:
    header = picture(dialect=dialect.other)
    data = join(substreams(header))
    with pytest.raises(BitstreamError, match=f"same data parse in dialect '{dialect.other.value}'"):
        parse(data, dialect)
    with pytest.raises(BitstreamError) as caught:
        parse(data[:-1], dialect)
    assert "dialect" not in str(caught.value)


def small_streams(count: int) -> list[tuple[Dialect, bytes]]:
    streams = []
    for seed in range(count):
        choose = seeded(seed)
        content = generate_headers(Generator(choose), list(Dialect)[seed % 2])
        streams.append((content.picture.dialect, join(generate_container(choose, content).substreams)))
    return streams


def outcome(data: bytes, dialect: Dialect) -> bool:
    """Whether the data parse; anything but a BitstreamError passes through."""
    try:
        stream = parse(data, dialect)
    except BitstreamError as error:
        assert error.message and error.code
        assert error.bit_offset is None or 0 <= error.bit_offset <= 8 * len(data)
        return False
    assert stream.violations == ()
    return True


def test_truncation_at_every_byte() -> None:
    for dialect, data in small_streams(12):
        for length in range(min(len(data), 1500)):
            assert not outcome(data[:length], dialect)


def test_single_bit_flips() -> None:
    """3,000 flips: every one of them either parses or names what it broke."""
    source = random.Random(5)
    streams = small_streams(30)
    broken = 0
    for _ in range(3000):
        dialect, data = source.choice(streams)
        position = source.randrange(8 * min(len(data), 400))
        flipped = bytearray(data)
        flipped[position // 8] ^= 128 >> position % 8
        broken += not outcome(bytes(flipped), dialect)
    assert broken > 300


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(list(Dialect)), st.booleans())
def test_any_bytes_as_headers(payload: bytes, dialect: Dialect, check: bool) -> None:
    half = len(payload) // 2
    data = join(
        [(Marker.PIH, payload[:half]), (Marker.TON, payload[half:]), (Marker.RDI, payload[: half // 2])]
    )
    try:
        parse(data, dialect, check_conformance=check)
    except BitstreamError as error:
        assert error.bit_offset is None or error.bit_offset <= 8 * len(data)


@given(st.binary(max_size=80))
def test_any_bytes_as_a_codestream(data: bytes) -> None:
    for start in (b"", b"\xff\x80", b"\xff\x80\xff\x82"):
        with pytest.raises(BitstreamError):
            parse(start + data)


def test_reader_never_leaves_its_payload() -> None:
    reader = BitReader(b"\xa5\x0f", origin=80)
    assert (reader.read(4, "a"), reader.read(0, "b"), reader.read(9, "c")) == (0xA, 0, 0x0A1)
    with pytest.raises(TruncatedStreamError) as caught:
        reader.read(4, "d")
    assert (caught.value.bit_offset, caught.value.element) == (93, "d")
    assert reader.read(3, "e") == 7


def test_foreign_files_are_named() -> None:
    for data, word in ((b"\xff\xd8\xff\xe0", "JPEG"), (b"\x89PNG\r\n", "PNG")):
        reject(data, CodestreamSyntaxError, "no JPEG AI codestream", word)


def test_assemble_writes_what_parse_reads() -> None:
    header = picture(gain_3D_enable_flag=1)
    data = assemble(
        header,
        z=b"zz",
        residuals=([b"luma"], [b"chroma"]),
        quality=b"map",
        tools=DEFAULT_TOOLS,
        user_data=[b"u"],
    )
    stream = parse(data)
    order = [Marker.PIH, Marker.TON, Marker.UDI, Marker.RDI, Marker.SORP, Marker.SORS, Marker.SOZ, Marker.SOQ]
    assert [s.marker for s in stream.substreams] == order
    assert [s.payload for s in stream.substreams][2:] == [b"u", b"\0", b"luma", b"chroma", b"zz", b"map"]
    assert write_tool_header(DEFAULT_TOOLS, header) == b"\0"
