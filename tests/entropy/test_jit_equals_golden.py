"""The jit engine gives what the golden engine gives: arrays, bytes and errors, for any strides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from refdec.entropy import engine
from refdec.entropy.interface import THREAD_COUNTS
from refdec.entropy.jit import JitEngine
from refdec.entropy.tables import SCALE_INDEX_MAX, SCALE_INDEX_MIN, coder_tables, parameters, scaler_table
from refdec.errors import BitstreamError, RefdecError
from tests.entropy import strategies
from tests.entropy.strategies import ResidualCall, ZCase

GOLDEN, JIT = engine("golden"), engine("jit")
OS_THREADS = st.sampled_from((1, 1, 2, 3, 16)).map(lambda threads: JitEngine(threads, share=1))


def outcome(function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """The result, or the class and place of the error."""
    try:
        return function(*arguments, **named)
    except (RefdecError, ValueError) as error:
        return type(error), getattr(error, "bit_offset", None), getattr(error, "element", None)


def same(expected: Any, found: Any) -> None:
    assert type(expected) is type(found)
    if isinstance(expected, list | tuple):
        assert len(expected) == len(found)
        for one, other in zip(expected, found, strict=True):
            same(one, other)
    elif isinstance(expected, np.ndarray):
        assert expected.dtype == found.dtype and expected.shape == found.shape
        assert found.flags.c_contiguous
        assert np.array_equal(expected, found)
    else:
        assert expected == found


def compare(name: str, *arguments: Any, fast: Any = JIT, **named: Any) -> Any:
    expected = outcome(getattr(GOLDEN, name), *arguments, **named)
    same(expected, outcome(getattr(fast, name), *arguments, **named))
    return expected


def reversed_view(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array[..., ::-1])[..., ::-1]


def gaps(array: np.ndarray) -> np.ndarray:
    return np.repeat(array, 3, axis=-1)[..., 1::3]


def fortran(array: np.ndarray) -> np.ndarray:
    return np.asfortranarray(array)


def read_only(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.setflags(write=False)
    return array


def widest(array: np.ndarray) -> np.ndarray:
    return array if array.dtype == bool else array.astype(np.int64)


def misaligned(array: np.ndarray) -> np.ndarray:
    result = np.empty(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    result[...] = array
    return result


LAYOUTS = st.sampled_from((misaligned, reversed_view, gaps, fortran, read_only, widest, np.asarray))


@settings(max_examples=250, deadline=None)
@given(strategies.residual_calls(), strategies.threads, LAYOUTS, OS_THREADS)
def test_residual(call: ResidualCall, threads: int, layout: Any, fast: JitEngine) -> None:
    levels, mask = layout(call.levels), layout(call.mask)
    data, sizes = compare("encode_residual", layout(call.values), levels, mask, threads, fast=fast)
    same(call.values, compare("decode_residual", data, sizes, levels, mask, fast=fast))


@settings(max_examples=80, deadline=None)
@given(st.lists(strategies.residual_calls(longest=150), max_size=4), strategies.threads, OS_THREADS)
def test_residual_calls(calls: list[ResidualCall], threads: int, fast: JitEngine) -> None:
    pairs = [(c.levels, c.mask) for c in calls]
    data, sizes = compare("encode_residual_calls", [c.values for c in calls], pairs, threads, fast=fast)
    compare("decode_residual_calls", data, sizes, pairs, fast=fast)


@settings(max_examples=120, deadline=None)
@given(strategies.residual_calls(), strategies.threads, st.data(), OS_THREADS)
def test_stop(call: ResidualCall, threads: int, data: st.DataObject, fast: JitEngine) -> None:
    payload, sizes = GOLDEN.encode_residual(call.values, call.levels, call.mask, threads)
    stop = data.draw(st.integers(0, len(call.levels)))
    compare("decode_residual", payload, sizes, call.levels, call.mask, stop=stop, fast=fast)
    # A damaged end of what is not decoded any more does not matter, other damage does.
    cut = data.draw(st.integers(0, sizes[0]))
    damaged = bytes(cut) + payload[cut:]
    compare("decode_residual", damaged, sizes, call.levels, call.mask, stop=stop, byte_offset=5, fast=fast)


@pytest.mark.parametrize("threads", THREAD_COUNTS)
@pytest.mark.parametrize("length", [8191, 8192, 8193, 8192 + 63, 16384, 20011])
def test_long_calls(length: int, threads: int) -> None:
    """Lengths around those that the kernels prepare together."""
    random = np.random.default_rng(length + threads)
    levels = random.integers(0, 32, length, np.uint8)
    mask = np.repeat(random.random(length // 50 + 1), 50)[:length] < random.random(length)
    values = np.where(mask, np.rint(random.standard_cauchy(length) * 3).clip(-32768, 32767), 0)
    values = values.astype(np.int32)
    data, sizes = compare("encode_residual", values, levels, mask, threads)
    for os_threads in (1, 2, 5):
        fast = JitEngine(os_threads, share=1)
        same(values, fast.decode_residual(data, sizes, levels, mask))
    for stop in (length - 100, 8191, min(8195, length)):
        compare("decode_residual", data, sizes, levels, mask, stop=stop)


@pytest.mark.parametrize("level", range(32))
def test_every_symbol_of_every_level(level: int) -> None:
    bound = int(coder_tables().bounds[level])
    values = np.array([*range(-bound - 6, bound + 7), -32768, 32767] * 2, np.int32)
    levels, mask = np.full(len(values), level, np.uint8), np.ones(len(values), bool)
    for threads in THREAD_COUNTS:
        data, sizes = compare("encode_residual", values, levels, mask, threads)
        same(values, compare("decode_residual", data, sizes, levels, mask))


@settings(max_examples=100, deadline=None)
@given(strategies.z_cases(), strategies.threads, LAYOUTS, OS_THREADS)
def test_z(case: ZCase, threads: int, layout: Any, fast: JitEngine) -> None:
    hz, wz = case.zs[0].shape[1:]
    cdfs = [layout(cdf) for cdf in case.cdfs]
    data, sizes = compare("encode_z", [layout(z) for z in case.zs], cdfs, threads, fast=fast)
    compare("decode_z", data, sizes, cdfs, hz, wz, fast=fast)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 40), LAYOUTS)
def test_z_cdf(seed: int, peak: int, layout: Any) -> None:
    random = np.random.default_rng(seed)
    freqs = random.integers(0, 1 << random.integers(1, 30, (3, 63)), dtype=np.int64)
    freqs[:, peak] += random.integers(0, 1 << 30)
    compare("z_cdf", layout(freqs.astype(np.int32)))


# Levels and layers of the scale path, with sizes that are no multiples of anything.
SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 37), st.integers(1, 37))


@settings(max_examples=100, deadline=None)
@given(SHAPES, st.integers(0, 2**32), LAYOUTS, st.booleans(), st.integers(0, 3), st.booleans(), st.data())
def test_scales_masks_and_segments(
    shape: tuple[int, int, int],
    seed: int,
    layout: Any,
    with_quality: bool,
    model_id: int,
    rvs: bool,
    data: st.DataObject,
) -> None:
    random = np.random.default_rng(seed)
    channels, height, width = shape
    spread = data.draw(st.sampled_from((5, 300, 2047)))
    base = random.integers(0, 3968, shape, np.int32)
    gain = random.integers(-spread, spread, channels)
    beta = data.draw(st.integers(-spread, spread))
    quality = layout(random.integers(-8, 9, (height, width)).astype(np.int8)) if with_quality else None
    skip = compare("skip_scale_log", layout(base), layout(gain), beta, quality)
    cubes = random.integers(0, 2, (4, (height + 15) // 16, (width + 15) // 16), np.uint8)
    compare("skip_mask", layout(skip), None)
    compare("skip_mask", layout(skip), layout(cubes))
    compare("levels", layout(skip))
    likely = compare("likely_map", layout(skip))
    flags = None
    if data.draw(st.booleans()):
        flags = random.integers(0, 2, data.draw(st.integers(0, channels)), np.uint8)
    scaling = compare("variance_scaling", layout(likely), model_id, rvs, flags)
    compare("levels", layout(skip + scaling.log))
    segments = compare("lsbs_segments", layout(likely))
    residual = random.integers(-(2**31), 2**31, shape) >> data.draw(st.sampled_from((0, 12, 20)))
    latent = random.integers(-(2**31), 2**31, shape)
    compare("lsbs", layout(latent), layout(residual), layout(segments), model_id)


@settings(max_examples=120, deadline=None)
@given(SHAPES, st.integers(0, 2**32), LAYOUTS, st.booleans(), st.booleans(), st.sampled_from((3, 300, 32768)))
def test_dequantise(
    shape: tuple[int, int, int], seed: int, layout: Any, with_quality: bool, scaled: bool, largest: int
) -> None:
    random = np.random.default_rng(seed)
    residual = random.integers(-largest, largest, shape)
    residual[random.random(shape) < 0.3] = 0
    index = random.integers(SCALE_INDEX_MIN, SCALE_INDEX_MAX + 1, shape[0])
    quality = layout(random.integers(-8, 9, shape[1:])) if with_quality else None
    choices = np.append(parameters()["scaling_inverse"].ravel(), [1, 131071])
    inverse = layout(random.choice(choices, shape)) if scaled else None
    compare("dequantise", layout(residual), index, quality, inverse)


@pytest.mark.parametrize("quality", range(-8, 9))
def test_dequantise_every_multiplier(quality: int) -> None:
    index = np.arange(SCALE_INDEX_MIN, SCALE_INDEX_MAX + 1)
    residual = np.array([-32768, -1001, -7, -3, -2, -1, 0, 1, 2, 3, 7, 1001, 32767])
    values = np.broadcast_to(residual, (len(index), 1, len(residual)))
    compare("dequantise", values, index, np.full((1, len(residual)), quality), None)


def test_dequantise_exact_halves() -> None:
    """Multipliers that are powers of two, and scaled residuals that end halfway between two steps."""
    table = scaler_table()
    index = np.array([int(np.argmax(table == units)) + SCALE_INDEX_MIN for units in (512, 1024, 2048, 4096)])
    values = np.broadcast_to(np.arange(-70, 71), (4, 1, 141))
    halves = 0
    for inverse in (1, 16, 48, 131071):
        for quality in (-8, 0, 8):
            found = compare(
                *("dequantise", values, index, np.full((1, 141), quality), np.full((4, 1, 141), inverse))
            )
            mirrored = JIT.dequantise(
                -values, index, np.full((1, 141), quality), np.full((4, 1, 141), inverse)
            )
            halves += int(np.count_nonzero(found != -mirrored))
    # Rounding is symmetric but for exact halves, which go up.
    assert halves > 100


ROUNDINGS = st.sampled_from(("floor", "truncate"))


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 9), st.integers(1, 9), st.integers(0, 2**32), ROUNDINGS, LAYOUTS)
def test_quality_map(height: int, width: int, seed: int, rounding: Any, layout: Any) -> None:
    random = np.random.default_rng(seed)
    index = random.integers(-8, 9, (height, width))
    deltas = compare("quality_map_deltas", layout(index), rounding=rounding)
    compare("quality_map_from_deltas", layout(deltas), rounding=rounding)
    # Anything else mostly leaves the range; the first place where it does is reported.
    wrong = deltas + random.integers(-1, 2, deltas.shape)
    compare("quality_map_from_deltas", layout(wrong), rounding=rounding, byte_offset=9)
    failures = []
    for e in (GOLDEN, JIT):
        try:
            e.quality_map_from_deltas(wrong, rounding=rounding)
        except RefdecError as error:
            assert isinstance(error, BitstreamError)
            failures.append((error.found, error.expected, error.code))
    assert len(set(failures)) <= 1 and len(failures) in (0, 2)


WRONG: list[tuple[str, tuple[Any, ...]]] = [
    ("decode_residual", (b"", (), np.zeros(1, int), np.ones(1, bool))),
    ("decode_residual", (b"\1\1\1", (1, 1, 1), np.zeros(1, int), np.ones(1, bool))),
    ("decode_residual", (b"\1", (-1, 2), np.zeros(1, int), np.ones(1, bool))),
    ("decode_residual", (b"\0\0\1", (3,), np.full(1, 32), np.ones(1, bool))),
    ("decode_residual", (b"\0\0\1", (3,), np.full(1, -1), np.ones(1, bool))),
    ("decode_residual", (b"\0\0\1", (3,), np.zeros(2, int), np.ones(1, bool))),
    ("decode_residual", (b"\0\0\1", (3,), np.zeros((1, 1), int), np.ones((1, 1), bool))),
    ("decode_residual", (b"\0\0\1", (4,), np.zeros(0, int), np.ones(0, bool))),
    ("decode_residual", (b"\0\0\1", (2,), np.zeros(0, int), np.ones(0, bool))),
    ("encode_residual", (np.zeros(1, int), np.zeros(1, int), np.ones(1, bool), 3)),
    ("encode_residual", (np.full(1, 32768), np.zeros(1, int), np.ones(1, bool), 1)),
    ("encode_residual", (np.full(1, 2**40), np.zeros(1, int), np.ones(1, bool), 1)),
    ("encode_residual", (np.full(1, -32769), np.zeros(1, int), np.zeros(1, bool), 1)),
    ("encode_residual", (np.full(2, 2**40), np.zeros(2, int), np.zeros(2, bool), 2)),
    ("encode_residual", (np.zeros(2, int), np.zeros(1, int), np.ones(1, bool), 1)),
    ("encode_residual_calls", ([], [(np.zeros(1, int), np.ones(1, bool))], 1)),
    ("encode_residual_calls", ([], [], 4)),
    ("z_cdf", (np.zeros((1, 63), int),)),
    ("z_cdf", (np.full((1, 63), -1),)),
    ("z_cdf", (np.ones((1, 62), int),)),
    ("z_cdf", (np.eye(63, dtype=int)[[5, 62, 0]],)),
    ("decode_z", (b"\0\0\1", (3,), [np.full((1, 62), 255)], 1, 1)),
    ("decode_z", (b"\0\0\1", (3,), [np.full((1, 63), 254)], 1, 1)),
    ("decode_z", (b"\0\0\1", (3,), [np.full((1, 63), 255)], 0, 1)),
    (
        "decode_z",
        (b"\0\0\1", (3,), [np.linspace(255, 255, 63, dtype=int)[None] - np.eye(1, 63, 1, int)], 1, 1),
    ),
    ("encode_z", ([np.full((1, 1, 1), 32)], [np.full((1, 63), 255)], 1)),
    ("encode_z", ([np.full((1, 1, 1), 31)], [np.full((1, 63), 255)], 5)),
    ("encode_z", ([np.full((2, 1, 1), 31)], [np.full((1, 63), 255)], 1)),
    ("encode_z", ([np.zeros((1, 1, 1)), np.zeros((1, 2, 1))], [np.full((1, 63), 255)] * 2, 1)),
    ("quality_map_from_deltas", (np.full((1, 1), 40000),)),
    ("quality_map_deltas", (np.full((1, 1), 9),)),
    ("skip_scale_log", (np.full((1, 1, 1), 3968), np.zeros(1, int), 0, None)),
    ("skip_scale_log", (np.full((1, 1, 1), -1), np.zeros(1, int), 0, None)),
    ("skip_scale_log", (np.zeros((1, 1, 1)), np.zeros(1, int), 0, None)),
    ("skip_scale_log", (np.zeros((1, 1, 1), int), np.full(1, 2048), 0, None)),
    ("skip_scale_log", (np.zeros((1, 1, 1), int), np.zeros(1, int), 2048, None)),
    ("skip_scale_log", (np.zeros((1, 1, 1), int), np.zeros(1, int), 0, np.full((1, 1), 9))),
    ("skip_mask", (np.zeros((1, 17, 1), int), np.ones((4, 1, 1), int))),
    ("skip_mask", (np.zeros((1, 16, 1), int), np.full((4, 1, 1), 2))),
    ("likely_map", (np.full((1, 1, 1), 32768),)),
    ("levels", (np.array([-(2**40), -(2**31), 2**31 - 1, 2**31, 2**40]),)),
    ("levels", (np.array([2**32 + 5, 0, 63, 64], np.uint64),)),
    ("variance_scaling", (np.zeros((1, 1, 1), int), 4, True, None)),
    ("variance_scaling", (np.full((1, 1, 1), 4352), 0, True, None)),
    ("variance_scaling", (np.zeros((1, 1, 1), int), 0, True, np.zeros(2, int))),
    ("lsbs_segments", (np.full((1, 1, 1), -1),)),
    ("lsbs", (*[np.zeros((1, 1, 1), int)] * 2, np.full((1, 1, 1), 3), 0)),
    ("lsbs", (*[np.zeros((1, 1, 1), int)] * 2, np.zeros((1, 1, 1), np.uint8), -1)),
    ("dequantise", (np.full((1, 1, 1), 32768), np.zeros(1, int), None, None)),
    ("dequantise", (np.zeros((1, 1, 1), int), np.full(1, 4095), None, None)),
    ("dequantise", (np.zeros((1, 1, 1), int), np.zeros(1, int), np.full((1, 1), -9), None)),
    ("dequantise", (np.zeros((1, 1, 1), int), np.zeros(1, int), None, np.zeros((1, 1, 1), int))),
]


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case[0])
def test_unusual_and_wrong_arguments(case: tuple[str, tuple[Any, ...]]) -> None:
    name, arguments = case
    compare(name, *arguments)


@example(2047, 2047, True)
@example(-2048, -2048, True)
@given(st.integers(-2048, 2047), st.integers(-2048, 2047), st.booleans())
@settings(max_examples=30, deadline=None)
def test_range_of_the_addends(gain: int, beta: int, lowest: bool) -> None:
    """Neither the extremes of all addends nor anything between leaves the range."""
    quality = np.full((1, 1), -8 if lowest else 8)
    compare("skip_scale_log", np.zeros((1, 1, 1), int), np.full(1, gain), beta, quality)


def test_rounding_rule_must_exist() -> None:
    for name in ("quality_map_from_deltas", "quality_map_deltas"):
        compare(name, np.ones((2, 2), int), rounding="up")


def test_number_of_os_threads_must_be_positive() -> None:
    for e in (GOLDEN, JIT):
        with pytest.raises(ValueError):
            e.with_threads(0)
        assert e.with_threads(3).name == e.name
    assert JitEngine().with_threads(3).threads == 3
