"""Decisions that an encoder would never take, for streams that reach every branch of a decoder.

A :class:`Forced` goes with the coding tools (:class:`conformance.encoder.options.Tools`). The encoder stays
in its closed loop: it predicts from what is forced, and what it reports is still what decoders show. The one
exception, ``header_only``, is for streams that must be refused.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from conformance.encoder.forced_elements import (
    CUBE_FLAGS,
    SEGMENTS,
    ForceError,
    Values,
    force_header,
    plain,
    require_honest_size,
    require_names,
)
from conformance.encoder.payloads import with_cube_flags
from refdec.codestream import PictureHeader, RenderingInformation, ToolHeader
from refdec.codestream.container import join, split
from refdec.codestream.stream import RESIDUAL_MARKERS
from refdec.codestream.syntax import Scope, walk
from refdec.codestream.writer import SegmentWriter
from refdec.entropy.tables import coder_tables
from refdec.limits import DEFAULT_LIMITS

Int32 = npt.NDArray[np.int32]
Int8 = npt.NDArray[np.int8]
Headers = tuple[PictureHeader, ToolHeader, "RenderingInformation | None"]
SYMBOLS = ("zero", "bound", "escape", "long-escape", "largest")
"""Symbols by name, ``-`` in front for the negative ones: the last of the level's table, the first that is
escaped with 3 bits, the first with 16 bits, and the end of 16 bits."""
SHORT_ESCAPES = 4
"""Magnitudes beyond the table that a short escape can say."""
Z_LIMIT = 31


@dataclass(frozen=True)
class SymbolRule:
    """Symbols at some positions of a latent.

    :param component: 0 luma, 1 chroma.
    :param values: taken in turn: integers, or names of :data:`SYMBOLS`.
    :param every: positions ``first``, ``first + every`` ... in linear order (channel, row, column) of the
        whole component. :param at: one position ``(channel, row, column)`` instead.
    """

    component: int
    values: tuple[int | str, ...]
    every: int = 1
    first: int = 0
    at: tuple[int, int, int] | None = None

    def __post_init__(self) -> None:
        if self.component not in (0, 1) or not self.values or self.every < 1 or self.first < 0:
            raise ForceError(f"{self}: expected a component, at least one value, and every 1 or more")
        for value in self.values:
            if isinstance(value, str) and value.removeprefix("-") not in SYMBOLS:
                raise ForceError(f"symbol '{value}': expected an integer or {', '.join(SYMBOLS)}")

    def apply(
        self,
        symbols: Int32,
        where: npt.NDArray[np.bool_],
        at: tuple[slice, ...],
        size: tuple[int, int],
        levels: npt.NDArray[np.uint8] | None,
    ) -> int:
        """Set the symbols of a part of the component, in place.

        :param symbols: ``[C, rows, columns]``. :param where: positions that are coded.
        :param at: rows and columns of the part in the component, whose ``size`` is given.
        :param levels: of the part, for names that mean a symbol of the level's table.
        :returns: number of symbols set.
        """
        rows, columns = (np.arange(n)[s] for n, s in zip(size, at, strict=True))
        channel = np.arange(len(symbols))[:, None, None]
        index = (channel * size[0] + rows[:, None]) * size[1] + columns
        if self.at is not None:
            here = (channel == self.at[0]) & (rows[:, None] == self.at[1]) & (columns == self.at[2])
            chosen = np.broadcast_to(here, index.shape).copy()
            turn = np.zeros(index.shape, np.int64)
        else:
            chosen = (index >= self.first) & ((index - self.first) % self.every == 0)
            turn = (index - self.first) // self.every % len(self.values)
        chosen &= where
        for number, value in enumerate(self.values):
            positions = chosen & (turn == number)
            symbols[positions] = _symbol(value, None if levels is None else levels[positions])
        return int(np.count_nonzero(chosen))


def _symbol(value: int | str, levels: npt.NDArray[np.uint8] | None) -> Any:
    if isinstance(value, int):
        return value
    sign, name = (-1, value[1:]) if value.startswith("-") else (1, value)
    if name == "zero":
        return 0
    if name == "largest":
        return 32767 if sign > 0 else -32768
    if levels is None:
        raise ForceError(f"'{value}' means nothing for a hyper-latent: expected -{Z_LIMIT}..{Z_LIMIT}")
    bounds = coder_tables().bounds.astype(np.int64)[levels]
    return sign * (bounds + {"bound": -1, "escape": 0, "long-escape": SHORT_ESCAPES}[name])


@dataclass(frozen=True)
class Forced:
    """What is forced; empty by default.

    :param elements: syntax elements by name, see :mod:`conformance.encoder.forced_elements`.
    :param header_only: the same, written into the headers while everything is coded as if they were not: the
        stream is wrong on purpose, and what its encoder reports is not what a decoder shows.
    :param symbols: residuals' symbols; only coded positions take them. :param hyper_latent: the same for z.
    :param order: names of substreams to write first in this order, ``SORP.2`` for that of an independent
        region; the picture header stays in front. ``("reverse",)``: all others from the last to the first.
    :param leave_out: of ``TON``, ``RDI``, and substreams of independent regions.
    :param surplus: bytes behind the last element of ``PIH``, ``TON`` or ``RDI``, which readers ignore.
    :param padding: value of the padding bits at the end of headers.
    :param trailing: bytes behind the end of the codestream.
    """

    elements: Values = field(default_factory=dict)
    header_only: Values = field(default_factory=dict)
    symbols: tuple[SymbolRule, ...] = ()
    hyper_latent: tuple[SymbolRule, ...] = ()
    order: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    surplus: Mapping[str, bytes] = field(default_factory=dict)
    padding: int = 0
    trailing: bytes = b""

    def __post_init__(self) -> None:
        require_names(self.elements)
        require_names(self.header_only)
        require_honest_size(self.elements)
        for name in self.surplus:
            if name not in SEGMENTS:
                raise ForceError(f"surplus bytes in '{name}': expected {', '.join(SEGMENTS)}")
        for name in self.leave_out:
            if name not in ("TON", "RDI") and _region_of(name) is None:
                raise ForceError(f"'{name}' cannot be left out: expected TON, RDI, or SORP.0, SORS.1 ...")
        for rule in self.hyper_latent:
            for value in rule.values:
                if value != "zero" and (isinstance(value, str) or abs(value) > Z_LIMIT):
                    raise ForceError(f"hyper-latent {value}: expected -{Z_LIMIT}..{Z_LIMIT}")

    def __bool__(self) -> bool:
        return self != NOTHING

    def picture(self, header: PictureHeader, stage: str, used: set[str]) -> PictureHeader:
        """The picture header with its elements set.

        :param stage: ``base`` before anything is coded, ``gains.0`` and ``cubes.0`` when the encoder has
            decided these of luma, ``.1`` of chroma.
        :param used: gains the names that met an element.
        :raises ForceError: as :func:`conformance.encoder.forced_elements.force_header`.
        """
        values = {n: v for n, v in self._of("PIH").items() if stage in _stages(n)}
        whole = {n: v for n, v in values.items() if plain(n) == CUBE_FLAGS}
        header = force_header(SEGMENTS["PIH"], header, header, _without(values, whole), used=used)
        for name, value in whole.items():
            used.add(f"PIH.{name}")
            for c in (0, 1):
                if stage == f"cubes.{c}" and stage in _stages(name):
                    header = with_cube_flags(header, c, _cubes(header, c, value))
        return header

    def tools(self, header: ToolHeader, picture: PictureHeader, used: set[str]) -> ToolHeader:
        """The tool header with its elements set; errors as :meth:`picture`."""
        forced: ToolHeader = force_header(SEGMENTS["TON"], header, picture, self._of("TON"), used=used)
        return forced

    def rendering(self, header: RenderingInformation | None, used: set[str]) -> RenderingInformation | None:
        """The rendering information with its elements set; errors as :meth:`picture`."""
        forced: RenderingInformation | None = force_header(
            SEGMENTS["RDI"], header, None, self._of("RDI"), used=used
        )
        return forced

    def require_used(self, used: Collection[str], *, late: bool) -> None:
        """Every forced element has its place in the stream.

        :param late: ask for gain flags and cube flags, which come last; otherwise for all others.
        :raises ForceError: one has none.
        """
        for name in self.elements:
            decided = name.startswith("PIH.") and _stages(name.partition(".")[2]) != ("base",)
            if name not in used and decided == late:
                raise ForceError(f"{name} is not in this stream: what it belongs to is off or not so many")

    def left_out(self, picture: PictureHeader) -> tuple[frozenset[int], frozenset[int]]:
        """Regions without a substream, luma and chroma.

        :raises ForceError: there are no such regions, or they are not independent.
        """
        out: tuple[set[int], set[int]] = (set(), set())
        for name in self.leave_out:
            found = _region_of(name)
            if found is None:
                continue
            if not picture.independent_regions or found[1] >= picture.num_regions:
                raise ForceError(f"{name} cannot be left out: only an independent region may be missing")
            out[found[0]].add(found[1])
        return frozenset(out[0]), frozenset(out[1])

    def finish(self, data: bytes, picture: PictureHeader, told: Headers) -> bytes:
        """The codestream with its headers written as they shall be, and its substreams rearranged.

        :param picture: what everything was coded under. :param told: the headers to write.
        :raises ForceError: there is no such substream.
        """
        written = {"PIH": (told[0], told[0]), "TON": (told[1], told[0]), "RDI": (told[2], None)}
        parts = []
        for part in split(data, DEFAULT_LIMITS).substreams:
            name, payload = part.marker.name, part.payload
            if name in written:
                payload = self._header(name, *written[name])
            elif part.marker in RESIDUAL_MARKERS and picture.independent_regions:
                name = f"{name}.{payload[0]}"
            if name not in self.leave_out:
                parts.append((name, part.marker, payload))
        first, *rest = parts
        if self.order == ("reverse",):
            rest.reverse()
        else:
            place = {name: k for k, name in enumerate(self.order)}
            there = {part[0] for part in parts} | {part[1].name for part in parts}
            missing = [name for name in self.order if name not in there]
            if missing:
                raise ForceError(f"order: the stream has no substream {', '.join(missing)}")
            rest.sort(key=lambda part: place.get(part[0], place.get(part[1].name, len(place))))
        return join((marker, payload) for _, marker, payload in (first, *rest)) + self.trailing

    def _header(self, name: str, header: Any, parent: object) -> bytes:
        writer = SegmentWriter(name, strict=False)
        walk(SEGMENTS[name].elements, Scope(parent, source=header), writer)
        if self.padding:
            spare = -writer.bits.position % 8
            writer.bits.write((1 << spare) - 1, spare)
        return writer.bits.bytes() + self.surplus.get(name, b"")

    def mislabelled(
        self, picture: PictureHeader, tools: ToolHeader, rendering: RenderingInformation | None
    ) -> Headers:
        """The headers as written, with what is forced into them alone.

        :raises ForceError: a value that has no bits in its element.
        """
        values = {s: _part(self.header_only, s) for s in SEGMENTS}
        used: set[str] = set()

        def written(name: str, header: Any, parent: object) -> Any:
            return force_header(SEGMENTS[name], header, parent, values[name], used=used, lawful=False)

        told = written("PIH", picture, picture)
        tools, rendering = written("TON", tools, told), written("RDI", rendering, None)
        missing = [n for n in self.header_only if n not in used]
        if missing:
            raise ForceError(f"{missing[0]} is not in this stream")
        return told, tools, rendering

    def z(self, latents: Sequence[Int8]) -> tuple[Int8, Int8]:
        """Hyper-latents with theirs set, luma and chroma."""
        out = []
        for c, z_hat in enumerate(latents):
            values = z_hat.astype(np.int32)
            whole = (slice(None), slice(None))
            for rule in self.hyper_latent:
                if rule.component == c:
                    size = (z_hat.shape[1], z_hat.shape[2])
                    if not rule.apply(values, np.ones(values.shape, np.bool_), whole, size, None):
                        raise ForceError(f"{rule}: there is no such position in {list(z_hat.shape)}")
            out.append(values.astype(np.int8))
        return out[0], out[1]

    @cached_property
    def _segments(self) -> dict[str, Values]:
        return {name: _part(self.elements, name) for name in SEGMENTS}

    def _of(self, segment: str) -> Values:
        return self._segments[segment]


NOTHING = Forced()


def _part(values: Values, segment: str) -> Values:
    return {n.partition(".")[2]: v for n, v in values.items() if n.startswith(f"{segment}.")}


def _without(values: Values, others: Values) -> Values:
    return {name: value for name, value in values.items() if name not in others}


def _stages(name: str) -> tuple[str, ...]:
    """When a picture header's element is set."""
    bare = plain(name)
    components = [c for c in (0, 1) if name.startswith(("components[*]", f"components[{c}]"))]
    if bare.startswith("components.grfs"):
        return tuple(f"gains.{c}" for c in components)
    if bare.startswith(("components.use_cube_flags", "components.cube_groups", CUBE_FLAGS)):
        return tuple(f"cubes.{c}" for c in components)
    return ("base",)


def _cubes(header: PictureHeader, c: int, value: Any) -> npt.NDArray[np.uint8]:
    flags = header.components[c].cube_flags
    old = np.ones(header.components[c].cube_flag_shape, np.uint8) if flags is None else flags
    if value == "invert":
        return (1 - old).astype(np.uint8)
    if isinstance(value, str):
        return np.full_like(old, value == "ones")
    new = np.full(old.size, value) if isinstance(value, int) else np.asarray(value, np.int64)
    if new.size != old.size or not np.isin(new, (0, 1)).all():
        raise ForceError(f"components[{c}].cube_flags: expected {old.size} flags of 0 and 1")
    return new.reshape(old.shape).astype(np.uint8)


def _region_of(name: str) -> tuple[int, int] | None:
    marker, _, region = name.partition(".")
    names = [m.name for m in RESIDUAL_MARKERS]
    if marker not in names or not region.isdecimal():
        return None
    return names.index(marker), int(region)
