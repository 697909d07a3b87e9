"""Makes the bundled suite of pictures: codes every recipe, decodes it, and writes down what came out.

The encoder is float, and so another machine may make other bytes of a recipe; the streams are shipped, and
what a stream decodes to is the same everywhere.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from conformance.encoder.encode import Encoder, reconstruct
from conformance.encoder.machine import Machine
from conformance.encoder.options import Tools
from conformance.encoder.source import make_source
from conformance.suite.pictures import source_picture
from conformance.suite.recipes import DAMAGES, RECIPES, Recipe
from conformance.suite.write import SEED, damage_entry, picture_entry, write_index
from conformance.verify.outcome import planar_digest
from conformance.verify.synthetic import Splitmix
from refdec.codestream import Dialect
from refdec.codestream.geometry import latent_size
from refdec.models_io import ModelSet

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
    :raises RuntimeError: the decoder does not make the picture that the encoder believes in.
    """
    for part in ("streams", "traces"):
        shutil.rmtree(folder / part, ignore_errors=True)
        (folder / part).mkdir(parents=True)
    entries, built = [], {}
    recipes = {recipe.name: recipe for recipe in RECIPES}
    for recipe in RECIPES:
        if only is None or recipe.name in only:
            built[recipe.name], believed = encode(recipe, models)
            entries.append(picture_entry(folder, recipe, built[recipe.name], models))
            if entries[-1]["expect"]["planar_sha256"] != believed:
                raise RuntimeError(f"{recipe.name}: the decoder makes another picture than the encoder")
            size = entries[-1]["picture"]
            progress(f"{recipe.name}: {size['width']}x{size['height']}, {len(built[recipe.name])} bytes")
    for damage in DAMAGES:
        if damage.base in built:
            entries.append(damage_entry(folder, damage, recipes[damage.base], built[damage.base], models))
            progress(f"{damage.name}: {entries[-1]['expect']['error']}")
    description = "Photographs and made-up pictures, coded with the bundled models."
    write_index(folder, "lite pictures", description, entries)


def encode(recipe: Recipe, models: ModelSet) -> tuple[bytes, str]:
    """The codestream of a recipe, and the digest of the picture that the encoder believes in."""
    source = make_source(source_picture(recipe.picture, recipe.window, recipe.size), recipe.chroma)
    machine = Machine(models)
    encoder = Encoder(source, machine, _tools(recipe), quality_map=_quality_map(recipe, source.size))
    coded = encoder.code(recipe.model, *recipe.delta)
    return coded.data, planar_digest(reconstruct(coded, machine).planes)


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
