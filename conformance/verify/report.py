"""Verdicts for people (a table), for programs (JSON) and for build servers (JUnit XML)."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from xml.etree import ElementTree

from refdec import __version__
from refdec.trace import atomic_file


@dataclass(frozen=True)
class Verdict:
    """What one engine made of one vector.

    :param group: ``tables``, ``models``, ``payload``, ``stream`` or ``malformed``.
    :param detail: what was checked, or what went wrong.
    """

    name: str
    group: str
    engine: str
    ok: bool
    detail: str
    seconds: float


def as_json_text(verdicts: Sequence[Verdict]) -> str:
    """All verdicts, and whether every one is good, as one JSON object."""
    failed = sum(not verdict.ok for verdict in verdicts)
    return json.dumps(
        {
            "refdec": __version__,
            "checks": len(verdicts),
            "failed": failed,
            "ok": failed == 0,
            "verdicts": [asdict(verdict) for verdict in verdicts],
        }
    )


def print_table(verdicts: Sequence[Verdict], engines: Sequence[str]) -> None:
    """One row a vector, one column an engine; plain lines where stdout is no terminal."""
    rows: dict[tuple[str, str], dict[str, Verdict]] = {}
    for verdict in verdicts:
        rows.setdefault((verdict.group, verdict.name), {})[verdict.engine] = verdict
    if sys.stdout.isatty():
        _print_rich(rows, engines)
    else:
        for (group, name), row in rows.items():
            cells = [_cell(row.get(engine)) for engine in engines]
            print("\t".join((group, name, *cells, _detail(row))))
    failed = sum(not verdict.ok for verdict in verdicts)
    seconds = sum(verdict.seconds for verdict in verdicts)
    outcome = "all passed" if failed == 0 else f"{failed} FAILED"
    print(f"{len(rows)} vectors, {len(verdicts)} checks, {outcome}, {seconds:.1f} s")


def _print_rich(rows: dict[tuple[str, str], dict[str, Verdict]], engines: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("group", "vector", *engines, "what")
    for (group, name), row in rows.items():
        cells = [_cell(row.get(engine)) for engine in engines]
        coloured = [f"[red]{cell}[/red]" if cell == "FAIL" else cell for cell in cells]
        table.add_row(group, name, *coloured, _detail(row).replace("[", r"\["))
    Console().print(table)


def _cell(verdict: Verdict | None) -> str:
    if verdict is None:
        return "-"
    return "ok" if verdict.ok else "FAIL"


def _detail(row: dict[str, Verdict]) -> str:
    bad = [f"{verdict.engine}: {verdict.detail}" for verdict in row.values() if not verdict.ok]
    return "; ".join(bad) if bad else next(iter(row.values())).detail


def write_junit(path: Path, verdicts: Sequence[Verdict]) -> None:
    """One test case a verdict, engines as test suites."""
    root = ElementTree.Element("testsuites", name="refconf verify")
    for engine in dict.fromkeys(verdict.engine for verdict in verdicts):
        own = [verdict for verdict in verdicts if verdict.engine == engine]
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=engine,
            tests=str(len(own)),
            failures=str(sum(not verdict.ok for verdict in own)),
            time=f"{sum(verdict.seconds for verdict in own):.3f}",
        )
        for verdict in own:
            case = ElementTree.SubElement(
                suite,
                "testcase",
                classname=f"{engine}.{verdict.group}",
                name=verdict.name,
                time=f"{verdict.seconds:.3f}",
            )
            if not verdict.ok:
                ElementTree.SubElement(case, "failure", message=verdict.detail)
    with atomic_file(path) as file:
        ElementTree.ElementTree(root).write(file, encoding="utf-8", xml_declaration=True)
