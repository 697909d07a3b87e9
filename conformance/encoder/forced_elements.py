"""Syntax elements set to values that no encoder would choose, in any header, by the elements' description.

An element is named as ``refdec info`` names it, with its segment: ``PIH.level_idc``,
``PIH.components[1].num_chs``, ``TON.efe_linear.filter_sets[0].minSymbol``; ``[*]`` stands for any position.
A list takes a list, or one of ``invert``, ``ones`` and ``zeros``; a position behind its name sets one item.

What follows from a forced value is present or absent as the syntax says: elements that are there for the
first time take the values that count where they are absent, or the first one that is allowed.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from refdec.codestream.picture_syntax import PIH
from refdec.codestream.rendering_syntax import RDI
from refdec.codestream.syntax import (
    ExpGolomb,
    Field,
    Group,
    Scope,
    Segment,
    spell,
    walk,
)
from refdec.codestream.tool_syntax import TON
from refdec.errors import RefdecError

Word = Literal["invert", "ones", "zeros"]
Value = int | Sequence[int] | Word
Values = Mapping[str, Value]
WORDS = ("invert", "ones", "zeros")
MOST_VALUES = 1 << 20
"""Values that a list may have; no element of a picture within the limits has so many."""
SEGMENTS: dict[str, Segment] = {segment.name: segment for segment in (PIH, TON, RDI)}
CUBE_FLAGS = "components.cube_flags"
"""Not an element of the syntax: all cube flags of a component at once, coded in canonical form."""


class ForceError(RefdecError, ValueError):
    """A decision that cannot be forced: no such element, no such value, or no place for it."""

    exit_code = 2
    code = "force"


def plain(name: str) -> str:
    """A name without its positions."""
    return re.sub(r"\[[^\]]*\]", "", name)


def element_names(segment: Segment) -> Iterator[str]:
    """Names of all elements of a segment, without positions."""

    def names(elements: Sequence[Field | Group], path: str) -> Iterator[str]:
        for element in elements:
            if isinstance(element, Group):
                yield from names(element.body, f"{path}{element.name}.")
            else:
                yield path + plain(element.label)

    yield from dict.fromkeys(names(segment.elements, ""))
    if segment is PIH:
        yield CUBE_FLAGS


def require_names(values: Values) -> None:
    """Refuse names that no segment has, and values of another kind.

    :raises ForceError: the message names the elements that are spelled alike.
    """
    for name, value in values.items():
        segment, _, rest = name.partition(".")
        if segment not in SEGMENTS or not rest:
            raise ForceError(f"'{name}': expected SEGMENT.ELEMENT with a segment of {', '.join(SEGMENTS)}")
        known = list(element_names(SEGMENTS[segment]))
        if plain(rest) not in known:
            near = difflib.get_close_matches(plain(rest), known, 3) or [
                other for other in known if other.rpartition(".")[2] == plain(rest).rpartition(".")[2]
            ]
            hint = f"; is it {' or '.join(f'{segment}.{other}' for other in near)}?" if near else ""
            raise ForceError(f"{segment} has no element '{rest}'{hint}")
        numbers = value if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
        for number in numbers:
            if number not in WORDS and (isinstance(number, bool) or not isinstance(number, int)):
                raise ForceError(f"{name}: {number!r} is no integer, list of them, or {', '.join(WORDS)}")


def force_header(
    segment: Segment, header: Any, parent: object, values: Values, *, used: set[str], lawful: bool = True
) -> Any:
    """A header with some of its elements set.

    :param parent: what the segment's conditions look up: the picture header, for PIH its own object.
    :param values: by name without the segment.
    :param used: gains the names that met an element, with their segment.
    :param lawful: apply the rules of conformance, but for those that decoders only warn about; without, any
        value that has bits.
    :raises ForceError: a value that the element cannot have, or a rule that is broken.
    """
    if not values:
        return header
    before = _Collector()
    if header is not None:
        walk(segment.elements, Scope(parent, source=header), before)
    visitor = _Forcing(segment.name, before.values, values, used, lawful)
    scope = Scope(parent)
    walk(segment.elements, scope, visitor)
    return segment.make(scope)


class _Collector:
    """Values of all elements that are present, by name; a :class:`refdec.codestream.syntax.Visitor`."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def present(self, element: Field, scope: Scope) -> Any:
        value = getattr(scope.source, element.name)
        value = value if element.part is None else value[element.part]
        self.values[scope.path + element.label] = value
        return value

    def absent(self, element: Field, scope: Scope, value: Any) -> None:
        pass

    def group(self, element: Group, scope: Scope, count: int) -> Sequence[object]:
        value = getattr(scope.source, element.name)
        objects = value if element.times is not None else () if value is None else (value,)
        return list(objects)[:count]


