"""Decompression bombs: what small files that claim much cost. Writes a table to docs/results/bombs.md.

    python tools/bombs.py [-o docs/results/bombs.md] [--only NAME ...]

Every file is made and read in a process of its own. Before the measurement that process decodes a small
stream, so that compiled kernels and models are there; what is shown is what came on top of it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from conformance.fuzz.bombs import BOMBS, Bomb, read
from conformance.fuzz.target import memory_limited

SECONDS = 600
MEMORY = 6 << 30
HEAD = """# Decompression bombs

What small files that claim much cost. Made by `python tools/bombs.py`, which writes each of them with this
project's own writers and gives it to the reader that it is for: codestreams to the decoder with default limits
and the bundled models, pictures and maps to the encoder's readers, the rest to what reads suites, traces and
model files. *Memory* is the peak of the process beyond what it held before, *time* is processor time; both of
reading alone.

| file | read as | bytes | claims | ends with | memory | time |
|---|---|---:|---|---|---:|---:|
"""


def main() -> None:
    """Measure all of them, or one as a child."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/results/bombs.md"))
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--child", nargs=2, metavar=("NAME", "FOLDER"))
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(child(*arguments.child)))
        return
    rows = []
    for bomb in BOMBS:
        if not arguments.only or bomb.name in arguments.only:
            facts = measured(bomb)
            rows.append(row(bomb, facts))
            print(rows[-1], flush=True)
            if facts["ends"] != bomb.ends:
                print(f"  expected: {bomb.ends}", file=sys.stderr)
    if not arguments.only:
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8")


def measured(bomb: Bomb) -> dict[str, Any]:
    """Make a bomb and read it, each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--child", bomb.name, folder]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return {"bytes": 0, "ends": "no end", "memory": 0, "seconds": SECONDS}
    if done.returncode:
        return {
            "bytes": 0,
            "ends": f"exit {done.returncode}: {done.stderr[-300:]}",
            "memory": 0,
            "seconds": 0,
        }
    facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return facts


def child(name: str, folder: str) -> dict[str, Any]:
    """Make and read one bomb in this process."""
    bomb = next(item for item in BOMBS if item.name == name)
    maker = os.fork()  # what making a file takes is not counted
    if maker == 0:
        bomb.make(Path(folder))
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(maker, 0)[1]):
        raise SystemExit("the file could not be made")
    paths = sorted(Path(folder).iterdir())
    path = next((p for p in paths if p.name == "a.jsonl"), paths[0])
    warm()
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    start = time.process_time()
    with memory_limited(MEMORY):
        ends = read(bomb, path)
    seconds = time.process_time() - start
    size = sum(p.stat().st_size for p in paths)
    return {"bytes": size, "ends": ends, "memory": memory("VmHWM") - before, "seconds": round(seconds, 2)}


def warm() -> None:
    """Decode a small picture."""
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
