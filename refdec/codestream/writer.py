"""From header objects to bits: the writing side of :mod:`refdec.codestream.syntax`.

A writer refuses rather than truncates: values out of range, values that the syntax has no place for,
lists of another length than the header implies (CS-WRT-01).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from refdec.codestream.bits import BitWriter
from refdec.codestream.syntax import (
    ExpGolomb,
    Field,
    Group,
    HeaderValueError,
    Scope,
    Segment,
    spell,
    walk,
    width_of,
)


class SegmentWriter:
    """Writes one segment; a :class:`refdec.codestream.syntax.Visitor`.

    :param strict: apply the rules of conformance too, not only those of the field widths.
    """

    def __init__(self, segment: str, strict: bool) -> None:
        self.bits = BitWriter()
        self.segment = segment
        self.strict = strict

    def present(self, element: Field, scope: Scope) -> Any:
        """Take the value from the header object, check it, append it."""
        value = self._source(element, scope)
        where = f"{self.segment}.{scope.path}{element.label}"
        coding = element.coding
        if element.count is None:
            values: Sequence[int] = (value,)
        else:
            values = value
            if len(values) != element.count(scope):
                raise HeaderValueError(f"{where} has {len(values)} values, expected {element.count(scope)}")
        for rule in element.rules:
            if not (self.strict or rule.structural):
                continue
            allowed = rule.allowed(scope)
            subject = values if rule.element is None else (values[rule.element],)
            for item in subject:
                if item not in allowed:
                    raise HeaderValueError(
                        f"{where} is {item}, expected {rule.expected(scope)}: {spell(allowed)} ({rule.id})"
                    )
        if isinstance(coding, ExpGolomb):
            for item in values:
                (self.bits.write_se if coding.signed else self.bits.write_ue)(item)
            return value
        maximum, width = coding.maximum(scope), width_of(coding, scope)
        for item in values:
            if not 0 <= item <= maximum:
                raise HeaderValueError(f"{where} is {item}, expected 0..{maximum} ({element.id})")
            self.bits.write(item, width)
        return value

    def absent(self, element: Field, scope: Scope, value: Any) -> None:
        """Refuse a value that the stream cannot carry."""
        found = self._source(element, scope)
        if found != value:
            raise HeaderValueError(
                f"{self.segment}.{scope.path}{element.label} is {found}, but the element is not coded here "
                f"({element.when.words if element.when else ''} does not hold) and counts as {value}"
            )

    def group(self, element: Group, scope: Scope, count: int) -> Sequence[object]:
        """The objects that follow."""
        value = getattr(scope.source, element.name)
        objects: Sequence[object] = value if element.times is not None else () if value is None else (value,)
        if len(objects) != count:
            raise HeaderValueError(
                f"{self.segment}.{scope.path}{element.name} holds {len(objects)} objects, expected {count}"
            )
        return objects

    @staticmethod
    def _source(element: Field, scope: Scope) -> Any:
        value = getattr(scope.source, element.name)
        if element.part is None:
            return value
        return value[element.part]


def write_segment(segment: Segment, header: object, parent: object, *, strict: bool = True) -> bytes:
    """Payload of a plain-bit marker segment.

    :param strict: refuse whatever a conforming stream may not hold; ``False`` only for streams that are
        wrong on purpose, or that are passed on as they came.
    :raises HeaderValueError: the header cannot be written.
    """
    visitor = SegmentWriter(segment.name, strict)
    scope = Scope(parent, source=header)
    walk(segment.elements, scope, visitor)
    return visitor.bits.bytes()
