"""Targets of the decoder as a whole, with small integer models of every operating point and filter."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import islice
from random import Random
from typing import Any

import numpy as np

from conformance.fuzz import seeds
from conformance.fuzz.target import Disagreement, Finding, MutateBytes, Target, answered
from conformance.fuzz.valid_mutator import valid_mutator
from refdec.codestream import Dialect, parse
from refdec.decoder import decode, decode_entropy
from refdec.entropy import ENGINES
from refdec.entropy_stage import ROUNDINGS
from refdec.errors import BitstreamError
from refdec.limits import Limits
from refdec.models_io import ModelSet
from refdec.operating_point import OperatingPointError

LIMITS = Limits(max_input_bytes=1 << 20, max_pixels=24_000, max_memory_bytes=512 << 20)
"""Small pictures, so that many are decoded; larger ones are refused before anything is allocated."""
MAX_BYTES, SEED_BYTES = 8192, 4096
OPTION_BYTES = 2
OPERATING_POINTS = (None, None, None, None, None, "sop", "bop", "hop")
CHANNELS_KEPT = (None, None, 0, 1, 7, 96, 159)
MODULES = ("refdec",)


def _dialect(data: bytes) -> Dialect:
    """The dialect in which the headers parse, the published one first: both are to be decoded."""
    for dialect in (Dialect.T840, Dialect.DIS):
        try:
            parse(data, dialect, LIMITS)
        except BitstreamError:
            continue
        return dialect
    return Dialect.T840


def entropy_stage(data: bytes) -> str:
    """Headers and all payloads, golden and jit: the same tensors, or the same error at the same place."""
    dialect = _dialect(data)
    found = []
    for engine in ENGINES:
        try:
            coded = decode_entropy(data, seeds.models(), engine=engine, limits=LIMITS, dialect=dialect)
            tensors = [coded.quality_map]
            for part in coded.components:
                tensors += [part.z_hat, part.log_sigma, part.residual, part.residual_dequantised]
            found.append((tensors, "ok"))
        except BitstreamError as error:
            found.append(([], f"{type(error).__name__} {error.element} {error.bit_offset}"))
    return _same(found)


def whole_jit(data: bytes) -> str:
    """Codestream to picture in the fast engine."""

    def read() -> None:
        picture = decode(data, seeds.models(), limits=LIMITS, dialect=_dialect(data))
        if max(int(plane.max()) for plane in picture.planes) >> picture.bit_depth:
            raise Finding("a sample above the bit depth")

    return answered(read, BitstreamError)


def whole(data: bytes) -> str:
    """Codestream to picture, golden and jit: the same samples, or the same error at the same place."""
    return decoded_alike(data, seeds.models())


def with_options(data: bytes) -> str:
    """The same with what the caller of the decoder chooses, which the first two bytes say."""
    if len(data) < OPTION_BYTES:
        return "empty"
    first, second = data[:OPTION_BYTES]
    options = {
        "threads": 1 + first % 3,
        "channels": CHANNELS_KEPT[(first >> 2) % len(CHANNELS_KEPT)],
        "quality_rounding": ROUNDINGS[first >> 5 & 1],
        "ignore_post_filters": bool(first & 64),
        "eicci_first_tile": bool(first & 128),
        "operating_point": OPERATING_POINTS[second % len(OPERATING_POINTS)],
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return decoded_alike(data[OPTION_BYTES:], seeds.models(), **options)


def decoded_alike(data: bytes, models: ModelSet, **options: Any) -> str:
    """What both engines answer: ``ok``, or the class of the error.

    :param options: of :func:`refdec.decoder.decode`.
    :raises Disagreement: they differ.
    """
    dialect = _dialect(data)
    found = []
    for engine in reversed(ENGINES):
        try:
            picture = decode(data, models, engine=engine, limits=LIMITS, dialect=dialect, **options)
            found.append((list(picture.planes), f"ok {picture.bit_depth} {picture.subsampling}"))
        except BitstreamError as error:
            found.append(([], f"{type(error).__name__} {error.element} {error.bit_offset}"))
        except OperatingPointError as error:
            found.append(([], f"OperatingPointError {error}"))
    return _same(found)


def _same(found: list[tuple[list[Any], str]]) -> str:
    (first, one), (second, two) = found
    if one != two:
        raise Disagreement(f"the engines differ: {one}, {two}")
    for a, b in zip(first, second, strict=True):
        if not (a is b or (a is not None and b is not None and a.dtype == b.dtype and np.array_equal(a, b))):
            raise Disagreement("the engines decode other values")
    return one.split()[0]


def _streams() -> Iterator[bytes]:
    yield from seeds.base_streams(SEED_BYTES)
    yield from seeds.suite_streams(SEED_BYTES)
    yield from seeds.bundled_streams(1300)


def _few_streams() -> Iterator[bytes]:
    """Every fourth, and short ones: a decode by both engines takes its time."""
    yield from seeds.base_streams(2500)
    yield from islice(seeds.suite_streams(2500), 0, None, 4)


def _optional_streams() -> Iterator[bytes]:
    """Short streams behind options of all kinds."""
    for number, data in enumerate(seeds.base_streams(2500)):
        for first in (0, 9 * number, 32 + 23 * number, 64 + 7 * number, 128 + 7 * number):
            yield bytes([first % 256, number % 8]) + data


def mutate_optional(data: bytes, random: Random, mutate_bytes: MutateBytes) -> bytes:
    """Another option, or another stream."""
    options = data[:OPTION_BYTES].ljust(OPTION_BYTES, b"\x00")
    if random.randrange(4) == 0:
        options = random.randbytes(OPTION_BYTES)
    return options + MUTATOR(data[OPTION_BYTES:], random, mutate_bytes)


MUTATOR = valid_mutator(seeds.models, LIMITS, MAX_BYTES)
TARGETS = (
    Target(
        "entropy-stage", "Headers and payloads of whole streams, golden and jit.", entropy_stage, _streams,
        MUTATOR, MAX_BYTES, seconds=10, share=6, modules=MODULES,
    ),
    Target(
        "whole-jit", "Codestream to picture, fast engine, every filter.", whole_jit, _streams, MUTATOR,
        MAX_BYTES, seconds=10, share=8, modules=MODULES,
    ),
    Target(
        "whole", "Codestream to picture, golden and jit: same picture or same error.", whole, _few_streams,
        MUTATOR, MAX_BYTES, seconds=20, share=10, modules=MODULES,
    ),
    Target(
        "options", "The same with the decoder's options: channels kept, rounding, operating point, threads.",
        with_options, _optional_streams, mutate_optional, MAX_BYTES + OPTION_BYTES, seconds=20, share=4,
        modules=MODULES,
    ),
)  # fmt: skip
