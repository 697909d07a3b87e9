"""Integer graphs with matrix products in float32 and everything else in integers: no float64 anywhere.

Every layer is planned, and so proved, before the first activation is seen; a graph that cannot be is
refused. Values between nodes are int32 ``[C, H, W]``.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from conformance.twin.attention32 import channel_attention, layer_norm
from conformance.twin.checks import Checks
from conformance.twin.device import full_products, require_exact_device
from conformance.twin.exact import InexactError
from conformance.twin.products import (
    Convolution,
    convolution,
    depthwise,
    is_depthwise,
    transposed_phases_of,
)
from conformance.twin.split import Plan
from refdec.integer.graph import Graph, Node
from refdec.integer.proof import Interval, prove, rounding_term

Observer = Callable[[str, npt.NDArray[Any]], None]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A graph whose layers are proved and whose tensors are on a device.

    :param layers: of every convolution that is not depthwise; the four phases of a transposed one.
    :param tensors: int32 ``[C, 1, 1]`` or as stated where they are used, by node and role.
    :param largest: of every channel attention, proved magnitudes of q and k, and of v.
    """

    device: torch.device
    layers: Mapping[str, tuple[Convolution, ...]]
    tensors: Mapping[tuple[str, str], torch.Tensor]
    largest: Mapping[str, tuple[int, int]]

    @property
    def plans(self) -> dict[str, tuple[Plan, ...]]:
        """What is proved about each layer, by node."""
        return {name: tuple(layer.plan for layer in layers) for name, layers in self.layers.items()}


_prepared: weakref.WeakKeyDictionary[Graph, dict[str, Prepared]] = weakref.WeakKeyDictionary()


def prepare(graph: Graph, device: torch.device) -> Prepared:
    """Prove a graph and bring it to a device; remembered for both.

    :raises InexactError: a layer cannot be proved to be exact, or the device rounds.
    :raises OverflowProofError: an accumulator can leave int32.
    """
    known = _prepared.setdefault(graph, {})
    if str(device) not in known:
        with full_products(device):
            require_exact_device(device)
        known[str(device)] = _prepare(graph, device)
    return known[str(device)]


def _prepare(graph: Graph, device: torch.device) -> Prepared:
    proof = prove(graph)
    layers: dict[str, tuple[Convolution, ...]] = {}
    tensors: dict[tuple[str, str], torch.Tensor] = {}
    largest: dict[str, tuple[int, int]] = {}
    for node in graph.nodes:
        a = proof.ranges[node.inputs[0]]
        roles: dict[str, npt.NDArray[Any]] = dict(node.tensors)
        if node.op == "transposed_conv":
            layers[node.name] = transposed_phases_of(node, a, device)
        elif node.op == "conv" and not is_depthwise(node):
            layers[node.name] = (convolution(node, a, device),)
        elif node.op == "channel_attention":
            largest[node.name] = _attention_reach(a)
        if node.name in layers:
            roles.pop("weight")
        if "shift" in roles:
            # What is added to an accumulator, and to one whose slope came between.
            roles["half"] = rounding_term(node)
            bias = node.tensors["bias"] if node.op in ("conv", "transposed_conv") else 0
            roles["constant"] = roles["half"] + bias
        if node.lo is not None:
            roles["lo"], roles["hi"] = graph.clip_range(node.name)
        for role, tensor in roles.items():
            wide = node.op in ("layer_norm", "channel_attention") and role not in ("lo", "hi")
            kept = torch.from_numpy(tensor.astype(np.int64 if wide else np.int32)).to(device)
            tensors[node.name, role] = kept[:, None, None] if tensor.ndim == 1 and role != "table" else kept
    return Prepared(device, layers, tensors, largest)


def _attention_reach(a: Interval) -> tuple[int, int]:
    magnitude = np.maximum(-a.lo, a.hi)
    third = len(magnitude) // 3
    return int(magnitude[: 2 * third].max()), int(magnitude[2 * third :].max())


def run(
    graph: Graph,
    inputs: Mapping[str, npt.NDArray[Any]],
    size: tuple[int, int],
    device: torch.device,
    turned: bool,
    observe: Observer | None,
) -> dict[str, npt.NDArray[np.int16]]:
    """See :func:`conformance.twin.run`; ``turned``: channels next to each other in memory."""
    prepared = prepare(graph, device)
    values: dict[str, torch.Tensor] = {}
    last_use = {source: node.name for node in graph.nodes for source in node.inputs}
    checks = Checks()
    with full_products(device):
        for name, array in inputs.items():
            values[name] = torch.from_numpy(np.array(array, np.int32, order="C")).to(device)
        for node in graph.nodes:
            out = _Node(prepared, node, turned, checks).evaluate([values[i] for i in node.inputs], size)
            if out.dtype != torch.int32:
                raise InexactError(f"{node.name}: a result of {out.dtype}")
            values[node.name] = out
            if observe is not None:
                observe(node.name, _numpy(out))
            for source in set(node.inputs):
                if last_use[source] == node.name and source not in graph.outputs:
                    del values[source]
        checks.require()
        return {name: _numpy(values[name]) for name in graph.outputs}


