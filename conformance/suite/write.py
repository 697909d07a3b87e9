"""Writes a suite of pictures: a record for every stream, its trace, and the index."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from conformance.suite.damage import damaged
from conformance.suite.pictures import PHOTOGRAPHS
from conformance.suite.recipes import Damage, Recipe
from conformance.suite.records import INDEX, SCHEMA
from conformance.verify.outcome import pixel_digest, planar_digest
from refdec import __version__
from refdec.codestream import CHANNELS, Codestream, Dialect, parse
from refdec.codestream.profiles import PROFILE_NAMES
from refdec.decoder import decode_picture, post_filters
from refdec.errors import BitstreamError
from refdec.models_io import ModelSet
from refdec.picture import Picture
from refdec.settings import Settings
from refdec.trace import TraceWriter, header

SEED = 6048


def write_index(
    folder: Path,
    name: str,
    description: str,
    entries: list[dict[str, Any]],
    photographs: Mapping[str, str] = PHOTOGRAPHS,
) -> None:
    """Write ``suite.json``.

    :param photographs: where the pictures come from.
    """
    index = {
        "schema": SCHEMA,
        "name": name,
        "description": description,
        "refdec": __version__,
        "seed": SEED,
        "photographs": dict(photographs),
    }
    (folder / INDEX).write_text(index_text(index, entries), encoding="utf-8")


def settings_of(recipe: Recipe) -> Settings:
    """How the stream of a recipe is decoded."""
    rounding = recipe.tools.get("quality_rounding", "floor")
    return Settings("jit", quality_rounding=rounding, operating_point="sop")


def dialect_of(recipe: Recipe) -> Dialect:
    """The header dialect of a recipe's stream."""
    return Dialect(recipe.tools.get("dialect", "t840"))


def picture_entry(folder: Path, recipe: Recipe, data: bytes, models: ModelSet) -> dict[str, Any]:
    """Decode a stream, write it and its trace, and say what came out."""
    stream, settings = parse(data, dialect_of(recipe)), settings_of(recipe)
    digests = models.digests(recipe.model, ("entropy", "latent", "sop"))
    (folder / f"streams/{recipe.name}.jai").write_bytes(data)
    trace = folder / f"traces/{recipe.name}.jsonl"
    facts = header(
        data,
        digests,
        dialect=stream.picture.dialect.value,
        engine=settings.engine,
        channels=None,
        quality_rounding=settings.quality_rounding,
        until="picture",
        operating_point="sop",
    )
    with TraceWriter(trace, facts) as writer:
        picture = decode_picture(stream, models, settings, observer=writer)
    return {
        "name": recipe.name,
        "purpose": recipe.purpose,
        "group": recipe.group,
        "features": features(recipe, stream),
        **claims(stream),
        "quality_rounding": settings.quality_rounding,
        "operating_point": "sop",
        **file_facts(recipe.name, data),
        "rate": rate(stream),
        "models": digests,
        "picture": picture_facts(picture),
        "expect": {
            "planar_sha256": planar_digest(picture.planes),
            "pixels_sha256": pixel_digest(picture.planes),
            "trace": f"traces/{recipe.name}.jsonl",
            "trace_sha256": hashlib.sha256(trace.read_bytes()).hexdigest(),
        },
        "recipe": {k: v for k, v in asdict(recipe).items() if k not in ("name", "purpose", "group")},
    }


def damage_entry(
    folder: Path, damage: Damage, recipe: Recipe, base: bytes, models: ModelSet
) -> dict[str, Any]:
    """Damage a stream, write the file, and say how it is refused.

    :param recipe: what made ``base``.
    """
    dialect, settings = dialect_of(recipe), settings_of(recipe)

    def refuses(data: bytes) -> BitstreamError | None:
        try:
            decode_picture(parse(data, dialect), models, settings)
        except BitstreamError as error:
            return error
        return None

    data, error = damaged(base, dialect, damage.kind, refuses)
    (folder / f"streams/{damage.name}.jai").write_bytes(data)
    return {
        "name": damage.name,
        "purpose": damage.purpose,
        "group": "must-reject",
        "features": ["malformed"],
        **claims(parse(base, dialect)),
        "quality_rounding": settings.quality_rounding,
        "operating_point": "sop",
        **file_facts(damage.name, data),
        "models": models.digests(recipe.model, ("entropy", "latent", "sop")),
        "expect": {
            "error": type(error).__name__,
            "element": error.element,
            "bit_offset": error.bit_offset,
        },
        "recipe": {"base": damage.base, "kind": damage.kind},
    }


