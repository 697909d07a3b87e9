"""The integer decoder against the reference's float decoder: psi, latents and samples of whole streams.

Calibrated on three streams and measured on others, or not calibrated on any stream. The bounds are aims of
the project, with room over what is measured.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from conformance.importer.folder import Options, import_folder
from refdec.codestream import Dialect
from refdec.decoder import decode
from refdec.models_io import ModelSet, open_models
from tests.shared_vectors import REFERENCE, requires_shared
from tests.stage.reference_streams import BETAS, stream, stream_names, tensors

pytestmark = requires_shared
CALIBRATION = {
    0: ("o06_bop_m0_bm300_uv400", "o14_sop_m0_lsbs", "o33_sop_m0_64x64"),
    1: ("o02_sop_m1_bm300", "o34_bop_m1_65x79", "o16_sop_m1_qmap"),
    2: ("o12_sop_m2_grfs", "o15_bop_m2_rvs_grfs_lsbs", "o03_sop_m2_b0"),
    3: ("o13_bop_m3_rvs_grfs", "o35_sop_m3_129x97_rvs_grfs_lsbs", "o04_sop_m3_b400"),
}
MEASURED = (
    "o01_sop_m0_bm1069",
    "o05_sop_m0_b702",
    "o17_bop_m0_qmap_thr4_rvs_lsbs",
    "o44_sop_m0_reg_dep_3x1_hd0_mcm0",
)


def write_checkpoints(folder: Path, model_id: int) -> None:
    """All checkpoints of a rate point under their official names."""
    for path in (REFERENCE / "weights").glob(f"model{model_id}_*.npz"):
        kind, *_, component = path.stem.split("_")[1:]
        place = "VM_common_int/" if kind == "common" else f"VM_{kind}/decoder_"
        target = folder / f"{place}{component}_{BETAS[model_id]}.pth"
        target.parent.mkdir(parents=True, exist_ok=True)
        torch.save({name: torch.from_numpy(value) for name, value in tensors(path).items()}, target)


def make_models(folder: Path, model_id: int, calibrate: bool = True) -> ModelSet:
    write_checkpoints(folder / "in", model_id)
    names = CALIBRATION[model_id] if calibrate else ()
    files = tuple(REFERENCE / "codec" / f"{name}.bits" for name in names)
    import_folder(folder / "in", folder / "out", Options(calibrate=files))
    return open_models(folder / "out")


@pytest.fixture(scope="module", params=[True, False], ids=["calibrated", "drawn"])
def models(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> ModelSet:
    return make_models(tmp_path_factory.mktemp("distance"), 0, request.param)


def measure(name: str, models: ModelSet) -> dict[str, tuple[float, float]]:
    """Per plane: share of 8-bit samples that differ, and that differ by more than one step."""
    points: dict[tuple[str, str, int | None], npt.NDArray[Any]] = {}

    def observe(point: str, component: str, region: int | None, tensor: npt.NDArray[Any]) -> None:
        points[point, component, region] = tensor

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        decode(
            stream(name),
            models,
            dialect=Dialect.DIS,
            ignore_post_filters=True,
            observer=observe,
        )
    model_id = int(re.findall(r"_m(\d)", name)[0])
    out = {}
    with np.load(REFERENCE / "codec" / f"{name}.npz") as dump:
        for c, part in enumerate(("Y", "UV")):
            fraction = models.load(model_id, "latent", c).constants["latent_fraction"][:, None, None]
            scaled = f"{part}.y_hat" in dump.files
            expected = dump[f"{part}.y_hat" if scaled else f"{part}.y_hat_before_lsbs"][0]
            found = points["y_hat_scaled" if scaled else "y_hat", part, None]
            error = found / np.exp2(fraction) - expected
            assert np.square(error).mean() < 1e-5 * np.square(expected).mean()
            assert np.abs(error).max() < 0.05
            psi = f"{part}.psi"
            if psi in dump.files:
                graph = models.load(model_id, "latent", c).graphs["hyper_decoder"]
                unit = np.exp2(np.broadcast_to(np.array(graph.node("psi").fraction), len(dump[psi][0])))
                error = points["psi", part, None] / unit[:, None, None] - dump[psi][0]
                assert np.abs(error).max() < 4e-3
        for plane, key, index in (("Y", "synth_Y", 0), ("U", "synth_UV", 0), ("V", "synth_UV", 1)):
            if key in dump.files:
                expected = dump[key][0][index]
                rows, columns = expected.shape
                found = (points["plane", plane, None][:rows, :columns].astype(int) + 128) >> 8
                difference = np.abs(found - np.rint(expected).astype(int))
                out[plane] = ((difference > 0).mean(), (difference > 1).mean())
    return out


def within_aims(shares: dict[str, tuple[float, float]]) -> bool:
    return all(any_step < 0.08 and more < 1e-4 for any_step, more in shares.values())


@pytest.mark.parametrize("name", MEASURED)
def test_samples_are_close_to_the_float_decoder(models: ModelSet, name: str) -> None:
    shares = measure(name, models)
    assert len(shares) == 3
    assert within_aims(shares), shares


@pytest.mark.slow
@pytest.mark.parametrize("calibrate", [True, False], ids=["calibrated", "drawn"])
@pytest.mark.parametrize("model_id", [0, 1, 2, 3])
def test_every_stream_is_close_to_the_float_decoder(tmp_path: Path, model_id: int, calibrate: bool) -> None:
    models = make_models(tmp_path, model_id, calibrate)
    names = [name for name in stream_names() if f"_m{model_id}" in name]
    assert len(names) >= 7
    for name in names:
        shares = measure(name, models)
        assert within_aims(shares), (name, shares)