@dataclass
class _Forcing:
    """A visitor that takes forced values, else those of the header before, else the first that is allowed."""

    segment: str
    before: Mapping[str, Any]
    values: Values
    used: set[str]
    lawful: bool
    patterns: list[tuple[str, re.Pattern[str]]] = field(init=False)

    def __post_init__(self) -> None:
        self.patterns = [(name, _pattern(name)) for name in self.values]

    def present(self, element: Field, scope: Scope) -> Any:
        name = scope.path + element.label
        where = f"{self.segment}.{name}"
        coding = element.coding
        assert not isinstance(coding, ExpGolomb)  # headers have none
        top = coding.maximum(scope)
        if element.count is None:
            value = self._single(element, scope, name, top)
            items: Sequence[int] = (value,)
        else:
            items = value = self._list(element, scope, name, top)
        for item in items:
            if not 0 <= item <= top:
                raise ForceError(f"{where} is {item}, expected 0..{top} ({element.id})")
        for rule in element.rules:
            if not (self.lawful or rule.structural) or rule.tolerated:
                continue
            allowed = rule.allowed(scope)
            for item in items if rule.element is None else (items[rule.element],):
                if item not in allowed:
                    raise ForceError(
                        f"{where} is {item}, expected {rule.expected(scope)}: {spell(allowed)} ({rule.id})"
                    )
        return value

    def absent(self, element: Field, scope: Scope, value: Any) -> None:
        pass

    def group(self, element: Group, scope: Scope, count: int) -> Sequence[object]:
        return range(count)

    def _single(self, element: Field, scope: Scope, name: str, top: int) -> int:
        for key, pattern in self.patterns:
            if pattern.fullmatch(name):
                self.used.add(f"{self.segment}.{key}")
                value = self.values[key]
                if isinstance(value, str):
                    old = int(self.before.get(name, 0))
                    return {"invert": top - old, "ones": 1, "zeros": 0}[value]
                if not isinstance(value, int):
                    raise ForceError(f"{self.segment}.{name} is one value, found {list(value)}")
                return value
        found = self.before.get(name)
        return self._default(element, scope, top) if found is None else int(found)

    def _list(self, element: Field, scope: Scope, name: str, top: int) -> tuple[int, ...]:
        assert element.count is not None
        count = element.count(scope)
        items = list(self.before.get(name, ()))[:count]
        if len(items) < count:
            absent = tuple(element.absent_value(scope))
            rest = absent[len(items) : count] if len(absent) == count else ()
            items += rest or [self._default(element, scope, top)] * (count - len(items))
        for key, pattern in self.patterns:
            if pattern.fullmatch(name):
                self.used.add(f"{self.segment}.{key}")
                items = self._filled(self.values[key], items, f"{self.segment}.{name}", top)
            elif plain(key) == plain(name):
                for position in range(count):
                    if pattern.fullmatch(f"{name}[{position}]"):
                        self.used.add(f"{self.segment}.{key}")
                        value = self.values[key]
                        items[position] = (
                            value
                            if isinstance(value, int)
                            else self._filled(value, [items[position]], f"{self.segment}.{name}", top)[0]
                        )
        return tuple(items)

    @staticmethod
    def _filled(value: Value, items: list[int], where: str, top: int) -> list[int]:
        if value == "invert":
            return [top - item for item in items]
        if isinstance(value, str):
            return [int(value == "ones")] * len(items)
        if isinstance(value, int):
            return [value] * len(items)
        if len(value) != len(items):
            raise ForceError(f"{where} has {len(items)} values here, found {len(value)}")
        return list(value)

    def _default(self, element: Field, scope: Scope, top: int) -> int:
        legal: Sequence[int] = range(top + 1)
        for rule in element.rules:
            allowed = range(0) if rule.element is not None else rule.allowed(scope)
            if isinstance(allowed, range) and isinstance(legal, range) and len(allowed):
                legal = range(max(legal.start, allowed.start), min(legal.stop, allowed.stop))
            elif len(allowed):
                legal = [value for value in allowed if value in legal]
        return legal[0] if len(legal) else 0


def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(re.escape(name).replace(r"\[\*\]", r"\[\d+\]"))


def parse_value(text: str) -> Value:
    """``3``, ``0x1f``, ``1,0,1``, ``1*160``, ``0*8,1*4``, ``invert``, ``ones`` or ``zeros``.

    :raises ForceError: it is something else, or a list of more than :data:`MOST_VALUES`.
    """
    if text in WORDS:
        return text  # type: ignore[return-value]
    items: list[int] = []
    for word in text.split(","):
        value, star, count = word.partition("*")
        try:
            number, times = int(value, 0), int(count, 0) if star else 1
        except ValueError:
            raise ForceError(f"'{text}': expected an integer, a list such as 1,0,1*8, or invert") from None
        if len(items) + times > MOST_VALUES:
            raise ForceError(f"'{text[:40]}': more than {MOST_VALUES} values")
        items += [number] * times
    return items[0] if len(items) == 1 and "*" not in text else items


HEADER_SIZE = ("img_width_minus64", "img_height_minus64")


def require_honest_size(values: Values) -> None:
    """The coded size is the picture's, not a decision.

    :raises ForceError: it is forced.
    """
    for name in values:
        if plain(name).removeprefix("PIH.") in HEADER_SIZE:
            raise ForceError(
                f"{name} is the picture's size: give the encoder another picture or --coded-size"
            )
