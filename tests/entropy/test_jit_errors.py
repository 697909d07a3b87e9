"""Damaged payloads: the jit engine ends them as the golden engine does, soon, and inside its buffers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refdec.entropy import engine
from refdec.entropy.interface import THREAD_COUNTS
from refdec.entropy.jit import JitEngine
from refdec.errors import BitstreamError, CorruptPayloadError, TruncatedStreamError
from tests.entropy import strategies, vectors
from tests.entropy.strategies import ResidualCall, ZCase

GOLDEN, JIT = engine("golden"), engine("jit")
BYTE_OFFSET = 1000


def outcome(function: Any, *arguments: Any, **named: Any) -> Any:
    """The values, or all facts of the error that both engines state in the same words."""
    try:
        result = function(*arguments, byte_offset=BYTE_OFFSET, element="SORP region 2", **named)
    except BitstreamError as error:
        assert error.expected and error.found
        return type(error), error.bit_offset, error.element, error.message
    return [part.tolist() for part in (result if isinstance(result, list) else [result])]


def split(data: bytes, threads: int) -> tuple[int, ...]:
    size = len(data) // threads
    return (*[size] * (threads - 1), len(data) - size * (threads - 1))


@settings(max_examples=300, deadline=None)
@given(strategies.residual_calls(longest=150), strategies.threads, st.data())
def test_single_bit_errors(call: ResidualCall, threads: int, data: st.DataObject) -> None:
    good, sizes = GOLDEN.encode_residual(call.values, call.levels, call.mask, threads)
    place = data.draw(st.integers(0, 8 * len(good) - 1))
    damaged = bytearray(good)
    damaged[place >> 3] ^= 1 << (place & 7)
    arguments = bytes(damaged), sizes, call.levels, call.mask
    expected = outcome(GOLDEN.decode_residual, *arguments)
    for os_threads in (1, 3):
        assert outcome(JitEngine(os_threads, share=1).decode_residual, *arguments) == expected


@settings(max_examples=200, deadline=None)
@given(strategies.residual_calls(longest=150), strategies.threads, st.data())
def test_cut_and_moved_threads(call: ResidualCall, threads: int, data: st.DataObject) -> None:
    """Bytes missing at either end, and sizes that put the borders of threads elsewhere."""
    good, sizes = GOLDEN.encode_residual(call.values, call.levels, call.mask, threads)
    cut = data.draw(st.integers(0, min(6, len(good))))
    body = good[cut:] if data.draw(st.booleans()) else good[: len(good) - cut]
    moved = [
        0,
        *sorted(data.draw(st.lists(st.integers(0, len(body)), min_size=threads - 1, max_size=threads - 1))),
    ]
    sizes = tuple(np.diff([*moved, len(body)]).tolist())
    arguments = body, sizes, call.levels, call.mask
    assert outcome(JIT.decode_residual, *arguments) == outcome(GOLDEN.decode_residual, *arguments)


@settings(max_examples=150, deadline=None)
@given(strategies.z_cases(), strategies.threads, st.data())
def test_damaged_z(case: ZCase, threads: int, data: st.DataObject) -> None:
    hz, wz = case.zs[0].shape[1:]
    good, sizes = GOLDEN.encode_z(case.zs, case.cdfs, threads)
    damaged = bytearray(good)
    for place in data.draw(st.lists(st.integers(0, 8 * len(good) - 1), min_size=1, max_size=3)):
        damaged[place >> 3] ^= 1 << (place & 7)
    arguments = bytes(damaged), sizes, case.cdfs, hz, wz
    expected = outcome(GOLDEN.decode_z, *arguments)
    for os_threads in (1, 2):
        assert outcome(JitEngine(os_threads, share=1).decode_z, *arguments) == expected


@pytest.mark.parametrize("threads", THREAD_COUNTS)
def test_random_bytes(threads: int) -> None:
    """600 byte strings of 0 to 100 bytes per number of threads; both payload coders; prefixes too."""
    random = np.random.default_rng(threads)
    cdf = [np.append(np.sort(random.integers(0, 256, 62)), 255)[None].astype(np.uint8)]
    classes: set[Any] = set()
    for _ in range(600):
        data = random.bytes(int(random.integers(0, 100)))
        sizes = split(data, threads)
        length = int(random.integers(0, 120))
        levels = random.integers(*random.choice([(0, 32), (0, 2), (30, 32)]), length, np.uint8)
        mask = random.random(length) < random.choice([0.1, 0.9, 1])
        expected = outcome(GOLDEN.decode_residual, data, sizes, levels, mask)
        assert outcome(JIT.decode_residual, data, sizes, levels, mask) == expected
        stop = int(random.integers(0, length + 1))
        found = outcome(JIT.decode_residual, data, sizes, levels, mask, stop=stop)
        assert found == outcome(GOLDEN.decode_residual, data, sizes, levels, mask, stop=stop)
        z = outcome(GOLDEN.decode_z, data, sizes, cdf, 2, 9)
        assert outcome(JIT.decode_z, data, sizes, cdf, 2, 9) == z
        classes |= {result[0] for result in (found, expected, z) if isinstance(result, tuple)}
    assert classes == {CorruptPayloadError, TruncatedStreamError}


def test_long_garbage_ends_soon() -> None:
    """A million positions over a few random bytes: the decoder stops where the bytes end."""
    random = np.random.default_rng(3)
    levels = np.full(1_000_000, 31, np.uint8)
    mask = np.ones(levels.size, bool)
    for threads in THREAD_COUNTS * 10:
        data = random.bytes(int(random.integers(2 * threads, 3000))) + b"\1"
        with pytest.raises(BitstreamError):
            JIT.decode_residual(data, split(data, threads), levels, mask)


def test_the_lowest_failing_thread_is_named() -> None:
    """Several threads fail at different positions; also when OS threads meet the later ones first."""
    levels, mask = np.full(3000, 20, np.uint8), np.ones(3000, bool)
    data, sizes = JIT.encode_residual(np.zeros(3000, int), levels, mask, 16)
    starts = np.cumsum([0, *sizes])
    for first, second in ((3, 9), (9, 15), (0, 1), (7, 8)):
        damaged = bytearray(data)
        # The higher one fails at once, the lower one in the end.
        damaged[starts[second] : starts[second + 1]] = bytes(sizes[second])
        damaged[starts[first]] ^= 1
        for e in (GOLDEN, JIT, JitEngine(2, share=1), JitEngine(4, share=1)):
            with pytest.raises(BitstreamError) as caught:
                e.decode_residual(bytes(damaged), sizes, levels, mask, byte_offset=BYTE_OFFSET)
            assert caught.value.bit_offset == 8 * (BYTE_OFFSET + starts[first])


def test_escape_beyond_16_bits() -> None:
    """Level 31 has bound 128: the code 0xFFFF would be -32895, which no encoder writes."""
    stack = 0xFFFF | 0 << 16 | 255 << 25 | 1 << 33
    arguments = stack.to_bytes(5, "little") + b"\0\1", (5, 2), np.array([31], np.uint8), np.ones(1, bool)
    expected = outcome(GOLDEN.decode_residual, *arguments)
    assert expected[0] is CorruptPayloadError and "16 bits" in expected[3]
    assert outcome(JIT.decode_residual, *arguments) == expected


def test_z_symbol_63() -> None:
    cdf = [np.full((1, 63), 255, np.uint8)]
    good, sizes = GOLDEN.encode_z([np.full((1, 1, 1), 31, np.int8)], cdf, 2)
    broken = int.from_bytes(good[: sizes[0]], "little") | 63
    arguments = broken.to_bytes(sizes[0], "little") + good[sizes[0] :], sizes, cdf, 1, 1
    expected = outcome(GOLDEN.decode_z, *arguments)
    assert expected[0] is CorruptPayloadError and "z symbol" in expected[3]
    assert outcome(JIT.decode_z, *arguments) == expected


def test_streams_of_other_lengths_than_the_call() -> None:
    """Every vector of ours, decoded with a position too few, and with one too many."""
    for v in vectors.own_residual():
        if len(v.calls) != 1 or not v.calls[0][1].any():
            continue
        levels, mask = v.calls[0]
        for more, less in ((np.append(levels, 5), np.append(mask, True)), (levels[:-1], mask[:-1])):
            arguments = v.data, v.sizes, more, less
            assert outcome(JIT.decode_residual, *arguments) == outcome(GOLDEN.decode_residual, *arguments)


BOUNDS_CHECKED = """
import numpy as np
from refdec.entropy.jit import JitEngine
from refdec.errors import BitstreamError

