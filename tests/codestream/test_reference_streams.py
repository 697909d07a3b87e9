"""The reference software's own streams: every field by name, width and value, and every byte again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from refdec.codestream import Dialect, parse, rewrite
from refdec.codestream.container import Marker, split
from refdec.codestream.reader import FieldRecord
from refdec.errors import BitstreamError, TruncatedStreamError
from refdec.limits import DEFAULT_LIMITS
from tests.shared_vectors import REFERENCE, requires_shared

pytestmark = requires_shared

HEADER_STREAMS = sorted(REFERENCE.glob("headers/hdr_*.bits"))
CODESTREAMS = sorted(REFERENCE.glob("codec/o*.bits"))
SEGMENTS = {"pic_header": "PIH", "tool_header": "TON", "rdi": "RDI"}
NAMES = {
    "maximum_frame_average_light_level": "maximum_content_light_level",
    "white_point_x": "mastering_display_white_point_chromaticity_x",
    "white_point_y": "mastering_display_white_point_chromaticity_y",
    "maximum_luminance": "mastering_display_maximum_luminance",
    "minimum_luminance": "mastering_display_minimum_luminance",
    "icci_tile_enable": "ce.post_filters.eICCI.tile_manager enabled",
    "index_Y": "icci_model_signalled_idx[{}][Y]",
    "index_UV": "icci_model_signalled_idx[{}][UV]",
    "W5[0]": "W5[i,j,0]",
    "W5[1]": "W5[i,j,1]",
}
LISTS = {"synthesis_transform_id": "synthesis_transform_id[{}]", "icci_use": "icci_use[{}]"}
LISTS["colour_transform_offset"] = "colour_transform_offset[{}]"

Item = tuple[str, str, int, int]


def expected_items(stream: Path) -> list[Item]:
    """Segment, name, width and value of every value in the JSON, in bit order within a segment."""
    record = json.loads(stream.with_suffix(".json").read_text())
    items: list[Item] = []
    for entry in record.get("encoded_fields") or record["headers"]:
        segment = SEGMENTS.get(entry["substream"])
        if segment is None:
            continue
        if entry["name"] == "dm_data_byte":  # all bytes as one number
            data = entry["values"][0].to_bytes(entry["bits_each"] // 8, "big")
            items += [(segment, "dm_data_byte", 8, byte) for byte in data]
        else:
            items += [(segment, entry["name"], entry["bits_each"], value) for value in entry["values"]]
    return sorted(items, key=lambda item: list(SEGMENTS.values()).index(item[0]))


def reference_name(record: FieldRecord, position: int) -> str:
    """The name that the reference gives to a value of ours."""
    *path, name = record.name.split(".")
    index = [int(part.split("[")[1].rstrip("]")) for part in path if "[" in part]
    if name in LISTS:
        return LISTS[name].format(position)
    if name == "colour_transform_matrix":
        return f"colour_transform_matrix[{position // 3}][{position % 3}]"
    if name in ("primaries_x", "primaries_y"):
        return f"mastering_display_colour_primaries_{name[-1]}_{index[0]}"
    if name in ("chroma_weights", "luma_weights"):
        return "weights" + "UV"[index[1]] + ("2" if name == "luma_weights" else "")
    if name == "dm_data":
        return "dm_data_byte"
    if name in NAMES:
        return NAMES[name].format(*index)
    if (
        path and path[0].startswith("components") and not name.startswith("synthesis_tile_")
    ) or name.endswith("enable"):
        return f"{name}[{index[0]}]"
    return name.split("[")[0] if name.startswith(("A1", "candNum")) else name


def found_items(records: tuple[FieldRecord, ...]) -> Iterator[Item]:
    for record in sorted(records, key=lambda r: list(SEGMENTS.values()).index(r.segment)):
        values = record.value if isinstance(record.value, tuple) else (record.value,)
        for position, value in enumerate(values):
            yield record.segment, reference_name(record, position), record.width, value


def read(path: Path, **options: Any) -> Any:
    return parse(path.read_bytes(), Dialect.DIS, **options)


def test_all_are_there() -> None:
    assert (len(CODESTREAMS), len(HEADER_STREAMS)) == (44, 30)


@pytest.mark.parametrize("path", HEADER_STREAMS + CODESTREAMS, ids=lambda p: p.stem)
def test_every_field_and_every_byte(path: Path) -> None:
    whole = path.parent.name == "codec"
    stream = read(path, check_conformance=whole)
    assert list(found_items(stream.header_fields)) == expected_items(path)
    assert rewrite(stream) == path.read_bytes()
    assert not whole or stream.warnings == ()


@pytest.mark.parametrize("path", HEADER_STREAMS, ids=lambda p: p.stem)
def test_user_data_and_payloads_of_header_streams(path: Path) -> None:
    record = json.loads(path.with_suffix(".json").read_text())
    stream = read(path, check_conformance=False)
    assert [(f"{int(s.marker):#06x}", len(s.payload), s.payload.hex()) for s in stream.substreams] == [
        (s["marker"], s["size"], s["payload_hex"]) for s in record["substreams"]
    ]
    user_data = [bytes(e["values"]) for e in record["encoded_fields"] if e["substream"] == "udi"]
    assert b"".join(stream.user_data) == b"".join(user_data)


@pytest.mark.parametrize("path", CODESTREAMS, ids=lambda p: p.stem)
def test_tables_account_for_every_payload_byte(path: Path) -> None:
    data = path.read_bytes()
    stream = read(path)
    covered = sum(sum(threads.sizes) for _, threads in stream.threaded())
    tables = sum(threads.byte_offset - payload.byte_offset for payload, threads in stream.threaded())
    payloads = [
        s for s in stream.substreams if s.marker in (Marker.SOZ, Marker.SOQ, Marker.SORP, Marker.SORS)
    ]
    total = sum(len(s.payload) for s in payloads)
    regions = stream.picture.num_regions
    if stream.picture.independent_regions:
        assert total == covered + tables + len(
            [s for s in payloads if s.marker in (Marker.SORP, Marker.SORS)]
        )
    elif regions == 1:
        assert total == covered + tables
    else:
        assert covered + tables < total < covered + tables + 2 * 5 * regions
    assert all(data[t.byte_offset :].startswith(t.data) for _, t in stream.threaded())


@pytest.mark.parametrize("path", HEADER_STREAMS + CODESTREAMS, ids=lambda p: p.stem)
def test_never_taken_for_the_other_dialect(path: Path) -> None:
    with pytest.raises(BitstreamError) as caught:
        parse(path.read_bytes(), Dialect.T840)
    if path.parent.name == "codec":
        assert "the same data parse in dialect 'dis'" in str(caught.value)


def test_truncation_at_every_byte() -> None:
    """A stream that ends early ends in an error of the right class, wherever it is cut."""
    path = min(CODESTREAMS, key=lambda p: p.stat().st_size)
    data = path.read_bytes()
    for length in range(len(data)):
        with pytest.raises(TruncatedStreamError):
            parse(data[:length], Dialect.DIS)
    for path in HEADER_STREAMS[:10]:
        data = path.read_bytes()
        for length in range(len(data)):
            with pytest.raises(TruncatedStreamError):
                parse(data[:length], Dialect.DIS, check_conformance=False)


def test_order_of_the_reference_encoder() -> None:
    """Every reference stream has its substreams in the order in which ours are written."""
    order = [Marker.PIH, Marker.TON, Marker.UDI, Marker.RDI, Marker.SORP, Marker.SORS, Marker.SOZ, Marker.SOQ]
    for path in HEADER_STREAMS + CODESTREAMS:
        found = [order.index(s.marker) for s in split(path.read_bytes(), DEFAULT_LIMITS).substreams]
        assert found == sorted(found)
