"""The fast engine without Numba's compiler: the same program text on Python's integers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from refdec.python_kernels import PlainArray, plain, wrapped

ROOT = Path(__file__).parents[2]

QUICK = """
import numpy as np
from conformance.verify.suite import bundled_suite
from conformance.verify.verifier import _check_payload, _models, check_malformed, check_stream, payload_names
from refdec.filters.golden import lef as golden_lef
from refdec.filters.jit import lef as jit_lef
from refdec.integer import golden, jit
from refdec.integer.jit.kernels import run_program
from refdec.picture import golden as golden_picture
from refdec.picture import jit as jit_picture
from refdec.python_kernels import PythonKernel
from tests.integer.jit_graphs import GRAPHS
from tests.integer.random_graphs import random_case, random_inputs

assert isinstance(run_program, PythonKernel)
np.seterr(all="raise")
rng = np.random.default_rng(0)
for name, make in GRAPHS.items():
    graph = make()
    inputs = random_inputs(graph, {item.name: (1, 3) for item in graph.inputs}, rng)
    found, expected = (e.run(graph, inputs, (16, 48)) for e in (jit, golden))
    assert all(np.array_equal(found[n], expected[n]) for n in expected), name
for seed in range(6):
    case = random_case(seed)
    found, expected = (e.run(case.graph, case.inputs, case.size) for e in (jit, golden))
    assert all(np.array_equal(found[n], expected[n]) for n in expected), seed
suite = bundled_suite()
for name in payload_names(suite.payloads):
    _check_payload(suite, "jit", name)
models = _models(suite)
for entry in suite.manifest["malformed"][:8]:
    check_malformed(entry, suite, models, "jit")
planes = [rng.integers(0, 65536, (5, 7)).astype(np.uint16) for _ in range(3)]
for depth in (8, 10):
    found, expected = (e.to_rgb(*planes, depth) for e in (jit_picture, golden_picture))
    assert all(np.array_equal(a, b) for a, b in zip(found, expected))
found, expected = (e.interpolate(planes[0], (9, 14), (0, 9)) for e in (jit_picture, golden_picture))
assert np.array_equal(found, expected)
luma = rng.integers(0, 255 << 16, (6, 9)).astype(np.int32)
scale = rng.integers(0, 4096, (2, 3)).astype(np.int32)
steering = (scale, (100, 900, 2000), (100, 110, 150, 200))
found, expected = (e.sharpen(luma, *steering) for e in (jit_lef, golden_lef))
assert np.array_equal(found, expected)
print("equal")
"""


def run(words: list[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def test_kernels_of_every_kind_without_a_compiler() -> None:
    done = run(["-W", "error::RuntimeWarning", "-c", QUICK])
    assert done.stdout == "equal\n", done.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        "tests/picture/test_engines_agree.py",
        "tests/filters/test_lef.py",
        "tests/filters/test_eicci_parts.py",
        "tests/entropy/test_jit_errors.py",
        "tests/decode/test_efe.py",
        # The others have planes of millions of samples.
        "tests/filters/test_efe.py -k not(as_many_tiles or memory_stays)",
    ],
)
def test_the_engine_s_own_tests_without_a_compiler(words: str) -> None:
    path, *chosen = words.split(" ", 2)
    done = run(["-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider", path, *chosen])
    assert done.returncode == 0, done.stdout[-3000:]


def test_the_command_says_that_nothing_was_compiled(tmp_path: Path) -> None:
    path = tmp_path / "e.json"
    done = run(
        ["-m", "conformance", "evidence", "-o", str(path), "--only", "cut-payload", "--only", "plain-64x64"]
    )
    assert done.returncode == 0, done.stderr
    assert '"compiled": false' in path.read_text()


@pytest.mark.parametrize(
    ("value", "bits", "signed", "expected"),
    [
        (255, 8, True, -1),
        (-1, 8, False, 255),
        (1 << 63, 64, True, -(1 << 63)),
        (-(1 << 31) - 1, 32, True, (1 << 31) - 1),
    ],
)
def test_conversions_drop_bits_as_processors_do(value: int, bits: int, signed: bool, expected: int) -> None:
    assert wrapped(value, bits, signed) == expected


def test_arrays_give_integers_without_a_width() -> None:
    import numpy as np

    array = PlainArray(np.array([[200, 100], [3, 4]], np.uint8))
    assert array[0, 0] + array[0, 1] == 300 and type(array[0, 0]) is int
    array[0][1] = 257
    assert array[0, 1] == 1 and array.shape == (2, 2) and len(array) == 2
    assert type(plain(np.int8(-3))) is int