def picture_facts(picture: Picture) -> dict[str, Any]:
    """Format of a record's picture."""
    height, width = picture.size
    return {
        "width": width,
        "height": height,
        "planes": list(picture.names),
        "bit_depth": picture.bit_depth,
        "subsampling": list(picture.subsampling),
    }


def claims(stream: Codestream) -> dict[str, Any]:
    """Profile, level and dialect of a record."""
    picture = stream.picture
    return {
        "profile": PROFILE_NAMES[picture.dialect][picture.decoder_profile_id],
        "level": picture.level_idc,
        "dialect": picture.dialect.value,
    }


def file_facts(name: str, data: bytes) -> dict[str, Any]:
    """Path, digest and size of a record's stream."""
    return {
        "file": f"streams/{name}.jai",
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
    }


def rate(stream: Codestream) -> dict[str, int]:
    """Bytes of the payloads by marker, and of everything else as ``headers``."""
    sizes: dict[str, int] = {}
    for part in stream.substreams:
        name = part.marker.name
        if name in ("SOZ", "SOQ", "SORP", "SORS"):
            sizes[name] = sizes.get(name, 0) + len(part.payload)
        else:
            sizes["headers"] = sizes.get("headers", 0) + len(part.payload)
    return sizes


def features(recipe: Recipe, stream: Codestream) -> list[str]:
    """What of the standard a stream uses, from its headers and its recipe."""
    found = {
        **header_features(stream),
        "fewer-channels": recipe.tools.get("num_chs") is not None,
        "coded-4:2:0": recipe.chroma == "420",
        "photograph": recipe.picture in PHOTOGRAPHS or recipe.picture == "mosaic",
    }
    return [name for name, present in found.items() if present]


def header_features(stream: Codestream) -> dict[str, bool]:
    """What of the standard a stream uses, from its headers alone."""
    picture, tools = stream.picture, stream.tools
    luma, chroma = picture.components
    beta = picture.beta_displacement_log
    return {
        f"model-{picture.model_id}": True,
        f"threads-z-{picture.num_threads_z}": True,
        f"threads-r-{luma.num_threads_r}": True,
        f"threads-q-{picture.num_threads_q}": stream.quality_payload() is not None,
        "odd-size": bool(picture.display_width % 2 or picture.display_height % 2),
        "quality-map": stream.quality_payload() is not None,
        "chroma-delta": beta[0] != beta[1],
        "cube-flags": luma.cube_flags is not None or chroma.cube_flags is not None,
        "rvs": bool(luma.rvs_enable_flag or chroma.rvs_enable_flag),
        "grfs": luma.grfs_channel_flags is not None or chroma.grfs_channel_flags is not None,
        "lsbs": any(tools.lsbs_enable_flag),
        "fewer-channels": any(c.num_chs < n for c, n in zip(picture.components, CHANNELS, strict=True)),
        "regions": picture.num_regions > 1,
        "independent-regions": picture.num_regions > 1 and picture.independent_regions,
        "tiles": luma.tiling is not None,
        "coded-4:2:0": picture.coded_subsampling == (2, 2),
        "coded-4:2:2": picture.coded_subsampling == (1, 2),
        "10-bit": picture.bit_depth == 10,
        **{f"filter-{name.lower().replace(' ', '-')}": True for name in post_filters(tools)},
    }


def index_text(index: dict[str, Any], entries: list[dict[str, Any]]) -> str:
    """JSON with one record a line: small, and readable in a diff."""
    head = json.dumps(index, indent=1)[:-2]
    rows = ",\n".join("  " + json.dumps(entry) for entry in entries)
    return f'{head},\n "streams": [\n{rows}\n ]\n}}\n'