random = np.random.default_rng(0)
fast, failures = JitEngine(), 0
for threads in (1, 2, 4, 8, 16):
    for length in (0, 1, 7, 63, 300, 8200):
        levels = random.integers(0, 32, length, np.uint8)
        mask = random.random(length) < 0.6
        values = np.rint(random.standard_cauchy(length) * 20).clip(-32768, 32767).astype(int)
        good, sizes = fast.encode_residual(values, levels, mask, threads)
        assert np.array_equal(fast.decode_residual(good, sizes, levels, mask), np.where(mask, values, 0))
        for _ in range(30):
            damaged = bytearray(good)
            for place in random.integers(0, len(good), 2):
                damaged[place] = random.integers(0, 256)
            try:
                fast.decode_residual(bytes(damaged), sizes, levels, mask)
            except BitstreamError:
                failures += 1
cdf = np.append(np.sort(random.integers(0, 256, (5, 62))), np.full((5, 1), 255), axis=1)
for threads in (1, 2, 16):
    z = random.integers(-31, 32, (5, 7, 9))
    good, sizes = fast.encode_z([z], [cdf], threads)
    assert np.array_equal(fast.decode_z(good, sizes, [cdf], 7, 9)[0], z)
    for _ in range(100):
        damaged = bytearray(good)
        damaged[random.integers(0, len(good))] = random.integers(0, 256)
        try:
            fast.decode_z(bytes(damaged), sizes, [cdf], 7, 9)
        except BitstreamError:
            failures += 1
assert failures > 500
shape = (3, 19, 37)
quality = random.integers(-8, 9, shape[1:])
skip = fast.skip_scale_log(random.integers(0, 3968, shape), np.zeros(3, int), 5, quality)
mask = fast.skip_mask(skip, random.integers(0, 2, (4, 2, 3)))
likely = fast.likely_map(skip)
scaling = fast.variance_scaling(likely, 1, True, np.ones(2, int))
residual = random.integers(-9, 9, shape)
fixed = fast.dequantise(residual, np.zeros(3, int), quality, scaling.inverse)
fast.lsbs(fixed, fixed, fast.lsbs_segments(likely), 1)
deltas = fast.quality_map_deltas(random.integers(-8, 9, (5, 7)))
fast.quality_map_from_deltas(deltas)
fast.z_cdf(random.integers(0, 99, (2, 63)))
print("inside")
"""


@pytest.mark.slow
def test_no_index_leaves_its_array(tmp_path: Path) -> None:
    """The kernels compiled with bounds checks, on good and on damaged data."""
    environment = {**os.environ, "NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    root = Path(__file__).resolve().parents[2]
    result = subprocess.run(
        [sys.executable, "-c", BOUNDS_CHECKED], env=environment, cwd=root, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout == "inside\n"
