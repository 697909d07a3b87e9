"""Changes of codestreams after which they are still whole codestreams.

A change of a coded byte, or of a header element that shifts scales, ends in the check of the final state: the
networks behind it never see what it would have made. Here a stream is decoded as far as its symbols, header
elements and symbols get other values, and the payloads are coded again for the new header. What cannot be
decoded is mended: elements that are not allowed get values that are, symbols are drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from random import Random
from types import SimpleNamespace
from typing import Any

import numpy as np

from conformance.encoder.payloads import encode_quality_map, encode_z, region_payloads
from conformance.fuzz.latent_changes import change_map, change_symbols, change_z, fitted
from conformance.fuzz.legal_headers import Bounds, legal_header
from conformance.fuzz.syntax_mutator import (
    ANYTHING_WRONG,
    SEGMENTS,
    CannotChange,
    any_name,
    mutate_stream,
)
from conformance.fuzz.target import MutateBytes, Mutator
from conformance.generate import draw
from conformance.verify.synthetic import Splitmix
from refdec import entropy
from refdec.codestream import CHANNELS, Dialect, Marker, PictureHeader, assemble, parse
from refdec.codestream.container import split
from refdec.codestream.geometry import hyper_size, latent_size, synthesis_work
from refdec.codestream.picture_syntax import PIH
from refdec.codestream.profiles import TRANSFORM_NAMES
from refdec.codestream.reader import SegmentContent, read_segment
from refdec.codestream.syntax import Scope
from refdec.decoder import decode_payloads
from refdec.errors import RefdecError
from refdec.limits import DEFAULT_LIMITS, Limits
from refdec.models_io import EICCI_BANKS, MODEL_IDS, ModelSet
from refdec.scales import component_scales
from refdec.settings import Settings

ENGINE = "jit"
ATTEMPTS = 4
KEPT = 256
"""Decoded streams that are remembered: a fuzzer changes the same ones again and again."""


@dataclass
class Draft:
    """A stream as values: what is changed, and what is written.

    :param headers: values by element name, for every header that there is.
    :param sound: the picture header keeps the rules.
    :param z: hyper-latents of both components, ``None`` where they are to be drawn; ``symbols`` likewise.
    :param quality: quality map, or ``None``.
    :param left_out: independent regions without a substream, for each component.
    """

    dialect: Dialect
    headers: dict[Marker, dict[str, Any]]
    user_data: tuple[bytes, ...] = ()
    z: list[Any] | None = None
    symbols: list[Any] | None = None
    quality: Any = None
    sound: bool = False
    left_out: list[frozenset[int]] = field(default_factory=lambda: [frozenset(), frozenset()])


def valid_mutator(models: Callable[[], ModelSet], limits: Limits, max_bytes: int) -> Mutator:
    """Changes of streams for a target that decodes them: three in four keep the stream whole.

    :param models: what the target decodes with; ``limits`` and ``max_bytes``: what it accepts.
    """

    def mutate(data: bytes, random: Random, mutate_bytes: MutateBytes) -> bytes:
        if random.randrange(4):
            for _ in range(ATTEMPTS):
                try:
                    return mutate_valid(data, random, models, limits, max_bytes)
                except (CannotChange, *ANYTHING_WRONG):
                    continue
        return mutate_stream(data, random, mutate_bytes)

    return mutate


def mutate_valid(
    data: bytes, random: Random, models: Callable[[], ModelSet], limits: Limits, max_bytes: int
) -> bytes:
    """A whole codestream, made of another one.

    :raises CannotChange: it would be too large, in bytes or samples.
    :raises RefdecError, ValueError: scales or symbols leave what can be coded.
    """
    draft = _read(data, models, limits)
    kinds = random.choices(("picture", "tools", "all tools", "other", "symbols"), (8, 4, 1, 2, 6), k=1)
    if random.randrange(2):
        kinds.append("symbols")
    headers, dialect = dict(draft.headers), draft.dialect
    changes: dict[Marker, list[str | None]] = {marker: [] for marker in SEGMENTS}
    if "picture" in kinds:
        count = random.choice((1, 1, 2, 5))
        changes[Marker.PIH] = [any_name(headers[Marker.PIH], random) for _ in range(count)]
    if "tools" in kinds and headers.get(Marker.TON):
        changes[Marker.TON] = [any_name(headers[Marker.TON], random) for _ in range(random.choice((1, 1, 3)))]
    elif "tools" in kinds or "all tools" in kinds:
        headers[Marker.TON] = {}
    if "other" in kinds:
        if random.randrange(2):
            dialect = dialect.other
        else:
            changes[Marker.RDI] = [any_name(headers.setdefault(Marker.RDI, {}), random)]
    context = SimpleNamespace(dialect=dialect)
    bounds = _bounds(limits, models())
    picture = legal_header(PIH, headers[Marker.PIH], context, random, changes[Marker.PIH], bounds)
    _require_feasible(picture, limits)
    others = {
        marker: legal_header(SEGMENTS[marker], headers[marker], picture, random, changes[marker], bounds)
        for marker in (Marker.TON, Marker.RDI)
        if marker in headers
    }
    payloads = _payloads(draft, picture, models(), random, changed="symbols" in kinds)
    written = assemble(
        picture,
        **payloads,
        tools=others.get(Marker.TON),
        rendering=others.get(Marker.RDI),
        user_data=draft.user_data,
        strict=False,
    )
    if len(written) > max_bytes:
        raise CannotChange
    return written


def _bounds(limits: Limits, models: ModelSet) -> Bounds:
    """Pictures that the limits allow, and transforms, rate points and filters that there are models of."""

    def height(s: Scope) -> range:
        return range(max(1, limits.max_pixels // (int(s.img_width_minus64) + 64) - 63))

    points = tuple(m for m in MODEL_IDS if models.has(m, "entropy", 0))
    kinds = (name.lower() for name in TRANSFORM_NAMES)
    transforms = tuple(i for i, kind in enumerate(kinds) if all(models.has(m, kind, 0) for m in points))
    eicci = (0, 1) if models.has_eicci(EICCI_BANKS[0], 0) else (0,)
    return {
        "img_width_minus64": lambda s: range(max(1, limits.max_pixels // 64 - 63)),
        "img_height_minus64": height,
        "colour_transform_idx": lambda s: (0,) if s.s_ver_minus1 or s.s_hor_minus1 else (0, 1),
        "model_id": lambda s: points,
        "synthesis_transform_id": lambda s: transforms,
        "icci_enable_flag": lambda s: eicci,
    }


def _require_feasible(picture: PictureHeader, limits: Limits) -> None:
    """No more work than the limits allow (CS-LIM-03), which no rule of a single element says."""
    size, overlap = picture.components[0].tiling or (1, 1)
    work = synthesis_work(picture.height, picture.width, size, overlap, picture.independent_regions)
    if work > 2 * limits.max_pixels:
        raise CannotChange


@lru_cache(maxsize=KEPT)
def _read(data: bytes, models: Callable[[], ModelSet], limits: Limits) -> Draft:
    """A stream as values; shared by all calls, so nothing in it is ever changed."""
    draft = _headers(data, Dialect.T840) or _headers(data, Dialect.DIS)
    if draft is None:
        return Draft(Dialect.T840, {Marker.PIH: {}})
    if draft.sound:
        with suppress(RefdecError):
            stream = parse(data, draft.dialect, limits)
            coded = decode_payloads(stream, models(), Settings(engine=ENGINE), limits)
            draft.user_data = stream.user_data
            draft.z = [part.z_hat for part in coded.components]
            draft.symbols = [part.residual for part in coded.components]
            draft.quality = coded.quality_map
            payloads = [stream.residual_payloads(c) for c in (0, 1)]
            draft.left_out = [frozenset(i for i, p in enumerate(found) if p is None) for found in payloads]
    return draft


def _headers(data: bytes, dialect: Dialect) -> Draft | None:
    """What can be read of the headers; ``None`` where the picture header may be one of the other dialect."""
    with suppress(*ANYTHING_WRONG):
        found = {s.marker: s.payload for s in reversed(split(data, DEFAULT_LIMITS).substreams)}
        picture = read_segment(PIH, found[Marker.PIH], 0, SimpleNamespace(dialect=dialect))
        if picture.violations and dialect is Dialect.T840:
            return None
        draft = Draft(dialect, {Marker.PIH: _by_name(picture)}, sound=not picture.violations)
        for marker in (Marker.TON, Marker.RDI):
            if marker in found:
                draft.headers[marker] = {}
                with suppress(*ANYTHING_WRONG):
                    content = read_segment(SEGMENTS[marker], found[marker], 0, picture.header)
                    draft.headers[marker] = _by_name(content)
        return draft
    return None


def _by_name(content: SegmentContent) -> dict[str, Any]:
    return {record.name: record.value for record in content.records}


def _payloads(
    draft: Draft, picture: PictureHeader, models: ModelSet, random: Random, changed: bool
) -> dict[str, Any]:
    """The symbols of a draft, cut or repeated for this header, some of them changed, and coded."""
    engine = entropy.engine(ENGINE)
    known = (models.entropy(picture.model_id, 0), models.entropy(picture.model_id, 1))
    size = (picture.height, picture.width)
    what = random.choice(("z", "symbols", "symbols", "map")) if changed else ""
    quality = _quality(draft, picture, random, changed=what == "map")
    component = random.randrange(2)
    zs, residuals = [], []
    for c in (0, 1):
        shape = (CHANNELS[c], *hyper_size(*size))
        drawn = Splitmix(random.getrandbits(63))
        z = draw.model_z(drawn, known[c].z_cdf, shape) if draft.z is None else fitted(draft.z[c], shape)
        zs.append(change_z(z, known[c].z_cdf, random) if what == "z" and c == component else z)
        scales = component_scales(picture, c, known[c], zs[c], quality, engine)
        levels, mask = engine.levels(scales.log), scales.mask.copy()
        mask[picture.components[c].num_chs :] = False
        if draft.symbols is None:
            symbols = draw.model_symbols(drawn, levels, mask, 1)
        else:
            symbols = fitted(draft.symbols[c], (CHANNELS[c], *latent_size(*size)))
        if what == "symbols" and c == component:
            symbols = change_symbols(symbols, levels, mask, random)
        residuals.append(
            region_payloads(picture, c, scales, symbols, engine, _left_out(draft, picture, c, random))
        )
    return {
        "z": encode_z(known, zs, picture.num_threads_z, engine),
        "residuals": tuple(residuals),
        "quality": None if quality is None else encode_quality_map(picture, quality, engine, "floor"),
    }


def _quality(draft: Draft, picture: PictureHeader, random: Random, changed: bool) -> Any:
    if not picture.gain_3D_enable_flag:
        return None
    shape = latent_size(picture.height, picture.width)
    if draft.quality is None:
        return change_map(np.zeros(shape, np.int8), random)
    quality = fitted(draft.quality, shape)
    return change_map(quality, random) if changed else quality


def _left_out(draft: Draft, picture: PictureHeader, c: int, random: Random) -> frozenset[int]:
    """Regions without a substream, now and then another one."""
    if not picture.independent_regions:
        return frozenset()
    found = draft.left_out[c]
    return found ^ {random.randrange(picture.num_regions)} if random.randrange(4) == 0 else found
