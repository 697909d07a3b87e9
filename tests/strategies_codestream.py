"""Any legal combination of headers, and whole containers around them.

The generator is one more interpreter of the syntax description: wherever the parser would read a value,
it chooses one that every rule allows. The same generator runs under hypothesis and under a seeded
random source, and can be told to break one rule.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from hypothesis import strategies as st

from refdec.codestream.assemble import residual_substreams, write_rendering
from refdec.codestream.assemble import write_picture_header as write_pih
from refdec.codestream.assemble import write_tool_header as write_ton
from refdec.codestream.container import Marker
from refdec.codestream.geometry import ceil_div, cube_shape
from refdec.codestream.headers import PictureHeader, RenderingInformation, ToolHeader, plane_size
from refdec.codestream.payloads import threaded_payload
from refdec.codestream.picture_syntax import PIH
from refdec.codestream.rendering_syntax import RDI
from refdec.codestream.syntax import Dialect, Field, Group, Rule, Scope, Segment, walk
from refdec.codestream.tool_syntax import TON
from refdec.errors import UnsupportedFeatureError

Choose = Callable[[Sequence[int]], int]
_LONG_LIST = 12


def _few_cubes(s: Scope) -> Sequence[int]:
    phases, rows, columns = cube_shape(s.img_height_minus64 + 64, s.img_width_minus64 + 64)
    return (0, 1) if phases * rows * columns <= 600 else (0,)


# What keeps examples small; everything here is a subset of what is legal, and the parser knows none of it.
NARROW: dict[str, Callable[[Scope], Sequence[int]]] = {
    "CS-PIH-03": lambda s: range(4),
    "CS-PIH-06": lambda s: (0, 1, 14, 15, 16, 63, 64, 65, 200, 449, 960, 2047, 9000),
    "CS-PIH-07": lambda s: (0, 1, 14, 15, 16, 63, 64, 65, 200, 449, 960, 2047, 9000),
    "CS-PIH-33": _few_cubes,
    "CS-TON-22": lambda s: range(max(1, max(s.height, s.width) // 64), 256),
    "CS-TON-23": lambda s: range(max(1, s.icci_tile_size // 2)),
    "CS-TON-35": lambda s: range(max(1, ceil_div(max(plane_size(s)), 24)), 1024),
    "CS-TON-42": lambda s: range(ceil_div(plane_size(s)[1], 4), 65536),
    "CS-TON-43": lambda s: range(ceil_div(plane_size(s)[0], 4), 65536),
    "CS-RDI-22": lambda s: range(20),
}
FEW_REGIONS: dict[str, Callable[[Scope], Sequence[int]]] = {
    "CS-PIH-23": lambda s: range(5),
    "CS-PIH-24": lambda s: range(5),
}


def intersection(sets: Sequence[Sequence[int]]) -> Sequence[int]:
    """Values in all of the sets; at least one set."""
    tuples = [s for s in sets if not isinstance(s, range)]
    if tuples:
        return tuple(v for v in tuples[0] if all(v in s for s in sets))
    ranges = [s for s in sets if isinstance(s, range)]
    return range(max(r.start for r in ranges), min(r.stop for r in ranges))


class Generator:
    """A visitor that chooses values.

    :param choose: picks one of a sequence.
    :param unsupported: also values that are legal and not implemented.
    :param broken_rule: choose a value against this rule, the first time that is possible.
    """

    def __init__(self, choose: Choose, *, unsupported: bool = False, broken_rule: str | None = None) -> None:
        self.choose = choose
        self.unsupported = unsupported
        self.broken_rule = broken_rule
        self.broken: Rule | None = None
        self.broken_name = ""

    def present(self, element: Field, scope: Scope) -> Any:
        top = element.coding.maximum(scope)  # type: ignore[union-attr]
        if element.count is None:
            return self._pick(element, scope, top, None)
        count = element.count(scope)
        if count > _LONG_LIST:
            allowed = self._allowed(element, scope, top, None)
            source = random.Random(self.choose(range(1 << 16)))
            return tuple(source.choice(allowed) for _ in range(count))
        return tuple(self._pick(element, scope, top, position) for position in range(count))

    def absent(self, element: Field, scope: Scope, value: Any) -> None:
        pass

    def group(self, element: Group, scope: Scope, count: int) -> Sequence[object]:
        return range(count)

    def _allowed(self, element: Field, scope: Scope, top: int, position: int | None) -> Sequence[int]:
        sets: list[Sequence[int]] = [range(top + 1)]
        for rule in element.rules:
            if rule.element is not None and rule.element != position:
                continue
            if not (self.unsupported and rule.error is UnsupportedFeatureError):
                sets.append(rule.allowed(scope))
        legal = intersection(sets)
        if len(legal) == 0 and self.broken is not None:
            legal = sets[0]  # what was broken leaves nothing that is right
        narrow = {**NARROW, **FEW_REGIONS}.get(element.id)
        if narrow is None:
            return legal
        small = intersection([legal, narrow(scope)])
        return small if len(small) else legal

    def _pick(self, element: Field, scope: Scope, top: int, position: int | None) -> int:
        for number, rule in enumerate(element.rules):
            if rule.id != self.broken_rule or self.broken or rule.element not in (None, position):
                continue
            before = [earlier.allowed(scope) for earlier in element.rules[:number]]
            allowed = rule.allowed(scope)
            illegal = [v for v in range(top + 1) if v not in allowed and all(v in other for other in before)]
            if illegal:
                self.broken, self.broken_name = rule, element.name
                return self.choose(illegal)
        return self.choose(self._allowed(element, scope, top, position))


@dataclass(frozen=True)
class Headers:
    """Headers that belong together."""

    picture: PictureHeader
    tools: ToolHeader
    rendering: RenderingInformation


def generate(segment: Segment, generator: Generator, parent: object) -> Any:
    """A header object of one segment."""
    scope = Scope(parent)
    walk(segment.elements, scope, generator)
    return segment.make(scope)


def generate_headers(generator: Generator, dialect: Dialect) -> Headers:
    """Picture, tool and rendering headers that belong together."""
    picture = generate(PIH, generator, SimpleNamespace(dialect=dialect))
    return Headers(picture, generate(TON, generator, picture), generate(RDI, generator, picture))


def seeded(seed: int) -> Choose:
    """A choice that a seed determines."""
    return random.Random(seed).choice


@st.composite
def headers(draw: st.DrawFn, unsupported: bool = False) -> Headers:
    """Any legal combination of headers, in either dialect."""
    dialect = draw(st.sampled_from(Dialect))
    generator = Generator(lambda values: draw(st.sampled_from(values)), unsupported=unsupported)
    return generate_headers(generator, dialect)


Substreams = list[tuple[Marker, bytes]]


@dataclass(frozen=True)
class Container:
    """Headers with payloads.

    :param substreams: in the reference encoder's order.
    :param sizes: thread sizes by the name of the payload.
    """

    headers: Headers
    substreams: Substreams
    sizes: dict[str, tuple[int, ...]]


def generate_container(choose: Choose, content: Headers, *, strict: bool = True) -> Container:
    """Headers and random payloads as substreams."""
    picture = content.picture
    sizes: dict[str, tuple[int, ...]] = {}

    def payload(name: str, threads: int) -> bytes:
        sizes[name] = tuple(choose(range(40)) for _ in range(threads))
        data = random.Random(choose(range(1 << 16))).randbytes(sum(sizes[name]))
        return threaded_payload(data, sizes[name])

    substreams: Substreams = [
        (Marker.PIH, write_pih(picture, strict=strict)),
        (Marker.TON, write_ton(content.tools, picture, strict=strict)),
        (Marker.RDI, write_rendering(content.rendering, strict=strict)),
    ]
    for _ in range(choose(range(3))):
        substreams.append((Marker.UDI, bytes(choose(range(256)) for _ in range(choose(range(5))))))
    for c, marker in enumerate((Marker.SORP, Marker.SORS)):
        payloads: list[bytes | None] = []
        for region in range(picture.num_regions):
            name = marker.name if picture.num_regions == 1 else f"{marker.name} region {region}"
            if picture.independent_regions:
                name = f"{marker.name} region {region}"
                if choose(range(4)) == 0:
                    payloads.append(None)
                    continue
            payloads.append(payload(name, picture.components[c].num_threads_r))
        substreams += residual_substreams(picture, c, payloads)
    substreams.append((Marker.SOZ, payload("SOZ", picture.num_threads_z)))
    if picture.gain_3D_enable_flag:
        substreams.append((Marker.SOQ, payload("SOQ", picture.num_threads_q)))
    return Container(content, substreams, sizes)


@st.composite
def containers(draw: st.DrawFn) -> Container:
    """Headers with payloads of any thread sizes, zero included."""
    content = draw(headers())
    seed = draw(st.integers(0, 2**32 - 1))
    return generate_container(seeded(seed), content)
