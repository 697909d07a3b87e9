"""Targets of model files: read and proved; what is proved then runs, in both engines, and never overflows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from conformance.fuzz import seeds
from conformance.fuzz.json_mutator import mutate_json
from conformance.fuzz.model_mutator import mutate_model
from conformance.fuzz.target import Disagreement, Finding, Target, answered
from conformance.generate.layers import Layers
from conformance.verify.synthetic import Splitmix
from refdec import integer
from refdec.errors import ModelError, ResourceLimitError
from refdec.integer import Graph, GraphInput, Model, prove
from refdec.integer.model_file import model_bytes, read_model
from refdec.models_io import entropy_model
from refdec.networks.eicci import eicci_model
from refdec.networks.models import latent_model, rectifier_model, synthesis_model

MAX_BYTES = 1 << 16
MAX_ELEMENTS = 1 << 16
"""Values of one tensor in a run: larger graphs are proved and not run."""
SIZE = (5, 6)
MODULES = ("refdec/integer", "refdec/networks/models.py", "refdec/models_io.py")


def model(data: bytes) -> str:
    """Any bytes as a model file, then as a model of every kind."""

    def read() -> None:
        found = read_model(data)
        if model_bytes(found) != model_bytes(read_model(model_bytes(found))):
            raise Disagreement("a model that is written again is another")
        for component in (0, 1):
            answered(lambda c=component: entropy_model(found, c), ModelError)
            answered(lambda c=component: latent_model(found, c), ModelError)
            answered(lambda c=component: synthesis_model(found, c, _latents()[: 1 + c]), ModelError)
            answered(lambda c=component: rectifier_model(found, _latents()[c]), ModelError)
        answered(lambda: eicci_model(found), ModelError)

    return answered(read, ModelError)


def graph(data: bytes) -> str:
    """A model file of small graphs: those that are proved run in both engines at their extremes."""

    def read() -> None:
        for item in read_model(data).graphs.values():
            _run(item)

    return answered(read, ModelError, ResourceLimitError)


def graph_json(data: bytes) -> str:
    """The JSON of a graph alone, with a few tensors that it may name."""

    def read() -> None:
        try:
            content = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise ModelError(f"no JSON: {error}") from error
        found = Graph.from_json(content, _tensors())
        prove(found)
        _run(found)

    return answered(read, ModelError, ResourceLimitError)


def _run(item: Graph) -> None:
    sizes = dict.fromkeys((i.name for i in item.inputs), SIZE)
    luma = (SIZE[0] * 8 - 3, SIZE[1] * 8 - 1)
    shapes = item.shapes(sizes, luma)
    if sum(c * h * w for c, h, w in shapes.values()) > MAX_ELEMENTS or _work(item, shapes) > 1 << 24:
        return
    for turn in range(3):
        inputs = {i.name: _input(item, i, turn) for i in item.inputs}
        # The golden engine asserts that no sum leaves what was proved.
        golden = integer.run(item, inputs, luma, engine="golden")
        jit = integer.run(item, inputs, luma, engine="jit")
        if golden.keys() != jit.keys() or any(not np.array_equal(golden[k], jit[k]) for k in golden):
            raise Disagreement("golden and jit compute other values")
        for name, value in golden.items():
            if name in item.clips:
                lo, hi = item.clip_range(name)
                if bool((value.min((1, 2)) < lo).any()) or bool((value.max((1, 2)) > hi).any()):
                    raise Finding(f"'{name}' leaves its declared range")


def _work(item: Graph, shapes: Any) -> int:
    """Products of all convolutions."""
    positions = max(h * w for _, h, w in shapes.values())
    return positions * sum(
        t.size for node in item.nodes for role, t in node.tensors.items() if role != "table"
    )


def _input(item: Graph, entry: GraphInput, turn: int) -> Any:
    lo, hi = (bound.astype(np.int64)[:, None, None] for bound in item.clip_range(entry.name))
    drawn = Splitmix(turn).integers(0, 1 << 30, (entry.channels, *SIZE))
    ends = np.where(drawn & 1, lo, hi)
    value = ends if turn == 0 else lo + drawn % (hi - lo + 1)
    return np.where(drawn & 6 == 0, ends, value).astype(np.int16)


@cache
def _latents() -> list[Any]:
    return [seeds.models().latent(0, component) for component in (0, 1)]


def small_graphs() -> Iterator[tuple[str, Graph]]:
    """One graph for every operation, of a handful of channels."""
    limit = 32767
    for number, (name, build) in enumerate(_BUILDERS.items()):
        net = Layers(Splitmix(number), GraphInput("x", 4, -limit, limit), GraphInput("y", 4, -900, 900))
        yield name, net.graph(build(net))


_BUILDERS: dict[str, Any] = {
    "conv": lambda n: n.conv("a", n.conv("b", "x", 6, 3), 3, wide=True),
    "stride": lambda n: n.conv("a", "y", 4, 3, stride=2, groups=2, leaky={"numerator": 13, "shift": 7}),
    "transposed": lambda n: n.crop("c", n.transposed("b", n.transposed("a", "x", 3, 4), 2, 3, wide=True), 4),
    "sum": lambda n: n.clip("c", n.add("a", "x", "y"), -300, 301),
    "product": lambda n: n.absolute("c", n.mul("a", "x", "y", 12, rounding="floor"), 9000),
    "moves": lambda n: n.concat("c", n.shuffle("a", "x", 2), n.shuffle("b", "y", 2)),
    "slice": lambda n: n.add("c", n.part("a", "x", 1, 3), n.part("b", "y", 0, 2)),
    "norm": lambda n: n.norm("a", n.conv("b", "x", 6)),
    "attention": lambda n: n.attention("a", n.conv("b", "y", 12, 3), 2),
}


def _small_models() -> Iterator[bytes]:
    for name, item in small_graphs():
        constants = {"latent_fraction": np.arange(4, dtype=np.int32)}
        yield model_bytes(Model("graph", {name: item}, constants, {"seed": 1}))


def _models() -> Iterator[bytes]:
    yield from _small_models()
    made = seeds.models()
    for kind in ("latent", "entropy", "sop", "bop", "hop"):
        for component in (0, 1):
            data = model_bytes(made.load(0, kind, component))
            if len(data) <= MAX_BYTES:
                yield data
    made.eicci("bop", 0)
    yield model_bytes(made.loaded_eicci["bop", 0])


@cache
def _tensors() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, item in small_graphs():
        found |= item.to_json(f"graph/{name}/")[1]
    return found


def _jsons() -> Iterator[bytes]:
    for name, item in small_graphs():
        yield json.dumps(item.to_json(f"graph/{name}/")[0]).encode()


TARGETS = (
    Target(
        "model", "Model files, as models of every kind.", model, _models, mutate_model, MAX_BYTES,
        seconds=10, share=2, modules=MODULES,
    ),
    Target(
        "graph", "Model files of small graphs: what is proved runs in both engines.", graph, _small_models,
        mutate_model, 8192, share=5, modules=MODULES,
    ),
    Target(
        "graph-json", "The JSON of a graph; what is proved runs in both engines.", graph_json, _jsons,
        mutate_json, 8192, share=3, modules=MODULES,
    ),
)  # fmt: skip
