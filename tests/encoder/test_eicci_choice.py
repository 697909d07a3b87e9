"""eICCI chosen by the encoder: what lowers the error is found, the rest is left alone, decoders show it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from conformance.cli import app
from conformance.encoder.coded import Coded
from conformance.encoder.efe import original_planes
from conformance.encoder.efe_linear import squared_error
from conformance.encoder.eicci import NO_FILTER, EicciError, choose_eicci, networks
from conformance.encoder.encode import Encoder
from conformance.encoder.machine import Machine
from conformance.encoder.options import Tools
from conformance.encoder.post_filters import PostFilters
from conformance.encoder.reconstruction import reconstruct, settings_of, synthesised
from conformance.encoder.source import Source, make_source
from conformance.verify.synthetic_eicci import add_eicci, eicci_model
from refdec.codestream import ToolHeader, parse
from refdec.codestream.headers import Icci, IcciTile
from refdec.filters import FilterContext, FilterPlanes, Planes, eicci
from refdec.integer import save_model
from refdec.models_io import ModelSet, eicci_file_name, open_models
from refdec.picture import source_planes
from tests.cli.commands import call
from tests.encoder.float_models import picture
from tests.encoder.test_post_filters import require_shown
from tests.encoder.test_sources import noise

WIDE = (1, 13, 3)
"""Tiles of 208 samples that overlap by 48."""


@pytest.fixture(scope="module")
def models(float_models: ModelSet) -> ModelSet:
    assert float_models.root is not None
    return add_eicci(open_models(float_models.root), 5)


def coded(models: ModelSet, source: Source, filters: PostFilters, like: Coded | None = None) -> Coded:
    encoder = Encoder(source, Machine(models), Tools(filters=filters, transforms=("bop",)))
    if like is not None:
        # the latents of one picture, the error against another
        encoder._prepared[2] = like.prepared
    return encoder.code(2, -100)


def planes_of(result: Coded, models: ModelSet) -> Planes:
    machine = Machine(models)
    return source_planes(result.picture, synthesised(result, machine, settings_of(machine)))


def filtered_by(icci: Icci, result: Coded, models: ModelSet) -> Planes:
    tools = ToolHeader(icci_enable_flag=1, icci=icci)
    context = FilterContext(result.picture, tools, None, models, settings_of(Machine(models)))
    return eicci.apply(FilterPlanes(planes_of(result, models)), context).planes


ENTRIES = {
    "one": (IcciTile((1, 1, 1), 0, 4, 9),),
    "short": (IcciTile((1, 0, 1), 1, 1, 0),),
    "luma": (IcciTile((1, 0, 0), 0, 0, 0),),
    "tiles": (IcciTile((0, 1, 0), 0, 0, 7), IcciTile((1, 1, 1), 1, 0, 1)),
    "none": (NO_FILTER,),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_what_an_original_has_been_filtered_by_is_found(name: str, models: ModelSet) -> None:
    entries = ENTRIES[name]
    plain = coded(models, make_source(picture(80, 368)), PostFilters())
    icci = Icci(entries, *(WIDE if len(entries) > 1 else (0, 0, 0)))
    wanted = filtered_by(icci, plain, models)
    settings = settings_of(Machine(models))
    tiling: Any = (208, 48) if len(entries) > 1 else "auto"
    found, shown = choose_eicci(plain.picture, planes_of(plain, models), wanted, models, settings, tiling)
    assert found == (None if name == "none" else icci)
    for a, b in zip(shown, planes_of(plain, models) if found is None else wanted, strict=True):
        np.testing.assert_array_equal(a, b)


def errors(result: Coded, source: Source, models: ModelSet, icci: Icci | None) -> list[float]:
    planes = planes_of(result, models) if icci is None else filtered_by(icci, result, models)
    original = original_planes(source)
    return [squared_error(a, b) for a, b in zip(planes, original, strict=True)]


@pytest.mark.parametrize(
    ("colour", "factors", "chroma", "depth"),
    [("RGB", (1, 1), None, 8), ("YCbCr", (1, 1), "420", 10), ("YCbCr", (1, 2), None, 8)],
)
def test_of_every_format(colour: Any, factors: Any, chroma: Any, depth: int, models: ModelSet) -> None:
    """Random networks have nothing to do with the source, yet some planes of some tiles gain."""
    source = make_source(noise(70, 102, depth, colour, factors), chroma)
    result = coded(models, source, PostFilters(eicci=True, eicci_tiles=(64, 16)))
    icci = result.tools.icci
    assert icci is not None and (icci.icci_tile_size, icci.icci_tile_overlap) == (4, 1)
    assert len({tile.icci_use for tile in icci.tiles}) > 1
    require_shown(result, models)
    before, after = (errors(result, source, models, item) for item in (None, icci))
    used = [any(tile.icci_use[p] for tile in icci.tiles) for p in range(3)]
    assert any(used)
    for on, a, b in zip(used, before, after, strict=True):
        assert b < a if on else b <= a


@pytest.mark.parametrize("masks", [False, True])
def test_with_the_other_filters(masks: bool, models: ModelSet) -> None:
    source = make_source(picture(70, 90))
    wanted = PostFilters("on", True, True, masks, eicci=True)
    result = coded(models, source, wanted)
    tools = result.tools
    assert tools.icci_enable_flag and tools.EFE_linear_filter_enabled_flag and tools.LEF_enabled_flag
    require_shown(result, models)
    machine = Machine(models)

    def chroma(item: Coded) -> float:
        shown = reconstruct(item, machine).planes
        return sum(
            float(((a.astype(float) - b) ** 2).sum()) for a, b in zip(shown, source.planes, strict=True)
        )

    assert chroma(result) < chroma(result.with_tools(replace(tools, icci_enable_flag=0, icci=None)))


def test_networks_that_the_set_has(float_models: ModelSet) -> None:
    """Only those that every operating point of the stream has are considered."""
    assert float_models.root is not None
    few = open_models(float_models.root)
    for bank, index in (("bop", 3), ("bop", 8), ("hop", 3)):
        few.loaded_eicci[bank, index] = eicci_model(5, bank, index)
    source = make_source(noise(70, 102, 8, "RGB", (1, 1)))
    result = coded(few, source, PostFilters(eicci=True, eicci_tiles=(64, 16)))
    assert networks(result.picture, few) == (3, 8)
    assert networks(replace(result.picture, synthesis_transform_id=(0, 1, 2)), few) == (3,)
    assert result.tools.icci is not None
    settings = settings_of(Machine(few))
    named = set()
    for tile in result.tools.icci.tiles:
        named |= set(eicci.networks_of(tile, "bop", 2)) - {None}
    assert named <= {3, 8} and eicci.available(result.picture, result.tools, few, settings)


def test_what_is_refused(models: ModelSet, float_models: ModelSet) -> None:
    source = make_source(picture(70, 90))
    wanted = PostFilters(eicci=True)
    with pytest.raises(EicciError, match="no network of it for BOP"):
        coded(float_models, source, wanted)
    with pytest.raises(EicciError, match="4:2:0 source"):
        coded(models, make_source(noise(70, 90, 8, "YCbCr", (2, 2))), wanted)
    with pytest.raises(EicciError, match="cannot overlap by 96 where the shortest side is 70"):
        coded(models, source, PostFilters(eicci=True, eicci_tiles=(128, 96)))


def test_on_the_command_line(
    tmp_path: Path, float_models: ModelSet, capsys: pytest.CaptureFixture[str]
) -> None:
    assert float_models.root is not None
    folder, photo, out = tmp_path / "models", tmp_path / "a.png", tmp_path / "a.jai"
    shutil.copytree(float_models.root, folder)
    Image.fromarray(np.stack(noise(70, 102).planes, axis=-1)).save(photo)
    words = ("encode", photo, out, "--model", 1, "--eicci", "auto")
    done = call(app, capsys, *words, "--models", folder)
    assert done.code == 2 and "has no network of it for SOP and BOP" in done.err and not out.exists()
    for index in (2, 6):
        save_model(folder / eicci_file_name("bop", index), eicci_model(5, "bop", index))
    done = call(app, capsys, *words, "--models", folder, "--eicci-tiles", "64,16", "--check")
    assert done.code == 0 and "decodes as expected" in done.out, done.err
    tools = parse(out.read_bytes()).tools
    assert tools.icci is not None and any(any(tile.icci_use) for tile in tools.icci.tiles)
    for wrong, message in (
        (("--eicci", "on"), "off or auto"),
        (("--eicci-tiles", "64"), "SIZE,OVERLAP"),
        (("--eicci", "off", "--eicci-tiles", "64,16"), "means nothing without --eicci"),
    ):
        done = call(app, capsys, *words, "--models", folder, *wrong)
        assert done.code == 2 and message in done.err
