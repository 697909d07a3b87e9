"""The examples of docs/ make the lines that the decoder makes."""

from __future__ import annotations

import hashlib
import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from refdec.compare import compare
from refdec.trace import POINTS, entry_of, read_trace

EXAMPLES = Path(__file__).resolve().parents[2] / "docs/examples"
COMPILER = shutil.which("cc") or shutil.which("gcc")
INDEX = np.arange(24).reshape(2, 3, 4)
EXPECTED = entry_of("residual", "Y", None, INDEX * INDEX % 17 - 8)[0]


def compiled(source: Path, folder: Path) -> str:
    program = folder / source.stem
    assert COMPILER is not None
    command = [COMPILER, "-std=c99", "-Wall", "-Wextra", "-Werror", f"-I{EXAMPLES}", "-o", program, source]
    subprocess.run(command, check=True, timeout=120)
    return subprocess.run([program], check=True, capture_output=True, text=True, timeout=60).stdout


def is_the_trace(text: str, folder: Path) -> None:
    for name, lines in (("theirs", text), ("ours", '{"refdec_trace": 1}\n' + json.dumps(EXPECTED) + "\n")):
        (folder / f"{name}.jsonl").write_text(lines)
    assert json.loads(text.splitlines()[1]) == EXPECTED
    assert compare(read_trace(folder / "ours.jsonl"), read_trace(folder / "theirs.jsonl")) is None


@pytest.mark.skipif(COMPILER is None, reason="no C compiler")
def test_the_c_example(tmp_path: Path) -> None:
    is_the_trace(compiled(EXAMPLES / "trace_line.c", tmp_path), tmp_path)


@pytest.mark.skipif(COMPILER is None, reason="no C compiler")
def test_the_hash_of_the_c_example(tmp_path: Path) -> None:
    """All lengths around its blocks."""
    source = tmp_path / "hashes.c"
    source.write_text(
        '#include <stdio.h>\n#include "sha256.h"\nint main(void) { unsigned char d[200]; char hex[65];\n'
        "for (int i = 0; i < 200; i++) d[i] = (unsigned char)(i * 7);\n"
        "for (int n = 0; n <= 200; n++) { sha256_hex(d, (size_t)n, hex); puts(hex); } return 0; }\n"
    )
    data = bytes(i * 7 % 256 for i in range(200))
    expected = [hashlib.sha256(data[:n]).hexdigest() for n in range(201)]
    assert compiled(source, tmp_path).split() == expected


def test_the_numpy_example(tmp_path: Path) -> None:
    script = EXAMPLES / "trace_line.py"
    done = subprocess.run([sys.executable, script], check=True, capture_output=True, text=True, timeout=60)
    is_the_trace(done.stdout, tmp_path)


def test_the_numpy_example_knows_every_point() -> None:
    trace_line = runpy.run_path(str(EXAMPLES / "trace_line.py"))["trace_line"]
    for point in [*POINTS, "mu.2", "synthesis.conv3"]:
        tensor = np.array([[1, 2], [3, 200]], np.uint8)
        assert json.loads(trace_line(point, "UV", tensor, 3)) == entry_of(point, "UV", 3, tensor)[0]
