"""Official networks to integer models: what comes out, how close it is, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from conformance.encoder.source import PictureFileError
from conformance.importer.folder import Options, import_folder
from conformance.importer.given_pictures import given_picture
from conformance.networks import SYNTHESIS, ContextModel, HyperDecoder, convert, part
from conformance.networks.calibration import Coded, float_latents
from conformance.networks.convert import sum_of, with_full_signal
from conformance.networks.drawn import WIDEST, cut_to_pictures, draw
from conformance.networks.pictures import generated_pictures
from conformance.networks.synthetic import fill_synthetic
from conformance.quantize.options import Format
from conformance.quantize.options import Options as Policy
from refdec.codestream.geometry import Rect, SynthesisTile
from refdec.errors import ModelError
from refdec.integer import Graph, run
from refdec.models_io import ModelSet, open_models
from refdec.networks import (
    decode_latent,
    hyper_decoder,
    latent_model,
    synthesis_model,
    synthesise,
    to_bytes,
)
from tests.networks import official


@pytest.fixture(scope="module", autouse=True)
def few_pictures() -> Iterator[None]:
    """One drawn picture and one rate in place of six: enough here, and much faster."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("conformance.networks.calibration.DISPLACEMENTS", (0,))
        patch.setattr("conformance.networks.drawn.BLOCKS", (1,))
        patch.setattr("conformance.importer.networks.DISPLACEMENTS", (0,))
        yield


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> ModelSet:
    """A rate point with SOP, calibrated on drawn latents because the folder has no encoder."""
    folder = tmp_path_factory.mktemp("drawn")
    report = import_folder(official.write(folder / "in"), folder / "out", Options())
    assert len(report.written) == 6
    return open_models(folder / "out")


def test_all_files_of_a_rate_point(drawn: ModelSet) -> None:
    found = {(kind, component) for _, kind, component, _ in drawn.files()}
    assert found == {(kind, c) for kind in ("entropy", "latent", "sop") for c in (0, 1)}
    luma = drawn.load(official.MODEL_ID, "latent", 0)
    assert sorted(luma.graphs) == [
        "hyper_decoder",
        *(f"{kind}.{s}" for kind in ("mcm", "sum") for s in range(4)),
    ]
    assert luma.provenance["calibrated_on"] == "drawn"
    assert luma.provenance["scheme"] == "w16a16"
    assert luma.provenance["source"] == "VM_common_int/Y_0.012.pth"
    assert luma.provenance["quality"]["hyper_decoder"]["saturated"] == 0


@torch.no_grad()
def test_integer_networks_follow_the_float_ones(drawn: ModelSet) -> None:
    models = [latent_model(drawn.load(official.MODEL_ID, "latent", c), c) for c in (0, 1)]
    entropy = (drawn.entropy(official.MODEL_ID, 0), drawn.entropy(official.MODEL_ID, 1))
    hyper = tuple(
        _filled(HyperDecoder(160 if c == 0 else 96), official.common(c), "hyper_decoder") for c in (0, 1)
    )
    context = _filled(ContextModel(), official.common(0), "context")
    networks = [fill_synthetic(SYNTHESIS["sop", c]()) for c in (0, 1)]
    # a picture that calibration has not seen, cut to odd sizes
    whole = cut_to_pictures(next(draw(entropy, seed=1)), hyper, context, networks)
    size = (203, 311)
    coded = replace(
        whole,
        size=size,
        residual=(whole.residual[0][:, :13], whole.residual[1][:, :13]),
    )
    reference = float_latents(hyper, context, coded)
    latents = []
    for c, model in enumerate(models):
        psi = hyper_decoder(model, coded.z_hat[c], size)
        fraction = np.array(model.hyper_decoder.node("psi").fraction)
        assert _snr(reference.psi[c], psi, fraction) > 40
        latents.append(decode_latent(model, psi, coded.residual[c]))
        assert _snr(reference.y_hat[c], latents[c], model.fraction) > 60
    area = Rect(0, 0, *size)
    tile = SynthesisTile(area, Rect(0, 0, 13, 20), area)
    for c in (0, 1):
        model = synthesis_model(drawn.load(official.MODEL_ID, "sop", c), c, models[: c + 1])
        planes = synthesise(model, latents[: c + 1], [tile])
        samples = networks[c](torch.cat(reference.y_hat[: c + 1], dim=1), size)
        expected = samples[0].numpy()
        assert planes.shape == expected.shape
        difference = np.abs(to_bytes(planes).astype(int) - np.rint(expected).astype(int))
        # these weights fill their range evenly: 32-bit sums leave them 8 bits in the first layer
        assert np.abs(planes / 256 - expected).mean() < 0.25
        assert (difference > 0).mean() < 0.25 and (difference > 1).mean() < 0.003


