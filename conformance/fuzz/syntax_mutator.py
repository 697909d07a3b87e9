"""Changes of codestreams that keep to their syntax, by one more interpreter of its description.

A segment is read, walked again with one element changed, and written: elements that the change makes appear
get drawn values, those that vanish are left out, everything behind them stays where the syntax puts it. Other
changes are of whole substreams, of their sizes, of the tables of threads and regions, and of coded bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from random import Random
from types import SimpleNamespace
from typing import Any

from conformance.fuzz.bytes_mutator import odd_number
from conformance.fuzz.target import MutateBytes
from refdec.codestream import Dialect, Marker, parse
from refdec.codestream.bits import BitWriter, se_to_ue
from refdec.codestream.container import SOC, join, split
from refdec.codestream.picture_syntax import PIH
from refdec.codestream.reader import SegmentContent, read_segment
from refdec.codestream.rendering_syntax import RDI
from refdec.codestream.syntax import B, ExpGolomb, Field, Group, Scope, Segment, walk, width_of
from refdec.codestream.tool_syntax import TON
from refdec.errors import RefdecError
from refdec.limits import DEFAULT_LIMITS

ANYTHING_WRONG = (
    RefdecError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    StopIteration,
)
Part = tuple[Marker, bytes]
SEGMENTS: dict[Marker, Segment] = {Marker.PIH: PIH, Marker.TON: TON, Marker.RDI: RDI}
CODED = (Marker.SOZ, Marker.SORP, Marker.SORS, Marker.SOQ)
MOST_VALUES = 20_000
"""Values of one list that a change may make appear."""
_INDEX = re.compile(r"\[\d+\](?=\.)")
LARGEST_CODE = (1 << 33) - 2


class CannotChange(Exception):
    """The data are too damaged for a change of this kind."""


def mutate_stream(data: bytes, random: Random, mutate_bytes: MutateBytes) -> bytes:
    """A changed codestream; bytes are changed blindly where they are none, and now and then anyway."""
    if random.randrange(8) == 0:
        return mutate_bytes(data, random)
    changes = [_element] * 8 + [_coded_bytes] * 3 + [_thread_table, _region_table] + [_substreams] * 3
    change: Callable[..., bytes] = random.choice([*changes, _claimed_size])
    try:
        parts = [(s.marker, s.payload) for s in split(data, DEFAULT_LIMITS).substreams]
        return change(parts, random, mutate_bytes)
    except (CannotChange, *ANYTHING_WRONG):
        return mutate_bytes(data, random)


def mutate_container(data: bytes, random: Random, mutate_bytes: MutateBytes) -> bytes:
    """Changes of markers, sizes and substreams alone."""
    if random.randrange(2) == 0:
        return mutate_bytes(data, random)
    try:
        parts = [(s.marker, s.payload) for s in split(data, DEFAULT_LIMITS).substreams]
        return random.choice((_substreams, _claimed_size))(parts, random, mutate_bytes)
    except ANYTHING_WRONG:
        return mutate_bytes(data, random)


def _dialect(parts: Sequence[Part]) -> Dialect:
    return _picture(parts)[0]


def _picture(parts: Sequence[Part]) -> tuple[Dialect, SegmentContent]:
    """The picture header in the dialect in which it breaks no rule, the published one first.

    :raises RefdecError: it cannot be read in the published dialect, nor rightly in the other.
    """
    payload = next(payload for marker, payload in parts if marker is Marker.PIH)
    for dialect in (Dialect.T840, Dialect.DIS):
        with suppress(RefdecError):
            content = read_segment(PIH, payload, 0, SimpleNamespace(dialect=dialect))
            if not content.violations:
                return dialect, content
    return Dialect.T840, read_segment(PIH, payload, 0, SimpleNamespace(dialect=Dialect.T840))


def _element(parts: list[Part], random: Random, _mutate: MutateBytes) -> bytes:
    """One syntax element of a header; the tool header follows a changed picture header half the time."""
    dialect, content = _picture(parts)
    context, picture = SimpleNamespace(dialect=dialect), content.header
    chosen = random.choice([i for i, (marker, _) in enumerate(parts) if marker in SEGMENTS])
    marker, payload = parts[chosen]
    tools = [i for i, (other, _) in enumerate(parts) if other is Marker.TON]
    if marker is not Marker.PIH:
        known = _values(read_segment(SEGMENTS[marker], payload, 0, picture))
        changed = any_name(known, random)
        parts[chosen] = (marker, _rewritten(SEGMENTS[marker], known, picture, random, changed))
        return join(parts)
    known = _values(content)
    parts[chosen] = (marker, _rewritten(PIH, known, context, random, any_name(known, random)))
    if tools and random.randrange(2):
        after = read_segment(PIH, parts[chosen][1], 0, context).header
        known = _values(read_segment(TON, parts[tools[0]][1], 0, picture))
        parts[tools[0]] = (Marker.TON, _rewritten(TON, known, after, random, None))
    return join(parts)


def any_name(known: Mapping[str, Any], random: Random) -> str | None:
    """Name of an element; each has the same chance, however often it is there."""
    kinds: dict[str, list[str]] = {}
    for name in known:
        kinds.setdefault(_INDEX.sub("", name), []).append(name)
    return random.choice(kinds[random.choice(list(kinds))]) if kinds else None


def _values(content: SegmentContent) -> dict[str, Any]:
    return {record.name: record.value for record in content.records}


def _rewritten(
    segment: Segment, known: dict[str, Any], parent: object, random: Random, change: str | None
) -> bytes:
    visitor = _Rewriter(known, change, random)
    walk(segment.elements, Scope(parent), visitor)
    return visitor.writer.bytes()


class WithinReason:
    """What two visitors share that change headers: groups and lists of :data:`MOST_VALUES` at the most."""

    def absent(self, element: Field, scope: Scope, value: Any) -> None:
        """An element that is not there asks for nothing."""

    def group(self, element: Group, scope: Scope, count: int) -> Sequence[object]:
        """As many objects as the values before say."""
        return range(_reasonable(count))

    def length(self, element: Field, scope: Scope) -> int:
        """Values of a list."""
        assert element.count is not None
        return _reasonable(element.count(scope))


def _reasonable(count: int) -> int:
    if not 0 <= count <= MOST_VALUES:
        raise CannotChange
    return count


class _Rewriter(WithinReason):
    """Writes a segment with known values; a :class:`refdec.codestream.syntax.Visitor`.

    :param known: value by element name.
    :param change: name of the element that gets another value.
    """

    def __init__(self, known: dict[str, Any], change: str | None, random: Random) -> None:
        self.known, self.change, self.random = known, change, random
        self.writer = BitWriter()

    def present(self, element: Field, scope: Scope) -> Any:
        """Write the element's value: known, changed or drawn."""
        name = scope.path + element.label
        if element.count is not None:
            return self._list(element, scope, name)
        value = self.known.get(name)
        if value is None or name == self.change:
            value = self._draw(element, scope, value)
        return self._write(element, scope, value)

    def _list(self, element: Field, scope: Scope, name: str) -> tuple[int, ...]:
        count = self.length(element, scope)
        before = list(self.known.get(name, ()))[:count]
        fill = before[-1] if before else 0
        values = before + [fill] * (count - len(before))
        if name == self.change and values:
            for _ in range(self.random.choice((1, 1, 3))):
                place = self.random.randrange(len(values))
                values[place] = self._draw(element, scope, values[place])
        return tuple(self._write(element, scope, value) for value in values)

    def _draw(self, element: Field, scope: Scope, before: int | None) -> int:
        if isinstance(element.coding, ExpGolomb):
            low, high = (-1 << 20, 1 << 20) if element.coding.signed else (0, 1 << 20)
        else:
            low, high = 0, (1 << width_of(element.coding, scope)) - 1
        allowed = [value for rule in element.rules for value in _ends(rule.allowed(scope))]
        if isinstance(element.coding, B):
            allowed.append(element.coding.maximum(scope) + 1)
        near = [] if before is None else [before - 1, before + 1, before ^ 1]
        choices = [v for v in (*allowed, *near) if low <= v <= high]
        if choices and self.random.randrange(2):
            return self.random.choice(choices)
        return odd_number(self.random, low, high)

    def _write(self, element: Field, scope: Scope, value: int) -> int:
        coding = element.coding
        if isinstance(coding, ExpGolomb):
            self.writer.write_ue(min(se_to_ue(value) if coding.signed else value, LARGEST_CODE))
            return value
        width = width_of(coding, scope)
        value &= (1 << width) - 1
        self.writer.write(value, width)
        return value


