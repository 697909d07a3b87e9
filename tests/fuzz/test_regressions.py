"""What fuzzing once found, given to the same targets again; and what every target must do with anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conformance.fuzz.target import execute, memory_limited, targets

FOLDER = Path(__file__).parent.parent / "data" / "regressions"
FILES = sorted(path for path in FOLDER.glob("*/*") if path.is_file())


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_was_found_is_answered_now(path: Path) -> None:
    target = targets()[path.parent.name]
    target.run(path.read_bytes())  # kernels are loaded, or compiled, before time and memory are limited
    with memory_limited():
        execute(target, path.read_bytes())


def test_every_finding_is_written_down() -> None:
    """The list that the report is made of names every file, and no other."""
    listed = json.loads((FOLDER / "findings.json").read_text(encoding="utf-8"))
    assert [f"{entry['target']}/{entry['file']}" for entry in listed] == [
        f"{path.parent.name}/{path.name}" for path in FILES
    ]
    assert all(entry["found"] and entry["fix"] for entry in listed)


@pytest.mark.parametrize("name", targets())
def test_targets_answer_to_nothing_and_to_noise(name: str) -> None:
    for data in (b"", b"\x00", b"\xff" * 40, bytes(range(256))):
        targets()[name].run(data)
