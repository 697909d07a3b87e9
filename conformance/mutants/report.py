"""What a run found, as a table for people, as JSON, as Markdown and as HTML."""

from __future__ import annotations

import html
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from conformance.mutants.run import Result, Run
from refdec import __version__
from refdec.atomic_file import atomic_file
from refdec.command import print_rows

SCHEMA = "refconf-mutants-1"
KINDS = {
    "value": "wrong value",
    "refused": "refuses a good stream",
    "accepted": "accepts a bad stream",
    "error": "refuses for another reason",
    "crash": "fails",
    "hang": "hangs",
}


def counts(mutants: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many mutants met which fate, and what checks with a tolerance would have missed.

    :param mutants: of :func:`facts`.
    """
    verdicts = Counter(mutant["verdict"] for mutant in mutants)
    pictures = [mutant["tolerance"] for mutant in mutants if mutant["tolerance"] is not None]
    killed, survived = verdicts["killed"], verdicts["survived"]
    difference, psnr = ([p[f"passes_{key}"] for p in pictures] for key in ("difference_1", "psnr"))
    return {
        "mutants": len(mutants),
        "killed": killed,
        "survived": survived,
        "equivalent": verdicts["equivalent"],
        "contradicted": verdicts["contradicted"],
        "score_percent": 100 * killed // (killed + survived) if killed + survived else 100,
        "pictures_asked": len(pictures),
        "missed_by_difference_1": sum(difference),
        "missed_by_psnr": sum(psnr),
        "missed_by_either": sum(map(max, difference, psnr)),
        "picture_unchanged": sum(p["changed"] == 0 for p in pictures),
    }


def rows(results: Sequence[Result]) -> list[dict[str, str]]:
    """One row a mutant."""
    return [
        {
            "mutant": result.mutant.name,
            "area": result.mutant.area,
            "verdict": result.verdict,
            "stream": "" if result.finding is None else result.finding.stream,
            "seen": _seen(result),
            "tolerance": _tolerance(result),
        }
        for result in results
    ]


def _seen(result: Result) -> str:
    if result.finding is None:
        return result.mutant.equivalent
    place = result.finding.place
    return place if result.finding.kind == "value" else f"{KINDS[result.finding.kind]}: {place}"


def _tolerance(result: Result) -> str:
    found = result.tolerated
    if found is None:
        return ""
    missed = [name for name, passed in (("difference 1", found.difference), ("0.1 dB", found.psnr)) if passed]
    return f"missed by {' and '.join(missed)}" if missed else ""


def print_run(run: Run) -> None:
    """The table, and the figures behind it, on stdout."""
    print_rows(rows(run.results))
    print(summary(facts(run)))


def summary(run: Mapping[str, Any]) -> str:
    """The figures of :func:`facts` in a few lines."""
    found = run["counts"]
    lines = [
        f"{found['mutants']} mutants, {len(run['streams'])} streams: {found['killed']} killed, "
        f"{found['survived']} survived, {found['equivalent']} equivalent; "
        f"{run['seconds']} s, {run['processes']} processes"
    ]
    if found["contradicted"]:
        lines.append(f"{found['contradicted']} are listed as equivalent and are not")
    if found["pictures_asked"]:
        lines.append(
            f"of {found['pictures_asked']} that decode with other values, a largest difference of 1 lets "
            f"{found['missed_by_difference_1']} through, a loss of 0.1 dB {found['missed_by_psnr']}"
        )
    if run["left_out"]:
        lines.append(f"{run['left_out']} streams were left out: their pictures are too large")
    return "\n".join(lines)


def facts(run: Run) -> dict[str, Any]:
    """Everything, JSON-able."""
    mutants = [_facts(result) for result in run.results]
    return {
        "schema": SCHEMA,
        "refdec": __version__,
        "counts": counts(mutants),
        "seconds": round(run.seconds),
        "processes": run.jobs,
        "left_out": run.left_out,
        "streams": [case.name for case in run.cases],
        "mutants": mutants,
    }


def as_json(run: Run) -> str:
    """Everything, for programs."""
    return json.dumps(facts(run), indent=1)


def _facts(result: Result) -> dict[str, Any]:
    mutant, finding, pictures = result.mutant, result.finding, result.tolerated
    return {
        "name": mutant.name,
        "area": mutant.area,
        "description": mutant.description,
        "sources": list(mutant.sources),
        "verdict": result.verdict,
        "equivalent": mutant.equivalent or None,
        "stream": None if finding is None else finding.stream,
        "kind": None if finding is None else finding.kind,
        "place": None if finding is None else finding.place,
        "streams": result.streams,
        "seconds": round(result.seconds, 2),
        "tolerance": None
        if pictures is None
        else {
            "pictures": pictures.pictures,
            "changed": pictures.changed,
            "passes_difference_1": pictures.difference,
            "passes_psnr": pictures.psnr,
            "largest_difference": pictures.worst,
        },
    }


def markdown(run: Run, title: str) -> str:
    """A section with the figures and the tables."""
    found = facts(run)
    return "\n".join(
        [f"## {title}", "", *(f"{line}.  " for line in summary(found).splitlines()), "", *tables(found)]
    )


def tables(run: Mapping[str, Any], shown: int | None = None) -> list[str]:
    """Of :func:`facts`: figures by area, survivors and equivalents, and which stream kills how many.

    :param shown: streams in the last table, ``None`` for all.
    """
    mutants = run["mutants"]
    lines = [
        "| area | mutants | killed | survived | equivalent | missed by difference 1 | missed by 0.1 dB |"
    ]
    lines += ["|---|---|---|---|---|---|---|"]
    for area in dict.fromkeys(mutant["area"] for mutant in mutants):
        lines.append(_row(area, counts([mutant for mutant in mutants if mutant["area"] == area])))
    lines += [_row("all", run["counts"]), ""]
    alive = [mutant for mutant in mutants if mutant["verdict"] == "survived"]
    if alive:
        lines += ["Survivors:", "", "| mutant | area | what it does |", "|---|---|---|"]
        lines += [f"| {m['name']} | {m['area']} | {m['description']} |" for m in alive]
        lines.append("")
    same = [mutant for mutant in mutants if mutant["equivalent"]]
    if same:
        lines += ["Equivalent, that is, no codestream can show them:", "", "| mutant | reason |", "|---|---|"]
        lines += [f"| {m['name']} | {_reason(m)} |" for m in same]
        lines.append("")
    killers = Counter(mutant["stream"] for mutant in mutants if mutant["stream"] is not None)
    lines += ["Streams by the mutants that they find out first (smallest streams are asked first):", ""]
    lines += ["| stream | mutants |", "|---|---|"]
    lines += [f"| {name} | {count} |" for name, count in killers.most_common(shown)]
    if shown is not None and len(killers) > shown:
        rest = sum(killers.values()) - sum(count for _, count in killers.most_common(shown))
        lines.append(f"| {len(killers) - shown} more streams | {rest} |")
    return [*lines, ""]


def _reason(mutant: Mapping[str, Any]) -> str:
    wrong = f" **Not so: {mutant['stream']} shows it.**" if mutant["verdict"] == "contradicted" else ""
    return f"{mutant['equivalent']}{wrong}"


def _row(name: str, found: dict[str, int]) -> str:
    keys = ("mutants", "killed", "survived", "equivalent", "missed_by_difference_1", "missed_by_psnr")
    return f"| {name} | " + " | ".join(str(found[key]) for key in keys) + " |"


def write_html(path: Path, run: Run) -> None:
    """One page: figures, then every mutant with the stream that found it out."""
    cells = []
    for result, row in zip(run.results, rows(run.results), strict=True):
        sources = ", ".join(result.mutant.sources)
        texts = (row["mutant"], row["area"], result.mutant.description, sources)
        texts += (row["verdict"], row["stream"], row["seen"], row["tolerance"])
        cells.append(
            f'<tr class="{result.verdict}">' + "".join(f"<td>{html.escape(t)}</td>" for t in texts) + "</tr>"
        )
    heads = ("mutant", "area", "what it does", "source", "verdict", "stream", "seen at", "tolerance")
    head = "".join(f"<th>{name}</th>" for name in heads)
    lines = "".join(f"<p>{html.escape(line)}</p>" for line in summary(facts(run)).splitlines())
    text = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Mutants</title><style>'
        "body{font-family:sans-serif;margin:2em}table{border-collapse:collapse;font-size:85%}"
        "td,th{border:1px solid #ccc;padding:.2em .5em;text-align:left;vertical-align:top}"
        ".survived,.contradicted{background:#fdd}.equivalent{background:#eee}</style>"
        f"<h1>Mutants, refdec {__version__}</h1>{lines}"
        f"<table><tr>{head}</tr>{''.join(cells)}</table></html>\n"
    )
    with atomic_file(path) as file:
        file.write(text.encode())
