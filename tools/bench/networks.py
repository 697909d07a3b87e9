"""Decoder networks: the Numba engine against float32 PyTorch and ONNX Runtime, one and two threads.

Per network and size: milliseconds (median, and ``best``) of each engine, and ``ratio_torch`` and
``ratio_onnxruntime``: their time over ours, medians; ``ratio_..._best`` of the best rounds. PyTorch runs with
contiguous and with channels-last tensors, the faster one counts. Weights are synthetic.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
SIZES = ((512, 768), (1360, 2048))
MEMORY_SIZE = (3072, 4096)
SECONDS_PER_NETWORK = 20
NETWORKS = ("sop", "bop", "hop", "hyper_decoder", "context")
SMALL_ONLY = ("hop",)
"""At the larger size PyTorch and ONNX Runtime together outgrow a machine of 24 GiB."""
LAYERS = {
    "conv3x3": ("conv3", 128, 128, 1, 64, 96),
    "conv3x3_wide": ("conv3", 64, 96, 1, 128, 192),
    "conv1x1": ("conv1", 96, 96, 1, 64, 96),
    "transposed4": ("transposed4", 64, 64, 1, 64, 96),
    "grouped3x3": ("conv3", 96, 96, 6, 128, 192),
    "depthwise": ("conv3", 384, 384, 384, 64, 96),
}


@dataclass(frozen=True)
class Part:
    """One graph of a network: float module, integer graph and inputs by name."""

    module: Any
    graph: Any
    inputs: Mapping[str, np.ndarray]


def _size(height: int, width: int, divisor: int) -> tuple[int, int]:
    return -(-height // divisor), -(-width // divisor)


def _parts(network: str, height: int, width: int) -> list[tuple[Any, Any, dict[str, tuple[int, int, int]]]]:
    """Modules that take the inputs and the size, float graphs, and input shapes."""
    from conformance.networks import context, float_graphs, hyper, synthesis, synthetic

    latent = _size(height, width, 16)
    half = _size(height, width, 32)
    out: list[tuple[Any, Any, dict[str, tuple[int, int, int]]]] = []
    if network == "hyper_decoder":
        module = synthetic.fill_synthetic(hyper.HyperDecoder(160))
        shapes = {"z_hat": (160, *_size(height, width, 64))}
        out.append((module, float_graphs.hyper_decoder_graph(module), shapes))
    elif network == "context":
        model = synthetic.fill_synthetic(context.ContextModel())
        for phase, graph in enumerate(float_graphs.context_graphs(model)):
            names = ["psi", *(f"y_hat.{k}" for k in range(phase))]
            out.append((model.MCM[phase], graph, dict.fromkeys(names, (160, *half))))
    else:
        suffix = network.upper()
        for kind, names in (("Primary", ("y_hat",)), ("Secondary", ("y_hat.Y", "y_hat.UV"))):
            module = synthetic.fill_synthetic(getattr(synthesis, kind + suffix)())
            channels = (160, 96)
            shapes = {name: (channels[i], *latent) for i, name in enumerate(names)}
            out.append((module, float_graphs.synthesis_graph(module), shapes))
    return out


def integer_graph(float_graph: Any, shapes: Mapping[str, tuple[int, int, int]]) -> Any:
    """Quantised in a hurry: speed does not depend on the weights."""
    from conformance.quantize import Options, compile_graph

    rng = np.random.default_rng(0)
    sample = {n: rng.normal(0, 1, (c, 2, 2)).astype(np.float32) for n, (c, _, _) in shapes.items()}
    size = (64, 64) if "psi" in shapes else (128, 128) if "z_hat" in shapes else (32, 32)
    quick = Options(rounding="nearest", plan_scales=False, free_scales=False, bias_correction=False)
    return compile_graph(float_graph, [(sample, size)], options=quick)[0]


def _integers(graph: Any, shapes: Mapping[str, tuple[int, int, int]]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    out = {}
    for item in graph.inputs:
        lo, hi = (bound[:, None, None].astype(np.int32) for bound in graph.clip_range(item.name))
        spread = rng.standard_normal(shapes[item.name], np.float32) * ((hi - lo) / 10)
        out[item.name] = np.clip(spread, lo, hi).astype(np.int16)
    return out


def _wrapped(module: Any, names: Sequence[str], size: tuple[int, int]) -> Any:
    """A module of plain tensors: inputs in the graph's order."""
    import torch
    from torch import nn

    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = module

        def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
            if names[0] == "psi":
                context = torch.cat(tensors[1:], dim=1) if len(tensors) > 1 else None
                return self.module(tensors[0], context)
            return self.module(torch.cat(tensors, dim=1) if len(tensors) > 1 else tensors[0], size)

    return Wrapped().float().eval()


