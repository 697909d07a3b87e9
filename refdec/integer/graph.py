"""Integer graphs as frozen data: inputs, nodes, outputs; validation, shapes, and JSON form.

A graph is valid by construction: building one checks every name, attribute, tensor and channel
count against :mod:`refdec.integer.nodes` and raises :class:`~refdec.errors.ModelError` otherwise.
What construction cannot know is whether accumulators stay inside int32: that is
:func:`refdec.integer.proof.prove`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from refdec.errors import ModelError, ResourceLimitError
from refdec.integer.nodes import (
    ACTIVATION_MAX,
    MAX_CHANNELS,
    OPS,
    IntArray,
    check_tensors,
    normalise_attributes,
    output_channels,
    output_size,
)

MAX_NODES = 4096
MAX_TOTAL_CHANNELS = 1 << 17
"""Channels of all tensors of a graph: a range of its own is kept for each, however short the file is."""
# Beyond any tensor of the standard's networks at the largest picture that the default limits allow.
MAX_ELEMENTS = 1 << 33
Int32Array = npt.NDArray[np.int32]
Shape = tuple[int, int, int]


def _per_channel(owner: str, key: str, value: Any, low: int, high: int) -> int | tuple[int, ...]:
    if isinstance(value, np.ndarray) and value.ndim <= 1 and value.dtype.kind in "iu":
        value = value.tolist()
    values = value if isinstance(value, (list, tuple)) else [value]
    for v in values:
        if isinstance(v, bool) or not isinstance(v, (int, np.integer)) or not low <= v <= high:
            raise ModelError(f"{owner}: {key} must be integers in {low}..{high}, found {v!r}")
    if not values:
        raise ModelError(f"{owner}: {key} is empty")
    first = int(values[0])
    if all(v == first for v in values):
        return first
    return tuple(int(v) for v in values)


def _expand(owner: str, key: str, value: int | tuple[int, ...], channels: int) -> Int32Array:
    if isinstance(value, int):
        out = np.full(channels, value, np.int32)
    elif len(value) != channels:
        raise ModelError(f"{owner}: {key} has {len(value)} entries for {channels} channels")
    else:
        out = np.array(value, np.int32)
    out.setflags(write=False)
    return out


def _check_name(kind: str, name: object) -> str:
    if not isinstance(name, str) or not name or len(name) > 200 or not name.isprintable():
        raise ModelError(f"{kind} name {name!r} is not a short printable string")
    return name


def _frozen(array: IntArray) -> IntArray:
    # A private contiguous copy: nothing outside can change a graph after it was proved.
    out = np.array(array, order="C", copy=True)
    out.setflags(write=False)
    return out


@dataclass(frozen=True, eq=False)
class GraphInput:
    """A named input tensor ``[channels, H, W]`` int16 with values in ``lo..hi`` (an int or one per channel).

    :param fraction: power-of-two exponent of the scale (value = integer / 2^fraction); informative.
    """

    name: str
    channels: int
    lo: int | tuple[int, ...]
    hi: int | tuple[int, ...]
    fraction: int | tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        owner = f"input '{_check_name('input', self.name)}'"
        if isinstance(self.channels, bool) or not isinstance(self.channels, (int, np.integer)):
            raise ModelError(f"{owner}: channels must be an integer, found {self.channels!r}")
        if not 1 <= self.channels <= MAX_CHANNELS:
            raise ModelError(f"{owner}: {self.channels} channels, allowed are 1..{MAX_CHANNELS}")
        object.__setattr__(self, "channels", int(self.channels))
        for key in ("lo", "hi"):
            value = _per_channel(owner, key, getattr(self, key), -ACTIVATION_MAX, ACTIVATION_MAX)
            object.__setattr__(self, key, value)
        if self.fraction is not None:
            object.__setattr__(self, "fraction", _per_channel(owner, "fraction", self.fraction, -64, 64))


@dataclass(frozen=True, eq=False)
class Node:
    """One operation of a graph; see :mod:`refdec.integer.nodes` for what each one carries.

    Attributes come out complete (defaults filled in), tensors as private read-only C-contiguous arrays.

    :param lo, hi: clip range of the output, an int or one per channel; ``None`` where values only move.
    :param fraction: as for :class:`GraphInput`.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    tensors: Mapping[str, IntArray] = field(default_factory=dict)
    lo: int | tuple[int, ...] | None = None
    hi: int | tuple[int, ...] | None = None
    fraction: int | tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        owner = f"node '{_check_name('node', self.name)}'"
        if not isinstance(self.op, str) or self.op not in OPS:
            raise ModelError(f"{owner}: unknown operation {self.op!r}")
        spec = OPS[self.op]
        if isinstance(self.inputs, str) or not all(isinstance(i, str) for i in self.inputs):
            raise ModelError(f"{owner}: inputs must be a list of names")
        inputs = tuple(self.inputs)
        if len(inputs) != spec.arity and not (spec.arity is None and inputs):
            raise ModelError(f"{owner}: {self.op} with {len(inputs)} inputs")
        object.__setattr__(self, "inputs", inputs)
        attributes = normalise_attributes(self.name, self.op, self.attributes)
        object.__setattr__(self, "attributes", MappingProxyType(attributes))
        tensors = {role: np.asarray(tensor) for role, tensor in self.tensors.items()}
        check_tensors(self.name, self.op, tensors)
        object.__setattr__(
            self, "tensors", MappingProxyType({role: _frozen(tensors[role]) for role in sorted(tensors)})
        )
        for key in ("lo", "hi"):
            value = getattr(self, key)
            if spec.clips != (value is not None):
                raise ModelError(f"{owner}: {self.op} {'needs' if spec.clips else 'carries no'} {key}")
            if value is not None:
                value = _per_channel(owner, key, value, -ACTIVATION_MAX, ACTIVATION_MAX)
                object.__setattr__(self, key, value)
        if self.fraction is not None:
            object.__setattr__(self, "fraction", _per_channel(owner, "fraction", self.fraction, -64, 64))


