"""The entropy stage: me-tANS payloads, scales, masks, quality map, dequantisation.

Two engines implement the one interface (:class:`refdec.entropy.interface.EntropyEngine`):
``golden`` says what is right, in NumPy and Python integers, and ``jit`` is fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import cast

from refdec.entropy.interface import (
    RESIDUAL_FRACTION_BITS,
    THREAD_COUNTS,
    EntropyEngine,
    Rounding,
    VarianceScaling,
)

ENGINES = ("golden", "jit")

__all__ = [
    "ENGINES",
    "RESIDUAL_FRACTION_BITS",
    "THREAD_COUNTS",
    "EntropyEngine",
    "Rounding",
    "VarianceScaling",
    "engine",
]


def engine(name: str) -> EntropyEngine:
    """The engine ``golden`` or ``jit``; imported on first use.

    :raises ValueError: there is no engine of that name.
    """
    if name not in ENGINES:
        raise ValueError(f"no entropy engine {name!r}; there are {', '.join(ENGINES)}")
    return cast(EntropyEngine, import_module(f"refdec.entropy.{name}").ENGINE)
