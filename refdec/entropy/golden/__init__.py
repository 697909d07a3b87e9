"""The engine that says what is right: NumPy int64 and Python integers, every bound asserted.

It reads in the order of docs/arithmetic.md: ``bits`` (the container of one thread), ``residual`` and
``z`` (the two payload coders), ``scales`` (log domain, skip mode, RVS, GRFS, LSBS segments),
``quality`` (the spatial quality map) and ``dequantise``.
"""

from __future__ import annotations

from refdec.entropy.golden.engine import ENGINE, GoldenEngine

__all__ = ["ENGINE", "GoldenEngine"]