@dataclass(frozen=True, eq=False)
class Graph:
    """A network: nodes in execution order between named inputs and outputs.

    :param outputs: names of inputs or nodes.
    :raises ModelError: anything that does not fit.
    """

    inputs: tuple[GraphInput, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[str, ...]
    channels: Mapping[str, int] = field(init=False, repr=False)
    clips: Mapping[str, tuple[Int32Array, Int32Array]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "inputs", tuple(self.inputs))
        object.__setattr__(self, "nodes", tuple(self.nodes))
        object.__setattr__(self, "outputs", tuple(self.outputs))
        if not self.inputs or not self.outputs or len(self.nodes) > MAX_NODES:
            raise ModelError(
                f"a graph of {len(self.inputs)} inputs, {len(self.nodes)} nodes, {len(self.outputs)} outputs"
            )
        total = 0
        channels: dict[str, int] = {}
        clips: dict[str, tuple[Int32Array, Int32Array]] = {}
        items: tuple[GraphInput | Node, ...] = (*self.inputs, *self.nodes)
        for item in items:
            if item.name in channels:
                raise ModelError(f"two tensors are named '{item.name}'")
            if isinstance(item, GraphInput):
                channels[item.name] = item.channels
            else:
                unknown = [i for i in item.inputs if i not in channels]
                if unknown:
                    raise ModelError(f"node '{item.name}': input '{unknown[0]}' is not made before it")
                channels[item.name] = output_channels(
                    item.name, item.op, [channels[i] for i in item.inputs], item.attributes, item.tensors
                )
            total += channels[item.name]
            if total > MAX_TOTAL_CHANNELS:
                raise ModelError(f"more than {MAX_TOTAL_CHANNELS} channels in the tensors of a graph")
            if item.lo is not None and item.hi is not None:
                owner = f"tensor '{item.name}'"
                lo = _expand(owner, "lo", item.lo, channels[item.name])
                hi = _expand(owner, "hi", item.hi, channels[item.name])
                if bool((lo > hi).any()):
                    raise ModelError(f"{owner}: lo {lo[lo > hi][0]} is above hi {hi[lo > hi][0]}")
                clips[item.name] = (lo, hi)
        for name in self.outputs:
            if not isinstance(name, str) or name not in channels:
                raise ModelError(f"output {name!r} is not made")
        if len(set(self.outputs)) != len(self.outputs):
            raise ModelError("an output is named twice")
        object.__setattr__(self, "channels", MappingProxyType(channels))
        object.__setattr__(self, "clips", MappingProxyType(clips))

    def node(self, name: str) -> Node:
        """The node called ``name``; ``KeyError`` if there is none."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise KeyError(name)

    def clip_range(self, name: str) -> tuple[Int32Array, Int32Array]:
        """Declared ``lo`` and ``hi``, int32 ``[C]`` each, of an input or of a node that clips."""
        return self.clips[name]

    def shapes(self, input_sizes: Mapping[str, tuple[int, int]], size: tuple[int, int]) -> dict[str, Shape]:
        """``(C, H, W)`` of every tensor by name, in execution order.

        :param input_sizes: rows and columns of every input.
        :param size: rows and columns of the picture or tile in luma samples.
        :raises ModelError: the graph cannot run at these sizes.
        :raises ResourceLimitError: more positions than an exact definition allows, or an enormous tensor.
        """
        sizes: dict[str, tuple[int, int]] = {}
        for item in self.inputs:
            h, w = input_sizes[item.name]
            if h < 1 or w < 1:
                raise ModelError(f"input '{item.name}' of {h}x{w}")
            sizes[item.name] = (int(h), int(w))
        for node in self.nodes:
            sizes[node.name] = output_size(
                node.name, node.op, [sizes[i] for i in node.inputs], node.attributes, node.tensors, size
            )
        shapes = {name: (self.channels[name], h, w) for name, (h, w) in sizes.items()}
        for name, (c, h, w) in shapes.items():
            if c * h * w > MAX_ELEMENTS:
                raise ResourceLimitError(
                    "a tensor of the network is too large",
                    element=name,
                    expected=f"at most {MAX_ELEMENTS} values",
                    found=f"{c}x{h}x{w}",
                )
        return shapes

    def check_inputs(self, inputs: Mapping[str, npt.NDArray[Any]]) -> None:
        """Refuse inputs that are not what the graph was proved for.

        :raises ValueError: missing or surplus names, a dtype other than int16, a wrong shape, or a value
            outside ``lo..hi``.
        """
        names = [item.name for item in self.inputs]
        if sorted(inputs) != sorted(names):
            raise ValueError(f"graph inputs are {sorted(names)}, given were {sorted(inputs)}")
        for item in self.inputs:
            array = inputs[item.name]
            if array.dtype != np.int16 or array.ndim != 3 or array.shape[0] != item.channels:
                raise ValueError(
                    f"input '{item.name}' must be int16 [{item.channels}, H, W], "
                    f"given was {array.dtype} {list(array.shape)}"
                )
            lo, hi = self.clips[item.name]
            if array.size and not (
                bool((array.min(axis=(1, 2)) >= lo).all()) and bool((array.max(axis=(1, 2)) <= hi).all())
            ):
                raise ValueError(f"input '{item.name}' has values outside its declared range")

    def to_json(self, prefix: str = "") -> tuple[dict[str, Any], dict[str, IntArray]]:
        """The graph as a JSON object and the tensors it names, keys ``<prefix><node>/<role>``."""
        tensors: dict[str, IntArray] = {}
        nodes: list[dict[str, Any]] = []
        for node in self.nodes:
            keys = {}
            for role, tensor in node.tensors.items():
                keys[role] = f"{prefix}{node.name}/{role}"
                tensors[keys[role]] = tensor
            attributes = {k: dict(v) if isinstance(v, Mapping) else v for k, v in node.attributes.items()}
            attributes = {k: list(v) if isinstance(v, tuple) else v for k, v in attributes.items()}
            entry: dict[str, Any] = {"name": node.name, "op": node.op, "inputs": list(node.inputs)}
            nodes.append(entry | {"attributes": attributes, "tensors": keys} | _range_json(node))
        inputs = [{"name": i.name, "channels": i.channels} | _range_json(i) for i in self.inputs]
        return {"inputs": inputs, "nodes": nodes, "outputs": list(self.outputs)}, tensors

    @classmethod
    def from_json(cls, data: object, tensors: Mapping[str, IntArray]) -> Graph:
        """The inverse of :meth:`to_json`, for JSON and tensors from outside.

        :raises ModelError: whatever is wrong with them.
        """
        top = _object("graph", data, {"inputs", "nodes", "outputs"})
        inputs = []
        for entry in _items("inputs", top["inputs"]):
            item = _object("input", entry, {"name", "channels", "lo", "hi"}, {"fraction"})
            inputs.append(GraphInput(**item))
        nodes = []
        for entry in _items("nodes", top["nodes"]):
            item = dict(
                _object(
                    "node",
                    entry,
                    {"name", "op", "inputs", "attributes", "tensors"},
                    {"lo", "hi", "fraction"},
                )
            )
            name = _check_name("node", item["name"])
            keys = item["tensors"]
            if not isinstance(keys, dict) or not isinstance(item["attributes"], dict):
                raise ModelError(f"node '{name}': attributes and tensors must be objects")
            for role, key in keys.items():
                if not isinstance(key, str) or key not in tensors:
                    raise ModelError(f"node '{name}': tensor {role} ({key!r}) is missing from the file")
            item["tensors"] = {role: tensors[key] for role, key in keys.items()}
            item["inputs"] = tuple(_items(f"inputs of node '{name}'", item["inputs"]))
            nodes.append(Node(**item))
        return cls(tuple(inputs), tuple(nodes), tuple(_items("outputs", top["outputs"])))


def _range_json(item: GraphInput | Node) -> dict[str, Any]:
    values = {"lo": item.lo, "hi": item.hi, "fraction": item.fraction}
    return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items() if v is not None}


def _items(what: str, value: object) -> Sequence[Any]:
    if not isinstance(value, list) or len(value) > MAX_NODES:
        raise ModelError(f"{what} must be a list of at most {MAX_NODES}")
    return value


def _object(
    what: str, value: object, required: set[str], optional: set[str] | None = None
) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ModelError(f"{what} must be a JSON object, found {type(value).__name__}")
    missing, surplus = required - set(value), set(value) - required - (optional or set())
    if missing or surplus:
        raise ModelError(f"{what}: missing keys {sorted(missing)}, unknown keys {sorted(surplus)}")
    return value
