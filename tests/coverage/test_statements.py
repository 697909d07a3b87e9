"""Statement ids: what docs/ defines is carried by code, and what code carries or quotes is defined."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from conformance.coverage import statements
from conformance.coverage.observed import OBSERVED
from conformance.coverage.statements import REFUSING, STATEMENTS, defined, described, places
from conformance.coverage.universe import reason, universe
from conformance.coverage.unreachable import UNREACHABLE

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*(ROOT / "docs").glob("arithmetic*.md"), ROOT / "docs" / "codestream.md"]
QUOTED = re.compile(r"\b((?:AR|AN|CS)-[A-Z]+)-(R?)(\d\d)\b(?:(?:\.\.| to -?)(?:\1-)?(\d\d)\b)?")


def quoted(text: str) -> set[str]:
    """Ids that a text names; ``AR-Z-01..05`` and ``AR-Z-01 to 05`` name five."""
    found = set()
    for prefix, rule, first, last in QUOTED.findall(text):
        found |= {f"{prefix}-{rule}{number:02d}" for number in range(int(first), int(last or first) + 1)}
    return found


def test_ids_are_unique_and_without_gaps() -> None:
    for page in PAGES:
        found = [a or b for a, _, b, _ in statements.DEFINED.findall(page.read_text(encoding="utf-8"))]
        twice = {i for i in found if found.count(i) > 1}
        # an element of the thread and region tables shares its id with the statement about it
        assert twice <= {"CS-REG-01", "CS-REG-02", "CS-THR-01"}, page.name
        if page.name.startswith("arithmetic"):
            for prefix in {i[:-3] for i in found}:
                numbers = sorted(int(i[-2:]) for i in found if i[:-3] == prefix)
                assert numbers == list(range(1, len(numbers) + 1)), prefix


def test_every_statement_is_carried_by_code_or_said_to_bind_no_decoder() -> None:
    carried = {p.point for p in places() if p.group in (STATEMENTS, REFUSING)} | described() | OBSERVED.keys()
    assert {i for i in defined() if i not in carried and reason(STATEMENTS, i) is None} == set()


def test_code_carries_no_other_ids() -> None:
    carried = {p.point for p in places() if p.group in (STATEMENTS, REFUSING)} | described() | OBSERVED.keys()
    assert carried - defined().keys() == set()
    assert set(universe()[STATEMENTS]) == defined().keys()
    assert len(carried) > 280


def test_every_id_that_is_quoted_anywhere_is_defined() -> None:
    known = defined().keys()
    for folder in ("refdec", "conformance", "tools", "docs"):
        for path in [*(ROOT / folder).rglob("*.py"), *(ROOT / folder).glob("*.md")]:
            assert quoted(path.read_text(encoding="utf-8")) - known == set(), path


def test_every_statement_is_quoted_by_code() -> None:
    sources = [
        *(ROOT / "refdec").rglob("*.py"),
        *(ROOT / "tools").glob("*.py"),
        *(ROOT / "conformance").rglob("*.py"),
    ]
    found = set().union(*(quoted(path.read_text(encoding="utf-8")) for path in sources))
    assert {i for i in defined() if i not in found and reason(STATEMENTS, i) is None} == set()


def test_what_is_unreachable_exists() -> None:
    for group, pattern, text in UNREACHABLE:
        assert any(re.fullmatch(pattern, point) for point in universe()[group]), pattern
        assert len(text) > 20


def test_points_are_named_once() -> None:
    for group, points in universe().items():
        assert len(set(points)) == len(points), group


SOURCE = '''
def plain(x):
    """Doubles (AR-Z-01); AR-Z-02 to 03 and AR-Z-04..05 do not count."""
    # AR-Z-06: why
    y = (
        x
        + x
    )
    if y:  # AR-Z-07, AR-Z-08
        # AR-Z-09
        raise CorruptPayloadError("no", y)
    for i in range(3):
        y += 1  # AR-Z-10
    return y  # as AR-Z-11 says
'''


def test_markers_are_found_where_they_stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "plain.py"
    path.write_text(SOURCE, encoding="utf-8")
    monkeypatch.setattr(statements, "PACKAGE", tmp_path)
    statements.places.cache_clear()
    try:
        found = {(p.group, p.point): p.lines for p in places()}
    finally:
        statements.places.cache_clear()
    assert found == {
        (STATEMENTS, "AR-Z-01"): range(0),
        (STATEMENTS, "AR-Z-06"): range(5, 9),
        (STATEMENTS, "AR-Z-07"): range(9, 11),
        (STATEMENTS, "AR-Z-08"): range(9, 11),
        (REFUSING, "AR-Z-09"): range(11, 12),
        ("refusals", "plain.plain: no"): range(11, 12),
        (STATEMENTS, "AR-Z-10"): range(13, 14),
    }


def test_a_marker_outside_of_functions_is_a_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "loose.py").write_text("X = 1  # AR-Z-01\n", encoding="utf-8")
    monkeypatch.setattr(statements, "PACKAGE", tmp_path)
    statements.places.cache_clear()
    with pytest.raises(ValueError, match="outside of any function"):
        places()
    statements.places.cache_clear()
