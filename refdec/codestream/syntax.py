"""The language in which syntax is described, and the one walk over a description.

A segment is a tuple of :class:`Field` and :class:`Group`. What a description means is said once, in
:func:`walk`; the reader, the writer and the test generators differ only in where values come from and
go to. Conditions, counts and rules see the values that precede them in stream order through a
:class:`Scope`, under their syntax names.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from refdec.codestream.bits import bounded_width
from refdec.errors import BitstreamError, CodestreamSyntaxError, RefdecError


class Dialect(enum.Enum):
    """Which state of the syntax a stream follows; never guessed (CS-DIA-01)."""

    T840 = "t840"
    DIS = "dis"

    @property
    def other(self) -> Dialect:
        """The dialect that this is not."""
        return Dialect.DIS if self is Dialect.T840 else Dialect.T840


class HeaderValueError(RefdecError, ValueError):
    """A header that cannot be written: a value out of range, or set where the syntax has no place for it."""

    code = "header-value"
    exit_code = 2


class Scope:
    """Values read so far in one header object; names not found here are looked up in ``parent``.

    :param parent: the enclosing scope, or a finished header object, or ``None``.
    :param index: position of this object in its group.
    :param path: prefix of the names of fields in this object, e.g. ``components[1].``.
    :param source: the header object whose values are being written; ``None`` when reading.
    """

    __slots__ = ("index", "parent", "path", "source", "values")

    def __init__(self, parent: object = None, index: int = 0, path: str = "", source: object = None) -> None:
        self.values: dict[str, Any] = {}
        self.parent = parent
        self.index = index
        self.path = path
        self.source = source

    def __getattr__(self, name: str) -> Any:
        try:
            return self.values[name]
        except KeyError:
            return getattr(self.parent, name)


@dataclass(frozen=True, slots=True)
class U:
    """Unsigned integer of a fixed number of bits."""

    bits: int

    def maximum(self, scope: Scope) -> int:
        """Largest value that may be written."""
        return (1 << self.bits) - 1

    def __str__(self) -> str:
        return f"u({self.bits})"


@dataclass(frozen=True, slots=True)
class B:
    """Bounded integer: as many bits as the bound needs; values above the bound are errors."""

    bound: int | Callable[[Scope], int]
    words: str = ""

    def maximum(self, scope: Scope) -> int:
        """Largest value that may be written."""
        return self.bound if isinstance(self.bound, int) else self.bound(scope)

    def __str__(self) -> str:
        return f"b({self.words or self.bound})"


@dataclass(frozen=True, slots=True)
class ExpGolomb:
    """Exponential-Golomb code, unsigned or signed."""

    signed: bool

    def __str__(self) -> str:
        return "se" if self.signed else "ue"


UE = ExpGolomb(signed=False)
SE = ExpGolomb(signed=True)
Coding: TypeAlias = U | B | ExpGolomb


@dataclass(frozen=True, slots=True)
class When:
    """Presence condition: for people and for the walk."""

    words: str
    test: Callable[[Scope], bool]


@dataclass(frozen=True, slots=True)
class Derived:
    """A value that follows from the raw one, for the inspector."""

    name: str
    value: Callable[[int], int | str]


@dataclass(frozen=True, slots=True)
class Rule:
    """Which values of a field are allowed, given everything before it.

    :param id: statement id, see docs/codestream.md.
    :param allowed: the values, as a ``range`` or a tuple.
    :param expected: what a person should have written, in words.
    :param error: class raised for other values.
    :param structural: without it the rest of the segment cannot be read; enforced even when only fields
        are parsed.
    :param tolerated: a reader only warns; a writer refuses.
    :param element: for lists, the one element that the rule is about; ``None`` for all.
    """

    id: str
    allowed: Callable[[Scope], Sequence[int]]
    expected: Callable[[Scope], str]
    error: type[BitstreamError] = CodestreamSyntaxError
    structural: bool = False
    tolerated: bool = False
    element: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One syntax element.

    :param id: statement id, see docs/codestream.md.
    :param name: standard name; attribute of the header object.
    :param title: the standard's name where ``name`` must differ from it.
    :param part: the element belongs to this position of a tuple whose parts are coded apart.
    :param count: number of values for a list, ``None`` for a single one.
    :param default: value where the element is absent.
    """

    id: str
    name: str
    coding: Coding
    meaning: str
    title: str = ""
    part: int | None = None
    count: Callable[[Scope], int] | None = None
    count_words: str = ""
    when: When | None = None
    default: Callable[[Scope], Any] | None = None
    derived: Derived | None = None
    rules: tuple[Rule, ...] = ()

    @property
    def label(self) -> str:
        """Name with its part, e.g. ``fL[1]``."""
        title = self.title or self.name
        return title if self.part is None else f"{title}[{self.part}]"

    def absent_value(self, scope: Scope) -> Any:
        """Value of the element where it is absent."""
        if self.default is not None:
            return self.default(scope)
        return 0 if self.count is None else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A header object inside another, or a list of them.

    :param make: constructs the object from the scope of its fields.
    :param times: number of objects of a list; ``None`` for a single object, ``None`` itself when absent.
    :param least_bits: bits that each object takes at the least, checked before any is made.
    """

    name: str
    body: tuple[Field | Group, ...]
    make: Callable[[Scope], object]
    when: When | None = None
    times: Callable[[Scope], int] | None = None
    times_words: str = ""
    least_bits: int = 0


def build(kind: type) -> Callable[[Scope], Any]:
    """Constructor call with a scope's values."""
    return lambda scope: kind(**scope.values)


