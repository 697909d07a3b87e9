"""The branches of the headers, derived from the one description of the syntax.

A *branch* is an element that is there or not, a value of an element (each of up to 16 legal ones; otherwise
the smallest, the largest, and anything between them), the number of objects in a group, and a rule or bound
that a stream breaks. Names follow the syntax: ``PIH.components[0].num_chs: largest``; in groups of varying
length the index is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from conformance.coverage.statements import ID, described, rules
from refdec.codestream import Codestream, Dialect, Marker
from refdec.codestream.picture_syntax import PIH
from refdec.codestream.rendering_syntax import RDI
from refdec.codestream.syntax import B, Elements, ExpGolomb, Field, Group, Scope, Segment, U, walk
from refdec.codestream.tool_syntax import TON
from refdec.errors import BitstreamError

SEGMENTS = (PIH, TON, RDI)
LISTED = 16
"""An element with at most so many legal values has a branch for each of them."""
BY_LEVEL = {"CS-PIH-18": (0, 1, 2, 3)}
"""Legal values that follow from the level, so that no rule names them without one."""
FORCED = {"CS-TON-R08", "CS-TON-R11", "CS-TON-R12"}
"""Rules that leave a single value, which follows from others."""
INDEXED = re.compile(r"(\w+)\[\d+\]\.")
Named = dict[str, str]
"""Branch by name, and the id of its statement."""


@cache
def branches() -> Named:
    """Every branch that there is, with the id of the element or rule."""
    found: Named = {}
    for segment in SEGMENTS:
        for name, identifier in _of(segment.elements, f"{segment.name}.", Scope()):
            found.setdefault(name, identifier)
    for name, rule in rules().items():
        found[f"rule {name}: {'warned about' if rule.tolerated else 'broken'}"] = name
    for segment in SEGMENTS:
        for field in segment.by_id.values():
            if isinstance(field.coding, B) and _can_exceed(field.coding):
                found[f"bound of {segment.name} {field.label} ({field.id}): exceeded"] = field.id
    found.update({f"substream {marker.name}": "CS-CON-03" for marker in Marker})
    found.update({f"dialect {dialect.value}": "CS-DIA-01" for dialect in Dialect})
    found.update({f"thread_size_delta: {sign}": "CS-THR-01" for sign in ("negative", "zero", "positive")})
    found.update({f"region_size: {size}": "CS-REG-01" for size in ("zero", "positive")})
    found.update({f"region_index: {place}": "CS-REG-02" for place in ("first", "between", "last")})
    return found


def branches_of(stream: Codestream) -> set[str]:
    """Branches that a parsed stream takes."""
    found = {f"dialect {stream.dialect.value}"} | {f"substream {s.marker.name}" for s in stream.substreams}
    parents: list[tuple[Segment, object, object]] = [(PIH, stream.picture, stream.picture)]
    if stream.substreams_of(Marker.TON):
        parents.append((TON, stream.tools, stream.picture))
    if stream.rendering is not None:
        parents.append((RDI, stream.rendering, stream.picture))
    for segment, header, parent in parents:
        visitor = _Branches(segment.name)
        walk(segment.elements, Scope(parent, source=header), visitor)
        found |= visitor.found
    for warning in stream.warnings:
        found |= {f"rule {name}: warned about" for name in re.findall(ID, warning)}
    return found | set(_tables(stream))


def branches_of_error(error: BitstreamError) -> set[str]:
    """The rule or bound that an error says is broken."""
    named = set(re.findall(ID, error.expected or ""))
    broken = {f"rule {name}: broken" for name in named & set(rules())}
    exceeded = {
        name for name, i in branches().items() if i in named and i in described() and name.startswith("bound")
    }
    return broken | exceeded


def statements_of(stream: Codestream) -> set[str]:
    """Ids of the elements that are there."""
    return {record.id for record in stream.fields}


def _tables(stream: Codestream) -> Iterator[str]:
    last = stream.picture.num_regions - 1
    for record in stream.fields:
        value = record.value
        if isinstance(value, tuple):
            continue
        if record.id == "CS-THR-01":
            sign = "zero" if value == 0 else "negative" if value < 0 else "positive"
            yield f"thread_size_delta: {sign}"
        elif record.id == "CS-REG-01":
            yield f"region_size: {'positive' if value else 'zero'}"
        elif record.id == "CS-REG-02":
            yield f"region_index: {'first' if value == 0 else 'last' if value == last else 'between'}"


def _of(elements: Elements, path: str, scope: Scope) -> Iterator[tuple[str, str]]:
    for element in elements:
        if isinstance(element, Field):
            name = path + element.label
            if element.when is not None:
                yield from ((f"{name}: {state}", element.id) for state in ("present", "absent"))
            yield from ((f"{name}: {value}", element.id) for value in _values(element))
            continue
        first = next(f.id for f in _fields(element))
        name = path + element.name
        if element.when is not None:
            yield from ((f"{name}: {state}", first) for state in ("present", "absent"))
        times = _constant_times(element)
        if times is None and element.times is not None:
            yield from ((f"{name}: {count}", first) for count in ("one", "several"))
        for suffix in [""] if element.times is None else ["[]"] if times is None else range(times):
            inner = f"[{suffix}]" if isinstance(suffix, int) else suffix
            yield from _of(element.body, f"{name}{inner}.", scope)


def _fields(group: Group) -> Iterator[Field]:
    for element in group.body:
        if isinstance(element, Field):
            yield element
        else:
            yield from _fields(element)


def _constant_times(group: Group) -> int | None:
    if group.times is None:
        return None
    try:
        return group.times(Scope())
    except AttributeError:
        return None


@cache
def listed_values(element: Field) -> tuple[int, ...] | None:
    """All legal values, where they are few and do not depend on other elements."""
    if element.id in BY_LEVEL:
        return BY_LEVEL[element.id]
    coding = element.coding
    if isinstance(coding, ExpGolomb):
        return None
    try:
        values = set(range(min(coding.maximum(Scope()), 1 << 16) + 1))
    except AttributeError:
        return None
    for rule in element.rules:
        if rule.element is None and not rule.tolerated:
            try:
                values &= set(rule.allowed(Scope()))
            except (AttributeError, TypeError):
                continue
    return tuple(sorted(values)) if len(values) <= LISTED else None


def _values(element: Field) -> list[str]:
    if any(rule.id in FORCED for rule in element.rules):
        return ["as it must be"]
    legal = listed_values(element)
    if legal is not None:
        return [str(value) for value in legal]
    return ["smallest", "between", "largest"]


def _can_exceed(coding: B) -> bool:
    if not isinstance(coding.bound, int):
        return True
    return coding.bound & (coding.bound + 1) != 0


class _Branches:
    """Walks a header that was read; a :class:`refdec.codestream.syntax.Visitor`."""

    def __init__(self, segment: str) -> None:
        self.segment = segment
        self.found: set[str] = set()

    def present(self, element: Field, scope: Scope) -> Any:
        """Note the element and its values."""
        value = getattr(scope.source, element.name)
        if element.part is not None:
            value = value[element.part]
        name = branch_name(self.segment, element.label, scope)
        if element.when is not None:
            self.found.add(f"{name}: present")
        for item in dict.fromkeys(value) if isinstance(value, tuple) else (value,):
            self.found.add(f"{name}: {kind_of_value(element, scope, item)}")
        return value

    def absent(self, element: Field, scope: Scope, value: Any) -> None:
        """Note that the element is not there."""
        self.found.add(f"{branch_name(self.segment, element.label, scope)}: absent")

    def group(self, element: Group, scope: Scope, count: int) -> Sequence[object]:
        """Note how many objects there are."""
        name = branch_name(self.segment, element.name, scope)
        value = getattr(scope.source, element.name)
        if element.when is not None:
            self.found.add(f"{name}: {'present' if count else 'absent'}")
        if element.times is None:
            return () if value is None else (value,)
        if _constant_times(element) is None and count:
            self.found.add(f"{name}: {'one' if count == 1 else 'several'}")
        return tuple(value)


def branch_name(segment: str, label: str, scope: Scope) -> str:
    """Name of an element, as branches have it."""

    def index(match: re.Match[str]) -> str:
        return match[0] if match[1] in _fixed_groups() else f"{match[1]}[]."

    return f"{segment}.{INDEXED.sub(index, scope.path)}{label}"


def kind_of_value(element: Field, scope: Scope, value: int) -> str:
    """Which branch a value takes."""
    if any(rule.id in FORCED for rule in element.rules):
        return "as it must be"
    if listed_values(element) is not None:
        return str(value)
    coding = element.coding
    assert isinstance(coding, U | B)
    low, high = 0, coding.maximum(scope)
    for rule in element.rules:
        if rule.element is None:
            least, most = _ends(rule.allowed(scope))
            low, high = max(low, least), min(high, most)
    return "smallest" if value <= low else "largest" if value >= high else "between"


def _ends(allowed: Sequence[int]) -> tuple[int, int]:
    if isinstance(allowed, range) and allowed.step == 1:
        return allowed.start, allowed.stop - 1
    return min(allowed), max(allowed)


@cache
def _fixed_groups() -> frozenset[str]:
    """Names of the groups that always hold the same number of objects."""

    def names(elements: Elements) -> Iterator[str]:
        for element in elements:
            if isinstance(element, Group):
                if _constant_times(element) is not None:
                    yield element.name
                yield from names(element.body)

    return frozenset(name for segment in SEGMENTS for name in names(segment.elements))