def _ends(allowed: Sequence[int]) -> list[int]:
    if len(allowed) == 0:
        return []
    return [allowed[0], allowed[-1], allowed[0] - 1, allowed[-1] + 1]


def _coded_bytes(parts: list[Part], random: Random, mutate_bytes: MutateBytes) -> bytes:
    """Bytes of a payload; its size follows."""
    chosen = random.choice([i for i, (marker, _) in enumerate(parts) if marker in CODED])
    marker, payload = parts[chosen]
    parts[chosen] = (marker, mutate_bytes(payload, random))
    return join(parts)


def _thread_table(parts: list[Part], random: Random, _mutate: MutateBytes) -> bytes:
    """Sizes of threads: the table is written anew, the bytes behind it stay."""
    stream = parse(join(parts), _dialect(parts), check_conformance=False)
    payload, threads = random.choice(stream.threaded())
    if len(threads.sizes) < 2:
        raise CannotChange
    deltas = list(threads.deltas)
    place = random.randrange(len(deltas))
    amount = odd_number(random, 0, 1 << 20) * random.choice((1, -1))
    deltas[place] = amount if random.randrange(2) else deltas[place] + random.choice((1, -1, 2, -2))
    if random.randrange(3) == 0:
        deltas[(place + 1) % len(deltas)] -= deltas[place] - threads.deltas[place]
    writer = BitWriter()
    for delta in deltas:
        writer.write_se(max(-(1 << 31), min(1 << 31, delta)))
    return _with_payload(parts, payload.data, writer.bytes() + threads.data)


