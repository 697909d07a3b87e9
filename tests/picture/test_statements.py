"""Statement ids of docs/arithmetic-picture.md: each is carried by code, and code carries no other."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = [
    *(ROOT / "refdec" / "picture").glob("*.py"),
    *(ROOT / "refdec" / "networks").glob("*.py"),
    *(ROOT / "refdec").glob("*_stage.py"),
]
QUOTED = re.compile(r"(AR-(?:LAT|PIC))-(\d\d)(?: to (?:AR-(?:LAT|PIC)-)?(\d\d))?")


def test_statements() -> None:
    text = (ROOT / "docs" / "arithmetic-picture.md").read_text(encoding="utf-8")
    defined = re.findall(r"^\*\*(AR-[A-Z]+-\d\d)\*\*", text, re.MULTILINE)
    for prefix in ("AR-LAT", "AR-PIC"):
        numbers = [int(i[-2:]) for i in defined if i.startswith(prefix)]
        assert numbers == list(range(1, len(numbers) + 1)) and numbers
    quoted = set()
    for source in SOURCES:
        for prefix, first, last in QUOTED.findall(source.read_text(encoding="utf-8")):
            quoted |= {f"{prefix}-{k:02d}" for k in range(int(first), int(last or first) + 1)}
    assert quoted == set(defined)
