"""Headers in which one element has another value and every rule is kept, by the description of the syntax."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from conformance.fuzz.bytes_mutator import ODD_NUMBERS
from conformance.fuzz.syntax_mutator import CannotChange, WithinReason
from refdec.codestream.syntax import ExpGolomb, Field, Scope, Segment, walk

Values = Mapping[str, Any]
"""Values by element name, with the path of the object that holds it."""
Bounds = Mapping[str, Callable[[Scope], Sequence[int]]]
"""What an element may be besides what the rules say, by name."""
TRIES = 24
LONGEST_SEARCH = 4096


def legal_header(
    segment: Segment,
    known: Values,
    parent: object,
    random: Random,
    changes: Sequence[str | None] = (),
    bounds: Bounds | None = None,
) -> Any:
    """A header object with known values; drawn where they are not known, to be changed, or not allowed here.

    :param parent: the picture header for the tool header, what knows the dialect for the picture header.
    :param changes: names of elements that get other values.
    :raises CannotChange: nothing is allowed, or there would be too many values.
    """
    scope = Scope(parent)
    walk(segment.elements, scope, _Legal(known, set(changes), random, bounds or {}))
    return segment.make(scope)


class _Legal(WithinReason):
    """A :class:`refdec.codestream.syntax.Visitor`."""

    def __init__(self, known: Values, changes: set[str | None], random: Random, bounds: Bounds) -> None:
        self.known, self.changes, self.random, self.bounds = known, changes, random, bounds

    def present(self, element: Field, scope: Scope) -> Any:
        """The known value, or another one."""
        name = scope.path + element.label
        if element.count is not None:
            return self._list(element, scope, name)
        value = self.known.get(name)
        if value is None or name in self.changes or not self._allowed(element, scope, value):
            return self._draw(element, scope, value)
        return value

    def _list(self, element: Field, scope: Scope, name: str) -> tuple[int, ...]:
        count = self.length(element, scope)
        values = list(self.known.get(name, ()))[:count]
        missing, kind = count - len(values), self.random.randrange(3)
        if missing and (kind or not values):
            drawn = [self._draw(element, scope, None, len(values)) for _ in range(min(missing, 16))]
            values += [drawn[self.random.randrange(len(drawn)) if kind == 1 else 0] for _ in range(missing)]
        else:
            values += values[-1:] * missing
        places = set()
        if name in self.changes and values:
            many = self.random.choice((1, 1, 3, len(values)))
            places = {self.random.randrange(len(values)) for _ in range(many)}
        for i, value in enumerate(values):
            if i in places or not self._allowed(element, scope, value, i):
                values[i] = self._draw(element, scope, value, i)
        return tuple(values)

    def _limits(self, element: Field, scope: Scope, position: int) -> list[Sequence[int]]:
        assert not isinstance(element.coding, ExpGolomb)
        limits: list[Sequence[int]] = [range(element.coding.maximum(scope) + 1)]
        limits += [
            rule.allowed(scope)
            for rule in element.rules
            if not rule.tolerated and rule.element in (None, position)
        ]
        if element.name in self.bounds:
            limits.append(self.bounds[element.name](scope))
        return limits

    def _allowed(self, element: Field, scope: Scope, value: int, position: int = 0) -> bool:
        return all(value in limit for limit in self._limits(element, scope, position))

    def _draw(self, element: Field, scope: Scope, before: int | None, position: int = 0) -> int:
        limits = self._limits(element, scope, position)
        narrow = min(limits, key=len)
        if not narrow:
            raise CannotChange
        for _ in range(TRIES):
            value = self._candidate(narrow, before)
            if value != before and all(value in limit for limit in limits):
                return value
        for value in (before, *narrow[:LONGEST_SEARCH]):
            if value is not None and all(value in limit for limit in limits):
                return value
        raise CannotChange

    def _candidate(self, narrow: Sequence[int], before: int | None) -> int:
        kind = self.random.randrange(4)
        if kind == 0 and before is not None:
            return before + self.random.choice((-16, -2, -1, 1, 2, 16))
        if kind == 1:
            return self.random.choice((narrow[0], narrow[-1]))
        if kind == 2:
            return self.random.choice(ODD_NUMBERS)
        return narrow[self.random.randrange(len(narrow))]
