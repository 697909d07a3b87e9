"""The float encoder in a closed loop: what it believes is what the decoder gets, whatever the tools."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("torch")

from conformance.encoder.analysis import STRIP, FloatEncoder, load_float_encoder
from conformance.encoder.closed_loop import Coded, Prepared, code, mean_fraction
from conformance.encoder.encode import Encoder, reconstruct
from conformance.encoder.machine import Machine, machine
from conformance.encoder.options import Tools, with_displacement
from conformance.encoder.quantise import MOST_MOVED, linear_gain
from conformance.encoder.source import make_source
from conformance.networks.calibration import LatentFormat
from conformance.networks.convert import sum_of
from conformance.quantize.options import Format
from refdec.codestream import CHANNELS, Dialect, parse
from refdec.codestream.geometry import hyper_size, latent_size
from refdec.decoder import decode_picture
from refdec.errors import ModelError
from refdec.models_io import ModelSet, open_models
from refdec.networks import decode_latent
from refdec.picture import Picture
from refdec.settings import Settings
from refdec.trace import digest
from tests.encoder.float_models import picture, write_weights

Traced = dict[tuple[str, str, int | None], npt.NDArray[Any]]


def decode_traced(coded: Coded, models: ModelSet, engine: str, **settings: Any) -> tuple[Picture, Traced]:
    """The decoder's picture and every tensor that it shows."""
    seen: Traced = {}

    def observe(point: str, component: str, region: int | None, tensor: npt.NDArray[Any]) -> None:
        seen[point, component, region] = tensor.copy()

    stream = parse(coded.data, coded.picture.dialect)
    return decode_picture(stream, models, Settings(engine, **settings), observer=observe), seen


def require_equal(coded: Coded, models: ModelSet, engine: str = "jit", **settings: Any) -> None:
    """The encoder's tensors and picture have the digests of the decoder's."""
    shown, seen = decode_traced(coded, models, engine, **settings)
    count = 0
    for point, component, tensor in coded.tensors():
        found = seen[point, component, None]
        assert digest(found, "int32") == digest(tensor, "int32"), (point, component)
        count += 1
    means = 4 if coded.picture.num_regions == 1 else 0
    assert count == 2 * (9 + (coded.quality_map is not None)) + means
    expected = reconstruct(coded, Machine(models, engine))
    assert expected.names == shown.names
    for ours, theirs in zip(expected.planes, shown.planes, strict=True):
        np.testing.assert_array_equal(ours, theirs)


