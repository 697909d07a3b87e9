"""Nothing between the latent and the file computes with floating point."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from numba import njit, types

from refdec.picture import jit
from tests.entropy.test_jit_integers import CONVERSIONS, FLOATS

ROOT = Path(__file__).resolve().parents[2] / "refdec"
SOURCES = [*(ROOT / "picture").glob("*.py"), *(ROOT / "networks").glob("*.py"), *ROOT.glob("*_stage.py")]
KERNELS: dict[str, Any] = {
    "cubic_axis": jit.cubic_axis,
    "interpolate_rows": jit.interpolate_rows,
    **{name: getattr(jit, name) for name in ("FINE_RGB_BYTES", "FINE_RGB_WORDS", "FINE_BYTES", "FINE_WORDS")},
    **{
        f"{name}.{dtype}": kernel
        for name in ("RGB_BYTES", "RGB_WORDS", "BYTES", "WORDS")
        for dtype, kernel in getattr(jit, name).items()
    },
}


@pytest.mark.parametrize("name", KERNELS)
def test_kernels(name: str) -> None:
    check_kernel(KERNELS[name])


def check_kernel(on_demand: Any) -> None:
    """Neither Numba's types nor the code given to LLVM know floating point."""
    kernel = on_demand.dispatcher()
    assert len(kernel.signatures) == 1 and not kernel._can_compile
    # anew and without the cache, which keeps machine code only
    fresh = njit(kernel.signatures[0], nogil=True, error_model="numpy")(kernel.py_func)
    (overload,) = fresh.overloads.values()
    for variable, kind in overload.type_annotation.typemap.items():
        scalar = kind.dtype if isinstance(kind, types.Array) else kind
        assert not isinstance(scalar, types.Float | types.Complex), (variable, kind)
    body = re.sub(r'c"[^"]*"', "", fresh.inspect_llvm(fresh.signatures[0]))
    assert "define" in body
    for line in body.splitlines():
        if line.startswith(("declare", ";", "source_filename", "target")) or "@.const" in line:
            continue
        assert not FLOATS.search(line) and not CONVERSIONS.search(line), line


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_sources(path: Path) -> None:
    check_source(path)


def check_source(path: Path) -> None:
    """No float constants, no true division, no floating dtypes."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        where = f"{path.name}:{getattr(node, 'lineno', 0)}"
        assert not (isinstance(node, ast.Constant) and isinstance(node.value, float)), where
        assert not isinstance(getattr(node, "op", None), ast.Div), where
        if isinstance(node, ast.Attribute):
            # "log" is the name of a field of the scales, integers too
            assert not re.fullmatch(r"float\d*|double|exp2?|log2|sqrt|ldexp|rint", node.attr), where
