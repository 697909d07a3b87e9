"""From the start of a process to the first decoded symbol, with warm and with empty JIT cache.

Every number is wall time of a new interpreter. *Cold* has an empty ``NUMBA_CACHE_DIR``, so that
everything is compiled and written; *warm* has what the cold run left there.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

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
counts = {}
for name in %s:
    module = importlib.import_module(name)
    counts[name] = sum(
        len(value.signatures)
        for value in vars(module).values()
        if isinstance(value, Dispatcher) and value.py_func.__module__ == name
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


def child(code: str, cache: str) -> tuple[float, str]:
    """Seconds from before the process is made to the time it prints last, and all it prints."""
    environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
    begin = time.time()
    output = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    last = json.loads(output)
    return (last[1] if isinstance(last, list) else last) - begin, output


def run(rounds: int) -> dict[str, float]:
    """All numbers of the section; a third of ``rounds`` for the warm ones, the cold ones once each."""
    kernels = KERNELS % json.dumps(kernel_modules())
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        first_symbol_cold, _ = child(FIRST_SYMBOL, first)
        cold, output = child(kernels, second)
        counts: dict[str, int] = json.loads(output)[0]
        warm: dict[str, list[float]] = {"first_symbol": [], "kernels": [], "libraries": []}
        for _ in range(max(3, rounds // 3)):
            for name, code in (
                ("first_symbol", FIRST_SYMBOL),
                ("kernels", kernels),
                ("libraries", LIBRARIES),
            ):
                warm[name].append(child(code, second)[0])
    median = {name: statistics.median(samples) for name, samples in warm.items()}
    return {
        "start.cold_s": cold,
        "start.warm_s": median["kernels"],
        "start.first_symbol_cold_s": first_symbol_cold,
        "start.first_symbol_warm_s": median["first_symbol"],
        "start.libraries_s": median["libraries"],
        "start.signatures": float(sum(counts.values())),
        "start.signatures.entropy": float(sum(n for name, n in counts.items() if ".entropy." in name)),
    }
