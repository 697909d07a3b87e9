"""Truncated and flipped streams: each ends in a result or a BitstreamError, within time and memory."""

from __future__ import annotations

from collections import Counter

import pytest

from conformance.verify.suite import Suite
from conformance.verify.synthetic import Splitmix
from refdec.codestream import Dialect, parse
from refdec.codestream.container import join
from refdec.models_io import ModelSet
from tests.hostile.attempts import Outcome, attempt
from tests.shared_vectors import requires_shared
from tests.stage import reference_streams as reference

TEN = (
    "plain-64x64",
    "odd-65x79",
    "threads-16",
    "quality-threads",
    "rvs",
    "grfs",
    "channels-100-40",
    "channels-0-1",
    "regions-dependent",
    "displacement-range",
)


@pytest.mark.parametrize("name", TEN)
def test_truncation_at_every_byte(name: str, suite: Suite, synthetic_models: ModelSet) -> None:
    data = suite.streams[f"{name}.jai"]
    for length in range(len(data)):
        outcome = attempt(data[:length], synthetic_models, "jit")
        assert outcome.error is not None, f"{length} of {len(data)} bytes were accepted"
        assert outcome.error.code == "truncated", (length, str(outcome.error))
        offset = outcome.error.bit_offset
        assert offset is not None and offset <= 8 * length
    assert attempt(data, synthetic_models, "jit").error is None


@pytest.mark.parametrize("name", ["odd-65x79", "threads-16", "quality-threads", "channels-0-1"])
def test_truncated_payloads_of_whole_streams(name: str, suite: Suite, synthetic_models: ModelSet) -> None:
    """The container is sound, a payload is short: at every length where it is small, else at 40 of them.

    A coder that lost its first byte can fall back into step, so that a cut may go unnoticed: rarely.
    """
    outcomes = []
    substreams = parse(suite.streams[f"{name}.jai"]).substreams
    for position, substream in enumerate(substreams):
        size = len(substream.payload)
        for length in sorted({*range(min(size, 24)), *range(0, size, max(1, size // 40)), max(0, size - 1)}):
            if length == size:
                continue
            payloads = [(s.marker, s.payload) for s in substreams]
            payloads[position] = (substream.marker, substream.payload[:length])
            outcomes.append(attempt(join(payloads), synthetic_models, "jit"))
    assert sum(outcome.error is None for outcome in outcomes) <= len(outcomes) // 50, report(outcomes)


def flips(data: bytes, count: int, seed: int) -> list[int]:
    """Bit positions, spread over the stream: headers are hit as often as payloads."""
    random = Splitmix(seed)
    head = min(8 * 64, 8 * len(data))
    near = random.integers(0, head - 1, (count // 4,))
    far = random.integers(0, 8 * len(data) - 1, (count - count // 4,))
    return [*near.tolist(), *far.tolist()]


def flipped(data: bytes, bit: int) -> bytes:
    """The data with one bit inverted."""
    changed = bytearray(data)
    changed[bit >> 3] ^= 0x80 >> (bit & 7)
    return bytes(changed)


def sweep(
    data: bytes, models: ModelSet, bits: list[int], dialect: Dialect = Dialect.T840, memory: bool = False
) -> list[Outcome]:
    return [attempt(flipped(data, bit), models, "jit", dialect, memory) for bit in bits]


def report(outcomes: list[Outcome]) -> str:
    """What a person wants to know of a sweep."""
    kinds = Counter("result" if o.place is None else o.place[0] for o in outcomes)
    slowest = max(o.seconds for o in outcomes)
    return f"{dict(kinds)}, slowest {slowest:.3f} s, peak {max(o.peak for o in outcomes) >> 20} MiB"


@pytest.mark.parametrize("name", ["plain-64x64", "threads-16", "everything", "regions-dependent"])
def test_flipped_bits(name: str, suite: Suite, synthetic_models: ModelSet) -> None:
    data = suite.streams[f"{name}.jai"]
    outcomes = sweep(data, synthetic_models, flips(data, 100, len(name)), memory=True)
    print(name, report(outcomes))
    # Many header fields have no say in what is decoded, and a flipped bit of an escape is another value.
    assert sum(o.error is not None for o in outcomes) >= 70


@pytest.mark.parametrize("name", ["channels-0-1", "threads-16", "quality-even"])
def test_both_engines_reject_alike(name: str, suite: Suite, synthetic_models: ModelSet) -> None:
    """Same class, same element, same bit: the two engines are interchangeable in failure too."""
    data = suite.streams[f"{name}.jai"]
    for bit in flips(data, 40, 77):
        damaged = flipped(data, bit)
        golden, jit = (attempt(damaged, synthetic_models, engine) for engine in ("golden", "jit"))
        assert golden.place == jit.place, bit


@pytest.mark.slow
def test_ten_thousand_flipped_bits(suite: Suite, synthetic_models: ModelSet) -> None:
    streams = [entry for entry in suite.manifest["streams"] if entry["channels"] is None]
    outcomes: list[Outcome] = []
    for index, entry in enumerate(streams):
        data = suite.streams[entry["file"]]
        bits = flips(data, -(-10_000 // len(streams)), 1000 + index)
        outcomes += sweep(data, synthetic_models, bits, Dialect(entry["dialect"]), memory=index % 4 == 0)
    print(len(outcomes), report(outcomes))
    assert len(outcomes) >= 10_000
    assert sum(o.error is not None for o in outcomes) >= 0.7 * len(outcomes)


@pytest.mark.slow
@requires_shared
def test_ten_thousand_flipped_bits_of_reference_streams(reference_models: ModelSet) -> None:
    outcomes: list[Outcome] = []
    names = reference.stream_names()
    for index, name in enumerate(names):
        data = reference.stream(name)
        outcomes += sweep(data, reference_models, flips(data, -(-10_000 // len(names)), index), Dialect.DIS)
    print(len(outcomes), report(outcomes))
    assert len(outcomes) >= 10_000


@pytest.mark.slow
@requires_shared
def test_truncation_of_reference_streams_at_every_byte(reference_models: ModelSet) -> None:
    names = sorted(reference.stream_names(), key=lambda name: len(reference.stream(name)))[:10]
    count = 0
    for name in names:
        data = reference.stream(name)
        for length in range(len(data)):
            outcome = attempt(data[:length], reference_models, "jit", Dialect.DIS)
            assert outcome.error is not None and outcome.error.code == "truncated", (name, length)
            count += 1
    print(count, "truncations of", ", ".join(names))
