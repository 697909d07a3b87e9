"""The engine that is fast: Numba kernels with one signature each, compiled once and cached.

``decode`` and ``encode`` hold the kernels of the payload coders and ``maps`` those of the tensors
around them; ``coders``, ``payload`` and ``fields`` check arguments, turn failures into errors and
share work out among OS threads.
"""

from __future__ import annotations

from refdec.entropy.jit.engine import ENGINE, JitEngine

__all__ = ["ENGINE", "JitEngine"]
