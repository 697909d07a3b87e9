"""The twin with products in float32 gives what golden gives, for every operation and at every extreme."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refdec.integer import Graph, GraphInput, Node, golden, load_model
from tests.integer.random_graphs import OPERATIONS, Case, attention_case, layer_norm_case, random_case

torch = pytest.importorskip("torch")

from conformance import twin  # noqa: E402
from conformance.twin import attention32, float32, integers  # noqa: E402
from conformance.twin.checks import Checks  # noqa: E402
from conformance.twin.split import LIMIT  # noqa: E402
from tests.integer import plain_oracle  # noqa: E402
from tests.twin.rounding import Watching  # noqa: E402

LAYOUTS = ("contiguous", "channels_last")
DEVICES = [name for name in ("cpu", "cuda", "mps") if twin.unusable(name, "float32") is None]


def every_node(engine, case: Case, **options) -> dict[str, np.ndarray]:
    seen: dict[str, np.ndarray] = {}
    engine(case.graph, case.inputs, case.size, observe=seen.__setitem__, **options)
    return seen


def assert_same(case: Case, **options) -> None:
    expected = every_node(golden.run, case)
    found = every_node(twin.run, case, precision="float32", **options)
    for name, array in expected.items():
        assert np.array_equal(found[name], array), (case.seed, name, options)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("op", OPERATIONS)
def test_operations(op: str, device: str) -> None:
    for seed in range(12):
        assert_same(random_case(500 * seed + 3, first=op, steps=2), device=device, layout=LAYOUTS[seed % 2])


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(LAYOUTS), st.integers(1, 2))
def test_graphs(seed: int, layout: str, threads: int) -> None:
    assert_same(random_case(seed), layout=layout, threads=threads)


@pytest.mark.parametrize("maker", [attention_case, layer_norm_case])
def test_last_bits_of_attention_and_norm(maker) -> None:
    for seed in range(25):
        assert_same(maker(seed))


def extreme_layer(seed: int) -> Case:
    """A convolution whose weights and activations are at their ends, and the sums near those of int32.

    The middle of the map is the input that drives output channel 0 to its largest or least sum.
    """
    rng = np.random.default_rng(seed)
    transposed = bool(rng.random() < 0.3)
    groups = 1 if transposed else int(rng.choice([1, 1, 2, 3]))
    inputs, outputs = groups * int(rng.integers(1, 9)), groups * int(rng.integers(1, 4))
    kernel = int(rng.integers(3, 5)) if transposed else int(rng.integers(1, 5))
    reach = int(rng.choice([1, 127, 128, 255, 4095, 32767]))
    per_output = (inputs // groups) * kernel * kernel
    top = max(1, min(32767, ((1 << 31) - 1 - (1 << 14)) // (reach * per_output)))
    shape = (inputs, outputs, kernel, kernel) if transposed else (outputs, inputs // groups, kernel, kernel)
    weight = rng.choice([top, -top, top - 1, 1 - top], shape).astype(np.int16)
    tensors = {"weight": weight, "bias": np.zeros(outputs, np.int32)}
    tensors["shift"] = np.full(outputs, int(rng.integers(0, 15)), np.uint8)
    if transposed:
        node = Node("y", "transposed_conv", ("x",), {}, tensors, -32767, 32767)
    else:
        pad = tuple(int(n) for n in rng.integers(0, kernel, 4))
        attributes = {"groups": groups, "stride": int(rng.integers(1, 3)), "pad": pad}
        node = Node("y", "conv", ("x",), attributes, tensors, -32767, 32767)
    lo = -reach if rng.random() < 0.7 else 0
    graph = Graph((GraphInput("x", inputs, lo, reach),), (node,), ("y",))
    size = (kernel + int(rng.integers(0, 4)), kernel + int(rng.integers(0, 4)))
    x = np.where(rng.random((inputs, *size)) < 0.5, lo, reach).astype(np.int16)
    window = weight[:, 0] if transposed else weight[0]
    x[: len(window), :kernel, :kernel] = np.where((window > 0) == (rng.random() < 0.5), reach, lo)
    return Case(seed, graph, {"x": x}, size)


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(LAYOUTS), st.sampled_from(twin.PRECISIONS))
def test_convolutions_at_extreme_values(seed: int, layout: str, precision: str) -> None:
    case = extreme_layer(seed)
    found = twin.run(case.graph, case.inputs, case.size, precision=precision, layout=layout)
    assert np.array_equal(found["y"], golden.run(case.graph, case.inputs, case.size)["y"])


def test_extremes_need_the_cuts() -> None:
    """What is cut in the cases above would be wrong whole: their sums are no float32 numbers."""
    inexact = cut = 0
    for seed in range(60):
        case = extreme_layer(seed)
        plans = float32.prepare(case.graph, torch.device("cpu")).plans.get("y", ())
        cut += any(len(plan.products) > 1 for plan in plans)
        sums: list[np.ndarray] = []
        golden.run(case.graph, case.inputs, case.size, accumulators=lambda _, acc, s=sums: s.append(acc))
        inexact += not np.array_equal(sums[0].astype(np.float32).astype(np.int64), sums[0])
    assert cut >= 20 and inexact >= 10


def test_a_whole_product_would_be_wrong() -> None:
    """Weights and activations that give 2^24 + 1: float32 gives 2^24 for it, the twin the sum."""
    tensors = {
        "weight": np.array([4096, 1], np.int16).reshape(1, 2, 1, 1),
        "bias": np.array([-LIMIT], np.int32),
        "shift": np.zeros(1, np.uint8),
    }
    node = Node("y", "conv", ("x",), {}, tensors, -32767, 32767)
    graph = Graph((GraphInput("x", 2, 0, [4096, 1]),), (node,), ("y",))
    x = np.array([4096, 1], np.int16).reshape(2, 1, 1)
    weight = torch.from_numpy(tensors["weight"].astype(np.float32))
    whole = torch.nn.functional.conv2d(torch.from_numpy(x.astype(np.float32))[None], weight)
    assert float(whole) - LIMIT == 0
    assert twin.run(graph, {"x": x}, (1, 1), precision="float32")["y"].item() == 1


@pytest.mark.parametrize(
    ("file", "name", "side"),
    [
        ("latent_Y", "mcm.1", 3),
        ("latent_UV", "hyper_decoder", 2),
        ("sop_UV", "synthesis", 2),
        ("sop_Y", "synthesis", 2),
        ("entropy_Y", "hyper_scale_decoder", 2),
    ],
)
def test_trained_layers(file: str, name: str, side: int) -> None:
    path = files("refdec").joinpath(f"models/lite/model1/{file}.safetensors")
    graph: Graph = load_model(str(path)).graphs[name]
    rng = np.random.default_rng(5)
    inputs = {}
    for item in graph.inputs:
        lo, hi = (bound[:, None, None] for bound in graph.clip_range(item.name))
        values = rng.integers(lo, hi + 1, (item.channels, side, side))
        values[:, 0] = np.clip(values[:, 0] // 64, lo[:, 0], hi[:, 0])
        inputs[item.name] = values.astype(np.int16)
    assert_same(Case(0, graph, inputs, (16 * side, 16 * side)))
    for plans in float32.prepare(graph, torch.device("cpu")).plans.values():
        assert all(product.bound <= LIMIT for plan in plans for product in plan.products)


@pytest.mark.parametrize("largest", [3, 200, 32767])
def test_sums_over_positions_in_chunks(largest: int) -> None:
    """More positions than one product may add up, at both ends of the range."""
    rng = np.random.default_rng(largest)
    q, k = (rng.choice([largest, -largest], (2, 3, 2500)).astype(np.int32) for _ in range(2))
    k[:, 0] = q[:, 0]
    found = attention32.gram("y", torch.from_numpy(q), torch.from_numpy(k), largest)
    expected = q.astype(np.int64) @ k.astype(np.int64).transpose(0, 2, 1)
    assert np.array_equal(found.numpy(), expected)
    assert expected[0, 0, 0] == 2500 * largest**2


def test_only_float32_and_no_convolution_is_ever_computed() -> None:
    """Nothing that a device without float64 refuses, and nothing for which a library may choose Winograd."""
    with Watching() as watching:
        for seed in range(26):
            case = random_case(seed, first=OPERATIONS[seed % len(OPERATIONS)])
            for one in (case, extreme_layer(seed)):
                twin.run(one.graph, one.inputs, one.size, precision="float32", layout=LAYOUTS[seed % 2])
    assert watching.floats == {torch.float32}
    assert {"addmm_", "baddbmm_", "bmm"} <= watching.operations
    assert not [name for name in watching.operations if "conv" in name or "fft" in name or "linear" in name]
    with Watching() as other:
        twin.run(case.graph, case.inputs, case.size)
    assert torch.float64 in other.floats


def test_everything_is_made_on_the_device() -> None:
    """A device without values refuses to meet a tensor of the processor, as graphics processors do."""
    device = torch.device("meta")
    for seed in range(13):
        case = random_case(seed, first=OPERATIONS[seed % len(OPERATIONS)])
        for one in (case, extreme_layer(seed)):
            prepared, checks = float32._prepare(one.graph, device), Checks()
            sizes = {name: array.shape[1:] for name, array in one.inputs.items()}
            shapes = one.graph.shapes(sizes, one.size)
            names = [item.name for item in one.graph.inputs]
            values = {n: torch.empty(shapes[n], dtype=torch.int32, device=device) for n in names}
            for node in one.graph.nodes:
                step = float32._Node(prepared, node, bool(seed % 2), checks)
                out = step.evaluate([values[i] for i in node.inputs], one.size)
                assert (out.device, tuple(out.shape)) == (device, shapes[node.name])
                values[node.name] = out


def test_integer_roots_and_norms() -> None:
    rng = np.random.default_rng(2)
    powers = 1 << np.arange(53)
    values = np.concatenate([powers, powers[1:] - 1, [(1 << 23) * 32767**2], rng.integers(1, 1 << 53, 500)])
    there = torch.from_numpy(values)
    assert integers.bit_length(there).tolist() == [int(v).bit_length() for v in values]
    expected = [plain_oracle.norm(int(v)) for v in values]
    found = attention32.norm(there)
    assert list(zip(*(part.tolist() for part in found), strict=True)) == expected


@pytest.mark.slow
def test_many_graphs() -> None:
    for seed in range(200_000, 203_000):
        assert_same(random_case(seed), layout=LAYOUTS[seed % 2])
        assert_same(extreme_layer(seed), layout=LAYOUTS[seed // 2 % 2])
