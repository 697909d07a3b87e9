"""Measure: ``python tools/bench.py [--section NAME]... [--output build/bench.json] [--rounds N]``.

Prints a table and writes flat names and numbers as JSON; sections that are not run keep what the file
has of them. The sections are the modules of ``tools/bench`` that have a function ``run``.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pkgutil
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def sections() -> dict[str, Callable[[int], dict[str, float]]]:
    """``run`` of every section, by name."""
    import tools.bench

    found = {}
    for module in pkgutil.iter_modules(tools.bench.__path__):
        run = getattr(importlib.import_module(f"tools.bench.{module.name}"), "run", None)
        if run is not None:
            found[module.name] = run
    return found


def show(results: dict[str, float]) -> None:
    """One line per number, large ones with separators."""
    width = max(map(len, results))
    for name, value in results.items():
        text = f"{value:,.0f}" if abs(value) >= 10000 else f"{value:,.4g}"
        print(f"{name:<{width}}  {text:>14}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--section", action="append", help="run this section only; may be repeated")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench.json")
    parser.add_argument("--rounds", type=int, default=15, help="interleaved rounds per measurement")
    options = parser.parse_args()
    available = sections()
    chosen = options.section or list(available)
    for name in chosen:
        if name not in available:
            parser.error(f"no section {name!r}; there are {', '.join(available)}")
    known: dict[str, float] = json.loads(options.output.read_text()) if options.output.exists() else {}
    for name in chosen:
        print(f"-- {name}: {(sys.modules[available[name].__module__].__doc__ or '').splitlines()[0]}")
        results = {key: float(value) for key, value in available[name](options.rounds).items()}
        show(results)
        known = {key: value for key, value in known.items() if not key.startswith(f"{name}.")}
        known.update(results)
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    # One thread unless a section says otherwise; set before any library that reads it is imported.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.path[0] = str(ROOT)
    main()
