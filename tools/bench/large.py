"""Large pictures, synthesis in tiles, with and without each post-filter: seconds and memory of a decode.

Codestream in memory to picture in memory, with the bundled models (SOP), in a process of its own for each
number; ``peak_mb`` is that whole process, ``cpu_s`` the processor time of all threads, which a busy machine
changes less than ``s``. Streams are coded once; a filter changes the tool header alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tools.bench.decode import stream
from tools.bench.filters import tool_header

ROOT = Path(__file__).resolve().parents[2]
SIZES = {"12mp": (3072, 4096), "50mp": (6144, 8192)}
FILTERS = ("none", "lef", "efe_linear", "efe_nonlinear", "eicci")


def variants(data: bytes) -> dict[str, bytes]:
    """The codestream with each filter."""
    from refdec.codestream import parse
    from refdec.codestream.assemble import rewrite

    parsed = parse(data)
    if parsed.picture.components[0].tiling is None:
        raise SystemExit("the picture is not tiled")
    out = {"none": data}
    for name in FILTERS[1:]:
        out[name] = rewrite(replace(parsed, tools=tool_header(name, parsed.picture)))
    return out


def measure(name: str, size: tuple[int, int], threads: Sequence[int]) -> dict[str, float]:
    """Every filter at one size."""
    out: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.jai"
        for kind, data in variants(stream(size)).items():
            path.write_bytes(data)
            for count in threads:
                command = [sys.executable, "-m", "tools.bench.large", str(path), str(count)]
                done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
                for key, value in json.loads(done.stdout).items():
                    out[f"large.{name}.{kind}.{key}.{count}t"] = value
    return out


def run(rounds: int) -> dict[str, float]:
    """All numbers of the section, each measured once."""
    threads = (1, 2) if (os.cpu_count() or 1) > 1 else (1,)
    out: dict[str, float] = {}
    for name, size in SIZES.items():
        out |= measure(name, size, threads)
    return out


def _decode(path: str, threads: int) -> None:
    import time

    from refdec.decoder import decode
    from refdec.models_io import bundled_models
    from tools.bench.filters import with_networks
    from tools.bench.peak import peak_megabytes

    models, data = with_networks(bundled_models()), Path(path).read_bytes()
    begin, used = time.perf_counter(), time.process_time()
    decode(data, models, threads=threads)
    took = {"s": time.perf_counter() - begin, "cpu_s": time.process_time() - used}
    print(json.dumps({**took, "peak_mb": peak_megabytes()}))


if __name__ == "__main__":
    _decode(sys.argv[1], int(sys.argv[2]))
