"""What breaks on machines with 32 bits or without a compiler: ``len()`` of long ranges, and imports."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from conformance.coverage import draw_headers
from conformance.verify.synthetic import Splitmix
from refdec.codestream.syntax import spell

LONG = range(1 << 70)
"""Too long for ``len()`` on 64 bits, as 2^32 values are on 32."""


def test_values_in_words() -> None:
    assert spell(LONG) == f"0..{(1 << 70) - 1}"
    assert spell(LONG[5:6]) == "5" and spell(range(0)) == "no value at all"


def test_a_header_with_elements_of_any_length(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every range of legal values made as long as it would be where ``len()`` fails."""
    known = draw_headers.legal

    def longer(element: Any, scope: Any, position: int | None) -> Sequence[int]:
        values = known(element, scope, position)
        long = isinstance(values, range) and len(values) >= 1 << 16
        return range(values.start, values.start + (1 << 63)) if long else values

    def first(self: Any, element: Any, scope: Any, values: Sequence[int]) -> list[int]:
        found = offers(self, element, scope, values)
        seen.append(len(found))
        return found[:1]

    offers, seen = draw_headers._Chooser._offers, []
    monkeypatch.setattr(draw_headers, "legal", longer)
    monkeypatch.setattr(draw_headers._Chooser, "_offers", first)
    draw_headers.draw_picture_header(draw_headers.Draws(Splitmix(1)))
    draw_headers.draw_rendering(draw_headers.Draws(Splitmix(2)))
    assert 3 in seen


def test_golden_needs_neither_numba_nor_torch(tmp_path: Path) -> None:
    """A processor that nobody has made Numba for: refconf starts, golden decodes."""
    program = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("numba", "llvmlite", "torch"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from conformance.__main__ import main
sys.exit(main())
"""

    path = tmp_path / "golden.json"
    words = ["evidence", "--engine", "golden", "--only", "plain-64x64", "--output", str(path)]
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(path.read_text())["engine"]["ran"]["entropy"] == ["golden"]
