"""Small header vectors, valid and malformed, kept beside the shared reference vectors."""

from __future__ import annotations

import json
from typing import Any

import pytest

from refdec import errors
from refdec.codestream import Dialect, parse, region_table, rewrite, thread_table
from refdec.codestream.bits import BitReader, BitWriter, bounded_width
from refdec.codestream.container import Marker, join, split
from refdec.codestream.geometry import hyper_size, latent_size
from refdec.codestream.headers import PictureHeader, RenderingInformation, ToolHeader
from refdec.codestream.payloads import Payload, gather_regions, split_regions
from refdec.codestream.picture_syntax import PIH
from refdec.codestream.reader import read_segment
from refdec.codestream.rendering_syntax import RDI
from refdec.codestream.syntax import Segment
from refdec.codestream.tool_syntax import TON
from refdec.codestream.writer import write_segment
from refdec.limits import DEFAULT_LIMITS
from tests.shared_vectors import SHARED

FILE = SHARED / "spec" / "vectors" / "headers.json"
pytestmark = pytest.mark.skipif(not FILE.is_file(), reason="the shared header vectors are not here")
VECTORS: dict[str, Any] = json.loads(FILE.read_text()) if FILE.is_file() else {}


def vectors(key: str) -> list[Any]:
    return [pytest.param(v, id=v["name"]) for v in VECTORS.get(key, [])]


class FixedDialect:
    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect


def read_header(segment: Segment, vector: dict[str, Any], parent: object) -> Any:
    """Read a header, compare the bits used, and write it again."""
    payload = bytes.fromhex(vector["hex"])
    content = read_segment(segment, payload, 0, parent)
    used = content.records[-1].bit_offset + content.records[-1].bits
    assert used == vector.get("bits_used", 8 * len(payload))
    assert len(payload) == -(-used // 8)
    assert write_segment(segment, content.header, parent, strict=False) == payload
    places = []
    for record in content.records:
        values = record.value if isinstance(record.value, tuple) else (record.value,)
        places += [
            (record.bit_offset + i * record.width, record.width, value) for i, value in enumerate(values)
        ]
    if "bit_map" in vector:
        assert places == [(place["pos"], place["bits"], place["value"]) for place in vector["bit_map"]]
    return content.header


def picture_of(name: str) -> PictureHeader:
    (vector,) = (v for v in VECTORS["picture_headers"] if v["name"] == name)
    header: PictureHeader = read_header(PIH, vector, FixedDialect(Dialect.T840))
    return header


def as_fields(picture: PictureHeader) -> dict[str, Any]:
    """A picture header in the vectors' own terms."""

    def flags(values: Any) -> str | None:
        return None if values is None else "".join(str(v) for v in values)

    fields: dict[str, Any] = {
        "decoder_profile_id": picture.decoder_profile_id,
        "synthesis_transform_id": list(picture.synthesis_transform_id),
        "level_idc": picture.level_idc,
        "img_width": picture.width,
        "img_height": picture.height,
        "diff_display_img_width": picture.diff_display_img_width,
        "diff_display_img_height": picture.diff_display_img_height,
        "bit_depth": picture.bit_depth,
        "s_ver": picture.source_subsampling[0],
        "s_hor": picture.source_subsampling[1],
        "c_ver": picture.coded_subsampling[0],
        "c_hor": picture.coded_subsampling[1],
        "colour_transform_idx": picture.colour_transform_idx,
        "model_id": picture.model_id,
        "num_threads_z": picture.num_threads_z,
        "regions": None,
        "beta_displacement_log": list(picture.beta_displacement_log),
        "components": [
            {
                "num_threads_r": c.num_threads_r,
                "num_chs": c.num_chs,
                "cube_flags": None if c.cube_flags is None else flags(c.cube_flags.reshape(-1)),
                "rvs_enable_flag": c.rvs_enable_flag,
                "grfs_channel_flags": flags(c.grfs_channel_flag) if c.grfs_enable_flag else None,
                "synthesis_tiling": None
                if c.tiling is None
                else {"tile_size": c.tiling[0], "overlap": c.tiling[1]},
            }
            for c in picture.components
        ],
        "quality_map": None,
    }
    if picture.dialect is Dialect.T840:
        fields["stream_profile_idc"] = picture.stream_profile_idc
    if picture.region_partitioning_flag:
        fields["regions"] = {
            "num_ver": picture.num_region_rows,
            "num_hor": picture.num_region_cols,
            "independent": picture.independent_regions,
        }
        if not picture.independent_regions:
            for name in ("hyper_decoder_overlap_in_latent_samples", "mcm_overlap_in_latent_samples"):
                fields["regions"][name] = getattr(picture, name)
    if picture.gain_3D_enable_flag:
        fields["quality_map"] = {
            "num_threads_q": picture.num_threads_q,
            "quality_map_entropy_index": picture.quality_map_entropy_index,
        }
    if picture.colour_transform_idx == 2:
        fields["colour_transform_matrix"] = list(picture.colour_transform_matrix)
        fields["colour_transform_offset"] = list(picture.colour_transform_offset)
    return fields


@pytest.mark.parametrize("vector", vectors("picture_headers"))
def test_picture_header(vector: dict[str, Any]) -> None:
    dialect = Dialect.DIS if vector.get("dialect") == "DIS" else Dialect.T840
    picture: PictureHeader = read_header(PIH, vector, FixedDialect(dialect))
    assert as_fields(picture) == vector["fields"]
    derived = vector.get("derived")
    if derived:
        size = picture.height, picture.width
        assert [list(latent_size(*size))] * 2 == derived["latent_hw"]
        assert [list(hyper_size(*size))] * 2 == derived["hyper_latent_hw"]
        assert [picture.display_width, picture.display_height] == derived["display_size_wh"]


def tool_fields(tools: ToolHeader) -> dict[str, Any]:
    """A tool header in the vectors' own terms (the filter sets checked as raw codes)."""
    linear, icci, nonlinear = tools.efe_linear, tools.icci, tools.efe_nonlinear
    fields: dict[str, Any] = {
        "lsbs_enable_flag": list(tools.lsbs_enable_flag),
        "efe_linear": None,
        "eicci": None,
        "efe_nonlinear": None,
        "LEF_chIdx": tools.LEF_chIdx if tools.LEF_enabled_flag else None,
    }
    if linear is not None:
        fields["efe_linear"] = {"B1": list(linear.B1)}
        for number, filters in enumerate(linear.filter_sets, 1):
            entry: dict[str, Any] = {
                "best_cand_idx": list(filters.best_cand_idx),
                "fL": list(filters.fL),
                "minSymbol": filters.minSymbol,
                "maxSymbol": filters.maxSymbol,
            }
            for plane, name in enumerate("UV"):
                chroma, luma = filters.codes(plane)
                entry[f"weights{name}"] = [[w - filters.minSymbol for w in ws] for ws in chroma]
                entry[f"weights{name}2"] = [[w - filters.minSymbol for w in ws] for ws in luma]
            fields["efe_linear"][f"set{number}"] = entry
    if icci is not None:
        fields["eicci"] = {
            "tiling": None if not icci.icci_tile_enable else [icci.icci_tile_size, icci.icci_tile_overlap],
            "tiles": [
                {
                    "icci_use": list(t.icci_use),
                    "short": t.icci_use_shortList,
                    "idx_y": t.index_Y,
                    "idx_uv": t.index_UV,
                }
                for t in icci.tiles
            ],
        }
    if nonlinear is not None:
        masks = [nonlinear.mask1_enabled_flag, nonlinear.mask2_enabled_flag]
        fields["efe_nonlinear"] = {
            "minSymbol": nonlinear.minSymbol,
            "maxSymbol": nonlinear.maxSymbol,
            "mask_enabled": masks,
            "masks": [
                "".join(map(str, w)) if on else None for w, on in zip(nonlinear.W5, masks, strict=True)
            ],
            "bS": nonlinear.bS,
            "len_mask_y": nonlinear.len_mask_y,
            "len_mask_x": nonlinear.len_mask_x,
            "nonLinear_enabled": [nonlinear.nonLinear_enabled_U_flag, nonlinear.nonLinear_enabled_V_flag],
        }
    return fields


@pytest.mark.parametrize("vector", vectors("tool_headers"))
def test_tool_header(vector: dict[str, Any]) -> None:
    tools: ToolHeader = read_header(TON, vector, picture_of(vector["picture_header"]))
    assert tool_fields(tools) == vector["fields"]


@pytest.mark.parametrize("vector", vectors("rendering_information"))
def test_rendering_information(vector: dict[str, Any]) -> None:
    rendering: RenderingInformation = read_header(RDI, vector, None)
    if "fields" not in vector:
        assert rendering == RenderingInformation()
        return
    assert rendering.cicp and rendering.mdcv and rendering.clli and rendering.dm
    expected = vector["fields"]
    assert {name: getattr(rendering.cicp, name) for name in expected["cicp"]} == expected["cicp"]
    assert {name: getattr(rendering.clli, name) for name in expected["clli"]} == expected["clli"]
    mdcv = rendering.mdcv
    assert [[p.primaries_x, p.primaries_y] for p in mdcv.primaries] == expected["mdcv"]["primaries_xy"]
    assert [mdcv.white_point_x, mdcv.white_point_y] == expected["mdcv"]["white_point_xy"]
    assert mdcv.maximum_luminance == expected["mdcv"]["maximum_luminance"]
    assert mdcv.minimum_luminance == expected["mdcv"]["minimum_luminance"]
    assert (rendering.dm.dm_type, rendering.dm.dm_size) == (
        expected["dm"]["dm_type"],
        expected["dm"]["dm_size"],
    )
    assert rendering.dm.data.hex() == expected["dm"]["dm_data"]


def code_bits(value: int, signed: bool) -> str:
    writer = BitWriter()
    (writer.write_se if signed else writer.write_ue)(value)
    length = writer.position
    return "".join(f"{byte:08b}" for byte in writer.bytes())[:length]


@pytest.mark.parametrize("kind", ["ue", "se"])
def test_exponential_golomb(kind: str) -> None:
    for vector in VECTORS["exp_golomb"][kind]:
        value, code = vector["value"], vector["code"]
        assert code_bits(value, kind == "se") == code
        padded = code + "0" * (-len(code) % 8)
        reader = BitReader(bytes(int(padded[i : i + 8], 2) for i in range(0, len(padded), 8)))
        assert (reader.read_se if kind == "se" else reader.read_ue)("code") == value
        assert reader.position == len(code)


def test_bounded_widths() -> None:
    for vector in VECTORS["bounded_width"]:
        assert bounded_width(vector["max"]) == vector["bits"]


def test_size_fields() -> None:
    for vector in VECTORS["substream_size_field"]:
        payload = b"\0" * vector["size"]
        data = join([(Marker.SOZ, payload)])
        assert data[4 : len(data) - 2 - len(payload)].hex() == vector["field_bytes"]
        (substream,) = split(data, DEFAULT_LIMITS).substreams
        assert substream.payload == payload


@pytest.mark.parametrize("vector", vectors("thread_tables"))
def test_thread_table(vector: dict[str, Any]) -> None:
    payload = bytes.fromhex(vector["payload_hex"])
    threads = Payload(payload, 0, "payload").threads(vector["num_threads"])
    assert list(threads.sizes) == vector["sizes"]
    assert [r.value for r in threads.records] == vector.get("deltas", [])
    assert thread_table(vector["sizes"]).hex() == vector["table_hex"]
    assert threads.data == payload[threads.byte_offset :]


@pytest.mark.parametrize("vector", vectors("region_tables"))
def test_region_table(vector: dict[str, Any]) -> None:
    if vector["layout"] == "dependent":
        payloads, _records = split_regions(
            bytes.fromhex(vector["payload_hex"]), 0, len(vector["sizes"]), "SORP"
        )
        assert [len(p.data) for p in payloads if p is not None] == vector["sizes"]
        assert region_table(vector["sizes"]).hex() == vector["table_hex"]
        return
    substreams = [(Marker.SORP, bytes.fromhex(payload)) for payload in vector["substream_payloads_hex"]]
    found = gather_regions(split(join(substreams), DEFAULT_LIMITS).substreams, vector["num_regions"], "SORP")
    assert [None if p is None else p.data.hex() for p in found.payloads] == vector["regions"]


@pytest.mark.parametrize("vector", vectors("codestreams"))
def test_codestream(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["hex"])
    stream = parse(data)
    assert [[s.marker.name, s.payload.hex()] for s in stream.substreams] == vector["substreams"]
    assert rewrite(stream) == data


def malformed(kind: str) -> list[Any]:
    return [pytest.param(v, id=v["name"]) for v in VECTORS.get("malformed", {}).get(kind, [])]


def rest_of_a_stream() -> list[tuple[Marker, bytes]]:
    return [(Marker.SORP, b""), (Marker.SORS, b""), (Marker.SOZ, b"")]


def require_rejection(vector: dict[str, Any], data: bytes) -> None:
    with pytest.raises(errors.BitstreamError) as caught:
        parse(data)
    assert type(caught.value).__name__ == vector["expected_error"], str(caught.value)


@pytest.mark.parametrize("vector", malformed("codestreams"))
def test_malformed_codestream(vector: dict[str, Any]) -> None:
    require_rejection(vector, bytes.fromhex(vector["bytes"]))


@pytest.mark.parametrize("vector", malformed("picture_headers"))
def test_malformed_picture_header(vector: dict[str, Any]) -> None:
    require_rejection(vector, join([(Marker.PIH, bytes.fromhex(vector["bytes"])), *rest_of_a_stream()]))


@pytest.mark.parametrize("vector", malformed("rendering_information"))
def test_malformed_rendering_information(vector: dict[str, Any]) -> None:
    (header,) = (v for v in VECTORS["picture_headers"] if v["name"] == "pih_base_tools_off")
    substreams = [(Marker.PIH, bytes.fromhex(header["hex"])), (Marker.RDI, bytes.fromhex(vector["bytes"]))]
    require_rejection(vector, join(substreams + rest_of_a_stream()))


def test_the_malformed_headers_are_otherwise_complete() -> None:
    """What surrounds a malformed header above is accepted around a good one."""
    (header,) = (v for v in VECTORS["picture_headers"] if v["name"] == "pih_base_tools_off")
    parse(join([(Marker.PIH, bytes.fromhex(header["hex"])), *rest_of_a_stream()]))
