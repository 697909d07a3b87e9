"""Integer networks: graphs as data, the proof that they cannot overflow, and the engines that run them.

``run`` is the one entry point; results do not depend on the engine, on threads or on the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import numpy.typing as npt

from refdec.integer.graph import Graph, GraphInput, Node
from refdec.integer.hyper_scale import hyper_scale_decoder_graph
from refdec.integer.model_file import Model, load_model, save_model
from refdec.integer.proof import OverflowProofError, Proof, prove

__all__ = [
    "Graph",
    "GraphInput",
    "Model",
    "Node",
    "OverflowProofError",
    "Proof",
    "graphs_run_by",
    "hyper_scale_decoder_graph",
    "load_model",
    "prove",
    "run",
    "save_model",
]

Int16Array = npt.NDArray[np.int16]
Observer = Callable[[str, npt.NDArray[Any]], None]
_substitute: ContextVar[Callable[..., dict[str, Int16Array]] | None] = ContextVar("substitute", default=None)


@contextmanager
def graphs_run_by(engine: Callable[..., dict[str, Int16Array]]) -> Iterator[None]:
    """Within the block, every graph of this thread is evaluated by an engine from outside of the package.

    :param engine: takes ``graph, inputs, size, observe=`` and gives what :func:`run` gives.
    """
    token = _substitute.set(engine)
    try:
        yield
    finally:
        _substitute.reset(token)


def run(
    graph: Graph,
    inputs: Mapping[str, npt.NDArray[Any]],
    size: tuple[int, int],
    *,
    engine: str = "jit",
    threads: int = 1,
    observe: Observer | None = None,
) -> dict[str, Int16Array]:
    """Evaluate a graph.

    :param inputs: int16 ``[C, H, W]`` by name, any strides, values in the declared ranges.
    :param size: rows and columns of the picture or tile in luma samples (``crop`` depends on it).
    :param engine: ``"jit"`` or ``"golden"``; the result is the same.
    :param threads: threads of the jit engine; the result is the same.
    :param observe: called with every node's name and output, in graph order.
    :returns: the graph's outputs by name, int16 ``[C, H, W]``, C-contiguous.
    :raises ValueError: inputs that do not fit the graph, or an unknown engine.
    :raises ModelError: the graph cannot run at this size or cannot be proved free of overflow.
    :raises ResourceLimitError: more positions than the attention of the graph is exact for.
    """
    substitute = _substitute.get()
    if substitute is not None:
        return substitute(graph, inputs, size, observe=observe)
    if engine == "golden":
        from refdec.integer import golden

        return golden.run(graph, inputs, size, observe=observe)
    if engine == "jit":
        from refdec.integer import jit

        result: dict[str, Int16Array] = jit.run(graph, inputs, size, threads=threads, observe=observe)
        return result
    raise ValueError(f"engine must be 'jit' or 'golden', found {engine!r}")
