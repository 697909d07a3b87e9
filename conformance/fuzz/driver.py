"""Fuzzes all targets in turn, on one core at low priority, and keeps a journal from which it goes on.

::

    WORK/corpus/<target>/      inputs that reached something new; seeds to begin with
    WORK/findings/<target>/    inputs that ended in something else than a result or a declared error
    WORK/journal.jsonl         one line for every stretch of fuzzing
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from conformance.fuzz.target import Target, targets

JOURNAL = "journal.jsonl"
GRACE = 3600
"""Seconds that a process may take beyond its stretch: to import, to compile, to read its corpus."""
FIRST = 20
"""Seconds of a target's first stretch: every target is tried early."""


def fuzz(
    work: Path,
    *,
    minutes: float,
    executions: int | None = None,
    names: Sequence[str] = (),
    stretch: int = 240,
    progress: Callable[[str], None] = lambda _line: None,
) -> None:
    """Fuzz until the time is over or all targets together have been executed often enough.

    :param executions: in all, those of earlier runs in the same folder included; ``None``: no limit.
    :param names: targets, all without.
    :param stretch: seconds of one process.
    """
    end = time.monotonic() + 60 * minutes
    chosen = [target for name, target in targets().items() if not names or name in names]
    for target in chosen:
        prepare(work, target)
    while time.monotonic() < end:
        journal = read_journal(work)
        if executions is not None and sum(line["executions"] for line in journal) >= executions:
            break
        spent = {target.name: 0.0 for target in chosen}
        for line in journal:
            if line["target"] in spent:
                spent[line["target"]] += line.get("processor", line["seconds"])
        target = min(chosen, key=lambda item: spent[item.name] / item.share)
        seconds = FIRST if spent[target.name] == 0 else stretch
        entry = fuzz_one(work, target, max(5, min(seconds, int(end - time.monotonic()))))
        with (work / JOURNAL).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        progress(
            f"{target.name}: {entry['executions']} executions in {entry['seconds']:.0f} s, "
            f"{entry['corpus']} inputs kept, findings: {', '.join(entry['findings']) or 'none'}"
        )


def lower_priority() -> None:
    """Make this process and its children give way to everything else of the machine.

    Linux groups processes by session, and only the group's own niceness counts between groups.
    """
    os.nice(15)
    with suppress(OSError):
        os.setsid()
    if os.getsid(0) != os.getpid():
        return  # the session is that of a shell, which shall not become slow
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text("15", encoding="ascii")


def prepare(work: Path, target: Target) -> None:
    """Folders of a target, and its seeds if it has no corpus yet."""
    corpus = work / "corpus" / target.name
    (work / "findings" / target.name).mkdir(parents=True, exist_ok=True)
    if corpus.is_dir():
        return
    partial = corpus.with_name(f".{target.name}.part")
    partial.mkdir(parents=True, exist_ok=True)
    for data in dict.fromkeys(target.seeds()):
        (partial / hashlib.sha1(data).hexdigest()).write_bytes(data)
    partial.rename(corpus)


def fuzz_one(work: Path, target: Target, seconds: int) -> dict[str, Any]:
    """One stretch of one target in a process of its own; its line for the journal."""
    state = work / f".{target.name}.json"
    state.unlink(missing_ok=True)
    log = work / f".{target.name}.log"
    corpus, findings = work / "corpus" / target.name, work / "findings" / target.name
    before = {path.name for path in findings.iterdir()}
    command = [
        sys.executable, "-m", "conformance.fuzz.worker", target.name, "--corpus", str(corpus),
        "--findings", str(findings), "--state", str(state), "--seconds", str(seconds),
    ]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    start, used = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    with log.open("wb") as output:
        try:
            code: int | str = subprocess.run(
                command, stdout=output, stderr=output, env=environment, timeout=seconds + GRACE, check=False
            ).returncode
        except subprocess.TimeoutExpired:
            code = "killed"
    found = json.loads(state.read_text(encoding="utf-8")) if state.is_file() else {}
    text = log.read_text(encoding="utf-8", errors="replace")
    counted = re.findall(r"stat::number_of_executed_units: (\d+)", text)
    edges = re.findall(r"cov: (\d+)", text)
    new = sorted({path.name for path in findings.iterdir()} - before)
    return {
        "target": target.name,
        "seconds": round(time.monotonic() - start, 1),
        "processor": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - used, 1),
        "executions": int(counted[-1]) if counted else found.get("executions", 0),
        "results": found.get("results", {}),
        "findings": found.get("findings", {}),
        "new": [name for name in new if not name.endswith(".txt")],
        "slowest": found.get("slowest", 0.0),
        "corpus": sum(1 for _ in corpus.iterdir()),
        "edges": int(edges[-1]) if edges else 0,
        "exit": code,
    }


def read_journal(work: Path) -> list[dict[str, Any]]:
    """All stretches so far; a line that was cut short by an interruption is left out."""
    path = work / JOURNAL
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]
