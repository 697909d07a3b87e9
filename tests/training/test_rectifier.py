"""The rectifier's two phases on made-up pictures, and its integer form."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from PIL import Image

from conformance.encoder.encode import Encoder, decodes_as_expected, reconstruct
from conformance.encoder.machine import Machine
from conformance.encoder.source import make_source
from conformance.networks import PrimarySOP, SecondarySOP
from conformance.networks.convert import Scheme, convert_rectifier
from conformance.networks.rectifier import Rectifier
from conformance.training import rectifier as training
from conformance.training.rectifier import Phase, Trainer, checkpoint_path, load_rectifier, phases
from conformance.training.rectifier_data import Example, examples, latent_unit, squares
from refdec.codestream import CHANNELS
from refdec.integer import run, save_model
from refdec.models_io import file_name, with_rectifiers
from refdec.networks.models import RECTIFIER
from tests.encoder.float_models import picture, write_models
from tools import measure_rectifier

MODEL = 1
PLAN = (Phase("soft", 0.012, (5e-3, 5e-3), True), Phase("predictive", 0.06, (5e-3, 1e-3), False))


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    return Machine(write_models(tmp_path_factory.mktemp("models"), 5))


def coded(machine: Machine, component: int) -> list[Example]:
    cuts = [cut for n in range(2) for cut in squares(picture(70, 90, seed=n), 64)]
    return examples(cuts, machine, MODEL, component, (-200, 200), rates=2, seed=3)


def trainer(machine: Machine, component: int, data: list[Example]) -> Trainer:
    torch.manual_seed(1)
    synthesis = PrimarySOP() if component == 0 else SecondarySOP()
    units = latent_unit(machine, MODEL, 0), latent_unit(machine, MODEL, 1)
    luma = Rectifier(CHANNELS[0]) if component else None
    return Trainer(component, synthesis, data, units, luma=luma)


def test_squares_cover_a_picture() -> None:
    rgb = np.arange(90 * 70 * 3, dtype=np.uint8).reshape(70, 90, 3)
    assert [cut.shape for cut in squares(rgb)] == [(64, 80, 3)]
    np.testing.assert_array_equal(squares(rgb)[0], rgb[:64, :80])
    wide = np.zeros((33, 100, 3), np.uint8)
    wide[0, ::1, 0] = np.arange(100)
    assert [int(cut[0, 0, 0]) for cut in squares(wide, 32)] == [0, 32, 64]


@pytest.mark.parametrize("component", [0, 1])
def test_examples_are_what_the_encoder_codes(machine: Machine, component: int) -> None:
    data = coded(machine, component)
    assert len(data) == 2 and all(len(e.rates) == 2 for e in data)
    unit = latent_unit(machine, MODEL, component).numpy()
    for example in data:
        assert example.planes(component).shape[1] == 1 + component
        for rate in example.rates:
            assert rate.y_hat.shape == example.y.shape and rate.luma.shape[0] == CHANNELS[0]
            assert rate.coded.mean() > 0.5
            error = np.abs(rate.y_hat * unit - example.y)
            # where a symbol is coded, it is off by half a step, a little more where it saves bits
            share = (error <= 0.8 * rate.step[:, None, None] + 4 * unit)[rate.coded].mean()
            assert share > 0.9


def test_it_starts_as_nothing_and_learns_in_both_phases(machine: Machine, tmp_path: Path) -> None:
    data = coded(machine, 0)
    work = trainer(machine, 0, data)
    y_hat = torch.from_numpy(data[0].rates[0].y_hat.astype(np.float32))[None] * latent_unit(machine, MODEL, 0)
    assert torch.equal(work.rectifier(y_hat), y_hat)
    frozen = {k: v.clone() for k, v in work.synthesis.state_dict().items()}
    before, facts = work.loss(0, 0, soft=False, compare=True)
    assert facts == {"samples": pytest.approx(0, abs=1e-6), "latent": pytest.approx(0, abs=1e-6)}
    lines: list[str] = []
    path = checkpoint_path(tmp_path, MODEL, 0)
    work.run(PLAN, path, lines.append)
    assert all(torch.equal(v, work.synthesis.state_dict()[k]) for k, v in frozen.items())
    after, facts = work.loss(0, 0, soft=False, compare=True)
    assert after.item() < before.item() and facts["samples"] > 0
    assert json.loads(lines[-1])["phase"] == "predictive"
    assert list(tmp_path.iterdir()) == [path]
    loaded = load_rectifier(path, CHANNELS[0])
    torch.testing.assert_close(loaded(y_hat), work.rectifier(y_hat))


def test_an_interrupted_run_goes_on(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", -1)
    data, path = coded(machine, 1), checkpoint_path(tmp_path, MODEL, 1)

    class Stop(Exception):
        pass

    work, steps = trainer(machine, 1, data), 0
    step = work.optimiser.step

    def interrupted() -> None:
        nonlocal steps
        if steps == 3:
            raise Stop
        steps += 1
        step()

    monkeypatch.setattr(work.optimiser, "step", interrupted)
    with pytest.raises(Stop):
        work.run(PLAN, path, [].append)
    assert not path.exists()
    again, lines = trainer(machine, 1, data), list[str]()
    again.run(PLAN, path, lines.append)
    whole = sum(phase.megapixels for phase in PLAN)
    pixels = data[0].rgb.shape[0] * data[0].rgb.shape[1] / 1e6
    assert json.loads(lines[-1])["steps"] == int(np.ceil(whole / pixels)) > 3
    assert path.exists()


def test_the_schedule_is_soft_then_predictive() -> None:
    soft, predictive = phases(2.0)
    assert soft.soft and not predictive.soft
    assert soft.megapixels == 2 * phases()[0].megapixels


def test_the_bundled_ones_win_and_a_measurement_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = pytest.importorskip("skimage.data")
    Image.fromarray(data.astronaut()[:192, 128:384]).save(tmp_path / "astronaut.png")
    words = ["--pictures", tmp_path, "--output", tmp_path / "rows.jsonl", "--deltas", 0, "--model-ids", 1]
    measure_rectifier.main([str(word) for word in words])
    (row,) = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert row["rectified"][0] > row["plain"][0] > 30
    assert 0.2 < row["bpp"] < 2
    measure_rectifier.main([str(word) for word in [*words, 2]])
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    assert rows[0] == row and [r["model"] for r in rows] == [1, 2]
    assert f"{row['rectified'][0] - row['plain'][0]:+.3f}" in capsys.readouterr().out


def test_integer_form(machine: Machine, tmp_path: Path) -> None:
    """Close to the float network, on the scale of the latent, and part of decoder and encoder alike."""
    for component in (0, 1):
        torch.manual_seed(component)
        channels = CHANNELS[component]
        network = Rectifier(channels)
        torch.nn.init.normal_(network.conv3.weight, 0, 0.1)
        network.set_scales(torch.linspace(1, 30, channels), torch.linspace(2, 0.5, channels))
        data = coded(machine, component)
        y_hat = [rate.y_hat for example in data for rate in example.rates]
        latent = machine.models.latent(MODEL, component)
        model = convert_rectifier(network, latent, y_hat, Scheme("w8a16"), {"source": "test"})
        path = tmp_path / file_name(MODEL, RECTIFIER, component)
        path.parent.mkdir(exist_ok=True)
        save_model(path, model)
        unit = latent_unit(machine, MODEL, component)
        real = torch.from_numpy(y_hat[0].astype(np.float32))[None] * unit
        with torch.no_grad():
            wanted = (network(real)[0] / unit).numpy()
        found = run(model.graphs[RECTIFIER], {"y_hat": y_hat[0]}, (64, 80))["y_hat_rectified"]
        assert np.abs(wanted - y_hat[0]).std() > 10
        inside = (np.abs(wanted) < 32000) & (latent.lo[:, None, None] < wanted)
        assert np.abs(found - wanted)[inside].mean() < 0.05 * np.abs(wanted - y_hat[0])[inside].mean() + 0.5
    better = Machine(with_rectifiers(machine.models, tmp_path))
    coded_picture = Encoder(make_source(picture(70, 90, seed=1)), better).code(MODEL, 0)
    shown = reconstruct(coded_picture, better)
    assert decodes_as_expected(coded_picture, shown, better, "floor")
    assert not decodes_as_expected(coded_picture, shown, machine, "floor")