CASES: dict[str, tuple[tuple[int, int], dict[str, Any]]] = {
    "plain": ((96, 128), {}),
    "odd": ((81, 115), {"chroma": "420"}),
    "small": ((9, 70), {}),
    "one-pixel": ((1, 1), {"chroma": "420"}),
    "scaling": ((100, 77), {"rvs": (True, True), "grfs": (True, True), "lsbs": (True, True)}),
    "threads": ((130, 64), {"threads_z": 2, "threads_r": 16, "threads_q": 4, "map": True}),
    "few-channels": ((64, 96), {"num_chs": (37, 0), "grfs": (True, False), "map": True}),
    "regions": ((300, 530), {"regions": (2, 2), "tiling": (256, 64)}),
    "independent": ((390, 513), {"regions": (2, 2), "independent": True, "rvs": (True, False), "map": True}),
    "overlapping": ((64, 1100), {"regions": (1, 2), "tiling": (256, 32), "lsbs": (True, False)}),
    "straddling": ((300, 100), {"regions": (2, 1), "independent": True}),
    "draft": ((70, 70), {"dialect": Dialect.DIS, "transforms": ("bop", "sop"), "cube_flags": False}),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("delta", [-1069, 60])
def test_what_is_believed_is_what_is_decoded(name: str, delta: int, float_models: ModelSet) -> None:
    size, options = CASES[name]
    options = dict(options)
    source = make_source(picture(*size), options.pop("chroma", "444"))
    quality_map = None
    if options.pop("map", False):
        rows, columns = latent_size(*source.size)
        quality_map = ((np.arange(rows)[:, None] * 3 + np.arange(columns)) % 17 - 8).astype(np.int8)
    encoder = Encoder(source, Machine(float_models), Tools(**options), quality_map)
    coded = encoder.code(len(name) % 4, delta, delta // 2)
    header = coded.picture
    assert (header.display_height, header.display_width) == size
    assert header.beta_displacement_log == (delta, delta // 2)
    assert coded.beliefs[0].residual.any()
    require_equal(coded, float_models)


@pytest.mark.parametrize("engine", ["golden", "twin"])
def test_engines_make_the_same_stream(engine: str, float_models: ModelSet) -> None:
    source = make_source(picture(70, 90))
    with machine(float_models, engine) as computing:
        coded = Encoder(source, computing).code(1, -300)
    assert coded.data == Encoder(source, Machine(float_models)).code(1, -300).data
    require_equal(coded, float_models, "golden")


def test_cube_flags_hold_down_the_error_phase_by_phase(float_models: ModelSet) -> None:
    source = make_source(picture(200, 300))
    worst = {}
    for cubes in (False, True):
        encoder = Encoder(source, Machine(float_models), Tools(cube_flags=cubes))
        coded = encoder.code(0, -1069)
        assert bool(coded.picture.components[0].use_cube_flags) == cubes
        error = latent_error(coded, float_models, 0)
        worst[cubes] = np.abs(error).max()
        if cubes:
            require_equal(coded, float_models)
            flags = coded.picture.components[0].cube_flags
            assert flags is not None
            spread = flags.repeat(8, axis=1).repeat(8, axis=2)
            for p in range(4):
                part = np.abs(error[:, p >> 1 :: 2, p & 1 :: 2])
                kept = spread[p, : part.shape[1], : part.shape[2]] == 1
                assert part.max(axis=0)[kept].max(initial=0) <= 3.5
    assert worst[True] < worst[False]


def predicted(encoder: Encoder) -> tuple[Prepared, list[npt.NDArray[np.float32]]]:
    """A picture under model 0, and latents that leave nothing to code."""
    prepared, y = encoder.prepared(0), []
    for component in (0, 1):
        model = encoder.machine.models.latent(0, component)
        nothing = np.zeros(prepared.latents.y[component].shape, np.int32)
        mean = decode_latent(model, prepared.psi[component], nothing)
        y.append((mean * np.exp2(-model.fraction.astype(np.float32))[:, None, None]).astype(np.float32))
    return prepared, y


def test_a_cube_in_two_independent_regions_is_coded_in_both(float_models: ModelSet) -> None:
    """An error in the second region flags a cube; a small one in the first region is then coded too."""
    encoder = Encoder(
        make_source(picture(300, 64)), Machine(float_models), Tools(regions=(2, 1), independent=True)
    )
    prepared, y = predicted(encoder)
    header = with_displacement(prepared.picture, -1069, -1069)
    skipped = encoder.code(0, -1069).beliefs[1].scales.log_skip <= 382
    gain = linear_gain(float_models.entropy(0, 1).gain_log - 1069)
    small, large = (6, 2), (10, 2)
    channels = np.flatnonzero(skipped[:, small[0], small[1]] & skipped[:, large[0], large[1]])
    channel = int(channels[gain[channels].argmax()])
    assert 2.9 * gain[channel] > 0.5
    y[1][channel, small[0], small[1]] += 2.9
    for error in (0, 10):
        y[1][channel, large[0], large[1]] += error
        changed = replace(prepared, latents=replace(prepared.latents, y=(y[0], y[1])))
        coded = code(changed, header, Tools().tool_header(), encoder.machine)
        assert bool(coded.picture.components[1].use_cube_flags) == (error > 0)
        assert bool(coded.beliefs[1].residual[channel, small[0], small[1]]) == (error > 0)
        require_equal(coded, float_models)


@pytest.mark.parametrize(
    ("c", "at"), [(1, (0, 0)), (1, (3, 18)), (1, (16, 1)), (1, (5, 5)), (0, (3, 0)), (0, (17, 16))]
)
def test_one_large_error_flags_its_cube_alone(c: int, at: tuple[int, int], float_models: ModelSet) -> None:
    """A latent that is its own prediction but for one position, which would not be coded."""
    computing = Machine(float_models)
    encoder = Encoder(make_source(picture(300, 320)), computing)
    prepared, y = predicted(encoder)
    header = with_displacement(prepared.picture, -1069, -1069)
    mask = encoder.code(0, -1069).beliefs[c].scales.log_skip > 382
    channel = int(np.flatnonzero(~mask[:, at[0], at[1]])[0])
    y[c][channel, at[0], at[1]] += 10
    changed = replace(prepared, latents=replace(prepared.latents, y=(y[0], y[1])))
    coded = code(changed, header, Tools().tool_header(), computing)
    assert not coded.picture.components[1 - c].use_cube_flags
    flags = coded.picture.components[c].cube_flags
    assert flags is not None
    expected = (2 * (at[0] & 1) + (at[1] & 1), (at[0] >> 1) >> 3, (at[1] >> 1) >> 3)
    assert list(zip(*np.nonzero(flags == 0), strict=True)) == [expected]
    assert coded.beliefs[c].residual[channel, at[0], at[1]] > 0
    require_equal(coded, float_models)


def latent_error(coded: Coded, models: ModelSet, c: int) -> npt.NDArray[np.float64]:
    """Latent as decoded less latent as analysed."""
    fraction = models.latent(coded.picture.model_id, c).fraction
    decoded = coded.beliefs[c].y_hat * np.exp2(-fraction.astype(np.float64))[:, None, None]
    return np.asarray(decoded - coded.prepared.latents.y[c])


@pytest.mark.parametrize(("weight", "reach"), [(0.0, 0.5), (0.1, 0.5 + MOST_MOVED)])
def test_coded_positions_are_within_half_a_step(weight: float, reach: float, float_models: ModelSet) -> None:
    """The prediction is taken off on the right scale: what is coded comes back to within half a step, or a
    little more where a cheaper symbol was chosen."""
    tools = Tools(rate_weight=weight)
    coded = Encoder(make_source(picture(128, 160)), Machine(float_models), tools).code(2, 300)
    for c, belief in enumerate(coded.beliefs):
        gain_log = float_models.entropy(2, c).gain_log
        step = 1 / linear_gain(gain_log + 300)[:, None, None]
        fine = np.exp2(-float_models.latent(2, c).fraction.astype(np.float64))[:, None, None]
        error = np.abs(latent_error(coded, float_models, c))
        assert (error <= step * reach + 2 * fine)[belief.scales.mask].all()
        assert belief.scales.mask.mean() > 0.1


def test_the_scale_of_a_mean_follows_from_the_shifts_of_the_sum(float_models: ModelSet) -> None:
    latent = float_models.latent(0, 1)
    assert all((bits == latent.fraction).all() for bits in mean_fraction(latent))
    fractions = [np.arange(CHANNELS[1]) * k % 13 for k in (1, 5, 7, 11)]
    wide = np.full(CHANNELS[1], 3000)
    kept = LatentFormat(latent.fraction, wide)
    sums = tuple(sum_of(Format(bits, -wide, wide), kept) for bits in fractions)
    for found, expected in zip(mean_fraction(replace(latent, sums=sums)), fractions, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_strips_change_nothing(float_models: ModelSet) -> None:
    """Analysis in strips is the analysis of the whole picture, at every strip's border too."""
    height = 16 * (2 * STRIP + 3) - 5
    networks = load_float_encoder(float_models, 0)
    for chroma in ("444", "420"):
        source = make_source(picture(height, 71), chroma)  # type: ignore[arg-type]
        latents = networks.analyse(source)
        for c, (analysis, _) in enumerate(networks.networks):
            planes = source.luma(0, height) if c == 0 else source.chroma_planes(0, height)
            whole = analysis(planes).detach().numpy()[0]
            assert latents.y[c].shape == (CHANNELS[c], *latent_size(height, 71))
            assert latents.z_hat[c].shape == (CHANNELS[c], *hyper_size(height, 71))
            np.testing.assert_allclose(latents.y[c], whole, atol=1e-3 * np.abs(whole).max())


def test_half_chroma_fills_the_four_phases_alike() -> None:
    planes = make_source(picture(65, 67), "420").chroma_planes(0, 65)
    assert planes.shape == (1, 12, 33, 34)
    for first in (4, 8):
        for phase in range(1, 4):
            np.testing.assert_array_equal(planes[0, first + phase], planes[0, first])
    full = make_source(picture(65, 67)).chroma_planes(0, 65)
    np.testing.assert_array_equal(full[:, :4], planes[:, :4])
    assert not np.array_equal(full[0, 4], full[0, 5])


def test_small_pictures_are_repeated_at_the_edges() -> None:
    rgb = picture(5, 80)
    source = make_source(rgb)
    assert source.size == (64, 80) and source.shown == (5, 80) and source.pixels == 400
    for k, plane in enumerate(source.planes):
        assert (plane[5:] == rgb[4, :, k]).all()


def test_missing_or_wrong_weights_are_named(tmp_path: Path) -> None:
    (tmp_path / "model0").mkdir()
    models = open_models(tmp_path)
    with pytest.raises(ModelError, match=r"no encoder weights for model 0: expected them in .*model0"):
        load_float_encoder(models, 0)
    path = tmp_path / "model0" / "encoder.safetensors"
    path.write_bytes(b"no tensors")
    with pytest.raises(ModelError, match="cannot read the encoder's weights"):
        load_float_encoder(models, 0)
    from safetensors.torch import load_file, save_file

    write_weights(path, 1)
    tensors = load_file(path)
    save_file({k: v for k, v in tensors.items() if k != "UV.hyper_encoder.conv2.bias"}, path)
    with pytest.raises(ModelError, match=r"'UV.hyper_encoder.conv2.bias' is absent"):
        load_float_encoder(models, 0)
    write_weights(path, 1)
    assert isinstance(load_float_encoder(models, 0), FloatEncoder)
