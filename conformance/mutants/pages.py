"""Pages about what suites find out, made from what the commands wrote as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from conformance.coverage.report import share, summed_up
from conformance.mutants.report import counts, summary, tables

LISTED, SHOWN, KILLERS = 40, 240, 20
"""Points of a group, characters of one of them, and streams, that a page shows before it stops."""
Json = Mapping[str, Any]

BASE = """\
# The standard suite

What `refconf generate --profile base --seed 1` makes, what it exercises, and how many wrong decoders it
finds out ([mutants.md](../mutants.md) says what is counted). `python tools/suite_results.py` writes this
page; apart from the times it is the same on every machine.
"""
BUNDLED = """\
# The bundled suites

What `refconf verify` and `refconf mutants` run where no suite is named: photographs and made-up pictures
coded with the bundled models, and vectors of the entropy stage. `python tools/suite_results.py` writes this
page.
"""
PHOTOGRAPHS = """\
# The distance: photographs alone

The same wrong decoders against what decoders are usually tested with: photographs coded by an encoder at
several rates, and nothing else. `python tools/photographs_suite.py` makes that suite,
`python tools/suite_results.py` writes this page.
"""


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """A table, and the empty line behind it."""
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return [*lines, ""]


def base_page(
    made: Json, streams: Json, coverage: Json, mutants: Json, times: Sequence[Sequence[object]]
) -> str:
    """The page about the generated suite.

    :param made: what ``refconf generate --json`` printed; ``same``: how many processes gave these bytes.
    :param streams: picture sizes and the like by name, see :func:`groups_table`.
    :param times: rows of the table of times: what, seconds, processes.
    """
    lines = [BASE, f"Suite SHA-256 `{made['suite_sha256']}`, the same from {made['same']} processes.", ""]
    lines += [
        f"{sum(made['streams'].values())} streams, {megabytes(made['bytes'])} on disk, models included.",
        "",
    ]
    lines += groups_table(streams)
    lines += ["## Times", "", *table(("", "seconds", "processes"), times)]
    lines += ["## What it exercises", "", *coverage_tables(coverage)]
    lines += ["## Mutants", "", *_mutants(mutants)]
    return "\n".join(lines)


def bundled_page(suites: Mapping[str, Json], mutants: Json, times: Sequence[Sequence[object]]) -> str:
    """The page about the bundled suites; ``suites`` as :func:`groups_table`, by folder."""
    lines = [BUNDLED]
    for name, streams in suites.items():
        lines += [f"`{name}`:", "", *groups_table(streams)]
    lines += ["## Times", "", *table(("", "seconds", "processes"), times)]
    lines += ["## Mutants", "", *_mutants(mutants)]
    return "\n".join(lines)


def photographs_page(description: str, runs: Mapping[str, Json], streams: Json) -> str:
    """The page about the distance.

    :param runs: by the suite's name, what ``refconf mutants`` found; the last one is that of photographs.
    """
    name, alone = list(runs.items())[-1]
    common = set.intersection(*({m["name"] for m in run["mutants"]} for run in runs.values()))
    parts = {key: [m for m in run["mutants"] if m["name"] in common] for key, run in runs.items()}
    lines = [PHOTOGRAPHS, f"{description} {megabytes(streams['bytes'])}.", ""]
    rows = []
    for key, mutants in parts.items():
        found = counts(mutants)
        real, killed = found["killed"] + found["survived"], found["killed"]
        least = [killed - found[f"missed_by_{name}"] for name in ("difference_1", "psnr")]
        rows.append(
            (key, len(runs[key]["streams"]), real, killed, found["survived"], share(killed, real), *least)
        )
    heads = ("suite", "streams", "wrong decoders", "found out", "survive", "share found out")
    lines += table((*heads, "found out with difference 1", "with 0.1 dB"), rows)
    lines += [
        f"Equivalent mutants ({counts(parts[name])['equivalent']}) are left out. The last two columns: wrong "
        "decoders that are still found out where pictures are compared with a tolerance "
        "([mutants.md](../mutants.md)).",
        "",
        "## Survivors by area",
        "",
    ]
    areas = list(dict.fromkeys(m["area"] for m in alone["mutants"]))
    rows = []
    for area in areas:
        found = {key: counts([m for m in mutants if m["area"] == area]) for key, mutants in parts.items()}
        total = found[name]["killed"] + found[name]["survived"]
        rows.append((area, total, *(found[key]["survived"] for key in parts)))
    lines += table(("area", "wrong decoders", *(f"survive: {key}" for key in parts)), rows)
    lines += ["## Survivors of photographs alone", ""]
    for area in areas:
        alive = [m["name"] for m in parts[name] if m["area"] == area and m["verdict"] == "survived"]
        if alive:
            lines += [f"**{area}**: {', '.join(alive)}", ""]
    return "\n".join(lines)


def groups_table(streams: Json) -> list[str]:
    """Streams and bytes by group, from ``{"groups": {group: [count, bytes]}, "bytes": all}``."""
    rows = [(group, count, size) for group, (count, size) in streams["groups"].items()]
    return table(("group", "streams", "bytes of codestreams"), rows)


def coverage_tables(coverage: Json) -> list[str]:
    """Shares by group, and what is missing."""
    groups = coverage["groups"]
    rows = []
    for group in groups.values():
        within = group["covered"] + len(group["missing"])
        rows.append(
            (
                group["title"],
                group["covered"],
                within,
                share(group["covered"], within),
                len(group["missing"]),
                len(group["unreachable"]),
            )
        )
    lines = table(("", "covered", "of", "share", "missing", "unreachable"), rows)
    for key, group in groups.items():
        missing = [_cut(text) for text in summed_up(key, group["missing"])]
        if missing:
            more = f", and {len(missing) - LISTED} more" if len(missing) > LISTED else ""
            lines += [f"Not exercised, {group['title'].lower()}: {'; '.join(missing[:LISTED])}{more}.", ""]
    problems = [(s["name"], s["problem"]) for s in coverage["streams"] if s["problem"]]
    return lines + (table(("stream that counts for nothing", "why"), problems) if problems else [])


def _cut(text: str) -> str:
    """Ranges of numbers, as many as can be looked at."""
    return text if len(text) <= SHOWN else text[: text.rindex(", ", 0, SHOWN)] + " and so on"


def _mutants(run: Json) -> list[str]:
    found = run["counts"]
    percent = share(found["killed"], found["killed"] + found["survived"])
    # Times stand in their own table.
    told = [line.split("; ")[0] for line in summary(run).splitlines()]
    return [
        f"{percent} of the mutants that are not equivalent are found out.",
        "",
        *(f"{t}.  " for t in told),
        "",
        *tables(run, KILLERS),
    ]


def megabytes(size: int) -> str:
    """A size for people."""
    return f"{size / 1e6:.1f} MB"
