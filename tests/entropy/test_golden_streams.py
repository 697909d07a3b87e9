"""Every payload of the reference streams through the golden engine: symbols out, and the same bytes back."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from refdec.codestream import Codestream, Dialect, parse
from refdec.codestream.geometry import LATENT_DEPTH, region_rectangles
from refdec.entropy import engine
from refdec.entropy.tables import parameters
from tests.entropy import vectors
from tests.shared_vectors import REFERENCE

GOLDEN = engine("golden")


def stream(name: str) -> Codestream:
    data = (vectors.STREAMS / f"{name}.bits").read_bytes()
    return parse(data, dialect=Dialect.DIS, check_conformance=False)


@cache
def cdf(model_id: int, component: str) -> np.ndarray:
    weights = np.load(REFERENCE / "weights" / f"model{model_id}_common_{component}.npz")
    return GOLDEN.z_cdf(weights["hyper_entropy.freqs_int"])


@pytest.mark.parametrize("name", vectors.stream_names())
def test_hyper_latents(name: str) -> None:
    picture, payload = stream(name).picture, stream(name).z_payload()
    cdfs = [cdf(picture.model_id, component) for component in ("Y", "UV")]
    expected = [component["z_hat"] for component in vectors.stream_components(name)]
    part = payload.threads(picture.num_threads_z)
    hz, wz = expected[0].shape[1:]
    found = GOLDEN.decode_z(part.data, part.sizes, cdfs, hz, wz)
    assert all(np.array_equal(f, e) for f, e in zip(found, expected, strict=True))
    assert GOLDEN.encode_z(found, cdfs, picture.num_threads_z) == (part.data, part.sizes)


@pytest.mark.parametrize("name", vectors.stream_names())
def test_residuals(name: str) -> None:
    codestream = stream(name)
    picture = codestream.picture
    for c, component in enumerate(vectors.stream_components(name)):
        header = picture.components[c]
        levels = GOLDEN.levels(component["log_sigma_final"])
        mask, residual = component["skip_mask"], component["residual_quant"]
        payloads = codestream.residual_payloads(c)
        regions = region_rectangles(picture, c, LATENT_DEPTH, extended=False)
        assert len(payloads) == len(regions) == picture.num_regions
        for payload, region in zip(payloads, regions, strict=True):
            assert payload is not None
            place = slice(0, header.num_chs), *region.slices()
            part = payload.threads(header.num_threads_r)
            arguments = levels[place].ravel(), mask[place].ravel()
            found = GOLDEN.decode_residual(part.data, part.sizes, *arguments)
            assert np.array_equal(found, residual[place].ravel())
            encoded = GOLDEN.encode_residual(found, *arguments, header.num_threads_r)
            assert encoded == (part.data, part.sizes)
        assert not residual[header.num_chs :].any()


@pytest.mark.parametrize("name", vectors.stream_names())
def test_quality_map(name: str) -> None:
    codestream = stream(name)
    expected = vectors.stream_components(name)[0].quality_map
    payload = codestream.quality_payload()
    assert (payload is None) == (expected is None)
    if payload is None or expected is None:
        return
    picture = codestream.picture
    level = int(parameters()["quality_levels"][picture.quality_map_entropy_index])
    arguments = np.full(expected.size, level, np.uint8), np.ones(expected.size, bool)
    part = payload.threads(picture.num_threads_q)
    deltas = GOLDEN.decode_residual(part.data, part.sizes, *arguments)
    assert np.array_equal(GOLDEN.quality_map_from_deltas(deltas.reshape(expected.shape)), expected)
    assert GOLDEN.quality_map_deltas(expected).ravel().tolist() == deltas.tolist()
    assert GOLDEN.encode_residual(deltas, *arguments, picture.num_threads_q) == (part.data, part.sizes)
