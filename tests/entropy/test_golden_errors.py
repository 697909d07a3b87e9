"""Damaged payloads end in a BitstreamError with a place; wrong arguments in a ValueError."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refdec.entropy import engine
from refdec.errors import BitstreamError, CorruptPayloadError, ModelError, TruncatedStreamError
from tests.entropy import strategies, vectors
from tests.entropy.strategies import ResidualCall

GOLDEN = engine("golden")
LEVELS, MASK = np.full(40, 20, np.uint8), np.ones(40, bool)
VALUES = (np.arange(40, dtype=np.int32) * 7) % 23 - 11


def payload(threads: int) -> tuple[bytes, tuple[int, ...]]:
    return GOLDEN.encode_residual(VALUES, LEVELS, MASK, threads)


def decode(data: bytes, sizes: tuple[int, ...]) -> np.ndarray:
    return GOLDEN.decode_residual(data, sizes, LEVELS, MASK, byte_offset=100, element="SORP")


def test_no_terminator() -> None:
    data, sizes = payload(2)
    zeroed = data[: sizes[0]] + bytes(sizes[1])
    with pytest.raises(CorruptPayloadError, match="terminator") as caught:
        decode(zeroed, sizes)
    assert caught.value.bit_offset == 8 * (100 + sizes[0])
    assert caught.value.element == "SORP"


@pytest.mark.parametrize("threads", [1, 2, 16])
def test_empty_thread(threads: int) -> None:
    with pytest.raises(CorruptPayloadError, match="terminator") as caught:
        decode(b"", (0,) * threads)
    assert caught.value.bit_offset == 800


def test_terminator_alone_is_too_short() -> None:
    with pytest.raises(TruncatedStreamError) as caught:
        decode(b"\x01", (1,))
    assert caught.value.found == "0 bits left"


@pytest.mark.parametrize("threads", [1, 2, 4, 8, 16])
def test_each_missing_first_byte_is_noticed(threads: int) -> None:
    """Decoding runs from the last byte to the first, so a missing first byte shows at the end."""
    data, sizes = payload(threads)
    with pytest.raises(BitstreamError) as caught:
        decode(data[1:], (sizes[0] - 1, *sizes[1:]))
    assert isinstance(caught.value, TruncatedStreamError | CorruptPayloadError)
    assert caught.value.bit_offset == 800


def test_bits_left_over() -> None:
    data, sizes = payload(1)
    with pytest.raises(CorruptPayloadError, match="does not end") as caught:
        decode(b"\0" + data, (sizes[0] + 1,))
    assert caught.value.found is not None and "8 bits left" in caught.value.found


def test_wrong_final_state() -> None:
    """An empty call whose state byte is not the one that encoders start from."""
    nothing = np.zeros(0, np.uint8), np.zeros(0, bool)
    with pytest.raises(CorruptPayloadError, match="does not end"):
        GOLDEN.decode_residual(bytes.fromhex("05010001"), (2, 2), *nothing)
    with pytest.raises(CorruptPayloadError, match="does not end"):
        GOLDEN.decode_residual(bytes.fromhex("000501"), (3,), *nothing)
    with pytest.raises(CorruptPayloadError, match="does not end"):
        GOLDEN.decode_residual(bytes.fromhex("050001"), (3,), *nothing)


def test_the_lowest_failing_thread_is_named() -> None:
    data, sizes = payload(4)
    starts = np.cumsum([0, *sizes])
    damaged = bytearray(data)
    for t in (3, 1):
        damaged[starts[t] : starts[t + 1]] = bytes(sizes[t])
    with pytest.raises(CorruptPayloadError) as caught:
        decode(bytes(damaged), sizes)
    assert caught.value.bit_offset == 8 * (100 + starts[1])


def test_sizes_that_do_not_add_up() -> None:
    data, sizes = payload(2)
    with pytest.raises(TruncatedStreamError) as caught:
        decode(data, (sizes[0], sizes[1] + 1))
    assert caught.value.bit_offset == 800
    with pytest.raises(CorruptPayloadError):
        decode(data, (sizes[0], sizes[1] - 1))


def test_escape_beyond_16_bits() -> None:
    """Level 31 has bound 128: the code 0xFFFF would be -32895, which no encoder writes."""
    level, coded = np.array([31], np.uint8), np.ones(1, bool)
    good, sizes = GOLDEN.encode_residual(np.array([-32768]), level, coded, 2)
    value = int.from_bytes(good[: sizes[0]], "little")
    code = 2 * (32768 - 128) + 1
    for shift in range(8 * sizes[0]):
        if (value >> shift) & 0xFFFF == code:
            broken = value | 0xFFFF << shift
            break
    else:
        pytest.fail("the escape code is not where it should be")
    data = broken.to_bytes(sizes[0], "little") + good[sizes[0] :]
    with pytest.raises(CorruptPayloadError, match="16 bits") as caught:
        GOLDEN.decode_residual(data, sizes, level, coded)
    assert caught.value.found == str(-(128 + 0x7FFF))


def test_long_form_of_a_small_escape_is_accepted() -> None:
    """An encoder writes magnitudes close to the bound in 4 bits, but the 17-bit form means the same."""
    level, coded = np.array([0], np.uint8), np.ones(1, bool)
    short, _ = GOLDEN.encode_residual(np.array([-2]), level, coded, 2)
    assert GOLDEN.decode_residual(short, (len(short) - 2, 2), level, coded).tolist() == [-2]
    # Bottom up: 16 bits of code 3, flag 0, 8 bits of the escape's state step, the state, the terminator.
    stack = 3 | 0 << 16 | 0 << 17 | 255 << 25 | 1 << 33
    assert GOLDEN.decode_residual(stack.to_bytes(5, "little") + b"\0\1", (5, 2), level, coded).tolist() == [
        -2
    ]


def test_z_symbol_63() -> None:
    """Every symbol without mass is an escape; its six bits may say 63, which is no value."""
    cdf = np.full((1, 63), 255, np.uint8)
    good, sizes = GOLDEN.encode_z([np.full((1, 1, 1), 31, np.int8)], [cdf], 2)
    value = int.from_bytes(good[: sizes[0]], "little")
    data = (value | 63).to_bytes(sizes[0], "little") + good[sizes[0] :]
    assert value & 63 == 62
    with pytest.raises(CorruptPayloadError, match="z symbol") as caught:
        GOLDEN.decode_z(data, sizes, [cdf], 1, 1, byte_offset=7)
    assert (caught.value.bit_offset, caught.value.element) == (56, "SOZ")


def test_damaged_z_payload() -> None:
    v = vectors.own_z()[0]
    hz, wz = v.zs[0].shape[1:]
    for data, sizes in ((v.data[1:], (v.sizes[0] - 1,)), (bytes(v.sizes[0]), v.sizes), (b"", (0,))):
        with pytest.raises((CorruptPayloadError, TruncatedStreamError)):
            GOLDEN.decode_z(data, sizes, v.cdfs, hz, wz)


@settings(max_examples=200, deadline=None)
@given(strategies.residual_calls(longest=80), strategies.threads, st.data())
def test_single_bit_errors_never_escape(call: ResidualCall, threads: int, data: st.DataObject) -> None:
    good, sizes = GOLDEN.encode_residual(call.values, call.levels, call.mask, threads)
    position = data.draw(st.integers(0, 8 * len(good) - 1))
    damaged = bytearray(good)
    damaged[position >> 3] ^= 1 << (position & 7)
    try:
        found = GOLDEN.decode_residual(bytes(damaged), sizes, call.levels, call.mask)
    except BitstreamError as error:
        assert error.bit_offset is not None
    else:
        # A damage that leaves the end state intact changes symbols only, never what is coded.
        assert not found[~call.mask].any() and np.abs(found).max(initial=0) <= 32768


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), strategies.threads, strategies.residual_calls(longest=40))
def test_arbitrary_bytes(data: bytes, threads: int, call: ResidualCall) -> None:
    size = len(data) // threads
    sizes = (*[size] * (threads - 1), len(data) - size * (threads - 1))
    try:
        GOLDEN.decode_residual(data, sizes, call.levels, call.mask)
    except BitstreamError as error:
        assert error.expected and error.found


@pytest.mark.parametrize(
    ("delta", "rounding", "row"),
    [
        ([[9]], "floor", 0),
        ([[-9]], "floor", 0),
        ([[8, 0], [0, 1]], "floor", 1),
        ([[0], [-8], [-1]], "floor", 2),
    ],
)
def test_quality_index_out_of_range(delta: list[list[int]], rounding: str, row: int) -> None:
    with pytest.raises(CorruptPayloadError, match=f"row {row}") as caught:
        GOLDEN.quality_map_from_deltas(np.array(delta), rounding=rounding, byte_offset=3)
    assert (caught.value.bit_offset, caught.value.element) == (24, "SOQ")
    assert caught.value.found in ("9", "-9")


def test_wrong_arguments() -> None:
    data, sizes = payload(2)
    with pytest.raises(ValueError):
        GOLDEN.decode_residual(data, (*sizes, 0), LEVELS, MASK)
    with pytest.raises(ValueError):
        GOLDEN.decode_residual(data, (-1, len(data) + 1), LEVELS, MASK)
    with pytest.raises(ValueError):
        GOLDEN.decode_residual(data, sizes, LEVELS + 12, MASK)
    with pytest.raises(ValueError):
        GOLDEN.decode_residual(data, sizes, LEVELS, MASK[1:])
    with pytest.raises(ValueError):
        GOLDEN.decode_residual(data, sizes, LEVELS, MASK, stop=41)
    with pytest.raises(ValueError):
        GOLDEN.encode_residual(VALUES, LEVELS, MASK, 3)
    with pytest.raises(ValueError):
        GOLDEN.encode_residual(VALUES + 32768, LEVELS, MASK, 1)
    with pytest.raises(ValueError):
        GOLDEN.encode_residual(VALUES[1:], LEVELS, MASK, 1)
    cdf = np.full((1, 63), 255, np.uint8)
    with pytest.raises(ValueError):
        GOLDEN.encode_z([np.full((1, 1, 1), 32, np.int8)], [cdf], 1)
    with pytest.raises(ValueError):
        GOLDEN.decode_z(data, sizes, [cdf - 1], 1, 1)
    with pytest.raises(ValueError):
        GOLDEN.quality_map_deltas(np.array([[9]]))
    with pytest.raises(ValueError):
        GOLDEN.quality_map_deltas(np.ones((2, 2), int), rounding="up")
    with pytest.raises(ModelError):
        GOLDEN.z_cdf(np.zeros((1, 63), np.int32))
    with pytest.raises(ModelError):
        GOLDEN.z_cdf(np.full((1, 63), -1, np.int32))
    with pytest.raises(ModelError):
        GOLDEN.z_cdf(np.ones((1, 62), np.int32))
    with pytest.raises(ValueError):
        engine("fast")
