"""The entropy stage as a whole, on the bundled streams: progressive decoding, regions, limits, messages."""

from __future__ import annotations

import hashlib
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import refdec.decoder
from conformance.verify import synthetic
from conformance.verify.build import build_stream
from conformance.verify.cases import Case, Part
from conformance.verify.suite import Suite
from refdec import entropy
from refdec.codestream import Dialect, parse
from refdec.codestream.geometry import region_rectangles
from refdec.decoder import EntropyResult, decode_entropy
from refdec.entropy import ENGINES
from refdec.errors import (
    BitstreamError,
    CorruptPayloadError,
    ModelError,
    ResourceLimitError,
)
from refdec.limits import DEFAULT_LIMITS
from refdec.memory import entropy_memory
from refdec.models_io import ModelSet, open_models


def decode(suite: Suite, models: ModelSet, name: str, engine: str, **options: Any) -> EntropyResult:
    """Decode a bundled stream."""
    entry = next(v for v in suite.manifest["streams"] if v["name"] == name)
    settings: dict[str, Any] = {"quality_rounding": entry["quality_rounding"], **options}
    return decode_entropy(
        suite.streams[entry["file"]], models, dialect=Dialect(entry["dialect"]), engine=engine, **settings
    )


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["progressive-16", "odd-65x79", "regions-dependent", "everything"])
@pytest.mark.parametrize("keep", [0, 1, 7, 15, 33, 96, 160, 1000])
def test_progressive_decoding_gives_the_first_channels(
    suite: Suite, synthetic_models: ModelSet, name: str, keep: int, engine: str
) -> None:
    whole = decode(suite, synthetic_models, name, engine)
    part = decode(suite, synthetic_models, name, engine, channels=keep)
    for full, first in zip(whole.components, part.components, strict=True):
        np.testing.assert_array_equal(first.residual[:keep], full.residual[:keep])
        np.testing.assert_array_equal(first.residual_dequantised[:keep], full.residual_dequantised[:keep])
        assert not first.residual[keep:].any()
        np.testing.assert_array_equal(first.log_sigma, full.log_sigma)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_missing_region_is_zero(suite: Suite, synthetic_models: ModelSet, engine: str) -> None:
    result = decode(suite, synthetic_models, "regions-independent", engine)
    for c, missing in enumerate(({2}, {0, 3})):
        rectangles = region_rectangles(result.codestream.picture, c, depth=4, extended=False)
        for index, rect in enumerate(rectangles):
            window = result.components[c].residual[(slice(None), *rect.slices())]
            assert window.any() == (index not in missing)


@pytest.mark.parametrize("name", ["quality-floor", "quality-truncate"])
@pytest.mark.parametrize("engine", ENGINES)
def test_the_other_rounding_rule_is_named_and_not_used(
    suite: Suite, synthetic_models: ModelSet, name: str, engine: str
) -> None:
    right = "floor" if name == "quality-floor" else "truncate"
    wrong = "truncate" if right == "floor" else "floor"
    with pytest.raises(BitstreamError, match=f"rounding rule '{right}'"):
        decode(suite, synthetic_models, name, engine, quality_rounding=wrong)


