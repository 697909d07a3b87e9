"""Verdicts for people (a table, or plain lines), for programs (JSON), for build servers (JUnit XML)."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree

from conformance.verify.outcome import STATUSES, Outcome
from refdec import __version__
from refdec.atomic_file import atomic_file

COLOURS = {"pass": "green", "not run": "dim"}
Rows = Mapping[tuple[str, str], Mapping[str, Outcome]]
_ILLEGAL_IN_XML = {code: " " for code in range(32) if code not in (9, 10, 13)}


def as_json_text(outcomes: Sequence[Outcome]) -> str:
    """All verdicts, and whether every one is good, as one JSON object."""
    return json.dumps(
        {
            "refdec": __version__,
            "ok": succeeded(outcomes),
            "checks": len(outcomes),
            "counts": counts(outcomes),
            "verdicts": [
                {
                    "name": outcome.name,
                    "group": outcome.group,
                    "decoder": outcome.decoder,
                    "status": outcome.status,
                    "detail": outcome.detail,
                    "seconds": round(outcome.seconds, 4),
                    "divergence": outcome.divergence,
                }
                for outcome in outcomes
            ],
        }
    )


def counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """Number of verdicts of each kind."""
    found = Counter(outcome.status for outcome in outcomes)
    return {status: found[status] for status in STATUSES}


def succeeded(outcomes: Sequence[Outcome]) -> bool:
    """Whether something was run and nothing failed."""
    return any(outcome.status == "pass" for outcome in outcomes) and not any(o.failed for o in outcomes)


def print_table(outcomes: Sequence[Outcome], seconds: float) -> None:
    """One row a vector or stream, one column a decoder; tab-separated lines where stdout is no terminal."""
    rows: dict[tuple[str, str], dict[str, Outcome]] = {}
    for outcome in outcomes:
        rows.setdefault((outcome.group, outcome.name), {})[outcome.decoder] = outcome
    decoders = list(dict.fromkeys(outcome.decoder for outcome in outcomes))
    if sys.stdout.isatty():
        _print_rich(rows, decoders)
    else:
        for (group, name), row in rows.items():
            cells = [row[d].status if d in row else "-" for d in decoders]
            print("\t".join((group, name, *cells, _detail(row))))
    told = ", ".join(f"{number} {status}" for status, number in counts(outcomes).items() if number)
    verdict = "all passed" if succeeded(outcomes) else "FAILED"
    summary = f"{len(rows)} vectors, {len(outcomes)} checks, {verdict} ({told or 'nothing was run'})"
    print(f"{summary}, {seconds:.1f} s")


def _print_rich(rows: Rows, decoders: Sequence[str]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("group", "name", *decoders, "detail")
    for (group, name), row in rows.items():
        cells = []
        for decoder in decoders:
            status = row[decoder].status if decoder in row else "-"
            colour = COLOURS.get(status, "red")
            cells.append(f"[{colour}]{status}[/{colour}]")
        table.add_row(group, name, *cells, escape(_detail(row)))
    Console().print(table)


def _detail(row: Mapping[str, Outcome]) -> str:
    bad = [f"{o.decoder}: {o.detail}" for o in row.values() if o.failed]
    if bad:
        return " | ".join(bad)
    told = [o.detail for o in row.values() if o.status == "pass"] or [o.detail for o in row.values()]
    return told[0]


def write_junit(path: Path, outcomes: Sequence[Outcome]) -> None:
    """One test case a verdict, decoders as test suites: mismatches are failures, the rest errors."""
    root = ElementTree.Element("testsuites", name="refconf verify")
    for decoder in dict.fromkeys(outcome.decoder for outcome in outcomes):
        own = [outcome for outcome in outcomes if outcome.decoder == decoder]
        element = ElementTree.SubElement(
            root,
            "testsuite",
            name=decoder,
            tests=str(len(own)),
            failures=str(sum(o.status == "mismatch" for o in own)),
            errors=str(sum(o.failed and o.status != "mismatch" for o in own)),
            skipped=str(sum(o.status == "not run" for o in own)),
            time=f"{sum(o.seconds for o in own):.3f}",
        )
        for outcome in own:
            case = ElementTree.SubElement(
                element,
                "testcase",
                classname=f"{decoder}.{outcome.group}",
                name=outcome.name,
                time=f"{outcome.seconds:.3f}",
            )
            text = outcome.detail.translate(_ILLEGAL_IN_XML)
            if outcome.status == "not run":
                ElementTree.SubElement(case, "skipped", message=text)
            elif outcome.failed:
                kind = "failure" if outcome.status == "mismatch" else "error"
                ElementTree.SubElement(case, kind, type=outcome.status, message=text)
    with atomic_file(path) as file:
        ElementTree.ElementTree(root).write(file, encoding="utf-8", xml_declaration=True)
