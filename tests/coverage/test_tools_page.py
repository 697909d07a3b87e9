"""docs/tools.md: whole, and nothing that it names is absent."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

from conformance.generate.registry import all_items
from refdec.codestream.picture_syntax import PIH
from refdec.codestream.rendering_syntax import RDI
from refdec.codestream.tool_syntax import TON

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "tools.md").read_text(encoding="utf-8")


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tools_table", ROOT / "tools" / "tools_table.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # its dataclasses look their annotations up there
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def rows(heading: str) -> list[list[str]]:
    """Cells of the table below a heading, by row, without its head."""
    text = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", PAGE)
    assert len(links) > 300
    assert not [link for link in set(links) if not (ROOT / "docs" / link).exists()]


def test_every_tool_and_element_has_a_row() -> None:
    table = tool()
    assert [cells[0].strip("| ") for cells in rows("Tools")] == [item.name for item in table.TOOLS]
    ids = [f.id for segment in (PIH, TON, RDI) for f in segment.by_id.values()]
    found = [cells[0].strip("| ") for cells in rows("Syntax elements")]
    assert found == [*ids, *(f.id for f in table.TABLES)]


def test_streams_are_those_of_recipes() -> None:
    names = {item.name for item in all_items()}
    for cells in rows("Tools"):
        assert "golden" in cells[2] or "refdec" in cells[2]
        assert cells[4] == "none" or cells[4].strip("`") in names, cells[0]
    for cells in rows("Syntax elements"):
        assert cells[4].strip("`") in names, cells[:2]
    assert {cells[3].strip("` |") for cells in rows("Refused")} <= names


def test_the_page_says_how_it_is_written() -> None:
    assert "make tools-page" in PAGE and "tools-page:" in (ROOT / "Makefile").read_text()
