"""Integer graphs in float64, on any PyTorch device and memory layout (docs/arithmetic-networks.md)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from conformance.twin import float32
from conformance.twin.attention import channel_attention, layer_norm
from conformance.twin.exact import InexactError, power_of_two, require_exact, require_integers
from refdec.engine_record import ran
from refdec.integer.graph import Graph, Node

__all__ = ["InexactError", "run"]

PRECISIONS = ("float64", "float32")
LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def run(
    graph: Graph,
    inputs: Mapping[str, npt.NDArray[Any]],
    size: tuple[int, int],
    *,
    device: str = "cpu",
    precision: str = "float64",
    layout: str = "contiguous",
    threads: int | None = None,
    observe: Callable[[str, npt.NDArray[Any]], None] | None = None,
) -> dict[str, npt.NDArray[np.int16]]:
    """Evaluate a graph; inputs, size, observe and result as :func:`refdec.integer.run`.

    :param device: PyTorch device: ``"cpu"``, ``"cuda"``, ``"mps"``, ``"cuda:1"``.
    :param precision: of products and sums: ``"float64"``, or ``"float32"`` in parts that are
        proved to be exact, put together in integers. Apple's devices have only the second.
    :param layout: ``"contiguous"`` or ``"channels_last"``; the result is the same.
    :param threads: PyTorch CPU threads for this call, ``None`` to leave them.
    :raises InexactError: the sums could not be exact, or were not.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision {precision!r}: expected {' or '.join(PRECISIONS)}")
    ran("networks", "twin")
    graph.check_inputs(inputs)
    graph.shapes({name: (array.shape[1], array.shape[2]) for name, array in inputs.items()}, size)
    memory_format = LAYOUTS[layout]
    values: dict[str, torch.Tensor] = {}
    if precision == "float32":
        with torch.no_grad(), _settings(threads):
            turned = memory_format == torch.channels_last
            return float32.run(graph, inputs, size, torch.device(device), turned, observe)
    with torch.no_grad(), _settings(threads):
        for name, array in inputs.items():
            tensor = torch.from_numpy(np.array(array, np.float64, order="C"))[None].to(device)
            values[name] = tensor.contiguous(memory_format=memory_format)
        for node in graph.nodes:
            out = _evaluate(graph, node, [values[i] for i in node.inputs], size, memory_format)
            require_integers(node.name, out)
            values[node.name] = out.contiguous(memory_format=memory_format)
            if observe is not None:
                observe(node.name, _numpy(out))
        return {name: _numpy(values[name]) for name in graph.outputs}


@contextlib.contextmanager
def _settings(threads: int | None) -> Iterator[None]:
    # cuDNN may choose transform-domain algorithms, which are not exact; PyTorch's own kernels add products.
    before = torch.get_num_threads()
    with torch.backends.cudnn.flags(enabled=False):
        try:
            if threads is not None:
                torch.set_num_threads(threads)
            yield
        finally:
            torch.set_num_threads(before)


def _numpy(tensor: torch.Tensor) -> npt.NDArray[np.int16]:
    return np.ascontiguousarray(tensor[0].to(torch.int16).cpu().numpy())


def _channel(values: npt.NDArray[Any], like: torch.Tensor) -> torch.Tensor:
    """``[C]`` as float64 ``[1, C, 1, 1]`` on the device of ``like``."""
    return torch.from_numpy(values.astype(np.float64)).to(like.device)[None, :, None, None]


def _finish(graph: Graph, node: Node, acc: torch.Tensor) -> torch.Tensor:
    """Leaky slope, rounding shift and clip of an accumulator ``[1, C, H, W]``."""
    leaky = node.attributes.get("leaky")
    if leaky is not None:
        slope = torch.floor(acc * leaky["numerator"] / 2.0 ** leaky["shift"])
        acc = torch.where(acc < 0, slope, acc)
    step = power_of_two(_channel(node.tensors["shift"], acc))
    if node.attributes.get("rounding", "half_up") == "half_up":
        acc = acc + torch.floor(step / 2)
    return _clip(graph, node, torch.floor(acc / step))


def _clip(graph: Graph, node: Node, values: torch.Tensor) -> torch.Tensor:
    lo, hi = graph.clip_range(node.name)
    return torch.minimum(torch.maximum(values, _channel(lo, values)), _channel(hi, values))


def _convolve(node: Node, a: torch.Tensor, memory_format: torch.memory_format) -> torch.Tensor:
    weight = torch.from_numpy(node.tensors["weight"].astype(np.float64)).to(a.device)
    bias = torch.from_numpy(node.tensors["bias"].astype(np.float64)).to(a.device)
    axes = (1, 2, 3) if node.op == "conv" else (0, 2, 3)
    total = weight.abs().sum(axes) * a.abs().amax() + bias.abs()
    require_exact(node.name, "sum of products", total)
    weight = weight.contiguous(memory_format=memory_format)
    if node.op == "transposed_conv":
        extra = 1 if weight.shape[2] == 3 else 0
        return functional.conv_transpose2d(a, weight, bias, stride=2, padding=1, output_padding=extra)
    top, left, bottom, right = node.attributes["pad"]
    padded = functional.pad(a, (left, right, top, bottom)).contiguous(memory_format=memory_format)
    return functional.conv2d(
        padded, weight, bias, stride=node.attributes["stride"], groups=node.attributes["groups"]
    )


def _evaluate(
    graph: Graph,
    node: Node,
    sources: list[torch.Tensor],
    size: tuple[int, int],
    memory_format: torch.memory_format,
) -> torch.Tensor:
    a, attributes, tensors = sources[0], node.attributes, node.tensors
    match node.op:
        case "conv" | "transposed_conv":
            return _finish(graph, node, _convolve(node, a, memory_format))
        case "clip":
            return _clip(graph, node, a)
        case "abs":
            return _clip(graph, node, a.abs())
        case "add":
            left = a * power_of_two(_channel(tensors["shift_a"], a))
            right = sources[1] * power_of_two(_channel(tensors["shift_b"], a))
            return _finish(graph, node, left + right)
        case "mul":
            return _finish(graph, node, a * sources[1])
        case "lut":
            table = torch.from_numpy(tensors["table"].astype(np.float64)).to(a.device)
            return _clip(graph, node, table[(a + 32768).to(torch.int64)])
        case "pixel_shuffle":
            return functional.pixel_shuffle(a, attributes["factor"])
        case "crop":
            rows, columns = (-(-n // attributes["divisor"]) for n in size)
            return a[:, :, :rows, :columns]
        case "concat":
            return torch.cat(sources, dim=1)
        case "slice":
            return a[:, attributes["start"] : attributes["stop"]]
        case "layer_norm":
            weight, bias = (_channel(tensors[role], a) for role in ("weight", "bias"))
            return _finish(graph, node, layer_norm(node.name, a, weight, bias, attributes["epsilon"]))
        case "channel_attention":
            temperature = torch.from_numpy(tensors["temperature"].astype(np.float64)).to(a.device)
            return _finish(graph, node, channel_attention(node.name, a, attributes["heads"], temperature))
    raise NotImplementedError(node.op)
