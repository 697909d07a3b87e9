"""Inputs that are no file, are too long to read, or are damaged; model files and tables of other versions."""

from __future__ import annotations

import importlib
import io
import json
import os
import shutil
import subprocess
import sys
import threading
import tracemalloc
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from safetensors.numpy import load, save

from refdec import tables
from refdec.command import lacks_memory
from refdec.errors import ModelError, ResourceLimitError
from refdec.input_file import read_codestream
from refdec.models_io import open_models
from tests.faults.conftest import SMALLEST, Refdec, leftovers, linux_only, nobody

HUGE = 10 << 30


def said(capsys: Any) -> str:
    text: str = capsys.readouterr().err
    assert text.count("\n") == 1 and "Traceback" not in text and "internal" not in text
    return text


def test_folders_absent_empty_and_unreadable_files(
    common: Path, plain_stream: bytes, refdec: Refdec, capsys: Any
) -> None:
    (common / "empty.jai").write_bytes(b"")
    secret = common / "secret.jai"
    secret.write_bytes(plain_stream)
    secret.chmod(0)
    cases = {".": (2, "Is a directory"), "absent.jai": (2, "No such file"), "empty.jai": (3, "truncated")}
    for words in (("info", SMALLEST), ("info", common), ("decode", common, common / "out.png")):
        refdec(*words)
    capsys.readouterr()
    with nobody():
        if not os.access(secret, os.R_OK):
            cases["secret.jai"] = (2, "Permission denied")
        for name, (code, text) in cases.items():
            for words in (("info", common / name), ("decode", common / name, common.parent / "never.png")):
                if "decode" in words and not os.access(common.parent, os.W_OK):
                    continue
                assert refdec(*words) == code
                assert text in said(capsys)
    assert not (common.parent / "never.png").exists()


@linux_only
def test_a_pipe_is_read(plain_stream: bytes, refdec: Refdec, tmp_path: Path, capsys: Any) -> None:
    pipe = tmp_path / "in.jai"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(plain_stream,))
    writer.start()
    assert refdec("info", pipe) == 0
    writer.join(30)
    assert "64 x 64" in capsys.readouterr().out


def test_a_huge_file_is_refused_unread(tmp_path: Path, refdec: Refdec, capsys: Any) -> None:
    sparse = tmp_path / "huge.jai"
    with sparse.open("wb") as file:
        file.write(SMALLEST.read_bytes())
        file.truncate(HUGE)
    tracemalloc.start()
    try:
        for words in (("info", sparse), ("decode", sparse, tmp_path / "out.png")):
            assert refdec(*words) == 5
            assert f"found {HUGE} bytes" in said(capsys)
        importlib.import_module("refdec.pillow")

        with pytest.raises(Image.DecompressionBombError, match="larger than allowed"):
            Image.open(sparse)
        assert refdec("compare", sparse, sparse) == 2
        assert "more than" in said(capsys)
        models = tmp_path / "models/model2"
        models.mkdir(parents=True)
        os.link(sparse, models / "entropy_Y.safetensors")
        assert refdec("models", "check", tmp_path / "models") == 1
        assert "limit is" in capsys.readouterr().out
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()
    assert leftovers(tmp_path) == ["huge.jai", "models"]


class Endless(io.RawIOBase):
    """A device that never ends."""

    given = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        assert size >= 0
        self.given += size
        return bytes(size)


def test_of_a_device_no_more_is_read_than_allowed() -> None:
    device = Endless()
    assert len(read_codestream(device, 5_000_000)) == 5_000_001 == device.given
    small = io.BytesIO(b"abc")
    assert read_codestream(small, 3) == b"abc"
    assert len(read_codestream(io.BytesIO(b"abcd"), 2)) == 3


def test_a_file_is_measured_from_where_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(100))
    with path.open("rb") as file:
        file.seek(60)
        assert len(read_codestream(file, 40)) == 40
        file.seek(59)
        with pytest.raises(ResourceLimitError, match="larger than allowed"):
            read_codestream(file, 40)