def test_no_rounding_rule_is_named_where_none_fits(suite: Suite, synthetic_models: ModelSet) -> None:
    data = bytearray(suite.streams["quality-floor.jai"])
    payload = parse(bytes(data)).residual_payloads(0)[0]
    assert payload is not None
    data[payload.byte_offset + len(payload.data) // 2] ^= 0xFF
    with pytest.raises(BitstreamError) as caught:
        decode_entropy(bytes(data), synthetic_models, engine="golden")
    assert "rounding" not in str(caught.value)


@pytest.mark.parametrize("rounding", ["floor", "truncate"])
def test_a_map_of_even_indices_decodes_under_both_rules(
    suite: Suite, synthetic_models: ModelSet, rounding: str
) -> None:
    result = decode(suite, synthetic_models, "quality-even", "golden", quality_rounding=rounding)
    expected = decode(suite, synthetic_models, "quality-even", "golden")
    assert result.quality_map is not None and expected.quality_map is not None
    np.testing.assert_array_equal(result.quality_map, expected.quality_map)


def test_the_other_dialect_is_named(suite: Suite, synthetic_models: ModelSet) -> None:
    with pytest.raises(BitstreamError, match="'dis'"):
        decode_entropy(suite.streams["dis.jai"], synthetic_models)


def test_memory_is_checked_before_anything_is_decoded(
    suite: Suite, synthetic_models: ModelSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = entropy_memory(parse(suite.streams["plain-64x64.jai"]).picture, "golden")
    decode(
        suite,
        synthetic_models,
        "plain-64x64",
        "golden",
        limits=replace(DEFAULT_LIMITS, max_memory_bytes=needed),
    )

    def never(*_: object) -> None:
        raise AssertionError("the limit was not checked first")

    monkeypatch.setattr(refdec.decoder.entropy, "engine", never)
    with pytest.raises(ResourceLimitError, match="memory") as caught:
        limits = replace(DEFAULT_LIMITS, max_memory_bytes=needed - 1)
        decode(suite, synthetic_models, "plain-64x64", "golden", limits=limits)
    assert caught.value.exit_code == 5 and str(needed) in str(caught.value.found)


@pytest.mark.parametrize(("engine", "size"), [("jit", (512, 768)), ("golden", (256, 320))])
def test_memory_estimate_is_an_upper_one(
    synthetic_models: ModelSet, engine: str, size: tuple[int, int]
) -> None:
    part = Part(beta=-900, rvs=True, grfs=True, lsbs=True)
    case = Case("large", "", size, model=1, parts=(part, part), quality="odd")
    data = build_stream(case, 1, synthetic_models, entropy.engine("jit"))
    decode_entropy(data, synthetic_models, engine=engine)
    tracemalloc.start()
    decode_entropy(data, synthetic_models, engine=engine)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    estimate = entropy_memory(parse(data).picture, engine)
    assert estimate / 4 < peak < estimate


def test_threads_do_not_change_the_result(suite: Suite, synthetic_models: ModelSet) -> None:
    one, two = (decode(suite, synthetic_models, "everything", "jit", threads=n) for n in (1, 2))
    for a, b in zip(one.components, two.components, strict=True):
        np.testing.assert_array_equal(a.residual_dequantised, b.residual_dequantised)
        np.testing.assert_array_equal(a.lsbs_segments, b.lsbs_segments)


def test_a_missing_model_is_named_with_the_command_that_makes_it(tmp_path: Path, suite: Suite) -> None:
    with pytest.raises(ModelError, match=r"model0/entropy_Y\.safetensors is missing.*refconf import"):
        decode_entropy(suite.streams["plain-64x64.jai"], open_models(tmp_path))
    with pytest.raises(ModelError, match="no folder"):
        open_models(tmp_path / "absent")


def test_only_the_needed_models_are_read(
    tmp_path: Path, suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    from refdec import models_io
    from refdec.integer import save_model

    for c in (0, 1):
        target = tmp_path / models_io.file_name(0, "entropy", c)
        target.parent.mkdir(exist_ok=True)
        save_model(target, synthetic.entropy_model(16 * suite.manifest["seed"], c))
    (tmp_path / "model1").mkdir()
    (tmp_path / "model1/entropy_Y.safetensors").write_bytes(b"damaged")
    models = open_models(tmp_path)
    decode_entropy(suite.streams["plain-64x64.jai"], models, engine="golden")
    assert set(models.loaded) == {(0, "entropy", 0), (0, "entropy", 1)}
    with pytest.raises(ModelError, match=r"model1/entropy_Y\.safetensors"):
        models.entropy(1, 0)


def test_a_model_of_another_kind_is_refused(tmp_path: Path, suite: Suite) -> None:
    from refdec.integer import save_model

    (tmp_path / "model0").mkdir()
    save_model(tmp_path / "model0/entropy_Y.safetensors", synthetic.entropy_model(1, 1))
    with pytest.raises(ModelError, match="entropy_UV"):
        open_models(tmp_path).entropy(0, 0)


def test_a_damaged_residual_is_found(suite: Suite, synthetic_models: ModelSet) -> None:
    """The end-of-stream check is on: a changed symbol does not go unnoticed."""
    data = bytearray(suite.streams["plain-64x64.jai"])
    payload = parse(bytes(data)).residual_payloads(1)[0]
    assert payload is not None
    data[payload.byte_offset + len(payload.data) // 2] ^= 1
    with pytest.raises(BitstreamError) as caught:
        decode_entropy(bytes(data), synthetic_models, engine="golden")
    assert caught.value.element == "SORS"
    assert isinstance(caught.value, CorruptPayloadError) or caught.value.bit_offset is not None


def test_seeded_models_are_the_same_everywhere() -> None:
    """The generator is integer arithmetic: its first words are those of splitmix64's reference code."""
    words = synthetic.Splitmix(1234567).words(3)
    assert [int(w) for w in words] == [6457827717110365317, 3203168211198807973, 9817491932198370423]
    again = synthetic.Splitmix(1234567)
    assert [int(again.words(1)[0]) for _ in range(3)] == [int(w) for w in words]
    model = synthetic.entropy_model(3, 1)
    assert model.digest == synthetic.entropy_model(3, 1).digest
    assert hashlib.sha256(model.constants["z_cdf"].tobytes()).hexdigest() != model.digest
