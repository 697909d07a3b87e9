"""``refconf import`` on parts of the official set: what is made, and what is said about the rest."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from conformance.cli import app
from conformance.importer.checkpoint import read_checkpoint
from conformance.importer.folder import Options, Report, import_folder
from conformance.verify.suite import bundled_suite
from refdec.codestream import Dialect, PictureHeader, parse
from refdec.errors import ModelError
from refdec.models_io import open_models
from refdec.settings import Settings
from refdec.synthesis_stage import synthesis_models
from tests.cli.commands import call
from tests.networks import official as networks
from tests.stage import official

ENTROPY = Options(networks=False)


@pytest.fixture(scope="module")
def partial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Report]]:
    """One rate point with SOP and one half of BOP."""
    folder = networks.write(tmp_path_factory.mktemp("partial") / "in", ("sop", "bop"))
    (folder / "VM_bop/decoder_UV_0.012.pth").unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("conformance.networks.drawn.DISPLACEMENTS", (0,))
        patch.setattr("conformance.networks.drawn.BLOCKS", (1,))
        yield folder.parent / "out", import_folder(folder, folder.parent / "out")


def test_the_table_of_a_partial_set(partial: tuple[Path, Report]) -> None:
    summary = partial[1].summary
    assert [row["decodes"] for row in summary.rows] == ["nothing", "SOP", "nothing", "nothing"]
    assert summary.rows[1] == {
        "model": 1,
        "entropy": "Y UV",
        "latent": "Y UV",
        "sop": "Y UV",
        "bop": "Y",
        "hop": "-",
        "ranges": "drawn",
        "decodes": "SOP",
    }
    notes = "\n".join(summary.notes)
    assert "model 1: VM_bop/decoder_UV_0.012.pth missing; streams that offer BOP alone" in notes
    assert "VM_hop/decoder_Y_0.012.pth and VM_hop/decoder_UV_0.012.pth missing" in notes
    assert "model 0, 2, 3: no checkpoint at all" in notes
    assert "model 1: ranges come from drawn latents" in notes
    assert "eICCI: 0 of 20 networks made" in notes


def header(model_id: int, *points: int) -> PictureHeader:
    """A picture header with that model, offering those operating points."""
    entry = bundled_suite().manifest["streams"][0]
    data = bundled_suite().streams[entry["file"]]
    picture = parse(data, Dialect(entry["recipe"]["dialect"])).picture
    return replace(picture, model_id=model_id, synthesis_transform_id=points)


def test_a_stream_that_needs_what_is_missing_is_told_what(partial: tuple[Path, Report]) -> None:
    models = open_models(partial[0])
    synthesis_models(header(1, 0), models, Settings())
    with pytest.raises(
        ModelError, match=r"bop_UV.*is missing.*CHECKPOINTS/VM_bop/decoder_UV_0\.012\.pth"
    ) as found:
        synthesis_models(header(1, 1), models, Settings())
    assert "--operating-point" not in str(found.value)
    with pytest.raises(ModelError, match=r"bop_UV.*or decode with --operating-point sop"):
        synthesis_models(header(1, 1, 0), models, Settings())
    with pytest.raises(
        ModelError, match=r"model2/sop_Y.*model 2 \(the folder holds models 1\).*VM_sop/decoder_Y_0\.075"
    ):
        synthesis_models(header(2, 0), models, Settings())


def test_transforms_of_an_earlier_import_that_fit_no_more_are_named(
    partial: tuple[Path, Report], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Importing a file by itself replaces the latents that the others were made for."""
    monkeypatch.setattr("conformance.networks.drawn.DISPLACEMENTS", (500,))
    monkeypatch.setattr("conformance.networks.drawn.BLOCKS", (1,))
    report = import_folder(networks.write(tmp_path, ()), partial[0])
    assert len(report.written) == 4
    stale = [note for note in report.summary.notes if "fits no more" in note]
    assert len(stale) == 3 and "sop_Y" in stale[0] and "bop_Y" in stale[2]


def test_one_component_alone(tmp_path: Path) -> None:
    official.write(tmp_path / "in", component=1, beta="0.5")
    report = import_folder(tmp_path / "in", tmp_path / "out")
    assert report.summary.rows[3]["entropy"] == "UV" and report.summary.rows[3]["decodes"] == "nothing"
    assert any("VM_common_int/Y_0.5.pth missing" in note for note in report.summary.notes)


def test_common_files_without_networks(tmp_path: Path) -> None:
    for c in (0, 1):
        official.write(tmp_path / "in", component=c, beta="0.075")
    report = import_folder(tmp_path / "in", tmp_path / "out")
    assert report.summary.rows[2]["decodes"] == "symbols only"
    assert any("holds the entropy stage alone" in note for note in report.summary.notes)
    report = import_folder(tmp_path / "in", tmp_path / "out", ENTROPY)
    assert any("networks left out as asked" in note for note in report.summary.notes)


def test_what_has_no_official_name_is_left_out_aloud(tmp_path: Path) -> None:
    path = official.write(tmp_path / "in")
    (tmp_path / "in" / "VM_common").mkdir()
    path.with_name("Y_0.003.pth").write_bytes(b"")
    notes = "\n".join(import_folder(tmp_path / "in", tmp_path / "out", ENTROPY).summary.notes)
    assert "1 files have no official name and were left out: VM_common_int/Y_0.003.pth" in notes
    assert "float twins" in notes


def test_the_command_prints_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    official.write(tmp_path / "in")
    words = ("import", tmp_path / "in", "-o", tmp_path / "out", "--entropy-only")
    lines = call(app, capsys, *words).out.splitlines()
    assert lines[0].split() == ["model", "entropy", "latent", "sop", "bop", "hop", "ranges", "decodes"]
    assert lines[-1].startswith("1 model files made")
    facts = json.loads(call(app, capsys, *words, "--json").out)
    assert [row["entropy"] for row in facts["models"]] == ["Y", "-", "-", "-"] and facts["notes"]


def _refused(path: Path, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read_checkpoint(path, path.name)


def test_hostile_and_foreign_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "Y_0.002.pth"
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    _refused(path, "git lfs pull")
    # a view of one number that claims to be 4 TiB, and tensors that are no arrays
    state: dict[str, Any] = {"gain": torch.zeros(1).expand(1 << 40)}
    torch.save(state, path)
    _refused(path, "larger than any checkpoint")
    for odd in (torch.zeros(3, dtype=torch.bfloat16), torch.zeros(3, 3).to_sparse()):
        torch.save({"gain": odd}, path)
        _refused(path, "no plain tensor")
    # a ZIP that unpacks to far more than it holds
    monkeypatch.setattr("conformance.importer.checkpoint.MAX_BYTES", 1 << 22)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data/0", bytes((1 << 22) + 1))
    assert path.stat().st_size < 1 << 16
    _refused(path, "unpacks to")
