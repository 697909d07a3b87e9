"""Float networks as data: the source that the compiler turns into integer graphs.

A :class:`FloatGraph` has the node set of the integer graphs, with float weights. It is built by hand,
from PyTorch modules or from ONNX files, executed here in PyTorch (float32 or float64) and compiled by
:func:`conformance.quantize.compile_graph`.

Tensors are ``[C, H, W]`` without a batch axis. A node's output carries the node's name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

#: op -> number of inputs (None: one or more)
OPS: dict[str, int | None] = {
    "conv": 1,
    "transposed_conv": 1,
    "leaky": 1,
    "clip": 1,
    "abs": 1,
    "add": 2,
    "mul": 2,
    "lut": 1,
    "pixel_shuffle": 1,
    "crop": 1,
    "concat": None,
    "slice": 1,
    "layer_norm": 1,
    "channel_attention": 1,
}

#: functions a ``lut`` node may name
FUNCTIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {"sigmoid": torch.sigmoid, "elu": F.elu}


class FloatGraphError(ValueError):
    """A float graph that is not well formed, or inputs that do not fit it."""


@dataclass(frozen=True)
class FloatNode:
    """One operation. ``attributes`` and ``tensors`` per op:

    * conv: tensors weight ``[out, in/groups, kh, kw]``, optional bias ``[out]``; attributes stride, pad
      ``(top, left, bottom, right)``, groups, optional ``leaky`` (slope on the negative side)
    * transposed_conv: weight ``[in, out, k, k]``, optional bias; stride 2, padding 1, output 2n
      (k = 3 or 4); optional ``leaky``
    * leaky: slope · clip: lo, hi (``None`` = open) · lut: function · pixel_shuffle: r · crop: divisor
    * slice: start, stop (channels) · layer_norm: weight, bias, eps
    * channel_attention: tensor temperature ``[heads]``; input qkv ``[3c, H, W]``, output ``[c, H, W]``
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class FloatInput:
    """A graph input: name and channels. ``step``: the grid its values lie on, if any (1.0 for integers);
    ``lo`` and ``hi``: the values that can occur at all, if known."""

    name: str
    channels: int
    step: float | None = None
    lo: float | None = None
    hi: float | None = None


