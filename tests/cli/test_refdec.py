"""``refdec``: results, exit codes, error lines."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from conformance.verify.suite import Suite
from refdec import __version__
from refdec.cli import app
from refdec.integer import load_model
from tests.cli.commands import call, command

Capture = pytest.CaptureFixture[str]


def test_version_and_help(capsys: Capture) -> None:
    done = call(app, capsys, "--version")
    assert (done.code, done.out.strip()) == (0, f"refdec {__version__}")
    done = call(app, capsys, "--help")
    assert done.code == 0 and all(word in done.out for word in ("info", "trace", "compare", "models"))


def test_help_starts_fast() -> None:
    """Nothing heavy is imported for it: neither NumPy nor Numba."""
    heavy = "('numpy', 'numba', 'torch', 'rich')"
    code = f"import sys; from refdec.cli import app; print([m for m in {heavy} if m in sys.modules])"
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
    assert time.perf_counter() - start < 5


def test_trace_and_compare_as_processes(streams: Path, models_folder: Path, suite: Suite) -> None:
    """The real commands, end to end: digests are the manifest's, and a changed engine changes nothing."""
    for engine in ("golden", "jit"):
        done = command(
            "refdec", "trace", streams / "plain-64x64.jai", "--models", models_folder,
            "-o", streams / f"{engine}.jsonl", "--values", streams / f"{engine}.npz", "--engine", engine,
        )  # fmt: skip
        assert done.code == 0, done.err
        assert "14 tensors" in done.out and done.err == ""
    lines = [json.loads(line) for line in (streams / "golden.jsonl").read_text().splitlines()]
    expected = next(v for v in suite.manifest["streams"] if v["name"] == "plain-64x64")["expect"]
    assert {f"{e['point']}.{e['component']}": e["sha256"] for e in lines[1:]} == expected
    assert set(lines[0]["models"]) == {"model0/entropy_Y.safetensors", "model0/entropy_UV.safetensors"}
    done = command("refdec", "compare", streams / "golden.jsonl", streams / "jit.jsonl")
    assert (done.code, done.out.strip()) == (0, "equal: 14 tensors")


def test_stdin_and_other_rounding(streams: Path, models_folder: Path) -> None:
    data = (streams / "displacement-range.jai").read_bytes()
    done = command(
        "refdec", "trace", "-", "--models", models_folder, "-o", streams / "t.jsonl", "--json", data=data
    )
    assert done.code == 0, done.err
    assert json.loads(done.out) == {"trace": str(streams / "t.jsonl"), "values": None, "tensors": 14}


def test_compare_names_the_element(streams: Path, models_folder: Path, capsys: Capture) -> None:
    """Progressive decoding against a full decode: the first difference is the first channel left out."""
    common = ("--models", models_folder, "--engine", "golden")
    stream = streams / "progressive-16.jai"
    call(app, capsys, "trace", stream, *common, "-o", streams / "a.jsonl", "--values", streams / "a.npz")
    call(
        app, capsys, "trace", stream, *common, "-o", streams / "b.jsonl", "--values", streams / "b.npz",
        "--channels", 15,
    )  # fmt: skip
    done = call(app, capsys, "compare", streams / "a.jsonl", streams / "b.jsonl", "--json")
    assert done.code == 1
    found = json.loads(done.out)["divergence"]
    assert (found["point"], found["component"], found["what"]) == ("residual", "Y", "value")
    with np.load(streams / "a.npz") as archive:
        residual = archive["residual.Y"]
    first = np.argwhere(residual[15:])[0] + (15, 0, 0)
    assert found["index"] == first.tolist() and found["found"] == 0
    assert found["expected"] == residual[tuple(first)]
    done = call(app, capsys, "compare", streams / "a.jsonl", streams / "b.jsonl")
    assert done.code == 1 and f"channel {first[0]}, row {first[1]}, column {first[2]}" in done.out


def test_info(streams: Path, capsys: Capture) -> None:
    done = call(app, capsys, "info", streams / "everything.jai", "--json")
    assert done.code == 0 and json.loads(done.out)
    text = call(app, capsys, "info", streams / "everything.jai")
    assert text.code == 0 and "img_width_minus64" in text.out and "SORP" in text.out