def _onnx(module: Any, tensors: tuple[Any, ...], threads: int) -> Callable[[], object]:
    import onnx
    import onnxruntime
    import torch

    file = io.BytesIO()
    names = [f"x{i}" for i in range(len(tensors))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, tensors, file, input_names=names, dynamo=False, opset_version=17)
    model = onnx.load_from_string(file.getvalue())
    for node in model.graph.node:
        # The exporter leaves negative axes in permutations, which ONNX does not have.
        for attribute in node.attribute:
            if node.op_type == "Transpose" and attribute.name == "perm":
                rank = len(attribute.ints)
                attribute.ints[:] = [axis % rank for axis in attribute.ints]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # a spinning pool would take the core from whoever is timed next
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    feed = {name: tensor.contiguous().numpy() for name, tensor in zip(names, tensors, strict=True)}
    return lambda: session.run(None, feed)


def _candidates(
    network: str, height: int, width: int, threads: Sequence[int]
) -> dict[str, Callable[[], object]]:
    """Everything that is timed for a network, by ``<engine>.<n>t``."""
    import torch

    from refdec.integer import run

    modules, tensors, integer = [], [], []
    for module, float_graph, shapes in _parts(network, height, width):
        graph = integer_graph(float_graph, shapes)
        integer.append((graph, _integers(graph, shapes)))
        wrapped = _wrapped(module, list(shapes), (height, width))
        modules.append(wrapped)
        tensors.append(tuple(torch.randn(1, *shape) for shape in shapes.values()))
    last = torch.channels_last
    turned = [m.to(memory_format=last) for m in _copies(modules)]
    turned_tensors = [tuple(t.contiguous(memory_format=last) for t in group) for group in tensors]

    def with_torch(n: int, chosen: list[Any], inputs: list[tuple[Any, ...]]) -> Callable[[], object]:
        def call() -> None:
            torch.set_num_threads(n)
            with torch.inference_mode():
                for module, group in zip(chosen, inputs, strict=True):
                    module(*group)

        return call

    def with_jit(n: int) -> Callable[[], object]:
        def call() -> None:
            for graph, inputs in integer:
                run(graph, inputs, (height, width), threads=n)

        return call

    def with_onnx(n: int) -> Callable[[], object]:
        calls = [_onnx(module, group, n) for module, group in zip(modules, tensors, strict=True)]

        def call() -> None:
            for one in calls:
                one()

        return call

    out: dict[str, Callable[[], object]] = {}
    for n in threads:
        out[f"jit.{n}t"] = with_jit(n)
        out[f"torch_contiguous.{n}t"] = with_torch(n, modules, tensors)
        out[f"torch_channels_last.{n}t"] = with_torch(n, turned, turned_tensors)
        out[f"onnxruntime.{n}t"] = with_onnx(n)
    return out


def _copies(modules: Sequence[Any]) -> list[Any]:
    import copy

    return [copy.deepcopy(module) for module in modules]


def compare(network: str, height: int, width: int, rounds: int) -> dict[str, float]:
    """All engines on one network and size."""
    from tools.bench.timing import interleave

    threads = (1, 2) if (os.cpu_count() or 1) > 1 else (1,)
    candidates = _candidates(network, height, width, threads)
    begin = time.perf_counter()
    for call in candidates.values():
        call()
    once = time.perf_counter() - begin
    timings = interleave(candidates, max(2, min(rounds, int(SECONDS_PER_NETWORK / once))))
    out: dict[str, float] = {}
    key = f"networks.{network}.{width}x{height}"
    for n in threads:
        ours = timings[f"jit.{n}t"]
        out[f"{key}.ms.{n}t"] = 1e3 * ours.median
        out[f"{key}.ms_best.{n}t"] = 1e3 * ours.best
        layouts = [timings[f"torch_{kind}.{n}t"] for kind in ("contiguous", "channels_last")]
        fastest = {
            "torch": (min(t.median for t in layouts), min(t.best for t in layouts)),
            "onnxruntime": (timings[f"onnxruntime.{n}t"].median, timings[f"onnxruntime.{n}t"].best),
        }
        for other, (median, best) in fastest.items():
            out[f"{key}.{other}_ms.{n}t"] = 1e3 * median
            out[f"{key}.ratio_{other}.{n}t"] = median / ours.median
            out[f"{key}.ratio_{other}_best.{n}t"] = best / ours.best
    if 2 in threads:
        one, two = timings["jit.1t"], timings["jit.2t"]
        out[f"{key}.speedup_2t"] = one.median / two.median
        out[f"{key}.speedup_2t_best"] = one.best / two.best
    return out


