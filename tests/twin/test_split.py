"""Cutting sums so that float32 holds them: the proof is right, its bounds are reached, and it is needed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

from conformance.twin.exact import InexactError
from conformance.twin.split import LIMIT, Part, Plan, Product, Terms, parts


def terms(weight: np.ndarray, lo: int, hi: int) -> Terms:
    rows, channels, _ = weight.shape
    ends = (np.full((rows, channels), v, np.int64) for v in (lo, hi))
    return Terms(weight.astype(np.int64), *ends, np.zeros(rows, np.int64))


@given(st.integers(0, 12), st.lists(st.integers(-32767, 32767), min_size=1, max_size=20))
def test_parts_add_up(bits: int, values: list[int]) -> None:
    v = np.array(values, np.int64)
    pieces = parts(bits)
    assert np.array_equal(sum(p.of(v) << p.shift for p in pieces), v)
    for p in pieces:
        low, high = p.reach(np.array(min(values)), np.array(max(values)))
        assert low <= min(0, p.of(v).min()) and high >= max(0, p.of(v).max())


@pytest.mark.parametrize("bits", [0, 1, 4, 8, 12])
def test_reach_of_parts_is_reached(bits: int) -> None:
    for lo, hi in ((-32767, 32767), (0, 32767), (-300, 5), (-3, 3), (0, 0)):
        v = np.arange(lo, hi + 1)
        for p in parts(bits):
            low, high = (int(x) for x in p.reach(np.array(lo), np.array(hi)))
            found = p.of(v)
            # Of a range that the low part does not hold, its own ends stand for what is reached.
            assert (low, high) == (min(0, found.min()), max(0, found.max())) or not p.high
            assert low <= found.min() and found.max() <= high
            assert p.largest(max(-lo, hi)) >= np.abs(found).max()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_plans_hold_every_partial_sum(seed: int) -> None:
    """Held against the largest sums of any subset of products, found by trying all activations."""
    rng = np.random.default_rng(seed)
    rows, channels, taps = (int(n) for n in rng.integers(1, 6, 3))
    top = int(rng.choice([127, 3000, 32767]))
    weight = rng.choice([rng.integers(-top, top + 1), top, -top], (rows, channels, taps))
    lo = int(rng.integers(-32767, 1)) >> int(rng.integers(0, 12))
    hi = int(rng.integers(0, 32768)) >> int(rng.integers(0, 12))
    plan = terms(weight, lo, hi).best("y")
    values = np.arange(lo, hi + 1)
    covered = np.zeros((channels,), np.int64)
    for p in plan.products:
        a = p.activation.of(values)
        w = p.weight.of(weight)[:, p.start : p.stop]
        ends = np.stack([w * a.min(), w * a.max(), np.zeros_like(w)])
        largest = max(
            int(ends.max(axis=0).sum(axis=(1, 2)).max()), int(-ends.min(axis=0).sum(axis=(1, 2)).min())
        )
        assert largest <= p.bound <= LIMIT
        covered[p.start : p.stop] += 1
    pairs = len({(p.weight, p.activation) for p in plan.products})
    assert (covered == pairs).all()
    magnitudes = sum(p.bound << p.shift for p in plan.products)
    assert plan.bound <= magnitudes
    # together they are the whole sum
    x = rng.integers(lo, hi + 1, (channels, taps))
    total = sum(
        (p.weight.of(weight)[:, p.start : p.stop] * p.activation.of(x)[p.start : p.stop]).sum(axis=(1, 2))
        << p.shift
        for p in plan.products
    )
    assert np.array_equal(total, (weight * x).sum(axis=(1, 2)))


def test_the_bound_is_reached() -> None:
    """Weights and activations at their ends: the partial sum is the bound, without and with parts."""
    weight = np.array([[[113], [-127], [64]]])
    plan = terms(weight, -32767, 32767).plan("y", 0, 8)
    for p in plan.products:
        lo, hi = (int(v) for v in p.activation.reach(np.array(-32767), np.array(32767)))
        reached = max(
            int(np.where(weight > 0, weight * hi, weight * lo).sum()),
            -int(np.where(weight > 0, weight * lo, weight * hi).sum()),
        )
        assert reached == p.bound
    whole = terms(weight, -1000, 999).plan("y", 0, 0)
    assert [p.bound for p in whole.products] == [127 * 999 + (113 + 64) * 1000]


def test_one_more_than_the_limit_is_refused_whole_and_cut() -> None:
    """2^24 is held; 2^24 + 1 is not, and float32 does give another number then."""
    fits, over = np.array([[[4095], [4096]]]), np.array([[[4096], [1]]])
    reach = np.array([[4096, 1]])
    zero = np.zeros((1, 2), np.int64)
    exact = Terms(fits, zero, np.array([[4096, 1]]), np.zeros(1, np.int64)).plan("y", 0, 0, whole=True)
    assert exact.products[0].bound == 4095 * 4096 + 4096 == LIMIT
    too_large = Terms(over, zero, reach, np.zeros(1, np.int64))
    with pytest.raises(InexactError, match=f"may reach {LIMIT + 1}"):
        too_large.plan("y", 0, 0, whole=True)
    assert float(np.float32(4096) * np.float32(4096) + np.float32(1)) == LIMIT != LIMIT + 1
    plan = too_large.best("y")
    assert len(plan.products) > 1 and max(p.bound for p in plan.products) <= LIMIT


def test_what_no_cut_makes_exact_is_refused() -> None:
    """A kernel far larger than graphs may have: already one channel passes the limit in every part."""
    weight = np.random.default_rng(0).integers(-32767, 32768, (1, 1, 60000))
    with pytest.raises(InexactError, match="y: a sum of products may reach"):
        terms(weight, -32767, 32767).best("y")
    with pytest.raises(InexactError, match="channels 2 to 4"):
        Plan("y", (Product(Part(), Part(), 2, 5, LIMIT + 1),), LIMIT + 1)
    with pytest.raises(InexactError, match="64 bits"):
        Plan("y", (Product(Part(), Part(), 0, 1, LIMIT),), 1 << 63)


def test_channels_are_cut_where_that_is_cheaper_than_parts() -> None:
    weight = np.full((4, 256, 9), 127)
    plan = terms(weight, -300, 300).best("y")
    assert plan.activations == (Part(),) and {p.weight for p in plan.products} == {Part()}
    assert len(plan.products) > 1
    assert plan.narrow
    deep = terms(np.full((1, 64, 9), 32767), -32767, 32767).best("y")
    assert not deep.narrow


def test_every_convolution_that_a_graph_may_hold_can_be_cut() -> None:
    """The largest kernel, every value at its end: 15 x 15 products of two 8-bit parts are below 2^22."""
    plan = terms(np.full((1, 2, 225), 32767), -32767, 32767).best("y")
    assert max(p.bound for p in plan.products) <= LIMIT
