"""The overflow proof: exact at the limit, tight by witness, and never below what is observed."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refdec.integer import Graph, GraphInput, Node, OverflowProofError, golden, prove
from refdec.integer.nodes import INT32_MAX, INT32_MIN
from refdec.integer.proof import Peaks, graph_rows
from refdec.integer.witness import witnesses
from tests.integer.random_graphs import OPERATIONS, random_case


def convolution(
    weight: npt.NDArray[Any], bias: int, shift: int, *, lo: int = -32767, hi: int = 32767, **attributes: Any
) -> Graph:
    channels = weight.shape[1] * attributes.get("groups", 1)
    tensors = {
        "weight": weight,
        "bias": np.full(len(weight), bias, np.int32),
        "shift": np.full(len(weight), shift, np.uint8),
    }
    node = Node("layer", "conv", ("x",), attributes, tensors, -32767, 32767)
    return Graph((GraphInput("x", channels, lo, hi),), (node,), ("layer",))


@pytest.mark.parametrize("shift", [0, 1, 20])
@pytest.mark.parametrize("rounding", ["half_up", "floor"])
def test_one_more_than_int32_is_refused(shift: int, rounding: str) -> None:
    weight = np.array([[[[32767]], [[-30000]]]], np.int16)
    reach = 32767 * 32767 + 30000 * 32767
    term = 1 << (shift - 1) if shift and rounding == "half_up" else 0
    top, bottom = INT32_MAX - reach - term, INT32_MIN + reach
    for bias in (top, bottom):
        accumulator = prove(convolution(weight, bias, shift, rounding=rounding)).accumulators["layer"]
        assert INT32_MAX in (accumulator.high[0], -1 - accumulator.low[0])
    for bias, bound in ((top + 1, 2**31), (bottom - 1, 2**31 + 1)):
        with pytest.raises(OverflowProofError) as caught:
            prove(convolution(weight, bias, shift, rounding=rounding))
        error = caught.value
        assert (error.node, error.op, error.channel, error.bound) == ("layer", "conv", 0, bound)
        assert "layer" in str(error) and str(bound) in str(error)


def test_ranges_come_from_the_layer_before() -> None:
    """Sums over clipped activations are proved although the same weights over all of int16 are refused."""
    weight = np.full((1, 9, 1, 1), 32767, np.int16)
    with pytest.raises(OverflowProofError):
        prove(convolution(weight, 0, 16))
    one_sided = convolution(weight, 0, 16, lo=0, hi=7281)
    assert prove(one_sided).accumulators["layer"].high[0] == 9 * 32767 * 7281 + (1 << 15)
    small = Node(
        "before",
        "conv",
        ("x",),
        {"groups": 9},
        {
            "weight": np.ones((9, 1, 1, 1), np.int8),
            "bias": np.zeros(9, np.int32),
            "shift": np.full(9, 3, np.uint8),
        },
        -32767,
        32767,
    )
    last = convolution(weight, 0, 16).nodes[0]
    chained = Node("layer", "conv", ("before",), {}, last.tensors, -32767, 32767)
    proof = prove(Graph((GraphInput("x", 9, -32767, 32767),), (small, chained), ("layer",)))
    assert proof.ranges["before"].hi.tolist() == [4096] * 9


def test_partial_sums_are_part_of_the_bound() -> None:
    """Activations that are never 0: leaving terms out can reach further than the complete sum."""
    weight = np.array([[[[1000]], [[-1000]]]], np.int16)
    accumulator = prove(convolution(weight, 0, 0, lo=30000, hi=30001, rounding="floor")).accumulators["layer"]
    assert (accumulator.acc_lo[0], accumulator.acc_hi[0]) == (-1000, 1000)
    assert (accumulator.low[0], accumulator.high[0]) == (-30_001_000, 30_001_000)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(OPERATIONS))
def test_observed_values_stay_within_the_proof(seed: int, first: str) -> None:
    """The golden engine asserts it; here the reported table is held against what was seen."""
    case = random_case(seed, first=first)
    peaks = Peaks()
    golden.run(case.graph, case.inputs, case.size, accumulators=peaks.record)
    for row in graph_rows("g", case.graph, peaks):
        assert row.seen is not None and row.seen <= row.bound
        assert row.seen <= max(abs(row.acc_lo), abs(row.acc_hi))
        assert row.bits == row.bound.bit_length() + 1 and row.headroom >= 0


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["conv", "transposed_conv", "add", "mul"]))
def test_witness_reaches_the_bound(seed: int, first: str) -> None:
    case = random_case(seed, first=first, steps=3)
    proof = prove(case.graph)
    for witness in witnesses("g", case.graph, all_channels=True):
        node = case.graph.node(witness.node)
        padded = node.op == "transposed_conv" or any(node.attributes.get("pad", ()))
        around_zero = all(
            bool((proof.ranges[i].lo <= 0).all() and (proof.ranges[i].hi >= 0).all()) for i in node.inputs
        )
        # Only padding zeros next to activations that are never zero leave a gap.
        if around_zero or not padded:
            assert witness.reached == witness.proved, witness
        else:
            assert (
                (witness.reached <= witness.proved) if witness.upper else (witness.reached >= witness.proved)
            )


def test_witness_at_the_very_limit_of_int32() -> None:
    """A layer without a bit of head-room reaches 2^31 - 1 and -2^31 and wraps nowhere."""
    rng = np.random.default_rng(5)
    weight = rng.integers(-1500, 1501, (1, 16, 2, 2)).astype(np.int16)
    reach = int(np.abs(weight.astype(np.int64)).sum()) * 32767
    for bias, upper, limit in ((INT32_MAX - reach, True, INT32_MAX), (INT32_MIN + reach, False, INT32_MIN)):
        graph = convolution(weight, bias, 16, rounding="floor", pad=[0, 0, 1, 1])
        found = [w for w in witnesses("g", graph) if w.upper == upper]
        assert [w.reached for w in found] == [limit]
        assert found[0].output == (32767 if upper else -32767)


def norm_graph(channels: int, epsilon: int, weight: int = 16384) -> Graph:
    tensors = {
        "weight": np.full(channels, weight, np.int16),
        "bias": np.zeros(channels, np.int32),
        "shift": np.full(channels, 16, np.uint8),
    }
    node = Node("norm", "layer_norm", ("x",), {"epsilon": epsilon}, tensors, -32767, 32767)
    return Graph((GraphInput("x", channels, -32767, 32767),), (node,), ("norm",))


@pytest.mark.parametrize("channels", [1, 2, 3, 64, 128, 512])
def test_layer_norm_extremes_stay_within_its_limit(channels: int) -> None:
    """One channel against all others is the largest normalised value there is."""
    graph = norm_graph(channels, 1, 32767)
    x = np.full((channels, 1, 3), -32767, np.int16)
    x[0] = 32767
    x[:, 0, 1] = 0
    x[0, 0, 1] = 1
    x[:, 0, 2] = np.arange(channels)
    peaks = Peaks()
    golden.run(graph, {"x": x}, (1, 1), accumulators=peaks.record)
    bound = prove(graph).accumulators["norm"].bound[0]
    if channels > 2:
        assert peaks.values["norm"][0] > bound - 4 * 32767


def test_layer_norm_epsilon_that_leaves_the_exact_range_is_refused() -> None:
    prove(norm_graph(512, (1 << 48) - 512 * 512 * 32767 * 32767 - 1))
    with pytest.raises(OverflowProofError):
        prove(norm_graph(512, (1 << 48) - 512 * 512 * 32767 * 32767))
