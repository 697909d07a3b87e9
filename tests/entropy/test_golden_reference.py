"""The golden engine against every vector of the reference software, and against our own."""

from __future__ import annotations

import json

import numpy as np
import pytest

from refdec.entropy import engine
from refdec.entropy.tables import coder_tables, parameters, scaler_table
from tests.entropy import vectors
from tests.entropy.vectors import ResidualVector, ScaleVector, ZVector
from tests.shared_vectors import REFERENCE, requires_shared
from tools.measure_dequantisation import float_dequantise

GOLDEN = engine("golden")


def check_residual(v: ResidualVector) -> None:
    decoded = GOLDEN.decode_residual_calls(v.data, v.sizes, v.calls)
    for found, expected in zip(decoded, v.values, strict=True):
        assert found.dtype == np.int32
        assert np.array_equal(found, expected)
    assert GOLDEN.encode_residual_calls(v.values, v.calls, v.threads) == (v.data, v.sizes)
    if len(v.calls) == 1:
        (levels, mask), values = v.calls[0], v.values[0]
        assert np.array_equal(GOLDEN.decode_residual(v.data, v.sizes, levels, mask), values)
        assert GOLDEN.encode_residual(values, levels, mask, v.threads) == (v.data, v.sizes)


def check_z(v: ZVector) -> None:
    cdfs = [GOLDEN.z_cdf(f) for f in v.freqs]
    for found, expected in zip(cdfs, v.cdfs, strict=True):
        assert found.dtype == np.uint8 and np.array_equal(found, expected)
    hz, wz = v.zs[0].shape[1:]
    for z, expected in zip(GOLDEN.decode_z(v.data, v.sizes, cdfs, hz, wz), v.zs, strict=True):
        assert z.dtype == np.int8 and np.array_equal(z, expected)
    assert GOLDEN.encode_z(v.zs, cdfs, v.threads) == (v.data, v.sizes)


@pytest.mark.parametrize("v", vectors.own_residual() + vectors.page_residual(), ids=lambda v: v.name)
def test_residual(v: ResidualVector) -> None:
    check_residual(v)


@pytest.mark.parametrize("v", vectors.own_z() + vectors.page_z(), ids=lambda v: v.name)
def test_z(v: ZVector) -> None:
    check_z(v)


@pytest.mark.parametrize("name", vectors.reference_names("r_*"))
def test_reference_residual(name: str) -> None:
    check_residual(vectors.reference_residual(name))


@pytest.mark.parametrize("name", vectors.reference_names("z_*"))
def test_reference_z(name: str) -> None:
    check_z(vectors.reference_z(name))


@requires_shared
def test_number_of_reference_vectors() -> None:
    listed = json.loads((REFERENCE / "entropy" / "manifest.json").read_text())
    names = vectors.reference_names("r_*") + vectors.reference_names("z_*")
    assert len(names) == len(listed) == 73
    assert len(vectors.page_residual()) == len(vectors.page_z()) == 5
    assert len(vectors.stream_names()) == 44


def quality_cases() -> list[dict]:
    cases = vectors.read("quality.json")
    for v in vectors.page_vectors()["quality_map"]:
        shape = (v["height"], v["width"])
        cases.append(
            {
                "threads": v["threads"],
                "entropy_index": v["entropy_index"],
                "index": v["index"],
                "floor": np.reshape(v["delta_flooring_rule"], shape).tolist(),
                "truncate": np.reshape(v["delta_truncating_rule"], shape).tolist(),
                "truncate_payload": v["payload_hex_truncating_rule"],
            }
        )
    return cases


@pytest.mark.parametrize("v", quality_cases())
def test_quality_map(v: dict) -> None:
    index = np.array(v["index"])
    for rounding in ("floor", "truncate"):
        deltas = GOLDEN.quality_map_deltas(index, rounding=rounding)
        assert deltas.dtype == np.int32 and deltas.tolist() == v[rounding]
        back = GOLDEN.quality_map_from_deltas(deltas, rounding=rounding)
        assert back.dtype == np.int8 and np.array_equal(back, index)
    level = np.full(index.size, parameters()["quality_levels"][v["entropy_index"]], np.uint8)
    everything = np.ones(index.size, bool)
    key = "truncate" if "truncate_payload" in v else "floor"
    data, sizes = GOLDEN.encode_residual(np.ravel(v[key]), level, everything, v["threads"])
    if "payload" in v:
        assert (data.hex(), list(sizes)) == (v["payload"], v["sizes"])
    else:
        assert v["truncate_payload"].endswith(data.hex())
    assert GOLDEN.decode_residual(data, sizes, level, everything).tolist() == np.ravel(v[key]).tolist()


