"""From the start of a process to the first decoded symbol, with warm and with empty JIT cache.

Every number is of a new interpreter: wall time, or processor time (``cpu``) which other processes do
not lengthen as much. *Cold* has an empty ``NUMBA_CACHE_DIR``, so that
everything is compiled and written; *warm* has what the cold run left there.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]

# One symbol: a thread of which the state says what it is.
FIRST_SYMBOL = """
import time
import numpy as np
from refdec.entropy import engine
value = engine("jit").decode_residual(b"\\x00\\x00\\x01", (3,), np.zeros(1, np.uint8), np.zeros(1, np.bool_))
print(time.time())
"""

LIBRARIES = """
import time
import numpy, numba
print(time.time())
"""

KERNELS = """
import importlib, json, time
from numba.core.dispatcher import Dispatcher
from refdec.entropy.jit.kernel import OnDemand
counts = {}
for name in %s:
    module = importlib.import_module(name)
    counts[name] = sum(
        len(value.signatures)
        for value in vars(module).values()
        if isinstance(value, (Dispatcher, OnDemand)) and value.py_func.__module__ == name
    )
done = time.time()
print(json.dumps([counts, done]))
"""


def kernel_modules() -> list[str]:
    """Modules with kernels: of the entropy engine, and of the integer engine where it is installed."""
    names = [f"refdec.entropy.jit.{name}" for name in ("decode", "encode", "maps")]
    if find_spec("refdec.integer") and find_spec("refdec.integer.jit"):
        package = find_spec("refdec.integer.jit")
        assert package is not None and package.submodule_search_locations is not None
        for folder in package.submodule_search_locations:
            names += sorted(
                f"refdec.integer.jit.{path.stem}"
                for path in Path(folder).glob("*.py")
                if path.stem != "__init__"
            )
    return names


@dataclass(frozen=True)
class Child:
    """A finished interpreter: seconds from before it was made to the time it printed last, processor
    seconds of all of it, and what it printed."""

    wall: float
    cpu: float
    output: Any


def cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def child(code: str, cache: str) -> Child:
    """Run code in a new interpreter with its JIT cache in a folder."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
    used, begin = cpu_of_children(), time.time()
    output = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    printed = json.loads(output)
    done = printed[1] if isinstance(printed, list) else printed
    return Child(done - begin, cpu_of_children() - used, printed)


def run(rounds: int) -> dict[str, float]:
    """All numbers of the section; a third of ``rounds`` for the warm ones, the cold ones once each."""
    kernels = KERNELS % json.dumps(kernel_modules())
    codes = {"first_symbol": FIRST_SYMBOL, "kernels": kernels, "libraries": LIBRARIES}
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        first_symbol_cold = child(FIRST_SYMBOL, first)
        cold = child(kernels, second)
        counts: dict[str, int] = cold.output[0]
        warm: dict[str, list[Child]] = {name: [] for name in codes}
        for _ in range(max(3, rounds // 3)):
            for name, code in codes.items():
                warm[name].append(child(code, second))
    wall = {name: statistics.median(c.wall for c in children) for name, children in warm.items()}
    cpu = {name: statistics.median(c.cpu for c in children) for name, children in warm.items()}
    return {
        "start.cold_s": cold.wall,
        "start.cold_cpu_s": cold.cpu,
        "start.warm_s": wall["kernels"],
        "start.warm_cpu_s": cpu["kernels"],
        "start.first_symbol_cold_s": first_symbol_cold.wall,
        "start.first_symbol_cold_cpu_s": first_symbol_cold.cpu,
        "start.first_symbol_warm_s": wall["first_symbol"],
        "start.first_symbol_warm_cpu_s": cpu["first_symbol"],
        "start.libraries_s": wall["libraries"],
        "start.signatures": float(sum(counts.values())),
        "start.signatures.entropy": float(sum(n for name, n in counts.items() if ".entropy." in name)),
    }
