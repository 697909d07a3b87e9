"""The whole schedule with one batch a stage, and the export of what it leaves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from PIL import Image

from conformance.encoder.encode import Encoder, decodes_as_expected, reconstruct
from conformance.encoder.machine import Machine
from conformance.encoder.source import make_source
from conformance.training import schedule
from conformance.training.codec import ComponentCodec
from conformance.training.pictures import Patches
from conformance.training.schedule import DELTA_LIMITS, Stage, checkpoint_path, run_stage, stages
from refdec.models_io import open_models
from tests.encoder.float_models import picture
from tools import export_lite

PATCH = 176


def run(stage: Stage, folder: Path, log: list[str] | None = None, seed: int = 1) -> ComponentCodec:
    """One stage on made-up pictures."""
    patches = Patches([picture(200, 220, seed=n) for n in range(2)], PATCH, 1)
    run_stage(stage, patches, folder, seed=seed, log=[].append if log is None else log.append)
    codec = ComponentCodec(stage.component)
    path = checkpoint_path(folder, stage.model, stage.component)
    codec.load_state_dict(torch.load(path, weights_only=True)["codec"])
    return codec


def test_the_schedule_covers_every_model_and_ends_with_the_whole_range() -> None:
    plan = stages()
    last = {(s.model, s.component): s for s in plan}
    assert len(last) == 8
    trained: set[tuple[int, int]] = set()
    for stage in plan:
        assert stage.source is None or (stage.source, stage.component) in trained
        assert stage.component == 0 or (stage.model, 0) in trained
        trained.add((stage.model, stage.component))
    assert all(s.delta == DELTA_LIMITS and s.decoder_only for s in last.values())
    assert any(s.similarity > 0 and not s.decoder_only for s in plan)


def test_decoder_only_leaves_the_encoder_alone(tmp_path: Path) -> None:
    before = run(Stage("start", 1, 0, None, 0.04, 1.0, (-440, 440)), tmp_path).state_dict()
    after = run(Stage("wide", 1, 0, 1, 0.04, 1.0, DELTA_LIMITS, 50.0, True), tmp_path).state_dict()
    changed = {name.split(".")[0] for name, value in after.items() if not torch.equal(value, before[name])}
    assert {"synthesis", "hyper_decoder", "hyper_scale_decoder", "context", "gain_log"} <= changed
    assert not changed & {"analysis", "hyper_encoder"}


def test_an_interrupted_stage_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage("start", 0, 0, None, 0.1, 1.0, (-440, 440))
    monkeypatch.setattr(schedule, "CHECKPOINT_SECONDS", 0)

    class Stop(Exception):
        pass

    saved: list[float] = []
    keep = schedule.save

    def stop_after_two(what: dict[str, object], path: Path) -> None:
        keep(what, path)
        saved.append(float(what["seen"]))  # type: ignore[arg-type]
        if len(saved) == 2:
            raise Stop

    monkeypatch.setattr(schedule, "save", stop_after_two)
    with pytest.raises(Stop):
        run(stage, tmp_path)
    seen: list[float] = []

    def note(what: dict[str, object], path: Path) -> None:
        keep(what, path)
        seen.append(float(what.get("seen", 0)))  # type: ignore[arg-type]

    monkeypatch.setattr(schedule, "save", note)
    run(stage, tmp_path)
    step = PATCH * PATCH / 1e6
    assert saved == pytest.approx([step, 2 * step])
    assert seen[0] == pytest.approx(3 * step) and seen[-1] == 0
    assert not (tmp_path / "stage.pt").exists()


@pytest.mark.slow
def test_all_stages_then_an_exported_set_that_codes(tmp_path: Path) -> None:
    photos, checkpoints = tmp_path / "photos", tmp_path / "checkpoints"
    photos.mkdir()
    checkpoints.mkdir()
    for number in range(2):
        Image.fromarray(picture(256, 320, seed=number)).save(photos / f"{number}.png")
    for number, stage in enumerate(stages(1e-6)):
        run(stage, checkpoints, seed=number)
    decoder, encoder = tmp_path / "set", tmp_path / "set"
    words = ["--checkpoints", checkpoints, "--pictures", photos, "--decoder", decoder, "--encoder", encoder]
    export_lite.main([*map(str, words), "--model-ids", "1", "2"])
    models = open_models(decoder)
    assert not (decoder / "model0").exists()
    machine = Machine(models)
    rgb = picture(96, 80, seed=9)
    for model_id in (1, 2):
        coded = Encoder(make_source(rgb), machine).code(model_id, 0)
        shown = reconstruct(coded, machine)
        assert decodes_as_expected(coded, shown, machine, "floor")
        error = np.abs(shown.planes[0].astype(int)[:96, :80] - np.asarray(rgb)[..., 0].astype(int))
        # the DCT start already codes pictures
        assert error.mean() < 25
