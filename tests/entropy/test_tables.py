"""The integer tables: digests, formulas, and what the coder needs of them."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from refdec import tables
from refdec.entropy import tables as entropy_tables
from refdec.entropy.tables import coder_tables, fnv1a64, parameters, refill_bits, scaler_table
from refdec.errors import ModelError
from tests.shared_vectors import SHARED, requires_shared

ROOT = Path(__file__).resolve().parents[2]


def test_fnv_of_known_strings() -> None:
    assert fnv1a64(b"") == 0xCBF29CE484222325
    assert fnv1a64(b"foobar") == 0x85944171F73967E8


def test_coder_tables_have_the_stated_digests() -> None:
    built = coder_tables()
    assert fnv1a64(built.decode.astype("<u4").tobytes()) == 0xAE578F601A5739FF
    assert fnv1a64(built.state_map.tobytes()) == 0x175E35E0EEF47AD9
    assert fnv1a64(built.encode.astype("<u4").tobytes()) == 0x81B7251E16CC1DA7


def test_distribution_digest() -> None:
    flat = tables.table("distributions", "pdf")
    assert flat.size == 1582
    assert fnv1a64(flat.astype(np.uint8).tobytes()) == 0x93BB76B29E571853


def test_log2lin_digest_and_bounds_that_follow() -> None:
    lin = tables.table("log2lin", "log2lin")
    assert fnv1a64(lin.astype("<u4").tobytes()) == 0xAE24746D99D71994
    assert bool(np.all(np.diff(lin) > 0))
    thresholds = np.array(
        [[4325, 7471, 18667], [4325, 6575, 17855], [4325, 7782, 18599], [4325, 6849, 17855]], np.int64
    )
    assert np.array_equal(np.searchsorted(lin, 16 * thresholds), parameters()["scaling_bounds"])
    assert np.array_equal(np.searchsorted(lin, [16 * 7782, 16 * 8192]), parameters()["lsbs_bounds"])


def test_worked_row_of_distribution_3() -> None:
    packed = coder_tables().decode[3].astype(np.int64)
    entries = [(((e & 0xFFFF) ^ 0x8000) - 0x8000, e >> 24, (e >> 16) & 255) for e in packed.tolist()]
    assert entries[0] == (0, 1, 246)
    assert entries[1] == (0, 1, 248)
    assert entries[125] == (0, 0, 120)
    assert entries[128] == (0, 0, 121)
    assert entries[252] == (0, 0, 245)
    assert entries[126] == (-1, 7, 0) and entries[253] == (-1, 7, 128)
    assert entries[127] == (1, 7, 0) and entries[254] == (1, 7, 128)
    assert entries[255] == (-2, 8, 0)


def test_every_distribution_inverts_the_coder_step() -> None:
    """From any state, what a symbol writes brings the decoder back to that state."""
    built = coder_tables()
    for d in range(32):
        assert sorted(built.state_map[d].tolist()) == list(range(256))
        for column in np.nonzero(built.masses[d])[0].tolist():
            mass, start = int(built.masses[d, column]), int(built.starts[d, column])
            symbol = entropy_tables.symbol_of_column(column)
            for x in range(256, 512):
                bits = refill_bits(mass)
                if x < mass << bits:
                    bits -= 1
                state = int(built.state_map[d, start + (x >> bits) - mass])
                entry = int(built.decode[d, state])
                assert entry & 0xFFFF == symbol & 0xFFFF
                assert entry >> 24 == bits
                assert ((entry >> 16) & 255) | (x & ((1 << bits) - 1)) == x - 256


def test_tables_are_read_only() -> None:
    for array in (coder_tables().decode, coder_tables().bounds, scaler_table(), parameters()["quality_log"]):
        with pytest.raises(ValueError):
            array[...] = 0


def test_damaged_table_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    entries = json.loads((ROOT / "refdec" / "tables" / "parameters.json").read_text())
    entries["quality_log"]["values"][3] += 1
    (tmp_path / "parameters.json").write_text(json.dumps(entries))
    monkeypatch.setattr(tables, "files", lambda _: tmp_path)
    tables.load.cache_clear()
    try:
        with pytest.raises(ModelError, match="quality_log"):
            tables.load("parameters")
    finally:
        tables.load.cache_clear()


def test_changed_distribution_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of masses that is consistent in itself but not the known one fails the digest of its tables."""
    flat = tables.table("distributions", "pdf").copy()
    bounds = tables.table("distributions", "bounds")
    first = int(np.sum(2 * bounds[:3].astype(int) - 1))
    flat[first : first + 2] += [1, -1]
    monkeypatch.setattr(entropy_tables, "table", lambda _, name: flat if name == "pdf" else bounds)
    with pytest.raises(ModelError):
        coder_tables.__wrapped__()


