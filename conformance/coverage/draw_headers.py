"""Headers drawn from the one description of the syntax, so that a short series of them takes every branch.

A visitor of the same walk that reads and writes headers chooses the values. It prefers what the headers that
were drawn before have used least (:mod:`conformance.coverage.headers` names the branches).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from conformance.coverage.headers import branch_name, kind_of_value, listed_values
from conformance.verify.synthetic import Splitmix
from refdec.codestream import Dialect, PictureHeader, RenderingInformation, ToolHeader
from refdec.codestream.picture_syntax import PIH
from refdec.codestream.rendering_syntax import RDI
from refdec.codestream.syntax import B, Field, Group, Scope, Segment, U, walk
from refdec.codestream.tool_syntax import TON

Wishes = Mapping[str, Callable[[Scope], Sequence[int]]]
"""By statement id of an element: values that may be chosen, as far as they are legal."""


@dataclass
class Draws:
    """What a series of headers has used so far.

    :param random: breaks ties and chooses between the ends.
    :param wishes: restricts what is chosen.
    """

    random: Splitmix
    wishes: Wishes = field(default_factory=dict)
    used: Counter[str] = field(default_factory=Counter)

    def number(self, low: int, high: int) -> int:
        """An integer of ``low..high``."""
        return int(self.random.integers(low, high, (1,))[0])


def draw_picture_header(draws: Draws, dialect: Dialect = Dialect.T840) -> PictureHeader:
    """A legal picture header."""
    header: PictureHeader = _draw(PIH, SimpleNamespace(dialect=dialect), _Chooser(PIH.name, draws))
    return header


def draw_tool_header(draws: Draws, picture: PictureHeader) -> ToolHeader:
    """A legal tool header for a picture."""
    header: ToolHeader = _draw(TON, picture, _Chooser(TON.name, draws))
    return header


def draw_rendering(draws: Draws) -> RenderingInformation:
    """Legal rendering information."""
    header: RenderingInformation = _draw(RDI, None, _Chooser(RDI.name, draws))
    return header


def _draw(segment: Segment, parent: object, chooser: _Chooser) -> Any:
    scope = Scope(parent)
    walk(segment.elements, scope, chooser)
    return segment.make(scope)


class _Chooser:
    """Chooses legal values; a :class:`refdec.codestream.syntax.Visitor`."""

    def __init__(self, segment: str, draws: Draws) -> None:
        self.segment, self.draws = segment, draws

    def present(self, element: Field, scope: Scope) -> Any:
        """The least used of the values that are legal here."""
        if element.count is None:
            return self.choose(element, scope, legal(element, scope, None))
        count = element.count(scope)
        later = legal(element, scope, 1)
        first = legal(element, scope, 0)
        if count and first != later:
            # what is wished for is wished for the one that has a rule of its own
            return (
                self.choose(element, scope, first),
                *(self.choose(element, scope, later, wished=False) for _ in range(count - 1)),
            )
        return self.list_of(element, scope, later, count)

    def absent(self, element: Field, scope: Scope, value: Any) -> None:
        """Nothing to choose."""

    def group(self, element: Group, scope: Scope, count: int) -> Sequence[object]:
        """As many objects as the syntax says."""
        return range(count)

    def choose(self, element: Field, scope: Scope, values: Sequence[int], *, wished: bool = True) -> int:
        """One of the legal values, least used first."""
        wish = self.draws.wishes.get(element.id) if wished else None
        if wish is not None:
            wanted = [v for v in wish(scope) if v in values]
            values = wanted or values
        offers = self._offers(element, scope, values)
        names = {v: self._name(element, scope, v) for v in offers}
        least = min(self.draws.used[name] for name in names.values())
        best = [v for v in offers if self.draws.used[names[v]] == least]
        chosen = best[self.draws.number(0, len(best) - 1)]
        self.draws.used[names[chosen]] += 1
        return chosen

    def list_of(self, element: Field, scope: Scope, values: Sequence[int], count: int) -> tuple[int, ...]:
        """Many values: all offers in turn, from one that is drawn."""
        offers = self._offers(element, scope, values)
        if self.draws.number(0, 3) == 0:
            return (offers[self.draws.number(0, len(offers) - 1)],) * count
        start = self.draws.number(0, len(offers) - 1)
        step = 1 + self.draws.number(0, 2)
        return tuple(offers[(start + i * step // 2) % len(offers)] for i in range(count))

    def _offers(self, element: Field, scope: Scope, values: Sequence[int]) -> list[int]:
        # The length of a range of 2^32 values does not fit what len() may return on a 32-bit machine.
        count = values.stop - values.start if isinstance(values, range) else len(values)
        if listed_values(element) is not None or count <= 3:
            return list(values)
        low, high = values[0], values[-1]
        return [low, high, values[self.draws.number(1, count - 2)]]

    def _name(self, element: Field, scope: Scope, value: int) -> str:
        return f"{branch_name(self.segment, element.label, scope)}: {kind_of_value(element, scope, value)}"


def _maximum(element: Field, scope: Scope) -> int:
    coding = element.coding
    assert isinstance(coding, U | B)
    return min(coding.maximum(scope), (1 << 32) - 1)


def legal(element: Field, scope: Scope, position: int | None) -> Sequence[int]:
    """Legal values of an element, ascending; of a list's element at a position.

    :raises ValueError: there is none.
    """
    values: Sequence[int] = range(_maximum(element, scope) + 1)
    for rule in element.rules:
        if rule.element is not None and rule.element != position:
            continue
        allowed = rule.allowed(scope)
        if isinstance(values, range) and isinstance(allowed, range) and allowed.step == 1:
            values = range(max(values.start, allowed.start), min(values.stop, allowed.stop))
        else:
            values = [v for v in sorted(allowed) if v in values]
    if not values:
        raise ValueError(f"{element.label} has no legal value here")
    return values
