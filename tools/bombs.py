"""Decompression bombs: what small files that claim much cost. Writes a table to docs/results/bombs.md.

    python tools/bombs.py [-o docs/results/bombs.md] [--only NAME ...]

Every file is made and read in a process of its own, a copy of one that has decoded a small stream: what is
shown is what came on top of it. Needs Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from conformance.fuzz.bombs import BOMBS, Bomb, import_readers, read
from conformance.fuzz.target import memory_limited

SECONDS = 600
MEMORY = 6 << 30
HEAD = """# Decompression bombs

What small files that claim much cost. Made by `python tools/bombs.py`, which writes each of them with this
project's own writers and gives it to the reader that it is for: codestreams to the decoder with default
limits and the bundled models, pictures and maps to the encoder's readers, the rest to what reads suites,
traces and model files. *Memory* is the peak of the process beyond what it held before, *time* is processor
time; both of reading alone.

| file | read as | bytes | claims | ends with | memory | time |
|---|---|---:|---|---|---:|---:|
"""


def main() -> None:
    """Measure all of them, or those that are named."""
    parser = argparse.ArgumentParser(description="Measure decompression bombs.")
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/results/bombs.md"))
    parser.add_argument("--only", action="append", default=[], help="Name of a bomb. Repeatable.")
    arguments = parser.parse_args()
    warm()
    rows = []
    for bomb in BOMBS:
        if not arguments.only or bomb.name in arguments.only:
            with tempfile.TemporaryDirectory() as folder:
                facts = measured(bomb, Path(folder))
            rows.append(row(bomb, facts))
            print(rows[-1], flush=True)
            if facts["ends"] != bomb.ends:
                print(f"  expected: {bomb.ends}", file=sys.stderr)
    if not arguments.only:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8")


def measured(bomb: Bomb, folder: Path) -> dict[str, Any]:
    """Make a bomb and read it, each in a process of its own."""
    forked(lambda: str(bomb.make(folder)))
    paths = sorted(folder.iterdir())
    path = next((p for p in paths if p.name == "a.jsonl"), paths[0])
    facts: dict[str, Any] = json.loads(forked(lambda: json.dumps(reading(bomb, path))))
    return facts | {"bytes": sum(p.stat().st_size for p in paths)}


def reading(bomb: Bomb, path: Path) -> dict[str, Any]:
    """What reading costs this process."""
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak starts anew
    start = time.process_time()
    with memory_limited(MEMORY):
        try:
            ends = read(bomb, path)
        except Exception as error:
            ends = f"{type(error).__name__}: {error}"
    seconds = time.process_time() - start
    return {"ends": ends, "memory": memory("VmHWM") - before, "seconds": seconds}


def forked(call: Callable[[], str]) -> str:
    """What a call gives in a copy of this process.

    :raises SystemExit: the copy died.
    """
    source, sink = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(source)
        signal.alarm(SECONDS)
        with os.fdopen(sink, "w", encoding="utf-8") as file:
            file.write(call())
        os._exit(0)
    os.close(sink)
    with os.fdopen(source, encoding="utf-8") as file:
        text = file.read()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code:
        raise SystemExit(f"a child ended with {code}")
    return text


def warm() -> None:
    """Import every reader, and decode a small picture: compiled kernels and models are there afterwards."""
    import_readers()
    from refdec.decoder import decode
    from refdec.models_io import bundled_models

    decode(
        Path(str(files("conformance").joinpath("photos/streams/smallest.jai"))).read_bytes(), bundled_models()
    )


def memory(key: str) -> int:
    """Bytes of this process, as the kernel counts them."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) << 10
    return 0


def row(bomb: Bomb, facts: dict[str, Any]) -> str:
    """A line of the table."""
    return (
        f"| {bomb.name} | {bomb.reader} | {facts['bytes']:,} | {bomb.claim} | {facts['ends']} "
        f"| {max(facts['memory'], 0) / (1 << 20):.0f} MiB | {facts['seconds']:.2f} s |"
    )


if __name__ == "__main__":
    main()
