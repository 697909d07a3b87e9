"""The engine that is fast: graphs lowered to programs of vector kernels, run in bands of rows.

The path of a graph: :mod:`lower` fuses its nodes into steps and packs weights (once per graph),
:mod:`schedule` plans memory and the order of rows (once per size), :mod:`runner` runs the plan on
:mod:`kernels`. Results are those of the golden engine bit for bit, for any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from refdec.engine_record import ran
from refdec.integer.graph import Graph
from refdec.integer.jit.runner import execute
from refdec.integer.proof import prove

__all__ = ["run"]

Int16Array = npt.NDArray[np.int16]


def run(
    graph: Graph,
    inputs: Mapping[str, npt.NDArray[Any]],
    size: tuple[int, int],
    *,
    threads: int = 1,
    observe: Callable[[str, npt.NDArray[Any]], None] | None = None,
) -> dict[str, Int16Array]:
    """Evaluate a graph; parameters, result and errors as :func:`refdec.integer.run`.

    With ``observe`` nothing is fused, and every node's output exists in memory at once.
    """
    ran("networks", "jit")
    if threads < 1:
        raise ValueError(f"{threads} threads")
    prove(graph)
    graph.check_inputs(inputs)
    if observe is None:
        return execute(graph, inputs, size, graph.outputs, threads)
    nodes = [node.name for node in graph.nodes]
    names = (*nodes, *(name for name in graph.outputs if name not in nodes))
    values = execute(graph, inputs, size, names, threads)
    for name in nodes:
        observe(name, values[name])
    return {name: values[name] for name in graph.outputs}
