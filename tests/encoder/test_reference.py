"""The encoder against the reference's streams: bytes, decisions, and its float32 arithmetic."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np
import pytest

from conformance.encoder import decisions
from conformance.encoder.payloads import steps_of
from conformance.encoder.quantise import dequantise, quantise
from conformance.verify.verifier import check_encoding
from refdec import entropy
from refdec.codestream import CHANNELS, Dialect, parse
from refdec.decoder import EntropyResult, Settings, decode_payloads
from refdec.models_io import ModelSet
from refdec.scales import component_scales
from tests.shared_vectors import requires_shared
from tests.stage import reference_streams as reference

pytestmark = requires_shared
GOLDEN = entropy.engine("golden")


@pytest.fixture(scope="module")
def decoded(reference_models: ModelSet) -> Any:
    """Decode a stream once for all tests of this module."""

    @cache
    def decode(name: str, engine: str = "jit") -> EntropyResult:
        stream = parse(reference.stream(name), Dialect.DIS)
        return decode_payloads(stream, reference_models, Settings(engine))

    return decode


def reencoded(names: Iterable[str], decoded: Any, models: ModelSet, engine: str) -> int:
    """Encode what was decoded; every payload must have the stream's bytes. How many there were."""
    payloads = 0
    for name in names:
        result = decoded(name, engine)
        payloads += check_encoding(result.codestream, result, models, entropy.engine(engine), "floor")
    return payloads


def test_golden_encodes_some_streams_to_the_same_bytes(decoded: Any, reference_models: ModelSet) -> None:
    """One of each kind; the golden engine takes its time, the whole set is among the slow tests."""
    names = [name for name in reference.stream_names() if name[:3] in ("o01", "o17", "o20", "o23", "o35")]
    assert reencoded(names, decoded, reference_models, "golden") >= 16


@pytest.mark.parametrize("engine", ["jit", pytest.param("golden", marks=pytest.mark.slow)])
def test_every_payload_is_encoded_to_the_same_bytes(
    decoded: Any, reference_models: ModelSet, engine: str
) -> None:
    payloads = reencoded(reference.stream_names(), decoded, reference_models, engine)
    # 44 SOZ, 4 SOQ, and 122 residuals: one for each region of each component.
    assert payloads == 170


def test_float_arithmetic_is_the_references(decoded: Any, reference_models: ModelSet) -> None:
    """Dequantisation equals the dumps bit for bit; quantising what it gives returns the symbols."""
    for name in reference.stream_names():
        result, dump = decoded(name), reference.dump(name)
        picture = result.codestream.picture
        for c, component in enumerate(result.components):
            model = reference_models.entropy(picture.model_id, c)
            scales = component_scales(picture, c, model, component.z_hat, result.quality_map, GOLDEN)
            steps = steps_of(picture, c, model, scales, result.quality_map)
            value = dequantise(component.residual, steps)
            key = f"{reference.COMPONENTS[c]}.residual_dequant"
            np.testing.assert_array_equal(value, dump[key].reshape(value.shape))
            # RVS multiplies by two rounded reciprocals, so that only small symbols must come back.
            again = quantise(value, steps, scales.mask)
            small = np.abs(component.residual) <= (200 if steps.forward is not None else 1 << 14)
            inside = small & (np.arange(CHANNELS[c]) < picture.components[c].num_chs)[:, None, None]
            np.testing.assert_array_equal(again[inside], component.residual[inside])


def test_gain_flags_follow_the_ranking(decoded: Any) -> None:
    checked = 0
    for name in reference.stream_names():
        result, dump = decoded(name), reference.dump(name)
        picture = result.codestream.picture
        for c, header in enumerate(picture.components):
            if header.grfs_channel_flags is None:
                continue
            prefix = reference.COMPONENTS[c]
            log_skip = dump.get(f"{prefix}.log_sigma_skip", dump[f"{prefix}.log_sigma_final"])
            flags = decisions.grfs_flags(log_skip, c, picture.model_id, header.num_chs)
            assert tuple(flags.tolist()) == header.grfs_channel_flag, (name, prefix)
            checked += 1
    assert checked == 14


def test_entropy_index_of_quality_maps(decoded: Any) -> None:
    """Three of the four streams with a map did not force the index."""
    equal = []
    for name in reference.stream_names():
        result = decoded(name)
        if result.quality_map is not None:
            deltas = GOLDEN.quality_map_deltas(result.quality_map, rounding="floor")
            index = decisions.quality_entropy_index(deltas)
            equal.append(index == result.codestream.picture.quality_map_entropy_index)
    assert sorted(equal) == [False, True, True, True]