def test_no_such_group() -> None:
    with pytest.raises(ValueError):
        tables.load("weights")


def test_scaler_known_values() -> None:
    scaler = scaler_table()
    known = {0: 1.0, 100: 1.169921875, -1069: 0.1875, 702: 3.0009765625}
    for index, value in known.items():
        assert int(scaler[index + 4096]) == value * 1024
    assert scaler.size == 8191
    assert int(scaler.min()) == 2
    assert bool(np.all(np.diff(scaler) >= 0))


def test_scaler_is_the_rounded_double_exponential() -> None:
    """An independent way to the same integers: binary32 product, then the exponential in double."""
    index = np.arange(-4096, 4095)
    x = (index.astype(np.float32) * np.float32(0.20036548400207613)) / np.float32(128)
    assert np.array_equal(np.rint(1024 * np.exp(x.astype(np.float64))), scaler_table())


def test_quality_tables() -> None:
    tables_ = parameters()
    for q in range(-8, 9):
        linear = int(tables_["quality_linear"][q + 8])
        assert (linear - 1) ** 4 < 2 ** (16 + q) <= linear**4
        exact = 128 * (q / 4) * np.log(2) / ((np.log(54.82) - np.log(0.11)) / 31)
        assert int(tables_["quality_log"][q + 8]) == round(exact)


def test_scaling_tables_follow_from_the_forward_scale() -> None:
    tables_ = parameters()
    step = (np.log(54.82) - np.log(0.11)) / 31
    forward = tables_["scaling_forward"]
    assert np.array_equal(np.rint(128 * np.log(forward / 128) / step), tables_["scaling_log"])
    assert np.array_equal(np.rint(2**23 / forward), tables_["scaling_inverse"])
    assert [round(Fraction(106, 100) * int(s)) for s in forward[1, 0].ravel()] == forward[
        1, 2
    ].ravel().tolist()
    assert [round(Fraction(98, 100) * int(s)) for s in forward[1, 0].ravel()] == forward[
        1, 1
    ].ravel().tolist()


def test_make_tables_gives_the_files() -> None:
    command = [sys.executable, str(ROOT / "tools" / "make_tables.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_make_entropy_vectors_gives_the_files() -> None:
    command = [sys.executable, str(ROOT / "tools" / "make_entropy_vectors.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@requires_shared
def test_tables_equal_those_of_the_description() -> None:
    page = json.loads((SHARED / "spec" / "tables.json").read_text())
    assert tables.table("log2lin", "log2lin").tolist() == page["log2lin"]["table"]
    assert tables.table("distributions", "bounds").tolist() == page["mans"]["bounds"]
    assert tables.table("distributions", "pdf").tolist() == [v for row in page["mans"]["pdf"] for v in row]
    ours = parameters()
    assert ours["quality_log"].tolist() == page["quality_map"]["log_offset_q7"]
    assert ours["quality_linear"].tolist() == page["quality_map"]["linear_sixteenths"]
    assert ours["quality_levels"].tolist() == page["quality_map"]["sigma_level_by_entropy_index"]
    assert ours["lsbs_bounds"].tolist() == page["lsbs"]["likely_bounds"]
    assert ours["lsbs_mean"].tolist() == page["lsbs"]["scale_mean"]
    assert ours["lsbs_residual"].tolist() == page["lsbs"]["scale_residual"]
    for k, model in enumerate(page["rvs"]["models"]):
        assert ours["scaling_bounds"][k].tolist() == model["likely_bounds"]
        for state, name in enumerate(("plain", "grfs_flag0", "grfs_flag1")):
            assert ours["scaling_forward"][1, state, k].tolist() == model[name]["scale"]
            assert ours["scaling_log"][1, state, k].tolist() == model[name]["log"]
            assert ours["scaling_inverse"][1, state, k].tolist() == model[name]["inv"]
    for state, name in ((1, "flag0"), (2, "flag1")):
        row = page["rvs"]["grfs_without_rvs"][name]
        assert ours["scaling_forward"][0, state].ravel().tolist() == row["scale"] * 16
        assert ours["scaling_log"][0, state].ravel().tolist() == row["log"] * 16
        assert ours["scaling_inverse"][0, state].ravel().tolist() == row["inv"] * 16


@requires_shared
def test_coder_tables_equal_those_of_the_reference() -> None:
    reference = np.load(SHARED / "vectors" / "reference" / "entropy" / "tables.npz")
    built = coder_tables()
    assert np.array_equal(built.bounds, reference["bounds"])
    assert np.array_equal(built.masses, reference["pmf_matrix"])
    assert np.array_equal(built.starts, reference["cdf_matrix"][:, :-1])
    assert np.array_equal(built.decode, reference["decode_transitions"])
    assert np.array_equal(built.state_map, reference["state_maps"])
    assert np.array_equal(built.encode, reference["encode_transitions"])
