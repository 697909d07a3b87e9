"""What the benchmark of the twin times: every kind of layer, cut as its table says."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from conformance import twin
from refdec.integer import golden
from tools.bench import twin as bench


@pytest.mark.parametrize("name", bench.LAYERS)
def test_layers(name: str) -> None:
    graph = bench.layer(*bench.LAYERS[name])
    expected = 0 if name.startswith("depthwise") else 1 if name.endswith("8bit") else 2
    assert bench.products(graph) == expected
    inputs = bench.inputs_of(graph, (3, 4))
    right = golden.run(graph, inputs, (3, 4))["y"]
    assert len(np.unique(right)) > 100
    for precision in bench.PRECISIONS:
        assert np.array_equal(twin.run(graph, inputs, (3, 4), precision=precision)["y"], right)
