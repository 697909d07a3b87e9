"""The standard's analysis transforms as the encoder's networks, and streams of every operating point."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
import torch

from conformance.encoder import analysis
from conformance.encoder.analysis import FloatEncoder, analysis_tiles, load_float_encoder
from conformance.encoder.encode import Encoder, decodes_as_expected, reconstruct
from conformance.encoder.machine import Machine
from conformance.encoder.options import Tools
from conformance.encoder.source import make_source
from conformance.importer.analysis import import_analysis
from conformance.importer.checkpoint import Checkpoint, read_checkpoint
from conformance.networks import ANALYSIS, Analysis, HyperEncoder
from conformance.networks.hyper import quantise_z
from conformance.networks.synthetic import fill_synthetic
from refdec.codestream import CHANNELS
from refdec.codestream.geometry import Rect, hyper_size, latent_size
from refdec.errors import ModelError
from refdec.integer import save_model
from refdec.models_io import COMPONENT_NAMES, ModelSet, file_name, open_models
from tests.decode.small_models import synthesis
from tests.encoder.float_models import picture
from tests.encoder.test_float_encoder import require_equal
from tests.networks import official

MODEL = official.MODEL_ID


def filled(point: str, component: int) -> Analysis:
    """Synthetic weights, with latents as large as a trained network's."""
    network = fill_synthetic(ANALYSIS[point, component]())
    with torch.no_grad():
        network.conv5.weight *= 100
    return network


@pytest.fixture(scope="module")
def official_models(float_models: ModelSet, tmp_path_factory: pytest.TempPathFactory) -> ModelSet:
    """Small integer models of three operating points, and the analysis transforms of a checkpoint folder."""
    assert float_models.root is not None
    root = tmp_path_factory.mktemp("official")
    checkpoints = root / "checkpoints"
    for c, part in enumerate(COMPONENT_NAMES):
        common = official.common(c, encoder=True)
        official.save(checkpoints, f"VM_common_int/{part}_{official.BETA}.pth", common)
        for point in ("bop", "hop"):
            network = filled(point, c)
            name = f"VM_{point}/encoder_{part}_{official.BETA}.pth"
            official.save(checkpoints, name, {**network.state_dict(), "epoch": 1})
    models = root / "models"
    shutil.copytree(float_models.root / f"model{MODEL}", models / f"model{MODEL}")
    (models / f"model{MODEL}" / "encoder.safetensors").unlink()

    def read(name: str) -> Checkpoint | None:
        return read_checkpoint(checkpoints / name, name) if (checkpoints / name).is_file() else None

    written = list(import_analysis(read, MODEL, official.BETA, models))
    assert [target for target, _, _ in written] == [
        f"model{MODEL}/encoder.safetensors", f"model{MODEL}/encoder_hop.safetensors",
    ]  # fmt: skip
    assert not list(import_analysis(read, 0, "0.002", models))
    for c in (0, 1):
        save_model(models / file_name(MODEL, "hop", c), synthesis(77 + c, c, "hop"))
    return open_models(models)


@pytest.mark.parametrize(
    ("points", "profile"),
    [(("sop",), 0), (("bop", "sop"), 1), (("hop", "bop", "sop"), 2), (("sop", "hop"), 0)],
)
def test_every_operating_point_is_coded_and_decoded(
    points: tuple[str, ...], profile: int, official_models: ModelSet
) -> None:
    machine = Machine(official_models)
    coded = Encoder(make_source(picture(70, 90)), machine, Tools(transforms=points)).code(MODEL, -300)
    ids = {"sop": 0, "bop": 1, "hop": 2}
    assert coded.picture.synthesis_transform_id == tuple(ids[point] for point in points)
    assert coded.picture.decoder_profile_id == profile
    assert coded.beliefs[0].residual.any() and coded.beliefs[1].residual.any()
    require_equal(coded, official_models, "golden" if len(points) == 1 else "jit")
    shown = [reconstruct(coded, machine, point) for point in points]
    for point, expected in zip(points, shown, strict=True):
        assert decodes_as_expected(coded, expected, machine, "floor", point)
    planes = [tuple(plane.tobytes() for plane in item.planes) for item in shown]
    assert len(set(planes)) == len(points)


