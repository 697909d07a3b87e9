"""Measure: ``python tools/bench.py [--section NAME]... [--output build/bench.json] [--rounds N]``.

Prints a table and writes flat names and numbers as JSON; sections that are not run keep what the file
has of them. The sections are the modules of ``tools/bench`` that have a function ``run``.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]


def sections() -> list[str]:
    """Names of the sections: modules with a function ``run``, found without importing them."""
    files = sorted((ROOT / "tools" / "bench").glob("*.py"))
    return [path.stem for path in files if "\ndef run(" in path.read_text(encoding="utf-8")]


def section(name: str) -> ModuleType:
    """The module of a section; each has its own requirements."""
    return importlib.import_module(f"tools.bench.{name}")


def show(results: dict[str, float]) -> None:
    """One line per number, large ones with separators."""
    width = max(map(len, results))
    for name, value in results.items():
        text = f"{value:,.0f}" if abs(value) >= 10000 else f"{value:,.4g}"
        print(f"{name:<{width}}  {text:>14}")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--section", action="append", choices=sections(), help="run this section only; may be repeated"
    )
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench.json")
    parser.add_argument("--rounds", type=int, default=15, help="interleaved rounds per measurement")
    options = parser.parse_args(arguments)
    for name in options.section or sections():
        module = section(name)
        print(f"-- {name}: {(module.__doc__ or '').splitlines()[0]}")
        results = {key: float(value) for key, value in module.run(options.rounds).items()}
        show(results)
        merge(options.output, name, results)


def merge(path: Path, name: str, results: dict[str, float]) -> None:
    """Write the results of a section; what the file has of other sections stays."""
    known: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}
    prefixes = {key.partition(".")[0] for key in results} | {name}
    known = {key: value for key, value in known.items() if key.partition(".")[0] not in prefixes}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(known | results, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    # One thread unless a section says otherwise; set before any library that reads it is imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.path[0] = str(ROOT)
    main()
