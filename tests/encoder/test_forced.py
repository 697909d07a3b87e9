"""Forced decisions: every element can be set, and the decoder still shows what the encoder believes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from conformance.encoder.closed_loop import Coded
from conformance.encoder.encode import Encoder, reconstruct
from conformance.encoder.force_file import from_json, read_forced
from conformance.encoder.forced import Forced, SymbolRule
from conformance.encoder.forced_elements import (
    CUBE_FLAGS,
    SEGMENTS,
    ForceError,
    _Collector,
    element_names,
    force_header,
    parse_value,
    plain,
)
from conformance.encoder.machine import Machine
from conformance.encoder.options import Tools
from conformance.encoder.source import make_source
from refdec.codestream import PictureHeader, parse
from refdec.codestream.geometry import latent_size
from refdec.codestream.headers import DEFAULT_TOOLS, RenderingInformation, component_header
from refdec.codestream.picture_syntax import PIH
from refdec.codestream.rendering_syntax import RDI
from refdec.codestream.syntax import Dialect, Scope, fields_of, walk
from refdec.codestream.tool_syntax import TON
from refdec.decoder import decode
from refdec.entropy.tables import coder_tables
from refdec.errors import BitstreamError
from refdec.models_io import ModelSet
from tests.encoder.float_models import picture
from tests.encoder.test_float_encoder import require_equal
from tests.strategies_codestream import Generator, generate_headers, seeded


def coded(models: ModelSet, forced: Forced, size: tuple[int, int] = (80, 100), **tools: Any) -> Coded:
    encoder = Encoder(make_source(picture(*size)), Machine(models), Tools(forced=forced, **tools))
    return encoder.code(2, -200)


EVERY = "PIH.components[*]"
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], tuple[int, int]]] = {
    "rates": (
        {
            "PIH.independent_beta_uv": 1,
            "PIH.beta_displacement_log_plus_2048[0]": 4095,
            "PIH.beta_displacement_log_plus_2048[1]": 0,
        },
        {},
        (80, 100),
    ),
    "gains": ({"PIH.components[0].grfs_channel_flag": "invert"}, {"grfs": (True, True)}, (64, 70)),
    "gain-flags": (
        {"PIH.components[1].grfs_enable_flag": 1, "PIH.components[1].grfs_channel_flag": [1, 0] * 48},
        {"rvs": (False, True)},
        (64, 70),
    ),
    "no-gains": ({f"{EVERY}.grfs_enable_flag": 0}, {"grfs": (True, True)}, (64, 70)),
    "cubes-inverted": ({f"{EVERY}.cube_flags": "invert"}, {}, (290, 70)),
    "cubes-all-coded": ({"PIH.components[1].cube_flags": "zeros"}, {"cube_flags": False}, (64, 70)),
    "cubes-not-canonical": (
        {f"{EVERY}.use_cube_flags": 1, "PIH.components[0].cube_groups[*].cube_group_flag": 1},
        {"cube_flags": False},
        (64, 300),
    ),
    "cube-flag": (
        {
            "PIH.components[0].use_cube_flags": 1,
            "PIH.components[0].cube_groups[0].cube_group_flag": 1,
            "PIH.components[0].cube_groups[0].cube_flag[2]": 0,
        },
        {"cube_flags": False},
        (64, 300),
    ),
    "too-many-channels": ({f"{EVERY}.num_chs": 255}, {}, (64, 70)),
    "threads": (
        {
            "PIH.multi_threading_z": 1,
            "PIH.log2_num_threads_z_minus1": 3,
            f"{EVERY}.multi_threading_r": 1,
            "PIH.components[1].log2_num_threads_r_minus1": 2,
        },
        {},
        (64, 70),
    ),
    "operating-points": (
        {
            "PIH.num_synthesis_transforms_minus1": 3,
            "PIH.synthesis_transform_id": [1, 0, 1, 1],
            "PIH.decoder_profile_id": 2,
            "PIH.level_idc": 50,
            "PIH.model_id": 2,
        },
        {},
        (64, 70),
    ),
    "shown": (
        {
            "PIH.diff_display_img_width": 63,
            "PIH.diff_display_img_height": 1,
            "PIH.bit_depth_idc": 1,
            "PIH.colour_transform_idx": 0,
            "PIH.c_hor_minus1": 1,
        },
        {},
        (65, 70),
    ),
    "one-region": (
        {"PIH.region_partitioning_flag": 1, "PIH.region_residual_in_its_own_substream_flag": 1},
        {},
        (64, 70),
    ),
    "overlaps": (
        {
            "PIH.hyper_decoder_overlap_in_latent_samples": 1,
            "PIH.mcm_overlap_in_latent_samples": 4,
        },
        {"regions": (2, 1)},
        (300, 64),
    ),
    "tools": ({"TON.lsbs_enable_flag[1]": 1, f"{EVERY}.rvs_enable_flag": 1}, {}, (64, 70)),
    "tiles": (
        {
            f"{EVERY}.synthesis_tile_enable": 1,
            f"{EVERY}.synthesis_tile_size": 2,
            f"{EVERY}.synthesis_tile_overlap": 1,
        },
        {},
        (64, 100),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_forced_elements_are_coded_and_decoded(name: str, float_models: ModelSet) -> None:
    elements, tools, size = CASES[name]
    result = coded(float_models, Forced(elements), size, **tools)
    found = parse(result.data)
    values = {f"{r.segment}.{r.name}": r.value for r in found.header_fields}
    assert found.picture == result.picture and found.tools == result.tools
    for key, value in elements.items():
        met = [v for n, v in values.items() if n == key or ("[*]" in key and _like(key, n))]
        if isinstance(value, str) or CUBE_FLAGS.rpartition(".")[2] in key or key.endswith("cube_flag[2]"):
            continue
        assert met, key
        assert all((list(v) if isinstance(v, tuple) else v) == value for v in met)
    for engine in ("jit", "golden") if max(size) <= 100 else ("jit",):
        require_equal_pictures(result, float_models, engine)
    if result.picture.num_region_rows == 1 and not result.picture.region_partitioning_flag:
        require_equal(result, float_models)


def _like(pattern: str, name: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\[\*\]", r"\[\d+\]"), name) is not None


def require_equal_pictures(result: Coded, models: ModelSet, engine: str) -> None:
    shown, believed = decode(result.data, models, engine=engine), reconstruct(result, Machine(models, engine))
    assert (shown.bit_depth, shown.colour) == (believed.bit_depth, believed.colour)
    for a, b in zip(shown.planes, believed.planes, strict=True):
        np.testing.assert_array_equal(a, b)


def test_inversions_are_of_the_encoders_own_choice(float_models: ModelSet) -> None:
    chosen = coded(float_models, Forced(), grfs=(True, False)).picture.components[0].grfs_channel_flags
    forced = Forced({"PIH.components[0].grfs_channel_flag": "invert"})
    found = coded(float_models, forced, grfs=(True, False)).picture.components[0].grfs_channel_flags
    assert chosen is not None and found is not None and 0 < chosen.sum() < 160
    np.testing.assert_array_equal(found, 1 - chosen)
    cubes = coded(float_models, Forced({"PIH.components[*].cube_flags": "invert"}), cube_flags=False)
    for c, component in enumerate(cubes.picture.components):
        assert component.cube_flags is not None and not component.cube_flags.any()
        assert cubes.beliefs[c].scales.mask.all()


SYMBOLS = (
    SymbolRule(0, ("escape", "-long-escape", "bound", "-bound", "largest", "-largest"), every=7, first=3),
    SymbolRule(1, ("-escape", "long-escape", 0, -32768, 32767), every=5),
)


@pytest.mark.parametrize("tools", [{}, {"num_chs": (80, 40)}, {"regions": (2, 1), "independent": True}])
def test_forced_symbols_stay_in_the_closed_loop(tools: dict[str, Any], float_models: ModelSet) -> None:
    size = (300, 64) if "regions" in tools else (80, 100)
    result = coded(float_models, Forced(symbols=SYMBOLS), size, **tools)
    bounds = coder_tables().bounds.astype(np.int64)
    machine = Machine(float_models)
    for c, rule in enumerate(SYMBOLS):
        belief = result.beliefs[c]
        where = belief.scales.mask.copy()
        where[result.picture.components[c].num_chs :] = False
        index = np.arange(where.size).reshape(where.shape)
        at = where & (index >= rule.first) & ((index - rule.first) % rule.every == 0)
        bound = bounds[machine.entropy.levels(belief.scales.log)][at]
        found, turn = belief.residual[at], ((index - rule.first) // rule.every)[at] % len(rule.values)
        assert len(found) > 50
        expected = {
            "bound": bound - 1, "-bound": 1 - bound, "escape": bound, "-escape": -bound,
            "long-escape": bound + 4, "-long-escape": -bound - 4, "largest": 32767, "-largest": -32768,
        }  # fmt: skip
        for number, value in enumerate(rule.values):
            chosen = turn == number
            wanted = expected[value] if isinstance(value, str) else value
            np.testing.assert_array_equal(found[chosen], np.broadcast_to(wanted, found.shape)[chosen])
    require_equal(result, float_models)


def test_one_symbol_and_hyper_latents(float_models: ModelSet) -> None:
    forced = Forced(
        {"PIH.components[1].cube_flags": "zeros"},
        symbols=(SymbolRule(1, (-77,), at=(95, 4, 6)),),
        hyper_latent=(SymbolRule(0, (-31, 31, "zero"), every=2), SymbolRule(1, (9,), at=(3, 1, 0))),
    )
    result = coded(float_models, forced)
    assert result.beliefs[1].residual[95, 4, 6] == -77
    z = result.prepared.latents.z_hat
    np.testing.assert_array_equal(z[0].reshape(-1)[0:600:2], np.resize([-31, 31, 0], 300))
    assert z[1][3, 1, 0] == 9
    require_equal(result, float_models)
    with pytest.raises(ForceError, match="no such position is coded"):
        coded(float_models, Forced(symbols=(SymbolRule(0, (1,), at=(0, 99, 99)),)))
    with pytest.raises(ForceError, match="there is no such position"):
        coded(float_models, Forced(hyper_latent=(SymbolRule(0, (1,), at=(160, 0, 0)),)))


def test_substreams_in_another_order_and_what_lies_between(float_models: ModelSet) -> None:
    size, tools = (300, 64), {"regions": (2, 1), "independent": True, "user_data": (b"one", b"")}
    plain = coded(float_models, Forced(), size, **tools)
    names = [s.marker.name for s in parse(plain.data).substreams]
    assert names == ["PIH", "TON", "UDI", "UDI", "RDI", "SORP", "SORP", "SORS", "SORS", "SOZ"]
    forced = Forced(
        order=("SOZ", "SORS.1", "SORP"), surplus={"PIH": b"\x00\xff", "RDI": b"!"}, padding=1, trailing=b"end"
    )
    found = parse(coded(float_models, forced, size, **tools).data)
    markers = [(s.marker.name, s.payload[:1]) for s in found.substreams]
    assert [name for name, _ in markers[:5]] == ["PIH", "SOZ", "SORS", "SORP", "SORP"]
    assert markers[2][1] == b"\x01" and markers[3][1] == b"\x00"
    assert found.user_data == (b"one", b"")
    text = " ".join(found.warnings)
    assert "PIH: 2 bytes after the last element" in text and "TON: the padding bits" in text
    assert "3 bytes after EOC" in text
    backwards = coded(float_models, Forced(order=("reverse",), leave_out=("TON", "RDI")), size, **tools)
    names = [s.marker.name for s in parse(backwards.data).substreams]
    assert names == ["PIH", "SOZ", "SORS", "SORS", "SORP", "SORP", "UDI", "UDI"]
    for result in (backwards, coded(float_models, forced, size, **tools)):
        require_equal(result, float_models)
        for belief, other in zip(result.beliefs, plain.beliefs, strict=True):
            np.testing.assert_array_equal(belief.y_hat, other.y_hat)
    with pytest.raises(ForceError, match="no substream SOQ"):
        coded(float_models, Forced(order=("SOQ",)), size, **tools)
    with pytest.raises(ForceError, match="TON cannot be left out"):
        coded(float_models, Forced(leave_out=("TON",)), lsbs=(True, False))


def test_regions_without_substreams_hold_no_residual(float_models: ModelSet) -> None:
    tools = {"regions": (2, 1), "independent": True}
    result = coded(float_models, Forced(leave_out=("SORP.1", "SORS.0")), (300, 64), **tools)
    rows = 128 // 16
    assert result.beliefs[0].residual[:, :rows].any() and not result.beliefs[0].residual[:, rows:].any()
    assert not result.beliefs[1].residual[:, :rows].any() and result.beliefs[1].residual[:, rows:].any()
    require_equal(result, float_models)
    for wrong in ("SORP.2", "SORP.1"):
        with pytest.raises(ForceError, match="only an independent region may be missing"):
            coded(float_models, Forced(leave_out=(wrong,)), (300, 64), **({} if wrong == "SORP.1" else tools))


def test_headers_that_lie_are_refused_or_decode_to_something_else(float_models: ModelSet) -> None:
    honest = coded(float_models, Forced())
    told = coded(float_models, Forced(header_only={"PIH.model_id": 9}))
    assert told.picture == honest.picture
    with pytest.raises(BitstreamError, match="not allowed"):
        parse(told.data)
    told = coded(float_models, Forced(header_only={"PIH.components[1].num_chs": 3}))
    with pytest.raises(BitstreamError):
        decode(told.data, float_models)
    with pytest.raises(ForceError, match="is not in this stream"):
        coded(float_models, Forced(header_only={"TON.LEF_chIdx": 3}))


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ({"PIH.levl_idc": 3}, r"no element 'levl_idc'; is it PIH\.level_idc"),
        ({"PIH.rvs_enable_flag": 1}, r"is it PIH\.components\.rvs_enable_flag"),
        ({"SOZ.x": 3}, "segment of PIH, TON, RDI"),
        ({"PIH.model_id": 16}, "expected 0..15"),
        ({"PIH.level_idc": 99}, r"CS-LVL-01"),
        ({"PIH.num_ver_splits_minus1": 1}, "is not in this stream"),
        ({"PIH.region_partitioning_flag": 1, "PIH.num_hor_splits_minus1": 1}, "columns of regions"),
        ({"PIH.components[0].num_chs": 5, "PIH.components[2].num_chs": 5}, "is not in this stream"),
        ({"PIH.components[0].synthesis_tile_enable": 1}, "same synthesis tiling"),
        ({"PIH.img_width_minus64": 5}, "--coded-size"),
        ({"PIH.gain_3D_enable_flag": 1}, "give one"),
        ({"PIH.bit_depth_idc": 2}, "8 or 10 bits"),
        ({"PIH.colour_transform_idx": 2}, "no usable definition"),
        ({"TON.LEF_chIdx": 3}, "is not in this stream"),
        ({"TON.LEF_enabled_flag": 1, "TON.LEF_chIdx": 200}, "CS-TON-R13"),
        ({"PIH.level_idc": "much"}, "is no integer"),
        ({"PIH.components[0].grfs_enable_flag": 1, "PIH.components[0].grfs_channel_flag": [1]}, "160 values"),
    ],
)
def test_what_cannot_be_forced_is_said(
    elements: dict[str, Any], message: str, float_models: ModelSet
) -> None:
    with pytest.raises(ForceError, match=message):
        coded(float_models, Forced(elements))


def test_every_element_of_every_header_can_be_forced() -> None:
    """Random legal headers become each other: all values of one, forced into another, give the first."""
    met: set[str] = set()
    for seed in range(40):
        wanted = generate_headers(Generator(seeded(seed)), Dialect.T840)
        start = generate_headers(Generator(seeded(seed + 1000)), Dialect.T840)
        used: set[str] = set()
        for segment, kind in ((PIH, "picture"), (TON, "tools"), (RDI, "rendering")):
            target = getattr(wanted, kind)
            parent = {"picture": target, "tools": wanted.picture, "rendering": None}[kind]
            values = _values(segment, target, parent)
            found = force_header(segment, getattr(start, kind), parent, values, used=used)
            assert found == target
            assert used >= {f"{segment.name}.{name}" for name in values}
            met |= {f"{segment.name}.{name}" for name in values}
    bare = {plain(name) for name in met}
    for segment in SEGMENTS.values():
        missing = {f"{segment.name}.{n}" for n in element_names(segment)} - bare
        allowed = {f"PIH.{CUBE_FLAGS}", "PIH.colour_transform_matrix", "PIH.colour_transform_offset"}
        assert missing <= allowed
    assert len(list(fields_of(TON.elements))) > 40


def _values(segment: Any, header: Any, parent: Any) -> dict[str, Any]:
    collector = _Collector()
    walk(segment.elements, Scope(parent, source=header), collector)
    return {n: list(v) if isinstance(v, tuple) else v for n, v in collector.values.items()}


def test_tools_are_forced_on_with_what_they_need() -> None:
    """A flag alone gives the least that the syntax allows behind it."""
    parts = (component_header(0, 64, 64), component_header(1, 64, 64))
    header = PictureHeader(0, (0,), 52, 0, 0, 2, parts)
    flags = ("EFE_linear_filter", "EFE_nonlinear_filter", "LEF")
    values = {**{f"{name}_enabled_flag": 1 for name in flags}, "icci_enable_flag": 1}
    values |= {"efe_nonlinear.nonLinear_enabled_U_flag": 1, "efe_linear.filter_sets[0].best_cand_idx[0]": 3}
    found = force_header(TON, DEFAULT_TOOLS, header, values, used=set())
    assert found.efe_linear.filter_sets[0].fL == (1, 0) and found.efe_nonlinear.numTiles >= 1
    assert found.icci.tiles[0].icci_use == (0, 0, 0) and found.LEF_chIdx == 0
    cicp = force_header(
        RDI,
        RenderingInformation(),
        None,
        {"cicp_info_present_flag": 1, "cicp.colour_primaries": 9},
        used=set(),
    )
    assert cicp.cicp.colour_primaries == 9 and cicp.cicp.matrix_coefficients == 0


def test_values_and_files(tmp_path: Path) -> None:
    assert parse_value("0x1f") == 31 and parse_value("1,0*2,-3") == [1, 0, 0, -3]
    assert parse_value("1*1") == [1] and parse_value("invert") == "invert"
    for wrong in ("", "1,x", "2*", "one"):
        with pytest.raises(ForceError):
            parse_value(wrong)
    with pytest.raises(ForceError, match="more than 1048576 values"):
        parse_value("1,0*1048576")
    path = tmp_path / "f.json"
    content = {
        "elements": {"PIH.level_idc": 52, "PIH.components[0].cube_flags": "zeros"},
        "symbols": [{"component": "UV", "values": ["escape", 3], "every": 9}],
        "hyper_latent": [{"component": "Y", "values": [31], "at": [0, 1, 2]}],
        "order": "reverse", "leave_out": ["RDI"], "surplus": {"TON": "00ff"}, "padding": 1, "trailing": "0a",
    }  # fmt: skip
    path.write_text(json.dumps(content))
    forced = read_forced(["PIH.level_idc=42", str(path), "PIH.components[0].cube_flags=ones"])
    assert forced.elements == {"PIH.level_idc": 52, "PIH.components[0].cube_flags": "ones"}
    assert forced.symbols == (SymbolRule(1, ("escape", 3), 9),) and forced.order == ("reverse",)
    assert forced.hyper_latent[0].at == (0, 1, 2) and forced.surplus == {"TON": b"\x00\xff"}
    assert forced.leave_out == ("RDI",) and forced.padding == 1 and forced.trailing == b"\n"
    assert bool(forced) and not read_forced([])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "expected an object"),
        ({"simbols": []}, "no decision 'simbols'"),
        ({"symbols": [{"component": "Z", "values": [1]}]}, "expected component"),
        ({"symbols": [{"component": "Y", "values": ["huge"]}]}, "symbol 'huge'"),
        ({"symbols": [{"component": "Y", "values": [1.5]}]}, "an integer or a name"),
        ({"symbols": [{"component": "Y", "values": [1], "at": [1, 2]}]}, "channel, row, column"),
        ({"hyper_latent": [{"component": "Y", "values": [32]}]}, "-31..31"),
        ({"leave_out": ["SOZ"]}, "cannot be left out"),
        ({"surplus": {"SOZ": ""}}, "surplus bytes in 'SOZ'"),
        ({"elements": {"PIH.level_idc": True}}, "is no integer"),
    ],
)
def test_files_that_say_nothing(content: Any, message: str) -> None:
    with pytest.raises(ForceError, match=message):
        from_json(content)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    for name in ("a.json", "absent.json"):
        with pytest.raises(ForceError, match="cannot read it as JSON"):
            read_forced([str(tmp_path / name)])
    with pytest.raises(ForceError, match="ELEMENT=VALUE"):
        read_forced(["PIH.level_idc"])


def test_latents_are_found_where_the_rule_says() -> None:
    """Linear positions of the whole component, whatever part of it is at hand."""
    rows, columns = latent_size(100, 80)
    whole = np.zeros((4, rows, columns), np.int32)
    rule, everywhere = SymbolRule(0, (1, 2, 3), every=4, first=6), np.ones(whole.shape, np.bool_)
    rule.apply(whole, everywhere, (slice(None), slice(None)), (rows, columns), None)
    parts = np.zeros_like(whole)
    for y in (0, 1):
        for x in (0, 1):
            at = (slice(y, None, 2), slice(x, None, 2))
            piece = parts[(slice(None), *at)].copy()
            rule.apply(piece, everywhere[(slice(None), *at)], at, (rows, columns), None)
            parts[(slice(None), *at)] = piece
    np.testing.assert_array_equal(parts, whole)
    flat = whole.reshape(-1)
    assert flat[:6].sum() == 0 and list(flat[6:19:4]) == [1, 2, 3, 1] and not flat[7:10].any()