@pytest.mark.parametrize(
    ("name", "code", "word"),
    [
        ("bad-bit-flip-sorp.jai", 3, "corrupt-payload"),
        ("bad-cut-payload.jai", 3, "truncated"),
        ("bad-unassigned-marker.jai", 3, "syntax"),
        ("bad-level.jai", 3, "conformance"),
        ("bad-bit-depth-12.jai", 4, "unsupported"),
        ("bad-dimensions.jai", 5, "limit"),
        ("odd-65x79.jai", 2, "model1/entropy_Y.safetensors"),
        ("absent.jai", 2, "cannot read"),
    ],
)
def test_exit_codes_and_one_line(
    streams: Path, models_folder: Path, capsys: Capture, name: str, code: int, word: str
) -> None:
    words = (
        "trace",
        streams / name,
        "--models",
        models_folder,
        "-o",
        streams / "t.jsonl",
        "--engine",
        "golden",
    )
    done = call(app, capsys, *words)
    assert (done.code, done.out) == (code, "")
    assert word in done.err and done.err.count("\n") == 1 and "Traceback" not in done.err
    assert not (streams / "t.jsonl").exists(), "a failed trace leaves no file"
    done = call(app, capsys, *words, "--json")
    assert done.code == code and json.loads(done.err)["message"]


def test_json_errors_carry_the_place(streams: Path, capsys: Capture) -> None:
    done = call(app, capsys, "info", streams / "bad-cut-payload.jai", "--json")
    facts = json.loads(done.err)
    assert done.code == 3 and facts["error"] == "TruncatedStreamError"
    assert facts["bit_offset"] == 280 and facts["element"] == "SORP"


@pytest.mark.parametrize(
    "words",
    [
        ["info"],
        ["nonsense"],
        ["info", "x", "--dialect", "jpeg"],
        ["trace", "x"],
        ["trace", "x", "--models", ".", "-o", "t.jsonl", "--engine", "fast"],
        ["trace", "x", "--models", ".", "-o", "t.jsonl", "--quality-rounding", "up"],
        ["trace", "x", "--models", ".", "-o", "t.jsonl", "--threads", "0"],
        ["trace", "x", "--models", ".", "-o", "t.jsonl", "--values", "t.zip"],
        ["trace", "x", "--models", ".", "-o", "nowhere/t.jsonl"],
        ["trace", "x", "--models", ".", "-o", "t.npz", "--values", "t.npz"],
        ["trace", "x", "--models", "nowhere", "-o", "t.jsonl"],
        ["trace", "x", "--models", ".", "-o", "."],
        ["trace", "x", "--models", ".", "-o", "x"],
        ["decode", "x", "./x", "--format", "ppm"],
        ["compare", "deep", "deep"],
        ["compare", "a.jsonl", "b.jsonl"],
        ["models", "list", "nowhere"],
        ["models", "prove", "nowhere.safetensors"],
    ],
)
def test_usage_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").write_bytes(b"\xff\x80")
    (tmp_path / "deep").write_text("[" * 200_000)
    done = call(app, capsys, *words)
    assert done.code == 2 and done.err and "Traceback" not in done.err
    assert not any(path.suffix in (".jsonl", ".npz") for path in tmp_path.iterdir())


def test_no_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    done = call(app, capsys, "info", "-")
    assert done.code == 2 and "no standard input" in done.err


