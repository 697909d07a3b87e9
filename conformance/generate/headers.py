"""Headers by their description: drawn within its rules, or written with one value that breaks them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.verify.synthetic import Splitmix
from refdec.codestream.syntax import (
    ExpGolomb,
    Field,
    Group,
    Rule,
    Scope,
    Segment,
    walk,
    width_of,
)
from refdec.codestream.writer import SegmentWriter
from refdec.errors import BitstreamError, CodestreamSyntaxError

Chosen = Mapping[str, Any]
"""By statement id of an element: its value, the values of a list, a range to draw from, or one of these by
number of the object that holds the element."""


def draw_header(segment: Segment, random: Splitmix, parent: object, chosen: Chosen) -> Any:
    """A header object that follows all rules.

    :param parent: the picture header, for the tool header.
    :param chosen: what is not drawn from all that the rules allow; must be allowed as well.
    """
    scope = Scope(parent)
    walk(segment.elements, scope, _Draw(random, chosen))
    return segment.make(scope)


class _Draw:
    """A :class:`refdec.codestream.syntax.Visitor`."""

    def __init__(self, random: Splitmix, chosen: Chosen) -> None:
        self.random, self.chosen = random, chosen

    def present(self, element: Field, scope: Scope) -> Any:
        """A value that is allowed."""
        assert not isinstance(element.coding, ExpGolomb)
        top = element.coding.maximum(scope)
        if element.count is None:
            return self._one(element, scope, top)
        listed = self.chosen.get(element.id)
        if isinstance(listed, tuple):
            return listed
        return tuple(self._one(element, scope, top) for _ in range(element.count(scope)))

    def absent(self, element: Field, scope: Scope, value: Any) -> None:
        """Nothing to draw."""

    def group(self, element: Group, scope: Scope, count: int) -> Sequence[object]:
        """As many objects as the header implies."""
        return range(count)

    def _one(self, element: Field, scope: Scope, top: int) -> int:
        wanted = self.chosen.get(element.id, range(top + 1))
        if isinstance(wanted, Mapping):
            wanted = wanted[scope.index]
        if isinstance(wanted, int):
            return int(wanted)
        limits = [rule.allowed(scope) for rule in element.rules]
        fits = [v for v in wanted if all(v in allowed for allowed in limits)] if limits else wanted
        return int(fits[int(self.random.integers(0, len(fits) - 1, (1,))[0])])


@dataclass(frozen=True)
class Breach:
    """One way to break a rule with a value that its field can hold.

    :param name: of the element, with the path of its object.
    :param position: in a list; ``None`` for a single value.
    :param statement: id of the rule, or of the element whose bound is broken.
    :param final: nothing behind the value can be read.
    """

    segment: str
    name: str
    position: int | None
    value: int
    statement: str
    error: type[BitstreamError]
    element: str
    final: bool


def breaches(segment: Segment, header: object, parent: object) -> list[Breach]:
    """Every rule and every bound of the elements that a header has, broken once each.

    Rules at which a reader only warns are left out.
    """
    survey = _Survey(segment.name)
    walk(segment.elements, Scope(parent, source=header), survey)
    return survey.found


class _Survey(SegmentWriter):
    def __init__(self, segment: str) -> None:
        super().__init__(segment, strict=True)
        self.found: list[Breach] = []

    def present(self, element: Field, scope: Scope) -> Any:
        value = super().present(element, scope)
        if not isinstance(element.coding, ExpGolomb) and (element.count is None or value):
            name = scope.path + element.label
            where = f"{self.segment}.{name}"
            top, width = element.coding.maximum(scope), width_of(element.coding, scope)
            # Of a list the last value: a reader has to look at each.
            position = None if element.count is None else len(value) - 1
            if top < (1 << width) - 1:
                self._add(name, position, top + 1, element.id, CodestreamSyntaxError, where, True)
            for rule in element.rules:
                if not rule.tolerated:
                    at = element.rules.index(rule)
                    before, behind = (
                        [r.allowed(scope) for r in rules if not r.tolerated]
                        for rules in (element.rules[:at], element.rules[at + 1 :])
                    )
                    self._break(rule, before, behind, rule.allowed(scope), top, name, position)
        return value

    def _break(
        self,
        rule: Rule,
        before: Sequence[Sequence[int]],
        behind: Sequence[Sequence[int]],
        allowed: Sequence[int],
        top: int,
        name: str,
        position: int | None,
    ) -> None:
        outside = [v for v in _candidates(allowed, top) if v not in allowed]
        # It is this rule that must be the first to be broken, and the only one where that is possible.
        outside = [v for v in outside if all(v in limit for limit in before)]
        if not outside:
            return
        value = next((v for v in outside if all(v in limit for limit in behind)), outside[0])
        where = f"{self.segment}.{name}"
        if position is not None:
            position = position if rule.element is None else rule.element
            where = f"{where}[{position}]"
        self._add(name, position, value, rule.id, rule.error, where, rule.structural)

    def _add(
        self,
        name: str,
        position: int | None,
        value: int,
        statement: str,
        error: type[BitstreamError],
        where: str,
        final: bool,
    ) -> None:
        self.found.append(Breach(self.segment, name, position, value, statement, error, where, final))


def _candidates(allowed: Sequence[int], top: int) -> Iterator[int]:
    """The nearest value above, the nearest below, the largest, and then any."""
    if len(allowed):
        yield from (v for v in (max(allowed) + 1, min(allowed) - 1) if 0 <= v <= top)
    yield from (top, 0)
    yield from range(min(top, 4096) + 1)


def write_wrong(segment: Segment, header: object, parent: object, breach: Breach) -> tuple[bytes, int]:
    """The payload of a segment with one value replaced, and the bit at which it stands in the payload.

    What follows is written as a reader will expect it after that value.
    """
    writer = _Wrong(breach)
    try:
        walk(segment.elements, Scope(parent, source=header), writer)
    except _Final:
        # As many bits as a list that follows needs at the least, so that it is the value that is found.
        writer.bits.write(0, 256)
    if writer.offset is None:
        raise ValueError(f"there is no {breach.name}")
    return writer.bits.bytes(), writer.offset


class _Final(Exception):
    """Ends the walk: what would follow has no meaning."""


class _Wrong(SegmentWriter):
    def __init__(self, breach: Breach) -> None:
        super().__init__(breach.segment, strict=False)
        self.breach = breach
        self.offset: int | None = None

    def present(self, element: Field, scope: Scope) -> Any:
        value = self._value(element, scope)
        if scope.path + element.label == self.breach.name and self.offset is None:
            self.offset = self.bits.position
            if self.breach.position is None:
                value = self.breach.value
            else:
                assert not isinstance(element.coding, ExpGolomb)
                self.offset += self.breach.position * width_of(element.coding, scope)
                at = self.breach.position
                value = (*value[:at], self.breach.value, *value[at + 1 :])
        assert not isinstance(element.coding, ExpGolomb)
        width = width_of(element.coding, scope)
        for item in value if isinstance(value, tuple) else (value,):
            self.bits.write(item & ((1 << width) - 1), width)
        if self.breach.final and self.offset is not None:
            raise _Final
        return value

    def _value(self, element: Field, scope: Scope) -> Any:
        """The header's value, made to fit what the syntax expects here."""
        source = element.absent_value(scope) if scope.source is None else self._source(element, scope)
        if element.count is None:
            return source
        count = element.count(scope)
        return (*source[:count], *[0] * (count - len(source)))

    def absent(self, element: Field, scope: Scope, value: Any) -> None:
        """Nothing to write."""

    def group(self, element: Group, scope: Scope, count: int) -> Sequence[object]:
        """As many objects as a reader expects."""
        value = getattr(scope.source, element.name, None)
        objects = list(value) if element.times is not None and value is not None else [value]
        return [*objects[:count], *[objects[-1] if objects else None] * (count - len(objects))]
