"""Whatever bytes come in: a picture, or an error that names a place in the stream, and both engines alike."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from typing import Any

import pytest

from conformance.verify.suite import Suite
from conformance.verify.synthetic_eicci import add_eicci
from refdec.codestream import parse
from refdec.codestream.geometry import synthesis_work
from refdec.decoder import decode
from refdec.errors import BitstreamError, CodestreamSyntaxError, ResourceLimitError
from refdec.limits import Limits
from refdec.models_io import ModelSet
from tests.decode.conftest import Changed
from tests.decode.test_decode import sums

LIMITS = Limits(max_input_bytes=1 << 20, max_pixels=300_000, max_memory_bytes=1 << 30)
MUTANTS = 25


def outcome(data: bytes, models: ModelSet, limits: Limits = LIMITS, **options: Any) -> Any:
    try:
        return sums(decode(data, models, limits=limits, **options))
    except BitstreamError as error:
        assert error.message and error.exit_code in (3, 4, 5)
        return type(error).__name__, error.element, error.bit_offset


@pytest.fixture(scope="module")
def models(models: ModelSet) -> ModelSet:
    """With the networks of eICCI: damaged headers turn every filter on."""
    return add_eicci(models, 7)


@pytest.mark.parametrize("name", ["plain-64x64", "rvs-grfs-lsbs", "regions-dependent", "everything"])
def test_damaged_bytes(suite: Suite, models: ModelSet, name: str) -> None:
    whole = suite.streams[f"{name}.jai"]
    header = parse(whole).z_payload().byte_offset
    kinds = set()
    for seed in range(MUTANTS):
        source = random.Random(f"{name} {seed}")
        data = bytearray(whole)
        # most of the damage goes to the headers, where it leads to other pictures
        reach = min(header, 60) if seed % 3 else len(data)
        for _ in range(source.choice((1, 1, 2, 5))):
            data[source.randrange(reach)] ^= 1 << source.randrange(8)
        start = time.perf_counter()
        found = outcome(bytes(data), models)
        assert time.perf_counter() - start < 30
        kinds.add(found[0] if isinstance(found, tuple) else "picture")
    assert len(kinds) > 1


@pytest.mark.parametrize("hyper", [0, 1, 2, 3])
@pytest.mark.parametrize("mcm", [0, 1, 4, 7, 15])
def test_every_overlap_of_regions(models: ModelSet, changed: Changed, hyper: int, mcm: int) -> None:
    """Also those that no encoder chooses, in which psi of a region does not fill its rectangle."""
    data = changed(
        "regions-dependent",
        hyper_decoder_overlap_in_latent_samples=hyper,
        mcm_overlap_in_latent_samples=mcm,
    )
    found = outcome(data, models)
    assert isinstance(found, list)
    if (hyper, mcm) in ((0, 15), (3, 1), (2, 7)):
        assert found == outcome(data, models, engine="golden")


@pytest.mark.parametrize("size", [16, 32, 112, 4080])
@pytest.mark.parametrize("overlap", [0, 16, 48])
@pytest.mark.parametrize("name", ["regions-dependent", "regions-independent", "odd-65x79"])
def test_every_tiling(models: ModelSet, changed: Changed, name: str, size: int, overlap: int) -> None:
    data = changed(name, tiling=(size, overlap))
    found = outcome(data, models, replace(LIMITS, max_pixels=3_000_000))
    if isinstance(found, tuple):
        assert found[0] in (CodestreamSyntaxError.__name__, "UnsupportedFeatureError")
        assert found[1].endswith(("synthesis_tile_overlap", "synthesis_tile_size"))


def test_tiles_within_the_limit_of_work(models: ModelSet, changed: Changed) -> None:
    """Twice the samples that a picture may have: with more, tiles are refused, not computed (CS-LIM-03)."""
    data = changed("regions-dependent", tiling=(64, 48))
    height, width = (parse(data).picture.height, parse(data).picture.width)
    work = synthesis_work(height, width, 64, 48, False)
    assert work > 2 * height * width
    decode(data, models, limits=Limits(max_pixels=work // 2 + 1))
    with pytest.raises(ResourceLimitError, match=f"found {work} samples"):
        decode(data, models, limits=Limits(max_pixels=work // 2 - 1))