def test_a_full_disk_is_no_internal_error(
    streams: Path, models_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def full(*_arguments: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("refdec.atomic_file.os.open", full)
    output = streams / "t.jsonl"
    stream = str(streams / "plain-64x64.jai")
    done = call(app, capsys, "trace", stream, "--models", str(models_folder), "-o", str(output))
    assert done.code == 74 and os.strerror(errno.ENOSPC) in done.err and not output.exists()


def test_limits(streams: Path, models_folder: Path, capsys: Capture) -> None:
    stream = streams / "plain-64x64.jai"
    trace = ("trace", stream, "--models", models_folder, "-o", streams / "t.jsonl", "--engine", "golden")
    assert call(app, capsys, "info", stream, "--max-pixels", 4095).code == 5
    assert call(app, capsys, "info", stream, "--max-input", stream.stat().st_size - 1).code == 5
    assert call(app, capsys, *trace, "--max-memory", 1, "--max-pixels", 4096).code == 0
    big = streams / "regions-independent.jai"
    assert call(app, capsys, "trace", big, *trace[2:], "--max-memory", 1).code == 5


def test_models_list_check_prove(models_folder: Path, tmp_path: Path, capsys: Capture) -> None:
    rows = json.loads(call(app, capsys, "models", "list", models_folder, "--json").out)
    assert [(r["model"], r["component"]) for r in rows] == [(0, "Y"), (0, "UV"), (3, "Y"), (3, "UV")]
    done = call(app, capsys, "models", "check", models_folder, "--json")
    assert done.code == 0 and {row["verdict"] for row in json.loads(done.out)} == {"ok"}
    file = models_folder / "model0/entropy_UV.safetensors"
    proof = json.loads(call(app, capsys, "models", "prove", file, "--witness", "--json").out)
    assert [row["node"] for row in proof] == ["conv1", "depthwise", "pointwise"]
    assert all(row["reached_lo"] == row["acc_lo"] and row["reached_hi"] == row["acc_hi"] for row in proof)
    assert all(row["bound"] < 1 << 31 for row in proof)
    every = json.loads(call(app, capsys, "models", "prove", file, "--channels", "--json").out)
    assert len(every) == 96 + 96 + 16 * 96


def test_models_check_finds_damage(models_folder: Path, tmp_path: Path, capsys: Capture) -> None:
    target = tmp_path / "set/model0/entropy_UV.safetensors"
    target.parent.mkdir(parents=True)
    data = bytearray((models_folder / "model0/entropy_UV.safetensors").read_bytes())
    data[-1] ^= 1
    target.write_bytes(data)
    done = call(app, capsys, "models", "check", tmp_path / "set")
    assert done.code == 1 and "digest" in done.out
    assert call(app, capsys, "models", "check", tmp_path).code == 2
    assert load_model(models_folder / "model0/entropy_UV.safetensors").kind == "entropy_UV"


def test_internal_errors_are_one_line_with_code_70(
    streams: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    import refdec.codestream

    def broken(*_: object) -> None:
        raise RuntimeError("first\nsecond")

    monkeypatch.setattr(refdec.codestream, "parse", broken)
    monkeypatch.delenv("REFDEC_TRACEBACK", raising=False)
    done = call(app, capsys, "info", streams / "plain-64x64.jai")
    assert done.code == 70 and done.err.count("\n") == 1 and "RuntimeError: first second" in done.err


def test_a_reader_that_goes_away_is_no_crash(streams: Path) -> None:
    line = f"'{sys.executable}' -m refdec info '{streams / 'everything.jai'}' | head -n 1"
    done = subprocess.run(
        ["sh", "-c", line], capture_output=True, text=True, timeout=60, check=True, env=os.environ
    )
    assert done.stdout.startswith("JPEG AI") and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words, expected",
    [
        (["decode"], "Missing argument 'STREAM'"),
        (["decode", "a", "b", "--no-such"], "No such option: --no-such"),
        (["decode", "a", "b", "--threads", "many"], "--threads"),
        (["decode", "a", "b", "--threads", "0"], "--threads"),
        (["nothing"], "No such command 'nothing'"),
    ],
)
def test_wrong_words_are_one_line(capsys: Capture, words: list[str], expected: str) -> None:
    done = call(app, capsys, *words)
    assert (done.code, done.out) == (2, "")
    assert expected in done.err and done.err.count("\n") == 1 and "--help" in done.err
    facts = json.loads(call(app, capsys, *words, "--json").err)
    assert facts["code"] == "usage" and expected in facts["message"]


def test_a_program_without_words_shows_its_help(capsys: Capture) -> None:
    done = call(app, capsys)
    assert done.code in (0, 2)  # 0 with Click before 8.2
    assert "decode" in done.out + done.err


def test_options_of_a_decode_are_in_groups(capsys: Capture) -> None:
    page = call(app, capsys, "decode", "--help").out
    groups = [line for line in page.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert groups[0] == "Arguments:" and groups[-1] == "Other options:" and "Limits:" in groups
    assert page.index("Limits:") < page.index("--max-memory") < page.index("Other options:")
