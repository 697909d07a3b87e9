"""Statement ids of docs/arithmetic-filters.md: each is carried by code, and code carries no other."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "refdec" / "filters").rglob("*.py"))
PREFIX = r"AR-(?:FLT|EFL|ICC|EFN|LEF)"
QUOTED = re.compile(rf"({PREFIX})-(\d\d)(?: to (?:{PREFIX}-)?(\d\d))?")


def test_statements() -> None:
    text = (ROOT / "docs" / "arithmetic-filters.md").read_text(encoding="utf-8")
    defined = re.findall(r"^\*\*(AR-[A-Z]+-\d\d)\*\*", text, re.MULTILINE)
    assert defined and all(re.match(PREFIX, i) for i in defined)
    for prefix in {i[:-3] for i in defined}:
        numbers = [int(i[-2:]) for i in defined if i.startswith(prefix)]
        assert numbers == list(range(1, len(numbers) + 1))
    quoted = set()
    for source in SOURCES:
        for prefix, first, last in QUOTED.findall(source.read_text(encoding="utf-8")):
            quoted |= {f"{prefix}-{k:02d}" for k in range(int(first), int(last or first) + 1)}
    assert quoted == set(defined)