class FloatGraph:
    """A network under construction or complete. The adding methods return the new node's name."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.inputs: list[FloatInput] = []
        self.nodes: list[FloatNode] = []
        self.outputs: list[str] = []
        self._channels: dict[str, int] = {}

    # -- building -------------------------------------------------------------------------------

    def channels(self, name: str) -> int:
        """Channels of an input or of a node's output."""
        try:
            return self._channels[name]
        except KeyError:
            raise FloatGraphError(f"no tensor named {name!r}") from None

    def input(
        self,
        name: str,
        channels: int,
        *,
        step: float | None = None,
        lo: float | None = None,
        hi: float | None = None,
    ) -> str:
        self._define(name, channels)
        self.inputs.append(FloatInput(name, channels, step, lo, hi))
        return name

    def output(self, *names: str) -> None:
        for name in names:
            self.channels(name)
            self.outputs.append(name)

    def _define(self, name: str, channels: int) -> None:
        if name in self._channels:
            raise FloatGraphError(f"{name!r} is defined twice")
        self._channels[name] = channels

    def node(
        self,
        name: str,
        op: str,
        inputs: Sequence[str],
        channels: int,
        attributes: Mapping[str, Any] | None = None,
        tensors: Mapping[str, np.ndarray | None] | None = None,
    ) -> str:
        """Adds a node of any op; ``channels`` is its output's."""
        if op not in OPS or OPS[op] not in (None, len(inputs)):
            raise FloatGraphError(f"{name}: {op} with {len(inputs)} inputs")
        for source in inputs:
            self.channels(source)
        self._define(name, channels)
        kept = {k: as_array(v) for k, v in (tensors or {}).items() if v is not None}
        self.nodes.append(FloatNode(name, op, tuple(inputs), dict(attributes or {}), kept))
        return name

    def conv(
        self,
        name: str,
        x: str,
        weight: np.ndarray,
        bias: np.ndarray | None = None,
        *,
        stride: int = 1,
        pad: int | Sequence[int] | None = None,
        groups: int = 1,
        leaky: float | None = None,
    ) -> str:
        """Cross-correlation with zero padding; ``pad`` defaults to ``k // 2`` on all four sides."""
        w = as_array(weight)
        if pad is None:
            pad = (w.shape[2] // 2, w.shape[3] // 2) * 2
        elif isinstance(pad, int):
            pad = (pad,) * 4
        if w.shape[1] * groups != self.channels(x) or w.shape[0] % groups:
            raise FloatGraphError(f"{name}: weight {w.shape} on {self.channels(x)} channels, groups {groups}")
        attributes: dict[str, Any] = {"stride": stride, "pad": tuple(pad), "groups": groups}
        if leaky is not None:
            attributes["leaky"] = float(leaky)
        return self.node(name, "conv", [x], w.shape[0], attributes, {"weight": w, "bias": bias})

    def transposed_conv(
        self,
        name: str,
        x: str,
        weight: np.ndarray,
        bias: np.ndarray | None = None,
        *,
        leaky: float | None = None,
    ) -> str:
        """Stride 2, padding 1, output twice as high and wide (kernel 3: output padding 1; kernel 4: 0)."""
        w = as_array(weight)
        if w.shape[0] != self.channels(x) or w.shape[2:] not in ((3, 3), (4, 4)):
            raise FloatGraphError(f"{name}: transposed weight {w.shape} on {self.channels(x)} channels")
        attributes = {} if leaky is None else {"leaky": float(leaky)}
        return self.node(name, "transposed_conv", [x], w.shape[1], attributes, {"weight": w, "bias": bias})

    def leaky(self, name: str, x: str, slope: float) -> str:
        return self.node(name, "leaky", [x], self.channels(x), {"slope": float(slope)})

    def clip(self, name: str, x: str, lo: float | None, hi: float | None) -> str:
        return self.node(name, "clip", [x], self.channels(x), {"lo": lo, "hi": hi})

    def relu(self, name: str, x: str) -> str:
        return self.clip(name, x, 0.0, None)

    def relu6(self, name: str, x: str) -> str:
        return self.clip(name, x, 0.0, 6.0)

    def abs(self, name: str, x: str) -> str:
        return self.node(name, "abs", [x], self.channels(x))

    def add(self, name: str, a: str, b: str) -> str:
        return self.node(name, "add", [a, b], self._same(name, a, b))

    def mul(self, name: str, a: str, b: str) -> str:
        return self.node(name, "mul", [a, b], self._same(name, a, b))

    def _same(self, name: str, a: str, b: str) -> int:
        if self.channels(a) != self.channels(b):
            raise FloatGraphError(f"{name}: {self.channels(a)} and {self.channels(b)} channels")
        return self.channels(a)

    def lut(self, name: str, x: str, function: str) -> str:
        if function not in FUNCTIONS:
            raise FloatGraphError(f"{name}: no function {function!r}")
        return self.node(name, "lut", [x], self.channels(x), {"function": function})

    def pixel_shuffle(self, name: str, x: str, r: int) -> str:
        if self.channels(x) % (r * r):
            raise FloatGraphError(f"{name}: {self.channels(x)} channels do not shuffle by {r}")
        return self.node(name, "pixel_shuffle", [x], self.channels(x) // (r * r), {"r": r})

    def crop(self, name: str, x: str, divisor: int) -> str:
        """Keeps the top-left ``ceil(h/divisor) x ceil(w/divisor)`` of a picture or tile of size (h, w)."""
        return self.node(name, "crop", [x], self.channels(x), {"divisor": divisor})

    def concat(self, name: str, *xs: str) -> str:
        return self.node(name, "concat", list(xs), sum(self.channels(x) for x in xs))

    def slice(self, name: str, x: str, start: int, stop: int) -> str:
        if not 0 <= start < stop <= self.channels(x):
            raise FloatGraphError(f"{name}: channels {start}..{stop} of {self.channels(x)}")
        return self.node(name, "slice", [x], stop - start, {"start": start, "stop": stop})

    def layer_norm(self, name: str, x: str, weight: np.ndarray, bias: np.ndarray, eps: float = 1e-5) -> str:
        """Over the channels of each position, biased variance."""
        return self.node(
            name, "layer_norm", [x], self.channels(x), {"eps": float(eps)}, {"weight": weight, "bias": bias}
        )

    def channel_attention(self, name: str, qkv: str, temperature: np.ndarray) -> str:
        """Attention over channels: q, k scaled to unit L2 norm over all positions, softmax(q k^T * t) v."""
        t = as_array(temperature).reshape(-1)
        c = self.channels(qkv) // 3
        if self.channels(qkv) % 3 or c % t.size:
            raise FloatGraphError(f"{name}: {self.channels(qkv)} channels, {t.size} heads")
        return self.node(name, "channel_attention", [qkv], c, {"heads": t.size}, {"temperature": t})

    # -- queries --------------------------------------------------------------------------------

    def __getitem__(self, name: str) -> FloatNode:
        for node in self.nodes:
            if node.name == name:
                return node
        raise FloatGraphError(f"no node named {name!r}")

    def consumers(self, name: str) -> list[FloatNode]:
        return [n for n in self.nodes if name in n.inputs]

    # -- execution ------------------------------------------------------------------------------

    def run(
        self,
        inputs: Mapping[str, np.ndarray],
        size: tuple[int, int] | None = None,
        *,
        dtype: torch.dtype = torch.float32,
        observe: Callable[[str, np.ndarray], None] | None = None,
    ) -> dict[str, np.ndarray]:
        """Executes the graph.

        :param inputs: name -> ``[C, H, W]``.
        :param size: (h, w) that ``crop`` nodes refer to; needed only if there are any.
        :param observe: called with every input and node output, in order.
        :returns: output name -> array of ``dtype``.
        """
        seen: dict[str, torch.Tensor] = {}
        for spec in self.inputs:
            value = torch.from_numpy(np.ascontiguousarray(inputs[spec.name])).to(dtype)
            if value.ndim != 3 or value.shape[0] != spec.channels:
                raise FloatGraphError(f"input {spec.name}: {tuple(value.shape)}, not [{spec.channels}, H, W]")
            seen[spec.name] = value
        with torch.no_grad():
            if observe is not None:
                for name, value in seen.items():
                    observe(name, value.numpy())
            for node, done in zip(self.nodes, self._last_uses(), strict=True):
                value = evaluate(node, [seen[s] for s in node.inputs], size)
                seen[node.name] = value
                if observe is not None:
                    observe(node.name, value.numpy())
                for name in done:
                    del seen[name]
        return {name: seen[name].numpy() for name in self.outputs}

    def _last_uses(self) -> list[list[str]]:
        """For each node, the tensors nobody needs after it."""
        last: dict[str, int] = {}
        for i, node in enumerate(self.nodes):
            last[node.name] = i
            for source in node.inputs:
                last[source] = i
        done: list[list[str]] = [[] for _ in self.nodes]
        for name, i in last.items():
            if name not in self.outputs:
                done[i].append(name)
        return done


def as_array(value: Any) -> np.ndarray:
    """A float64 copy of an array or tensor."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    return np.array(value, dtype=np.float64)


def _weights(node: FloatNode, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor | None]:
    weight = torch.from_numpy(node.tensors["weight"]).to(dtype)
    bias = node.tensors.get("bias")
    return weight, None if bias is None else torch.from_numpy(bias).to(dtype)


def evaluate(node: FloatNode, args: Sequence[torch.Tensor], size: tuple[int, int] | None) -> torch.Tensor:
    """One node on ``[C, H, W]`` tensors."""
    x = args[0]
    a = node.attributes
    match node.op:
        case "conv":
            weight, bias = _weights(node, x.dtype)
            top, left, bottom, right = a["pad"]
            if (top, left) == (bottom, right):
                y = F.conv2d(x[None], weight, bias, a["stride"], (top, left), 1, a["groups"])[0]
            else:
                padded = F.pad(x[None], (left, right, top, bottom))
                y = F.conv2d(padded, weight, bias, a["stride"], 0, 1, a["groups"])[0]
            return F.leaky_relu(y, a["leaky"]) if "leaky" in a else y
        case "transposed_conv":
            weight, bias = _weights(node, x.dtype)
            y = F.conv_transpose2d(x[None], weight, bias, 2, 1, 4 - weight.shape[-1])[0]
            return F.leaky_relu(y, a["leaky"]) if "leaky" in a else y
        case "leaky":
            return F.leaky_relu(x, a["slope"])
        case "clip":
            return torch.clamp(x, a["lo"], a["hi"])
        case "abs":
            return x.abs()
        case "add":
            return x + args[1]
        case "mul":
            return x * args[1]
        case "lut":
            return FUNCTIONS[a["function"]](x)
        case "pixel_shuffle":
            return F.pixel_shuffle(x, a["r"])
        case "crop":
            if size is None:
                raise FloatGraphError(f"{node.name}: crop needs the size")
            return x[:, : -(-size[0] // a["divisor"]), : -(-size[1] // a["divisor"])]
        case "concat":
            return torch.cat(list(args))
        case "slice":
            return x[a["start"] : a["stop"]]
        case "layer_norm":
            weight, bias = _weights(node, x.dtype)
            return F.layer_norm(x.permute(1, 2, 0), (x.shape[0],), weight, bias, a["eps"]).permute(2, 0, 1)
        case "channel_attention":
            return _channel_attention(x, torch.from_numpy(node.tensors["temperature"]).to(x.dtype))
    raise FloatGraphError(f"{node.name}: unknown op {node.op!r}")


def _channel_attention(qkv: torch.Tensor, temperature: torch.Tensor) -> torch.Tensor:
    heads, c = temperature.numel(), qkv.shape[0] // 3
    q, k, v = (t.reshape(heads, c // heads, -1) for t in qkv.split(c))
    scores = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(1, 2) * temperature[:, None, None]
    return (scores.softmax(-1) @ v).reshape(c, *qkv.shape[1:])
