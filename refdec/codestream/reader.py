"""From bits to header objects: the reading side of :mod:`refdec.codestream.syntax`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from refdec.codestream.bits import BitReader, ue_to_se
from refdec.codestream.syntax import (
    B,
    ExpGolomb,
    Field,
    Group,
    Rule,
    Scope,
    Segment,
    spell,
    walk,
    width_of,
)
from refdec.errors import BitstreamError, CodestreamSyntaxError

Watcher = Callable[[Scope, int], None]
"""Called with the scope and the bit offset of an element that was just read."""


class FieldRecord(NamedTuple):
    """One syntax element as found.

    :param segment: ``PIH``, ``TON``, ``RDI``, ``SORP region 2`` ...
    :param name: name with the path of its object, e.g. ``components[1].num_chs``.
    :param id: statement id of the element's description.
    :param bit_offset: first bit, counted from the start of the codestream.
    :param width: bits of one value.
    :param value: the raw value; a tuple for a list, whose values follow each other.
    """

    segment: str
    name: str
    id: str
    bit_offset: int
    width: int
    value: int | tuple[int, ...]

    @property
    def bits(self) -> int:
        """Bits of the whole element."""
        return self.width * len(self.value) if isinstance(self.value, tuple) else self.width


class SegmentReader:
    """Reads one segment; a :class:`refdec.codestream.syntax.Visitor`.

    Broken rules that do not keep the fields from being read are collected in ``violations``, so that the
    field parser stays usable without them.
    """

    def __init__(self, reader: BitReader, segment: str) -> None:
        self.reader = reader
        self.segment = segment
        self.records: list[FieldRecord] = []
        self.violations: list[BitstreamError] = []
        self.warnings: list[str] = []
        self.after: dict[str, Watcher] = {}

    def present(self, element: Field, scope: Scope) -> Any:
        """Read the element, note it, and apply its rules."""
        name = scope.path + element.label
        where = f"{self.segment}.{name}"
        offset = self.reader.offset
        coding = element.coding
        value: Any
        if isinstance(coding, ExpGolomb):
            value = self.reader.read_ue(where)
            width = self.reader.offset - offset
            if coding.signed:
                value = ue_to_se(value)
        else:
            width = width_of(coding, scope)
            if element.count is None:
                value = self.reader.read(width, where)
            else:
                value = self.reader.read_many(element.count(scope), width, where)
        self.records.append(FieldRecord(self.segment, name, element.id, offset, width, value))
        if isinstance(coding, B):
            self._bound(element, coding.maximum(scope), value, where, offset, width)
        for rule in element.rules:
            self._apply(rule, scope, value, where, offset, width)
        return value

    def absent(self, element: Field, scope: Scope, value: Any) -> None:
        """Nothing to read."""

    def group(self, element: Group, scope: Scope, count: int) -> Sequence[object]:
        """Check that ``count`` objects can be there before any is made (CS-LIM-02)."""
        if element.times is not None:
            self.reader.require(count * element.least_bits, f"{self.segment}.{scope.path}{element.name}")
        return range(count)

    def _bound(
        self, element: Field, maximum: int, value: int | tuple[int, ...], where: str, offset: int, width: int
    ) -> None:
        worst, position = _first_outside(value, range(maximum + 1))
        if worst is not None:
            raise CodestreamSyntaxError(
                "the value is above the element's bound",
                bit_offset=offset + position * width,
                element=where,
                expected=f"0..{maximum} ({element.id})",
                found=str(worst),
            )

    def _apply(
        self,
        rule: Rule,
        scope: Scope,
        value: int | tuple[int, ...],
        where: str,
        offset: int,
        width: int,
    ) -> None:
        allowed = rule.allowed(scope)
        if isinstance(value, int):
            if value in allowed:
                return
            worst, position = value, 0
        elif rule.element is not None:
            worst, position = value[rule.element], rule.element
            if worst in allowed:
                return
            where = f"{where}[{rule.element}]"
        else:
            found, position = _first_outside(value, allowed)
            if found is None:
                return
            worst = found
            where = f"{where}[{position}]"
        if rule.tolerated:
            self.warnings.append(
                f"{where} is {worst}, expected {rule.expected(scope)} ({spell(allowed)}; {rule.id})"
            )
            return
        error = rule.error(
            "the value is not allowed here",
            bit_offset=offset + position * width,
            element=where,
            expected=f"{rule.expected(scope)}: {spell(allowed)} ({rule.id})",
            found=str(worst),
        )
        if rule.structural:
            raise error
        self.violations.append(error)


class SegmentContent(NamedTuple):
    """A segment that was read: the header object, its fields, and what is wrong with it."""

    header: Any
    records: list[FieldRecord]
    violations: list[BitstreamError]
    warnings: list[str]


def read_segment(
    segment: Segment,
    payload: bytes,
    bit_offset: int,
    parent: object,
    after: dict[str, Watcher] | None = None,
) -> SegmentContent:
    """Read a plain-bit marker segment.

    :param bit_offset: of the payload, from the start of the codestream.
    :param parent: what conditions may look up besides the segment's own fields.
    :param after: called once the named element is known (for limits).
    :raises TruncatedStreamError: the payload ends inside an element.
    :raises CodestreamSyntaxError: a bounded value or a rule without which the rest cannot be read.
    """
    reader = BitReader(payload, bit_offset)
    visitor = SegmentReader(reader, segment.name) if not after else _Watching(reader, segment.name, after)
    scope = Scope(parent)
    walk(segment.elements, scope, visitor)
    if reader.align():
        visitor.warnings.append(f"{segment.name}: the padding bits after the last element are not zero")
    if reader.remaining:
        visitor.warnings.append(
            f"{segment.name}: {reader.remaining // 8} bytes after the last element are ignored"
        )
    return SegmentContent(segment.make(scope), visitor.records, visitor.violations, visitor.warnings)


class _Watching(SegmentReader):
    """A reader that calls somebody as soon as certain elements are known."""

    def __init__(self, reader: BitReader, segment: str, after: dict[str, Watcher]) -> None:
        super().__init__(reader, segment)
        self.after = after

    def present(self, element: Field, scope: Scope) -> Any:
        value = super().present(element, scope)
        callback = self.after.get(element.name)
        if callback is not None:
            scope.values[element.name] = value
            callback(scope, self.records[-1].bit_offset)
        return value


def _first_outside(value: int | tuple[int, ...], allowed: Sequence[int]) -> tuple[int | None, int]:
    """First value that is not allowed, and its position; ``None`` where all are."""
    if isinstance(value, int):
        return (None, 0) if value in allowed else (value, 0)
    contiguous = isinstance(allowed, range) and allowed.step == 1 and len(value) > 0
    if contiguous and min(value) in allowed and max(value) in allowed:
        return None, 0
    for position, item in enumerate(value):
        if item not in allowed:
            return item, position
    return None, 0