Elements: TypeAlias = tuple[Field | Group, ...]


class Visitor(Protocol):
    """Where the walk gets its values from, and who hears of them."""

    def present(self, element: Field, scope: Scope) -> Any:
        """The element is in the stream: return its value."""

    def absent(self, element: Field, scope: Scope, value: Any) -> None:
        """The element is not in the stream and counts as ``value``."""

    def group(self, element: Group, scope: Scope, count: int) -> Sequence[object]:
        """``count`` objects follow; return what each scope's ``source`` is."""


def walk(elements: Elements, scope: Scope, visitor: Visitor) -> None:
    """Visit every element in stream order; ``scope.values`` holds all of them in the end."""
    values = scope.values
    for element in elements:
        present = element.when is None or element.when.test(scope)
        if isinstance(element, Field):
            if present:
                value = visitor.present(element, scope)
            else:
                value = element.absent_value(scope)  # CS-ABS-01
                visitor.absent(element, scope, value)
            if element.part is None:
                values[element.name] = value
            else:
                values[element.name] = (*values.get(element.name, ()), value)
            continue
        times = (1 if element.times is None else element.times(scope)) if present else 0
        objects: list[object] = []
        if element.times is not None:
            values[element.name] = objects  # the ones before are visible to the ones behind
        for index, source in enumerate(visitor.group(element, scope, times)):
            suffix = "." if element.times is None else f"[{index}]."
            inner = Scope(scope, index, scope.path + element.name + suffix, source)
            walk(element.body, inner, visitor)
            objects.append(element.make(inner))
        if element.times is None:
            values[element.name] = objects[0] if objects else None
        else:
            values[element.name] = tuple(objects)


def fields_of(elements: Elements) -> Iterator[Field]:
    """All fields of a description, groups opened up."""
    for element in elements:
        if isinstance(element, Field):
            yield element
        else:
            yield from fields_of(element.body)


def width_of(coding: U | B, scope: Scope) -> int:
    """Bits of one value."""
    return coding.bits if isinstance(coding, U) else bounded_width(coding.maximum(scope))


def spell(allowed: Sequence[int]) -> str:
    """A set of values in words: ``0..5``, ``0, 2 or 3``, ``nothing``."""
    # A range may have more values than len() can say on a 32-bit machine.
    if not allowed:
        return "no value at all"
    if isinstance(allowed, range) and allowed.step == 1:
        return f"{allowed[0]}..{allowed[-1]}" if allowed[0] != allowed[-1] else str(allowed[0])
    names = [str(v) for v in allowed]
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + f" or {names[-1]}"


@dataclass(frozen=True, slots=True)
class Segment:
    """A marker segment with plain-bit content.

    :param name: abbreviation, e.g. ``PIH``.
    :param make: constructs the header object from the scope of its fields.
    """

    name: str
    elements: Elements
    make: Callable[[Scope], Any]
    by_id: dict[str, Field] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_id", {f.id: f for f in fields_of(self.elements)})
