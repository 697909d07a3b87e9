"""Post-filters in the encoder: the decoder shows what is believed; judged filters lower the error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from conformance.cli import app
from conformance.encoder.coded import Coded
from conformance.encoder.efe import original_planes
from conformance.encoder.encode import Encoder, reconstruct
from conformance.encoder.forced import Forced
from conformance.encoder.machine import Machine
from conformance.encoder.options import Tools
from conformance.encoder.post_filters import PostFilterError, PostFilters, steering_channel
from conformance.encoder.reconstruction import settings_of, synthesised
from conformance.encoder.source import Source, make_source
from refdec.codestream import parse
from refdec.decoder import decode
from refdec.models_io import ModelSet, bundled_models
from refdec.picture import Picture
from tests.cli.commands import call
from tests.encoder.float_models import picture
from tests.encoder.test_sources import noise


def coded(models: ModelSet, source: Source, filters: PostFilters, **tools: Any) -> Coded:
    return Encoder(source, Machine(models), Tools(filters=filters, **tools)).code(2, -100)


def require_shown(result: Coded, models: ModelSet) -> Picture:
    """Golden and jit show what the encoder reconstructs."""
    believed = reconstruct(result, Machine(models))
    for engine in ("jit", "golden"):
        shown = decode(result.data, models, engine=engine)
        for a, b in zip(shown.planes, believed.planes, strict=True):
            np.testing.assert_array_equal(a, b)
    assert parse(result.data).tools == result.tools
    return believed


def test_lef_is_steered_by_the_largest_scale(float_models: ModelSet) -> None:
    source = make_source(picture(70, 90))
    result = coded(float_models, source, PostFilters("on"), rvs=(True, False), grfs=(True, False))
    log = result.beliefs[0].scales.log
    means = log.mean(axis=(1, 2))
    assert result.tools.LEF_enabled_flag and means[result.tools.LEF_chIdx] == means.max()
    sharpened = require_shown(result, float_models)
    plain = reconstruct(
        coded(float_models, source, PostFilters(), rvs=(True, False), grfs=(True, False)),
        Machine(float_models),
    )
    assert not np.array_equal(sharpened.planes[0], plain.planes[0])
    assert require_shown(coded(float_models, source, PostFilters(17)), float_models)
    assert coded(float_models, source, PostFilters(17)).tools.LEF_chIdx == 17
    log = np.zeros((4, 3, 3), np.int32)
    log[1, 0, 0] = log[2, 1, 1] = 9
    assert steering_channel(log) == 1


def test_lef_is_kept_where_it_lowers_the_error() -> None:
    """A blurred original wants none of it; an original that is what LEF shows wants it."""
    models = bundled_models()
    machine = Machine(models)
    source = make_source(picture(96, 96))
    plain = coded(models, source, PostFilters())
    softer = reconstruct(plain, machine).planes
    found = []
    for wanted in (softer, reconstruct(coded(models, source, PostFilters("on")), machine).planes):
        encoder = Encoder(make_source(np.stack(wanted, axis=-1)), machine, Tools(filters=PostFilters("auto")))
        # the latents of one picture, the error against another
        encoder._prepared[2] = plain.prepared
        found.append(encoder.code(2, -100).tools.LEF_enabled_flag)
    assert found == [0, 1]


FORMATS = [
    ("RGB", (1, 1), None, 8),
    ("YCbCr", (1, 1), "420", 10),
    ("YCbCr", (1, 2), None, 8),
    ("YCbCr", (2, 2), None, 10),
]


@pytest.mark.parametrize(("colour", "factors", "chroma", "depth"), FORMATS)
def test_efe_of_every_format(
    colour: Any, factors: Any, chroma: Any, depth: int, float_models: ModelSet
) -> None:
    """Random models make chroma that has little to do with the source: any filter pays."""
    source = make_source(noise(70, 90, depth, colour, factors), chroma)
    result = coded(float_models, source, PostFilters("on", efe_linear=True, efe_nonlinear=True))
    assert result.tools.EFE_linear_filter_enabled_flag and result.tools.LEF_enabled_flag
    shown = require_shown(result, float_models)
    machine = Machine(float_models)
    plain = reconstruct(coded(float_models, source, PostFilters()), machine)
    if colour == "YCbCr":
        errors = [chroma_error(item, source) for item in (shown, plain)]
        assert errors[0] < errors[1]
    assert original_planes(source)[1].shape == synthesised_size(result, machine)


def chroma_error(shown: Picture, source: Source) -> float:
    """Sum of squared differences; the source's planes are those of the coded size."""
    pairs = zip(shown.planes[1:], source.planes[1:], strict=True)
    return sum(float(((a.astype(np.float64) - b[: a.shape[0], : a.shape[1]]) ** 2).sum()) for a, b in pairs)


def synthesised_size(result: Coded, machine: Machine) -> tuple[int, ...]:
    planes = synthesised(result, machine, settings_of(machine))
    down, across = result.picture.source_subsampling
    return -(-planes[0].shape[0] // down), -(-planes[0].shape[1] // across)


def test_filters_come_after_the_rate_and_forced_elements_after_both(float_models: ModelSet) -> None:
    source = make_source(picture(70, 90))
    forced = Forced({"TON.LEF_chIdx": 5}, order=("reverse",))
    encoder = Encoder(source, Machine(float_models), Tools(filters=PostFilters("on"), forced=forced))
    with pytest.raises(ValueError, match="is not in this stream"):
        encoder.code(2, 0)
    forced = Forced({"TON.LEF_enabled_flag": 1, "TON.LEF_chIdx": 5}, order=("reverse",))
    encoder = Encoder(source, Machine(float_models), Tools(filters=PostFilters("on"), forced=forced))
    plain = len(Encoder(source, Machine(float_models)).code(2, 40).data)
    result, match = encoder.code_at_rate(8 * plain / (70 * 90), (2,))
    assert match.reached and result.tools.LEF_chIdx == 5
    assert parse(result.data).substreams[-1].marker.name == "TON"
    assert abs(len(result.data) / plain - 1) < 0.02
    require_shown(result, float_models)


def test_what_cannot_be_filtered(float_models: ModelSet) -> None:
    source = make_source(picture(70, 90))
    with pytest.raises(PostFilterError, match="need EFE linear too"):
        coded(float_models, source, PostFilters(efe_nonlinear=True, efe_masks=True))
    forced = Forced({"PIH.s_hor_minus1": 1, "PIH.c_ver_minus1": 0, "PIH.colour_transform_idx": 0})
    with pytest.raises(PostFilterError, match="forced away"):
        coded(float_models, source, PostFilters(efe_linear=True), forced=forced)


def test_on_the_command_line(
    tmp_path: Path, float_models: ModelSet, capsys: pytest.CaptureFixture[str]
) -> None:
    photo, out = tmp_path / "a.png", tmp_path / "a.jai"
    Image.fromarray(picture(70, 66)).save(photo)
    words = ("encode", photo, out, "--models", float_models.root, "--model", 1)
    done = call(app, capsys, *words, "--lef", "3", "--efe", "both", "--check")
    assert done.code == 0 and "decodes as expected" in done.out, done.err
    tools = parse(out.read_bytes()).tools
    assert tools.LEF_chIdx == 3 and tools.EFE_linear_filter_enabled_flag
    for wrong, message in (
        (("--lef", "160"), "a channel of 0..159"),
        (("--lef", "yes"), "off, on, auto"),
        (("--efe", "mask"), "off or linear or nonlinear"),
    ):
        done = call(app, capsys, *words, *wrong)
        assert done.code == 2 and message in done.err