def _region_table(parts: list[Part], random: Random, _mutate: MutateBytes) -> bytes:
    """Sizes of dependent regions, or the index of an independent one."""
    stream = parse(join(parts), _dialect(parts), check_conformance=False)
    if stream.picture.num_regions < 2:
        raise CannotChange
    marker = random.choice((Marker.SORP, Marker.SORS))
    substream = random.choice(stream.substreams_of(marker))
    if stream.picture.independent_regions:
        index = odd_number(random, 0, 255)
        return _with_payload(parts, substream.payload, bytes([index]) + substream.payload[1:])
    payloads = [p for p in stream.residual_payloads(marker is Marker.SORS) if p is not None]
    sizes = [len(p.data) for p in payloads]
    place = random.randrange(len(sizes))
    sizes[place] = odd_number(random, 0, 1 << 20) if random.randrange(2) else sizes[place] ^ 1
    writer = BitWriter()
    for size in sizes[:-1]:
        writer.write_ue(size)
    return _with_payload(parts, substream.payload, writer.bytes() + b"".join(p.data for p in payloads))


def _with_payload(parts: list[Part], before: bytes, after: bytes) -> bytes:
    """The stream with a payload, or the part of one behind an index, replaced."""
    for i, (marker, payload) in enumerate(parts):
        if marker in CODED and payload.endswith(before):
            parts[i] = (marker, payload[: len(payload) - len(before)] + after)
            return join(parts)
    raise CannotChange


def _substreams(parts: list[Part], random: Random, mutate_bytes: MutateBytes) -> bytes:
    """A substream left out, repeated, moved, renamed, added, emptied, or with another one's payload."""
    i, j = random.randrange(len(parts)), random.randrange(len(parts))
    kind = random.randrange(7)
    if kind == 0:
        del parts[i]
    elif kind == 1:
        parts.insert(j, parts[i])
    elif kind == 2:
        parts[i], parts[j] = parts[j], parts[i]
    elif kind == 3:
        parts[i] = (random.choice(list(Marker)), parts[i][1])
    elif kind == 4:
        payload = mutate_bytes(b"\x00" * random.choice((0, 1, 7, 40)), random)
        parts.insert(j, (random.choice(list(Marker)), payload))
    elif kind == 5:
        parts[i] = (parts[i][0], b"")
    else:
        parts[i] = (parts[i][0], parts[j][1])
    return join(parts)


def _claimed_size(parts: list[Part], random: Random, _mutate: MutateBytes) -> bytes:
    """A substream that says another size than it has."""
    chosen = random.randrange(len(parts))
    out = [SOC.to_bytes(2, "big")]
    for i, (marker, payload) in enumerate(parts):
        size = len(payload)
        if i == chosen:
            size = random.choice((size + 1, max(0, size - 1), odd_number(random, 0, LARGEST_CODE)))
        writer = BitWriter()
        writer.write_ue(size)
        out += [int(marker).to_bytes(2, "big"), writer.bytes(), payload]
    return b"".join([*out, join([])[2:]])
