"""Makes the bundled suite of pictures: codes every recipe, decodes it, and writes down what came out.

The encoder is float, and so another machine may make other bytes of a recipe; the streams are shipped, and
what a stream decodes to is the same everywhere.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from conformance.encoder.closed_loop import Machine
from conformance.encoder.encode import Encoder
from conformance.encoder.options import Tools
from conformance.encoder.source import make_source
from conformance.suite.damage import damaged
from conformance.suite.pictures import PHOTOGRAPHS, source_picture
from conformance.suite.recipes import DAMAGES, RECIPES, Damage, Recipe
from conformance.suite.records import INDEX, SCHEMA
from conformance.verify.outcome import pixel_digest, planar_digest
from conformance.verify.synthetic import Splitmix
from refdec import __version__
from refdec.codestream import Codestream, Dialect, parse
from refdec.codestream.geometry import latent_size
from refdec.codestream.profiles import PROFILE_NAMES
from refdec.decoder import decode_picture
from refdec.errors import BitstreamError
from refdec.models_io import ModelSet
from refdec.settings import Settings
from refdec.trace import TraceWriter, header

SEED = 6048
Progress = Callable[[str], None]


def write_pictures(
    folder: Path,
    models: ModelSet,
    *,
    only: frozenset[str] | None = None,
    progress: Progress = lambda _line: None,
) -> None:
    """Make the suite in a folder; what is there of an earlier one is removed.

    :param only: names of recipes to make instead of all.
    """
    for part in ("streams", "traces"):
        shutil.rmtree(folder / part, ignore_errors=True)
        (folder / part).mkdir(parents=True)
    entries, built = [], {}
    for recipe in RECIPES:
        if only is None or recipe.name in only:
            built[recipe.name] = encode(recipe, models)
            entries.append(_picture_entry(folder, recipe, built[recipe.name], models))
            size = entries[-1]["picture"]
            progress(f"{recipe.name}: {size['width']}x{size['height']}, {len(built[recipe.name])} bytes")
    for damage in DAMAGES:
        if damage.base in built:
            entries.append(_damage_entry(folder, damage, built[damage.base], models))
            progress(f"{damage.name}: {entries[-1]['expect']['error']}")
    index = {
        "schema": SCHEMA,
        "name": "lite pictures",
        "description": "Photographs and made-up pictures, coded with the bundled models.",
        "refdec": __version__,
        "seed": SEED,
        "photographs": PHOTOGRAPHS,
    }
    (folder / INDEX).write_text(_index_text(index, entries), encoding="utf-8")


def encode(recipe: Recipe, models: ModelSet) -> bytes:
    """The codestream of a recipe."""
    source = make_source(source_picture(recipe.picture, recipe.window, recipe.size), recipe.chroma)
    encoder = Encoder(source, Machine(models), _tools(recipe), quality_map=_quality_map(recipe, source.size))
    return encoder.code(recipe.model, *recipe.delta).data


def _tools(recipe: Recipe) -> Tools:
    changes = dict(recipe.tools)
    if "dialect" in changes:
        changes["dialect"] = Dialect(changes["dialect"])
    return Tools(**changes)


def _quality_map(recipe: Recipe, size: tuple[int, int]) -> npt.NDArray[np.int8] | None:
    rows, columns = latent_size(*size)
    if recipe.quality_map == "none":
        return None
    if recipe.quality_map == "stripes":
        line = np.arange(columns) * 17 // columns - 8
        return np.ascontiguousarray(np.broadcast_to(line, (rows, columns)), np.int8)
    if recipe.quality_map == "noise":
        return Splitmix(SEED).integers(-8, 8, (rows, columns)).astype(np.int8)
    out = np.full((rows, columns), -4, np.int8)
    out[rows // 4 : rows - rows // 4, columns // 4 : columns - columns // 4] = 5
    return out


def _settings(recipe: Recipe) -> Settings:
    rounding = recipe.tools.get("quality_rounding", "floor")
    return Settings("jit", quality_rounding=rounding, operating_point="sop")


def _dialect(recipe: Recipe) -> Dialect:
    return Dialect(recipe.tools.get("dialect", "t840"))


def _picture_entry(folder: Path, recipe: Recipe, data: bytes, models: ModelSet) -> dict[str, Any]:
    stream, settings = parse(data, _dialect(recipe)), _settings(recipe)
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
    height, width = picture.size
    return {
        "name": recipe.name,
        "purpose": recipe.purpose,
        "group": recipe.group,
        "features": features(recipe, stream),
        **_claims(stream),
        "quality_rounding": settings.quality_rounding,
        "operating_point": "sop",
        **_file(recipe.name, data),
        "rate": rate(stream),
        "models": digests,
        "picture": {
            "width": width,
            "height": height,
            "planes": list(picture.names),
            "bit_depth": picture.bit_depth,
            "subsampling": list(picture.subsampling),
        },
        "expect": {
            "planar_sha256": planar_digest(picture.planes),
            "pixels_sha256": pixel_digest(picture.planes),
            "trace": f"traces/{recipe.name}.jsonl",
            "trace_sha256": hashlib.sha256(trace.read_bytes()).hexdigest(),
        },
        "recipe": {k: v for k, v in asdict(recipe).items() if k not in ("name", "purpose", "group")},
    }


def _damage_entry(folder: Path, damage: Damage, base: bytes, models: ModelSet) -> dict[str, Any]:
    recipe = next(r for r in RECIPES if r.name == damage.base)
    dialect, settings = _dialect(recipe), _settings(recipe)

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
        **_claims(parse(base, dialect)),
        "quality_rounding": settings.quality_rounding,
        "operating_point": "sop",
        **_file(damage.name, data),
        "models": models.digests(recipe.model, ("entropy", "latent", "sop")),
        "expect": {
            "error": type(error).__name__,
            "element": error.element,
            "bit_offset": error.bit_offset,
        },
        "recipe": {"base": damage.base, "kind": damage.kind},
    }


def _claims(stream: Codestream) -> dict[str, Any]:
    picture = stream.picture
    return {
        "profile": PROFILE_NAMES[picture.dialect][picture.decoder_profile_id],
        "level": picture.level_idc,
        "dialect": picture.dialect.value,
    }


def _file(name: str, data: bytes) -> dict[str, Any]:
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
    """What of the standard a stream uses, from its headers."""
    picture, tools = stream.picture, stream.tools
    luma, chroma = picture.components
    beta = picture.beta_displacement_log
    found = {
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
        "fewer-channels": recipe.tools.get("num_chs") is not None,
        "regions": picture.num_regions > 1,
        "independent-regions": picture.num_regions > 1 and picture.independent_regions,
        "tiles": luma.tiling is not None,
        "coded-4:2:0": recipe.chroma == "420",
        "photograph": recipe.picture in PHOTOGRAPHS or recipe.picture == "mosaic",
    }
    return [name for name, present in found.items() if present]


def _index_text(index: dict[str, Any], entries: list[dict[str, Any]]) -> str:
    """JSON with one record a line: small, and readable in a diff."""
    head = json.dumps(index, indent=1)[:-2]
    rows = ",\n".join("  " + json.dumps(entry) for entry in entries)
    return f'{head},\n "streams": [\n{rows}\n ]\n}}\n'