def layers(rounds: int) -> dict[str, float]:
    """Single layers: multiply-adds per second, the share of the peak, depthwise against PyTorch."""
    import torch

    from tools.bench.multiply_add import layer, layer_kernel, peak_kernel
    from tools.bench.timing import interleave

    calls = {"peak": peak_kernel()}
    for name, (kind, inputs, outputs, groups, height, width) in LAYERS.items():
        calls[name] = layer_kernel(layer(kind, inputs, outputs, groups), height, width)
    candidates = {name: call for name, (call, _) in calls.items()}
    _, channels, _, _, height, width = LAYERS["depthwise"]
    torch.set_num_threads(1)
    conv = torch.nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
    x = torch.randn(1, channels, height, width)
    turned = _copies([conv])[0].to(memory_format=torch.channels_last)
    y = x.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        candidates["torch_contiguous"] = lambda: conv(x)
        candidates["torch_channels_last"] = lambda: turned(y)
        timings = interleave(candidates, max(rounds, 30))
    out = {}
    peak = calls["peak"][1] / timings["peak"].best
    for name, (_, products) in calls.items():
        out[f"networks.gmac_per_s.{name}"] = products / timings[name].best / 1e9
        if name not in ("peak", "depthwise"):
            out[f"networks.peak_share.{name}"] = products / timings[name].best / peak
    layouts = [timings["torch_contiguous"], timings["torch_channels_last"]]
    ours = timings["depthwise"]
    out["networks.depthwise.ratio_torch.1t"] = min(t.median for t in layouts) / ours.median
    out["networks.depthwise.ratio_torch_best.1t"] = min(t.best for t in layouts) / ours.best
    return out


def memory() -> dict[str, float]:
    """Peak resident size of processes that run one synthesis graph on 12 megapixels, 2 threads."""
    from refdec.integer import Model, save_model

    out: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for network in ("sop", "bop", "hop"):
            for kind, (_, float_graph, shapes) in zip(
                ("primary", "secondary"), _parts(network, *MEMORY_SIZE), strict=True
            ):
                path = Path(folder) / f"{network}_{kind}.safetensors"
                save_model(path, Model("benchmark", {"synthesis": integer_graph(float_graph, shapes)}))
                done = subprocess.run(
                    [sys.executable, "-m", "tools.bench.networks", str(path)],
                    cwd=ROOT,
                    capture_output=True,
                    text=True,
                    check=True,
                )
                out[f"networks.{network}.{kind}.12mp.peak_mb"] = json.loads(done.stdout)
    return out


def _measure_memory(path: str) -> None:
    from refdec.integer import load_model, run
    from tools.bench.peak import peak_megabytes

    graph = load_model(Path(path)).graphs["synthesis"]
    latent = _size(*MEMORY_SIZE, 16)
    inputs = _integers(graph, {item.name: (item.channels, *latent) for item in graph.inputs})
    run(graph, inputs, MEMORY_SIZE, threads=2)
    print(json.dumps(peak_megabytes()))


def run(rounds: int) -> dict[str, float]:
    """The whole section."""
    out = layers(rounds)
    for network in NETWORKS:
        for height, width in SIZES[:1] if network in SMALL_ONLY else SIZES:
            out |= compare(network, height, width, rounds)
        # The short names are those of the first size.
        first = f"networks.{network}.{SIZES[0][1]}x{SIZES[0][0]}."
        for key in [k for k in out if k.startswith(first + "ratio_")]:
            out[f"networks.{network}.{key.removeprefix(first)}"] = out[key]
    return out | memory()


if __name__ == "__main__":
    _measure_memory(sys.argv[1])
