"""The page about fuzzing, from the journal, the corpora and the list of findings."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conformance.fuzz.driver import read_journal
from conformance.fuzz.measure import Reached
from conformance.fuzz.target import targets

HEAD = """# Fuzzing

Written by `python -m conformance.fuzz report` from the journal of `python -m conformance.fuzz run`; what the
targets are and what is promised is in [hostile.md](../hostile.md). Fuzzing goes on where it stopped with

```sh
pip install -e '.[fuzz,encoder]'
python -m conformance.fuzz run --work {work} --minutes 60
```

A fresh folder starts from the seeds. Whatever ends in something else than a result or the declared error, or
takes longer or more memory than it may, is a finding.

"""


def write_report(work: Path, output: Path, reached: Mapping[str, Reached], regressions: Path) -> None:
    """Write the page.

    :param reached: what each corpus covers.
    :param regressions: folder of the files that tests replay.
    """
    journal = read_journal(work)
    lines = [
        HEAD.format(work="build/fuzz"),
        _totals(journal),
        "",
        "| target | what | executions | accepted | clock | inputs kept | lines | ids | open findings |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, target in targets().items():
        own = [line for line in journal if line["target"] == name]
        results: Counter[str] = Counter()
        for line in own:
            results.update(line["results"])
        count = sum(line["executions"] for line in own)
        seconds = sum(line["seconds"] for line in own)
        share = f"{100 * results['ok'] / max(1, results.total()):.0f} %"
        found = reached.get(name)
        covered = "" if found is None else f"{found.covered} of {found.lines}"
        ids = "" if found is None else str(len(found.ids))
        kept = own[-1]["corpus"] if own else 0
        lines.append(
            f"| {name} | {target.purpose} | {count:,} | {share} | {seconds:,.0f} s | {kept:,} | {covered} "
            f"| {ids} | {_open(work, name)} |"
        )
    every = set().union(*(found.ids for found in reached.values())) if reached else set()
    lines += [
        "",
        "*accepted*: executions that gave a result. *lines*: of functions in the modules that a target is",
        "about, executed by its corpus in Python (compiled kernels do not count). *ids*: statements of docs/",
        f"that the corpus exercises or breaks; {len(every)} by all corpora together.",
        "",
        "## Findings",
        "",
        "Each is a file below `tests/data/regressions/`, which the ordinary tests give to the same target.",
        "",
        "| target | file | what happened | what was changed |",
        "|---|---|---|---|",
    ]
    for entry in json.loads((regressions / "findings.json").read_text(encoding="utf-8")):
        lines.append(f"| {entry['target']} | {entry['file']} | {entry['found']} | {entry['fix']} |")
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _totals(journal: list[dict[str, Any]]) -> str:
    executions = sum(line["executions"] for line in journal)
    seconds = sum(line["seconds"] for line in journal)
    names = {line["target"] for line in journal}
    slowest = max((line["slowest"] for line in journal), default=0)
    minutes = seconds / 60
    return (
        f"So far: **{executions:,} executions** of {len(names)} targets in {minutes:.0f} minutes,\n"
        "on the clock, imports and the first run of every corpus included. The slowest execution took\n"
        f"{slowest:.1f} s on the clock, with compilation and what else the machine did; what may become\n"
        "a finding is processor time."
    )


def _open(work: Path, name: str) -> int:
    folder = work / "findings" / name
    return sum(1 for path in folder.glob("*") if path.suffix != ".txt") if folder.is_dir() else 0
