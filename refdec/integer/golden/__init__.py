"""The golden engine: NumPy int64, one node after the other, every proved bound asserted.

It is written to be read next to ``docs/arithmetic-networks.md``, not to be fast, and it trusts
nothing: each accumulator is held against int32 and against the interval that the proof promises for
its channel, each output against its proved range. A violation is a defect of this package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from refdec.engine_record import ran
from refdec.integer.golden.attention import channel_attention
from refdec.integer.golden.bounds import BoundViolation, Int64Array, Watch
from refdec.integer.golden.convolution import conv, transposed_conv
from refdec.integer.golden.elementwise import add, clip, lut, mul, pixel_shuffle
from refdec.integer.golden.normalisation import layer_norm
from refdec.integer.graph import Graph, Node
from refdec.integer.proof import prove

__all__ = ["BoundViolation", "run"]

Int16Array = npt.NDArray[np.int16]


def run(
    graph: Graph,
    inputs: Mapping[str, npt.NDArray[Any]],
    size: tuple[int, int],
    *,
    observe: Callable[[str, npt.NDArray[Any]], None] | None = None,
    accumulators: Callable[[str, Int64Array], None] | None = None,
) -> dict[str, Int16Array]:
    """Evaluate a graph; parameters, result and errors as :func:`refdec.integer.run`.

    :param accumulators: called with a node's name and its complete int64 sums ``[C, H, W]``, before
        rounding (:meth:`refdec.integer.proof.Peaks.record` fits).
    :raises BoundViolation: an intermediate left its proved interval.
    """
    ran("networks", "golden")
    proof = prove(graph)
    graph.check_inputs(inputs)  # AN-FMT-04
    sizes = {name: (array.shape[1], array.shape[2]) for name, array in inputs.items()}
    shapes = graph.shapes(sizes, size)  # AN-FMT-05
    values: dict[str, Int64Array] = {name: array.astype(np.int64) for name, array in inputs.items()}
    last_use = {source: node.name for node in graph.nodes for source in node.inputs}
    for node in graph.nodes:
        watch = Watch(node.name, proof.accumulators.get(node.name), accumulators)
        # AN-FMT-02, AN-FMT-03
        out = _evaluate(graph, node, [values[i] for i in node.inputs], shapes[node.name], watch)
        watch.output(out, shapes[node.name], proof.ranges[node.name])  # AN-FMT-01, AN-PROOF-01
        values[node.name] = out
        if observe is not None:
            observe(node.name, _int16(out))
        for source in set(node.inputs):
            if last_use[source] == node.name and source not in graph.outputs:
                del values[source]
    return {name: _int16(values[name]) for name in graph.outputs}


def _int16(values: Int64Array) -> Int16Array:
    return np.ascontiguousarray(values.astype(np.int16))


def _evaluate(
    graph: Graph, node: Node, sources: list[Int64Array], shape: tuple[int, int, int], watch: Watch
) -> Int64Array:
    a, t = sources[0], node.tensors
    if node.op == "pixel_shuffle":
        return pixel_shuffle(a, node.attributes["factor"])
    if node.op == "crop":
        return a[:, : shape[1], : shape[2]]  # AN-CROP-01
    if node.op == "concat":
        return np.concatenate(sources)  # AN-CAT-01
    if node.op == "slice":
        return a[node.attributes["start"] : node.attributes["stop"]]  # AN-SLICE-01
    lo, hi = (bound.astype(np.int64) for bound in graph.clip_range(node.name))
    if node.op == "conv":
        return conv(a, node, lo, hi, watch)
    if node.op == "transposed_conv":
        return transposed_conv(a, node, lo, hi, watch)
    if node.op == "clip":
        return clip(a, node, lo, hi)  # AN-ACT-01
    if node.op == "abs":
        return clip(np.abs(a), node, lo, hi)  # AN-ACT-02
    if node.op == "add":
        return add(a, sources[1], node, lo, hi, watch)
    if node.op == "mul":
        return mul(a, sources[1], node, lo, hi, watch)
    if node.op == "lut":
        return clip(lut(a, t["table"]), node, lo, hi)  # AN-LUT-01
    if node.op == "layer_norm":
        return layer_norm(a, node, lo, hi, watch)
    if node.op == "channel_attention":
        return channel_attention(a, node, lo, hi, watch)
    raise NotImplementedError(node.op)