@torch.no_grad()
def test_drawn_residuals_make_samples_of_pictures(drawn: ModelSet) -> None:
    """Spread no wider than a picture's samples can be; what is not too wide stays as it is."""
    entropy = (drawn.entropy(official.MODEL_ID, 0), drawn.entropy(official.MODEL_ID, 1))
    hyper = tuple(
        _filled(HyperDecoder(160 if c == 0 else 96), official.common(c), "hyper_decoder") for c in (0, 1)
    )
    context = _filled(ContextModel(), official.common(0), "context")
    synthesis = [fill_synthetic(SYNTHESIS["sop", c]()) for c in (0, 1)]

    def spread(coded: Coded, c: int) -> float:
        latents = float_latents(hyper, context, coded)
        signal = synthesis[c].signal(torch.cat(latents.y_hat[: c + 1], dim=1), coded.size)
        return float(signal.square().mean().sqrt())

    wild = next(draw(entropy, seed=2))
    wild = replace(wild, residual=(wild.residual[0] * 64, wild.residual[1] * 64))
    cut = cut_to_pictures(wild, hyper, context, synthesis)
    for c in (0, 1):
        assert spread(wild, c) > 2 * WIDEST
        assert WIDEST / 2 < spread(cut, c) <= WIDEST
        largest = np.abs(cut.residual[c]).max()
        small = np.abs(wild.residual[c]) < largest
        assert np.array_equal(cut.residual[c][small], wild.residual[c][small]) and small.any()
    again = cut_to_pictures(cut, hyper, context, synthesis)
    assert all(np.array_equal(a, b) for a, b in zip(again.residual, cut.residual, strict=True))
    # without a chroma transform nothing is known about chroma
    luma = cut_to_pictures(wild, hyper, context, synthesis[:1])
    assert np.array_equal(luma.residual[0], cut.residual[0])
    assert np.array_equal(luma.residual[1], wild.residual[1])


def _filled(network: torch.nn.Module, state: dict[str, torch.Tensor], prefix: str) -> torch.nn.Module:
    network.load_state_dict(part(state, prefix))
    return network


def _snr(real: torch.Tensor, found: np.ndarray, fraction: np.ndarray) -> float:
    expected = real[0].double().numpy()
    error = found / np.exp2(np.broadcast_to(fraction, len(found)))[:, None, None] - expected
    return float(10 * np.log10((expected**2).sum() / (error**2).sum()))


def test_import_of_networks_is_deterministic(drawn: ModelSet, tmp_path: Path) -> None:
    import_folder(official.write(tmp_path / "in"), tmp_path / "out", Options())
    for name in ("latent_Y", "latent_UV", "sop_UV"):
        file = f"model1/{name}.safetensors"
        assert drawn.root is not None
        assert (tmp_path / "out" / file).read_bytes() == (drawn.root / file).read_bytes()


def test_pictures_are_generated_where_there_is_an_encoder(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("conformance.networks.pictures.GENERATED_SIZE", (64, 96))
    folder = official.write(tmp_path / "in", (), encoder=True)
    import_folder(folder, tmp_path / "out", Options())
    model = open_models(tmp_path / "out").load(official.MODEL_ID, "latent", 1)
    assert model.provenance["calibrated_on"] == "generated"
    assert model.provenance["calibration"] == [[64, 96]] * 4
    # the same with a file in place of them, and at its own size
    path = tmp_path / "picture.png"
    Image.fromarray(generated_pictures(3)[0][:50, :33]).save(path)
    import_folder(folder, tmp_path / "other", Options(calibrate=(path,)))
    model = open_models(tmp_path / "other").load(official.MODEL_ID, "latent", 1)
    assert (model.provenance["calibrated_on"], model.provenance["calibration"]) == ("files", [[50, 33]])


def test_generated_pictures_are_pictures() -> None:
    pictures = generated_pictures()
    assert all(p.shape == (256, 320, 3) and p.dtype == np.uint8 for p in pictures)
    assert all(np.array_equal(a, b) for a, b in zip(pictures, generated_pictures(), strict=True))
    assert {int(pictures[-1].min()), int(pictures[-1].max())} == {0, 255}
    assert all(p.std() > 20 for p in pictures)


def test_the_entropy_stage_can_be_imported_alone(tmp_path: Path) -> None:
    folder = official.write(tmp_path / "in", ())
    report = import_folder(folder, tmp_path / "out", Options(networks=False))
    assert [target for target, _, _ in report.written] == [
        "model1/entropy_Y.safetensors",
        "model1/entropy_UV.safetensors",
    ]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"hyper_decoder.conv3.bias": None}, "has no tensor 'hyper_decoder.conv3.bias'"),
        ({"hyper_decoder.conv4.weight": torch.zeros(640, 160, 1, 1)}, r"expected float32\[640, 160, 3, 3\]"),
        ({"context.MCM.2.conv.0.weight": torch.full((160, 320, 1, 1), torch.nan)}, "are no numbers"),
        ({"hyper_decoder.conv1.weight": torch.zeros(160, 160, 1, 1, dtype=torch.int8)}, "int8"),
    ],
)
def test_broken_networks_are_refused(tmp_path: Path, change, message) -> None:
    folder = official.write(tmp_path / "in", ())
    state = {**official.common(0), **change}
    kept = {name: value for name, value in state.items() if value is not None}
    official.save(folder, "VM_common_int/Y_0.012.pth", kept)
    with pytest.raises(ModelError, match=message):
        import_folder(folder, tmp_path / "out")


