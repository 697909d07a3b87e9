"""Write the syntax tables of docs/codestream.md from the descriptions that drive the parser.

Run it after a change of the syntax; a test compares the page with what this script would write.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from refdec.codestream.payloads import REGION_INDEX, REGION_SIZE, THREAD_SIZE_DELTA
from refdec.codestream.picture_syntax import PIH
from refdec.codestream.rendering_syntax import RDI
from refdec.codestream.syntax import Elements, Field, When
from refdec.codestream.tool_syntax import TON

PAGE = Path(__file__).resolve().parents[1] / "docs" / "codestream.md"
TABLES: dict[str, Elements] = {
    "PIH": PIH.elements,
    "TON": TON.elements,
    "RDI": RDI.elements,
    "tables": (REGION_SIZE, REGION_INDEX, THREAD_SIZE_DELTA),
}
HEAD = (
    "| id | element | coding | present | meaning | rules |",
    "|---|---|---|---|---|---|",
)


def table(elements: Elements) -> str:
    """A description as a Markdown table, one row to an element, one to the start of a group."""
    return "\n".join([*HEAD, *_rows(elements, "")])


def _rows(elements: Elements, path: str) -> Iterator[str]:
    for element in elements:
        if isinstance(element, Field):
            rules = ", ".join(rule.id for rule in element.rules)
            count = f" × ({element.count_words})" if element.count is not None else ""
            yield _row(
                element.id,
                f"`{path}{element.label}`",
                f"{element.coding}{count}",
                _condition(element.when),
                element.meaning,
                rules,
            )
        else:
            times = f"repeated: {element.times_words}" if element.times is not None else "once"
            yield _row("", f"`{path}{element.name}` …", "", _condition(element.when), times, "")
            index = "[i]" if element.times is not None else ""
            yield from _rows(element.body, f"{path}{element.name}{index}.")


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _condition(when: When | None) -> str:
    return "" if when is None else when.words.replace("|", "or")


def page(text: str) -> str:
    """The page with all tables as they should be."""
    for name, elements in TABLES.items():
        pattern = rf"(<!-- table {name} -->\n)(.*?)(<!-- end -->)"
        body = table(elements) + "\n"
        text, found = re.subn(
            pattern, lambda m, body=body: m.group(1) + body + m.group(3), text, flags=re.DOTALL
        )
        if found != 1:
            raise SystemExit(f"{PAGE} has {found} places for table {name}, expected one")
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
