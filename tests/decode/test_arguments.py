"""What a library's user may hand to the decoder, and what becomes of mistakes."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from refdec.codestream import parse
from refdec.decoder import decode, decode_entropy
from refdec.models_io import ModelSet, bundled_models

DATA = files("conformance").joinpath("photos", "streams", "smallest.jai").read_bytes()


@pytest.fixture(scope="module")
def models() -> ModelSet:
    return bundled_models()


@pytest.mark.parametrize("kind", [bytearray, memoryview, type("Own", (bytes,), {})])
def test_any_kind_of_bytes(models: ModelSet, kind: Any) -> None:
    planes = decode(kind(DATA), models).planes
    assert all(np.array_equal(a, b) for a, b in zip(planes, decode(DATA, models).planes, strict=True))


@pytest.mark.parametrize("data", [Path("x.jai"), "x.jai", 5, [255, 128], None], ids=repr)
def test_what_is_no_bytes(models: ModelSet, data: Any) -> None:
    """A path has bytes and a number stands for zeros: neither is a codestream that is damaged."""
    for read in (parse, lambda data: decode(data, models), lambda data: decode_entropy(data, models)):
        with pytest.raises(TypeError, match="bytes-like"):
            read(data)


@pytest.mark.parametrize(
    "options",
    [{"channels": -1}, {"quality_rounding": "up"}, {"dialect": "draft"}, {"engine": "slow"}, {"threads": 0}],
    ids=repr,
)
def test_options_that_there_are_not(models: ModelSet, options: Any) -> None:
    with pytest.raises(ValueError, match=r"-1|up|draft|slow|0"):
        decode(DATA, models, **options)


def test_a_dialect_by_its_name() -> None:
    assert parse(DATA, "t840").picture == parse(DATA).picture  # type: ignore[arg-type]
