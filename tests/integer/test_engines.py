"""Golden, twin and plain Python integers agree on every node of random graphs."""

from __future__ import annotations

from math import isqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refdec.integer import golden, run
from refdec.integer.golden.attention import norms as golden_norms
from refdec.integer.golden.normalisation import isqrt as golden_isqrt
from refdec.integer.nodes import MAX_POSITIONS
from tests.integer import plain_oracle
from tests.integer.random_graphs import (
    OPERATIONS,
    Case,
    attention_case,
    layer_norm_case,
    random_case,
    strided,
)

torch = pytest.importorskip("torch")

from conformance import twin  # noqa: E402
from conformance.twin.attention import norm as twin_norm  # noqa: E402
from conformance.twin.exact import floor_sqrt  # noqa: E402

LAYOUTS = ("contiguous", "channels_last")


def every_node(engine, case: Case, **options) -> dict[str, np.ndarray]:
    seen: dict[str, np.ndarray] = {}
    out = engine(case.graph, case.inputs, case.size, observe=seen.__setitem__, **options)
    assert list(out) == list(case.graph.outputs)
    assert list(seen) == [node.name for node in case.graph.nodes]
    for name, array in out.items():
        assert array.dtype == np.int16 and array.flags.c_contiguous
        assert np.array_equal(array, seen.get(name, case.inputs.get(name)))
    return seen


def assert_same(case: Case, found: dict[str, np.ndarray], expected: dict[str, np.ndarray], who: str) -> None:
    for node in case.graph.nodes:
        assert np.array_equal(found[node.name], expected[node.name]), (case.seed, node.name, who)


@pytest.mark.parametrize("op", OPERATIONS)
def test_operation_against_plain_integers(op: str) -> None:
    for seed in range(24):
        case = random_case(1000 * seed + 17, first=op, steps=1)
        expected = plain_oracle.evaluate(case.graph, case.inputs, case.size)
        assert_same(case, every_node(golden.run, case), expected, "golden")
        assert_same(case, every_node(twin.run, case, layout=LAYOUTS[seed % 2]), expected, "twin")


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(OPERATIONS))
def test_graphs_against_plain_integers(seed: int, first: str) -> None:
    case = random_case(seed, first=first, steps=4)
    expected = plain_oracle.evaluate(case.graph, case.inputs, case.size)
    assert_same(case, every_node(golden.run, case), expected, "golden")


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(LAYOUTS), st.integers(1, 2))
def test_twin_equals_golden(seed: int, layout: str, threads: int) -> None:
    case = random_case(seed)
    expected = every_node(golden.run, case)
    assert_same(case, every_node(twin.run, case, layout=layout, threads=threads), expected, layout)


@pytest.mark.parametrize("maker", [attention_case, layer_norm_case])
def test_last_bits_of_attention_and_norm(maker) -> None:
    for seed in range(40):
        case = maker(seed)
        expected = every_node(golden.run, case)
        assert_same(case, every_node(twin.run, case), expected, "twin")
        if seed < 20 and case.graph.inputs[0].channels * case.size[0] * case.size[1] < 20_000:
            plain = plain_oracle.evaluate(case.graph, case.inputs, case.size)
            assert_same(case, expected, plain, "golden")


@pytest.mark.parametrize("bits", [24, 26])
def test_square_root_next_to_squares(bits: int) -> None:
    top = (1 << bits) - 1
    roots = np.concatenate([np.arange(1, 300), top - np.arange(300), np.geomspace(1, top, 5000).astype(int)])
    values = np.concatenate([roots**2 - 1, roots**2, roots**2 + 1])
    expected = [isqrt(int(v)) for v in values]
    assert golden_isqrt(values, bits).tolist() == expected
    assert floor_sqrt(torch.from_numpy(values.astype(np.float64))).tolist() == expected


def test_norms_up_to_the_largest_sums() -> None:
    """Sums of squares from 1 to what 2^23 positions can give, where the exponent becomes negative."""
    rng = np.random.default_rng(2)
    powers = 1 << np.arange(53)
    values = np.concatenate(
        [powers, powers[1:] - 1, [MAX_POSITIONS * 32767**2], rng.integers(1, 1 << 53, 500)]
    )
    expected = [plain_oracle.norm(int(v)) for v in values]
    assert min(e for e, _ in expected) == -1
    assert list(zip(*(part.tolist() for part in golden_norms(values)), strict=True)) == expected
    found = twin_norm(torch.from_numpy(values.astype(np.float64)))
    assert list(zip(*(part.tolist() for part in found), strict=True)) == expected


@pytest.mark.parametrize("kind", range(5))
def test_memory_layout_of_inputs_does_not_matter(kind: int) -> None:
    for seed in range(40):
        case = random_case(seed)
        moved = {name: strided(array, kind) for name, array in case.inputs.items()}
        assert all(np.array_equal(moved[name], case.inputs[name]) for name in moved)
        expected = golden.run(case.graph, case.inputs, case.size)
        for engine in (golden.run, twin.run):
            found = engine(case.graph, moved, case.size)
            assert all(np.array_equal(found[n], expected[n]) for n in expected), (seed, kind)


def test_generator_covers_what_it_promises() -> None:
    """Every operation with lively output values, one-sample pictures, saturation at both ends."""
    lively, ones, low, high = set(), 0, 0, 0
    for seed in range(200):
        case = random_case(seed, first=OPERATIONS[seed % len(OPERATIONS)])
        seen = every_node(golden.run, case)
        ones += case.inputs["x0"].shape[1:] == (1, 1)
        for node in case.graph.nodes:
            values = seen[node.name]
            if len(np.unique(values)) > 2:
                lively.add(node.op)
            if node.op == "conv":
                lo, hi = (bound[:, None, None] for bound in case.graph.clip_range(node.name))
                low += bool((values == lo).any())
                high += bool((values == hi).any())
    assert lively == set(OPERATIONS)
    assert min(ones, low, high) >= 20


def test_run_refuses_what_a_graph_was_not_proved_for() -> None:
    case = random_case(3)
    name = next(iter(case.inputs))
    good = case.inputs[name]
    lo, hi = case.graph.clip_range(name)
    outside = good.copy()
    outside[0, 0, 0] = hi[0] + 1 if hi[0] < 32767 else lo[0] - 1
    for bad in (good.astype(np.int32), good[:, :, 0], np.repeat(good, 2, axis=0), outside):
        with pytest.raises(ValueError, match=name):
            run(case.graph, case.inputs | {name: bad}, case.size, engine="golden")
    with pytest.raises(ValueError, match="inputs"):
        run(case.graph, case.inputs | {"other": good}, case.size, engine="golden")
    with pytest.raises(ValueError, match="engine"):
        run(case.graph, case.inputs, case.size, engine="float")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_twin_on_a_graphics_processor() -> None:
    for seed in range(60):
        case = random_case(seed, first=OPERATIONS[seed % len(OPERATIONS)])
        expected = every_node(golden.run, case)
        found = every_node(twin.run, case, device="cuda", layout=LAYOUTS[seed % 2])
        assert_same(case, found, expected, "cuda")


@pytest.mark.slow
def test_many_graphs() -> None:
    for seed in range(100_000, 103_000):
        case = random_case(seed)
        expected = every_node(golden.run, case)
        assert_same(case, every_node(twin.run, case, layout=LAYOUTS[seed % 2]), expected, "twin")