def _numpy(values: torch.Tensor) -> npt.NDArray[np.int16]:
    found = values.cpu().numpy()
    if found.size and not -32767 <= int(found.min()) <= int(found.max()) <= 32767:
        raise InexactError("a result does not fit int16")
    return np.ascontiguousarray(found.astype(np.int16))


@dataclass(frozen=True)
class _Node:
    prepared: Prepared
    node: Node
    turned: bool
    checks: Checks

    def tensor(self, role: str) -> torch.Tensor:
        return self.prepared.tensors[self.node.name, role]

    def evaluate(self, sources: list[torch.Tensor], size: tuple[int, int]) -> torch.Tensor:
        a, attributes = sources[0], self.node.attributes
        match self.node.op:
            case "conv":
                return self.finish(self.conv(a))
            case "transposed_conv":
                return self.finish(self.transposed_conv(a))
            case "clip":
                return self.clip(a)
            case "abs":
                return self.clip(a.abs())
            case "add":
                left, right = (
                    torch.bitwise_left_shift(torch.ones_like(self.tensor(r)), self.tensor(r))
                    for r in ("shift_a", "shift_b")
                )
                return self.finish((a * left).add_(sources[1] * right))
            case "mul":
                return self.finish(a * sources[1])
            case "lut":
                return self.clip(self.tensor("table")[(a + 32768).to(torch.int64)])
            case "pixel_shuffle":
                return _shuffle(a, attributes["factor"])
            case "crop":
                rows, columns = (-(-n // attributes["divisor"]) for n in size)
                return a[:, :rows, :columns]
            case "concat":
                return torch.cat(sources, dim=0)
            case "slice":
                return a[attributes["start"] : attributes["stop"]]
            case "layer_norm":
                weight, bias = self.tensor("weight"), self.tensor("bias")
                return self.finish(layer_norm(a, weight, bias, attributes["epsilon"]))
            case "channel_attention":
                largest = self.prepared.largest[self.node.name]
                temperature = self.tensor("temperature")
                return self.finish(
                    channel_attention(
                        self.node.name, a, attributes["heads"], temperature, largest, self.checks
                    )
                )
        raise NotImplementedError(self.node.op)

    def conv(self, a: torch.Tensor) -> torch.Tensor:
        top, left, bottom, right = self.node.attributes["pad"]
        stride, kernel = self.node.attributes["stride"], self.node.tensors["weight"].shape[2:]
        padded = functional.pad(a, (left, right, top, bottom))
        rows, columns = ((n - k) // stride + 1 for n, k in zip(padded.shape[1:], kernel, strict=True))
        if is_depthwise(self.node):
            return depthwise(self.node, self.tensor("weight")[:, 0], padded, (rows, columns))
        return self.prepared.layers[self.node.name][0].run(
            padded, stride, (rows, columns), self.turned, self.checks
        )

    def transposed_conv(self, a: torch.Tensor) -> torch.Tensor:
        rows, columns = a.shape[1:]
        padded = functional.pad(a, (1, 1, 1, 1))
        layers = self.prepared.layers[self.node.name]
        phases = [layer.run(padded, 1, (rows, columns), self.turned, self.checks) for layer in layers]
        wide = any(phase.dtype == torch.int64 for phase in phases)
        shape = (len(phases[0]), 2 * rows, 2 * columns)
        out = torch.empty(shape, dtype=torch.int64 if wide else torch.int32, device=a.device)
        for index, phase in enumerate(phases):
            out[:, index // 2 :: 2, index % 2 :: 2] = phase
        return out

    def finish(self, acc: torch.Tensor) -> torch.Tensor:
        """Bias, leaky slope, rounding shift and clip of an accumulator ``[C, H, W]``, which is lost."""
        leaky = self.node.attributes.get("leaky")
        if leaky is not None:
            acc.add_(self.tensor("bias"))
            slope = torch.bitwise_right_shift(acc.to(torch.int64) * leaky["numerator"], leaky["shift"])
            acc = torch.where(acc < 0, slope.to(acc.dtype), acc)
        acc.add_(self.tensor("half" if leaky is not None else "constant"))
        acc.bitwise_right_shift_(self.tensor("shift").to(acc.dtype))
        return self.clip(acc)

    def clip(self, values: torch.Tensor) -> torch.Tensor:
        lo, hi = (self.tensor(role).to(values.dtype) for role in ("lo", "hi"))
        raised = torch.maximum(values, lo)
        return torch.minimum(raised, hi, out=raised).to(torch.int32)


def _shuffle(a: torch.Tensor, factor: int) -> torch.Tensor:
    channels, rows, columns = a.shape
    parted = a.reshape(channels // factor**2, factor, factor, rows, columns).permute(0, 3, 1, 4, 2)
    return parted.reshape(channels // factor**2, rows * factor, columns * factor)
