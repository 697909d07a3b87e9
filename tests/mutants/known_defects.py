"""The table of docs/defects.md: known defects of public JPEG AI software, and what shows each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from conformance.mutants.catalogue import CATALOGUE
from conformance.mutants.mutant import Mutant
from tests.mutants.own_mutants import OWN

PAGE = Path(__file__).resolve().parents[2] / "docs" / "defects.md"
MUTANTS: dict[str, Mutant] = {mutant.name: mutant for mutant in (*CATALOGUE, *OWN)}
REJECTED = ("map-out-of-range-above", "z-too-large", "cut-in-front-soz")
"""Streams of the table that must be refused."""


@dataclass(frozen=True)
class Row:
    """One known defect.

    :param row: the list's section and row. :param defect: what goes wrong there.
    :param shown: names of mutants, and of the stream or check that each fails on.
    """

    row: str
    defect: str
    shown: tuple[tuple[str, str], ...]


def read_rows() -> tuple[Row, ...]:
    """All rows of the page."""
    rows = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and cells[0] != "row":
            rows.append(Row(cells[0], cells[1], tuple(re.findall(r"`([^`]+)` → `([^`]+)`", cells[2]))))
    return tuple(rows)


ROWS = read_rows()
