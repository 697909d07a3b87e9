"""``refconf``: import and verify, and that the verifier can fail."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from conformance.cli import app
from conformance.verify import verifier
from conformance.verify.generate import make_suite
from conformance.verify.suite import SuiteError, bundled_suite, open_suite
from conformance.verify.verifier import verify_suite
from refdec import entropy
from refdec.entropy import tables
from refdec.entropy.golden import residual
from tests.cli.commands import call, command
from tests.stage import official

Capture = pytest.CaptureFixture[str]
VECTORS = Path(str(files("conformance").joinpath("vectors")))


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A part of the bundled suite to tamper with."""
    folder = Path(shutil.copytree(VECTORS, tmp_path / "suite"))

    def cut(manifest: Any) -> None:
        manifest["streams"] = manifest["streams"][:5]
        manifest["malformed"] = manifest["malformed"][:7]

    edit(folder, cut)
    assert failures(folder) == set()
    return folder


def edit(folder: Path, change: Any) -> None:
    """Change the manifest of a suite."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def test_help_starts_fast() -> None:
    """No compiler and no network is imported for it."""
    code = "import sys; from conformance.cli import app; print({'numba', 'torch', 'rich'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "set()"


def test_verify_as_a_process_without_torch(tmp_path: Path) -> None:
    """The bundled vectors, both engines, in an environment in which torch cannot be imported."""
    (tmp_path / "torch.py").write_text("raise ImportError('no torch here')\n")
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = command("conformance", "verify", VECTORS, env=env)
    assert done.code == 0, done.out + done.err
    last = done.out.strip().splitlines()[-1]
    suite = bundled_suite()
    names = len(suite.manifest["streams"]) + len(suite.manifest["malformed"])
    names += sum(len(part) for part in suite.payloads.values()) + 2
    assert last.startswith(f"{names} vectors, {2 * names} checks, all passed")
    assert done.err == ""


def test_reports(tmp_path: Path, capsys: Capture) -> None:
    words = ("--engine", "golden", "--json", "--junit", tmp_path / "report.xml")
    done = call(app, capsys, "verify", VECTORS, *words)
    report = json.loads(done.out)
    assert done.code == 0 and report["ok"] and report["counts"]["pass"] == report["checks"]
    assert {v["decoder"] for v in report["verdicts"]} == {"golden"}
    cases = ElementTree.parse(tmp_path / "report.xml").getroot().findall(".//testcase")
    assert len(cases) == report["checks"] == len(report["verdicts"])


def test_the_suite_is_remade_byte_for_byte() -> None:
    made = make_suite(bundled_suite().manifest["seed"])
    bundled = {str(p.relative_to(VECTORS)): p.read_bytes() for p in VECTORS.rglob("*") if p.is_file()}
    assert sorted(made) == sorted(bundled)
    assert [name for name in made if made[name] != bundled[name]] == []


def test_the_suite_covers_what_it_should() -> None:
    recipes = [entry["recipe"] for entry in bundled_suite().manifest["streams"]]
    parts = [part for recipe in recipes for part in recipe["parts"]]
    assert {part["threads"] for part in parts} == {1, 2, 4, 8, 16}
    assert {recipe["threads_z"] for recipe in recipes} == {1, 2, 4, 8, 16}
    assert {recipe["model"] for recipe in recipes} == {0, 1, 2, 3}
    assert {recipe["quality"] for recipe in recipes} == {"none", "even", "odd", "steep"}
    assert {recipe["rounding"] for recipe in recipes} == {"floor", "truncate"}
    assert {recipe["dialect"] for recipe in recipes} == {"t840", "dis"}
    assert {recipe["independent"] for recipe in recipes if recipe["regions"] != [1, 1]} == {True, False}
    for tool in ("cubes", "rvs", "grfs", "lsbs"):
        assert {part[tool] for part in parts} == {True, False}
    errors = {entry["expect"]["error"] for entry in bundled_suite().manifest["malformed"]}
    assert errors == {
        "TruncatedStreamError",
        "CodestreamSyntaxError",
        "CorruptPayloadError",
        "ConformanceError",
        "UnsupportedFeatureError",
        "ResourceLimitError",
    }


def failures(folder: Path) -> set[tuple[str, str]]:
    """Group and name of what fails in a suite."""
    return {(v.group, v.name) for v in verify_suite(open_suite(folder), ("golden",)) if v.failed}


def test_a_tampered_digest_fails(copied: Path) -> None:
    def change(manifest: Any) -> None:
        manifest["streams"][4]["expect"]["residual.UV"] = "0" * 64
        manifest["malformed"][0]["expect"]["error"] = "ConformanceError"
        manifest["malformed"][3]["expect"]["bit_offset"] = 49
        manifest["models"]["sha256"]["model2/entropy_Y.safetensors"] = "0" * 64

    edit(copied, change)
    assert failures(copied) == {
        ("stream", "cube-flags"),
        ("malformed", "empty"),
        ("malformed", "cut-header"),
        ("models", "model-digests"),
    }


def test_a_missing_tensor_fails(copied: Path) -> None:
    edit(copied, lambda manifest: manifest["streams"][0]["expect"].pop("skip_mask.Y"))
    assert failures(copied) == {("stream", "plain-64x64")}


def test_a_good_stream_among_the_malformed_fails(copied: Path) -> None:
    def change(manifest: Any) -> None:
        entry = manifest["malformed"][5]
        entry["file"], entry["sha256"] = manifest["streams"][0]["file"], manifest["streams"][0]["sha256"]

    edit(copied, change)
    assert {group for group, _ in failures(copied)} == {"malformed"}


def test_a_tampered_payload_fails(copied: Path) -> None:
    payloads = json.loads((copied / "payloads.json").read_text())
    payloads["residual"][4]["values"][2] += 1
    payloads["z"][1]["payload"] = "ff" + payloads["z"][1]["payload"][2:]
    payloads["quality_map"][0]["map"][1][1] += 1
    (copied / "payloads.json").write_text(json.dumps(payloads))
    with pytest.raises(SuiteError, match=r"payloads\.json"):
        open_suite(copied)
    digest = hashlib.sha256((copied / "payloads.json").read_bytes()).hexdigest()
    edit(copied, lambda manifest: manifest.update(payloads_sha256=digest))
    assert failures(copied) == {
        ("payload", payloads["residual"][4]["name"]),
        ("payload", payloads["z"][1]["name"]),
        ("payload", payloads["quality_map"][0]["name"]),
    }


def test_a_tampered_stream_file_is_refused(copied: Path, capsys: Capture) -> None:
    path = copied / "streams/cube-flags.jai"
    path.write_bytes(path.read_bytes()[:-1])
    done = call(app, capsys, "verify", copied)
    assert done.code == 2 and "cube-flags.jai" in done.err and done.err.count("\n") == 1


@pytest.fixture
def tampered_table(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two states of one distribution exchanged in the decoding table."""
    good = tables.coder_tables()
    decode = np.array(good.decode)
    decode[9, [40, 200]] = decode[9, [200, 40]]
    bad = replace(good, decode=decode)
    monkeypatch.setattr(verifier, "coder_tables", lambda: bad)
    monkeypatch.setattr(residual, "coder_tables", lambda: bad)
    residual.decode_rows.cache_clear()
    yield
    residual.decode_rows.cache_clear()


