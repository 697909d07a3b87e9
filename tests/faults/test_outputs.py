"""Output files: full disks, folders and files that may not be written, devices; nothing partial is left."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conformance.verify.outcome import Outcome
from conformance.verify.report import write_junit
from refdec.atomic_file import NAME_BYTES, PARTIAL, atomic_file, descriptor_of
from refdec.integer import save_model
from refdec.models_io import ModelSet
from refdec.trace import TraceWriter
from tests.faults.conftest import SMALLEST, Refdec, files_of_at_most, leftovers, linux_only, nobody


def one_line(capsys: Any) -> str:
    text: str = capsys.readouterr().err
    assert text.count("\n") == 1 and "Traceback" not in text and "internal" not in text
    return text


@pytest.mark.parametrize("name", ["out.png", "out.ppm", "out.npy"])
@pytest.mark.parametrize("there", [False, True])
def test_a_disk_that_fills_up_while_a_picture_is_written(
    name: str, there: bool, plain: Path, refdec: Refdec, made_up: None, models_folder: Path, capsys: Any
) -> None:
    output = plain.with_name(name)
    if there:
        output.write_bytes(b"an older picture")
    before = leftovers(plain.parent)
    with files_of_at_most(5000):
        assert refdec("decode", plain, output, "--models", models_folder) == 74
    assert os.strerror(errno.EFBIG) in one_line(capsys)
    assert leftovers(plain.parent) == before
    assert not there or output.read_bytes() == b"an older picture"
    assert refdec("decode", plain, output, "--models", models_folder) == 0 and output.stat().st_size > 5000


@pytest.mark.parametrize("limit", [0, 2000, 6000, 20000])
@pytest.mark.parametrize("with_values", [False, True])
def test_a_disk_that_fills_up_while_a_trace_is_written(
    limit: int, with_values: bool, plain: Path, refdec: Refdec, models_folder: Path, capsys: Any
) -> None:
    values = ["--values", plain.with_name("t.npz")] if with_values else []
    words = ("trace", plain, "-o", plain.with_name("t.jsonl"), *values, "--models", models_folder)
    with files_of_at_most(limit):
        code = refdec(*words, "--until", "entropy", "--engine", "golden")
    assert code == 74 or (limit >= 6000 and not with_values and code == 0)
    if code:
        one_line(capsys)
        assert leftovers(plain.parent) == ["in.jai"]


def test_a_trace_and_its_values_appear_together_or_not_at_all(tmp_path: Path) -> None:
    """The last bytes of either are written before the first file takes its name."""
    noise = np.random.default_rng(1).integers(-(1 << 31), 1 << 31, 6000, np.int32)
    for limit in (100, 3000, 16000):
        with (
            files_of_at_most(limit),
            pytest.raises(OSError, match="large"),
            TraceWriter(tmp_path / "t.jsonl", {"fill": "x" * 2000}, tmp_path / "t.npz") as writer,
        ):
            writer("residual", "Y", None, noise[: limit // 5])
            writer("residual", "UV", None, noise)
        assert leftovers(tmp_path) == []


def test_an_error_in_the_middle_of_an_archive_is_the_error_that_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(np.lib.format, "write_array", full)
    with (
        pytest.raises(OSError, match="No space") as seen,
        TraceWriter(tmp_path / "t.jsonl", {}, tmp_path / "t.npz") as writer,
    ):
        writer("residual", "Y", None, np.zeros(8, np.int32))
    assert seen.value.errno == errno.ENOSPC and leftovers(tmp_path) == []


def test_model_files_and_reports(models: ModelSet, tmp_path: Path) -> None:
    model = models.load(0, "sop", 0)
    outcomes = [Outcome(f"stream-{k}", "must-decode", "jit", "error", "x" * 100) for k in range(100)]
    writers: dict[str, Callable[[Path], Any]] = {
        "sop_Y.safetensors": lambda path: save_model(path, model),
        "report.xml": lambda path: write_junit(path, outcomes),
    }
    for name, write in writers.items():
        with files_of_at_most(3000), pytest.raises(OSError, match="large"):
            write(tmp_path / name)
        assert leftovers(tmp_path) == []
        write(tmp_path / name)
        assert leftovers(tmp_path) == [name]
        (tmp_path / name).unlink()


@linux_only
def test_devices_and_stdout_that_are_full(plain: Path, refdec: Refdec, made_up: None, models_folder: Path,
                                          capfd: Any) -> None:  # fmt: skip
    models = ("--models", models_folder)
    assert refdec("decode", plain, "/dev/full", "--format", "ppm", *models) == 74
    assert "No space left" in one_line(capfd)
    assert Path("/dev/full").is_char_device()
    for words in (f"decode {SMALLEST} -", f"info {SMALLEST}", f"trace {SMALLEST} -o /dev/stdout"):
        line = [sys.executable, "-m", "refdec", *words.split()]
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(line, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == 74 and done.stderr.count("\n") == 1 and "No space left" in done.stderr


@linux_only
def test_stdout_by_its_other_names(plain: Path, refdec: Refdec, made_up: None, models_folder: Path,
                                   capfdbinary: Any, tmp_path: Path) -> None:  # fmt: skip
    models = ("--models", models_folder)
    found = []
    for name in ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"):
        assert refdec("decode", plain, name, *models) == 0
        found.append(capfdbinary.readouterr().out)
    assert found[0].startswith(b"P6\n64 64\n255\n") and set(found) == {found[0]}
    for name in ("-", "/dev/stdout"):
        assert refdec("trace", plain, "-o", name, *models, "--until", "entropy", "--engine", "golden") == 0
        lines = capfdbinary.readouterr().out.splitlines()
        assert lines[0].startswith(b'{"refdec_trace"') and lines[-1].startswith(b'{"point"')
    with (tmp_path / "log").open("ab") as log:
        log.write(b"first\n")
        log.flush()
        assert descriptor_of(Path(f"/dev/fd/{log.fileno()}")) == log.fileno()
        with atomic_file(Path(f"/dev/fd/{log.fileno()}")) as file:
            file.write(b"second\n")
    assert (tmp_path / "log").read_bytes() == b"first\nsecond\n"


@linux_only
def test_a_pipe_is_written_to(plain: Path, refdec: Refdec, made_up: None, models_folder: Path) -> None:
    pipe = plain.with_name("out.ppm")
    os.mkfifo(pipe)
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()))
    reader.start()
    assert refdec("decode", plain, pipe, "--models", models_folder) == 0
    reader.join(30)
    assert found[0].startswith(b"P6") and pipe.is_fifo()


def test_places_that_cannot_be_written_are_refused_before_anything_is_decoded(
    common: Path, plain_stream: bytes, refdec: Refdec, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr("refdec.decode_command.decode_picture", None)
    plain = common / "in.jai"
    plain.write_bytes(plain_stream)
    (common / "file").write_bytes(b"")
    (common / "link").symlink_to(common / "link")
    (common / "away").symlink_to(common / "absent" / "out.png")
    kept = common / "kept.png"
    kept.write_bytes(b"mine")
    kept.chmod(0o444)
    cases = {
        "file/out.png": "file is no folder",
        "absent/out.png": "absent is no folder",
        "link": "",
        "away": "absent is no folder",
        ".": "is a folder",
        "in.jai": "is the input",
    }
    for name, text in cases.items():
        assert refdec("decode", plain, common / name) == 2
        assert text in one_line(capsys)
    assert refdec("trace", plain, "-o", common / "absent" / "a.jsonl") == 2
    capsys.readouterr()
    common.chmod(0o777)
    with nobody():
        if not os.access(kept, os.W_OK):
            assert refdec("decode", plain, kept) == 2
            assert "kept.png may not be written" in one_line(capsys)
    common.chmod(0o555)
    with nobody():
        if not os.access(common, os.W_OK):
            for words in (("decode", plain, common / "a.png"), ("trace", plain, "-o", common / "a.jsonl")):
                assert refdec(*words) == 2
                assert f"the folder {common} may not be written" in one_line(capsys)
    assert kept.read_bytes() == b"mine"


def test_a_hard_link_to_the_input_is_the_input(plain: Path, refdec: Refdec, capsys: Any) -> None:
    other = plain.with_name("other.png")
    os.link(plain, other)
    assert refdec("decode", plain, other) == 2 and "is the input" in one_line(capsys)


def test_two_outputs_are_two_files(plain: Path, refdec: Refdec, capsys: Any) -> None:
    (plain.parent / "link.npz").symlink_to(plain.parent / "t.npz")
    words = ("trace", plain, "-o", plain.with_name("t.npz"), "--values", plain.with_name("link.npz"))
    assert refdec(*words) == 2 and "name the same file" in one_line(capsys)


def test_permissions_links_and_long_names(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.write_bytes(b"")
    private.chmod(0o600)
    (tmp_path / "link").symlink_to(private)
    with atomic_file(tmp_path / "link") as file:
        file.write(b"new")
    assert (tmp_path / "link").is_symlink() and private.read_bytes() == b"new"
    assert private.stat().st_mode & 0o777 == 0o600
    before = os.umask(0o027)
    try:
        with atomic_file(tmp_path / ("ä" * (NAME_BYTES // 2))) as file:
            (partial,) = (path for path in tmp_path.iterdir() if path.name.endswith(PARTIAL))
            assert len(os.fsencode(partial.name)) <= NAME_BYTES and partial.name.startswith(".ää")
    finally:
        os.umask(before)
    assert (tmp_path / ("ä" * (NAME_BYTES // 2))).stat().st_mode & 0o777 == 0o640
    assert not any(path.name.endswith(PARTIAL) for path in tmp_path.iterdir())


@linux_only
def test_names_of_any_bytes(plain: Path, refdec: Refdec, made_up: None, models_folder: Path,
                            monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """Outputs and messages with names that are no Unicode, where stdout is ASCII."""
    import io

    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True) for _ in range(2))
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    output = Path(os.fsdecode(os.fsencode(plain.parent) + b"/\xff-\xc3\xa4.png"))
    assert refdec("decode", plain, output, "--models", models_folder) == 0
    assert output.stat().st_size > 1000
    assert b".png: 64x64 RGB" in out.buffer.getvalue()  # type: ignore[attr-defined]
    assert refdec("info", output) == 3 and refdec("info", f"{output}x") == 2
    assert rb"\udcff-\xe4.pngx" in err.buffer.getvalue()  # type: ignore[attr-defined]
