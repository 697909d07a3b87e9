"""Statement ids: what the code quotes is written down, and what is written down is quoted."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEFINED = re.compile(r"^\*\*(AR-[A-Z]+-\d\d)\*\*", re.MULTILINE)
QUOTED = re.compile(r"(AR-[A-Z]+)-(\d\d)(?:\.\.(\d\d))?")
PREFIXES = {
    f"AR-{p}" for p in ("LOG", "PDF", "TAB", "TANS", "Z", "PROG", "SKIP", "QMAP", "RVS", "LSBS", "DEQ", "GEN")
}


def defined() -> list[str]:
    return DEFINED.findall((ROOT / "docs" / "arithmetic.md").read_text(encoding="utf-8"))


def quoted() -> dict[str, set[str]]:
    """Ids by the files that quote them; a range stands for all in it."""
    places: dict[str, set[str]] = {}
    sources = [*(ROOT / "refdec" / "entropy").rglob("*.py"), *(ROOT / "refdec" / "tables").glob("*.py")]
    for path in [*sources, ROOT / "tools" / "make_tables.py", ROOT / "tools" / "measure_dequantisation.py"]:
        for prefix, first, last in QUOTED.findall(path.read_text(encoding="utf-8")):
            for number in range(int(first), int(last or first) + 1):
                places.setdefault(f"{prefix}-{number:02d}", set()).add(path.name)
    return places


def test_ids_are_unique_and_without_gaps() -> None:
    ids = defined()
    assert len(ids) == len(set(ids))
    for prefix in {i[:-3] for i in ids}:
        numbers = [int(i[-2:]) for i in ids if i[:-3] == prefix]
        assert numbers == list(range(1, len(numbers) + 1)), prefix


def test_every_quoted_id_is_defined() -> None:
    unknown = {i: places for i, places in quoted().items() if i not in defined()}
    assert not unknown


def test_every_statement_is_quoted_by_code() -> None:
    missing = [i for i in defined() if i[:-3] in PREFIXES and i not in quoted()]
    assert not missing