def test_the_default_operating_point_chooses_the_analysis(official_models: ModelSet) -> None:
    for point, attentive in (("sop", False), ("bop", False), ("hop", True)):
        found = load_float_encoder(official_models, MODEL, point=point).networks
        assert [network.TAM is not None for network, _ in found] == [attentive] * 2
        for c, (network, hyper) in enumerate(found):
            assert isinstance(hyper, HyperEncoder)
            expected = filled("hop" if attentive else "bop", c).state_dict()
            for name, value in network.state_dict().items():
                torch.testing.assert_close(value, expected[name], rtol=0, atol=0)
    assert official_models.root is not None
    (official_models.root / f"model{MODEL}" / "encoder_hop.safetensors").rename(official_models.root / "away")
    try:
        assert load_float_encoder(official_models, MODEL, point="hop").networks[0][0].TAM is None
    finally:
        (official_models.root / "away").rename(
            official_models.root / f"model{MODEL}" / "encoder_hop.safetensors"
        )
    with pytest.raises(ModelError, match="no encoder weights for model 0"):
        load_float_encoder(official_models, 0, point="hop")


def test_tiles_give_the_latent_of_the_whole_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """BOP sees less than half an overlap, so that its latent does not depend on tiles; its z does."""
    pairs = [
        (fill_synthetic(ANALYSIS["bop", c]()), fill_synthetic(HyperEncoder(CHANNELS[c]))) for c in (0, 1)
    ]
    networks, source = FloatEncoder(pairs), make_source(picture(150, 203))
    whole = networks.analyse(source)
    monkeypatch.setattr(analysis, "TILE", 128)
    monkeypatch.setattr(analysis, "TILED_FROM", 128 * 128)
    tiles = analysis_tiles(source.size)
    columns = ((0, 128), (64, 128), (128, 75))
    assert tiles == [Rect(y, x, h, w) for y, h in ((0, 128), (64, 86)) for x, w in columns]
    tiled = networks.analyse(source)
    for c in (0, 1):
        assert tiled.y[c].shape == (CHANNELS[c], *latent_size(150, 203))
        assert tiled.z_hat[c].shape == (CHANNELS[c], *hyper_size(150, 203))
        np.testing.assert_allclose(tiled.y[c], whole.y[c], atol=2e-4 * np.abs(whole.y[c]).max())
        last = tiles[-1]
        part = pairs[c][0](_planes(source, c, last))
        z = quantise_z(pairs[c][1](part))[0].detach().numpy()
        np.testing.assert_array_equal(tiled.z_hat[c][:, 1:, 2:], z)


def _planes(source: analysis.Source, c: int, tile: Rect) -> torch.Tensor:
    rows = (tile.y, tile.y + tile.h)
    if c == 0:
        return source.luma(*rows)[..., tile.x :]
    return source.chroma_planes(*rows)[..., tile.x // 2 :]


def test_large_pictures_are_analysed_as_the_reference_encoder_does() -> None:
    assert analysis_tiles((1024, 1024)) == [Rect(0, 0, 1024, 1024)]
    assert analysis_tiles((1400, 2096)) == [
        Rect(0, 0, 1024, 1024), Rect(0, 960, 1024, 1024), Rect(0, 1920, 1024, 176),
        Rect(960, 0, 440, 1024), Rect(960, 960, 440, 1024), Rect(960, 1920, 440, 176),
    ]  # fmt: skip
    assert analysis_tiles((300, 4000))[1] == Rect(0, 960, 300, 1024)


def test_import_writes_the_encoders_weights(tmp_path: Path) -> None:
    from conformance.importer.folder import Options, import_folder

    folder = official.write(tmp_path / "in", (), encoder=True)
    report = import_folder(folder, tmp_path / "alone", Options(networks=False))
    assert not any("encoder" in target for target, _, _ in report.written)
    sources = {name: read_checkpoint(folder / name, name) for name in (
        f"VM_common_int/Y_{official.BETA}.pth", f"VM_common_int/UV_{official.BETA}.pth",
        f"VM_bop/encoder_Y_{official.BETA}.pth", f"VM_bop/encoder_UV_{official.BETA}.pth",
    )}  # fmt: skip
    written = list(import_analysis(sources.get, MODEL, official.BETA, tmp_path / "out"))
    assert written == [(f"model{MODEL}/encoder.safetensors", f"VM_bop/encoder_Y_{official.BETA}.pth",
                        sources[f"VM_bop/encoder_Y_{official.BETA}.pth"].sha256)]  # fmt: skip
    first = (tmp_path / "out" / written[0][0]).read_bytes()
    list(import_analysis(sources.get, MODEL, official.BETA, tmp_path / "again"))
    assert (tmp_path / "again" / written[0][0]).read_bytes() == first
    broken = sources[f"VM_bop/encoder_Y_{official.BETA}.pth"]
    tensors = {k: v for k, v in broken.tensors.items() if k != "conv4.weight"}
    sources[broken.name] = Checkpoint(broken.name, broken.sha256, tensors)
    with pytest.raises(ModelError, match=r"no tensor 'conv4.weight'"):
        list(import_analysis(sources.get, MODEL, official.BETA, tmp_path / "out"))
