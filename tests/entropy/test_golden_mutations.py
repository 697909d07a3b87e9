"""Known mistakes of entropy coders, made in the golden engine on purpose: our own vectors notice each.

Every case names a text of a golden module and what a mistaken implementation would have there. The
module is rebuilt with that change, and the check of the module must fail on it as surely as it
passes on the original. Mistakes that no input can show are listed at the end with the reason.
"""

from __future__ import annotations

import importlib
import inspect
import types

import numpy as np
import pytest

from refdec.entropy.interface import THREAD_COUNTS
from refdec.entropy.tables import Z_SYMBOLS
from refdec.errors import BitstreamError
from tests.entropy import vectors
from tests.entropy.mutations import MUTATIONS, Mutation


def same(found: object, expected: object) -> None:
    assert np.array_equal(found, expected)


def check_residual_decoder(module: types.ModuleType) -> None:
    for v in vectors.own_residual():
        for found, expected in zip(
            module.decode_calls(v.data, v.sizes, v.calls, None, 0, ""), v.values, strict=True
        ):
            same(found, expected)


def check_residual_encoder(module: types.ModuleType) -> None:
    for v in vectors.own_residual():
        assert module.encode_calls(v.values, v.calls, v.threads) == (v.data, v.sizes)


def check_stop(module: types.ModuleType) -> None:
    """Every prefix of a payload of three whole rounds of groups and a tail."""
    for v in vectors.own_residual():
        if len(v.calls) == 1:
            expected = v.values[0]
            for stop in range(len(expected) + 1):
                found = module.decode_calls(v.data, v.sizes, v.calls, stop, 0, "")[0]
                same(found[:stop], expected[:stop])
                assert not found[stop:].any()


def check_z_decoder(module: types.ModuleType) -> None:
    for v in vectors.own_z():
        hz, wz = v.zs[0].shape[1:]
        for found, expected in zip(
            module.decode_z(v.data, v.sizes, v.cdfs, hz, wz, 0, ""), v.zs, strict=True
        ):
            same(found, expected)


def check_z_encoder(module: types.ModuleType) -> None:
    for v in vectors.own_z():
        assert module.encode_z(v.zs, v.cdfs, v.threads) == (v.data, v.sizes)


