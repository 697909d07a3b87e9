"""Nothing in the filters computes with floating point."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import Any

import pytest

import refdec.filters.jit
from refdec.entropy.jit.kernel import OnDemand
from tests.picture.test_integers import check_kernel, check_source

SOURCES = sorted((Path(__file__).resolve().parents[2] / "refdec" / "filters").rglob("*.py"))


def kernels() -> dict[str, Any]:
    """All kernels of all modules of the fast engine."""
    package = refdec.filters.jit
    found = {}
    for item in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{item.name}")
        for name, value in vars(module).items():
            if isinstance(value, OnDemand):
                found[f"{item.name}.{name}"] = value
    return found


KERNELS = kernels()


@pytest.mark.parametrize("name", KERNELS)
def test_kernels(name: str) -> None:
    check_kernel(KERNELS[name])


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_sources(path: Path) -> None:
    check_source(path)
