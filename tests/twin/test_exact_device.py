"""A device that rounds products is found out, by what it is asked once and by the layers themselves."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from conformance import twin  # noqa: E402
from conformance.twin import device  # noqa: E402
from conformance.twin.exact import InexactError  # noqa: E402
from refdec.integer import Graph, GraphInput, Node, golden  # noqa: E402
from tests.integer.random_graphs import attention_case  # noqa: E402
from tests.twin.rounding import KINDS, Rounding  # noqa: E402

CPU = torch.device("cpu")


def layer() -> tuple[Graph, dict[str, np.ndarray]]:
    """A layer that float32 holds whole, with weights of more bits than TF32 and bfloat16 have."""
    rng = np.random.default_rng(3)
    tensors = {
        "weight": rng.integers(-5000, 5001, (24, 40, 3, 3)).astype(np.int16),
        "bias": np.zeros(24, np.int32),
        "shift": np.full(24, 8, np.uint8),
    }
    node = Node("y", "conv", ("x",), {"pad": (1, 1, 1, 1)}, tensors, -32767, 32767)
    graph = Graph((GraphInput("x", 40, -3, 3),), (node,), ("y",))
    return graph, {"x": rng.integers(-3, 4, (40, 12, 20)).astype(np.int16)}


def test_this_processor_is_exact() -> None:
    with device.full_products(CPU):
        device.check(CPU)


@pytest.mark.parametrize("kind", KINDS)
def test_a_device_that_rounds_is_refused(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with device.full_products(CPU), Rounding(kind), pytest.raises(InexactError, match=r"cpu: .* not exact"):
        device.check(CPU)
    # at construction, before a graph is run
    graph, inputs = layer()
    monkeypatch.setattr(device, "_checked", set())
    with Rounding(kind), pytest.raises(InexactError, match="not exact"):
        twin.run(graph, inputs, (12, 20), precision="float32")
    assert not device._checked


@pytest.mark.parametrize("kind", ["bfloat16", "tf32"])
def test_layers_are_checked_where_the_device_was_right_when_asked(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library that takes another algorithm for the shape of a layer than for what was tried."""
    graph, inputs = layer()
    monkeypatch.setattr(device, "_checked", {"cpu"})
    with Rounding(kind) as rounding, pytest.raises(InexactError, match="y: products in float32 are"):
        twin.run(graph, inputs, (12, 20), precision="float32")
    assert rounding.rounded
    found = twin.run(graph, inputs, (12, 20), precision="float32")
    assert np.array_equal(found["y"], golden.run(graph, inputs, (12, 20))["y"])


def test_attention_is_checked_too() -> None:
    case = next(c for c in map(attention_case, range(40)) if c.graph.inputs[0].channels >= 24)
    twin.run(case.graph, case.inputs, case.size, precision="float32")
    with Rounding("bfloat16"), pytest.raises(InexactError, match="weights: products in float32"):
        twin.run(case.graph, case.inputs, case.size, precision="float32")


def test_automatic_precision_of_the_caller_does_not_reach_the_products() -> None:
    """Autocast makes PyTorch multiply in bfloat16 on every processor: nothing here is pretended."""
    graph, inputs = layer()
    expected = golden.run(graph, inputs, (12, 20))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        with pytest.raises(InexactError, match="not exact"):
            device.check(CPU)
        with device.full_products(CPU):
            device.check(CPU)
        found = twin.run(graph, inputs, (12, 20), precision="float32")
    assert np.array_equal(found["y"], expected["y"])


def test_settings_are_strict_inside_and_as_before_outside() -> None:
    cuda, mkldnn = torch.backends.cuda.matmul, torch.backends.mkldnn.matmul
    before = cuda.fp32_precision, mkldnn.fp32_precision
    graph, inputs = layer()
    seen = []
    try:
        cuda.fp32_precision, mkldnn.fp32_precision = "tf32", "bf16"
        twin.run(
            graph,
            inputs,
            (12, 20),
            precision="float32",
            observe=lambda *_: seen.append((cuda.fp32_precision, mkldnn.fp32_precision)),
        )
        assert (cuda.fp32_precision, mkldnn.fp32_precision) == ("tf32", "bf16")
    finally:
        cuda.fp32_precision, mkldnn.fp32_precision = before
    assert seen == [("ieee", "ieee")]
    torch.set_float32_matmul_precision("medium")
    try:
        with device.full_products(CPU):
            assert (cuda.fp32_precision, mkldnn.fp32_precision) == ("ieee", "ieee")
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize("name", device.ENVIRONMENT)
def test_an_environment_that_forces_rounding_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, inputs = layer()
    for harmless in ("", "0", "strict"):
        monkeypatch.setenv(name, harmless)
        twin.run(graph, inputs, (12, 20), precision="float32")
    for forced in ("1", "BF16"):
        monkeypatch.setenv(name, forced)
        with pytest.raises(InexactError, match=name):
            twin.run(graph, inputs, (12, 20), precision="float32")


def test_devices_that_cannot_be_used_say_why() -> None:
    assert device.unusable("cpu", "float64") is device.unusable("cpu", "float32") is None
    assert "no float64" in str(device.unusable("mps", "float64"))
    for name in ("cpu:1", "cuda:99"):
        assert "no device" in str(device.unusable(name, "float32"))
    for name in ("tpu", "cuda:x", "", "meta", "cuda:-1"):
        assert "expected cpu, cuda, mps" in str(device.unusable(name, "float32"))
    with pytest.raises(ValueError, match="float64 or float32"):
        twin.run(*layer(), (12, 20), precision="float16")