def check_z_cdf(module: types.ModuleType) -> None:
    for v in vectors.own_z():
        for freqs, cdf in zip(v.freqs, v.cdfs, strict=True):
            same(module.z_cdf(freqs), cdf)
    large = np.full((1, Z_SYMBOLS), 2**31 - 1, np.int32)
    same(module.z_cdf(large)[0], [(255 * (k + 1) + 31) // 63 for k in range(63)])


def check_bits(module: types.ModuleType) -> None:
    writer = module.BitWriter()
    for value, bits in ((5, 3), (0, 0), (0x1234, 16), (1, 1), (0, 8), (200, 8)):
        writer.write(value, bits)
    data = writer.close()
    reader = module.BitReader(data, 0, "")
    assert data == (5 | 0x1234 << 3 | 1 << 19 | 200 << 28 | 1 << 36).to_bytes(5, "little")
    assert [reader.read(b) for b in (8, 8, 1, 16, 0, 3)] == [200, 0, 1, 0x1234, 0, 5]
    reader.check_end([0, 0])
    for position, states in ((0, [1]), (3, [0])):
        reader.position = position
        with pytest.raises(module.CorruptPayloadError):
            reader.check_end(states)
    for empty in (b"", b"\0\0"):
        with pytest.raises(module.CorruptPayloadError):
            module.BitReader(empty, 0, "")
    with pytest.raises(module.TruncatedStreamError):
        module.BitReader(b"\x07", 0, "").read(3)


def check_scales(module: types.ModuleType) -> None:
    for v in vectors.own_scales():
        want = v.expected
        same(module.skip_scale_log(v.base, v.gain_log, v.delta_beta, v.quality_map), want["skip_scale_log"])
        skip = want["skip_scale_log"]
        same(module.skip_mask(skip, None), want["threshold_mask"])
        same(module.skip_mask(skip, v.cube_flags), want["skip_mask"])
        same(module.likely_map(skip), want["likely"])
        scaling = module.variance_scaling(want["likely"], v.model_id, True, v.grfs_flags)
        for name, array in scaling._asdict().items():
            same(array, want[name])
        same(module.levels(skip + want["log"]), want["levels"])
        same(module.lsbs_segments(want["likely"]), want["lsbs_segments"])
        part = np.clip(want["dequantised"], -(1 << 22), 1 << 22)
        same(module.lsbs(v.latent, part, want["lsbs_segments"], v.model_id), want["lsbs"])
    # Edges: the skip threshold, each bound, half a level, the value outside the picture.
    same(module.skip_mask(np.array([[[382, 383]]]), None), [[[False, True]]])
    for likely, scale in ((1003, 115), (1004, 125), (1352, 125), (1353, 146), (1937, 146), (1938, 160)):
        assert module.variance_scaling(np.full((1, 1, 1), likely), 0, True, None).forward.item() == scale
    same(module.levels(np.array([-300, 63, 64, 4000, 9000])), [0, 0, 1, 31, 31])
    assert module.likely_map(np.full((1, 3, 3), 1411)).max() == 1411
    assert module.likely_map(np.full((1, 8, 8), -9)).min() == 0
    same(module.lsbs_segments(np.array([1378, 1379, 1411, 1412])), [0, 1, 1, 2])


def check_quality(module: types.ModuleType) -> None:
    for v in vectors.read("quality.json"):
        for rounding in ("floor", "truncate"):
            same(module.quality_map_deltas(np.array(v["index"]), rounding), v[rounding])
            same(module.quality_map_from_deltas(np.array(v[rounding]), rounding, 0, ""), v["index"])
    for delta in (9, -9):
        with pytest.raises(module.CorruptPayloadError):
            module.quality_map_from_deltas(np.array([[delta]]), "floor", 0, "")


def check_dequantise(module: types.ModuleType) -> None:
    for v in vectors.own_scales():
        index = v.gain_log + v.delta_beta
        found = module.dequantise(v.residual, index, v.quality_map, v.expected["inverse"])
        same(found, v.expected["dequantised"])
    halves = module.dequantise(np.array([[[1, -1]]]), np.array([0]), None, np.full((1, 1, 2), 8))
    assert halves.ravel().tolist() == [1, 0]
    lowest = module.dequantise(np.full((1, 1, 1), -32768), np.array([-4096]), None, None)
    assert lowest.item() == -(2**31) + 1


def rebuilt(m: Mutation) -> types.ModuleType:
    original = importlib.import_module(f"refdec.entropy.golden.{m.module}")
    text = inspect.getsource(original)
    for old, new in m.changes:
        assert text.count(old) == 1, f"{old!r} occurs {text.count(old)} times"
        text = text.replace(old, new)
    module = types.ModuleType(original.__name__)
    exec(compile(text + m.appended, m.name, "exec"), module.__dict__)
    return module


NOTICED = (AssertionError, BitstreamError, ValueError, LookupError, pytest.fail.Exception)
"""Wrong values, wrong errors, no error; nothing that a slip in the mutation itself would raise."""


@pytest.mark.parametrize("m", MUTATIONS, ids=lambda m: m.name)
def test_mutation_is_noticed(m: Mutation) -> None:
    module = rebuilt(m)
    with pytest.raises(NOTICED):
        globals()[m.check](module)


@pytest.mark.parametrize(("name", "check"), sorted({(m.module, m.check) for m in MUTATIONS}))
def test_the_original_passes(name: str, check: str) -> None:
    globals()[check](rebuilt(Mutation("original", name, check)))


def test_names_are_unique() -> None:
    assert len({m.name for m in MUTATIONS}) == len(MUTATIONS)
    assert {v.threads for v in vectors.own_residual()} == set(THREAD_COUNTS)


def test_shift_that_truncates_is_no_mistake_here() -> None:
    """Levels and block means are clipped at 0: a shift rounding towards zero gives the same integers."""
    values = np.arange(-9000, 9000)
    for offset, bits, top in ((64, 7, 31), (32, 6, 4351)):
        floor = np.clip((values + offset) >> bits, 0, top)
        truncated = np.clip(np.fix((values + offset) / (1 << bits)).astype(int), 0, top)
        assert np.array_equal(floor, truncated)
