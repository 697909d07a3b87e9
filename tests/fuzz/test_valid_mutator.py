"""The mutator that writes whole streams: nearly all are accepted, and they hold what no photograph does."""

from __future__ import annotations

from collections import Counter
from random import Random

import numpy as np

from conformance.fuzz import seeds
from conformance.fuzz.bytes_mutator import mutate_bytes
from conformance.fuzz.decodes import LIMITS, MAX_BYTES, MUTATOR, whole, whole_jit
from conformance.fuzz.latent_changes import change_map, change_symbols, change_z, fitted
from conformance.fuzz.syntax_mutator import CannotChange
from conformance.fuzz.valid_mutator import mutate_valid
from refdec.codestream import Dialect, parse
from refdec.decoder import decode_entropy
from refdec.errors import BitstreamError, RefdecError
from tests.fuzz.test_mutators import changed_elements


def made(count: int, random: Random) -> list[tuple[bytes, bytes]]:
    """Streams and what was made of them; those that cannot be changed so are not there."""
    streams = list(seeds.base_streams(2500))
    found = []
    for _ in range(count):
        data = random.choice(streams)
        try:
            found.append((data, mutate_valid(data, random, seeds.models, LIMITS, MAX_BYTES)))
        except (CannotChange, RefdecError, ValueError):
            continue
    return found


def test_whole_streams_are_accepted_with_values_of_every_kind() -> None:
    pairs = made(90, Random(1))
    assert len(pairs) > 75
    results = Counter(whole_jit(after) for _, after in pairs)
    assert results["ok"] >= 0.97 * len(pairs), results
    ids = {name for before, after in pairs for name in changed_elements(before, after)}
    assert len(ids) > 50, sorted(ids)
    sizes, ends, dialects = set(), [0, 0], set()
    for _, after in pairs:
        try:
            stream = parse(after, limits=LIMITS)
        except BitstreamError:
            stream = parse(after, Dialect.DIS, LIMITS)
        coded = decode_entropy(after, seeds.models(), limits=LIMITS, dialect=stream.dialect)
        dialects.add(stream.dialect)
        sizes.add((stream.picture.height, stream.picture.width))
        ends[0] = max(ends[0], *(int(abs(part.z_hat.astype(int)).max()) for part in coded.components))
        ends[1] = max(ends[1], *(int(abs(part.residual).max()) for part in coded.components))
    assert len(sizes) >= 6 and len(dialects) == 2
    assert ends[0] == 31 and ends[1] >= 32767


def test_the_target_s_mutator_keeps_its_share_of_streams_whole() -> None:
    """Three in four, of streams as well as of what is none."""
    random = Random(2)
    streams = [*list(seeds.base_streams(1500))[:4], b"", bytes(40), b"\xff\x80\xff\x81"]
    results: Counter[str] = Counter()
    for number in range(84):
        after = MUTATOR(streams[number % len(streams)], random, mutate_bytes)
        results[whole_jit(after)] += 1
    assert 0.65 * 84 < results["ok"] < 0.95 * 84, results


def test_both_engines_decode_them_alike() -> None:
    assert Counter(whole(after) for _, after in made(8, Random(3)))["ok"] >= 5


def test_damaged_streams_are_mended() -> None:
    """A stream whose payloads or headers are damaged gives a whole one of much the same header."""
    random = Random(4)
    data = next(seeds.base_streams(2500))
    accepted = 0
    for number in range(20):
        broken = bytearray(data)
        broken[random.randrange(20 if number % 2 else len(data) // 2, len(data))] ^= 0x55
        after = mutate_valid(bytes(broken), Random(number), seeds.models, LIMITS, MAX_BYTES)
        accepted += whole_jit(after) == "ok"
    assert accepted >= 19


def test_equal_random_numbers_give_equal_streams() -> None:
    data = next(seeds.base_streams(2500))
    for seed in range(5):
        first, second = (MUTATOR(data, Random(seed), mutate_bytes) for _ in range(2))
        assert first == second


def test_changed_values_can_be_coded() -> None:
    random = Random(5)
    z, cdf = np.zeros((3, 1, 2), np.int8), seeds.models().entropy(0, 0).z_cdf[:3]
    symbols, levels = np.zeros((3, 4, 5), np.int32), np.full((3, 4, 5), 9, np.uint8)
    mask, quality = np.arange(60).reshape(3, 4, 5) % 3 > 0, np.zeros((4, 5), np.int8)
    for _ in range(300):
        z = change_z(z, cdf, random)
        symbols = change_symbols(symbols, levels, mask, random)
        quality = change_map(quality, random)
        assert z.dtype == np.int8 and z.shape == (3, 1, 2) and abs(z.astype(int)).max() <= 31
        assert symbols.dtype == np.int32 and symbols.min() >= -32768 and symbols.max() <= 32767
        assert quality.dtype == np.int8 and quality.shape == (4, 5) and abs(quality).max() <= 8
    assert not change_symbols(symbols * 0, levels, mask & False, Random(1))[:, 0].any()


def test_tensors_are_cut_or_repeated() -> None:
    array = np.arange(12).reshape(1, 3, 4)
    assert np.array_equal(fitted(array, (1, 2, 3)), array[:, :2, :3])
    assert np.array_equal(fitted(array, (1, 6, 8)), np.tile(array, (1, 2, 2)))