def test_unusable_calibration_files_are_refused(tmp_path: Path) -> None:
    folder = official.write(tmp_path / "in", ())
    picture = tmp_path / "picture.png"
    Image.new("RGB", (64, 64)).save(picture)
    with pytest.raises(ModelError, match="no analysis transform"):
        import_folder(folder, tmp_path / "out", Options(calibrate=(picture,)))
    junk = tmp_path / "junk.bits"
    junk.write_bytes(b"no codestream")
    with pytest.raises(ModelError, match=r"junk\.bits cannot be used"):
        import_folder(folder, tmp_path / "out", Options(calibrate=(junk,)))
    picture.write_bytes(b"no picture")
    with pytest.raises(PictureFileError, match=r"picture\.png: cannot read the picture"):
        given_picture(picture)


def test_sum_aligns_to_the_finer_scale_and_rounds_once() -> None:
    from conformance.networks.calibration import LatentFormat

    latent = LatentFormat(np.array([9, 9, 6], np.int32), np.array([32767, 1000, 32767], np.int32))
    mean = Format(np.array([11, 7, 6], np.int32), np.full(3, -32767, np.int32), np.full(3, 32767, np.int32))
    inputs = {
        "mu": np.array([[[6, 5, -6]], [[40, 300, -300]], [[1, 32767, -32767]]], np.int16),
        "residual": np.array([[[3, 0, 0]], [[-7, 0, 0]], [[-2, 1, -1]]], np.int16),
    }
    out = run(sum_of(mean, latent), inputs, (16, 48), engine="golden")["y_hat"]
    # 6/4 + 3 = 4.5 -> 5; 5/4 -> 1; -6/4 -> -1; 40*4 - 7; clipped to the latent's limit; same scale
    assert out.tolist() == [[[5, 1, -1]], [[153, 1000, -1000]], [[-1, 32767, -32767]]]


def test_the_last_layer_reaches_all_samples(drawn: ModelSet) -> None:
    graph = drawn.load(official.MODEL_ID, "sop", 0).graphs["synthesis"]
    lo, hi = graph.clip_range("limit")
    assert set(lo.tolist()) == {-32640} and set(hi.tolist()) == {32640}
    narrow = Graph(
        graph.inputs,
        tuple(replace(n, lo=-5, hi=7) if n.name == "limit" else n for n in graph.nodes),
        graph.outputs,
    )
    wide, _ = with_full_signal(narrow).clip_range("limit")
    assert set(wide.tolist()) == {-32640}


@pytest.mark.parametrize("second, chosen", [(60.9, 0), (61.1, 1)])
def test_a_later_policy_must_be_clearly_better(monkeypatch, second: float, chosen: int) -> None:
    policies = (Policy(headroom=2.0), Policy(headroom=3.0))
    quality = dict(zip(policies, (60.0, second), strict=True))

    def compile_graph(_graph, _samples, name, *, formats, options):
        assert name == "w16a16" and formats == {}
        last = SimpleNamespace(op="conv", snr=quality[options])
        moved = SimpleNamespace(op="crop", snr=0.0)
        return options, SimpleNamespace(layers=[last, moved])

    monkeypatch.setattr(convert, "compile_graph", compile_graph)
    found, _ = convert._compile(None, [], convert.Scheme("w16a16", policies), {})
    assert found is policies[chosen]


@pytest.mark.slow
def test_a_full_set_of_68_files(tmp_path: Path) -> None:
    folder = official.write_full(tmp_path / "in")
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*.pth")}
    assert len(names) == 68
    report = import_folder(folder, tmp_path / "out", Options())
    # An analysis transform is one file of both components, told by the checkpoint of luma.
    made = {name for _, name, _ in report.written}
    assert made == {name for name in names if "encoder_UV" not in name} and not report.absent
    assert len(report.summary.rows) == 4
    assert all(set(str(row["decodes"]).split(", ")) == {"SOP", "BOP", "HOP"} for row in report.summary.rows)
