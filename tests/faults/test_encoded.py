"""The encoder's output meets the same faults as the decoder's."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from conformance import encode_command
from conformance.cli import app
from refdec.command import UsageError, run
from tests.faults.conftest import files_of_at_most, leftovers

CODED: Any = SimpleNamespace(data=bytes(range(256)) * 40)


def test_a_full_disk(tmp_path: Path) -> None:
    target = tmp_path / "out.jai"
    with files_of_at_most(5000), pytest.raises(OSError, match="large"):
        encode_command._write(CODED, target)
    assert leftovers(tmp_path) == []
    encode_command._write(CODED, target)
    assert target.read_bytes() == CODED.data


def test_stdout(monkeypatch: pytest.MonkeyPatch, capfdbinary: Any) -> None:
    encode_command._write(CODED, None)
    assert capfdbinary.readouterr().out == CODED.data
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(UsageError, match="no standard output"):
        encode_command._write(CODED, None)


@pytest.mark.parametrize(
    "arguments, text",
    [
        (["{in}", "{in}"], "is the input"),
        (["{in}", "{dir}/out.png", "--reconstruction", "{dir}/out.png"], "name the same file"),
        (["{in}", "{dir}/absent/out.jai"], "absent is no folder"),
        (["{in}", "{dir}"], "is a folder"),
        (["{dir}", "{dir}/out.jai"], "Is a directory"),
        (["{dir}/absent.png", "{dir}/out.jai"], "No such file"),
        (["{in}", "{dir}/out.jai"], "cannot read the picture"),
    ],
)
def test_places_and_sources(arguments: list[str], text: str, tmp_path: Path, capsys: Any) -> None:
    source = tmp_path / "in.png"
    source.write_bytes(b"")
    words = [word.format(**{"in": source, "dir": tmp_path}) for word in arguments]
    assert run(app, ["encode", *words, "--model", "0"]) == 2
    found = capsys.readouterr().err
    assert text in found and found.count("\n") == 1
    assert leftovers(tmp_path) == ["in.png"]
