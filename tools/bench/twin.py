"""The exact twin on the processor, one thread: products in float32 against float64, layers and networks.

``products``: matrix products in float32 for one of float64. Layers named ``8bit`` have int8 weights and
activations, the others int16 of both whose sums reach the limit of int32. Networks are the bundled ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

LAYERS: Mapping[str, tuple[int, int, int, int, int, bool]] = {
    "conv3x3": (128, 128, 3, 1, 1, False),
    "conv3x3_stride2": (128, 128, 3, 1, 2, False),
    "conv1x1": (96, 96, 1, 1, 1, False),
    "grouped3x3": (96, 96, 3, 6, 1, False),
    "depthwise3x3": (96, 96, 3, 96, 1, False),
    "transposed4x4": (64, 64, 4, 1, 2, False),
    "conv3x3_8bit": (128, 128, 3, 1, 1, True),
    "conv1x1_8bit": (96, 96, 1, 1, 1, True),
}
"""Inputs, outputs, kernel, groups, stride, 8 bits."""
PRECISIONS = ("float64", "float32")
LAYER_SIZE = (64, 96)
NETWORKS = (("sop_Y.safetensors", "synthesis"), ("entropy_Y.safetensors", "hyper_scale_decoder"))
PICTURE = (256, 384)


def layer(inputs: int, outputs: int, kernel: int, groups: int, stride: int, small: bool) -> Any:
    """A convolution, transposed if its kernel is even."""
    from refdec.integer import Graph, GraphInput, Node

    rng = np.random.default_rng(0)
    top, reach = (127, 127) if small else (32767, 32767)
    terms = inputs // groups * kernel * kernel
    # Half of the limit on average: the sum of magnitudes is what the proof looks at.
    limit = top if small else min(top, (1 << 31) // (reach * terms))
    shape = (inputs, outputs, 4, 4) if kernel == 4 else (outputs, inputs // groups, kernel, kernel)
    weight = rng.integers(-limit, limit + 1, shape).astype(np.int16)
    tensors = {
        "weight": weight,
        "bias": np.full(outputs, 77, np.int32),
        "shift": np.full(outputs, 7 if small else 15, np.uint8),
    }
    if kernel == 4:
        node = Node("y", "transposed_conv", ("x",), {}, tensors, -reach, reach)
    else:
        attributes = {"pad": (kernel // 2,) * 4, "groups": groups, "stride": stride}
        node = Node("y", "conv", ("x",), attributes, tensors, -reach, reach)
    return Graph((GraphInput("x", inputs, -reach, reach),), (node,), ("y",))


def inputs_of(graph: Any, size: tuple[int, int]) -> dict[str, np.ndarray]:
    """Uniform within the declared ranges."""
    rng = np.random.default_rng(1)
    out = {}
    for item in graph.inputs:
        lo, hi = (bound[:, None, None] for bound in graph.clip_range(item.name))
        out[item.name] = rng.integers(lo, hi + 1, (item.channels, *size)).astype(np.int16)
    return out


def products(graph: Any) -> float:
    """Products in float32 for each of float64, weighted by the work of the layers."""
    import torch

    from conformance.twin.float32 import prepare

    prepared = prepare(graph, torch.device("cpu"))
    done = whole = 0
    for layers in prepared.layers.values():
        for one in layers:
            done += sum(w.numel() for w in one.weights)
            parts = {(p.weight, p.activation) for p in one.plan.products}
            whole += sum(w.numel() for w in one.weights) // len(parts)
    return done / whole if whole else 0.0


def _networks() -> dict[str, tuple[Any, tuple[int, int], tuple[int, int]]]:
    """Graph, size of its inputs and luma size by name."""
    from importlib.resources import files
    from pathlib import Path

    from refdec.integer import load_model

    folder = sorted(Path(str(files("refdec").joinpath("models/lite"))).rglob("sop_Y.safetensors"))[0].parent
    out = {}
    for file, name in NETWORKS:
        divisor = 16 if name == "synthesis" else 64
        small = (PICTURE[0] // divisor, PICTURE[1] // divisor)
        out[name] = load_model(folder / file).graphs[name], small, PICTURE
    return out


def _call(
    graph: Any, values: Any, size: tuple[int, int], precision: str, found: dict[str, dict[str, Any]]
) -> Callable[[], object]:
    from conformance import twin

    def call() -> None:
        found[precision] = twin.run(graph, values, size, precision=precision, threads=1)

    return call


def run(rounds: int) -> dict[str, float]:
    """The whole section."""
    from tools.bench.timing import interleave

    cases = {name: (layer(*words), LAYER_SIZE, LAYER_SIZE) for name, words in LAYERS.items()}
    out: dict[str, float] = {}
    for name, (graph, small, size) in (cases | _networks()).items():
        found: dict[str, dict[str, Any]] = {}
        candidates = {p: _call(graph, inputs_of(graph, small), size, p, found) for p in PRECISIONS}
        timings = interleave(candidates, rounds)
        for key, array in found["float64"].items():
            if not np.array_equal(array, found["float32"][key]):
                raise AssertionError(f"{name}: the two paths differ")
        for precision, timing in timings.items():
            out[f"twin.{name}.{precision}_ms"] = 1e3 * timing.median
            out[f"twin.{name}.{precision}_ms_best"] = 1e3 * timing.best
            out[f"twin.{name}.{precision}_cpu_ms"] = 1e3 * timing.cpu
        out[f"twin.{name}.ratio"] = timings["float64"].median / timings["float32"].median
        out[f"twin.{name}.ratio_cpu"] = timings["float64"].cpu / timings["float32"].cpu
        out[f"twin.{name}.ratio_best"] = timings["float64"].best / timings["float32"].best
        out[f"twin.{name}.products"] = products(graph)
    return out
