"""Where the tensors of a graph lie, before anything is lowered: stores, concatenations, outputs.

Placement does not know sizes.
"""

from __future__ import annotations

from collections.abc import Sequence

from refdec.integer.graph import Graph, Node
from refdec.integer.jit import vector_ir as ir
from refdec.integer.jit.pack import padded
from refdec.integer.jit.steps import Store, Tensor


class Placement:
    """Stores and tensors of ``graph``, of which ``outputs`` are wanted.

    A tensor that is only a part of a concatenation is written straight into it, and an output is written from
    what lies before a crop or a pixel shuffle at the end.
    """

    def __init__(self, graph: Graph, outputs: Sequence[str]) -> None:
        self.graph = graph
        self.outputs = tuple(outputs)
        self.stores: dict[str, Store] = {}
        self.tensors: dict[str, Tensor] = {}
        # Nodes that need no step of their own.
        self._done: set[str] = set()
        self._users: dict[str, list[Node]] = {name: [] for name in graph.channels}
        for node in graph.nodes:
            for source in node.inputs:
                self._users[source].append(node)
        self._nodes = {node.name: node for node in graph.nodes}
        self._places = self._place_concats()
        self._unpacked = {name: self._output_source(name) for name in self.outputs}

    def _only_user(self, name: str) -> Node | None:
        users = self._users[name]
        return users[0] if len(users) == 1 and name not in self.outputs else None

    def _place_concats(self) -> dict[str, tuple[str, int]]:
        """Tensors that are written straight into a concatenation: its name and their first channel."""
        places: dict[str, tuple[str, int]] = {}
        for node in self.graph.nodes:
            if node.op != "concat":
                continue
            first = 0
            for part in node.inputs:
                channels = self.graph.channels[part]
                maker = self._nodes.get(part)
                view = maker is not None and maker.op in ("slice", "concat")
                if channels % ir.LANES == 0 and not view and part not in places:
                    places[part] = (node.name, first)
                first += channels
        return places

    def _output_source(self, name: str) -> tuple[str, int]:
        """Tensor and pixel shuffle factor that an output is written from; marks what it passes over."""
        passed: list[str] = []
        node = self._nodes.get(name)
        if self._users[name]:
            return name, 1
        if node is not None and node.op == "crop":
            passed.append(node.name)
            node = self._behind(node)
        if node is not None and node.op == "pixel_shuffle":
            maker = self._behind(node)
            channels = self.graph.channels[node.name]
            if node.inputs[0] in self.graph.channels and (maker is None or channels % ir.LANES):
                source = node.inputs[0]
                if len(self._users[source]) == 1 and source not in self.outputs:
                    self._done.update((*passed, node.name))
                    return source, int(node.attributes["factor"])
        return name, 1

    def _behind(self, node: Node) -> Node | None:
        source = node.inputs[0]
        return self._nodes.get(source) if self._only_user(source) is not None else None

    def _store(self, name: str, size: str, channels: int) -> Store:
        width = padded(channels)
        # Pixels a multiple of 1024 bytes apart would share a few sets of the first-level cache.
        width += ir.LANES if width % 512 == 0 else 0
        store = self.stores[name] = Store(name, size, width)
        return store

    def _make(self, name: str) -> Tensor:
        """The tensor ``name``, in a store of its own or in that of its concatenation."""
        channels = self.graph.channels[name]
        place = self._places.get(name)
        if place is None:
            tensor = Tensor(self._store(name, name, channels), 0, channels)
        else:
            target, first = place
            store = self.stores.get(target) or self._store(target, target, self.graph.channels[target])
            tensor = Tensor(store, first, channels)
        self.tensors[name] = tensor
        return tensor
