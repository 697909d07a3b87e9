"""The jit engine on every vector: payloads byte for byte, scales of whole streams."""

from __future__ import annotations

import numpy as np
import pytest

from refdec.entropy import engine
from refdec.entropy.jit import JitEngine
from refdec.entropy.tables import parameters
from tests.entropy import vectors
from tests.entropy.vectors import ResidualVector, ScaleVector, ZVector
from tests.shared_vectors import requires_shared

JIT = engine("jit")
ENGINES = [JitEngine(threads, share=1) for threads in (1, 2, 3)]


def check_residual(v: ResidualVector) -> None:
    assert JIT.encode_residual_calls(v.values, v.calls, v.threads) == (v.data, v.sizes)
    for e in ENGINES:
        for found, expected in zip(e.decode_residual_calls(v.data, v.sizes, v.calls), v.values, strict=True):
            assert found.dtype == np.int32 and found.flags.c_contiguous
            assert np.array_equal(found, expected)
    if len(v.calls) == 1:
        assert JIT.encode_residual(v.values[0], *v.calls[0], v.threads) == (v.data, v.sizes)
        assert np.array_equal(JIT.decode_residual(v.data, v.sizes, *v.calls[0]), v.values[0])


def check_z(v: ZVector) -> None:
    for freqs, cdf in zip(v.freqs, v.cdfs, strict=True):
        found = JIT.z_cdf(freqs)
        assert found.dtype == np.uint8 and np.array_equal(found, cdf)
    assert JIT.encode_z(v.zs, v.cdfs, v.threads) == (v.data, v.sizes)
    for e in ENGINES:
        decoded = e.decode_z(v.data, v.sizes, v.cdfs, *v.zs[0].shape[1:])
        for found, expected in zip(decoded, v.zs, strict=True):
            assert found.dtype == np.int8 and found.flags.c_contiguous
            assert np.array_equal(found, expected)


@pytest.mark.parametrize("v", vectors.own_residual(), ids=lambda v: v.name)
def test_own_residual(v: ResidualVector) -> None:
    check_residual(v)


@pytest.mark.parametrize("v", vectors.own_z(), ids=lambda v: v.name)
def test_own_z(v: ZVector) -> None:
    check_z(v)


@pytest.mark.parametrize("v", vectors.page_residual(), ids=lambda v: v.name)
def test_page_residual(v: ResidualVector) -> None:
    check_residual(v)


@pytest.mark.parametrize("v", vectors.page_z(), ids=lambda v: v.name)
def test_page_z(v: ZVector) -> None:
    check_z(v)


@pytest.mark.parametrize("name", vectors.reference_names("r_*.npz"))
def test_reference_residual(name: str) -> None:
    check_residual(vectors.reference_residual(name))


@pytest.mark.parametrize("name", vectors.reference_names("z_*.npz"))
def test_reference_z(name: str) -> None:
    check_z(vectors.reference_z(name))


@requires_shared
def test_all_reference_payloads_are_here() -> None:
    assert len(vectors.reference_names("r_*.npz")) == 48
    assert len(vectors.reference_names("z_*.npz")) == 25


@pytest.mark.parametrize("v", vectors.own_scales(), ids=lambda v: v.name)
def test_own_scales(v: ScaleVector) -> None:
    skip = JIT.skip_scale_log(v.base, v.gain_log, v.delta_beta, v.quality_map)
    likely = JIT.likely_map(skip)
    scaling = JIT.variance_scaling(likely, v.model_id, True, v.grfs_flags)
    dequantised = JIT.dequantise(v.residual, v.gain_log + v.delta_beta, v.quality_map, scaling.inverse)
    segments = JIT.lsbs_segments(likely)
    found = {
        "skip_scale_log": skip,
        "threshold_mask": JIT.skip_mask(skip, None),
        "skip_mask": JIT.skip_mask(skip, v.cube_flags),
        "likely": likely,
        **scaling._asdict(),
        "levels": JIT.levels(skip + scaling.log),
        "dequantised": dequantised,
        "lsbs_segments": segments,
        "lsbs": JIT.lsbs(v.latent, np.clip(dequantised, -(1 << 22), 1 << 22), segments, v.model_id),
    }
    assert found.keys() == v.expected.keys()
    for name, array in found.items():
        assert array.flags.c_contiguous and np.array_equal(array, v.expected[name]), name


@pytest.mark.parametrize("name", vectors.stream_names())
def test_stream(name: str) -> None:
    """Scales, masks, levels and dequantised residuals of the reference's streams; all payload tools."""
    for component in vectors.stream_components(name):
        gain, beta, quality = component["gain_log"], component.delta_beta, component.quality_map
        skip = component.skip_scale_log
        if (raw := component.get("log_sigma_raw")) is not None:
            assert np.array_equal(JIT.skip_scale_log(raw, gain, beta, quality), skip)
        flags = component.get("cube_flag")
        cubes = None if flags is None else flags.astype(np.uint8)
        mask = JIT.skip_mask(skip, cubes)
        assert mask.dtype == np.bool_ and np.array_equal(mask, component["skip_mask"])
        likely = JIT.likely_map(skip)
        if (expected := component.get("rvs_likely")) is not None:
            assert np.array_equal(likely, expected)
        scaling = JIT.variance_scaling(likely, component.model_id, component.rvs, component.grfs_flags)
        final = skip + scaling.log
        assert np.array_equal(final, component["log_sigma_final"])
        levels = JIT.levels(final)
        if (expected := component.get("sigma_idx")) is not None:
            assert np.array_equal(levels, expected)

        residual = component["residual_quant"]
        for threads in (1, 4):
            call = levels.ravel(), mask.ravel()
            data, sizes = JIT.encode_residual(residual.ravel(), *call, threads)
            assert np.array_equal(JIT.decode_residual(data, sizes, *call), residual.ravel())
        inverse = scaling.inverse if component.rvs or component.grfs_flags is not None else None
        fixed = JIT.dequantise(residual, component["scaler_vec_log"], quality, inverse)
        reference = component["residual_dequant"].astype(np.float64) * 4096
        assert np.abs(fixed - reference).max() <= 0.5


@pytest.mark.parametrize("v", vectors.read("quality.json"))
def test_own_quality_maps(v: dict) -> None:
    index = np.array(v["index"], np.int8)
    for rounding in ("floor", "truncate"):
        deltas = JIT.quality_map_deltas(index, rounding=rounding)
        assert deltas.dtype == np.int32 and deltas.tolist() == v[rounding]
        back = JIT.quality_map_from_deltas(deltas, rounding=rounding)
        assert back.dtype == np.int8 and np.array_equal(back, index)
    level = np.full(index.size, parameters()["quality_levels"][v["entropy_index"]], np.uint8)
    key = "truncate" if "truncate_payload" in v else "floor"
    data, sizes = JIT.encode_residual(np.ravel(v[key]), level, np.ones(index.size, bool), v["threads"])
    if "payload" in v:
        assert (data.hex(), list(sizes)) == (v["payload"], v["sizes"])
    else:
        assert v["truncate_payload"].endswith(data.hex())


def test_worked_example() -> None:
    """The example of docs/arithmetic.md, one and two threads."""
    levels, mask = np.array([8, 4, 12, 8, 31], np.uint8), np.array([1, 1, 1, 0, 1], bool)
    values = np.array([1, -3, 0, 0, -7])
    assert JIT.encode_residual(values, levels, mask, 1) == (bytes.fromhex("002b00ff7c01"), (6,))
    assert JIT.encode_residual(values, levels, mask, 2) == (bytes.fromhex("00c2170bf01f"), (3, 3))
