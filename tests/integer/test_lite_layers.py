"""Trained layers once more without any engine: plain Python integers on the bundled models' own numbers."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest

from refdec.integer import Graph, golden, jit, load_model
from tests.integer.plain_oracle import evaluate


@pytest.mark.parametrize(
    ("file", "name", "side"),
    [("latent_Y", "mcm.1", 2), ("latent_UV", "hyper_decoder", 1), ("sop_UV", "synthesis", 1)],
)
def test_layers_in_plain_integers(file: str, name: str, side: int) -> None:
    path = files("refdec").joinpath(f"models/lite/model2/{file}.safetensors")
    graph: Graph = load_model(str(path)).graphs[name]
    rng = np.random.default_rng(7)
    inputs = {}
    for item in graph.inputs:
        lo, hi = graph.clip_range(item.name)
        # near zero, as latents are, and now and then at the end of the range
        values = rng.integers(-200, 201, (item.channels, side, side))
        values = np.where(rng.random(values.shape) < 0.02, hi[:, None, None], values)
        inputs[item.name] = np.clip(values, lo[:, None, None], hi[:, None, None]).astype(np.int16)
    size = (16 * side, 16 * side)
    right = evaluate(graph, inputs, size)
    seen: dict[str, np.ndarray] = {}
    expected = golden.run(graph, inputs, size, observe=seen.__setitem__)
    assert seen.keys() == {node.name for node in graph.nodes}
    for node, value in seen.items():
        assert np.array_equal(right[node], value), node
    found = jit.run(graph, inputs, size)
    assert all(np.array_equal(found[output], expected[output]) for output in graph.outputs)
    assert any(len(np.unique(value)) > 8 for value in expected.values())
