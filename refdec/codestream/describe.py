"""What a codestream says, for people and for programs: the ``refdec info`` view.

The record is made of integers, strings, booleans, lists and objects alone, so that it survives JSON
unchanged. Its layout is versioned by ``schema``; keys may be added under one version, never changed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from refdec.codestream.geometry import (
    CHANNELS,
    HYPER_DEPTH,
    LATENT_DEPTH,
    PSI_DEPTH,
    cube_shape,
    hyper_size,
    latent_size,
    psi_size,
    region_rectangles,
    synthesis_tiles,
)
from refdec.codestream.headers import PictureHeader
from refdec.codestream.payloads import REGION_INDEX, REGION_SIZE, THREAD_SIZE_DELTA
from refdec.codestream.picture_syntax import PIH
from refdec.codestream.profiles import PROFILE_NAMES, TRANSFORM_NAMES
from refdec.codestream.reader import FieldRecord
from refdec.codestream.rendering_syntax import RDI
from refdec.codestream.stream import Codestream
from refdec.codestream.syntax import Field
from refdec.codestream.tool_syntax import TON
from refdec.errors import BitstreamError

SCHEMA = "refdec.info/1"
COMPONENT_NAMES = ("Y", "UV")
FORMAT_NAMES = {(1, 1): "4:4:4", (1, 2): "4:2:2", (2, 2): "4:2:0"}
_TEXT_VALUES = 16
_TEXT_RECTANGLES = 8


def all_fields() -> dict[str, Field]:
    """Every syntax element by its statement id."""
    tables = {f.id: f for f in (THREAD_SIZE_DELTA, REGION_SIZE, REGION_INDEX)}
    return {**PIH.by_id, **TON.by_id, **RDI.by_id, **tables}


def describe(stream: Codestream) -> dict[str, Any]:
    """Everything about a parsed codestream, JSON-able, integers only.

    Keys: ``schema``, ``dialect``, ``bytes``, ``picture`` (derived values), ``geometry``, ``tools``,
    ``substreams``, ``payloads``, ``fields``, ``warnings``, ``violations``. Offsets of fields are in bits,
    all others in bytes, from the start of the codestream. For a stream that was parsed without
    conformance checks ``violations`` lists what is wrong with it, payloads that are missing included.
    """
    known = all_fields()
    problems = [error.as_dict() for error in stream.violations]
    payloads: list[dict[str, Any]] = []
    records: Iterable[FieldRecord] = stream.header_fields
    try:
        records = stream.fields
        payloads = [
            {
                "element": payload.element,
                "offset": payload.byte_offset,
                "bytes": len(payload.data),
                "table_bytes": threads.byte_offset - payload.byte_offset,
                "thread_bytes": list(threads.sizes),
            }
            for payload, threads in stream.threaded()
        ]
    except BitstreamError as error:
        problems.append(error.as_dict())
    return {
        "schema": SCHEMA,
        "dialect": stream.dialect.value,
        "bytes": stream.byte_size,
        "picture": _picture(stream.picture),
        "geometry": _geometry(stream, bool(problems)),
        "tools": _tools(stream),
        "substreams": [
            {
                "marker": s.marker.name,
                "code": f"{int(s.marker):#06x}",
                "offset": s.marker_offset,
                "size_bits": s.size_bits,
                "payload_offset": s.payload_offset,
                "bytes": len(s.payload),
            }
            for s in stream.substreams
        ],
        "payloads": payloads,
        "fields": [_field(record, known[record.id]) for record in records],
        "warnings": list(stream.warnings),
        "violations": problems,
    }


def _field(record: FieldRecord, element: Field) -> dict[str, Any]:
    value = record.value
    described: dict[str, Any] = {
        "segment": record.segment,
        "name": record.name,
        "id": record.id,
        "coding": str(element.coding),
        "bit_offset": record.bit_offset,
        "width": record.width,
        "value": list(value) if isinstance(value, tuple) else value,
        "meaning": element.meaning,
    }
    if element.derived is not None:
        derive = element.derived.value
        derived = [derive(v) for v in value] if isinstance(value, tuple) else derive(value)
        described["derived"] = {element.derived.name: derived}
    return described


def _name(names: dict[Any, str] | tuple[str, ...], key: Any) -> str:
    if isinstance(names, dict):
        return names.get(key, "undefined")
    return names[key] if key < len(names) else "undefined"


def _picture(picture: PictureHeader) -> dict[str, Any]:
    return {
        "width": picture.width,
        "height": picture.height,
        "display_width": picture.display_width,
        "display_height": picture.display_height,
        "bit_depth": picture.bit_depth,
        "source_format": _name(FORMAT_NAMES, picture.source_subsampling),
        "coded_format": _name(FORMAT_NAMES, picture.coded_subsampling),
        "colour_transform": ("none", "BT.709", "user-defined")[picture.colour_transform_idx],
        "profile": _name(PROFILE_NAMES[picture.dialect], picture.decoder_profile_id),
        "level": picture.level_idc,
        "synthesis_transforms": [_name(TRANSFORM_NAMES, t) for t in picture.synthesis_transform_id],
        "model_id": picture.model_id,
        "quality_map": bool(picture.gain_3D_enable_flag),
        "threads_z": picture.num_threads_z,
        "threads_quality_map": picture.num_threads_q,
        "regions": [picture.num_region_rows, picture.num_region_cols],
        "independent_regions": picture.independent_regions,
        "components": {
            COMPONENT_NAMES[c]: {
                "beta_displacement_log": picture.beta_displacement_log[c],
                "channels": header.num_chs,
                "threads": header.num_threads_r,
                "cube_flags": header.cube_flags is not None,
                "residual_variance_scaling": bool(header.rvs_enable_flag),
                "gain_channels": None if not header.grfs_enable_flag else sum(header.grfs_channel_flag),
                "tiling": None if header.tiling is None else list(header.tiling),
            }
            for c, header in enumerate(picture.components)
        },
    }


def _tools(stream: Codestream) -> dict[str, Any]:
    tools = stream.tools
    return {
        "latent_scaling": [bool(flag) for flag in tools.lsbs_enable_flag],
        "efe_linear": tools.efe_linear is not None,
        "eicci": tools.icci is not None,
        "eicci_tiles": 0 if tools.icci is None else len(tools.icci.tiles),
        "efe_nonlinear": tools.efe_nonlinear is not None,
        "lef_channel": tools.LEF_chIdx if tools.LEF_enabled_flag else None,
        "rendering_information": stream.rendering is not None,
        "user_data_bytes": [len(data) for data in stream.user_data],
    }


def _geometry(stream: Codestream, broken: bool) -> dict[str, Any]:
    """Sizes and rectangles as ``[y, x, h, w]``; rectangles only where the headers break no rule."""
    picture = stream.picture
    height, width = picture.height, picture.width
    geometry: dict[str, Any] = {
        "channels": list(CHANNELS),
        "latent": list(latent_size(height, width)),
        "psi": list(psi_size(height, width)),
        "hyper_latent": list(hyper_size(height, width)),
        "cube_flags": list(cube_shape(height, width)),
    }
    if stream.violations or (broken and picture.num_regions > 1):
        return geometry
    if picture.num_regions > 1:
        geometry["regions"] = {
            name: [
                {
                    "latent": list(own),
                    "latent_extended": list(latent),
                    "psi_extended": list(psi),
                    "hyper_latent_extended": list(hyper),
                }
                for own, latent, psi, hyper in (
                    zip(
                        region_rectangles(picture, c, LATENT_DEPTH, False),
                        region_rectangles(picture, c, LATENT_DEPTH, True),
                        region_rectangles(picture, c, PSI_DEPTH, True),
                        region_rectangles(picture, c, HYPER_DEPTH, True),
                        strict=True,
                    )
                )
            ]
            for c, name in enumerate(COMPONENT_NAMES)
        }
    if picture.components[0].tiling is not None:
        geometry["synthesis_tiles"] = [
            {"picture": list(t.picture), "latent": list(t.latent), "core": list(t.core)}
            for t in synthesis_tiles(picture)
        ]
    return geometry


def as_text(description: dict[str, Any]) -> str:
    """A description as plain lines; long lists are cut, ``--json`` has all of them."""
    picture, geometry = description["picture"], description["geometry"]
    lines = [
        f"JPEG AI codestream, {description['bytes']} bytes, dialect {description['dialect']}",
        f"  picture       {picture['width']} x {picture['height']}"
        f" (shown: {picture['display_width']} x {picture['display_height']}), {picture['bit_depth']} bits, "
        f"{picture['source_format']} coded as {picture['coded_format']}, "
        f"colour transform {picture['colour_transform']}",
        f"  profile       {picture['profile']}, level {picture['level']}, model {picture['model_id']}, "
        f"transforms {', '.join(picture['synthesis_transforms'])}",
        f"  latent        {geometry['latent'][0]} x {geometry['latent'][1]}, hyper-latent "
        f"{geometry['hyper_latent'][0]} x {geometry['hyper_latent'][1]} (rows x columns)",
    ]
    if picture["regions"] != [1, 1]:
        kind = "independent" if picture["independent_regions"] else "dependent"
        lines.append(f"  regions       {picture['regions'][0]} x {picture['regions'][1]}, {kind}")
    for name, part in picture["components"].items():
        lines.append(
            f"  {name:13s} {part['channels']} channels, {part['threads']} threads, "
            f"displacement {part['beta_displacement_log']:+d}"
        )
    tools = description["tools"]
    on = [name for name in ("efe_linear", "eicci", "efe_nonlinear") if tools[name]]
    on += [f"latent_scaling.{COMPONENT_NAMES[c]}" for c in (0, 1) if tools["latent_scaling"][c]]
    on += [] if tools["lef_channel"] is None else ["lef"]
    lines += [f"  tools         {', '.join(on) or 'none'}", "", "substreams (bytes)"]
    for s in description["substreams"]:
        lines.append(
            f"  {s['marker']:5s}{s['code']}  at {s['offset']:<9d} payload at {s['payload_offset']:<9d} "
            f"size {s['bytes']}"
        )
    if description["payloads"]:
        lines += ["", "entropy-coded payloads (bytes)"]
    for p in description["payloads"]:
        lines.append(
            f"  {p['element']:18s} at {p['offset']:<9d} size {p['bytes']:<8d} "
            f"threads {_some(p['thread_bytes'])}"
        )
    lines += ["", f"fields{'':42s}{'bit':>10s} {'width':>6s}  value"]
    segment = None
    for record in description["fields"]:
        if record["segment"] != segment:
            segment = record["segment"]
            lines.append(f"  {segment}")
        lines.append(_field_line(record))
    if "synthesis_tiles" in geometry:
        tiles = geometry["synthesis_tiles"]
        lines += ["", f"synthesis tiles: {len(tiles)} (y, x, h, w)"]
        lines += [
            f"  picture {t['picture']}  latent {t['latent']}  core {t['core']}"
            for t in tiles[:_TEXT_RECTANGLES]
        ]
    lines += [f"warning: {warning}" for warning in description["warnings"]]
    lines += [
        f"violation: {v['error']} at bit {v['bit_offset']} in {v['element']}: {v['message']}, "
        f"expected {v['expected']}, found {v['found']}"
        for v in description["violations"]
    ]
    return "\n".join(lines)


def _field_line(record: dict[str, Any]) -> str:
    value = record["value"]
    shown = _some(value) if isinstance(value, list) else str(value)
    for name, derived in record.get("derived", {}).items():
        shown += f"  ({name} {_some(derived) if isinstance(derived, list) else derived})"
    width = f"{record['width']}x{len(value)}" if isinstance(value, list) else str(record["width"])
    return f"    {record['name']:44s}{record['bit_offset']:10d} {width:>6s}  {shown}"


def _some(values: list[Any]) -> str:
    head = " ".join(str(v) for v in values[:_TEXT_VALUES])
    return head if len(values) <= _TEXT_VALUES else f"{head} ... ({len(values)} values)"
