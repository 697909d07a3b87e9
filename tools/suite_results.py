"""Measure suites and write docs/results: streams, times, coverage, mutants, and the distance to photographs.

    python tools/suite_results.py --work FOLDER [-o docs/results] [--jobs 2] [--pictures KODAK] [--keep]

FOLDER takes the suites, and what every command wrote as JSON; with ``--keep`` a step whose result is there is
not run again, so that one page can be made anew without the others (``--parts``). The pages of a suite need
the steps named here:

========================= ===================================================================
``base.md``               generate (on one process and on ``--jobs``), verify, coverage, mutants
``bundled.md``            verify and mutants of the bundled suites
``photographs.md``        the pictures below ``--pictures`` coded, mutants; and both above
========================= ===================================================================
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.mutants.pages import base_page, bundled_page, photographs_page
from conformance.suite.fields import read_json
from conformance.suite.records import GROUPS, INDEX, MAX_INDEX_BYTES
from conformance.verify.suite import open_suite
from refdec.atomic_file import atomic_file

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("base", "bundled", "photographs")
PHOTOS, VECTORS = ROOT / "conformance/photos", ROOT / "conformance/vectors"
REFCONF = (sys.executable, "-m", "conformance")


@dataclass(frozen=True)
class Work:
    """Runs the commands, once each.

    :param folder: for suites and results. :param keep: do not repeat what is there.
    """

    folder: Path
    jobs: int
    keep: bool

    def step(
        self,
        name: str,
        command: Sequence[str | Path],
        written: Path | None = None,
        codes: tuple[int, ...] = (0,),
    ) -> Any:
        """Result of a command, its own JSON file or what it prints; the time goes beside it.

        :param written: the file that it writes. :param codes: exit codes that are results.
        :raises SystemExit: it fails.
        """
        result = self.folder / f"{name}.json"
        seconds = self.folder / f"{name}.seconds"
        if not (self.keep and result.exists() and seconds.exists()):
            print(f"{name}: {' '.join(map(str, command))}", file=sys.stderr, flush=True)
            seconds.unlink(missing_ok=True)
            start = time.perf_counter()
            with (self.folder / f"{name}.log").open("wb") as log:
                done = subprocess.run([str(c) for c in command], cwd=ROOT, stdout=subprocess.PIPE, stderr=log)
            if done.returncode not in codes:
                raise SystemExit(f"{name} ends with {done.returncode}, see {self.folder / f'{name}.log'}")
            spent = time.perf_counter() - start
            if written != result:
                result.write_bytes(done.stdout)
            seconds.write_text(f"{spent:.0f}\n")
        text = result.read_text(encoding="utf-8")
        return json.loads(text) if text.lstrip().startswith("{") else text

    def seconds(self, name: str) -> str:
        """How long a step took."""
        return (self.folder / f"{name}.seconds").read_text().strip()

    def refconf(self, name: str, *arguments: str | Path, written: bool = True) -> Any:
        """A command of refconf that puts its results into a JSON file; 1 says that it found something."""
        path = self.folder / f"{name}.json"
        json_file = ("--json", path) if written else ("--json",)
        command = (*REFCONF, *arguments, *json_file, "--jobs", str(self.jobs))
        return self.step(name, command, path if written else None, (0, 1) if written else (0,))


def streams_of(folder: Path) -> dict[str, Any]:
    """Streams and bytes by group."""
    if (folder / INDEX).is_file():
        entries = read_json(folder / INDEX, MAX_INDEX_BYTES)["streams"]
        sizes = [(entry["group"], entry["bytes"]) for entry in entries]
    else:
        suite = open_suite(folder)
        kinds = (("must-decode", "streams"), ("must-reject", "malformed"))
        sizes = [
            (group, len(suite.streams[entry["file"]]))
            for group, key in kinds
            for entry in suite.manifest[key]
        ]
    groups = {g: [sum(x == g for x, _ in sizes), sum(n for x, n in sizes if x == g)] for g in GROUPS}
    total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return {"groups": {g: value for g, value in groups.items() if value[0]}, "bytes": total}


def base(work: Work) -> tuple[str, Any]:
    """The generated suite: its page, and its mutants."""
    suite, other = work.folder / "base", work.folder / "base-1"
    generate = (*REFCONF, "generate", "--profile", "base", "--seed", "1", "--json", "-o")
    if not work.keep:
        for folder in (suite, other):
            shutil.rmtree(folder, ignore_errors=True)
    made = work.step("generate", (*generate, suite, "--jobs", str(work.jobs)))
    again = work.step("generate-1", (*generate, other, "--jobs", "1"))
    if made["suite_sha256"] != again["suite_sha256"]:
        raise SystemExit(
            f"{work.jobs} processes made {made['suite_sha256']}, one made {again['suite_sha256']}"
        )
    made["same"] = f"1 and {work.jobs}"
    engines = ("golden", "jit")
    for engine in engines:
        work.refconf(f"verify-{engine}", "verify", suite, "--engine", engine, written=False)
    coverage = work.refconf("coverage", "coverage", suite)
    mutants = work.refconf("mutants-base", "mutants", suite)
    times = [
        ("generate", work.seconds("generate"), work.jobs),
        ("generate", work.seconds("generate-1"), 1),
        *((f"verify, engine {e}", work.seconds(f"verify-{e}"), work.jobs) for e in engines),
        ("coverage", work.seconds("coverage"), work.jobs),
        ("mutants", work.seconds("mutants-base"), work.jobs),
    ]
    return base_page(made, streams_of(suite), coverage, mutants, times), mutants


def bundled(work: Work) -> tuple[str, Any]:
    """The bundled suites: their page, and their mutants."""
    work.refconf("verify-bundled", "verify", written=False)
    mutants = work.refconf("mutants-bundled", "mutants")
    times = [
        ("verify", work.seconds("verify-bundled"), work.jobs),
        ("mutants", work.seconds("mutants-bundled"), work.jobs),
    ]
    suites = {str(folder.relative_to(ROOT)): streams_of(folder) for folder in (PHOTOS, VECTORS)}
    return bundled_page(suites, mutants, times), mutants


def photographs(work: Work, pictures: Path | None, base_run: Any, bundled_run: Any) -> str:
    """The page about photographs alone."""
    suite = work.folder / "photographs"
    if pictures is not None:
        tool = (sys.executable, "tools/photographs_suite.py", "--pictures", pictures.resolve(), "-o", suite)
        work.step("photographs", tool)
    alone = work.refconf("mutants-photographs", "mutants", suite)
    runs = {"generated (base)": base_run, "bundled": bundled_run, "photographs alone": alone}
    description = read_json(suite / INDEX, MAX_INDEX_BYTES)["description"]
    return photographs_page(description, runs, streams_of(suite))


def main() -> int:
    """Run what is asked for and write the pages."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, required=True, help="folder for suites and results")
    parser.add_argument("--output", "-o", type=Path, default=ROOT / "docs/results")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--pictures", type=Path, help="folder of photographs, for photographs.md")
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, help="pages to write; by default all that can be"
    )
    parser.add_argument("--keep", action="store_true", help="do not run again what has its result in --work")
    options = parser.parse_args()
    can = PARTS if options.pictures or (options.work / "photographs" / INDEX).is_file() else PARTS[:2]
    parts = tuple(options.parts or can)
    if "photographs" in parts and "photographs" not in can:
        parser.error("photographs.md needs --pictures")
    options.work.mkdir(parents=True, exist_ok=True)
    work = Work(options.work.resolve(), options.jobs, options.keep)
    pages, runs = {}, {}
    for name, make in (("base", base), ("bundled", bundled)):
        if name in parts:
            pages[name], runs[name] = make(work)
    if "photographs" in parts:
        # The page compares: what was not asked for is not measured again.
        earlier = Work(work.folder, work.jobs, True)
        for name, make in (("base", base), ("bundled", bundled)):
            runs[name] = runs[name] if name in runs else make(earlier)[1]
        pages["photographs"] = photographs(work, options.pictures, runs["base"], runs["bundled"])
    options.output.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        with atomic_file(options.output / f"{name}.md") as file:
            file.write((text.rstrip() + "\n").encode())
        print(options.output / f"{name}.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
