"""What the golden engine encodes, it decodes: any values, levels, masks, threads, calls and prefixes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refdec.entropy import engine
from refdec.entropy.interface import THREAD_COUNTS
from tests.entropy import strategies
from tests.entropy.strategies import ResidualCall, ZCase

GOLDEN = engine("golden")


@settings(max_examples=250, deadline=None)
@given(strategies.residual_calls(), strategies.threads)
def test_residual(call: ResidualCall, threads: int) -> None:
    data, sizes = GOLDEN.encode_residual(call.values, call.levels, call.mask, threads)
    assert len(sizes) == threads and sum(sizes) == len(data)
    assert np.array_equal(GOLDEN.decode_residual(data, sizes, call.levels, call.mask), call.values)


@settings(max_examples=80, deadline=None)
@given(st.lists(strategies.residual_calls(longest=120), min_size=1, max_size=4), strategies.threads)
def test_residual_calls(calls: list[ResidualCall], threads: int) -> None:
    pairs = [(c.levels, c.mask) for c in calls]
    data, sizes = GOLDEN.encode_residual_calls([c.values for c in calls], pairs, threads)
    decoded = GOLDEN.decode_residual_calls(data, sizes, pairs)
    for found, call in zip(decoded, calls, strict=True):
        assert np.array_equal(found, call.values)


@settings(max_examples=120, deadline=None)
@given(strategies.residual_calls(), strategies.threads, st.data())
def test_stop_gives_exactly_the_prefix(call: ResidualCall, threads: int, data: st.DataObject) -> None:
    payload, sizes = GOLDEN.encode_residual(call.values, call.levels, call.mask, threads)
    stop = data.draw(st.integers(0, len(call.levels)))
    found = GOLDEN.decode_residual(payload, sizes, call.levels, call.mask, stop=stop)
    assert np.array_equal(found[:stop], call.values[:stop])
    assert not found[stop:].any() and len(found) == len(call.levels)


@settings(max_examples=80, deadline=None)
@given(strategies.residual_calls(longest=64), strategies.threads)
def test_calls_split_at_whole_groups_give_the_same_bytes(call: ResidualCall, threads: int) -> None:
    """One call and several calls agree when every boundary is a multiple of four positions per thread."""
    step = 4 * threads
    cuts = range(step, len(call.levels), step)
    pieces = [np.split(a, list(cuts)) for a in (call.values, call.levels, call.mask)]
    many = GOLDEN.encode_residual_calls(pieces[0], list(zip(pieces[1], pieces[2], strict=True)), threads)
    assert many == GOLDEN.encode_residual(call.values, call.levels, call.mask, threads)


@settings(max_examples=120, deadline=None)
@given(strategies.z_cases(), strategies.threads)
def test_z(case: ZCase, threads: int) -> None:
    hz, wz = case.zs[0].shape[1:]
    data, sizes = GOLDEN.encode_z(case.zs, case.cdfs, threads)
    for found, expected in zip(GOLDEN.decode_z(data, sizes, case.cdfs, hz, wz), case.zs, strict=True):
        assert np.array_equal(found, expected)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 9).flatmap(
        lambda w: st.lists(st.lists(st.integers(-8, 8), min_size=w, max_size=w), min_size=1, max_size=9)
    ),
    st.sampled_from(("floor", "truncate")),
)
def test_quality_map(rows: list[list[int]], rounding: str) -> None:
    deltas = GOLDEN.quality_map_deltas(np.array(rows), rounding=rounding)
    assert int(np.abs(deltas).max()) <= 16
    assert GOLDEN.quality_map_from_deltas(deltas, rounding=rounding).tolist() == rows


@pytest.mark.parametrize("threads", THREAD_COUNTS)
def test_several_thousand_symbols(threads: int) -> None:
    random = np.random.default_rng(threads)
    length = 4000 + 7 * threads + 3
    levels = random.integers(0, 32, length, np.uint8)
    mask = random.random(length) < 0.7
    values = np.where(mask, np.rint(random.standard_cauchy(length) * 4).clip(-32768, 32767), 0).astype(
        np.int32
    )
    data, sizes = GOLDEN.encode_residual(values, levels, mask, threads)
    assert np.array_equal(GOLDEN.decode_residual(data, sizes, levels, mask), values)


@pytest.mark.parametrize("threads", THREAD_COUNTS)
@pytest.mark.parametrize("level", range(32))
def test_extremes_of_every_level(level: int, threads: int) -> None:
    values = np.array([-32768, 32767, -32767, 32766, 0] * 13, np.int32)
    levels, mask = np.full(65, level, np.uint8), np.ones(65, bool)
    data, sizes = GOLDEN.encode_residual(values, levels, mask, threads)
    assert np.array_equal(GOLDEN.decode_residual(data, sizes, levels, mask), values)


def test_empty_payloads() -> None:
    nothing = np.zeros(0, np.uint8), np.zeros(0, bool)
    assert GOLDEN.encode_residual(np.zeros(0, int), *nothing, 1) == (bytes.fromhex("000001"), (3,))
    assert GOLDEN.encode_residual(np.zeros(0, int), *nothing, 4) == (bytes.fromhex("0001") * 4, (2,) * 4)
    masked = np.zeros(9, np.uint8), np.zeros(9, bool)
    assert GOLDEN.encode_residual(np.full(9, 5), *masked, 1) == (bytes.fromhex("000001"), (3,))
    assert GOLDEN.decode_residual(bytes.fromhex("000001"), (3,), *masked).tolist() == [0] * 9


def test_worked_example() -> None:
    """The example of docs/arithmetic.md, one and two threads."""
    levels = np.array([8, 4, 12, 8, 31], np.uint8)
    mask = np.array([1, 1, 1, 0, 1], bool)
    values = np.array([1, -3, 0, 0, -7], np.int32)
    assert GOLDEN.encode_residual(values, levels, mask, 1) == (bytes.fromhex("002b00ff7c01"), (6,))
    assert GOLDEN.encode_residual(values, levels, mask, 2) == (bytes.fromhex("00c2170bf01f"), (3, 3))


def test_strided_and_odd_typed_inputs() -> None:
    levels = np.arange(64, dtype=np.int64)[::2] % 32
    mask = np.ones((32, 3), bool)[:, 1]
    values = np.arange(-16, 16, dtype=np.int16)[::-1]
    data, sizes = GOLDEN.encode_residual(values, levels, mask, 2)
    found = GOLDEN.decode_residual(data, sizes, levels, mask)
    assert found.flags.c_contiguous and np.array_equal(found, values)
