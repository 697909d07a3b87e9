"""The evidence in docs/results: every file agrees with its suite and with the others, and is in the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.evidence.compare import compare
from conformance.evidence.record import read

RESULTS = Path(__file__).parents[2] / "docs/results"
FILES = sorted(path for path in (RESULTS / "evidence").glob("*.json") if path.stem != "generated-suite")


def reference(path: Path) -> Path:
    name = "generated-x86-64-jit" if path.stem.startswith("generated") else "x86-64-jit"
    return RESULTS / "evidence" / f"{name}.json"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_agrees_and_is_in_the_page(path: Path) -> None:
    evidence = read(path)
    assert evidence.disagreeing == ()
    result = compare(read(reference(path)), evidence)
    assert result.equal, result
    row = next(line for line in (RESULTS / "matrix.md").read_text("utf-8").splitlines()
               if line.startswith(f"| {evidence.target} |"))  # fmt: skip
    cells = [cell.strip() for cell in row.split("|")]
    assert cells[2] == evidence.execution["kind"] and cells[6] == str(len(evidence.streams))
    assert (evidence.execution["kind"] == "emulated") == bool(evidence.execution["signs"])
    if evidence.instructions is not None:
        assert evidence.instructions["counts"]["float"] == 0


def test_there_is_evidence() -> None:
    assert len(FILES) > 5