@pytest.mark.usefixtures("tampered_table")
def test_a_tampered_table_fails(capsys: Capture) -> None:
    """The published digest does not match, nor do streams."""
    done = call(app, capsys, "verify", VECTORS, "--engine", "golden", "--json")
    assert done.code == 1
    verdicts = json.loads(done.out)["verdicts"]
    failed = {(v["group"], v["name"]) for v in verdicts if v["status"] != "pass"}
    assert ("tables", "coder-tables") in failed
    assert len([name for group, name in failed if group == "stream"]) > 5


def test_a_wrong_engine_fails(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """``>=`` instead of ``>`` at the skip threshold: a mistake of one element in some thousands."""
    engine = entropy.engine("golden")
    right = engine.skip_mask
    monkeypatch.setattr(engine, "skip_mask", lambda log, flags: right(log + 1, flags), raising=False)
    done = call(app, capsys, "verify", VECTORS, "--engine", "golden")
    assert done.code == 1 and "\tmismatch\t" in done.out and "skip_mask.Y" in done.out
    assert "FAILED" in done.out.splitlines()[-1]


@pytest.mark.parametrize(
    "words",
    [["--engine", "fast"], ["nowhere"], ["--junit", "nowhere/report.xml"]],
    ids=["engine", "suite", "junit"],
)
def test_usage_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    done = call(app, capsys, "verify", *words)
    assert done.code == 2 and done.err and "Traceback" not in done.err


def test_import_command(tmp_path: Path, capsys: Capture) -> None:
    official.write(tmp_path / "in", component=1, beta="0.5")
    done = call(app, capsys, "import", tmp_path / "in", "-o", tmp_path / "out", "--json")
    report = json.loads(done.out)
    assert done.code == 0 and [row["file"] for row in report["written"]] == ["model3/entropy_UV.safetensors"]
    assert "VM_common_int/Y_0.002.pth" in report["absent"]
    text = call(app, capsys, "import", tmp_path / "in", "-o", tmp_path / "again")
    assert text.code == 0 and "1 model files made" in text.out and "Y_0.5.pth missing" in text.out
    for words in (["--scheme", "w1a1"], []):
        target = tmp_path / ("out" if words else "out/model3/entropy_UV.safetensors")
        assert call(app, capsys, "import", tmp_path / "in", "-o", target, *words).code == 2
    assert call(app, capsys, "import", tmp_path / "empty", "-o", tmp_path / "out").code == 2


def test_help_and_messages_without_docstrings() -> None:
    """Under ``python -OO`` every command still says what it does; what needs docstrings says so."""
    code = (
        "import sys, typer, conformance.cli, conformance.fuzz.__main__ as fuzz, refdec.cli\n"
        "def walk(name, command):\n"
        "    if not (command.help and command.get_short_help_str()): raise ValueError(name)\n"
        "    for key, inner in getattr(command, 'commands', {}).items():\n"
        "        walk(f'{name} {key}', inner)\n"
        "for app in (refdec.cli.app, conformance.cli.app, fuzz.app):\n"
        "    walk('', typer.main.get_command(app))\n"
        "from refdec.command import run\n"
        "sys.exit(run(conformance.cli.app, ['generate', '-o', 'suite', '--list']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-OO", "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1) and "docstrings" in done.stderr