@linux_only
def test_closed_standard_streams(plain: Path, tmp_path: Path) -> None:
    line = f"'{sys.executable}' -m refdec info '{plain}'"
    done = subprocess.run(["sh", "-c", f"{line} >&-; echo $?"], capture_output=True, text=True, check=True)
    assert done.stderr == "" and done.stdout == "0\n"
    line = f"'{sys.executable}' -m refdec decode '{SMALLEST}' -"
    done = subprocess.run(
        ["sh", "-c", f"{line} >&- 2>&-; echo $?"], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("2\n", "")


@linux_only
def test_a_reader_that_goes_away_ends_the_command(plain: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    line = [sys.executable, "-m", "refdec", "info", str(plain)]
    done = subprocess.run(line, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def test_tables_that_are_too_narrow_have_no_influence(
    monkeypatch: pytest.MonkeyPatch, refdec: Refdec, capsys: Any
) -> None:
    """A terminal without columns, and one without colours."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    models = files("refdec") / "models/lite"
    for columns in ("0", "1", "-5", "x"):
        monkeypatch.setenv("COLUMNS", columns)
        monkeypatch.setenv("NO_COLOR", "1")
        assert refdec("models", "list", models) == 0
        assert "\x1b[3" not in capsys.readouterr().out


def set_of(folder: Path) -> Path:
    """A copy of the bundled models of one rate point."""
    shutil.copytree(str(files("refdec") / "models/lite/model2"), folder / "model2")
    return folder


@pytest.mark.parametrize("name", ["entropy_Y", "latent_UV", "sop_Y"])
def test_damaged_model_files(name: str, tmp_path: Path, refdec: Refdec, capsys: Any) -> None:
    models = set_of(tmp_path / "models")
    path = models / f"model2/{name}.safetensors"
    whole, output = path.read_bytes(), tmp_path / "out.png"
    middle = bytearray(whole)
    middle[len(whole) * 3 // 4] ^= 32
    for data in (b"", whole[:5], whole[:1000], whole[:-1], bytes(middle)):
        path.write_bytes(data)
        assert refdec("decode", SMALLEST, output, "--models", models) == 2
        assert str(path) in said(capsys)
    path.unlink()
    assert refdec("decode", SMALLEST, output, "--models", models) == 2
    assert "is missing" in said(capsys)
    path.mkdir()
    assert refdec("decode", SMALLEST, output, "--models", models) == 2
    assert leftovers(tmp_path) == ["models"]


@pytest.mark.parametrize("version", ["0", "2", "1.1", ""])
def test_model_files_of_another_version(version: str, tmp_path: Path) -> None:
    models = set_of(tmp_path)
    path = models / "model2/sop_UV.safetensors"
    data = path.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    path.write_bytes(save(load(data), {**header, "refdec.format": version}))
    with pytest.raises(ModelError, match=f"format is '{version}'.* reads '1'.*another version"):
        open_models(models).load(2, "sop", 1)


def test_damaged_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "files", lambda _name: tmp_path)
    whole = json.loads((Path(tables.__file__).parent / "parameters.json").read_text())
    changed = json.loads(json.dumps(whole))
    changed["quality_levels"]["values"][3] += 1
    reshaped = json.loads(json.dumps(whole))
    reshaped["lsbs_mean"]["shape"] = [5]
    cases = ["", "{", "[]", "5", '{"a": 3}', '{"a": {}}', json.dumps(whole)[:-40], json.dumps(changed)]
    for text in (*cases, json.dumps(reshaped), '{"a": {"values": [1e99], "shape": [1], "sha256": "0"}}'):
        (tmp_path / "parameters.json").write_text(text)
        with pytest.raises(ModelError, match="damaged installation"):
            tables.load.__wrapped__("parameters")
    (tmp_path / "parameters.json").unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        tables.load.__wrapped__("parameters")


def test_lack_of_memory_has_its_own_code(plain: Path, refdec: Refdec, monkeypatch: pytest.MonkeyPatch,
                                         capsys: Any) -> None:  # fmt: skip
    def greedy(error: Exception) -> Any:
        def decode(*_: object, **__: object) -> None:
            raise error

        return decode

    output = plain.with_name("out.png")
    for error in (MemoryError(), OSError(12, "Cannot allocate memory"),
                  ImportError("a.so: failed to map segment from shared object")):  # fmt: skip
        assert lacks_memory(error)
        monkeypatch.setattr("refdec.decode_command.decode_picture", greedy(error))
        assert refdec("decode", plain, output) == 71
        assert "out of memory" in said(capsys)
    monkeypatch.setattr("refdec.decode_command.decode_picture", greedy(RecursionError("too deep")))
    monkeypatch.delenv("REFDEC_TRACEBACK", raising=False)
    assert refdec("decode", plain, output) == 70
    assert capsys.readouterr().err.count("\n") == 1 and leftovers(plain.parent) == ["in.jai"]


@linux_only
def test_little_address_space() -> None:
    """Enough to start, not enough to decode: one line, and its exit code."""
    code = (
        "import resource, sys, numpy; import refdec.decode_command, refdec.decoder\n"
        "from refdec.cli import app; from refdec.command import run\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (8 << 20),) * 2)\n"
        f"sys.exit(run(app, ['decode', {str(SMALLEST)!r}, '/dev/null', '--format', 'ppm']))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 71 and done.stderr.startswith("out of memory") and done.stderr.count("\n") == 1