@pytest.mark.parametrize("v", vectors.own_scales(), ids=lambda v: v.name)
def test_scales(v: ScaleVector) -> None:
    skip = GOLDEN.skip_scale_log(v.base, v.gain_log, v.delta_beta, v.quality_map)
    likely = GOLDEN.likely_map(skip)
    scaling = GOLDEN.variance_scaling(likely, v.model_id, True, v.grfs_flags)
    dequantised = GOLDEN.dequantise(v.residual, v.gain_log + v.delta_beta, v.quality_map, scaling.inverse)
    segments = GOLDEN.lsbs_segments(likely)
    part = np.clip(dequantised, -(1 << 22), 1 << 22)
    found = {
        "skip_scale_log": skip,
        "threshold_mask": GOLDEN.skip_mask(skip, None),
        "skip_mask": GOLDEN.skip_mask(skip, v.cube_flags),
        "likely": likely,
        **scaling._asdict(),
        "levels": GOLDEN.levels(skip + scaling.log),
        "dequantised": dequantised,
        "lsbs_segments": segments,
        "lsbs": GOLDEN.lsbs(v.latent, part, segments, v.model_id),
    }
    assert found.keys() == v.expected.keys()
    for name, array in found.items():
        assert array.flags.c_contiguous
        assert np.array_equal(array, v.expected[name]), name


# Distances are in steps of 2**-12; every stream stays inside half a step.
HALF_STEP = 0.5


@pytest.mark.parametrize("name", vectors.stream_names())
def test_stream(name: str) -> None:
    for component in vectors.stream_components(name):
        gain, beta, quality = component["gain_log"], component.delta_beta, component.quality_map
        skip = component.skip_scale_log.astype(np.int32)
        if (raw := component.get("log_sigma_raw")) is not None:
            assert np.array_equal(GOLDEN.skip_scale_log(raw, gain, beta, quality), skip)
        flags = component.get("cube_flag")
        cubes = None if flags is None else flags.astype(np.uint8)
        assert np.array_equal(GOLDEN.skip_mask(skip, cubes), component["skip_mask"])
        likely = GOLDEN.likely_map(skip)
        if (expected := component.get("rvs_likely")) is not None:
            assert np.array_equal(likely, expected)
        scaling = GOLDEN.variance_scaling(likely, component.model_id, component.rvs, component.grfs_flags)
        assert np.array_equal(skip + scaling.log, component["log_sigma_final"])
        if (expected := component.get("sigma_idx")) is not None:
            assert np.array_equal(GOLDEN.levels(skip + scaling.log), expected)

        index, residual = component["scaler_vec_log"], component["residual_quant"]
        assert np.array_equal(scaler_table()[index + 4096], component["scaler_vec"] * 1024)
        scaled = component.rvs or component.grfs_flags is not None
        inverse = scaling.inverse if scaled else None
        fixed = GOLDEN.dequantise(residual, index, quality, inverse)
        reference = component["residual_dequant"]
        assert np.abs(fixed - reference.astype(np.float64) * 4096).max() <= HALF_STEP
        # The float32 side of tools/measure_dequantisation.py is the reference's, bit for bit.
        linear = None if quality is None else parameters()["quality_linear"][quality.astype(int) + 8]
        scaler = component["scaler_vec"][:, None, None]
        assert np.array_equal(float_dequantise(residual, scaler, linear, inverse), reference)


def test_all_distributions_occur_in_our_own_vectors() -> None:
    seen: set[tuple[int, bool]] = set()
    bounds = coder_tables().bounds.astype(int)
    for v in vectors.own_residual():
        for (levels, mask), values in zip(v.calls, v.values, strict=True):
            escaped = np.abs(values) >= bounds[levels]
            seen |= set(zip(levels[mask].tolist(), escaped[mask].tolist(), strict=True))
    assert {level for level, _ in seen} == set(range(32))
    assert sum(escaped for _, escaped in seen) >= 24
