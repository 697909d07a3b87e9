"""Linear layers as the quantiser sees them: which taps make which output samples, and fused epilogues."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from conformance.quantize.float_graph import FloatGraph, FloatNode

LINEAR = ("conv", "transposed_conv")


@dataclass(frozen=True)
class Step:
    """One integer node to be made: a float node with the activation that its epilogue absorbs.

    :param node: the operation; ``output`` is the name of the tensor that comes out at the end.
    :param slope: leaky slope on the accumulator, or ``None``.
    :param lo, hi: what the output is limited to by meaning (ReLU, ReLU6), ``None`` where it is not.
    """

    node: FloatNode
    output: str
    slope: float | None = None
    lo: float | None = None
    hi: float | None = None


def fuse(graph: FloatGraph) -> list[Step]:
    """The nodes of ``graph`` with activations folded into the convolution before them where nobody else
    reads that convolution's output."""
    steps: list[Step] = []
    absorbed: set[str] = set()
    for node in graph.nodes:
        if node.name in absorbed:
            continue
        step = Step(node, node.name, node.attributes.get("leaky"))
        readers = graph.consumers(node.name)
        if node.op in LINEAR and len(readers) == 1 and node.name not in graph.outputs:
            reader = readers[0]
            if reader.op == "leaky" and step.slope is None:
                step = Step(node, reader.name, reader.attributes["slope"])
            elif reader.op == "clip" and step.slope is None:
                step = Step(node, reader.name, None, reader.attributes["lo"], reader.attributes["hi"])
        if step.output != node.name:
            absorbed.add(step.output)
        elif node.op == "clip":
            step = Step(node, node.name, None, node.attributes["lo"], node.attributes["hi"])
        elif node.op == "abs":
            step = Step(node, node.name, None, 0.0, None)
        steps.append(step)
    return steps


@dataclass(frozen=True)
class Problem:
    """A matrix product inside a layer: output channels ``outputs`` at some positions from input channels
    ``inputs`` at the offsets ``taps`` (``(dy, dx)`` on the input grid).

    ``weight`` is ``[O, I, T]`` and ``place`` says where it came from: an index for the layer's weights.
    ``stride`` is the step on the input grid; outputs lie at ``spread * y + phase[0], spread * x + phase[1]``.
    """

    outputs: slice
    inputs: slice
    taps: tuple[tuple[int, int], ...]
    weight: np.ndarray
    place: tuple[object, ...]
    stride: int
    spread: int
    phase: tuple[int, int]


def problems(node: FloatNode) -> Iterator[Problem]:
    """Splits a convolution into its groups, a transposed convolution into its four output phases."""
    weight = node.tensors["weight"]
    if node.op == "conv":
        groups = node.attributes["groups"]
        out, inner = weight.shape[0] // groups, weight.shape[1]
        top, left = node.attributes["pad"][:2]
        taps = tuple((ky - top, kx - left) for ky in range(weight.shape[2]) for kx in range(weight.shape[3]))
        for g in range(groups):
            rows, columns = slice(g * out, (g + 1) * out), slice(g * inner, (g + 1) * inner)
            part = weight[rows].reshape(out, inner, -1)
            yield Problem(rows, columns, taps, part, (rows,), node.attributes["stride"], 1, (0, 0))
        return
    k = weight.shape[2]
    # Output row Y = 2y - 1 + ky: even rows take odd kernel rows and the other way round.
    for py in (0, 1):
        for px in (0, 1):
            rows_k = [ky for ky in range(k) if (py + 1 - ky) % 2 == 0]
            columns_k = [kx for kx in range(k) if (px + 1 - kx) % 2 == 0]
            taps = tuple(((py + 1 - ky) // 2, (px + 1 - kx) // 2) for ky in rows_k for kx in columns_k)
            place = (slice(None), slice(None), *np.ix_(rows_k, columns_k))
            part = weight[place].reshape(*weight.shape[:2], -1).transpose(1, 0, 2)
            yield Problem(
                slice(0, weight.shape[1]), slice(0, weight.shape[0]), taps, part, place, 1, 2, (py, px)
            )


def store(target: np.ndarray, node: FloatNode, problem: Problem, weight: np.ndarray) -> None:
    """Puts a problem's weights ``[O, I, T]`` back where :func:`problems` took them from."""
    if node.op == "conv":
        target[problem.outputs] = weight.reshape(target[problem.outputs].shape)
        return
    shape = target[problem.place].shape
    target[problem.place] = weight.transpose(1, 0, 2).reshape(shape)


def output_weight(node: FloatNode) -> np.ndarray:
    """The weight as ``[out, in/groups, kh, kw]`` for both kinds of convolution."""
    weight = node.tensors["weight"]
    return weight if node.op == "conv" else weight.transpose(1, 0, 2, 3)


def spread_inputs(node: FloatNode, values: np.ndarray) -> np.ndarray:
    """Per-input-channel values ``[in]`` as each output channel's weights see them: ``[out, in/groups]``."""
    weight = output_weight(node)
    groups = node.attributes.get("groups", 1)
    return np.repeat(values.reshape(groups, -1), weight.shape[0] // groups, axis=0)


def gather(x: np.ndarray, problem: Problem, ys: np.ndarray, xs: np.ndarray) -> np.ndarray:
    """Rows ``[N, I * T]`` of a problem's inputs, from ``x`` ``[C, H, W]``, at output positions ``ys, xs``."""
    x = x[problem.inputs]
    reach = 1 + max(max(abs(dy), abs(dx)) for dy, dx in problem.taps)
    padded = np.pad(x, ((0, 0), (reach, reach), (reach, reach)))
    columns = [
        padded[:, ys * problem.stride + dy + reach, xs * problem.stride + dx + reach]
        for dy, dx in problem.taps
    ]
    return np.stack(columns, 1).reshape(len(x) * len(columns), -1).T


def accumulator_reach(
    node: FloatNode, weight: np.ndarray, bias: np.ndarray, lo: np.ndarray, hi: np.ndarray
) -> np.ndarray:
    """Largest magnitude ``[out]`` of any partial sum of ``bias + sum weight * x`` with ``lo <= x <= hi``.

    :param weight: ``[out, in/groups, kh, kw]`` (see :func:`output_weight`).
    :param lo, hi: per input channel; 0 counts as possible, because of padding and partial sums.
    """
    low, high = (spread_inputs(node, v)[..., None] for v in (np.minimum(lo, 0), np.maximum(hi, 0)))
    if node.op == "conv":
        parts = [weight.reshape(*weight.shape[:2], -1)]
    else:
        taps = [[t for t in range(weight.shape[2]) if (t + p) % 2] for p in (0, 1)]
        parts = [weight[:, :, r][..., c].reshape(*weight.shape[:2], -1) for r in taps for c in taps]
    worst = np.zeros(len(weight))
    for w in parts:
        up = np.maximum(w * low, w * high).sum((1, 2)) + np.maximum(bias, 0)
        down = np.minimum(w * low, w * high).sum((1, 2)) + np.minimum(bias, 0)
        worst = np.maximum(worst, np.maximum(up, -down))
    return worst
