"""Whatever the syntax allows is written and read back unchanged, in both dialects and in any order."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refdec.codestream import (
    Dialect,
    HeaderValueError,
    PictureHeader,
    component_header,
    parse,
    rewrite,
)
from refdec.codestream.assemble import (
    residual_substreams,
    write_picture_header,
    write_rendering,
    write_tool_header,
)
from refdec.codestream.container import Marker, join
from refdec.codestream.describe import all_fields, as_text, describe
from refdec.codestream.syntax import Rule, fields_of
from refdec.errors import BitstreamError, UnsupportedFeatureError
from refdec.limits import Limits
from tests.strategies_codestream import (
    PIH,
    RDI,
    TON,
    Container,
    Generator,
    Headers,
    containers,
    generate_container,
    generate_headers,
    headers,
    seeded,
)

SLOW_DRAWS = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
LIMITS = Limits(max_pixels=1 << 40)
"""Headers are drawn from all that the syntax allows: large pictures in tiny tiles too (CS-LIM-03)."""
RULES = {rule.id: rule for s in (PIH, TON, RDI) for f in fields_of(s.elements) for rule in f.rules}


def fields_only(content: Headers, dialect: Dialect) -> bytes:
    return join(
        [
            (Marker.PIH, write_picture_header(content.picture, strict=False)),
            (Marker.TON, write_tool_header(content.tools, content.picture, strict=False)),
            (Marker.RDI, write_rendering(content.rendering, strict=False)),
        ]
    )


@SLOW_DRAWS
@given(headers(unsupported=True))
def test_headers_come_back(content: Headers) -> None:
    dialect = content.picture.dialect
    data = fields_only(content, dialect)
    stream = parse(data, dialect, LIMITS, check_conformance=False)
    assert stream.picture == content.picture
    assert stream.tools == content.tools
    assert stream.rendering == content.rendering
    assert stream.warnings == ()
    assert all(isinstance(v, UnsupportedFeatureError) for v in stream.violations)
    assert rewrite(stream) == data


@SLOW_DRAWS
@given(containers(), st.randoms(use_true_random=False))
def test_containers_in_any_order(container: Container, shuffle: random.Random) -> None:
    content = container.headers
    dialect = content.picture.dialect
    first, *rest = container.substreams
    shuffle.shuffle(rest)
    data = join([first, *rest])
    stream = parse(data, dialect, LIMITS)
    assert (stream.picture, stream.tools, stream.rendering) == (
        content.picture,
        content.tools,
        content.rendering,
    )
    assert stream.user_data == tuple(payload for marker, payload in rest if marker is Marker.UDI)
    found = {payload.element: threads for payload, threads in stream.threaded()}
    assert {name: threads.sizes for name, threads in found.items()} == container.sizes
    for threads in found.values():
        assert data[threads.byte_offset : threads.byte_offset + len(threads.data)] == threads.data
    assert rewrite(stream) == data


@SLOW_DRAWS
@given(containers())
def test_fields_tile_the_headers(container: Container) -> None:
    """Every bit of a header belongs to exactly one field or to the padding of less than a byte."""
    stream = parse(join(container.substreams), container.headers.picture.dialect, LIMITS)
    for marker in (Marker.PIH, Marker.TON, Marker.RDI):
        (substream,) = stream.substreams_of(marker)
        position = 8 * substream.payload_offset
        for record in stream.header_fields:
            if record.segment == marker.name:
                assert record.bit_offset == position
                position += record.bits
        assert 0 <= 8 * (substream.payload_offset + len(substream.payload)) - position < 8


@SLOW_DRAWS
@given(containers())
def test_description_is_plain_data(container: Container) -> None:
    stream = parse(join(container.substreams), container.headers.picture.dialect, LIMITS)
    description = describe(stream)

    def plain(value: object) -> bool:
        if isinstance(value, dict):
            return all(type(k) is str and plain(v) for k, v in value.items())
        if isinstance(value, list):
            return all(plain(v) for v in value)
        return value is None or type(value) in (int, str, bool)

    assert plain(description)
    assert description["violations"] == []
    assert len(description["fields"]) == len(stream.fields)
    assert "JPEG AI codestream" in as_text(description)


def test_every_element_is_reached() -> None:
    """The generator above visits every element of every description within a fixed number of streams."""
    seen: set[str] = set()
    for seed in range(150):
        choose = seeded(seed)
        content = generate_headers(Generator(choose, unsupported=True), list(Dialect)[seed % 2])
        dialect = content.picture.dialect
        stream = parse(fields_only(content, dialect), dialect, LIMITS, check_conformance=False)
        seen |= {record.id for record in stream.header_fields}
    assert seen == {i for i in all_fields() if not i.startswith(("CS-THR", "CS-REG"))}


BREAKABLE = sorted(
    rule_id for rule_id, rule in RULES.items() if not rule.structural and rule_id != "CS-PIH-R09"
)


@pytest.mark.parametrize("rule_id", BREAKABLE)
def test_a_broken_rule_is_found(rule_id: str) -> None:
    """Each rule, broken alone in an otherwise legal stream, gives its own error, and the writer refuses."""
    rule: Rule = RULES[rule_id]
    found = 0
    for seed in range(1500):
        choose = seeded(seed)
        generator = Generator(choose, broken_rule=rule_id)
        dialect = list(Dialect)[seed % 2]
        content = generate_headers(generator, dialect)
        if generator.broken is None:
            continue
        found += 1
        container = generate_container(choose, content, strict=False)
        data = join(container.substreams)
        with pytest.raises(HeaderValueError, match=rule_id):
            generate_container(choose, content)
        if rule.tolerated:
            stream = parse(data, dialect, LIMITS)
            assert any(rule_id in warning for warning in stream.warnings)
        else:
            with pytest.raises(BitstreamError) as caught:
                parse(data, dialect, LIMITS)
            assert type(caught.value) is rule.error, str(caught.value)
            assert rule_id in str(caught.value)
            assert generator.broken_name.removesuffix("_coded") in str(caught.value.element)
            assert caught.value.bit_offset is not None
            assert parse(data, dialect, LIMITS, check_conformance=False).violations
        if found == 3:
            return
    assert found, "no stream in which the rule can be broken"


def test_more_independent_regions_than_an_index_can_name() -> None:
    """Such a header is read with a warning, the regions behind the 256th are missing; it is not written."""
    picture = PictureHeader(
        decoder_profile_id=0,
        synthesis_transform_id=(0,),
        level_idc=52,
        img_width_minus64=9000,
        img_height_minus64=9000,
        model_id=0,
        components=(component_header(0, 9064, 9064), component_header(1, 9064, 9064)),
        region_partitioning_flag=1,
        num_ver_splits_minus1=29,
        num_hor_splits_minus1=14,
        region_residual_in_its_own_substream_flag=1,
    )
    with pytest.raises(HeaderValueError, match="CS-PIH-R09"):
        write_picture_header(picture)
    with pytest.raises(HeaderValueError, match="8 bits"):
        residual_substreams(picture, 0, [b""] * 450)
    data = join(
        [
            (Marker.PIH, write_picture_header(picture, strict=False)),
            (Marker.SORP, b"\xffx"),
            (Marker.SOZ, b""),
        ]
    )
    stream = parse(data)
    assert any("CS-PIH-R09" in warning for warning in stream.warnings)
    present = [payload for payload in stream.residual_payloads(0) if payload is not None]
    assert [(p.element, p.data) for p in present] == [("SORP region 255", b"x")]
