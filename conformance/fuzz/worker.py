"""One target in one process under atheris (libFuzzer): ``python -m conformance.fuzz.worker TARGET ...``.

Nothing of the package is imported at the top: what is fuzzed is imported under instrumentation, so that
libFuzzer sees which branches an input takes. Numba's functions cannot be instrumented; what reaches them
decides the instrumented code around them and the golden engine, which runs the same data.

What a target raises is kept as a finding, once for each place, and fuzzing goes on. A hang and a crash of the
process end it; libFuzzer keeps the input then.
"""

from __future__ import annotations

import argparse
import faulthandler
import hashlib
import json
import resource
import sys
import time
import traceback
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

COMPILED = (
    "refdec.entropy.jit",
    "refdec.integer.jit",
    "refdec.filters.jit",
    "refdec.picture.jit",
    "refdec.networks.jit",
)
NOT_FUZZED = (
    "conformance.fuzz",
    "conformance.generate",
    "conformance.mutants",
    "conformance.verify.synthetic",
)
TOP = Path(__file__).resolve().parents[2]
HANG = 120
"""Seconds after which libFuzzer ends the process; a target's own limit is lower and only noted."""
STATE_SECONDS = 1.0
WARM = 20


def main() -> None:
    """Entry point; does not return."""
    parser = argparse.ArgumentParser()
    parser.add_argument("target")
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--findings", type=Path, required=True)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--executions", type=int, default=-1)
    arguments = parser.parse_args()
    import atheris

    with atheris.instrument_imports(include=["refdec", "conformance"], exclude=left_out()):
        from conformance.fuzz.bytes_mutator import mutate_bytes
        from conformance.fuzz.target import MEMORY, address_space, execute, targets

        target = targets()[arguments.target]
    faulthandler.enable()
    state = State(arguments.state, arguments.findings)
    for number, path in enumerate(sorted(arguments.corpus.iterdir())[:WARM]):
        # compiles and loads before time and memory are limited
        state.run(target, path.read_bytes(), lambda item, data: item.run(data))
        if target.mutator is not None:
            target.mutator(path.read_bytes(), Random(number), mutate_bytes)
    resource.setrlimit(resource.RLIMIT_AS, (address_space() + MEMORY, resource.RLIM_INFINITY))

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        random = Random(seed)

        def blindly(part: bytes, _random: Random) -> bytes:
            return bytes(atheris.Mutate(part, max(len(part), min(max_size, len(part) + 64), 1)))

        if random.randrange(3) == 0:
            return bytes(atheris.Mutate(data, max_size))
        return target.mutator(data, random, blindly)[:max_size]

    flags = [
        sys.argv[0],
        f"-max_total_time={arguments.seconds}",
        f"-runs={arguments.executions}",
        f"-max_len={target.max_bytes}",
        f"-timeout={HANG}",
        f"-report_slow_units={HANG}",  # by the clock, which says nothing on a busy machine
        "-rss_limit_mb=4096",
        "-len_control=0",
        "-reload=0",
        "-print_final_stats=1",
        f"-artifact_prefix={arguments.findings}/",
        str(arguments.corpus),
    ]
    more: dict[str, Any] = {} if target.mutator is None else {"custom_mutator": mutate}
    atheris.Setup(flags, lambda data: state.run(target, data, execute), **more)
    atheris.Fuzz()


def left_out() -> list[str]:
    """Names of all modules that are not instrumented."""
    return [name for part in (*COMPILED, *NOT_FUZZED) for name in modules_of(part)]


def modules_of(name: str) -> list[str]:
    """A module or package of the repository, and all modules in it: the instrumentation wants every name."""
    folder = TOP.joinpath(*name.split("."))
    inside = [path.relative_to(TOP).with_suffix("") for path in folder.rglob("*.py")]
    return [name, *(".".join(path.parts).removesuffix(".__init__") for path in inside)]


class State:
    """Counts results and keeps findings; written to a file every second, since the end gives no notice."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.path, self.folder = path, folder
        self.results: Counter[str] = Counter()
        self.findings: Counter[str] = Counter()
        self.executions, self.slowest, self.written = 0, 0.0, 0.0

    def run(self, target: Any, data: bytes, execute: Any) -> None:
        """One execution."""
        start = time.perf_counter()
        self.executions += 1
        try:
            self.results[execute(target, data)] += 1
        except Exception as error:
            self._keep(error, data)
        now = time.perf_counter()
        self.slowest = max(self.slowest, now - start)
        if now - self.written > STATE_SECONDS:
            self.written = now
            self._write()

    def _keep(self, error: Exception, data: bytes) -> None:
        key = place_of(error)
        self.findings[key] += 1
        if self.findings[key] == 1:
            name = hashlib.sha256(key.encode()).hexdigest()[:12]
            (self.folder / f"{name}.bin").write_bytes(data)
            text = f"{key}\n\n{''.join(traceback.format_exception(error))}"
            (self.folder / f"{name}.txt").write_text(text, encoding="utf-8")
            self._write()

    def _write(self) -> None:
        self.path.write_text(
            json.dumps(
                {
                    "executions": self.executions,
                    "results": dict(self.results),
                    "findings": dict(self.findings),
                    "slowest": round(self.slowest, 3),
                }
            ),
            encoding="utf-8",
        )


def place_of(error: BaseException) -> str:
    """What tells one finding from another: the class, and the last line of the package it went through."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "refdec/" in f.filename or "conformance/" in f.filename]
    own = [f for f in own if "conformance/fuzz/" not in f.filename] or own or list(frames)
    parts = Path(own[-1].filename).parts
    packages = [i for i, part in enumerate(parts) if part in ("refdec", "conformance")]
    first = max(packages, default=len(parts) - 1)
    return f"{type(error).__name__} {'/'.join(parts[first:])}:{own[-1].lineno} {own[-1].name}"


if __name__ == "__main__":
    main()
