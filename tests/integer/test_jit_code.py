"""What the compiler makes of the kernels: integers only, multiply-adds where there are any."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest
from numba import njit, types

from conformance.evidence import instructions
from refdec.integer.jit import kernels, vector_ir

FLOATS = re.compile(
    r"\b(half|bfloat|float|double|x86_fp80|fp128|f(?:add|sub|mul|div|rem|neg|cmp|ptrunc|pext))\b"
    r"|\b(?:[su]itofp|fpto[su]i)\b"
)
MULTIPLY_ADD = re.compile(r"vpdpwssd|v?pmaddwd")


@pytest.fixture(scope="module")
def fresh():
    """The program runner with all kernels inside, compiled anew: a cached one keeps machine code only."""
    signature = kernels.run_program.signatures[0]
    return njit(signature, nogil=True, error_model="numpy")(kernels.run_program.py_func)


def test_no_floating_point(fresh) -> None:
    (overload,) = fresh.overloads.values()
    for variable, kind in overload.type_annotation.typemap.items():
        scalar = kind.dtype if isinstance(kind, types.Array) else kind
        assert not isinstance(scalar, types.Float | types.Complex), (variable, kind)
    code = re.sub(r'c"[^"]*"', "", fresh.inspect_llvm(fresh.signatures[0]))
    # All kernels are in there: their vectors are.
    assert f"<{vector_ir.LANES} x i64>" in code and f"<{2 * vector_ir.LANES} x i16>" in code
    for line in code.splitlines():
        if line.startswith(("declare", ";", "source_filename", "target")) or "@.const" in line:
            continue
        assert not FLOATS.search(line), line


@pytest.mark.skipif(not vector_ir.PAIRED, reason="x86 has the instruction")
def test_the_inner_loop_is_multiply_adds_without_spills(fresh) -> None:
    asm = fresh.inspect_asm(fresh.signatures[0])
    blocks = [b for b in re.split(r"\n\.L\w+:", asm) if len(MULTIPLY_ADD.findall(b)) >= vector_ir.MAIN_TILE]
    assert blocks
    loops = [b for b in blocks if re.search(r"\n\s+j\w+\s+\.L", b)]
    wide = r"[yz]mm" if "ymm" in asm else "xmm"
    clean = [b for b in loops if not re.search(rf"{wide}\d+, -?\d*\(%r[sb]p|-?\d*\(%r[sb]p\S*\), %{wide}", b)]
    assert clean, "every loop of multiply-adds goes through the stack"


def test_the_listing_of_instructions(fresh) -> None:
    counts = instructions.count(fresh.inspect_asm(fresh.signatures[0]))
    assert counts.get("float", 0) == 0
    if instructions.family() is not None:
        assert counts["instructions"] > 1000
        assert sum(counts[name] for name in ("vpdpwssd", "pmaddwd", "smlal") if name in counts) > 10


def test_one_signature_and_a_stamp_of_all_sources() -> None:
    assert len(kernels.run_program.signatures) == 1
    assert kernels.run_program.py_func.__closure__[0].cell_contents == kernels._stamp()


OTHER_FORM = """
import platform
platform.machine = lambda: "aarch64"
import numpy as np
from refdec.integer import golden, jit
from refdec.integer.jit import vector_ir
from tests.integer.jit_graphs import GRAPHS
from tests.integer.random_graphs import random_case, random_inputs
assert not vector_ir.PAIRED
rng = np.random.default_rng(0)
for name, make in GRAPHS.items():
    graph = make()
    for h, w in ((1, 1), (3, 7), (4, 13)):
        inputs = random_inputs(graph, {item.name: (h, w) for item in graph.inputs}, rng)
        found, expected = (e.run(graph, inputs, (16 * h, 16 * w)) for e in (jit, golden))
        assert all(np.array_equal(found[n], expected[n]) for n in expected), (name, h, w)
for seed in range(60):
    case = random_case(seed)
    found, expected = (e.run(case.graph, case.inputs, case.size) for e in (jit, golden))
    assert all(np.array_equal(found[n], expected[n]) for n in expected), seed
print("equal")
"""


@pytest.mark.slow
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the other form than this machine's")
def test_the_form_for_other_machines_gives_the_same() -> None:
    """Weights one by one instead of in pairs, as on AArch64, compiled for this machine."""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", OTHER_FORM], cwd=root, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.stdout == "equal\n", done.stderr
