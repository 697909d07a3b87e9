"""No kernel computes with floating point: neither in Numba's types nor in the code given to LLVM."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from numba import njit, types

from refdec.entropy.jit import decode, encode, maps
from refdec.entropy.jit.kernel import OnDemand, sources
from refdec.kernel_cache import KernelCache

FLOATS = re.compile(
    r"\b(half|bfloat|float|double|x86_fp80|fp128|f(?:add|sub|mul|div|rem|neg|cmp|ptrunc|pext))\b"
)
CONVERSIONS = re.compile(r"\b(?:[su]itofp|fpto[su]i)\b")


def kernels() -> dict[str, Any]:
    found = {}
    for module in (decode, encode, maps):
        for name, value in vars(module).items():
            if isinstance(value, OnDemand) and value.__module__ == module.__name__:
                found[f"{module.__name__.rpartition('.')[2]}.{name}"] = value.dispatcher()
    return found


def test_all_kernels_are_found_and_have_one_signature_each() -> None:
    assert len(kernels()) == 26
    for name, kernel in kernels().items():
        assert len(kernel.signatures) == 1, name
        assert not kernel._can_compile, f"{name} would compile for other types as well"


def test_cached_code_belongs_to_all_sources() -> None:
    """A kernel contains code and constants of other files."""
    for name, kernel in kernels().items():
        own = Path(kernel.py_func.__code__.co_filename).read_bytes()
        stamp = f"{sources()} {hashlib.sha256(own).hexdigest()}"
        assert kernel._cache.stamp == KernelCache(kernel.py_func, stamp).stamp, name
        assert kernel._cache.stamp != KernelCache(kernel.py_func, stamp + "x").stamp, name


@pytest.mark.parametrize("name", kernels())
def test_no_floating_point(name: str) -> None:
    kernel = kernels()[name]
    # Anew and without the cache, which keeps machine code only.
    fresh = njit(kernel.signatures[0], nogil=True, error_model="numpy")(kernel.py_func)
    (overload,) = fresh.overloads.values()
    for variable, kind in overload.type_annotation.typemap.items():
        scalar = kind.dtype if isinstance(kind, types.Array) else kind
        assert not isinstance(scalar, types.Float | types.Complex), (variable, kind)
    code = fresh.inspect_llvm(fresh.signatures[0])
    body = re.sub(r'c"[^"]*"', "", code)
    assert "define" in body and " i64 " in body
    for line in body.splitlines():
        if line.startswith(("declare", ";", "source_filename", "target")) or "@.const" in line:
            continue
        assert not FLOATS.search(line) and not CONVERSIONS.search(line), line


def test_the_search_finds_floating_point() -> None:
    fresh = njit(types.float64(types.int64), nogil=True)(lambda a: a * 0.5)
    assert FLOATS.search(fresh.inspect_llvm(fresh.signatures[0]))
    assert any(
        isinstance(t, types.Float)
        for t in next(iter(fresh.overloads.values())).type_annotation.typemap.values()
    )
