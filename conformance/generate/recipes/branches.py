"""Whole headers drawn from the description of the syntax: together they take every branch that decodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

from conformance.coverage.draw_headers import (
    Draws,
    Wishes,
    draw_picture_header,
    draw_rendering,
    draw_tool_header,
)
from conformance.generate import draw
from conformance.generate.build import Context
from conformance.generate.plan import Plan
from conformance.generate.registry import recipe
from conformance.verify.synthetic import Splitmix
from refdec.codestream import Dialect, PictureHeader, RenderingInformation, ToolHeader
from refdec.codestream.geometry import ceil_div
from refdec.codestream.profiles import LEVELS, level_models
from refdec.codestream.syntax import Scope
from refdec.models_io import MODEL_IDS

Headers = tuple[PictureHeader, ToolHeader, RenderingInformation]
COUNT = 48
SIZES = (
    (64, 64),
    (65, 79),
    (592, 64),
    (64, 96),
    (80, 65),
    (272, 96),
    (64, 64),
    (96, 80),
    (64, 1100),
    (72, 66),
)
"""Rows and columns, in turns: enough of them in both directions for three regions, and for more cubes than a
group of flags has."""
DRAFT = 12
"""One in so many headers is the draft's."""
MANY_TILES = 64 * 64
"""Samples above which tiles are not the smallest: each has a line of the trace for every node."""
METADATA = (0, *range(1, 41))
LONGEST = 7
"""The header whose metadata are as long as they can be."""


@dataclass(frozen=True)
class Means:
    """What the headers may ask for.

    :param points: operating points; ``models``: rate points; ``eicci``: whether all its networks are there.
    """

    seed: int
    profile: int
    level: int
    points: tuple[int, ...]
    models: tuple[int, ...]
    eicci: bool


def _wishes(means: Means, number: int, dialect: Dialect) -> Wishes:
    """What keeps the streams small and decodable."""
    height, width = SIZES[number % len(SIZES)]
    level, models = means.level, means.models

    def levels(_s: Scope) -> Sequence[int]:
        return [
            v for v in LEVELS
            if v // 10 <= level // 10 and v % 10 <= level % 10 and set(level_models(v, dialect)) & set(models)
        ]  # fmt: skip

    def only(*values: int) -> Callable[[Scope], Sequence[int]]:
        return lambda _s: values

    return {
        "CS-PIH-02": only(*range(means.profile + 1)),
        "CS-PIH-04": only(*means.points),
        "CS-PIH-05": levels,
        "CS-PIH-06": only(width - 64),
        "CS-PIH-07": only(height - 64),
        "CS-PIH-15": lambda s: (0,) if s.s_ver_minus1 or s.s_hor_minus1 else (0, 1),
        "CS-PIH-18": only(*models),
        "CS-PIH-22": only(1) if number % 6 else only(0, 1),
        "CS-PIH-23": only(*range(ceil_div(height, 256))),
        "CS-PIH-24": only(*range(ceil_div(width, 512))),
        "CS-PIH-40": only(*range(1 if height * width <= MANY_TILES else 5, 9), 255),
        "CS-TON-06": only(0, 1) if means.eicci else only(0),
        "CS-RDI-05": only(1) if number == LONGEST else only(0, 1),
        "CS-RDI-22": only(65535) if number == LONGEST else only(*METADATA),
    }


@lru_cache(maxsize=4)
def _series(means: Means) -> tuple[Headers, ...]:
    """All headers, each drawn with a view to those before it."""
    draws = Draws(Splitmix(means.seed))
    made = []
    for number in range(COUNT):
        dialect = Dialect.DIS if number % DRAFT == DRAFT - 1 else Dialect.T840
        draws.wishes = _wishes(means, number, dialect)
        picture = draw_picture_header(draws, dialect)
        made.append((picture, draw_tool_header(draws, picture), draw_rendering(draws)))
    return tuple(made)


def _plan(context: Context, number: int) -> Plan:
    models = tuple(m for m in MODEL_IDS if context.models.has(m, "entropy", 0))
    means = Means(context.seed, context.profile, context.level, context.points, models, context.eicci)
    picture, tools, rendering = _series(means)[number]
    header = {f.name: getattr(picture, f.name) for f in fields(picture) if f.name != "dialect"}
    mapped = bool(picture.gain_3D_enable_flag)
    threads_q = picture.num_threads_q
    # The builder adds what belongs to a quality map together with the map.
    for name in ("gain_3D_enable_flag", "multi_threading_q", "log2_num_threads_q_minus1"):
        header[name] = 0
    index = header.pop("quality_map_entropy_index")
    return Plan(
        size=(picture.height, picture.width),
        model=picture.model_id,
        dialect=picture.dialect,
        independent=picture.independent_regions,
        quality=(draw.rough if number % 2 else draw.even) if mapped else None,
        quality_index=index if mapped else None,
        threads_q=threads_q,
        header=header,
        tools={f.name: getattr(tools, f.name) for f in fields(tools)},
        rendering=rendering,
    )


def _numbers(draft: bool) -> dict[str, int]:
    return {f"{n:02d}": n for n in range(COUNT) if (n % DRAFT == DRAFT - 1) == draft}


@recipe("must-decode", variants=_numbers(draft=False))
def branches(c: Context, number: int) -> Plan:
    """A header whose every element is drawn from what is legal: any tool with any other.

    The series goes through all values of short elements, the ends and the middle of long ones, elements that
    may be absent, and lists of every length. If `refdec info` and another parser differ at a field, the field
    before it was read wrongly; if only the picture differs, look at the first tensor of the trace that does.
    """
    return _plan(c, number)


@recipe("may-reject", variants=_numbers(draft=True))
def draft_branches(c: Context, number: int) -> Plan:
    """The same for the draft's header."""
    return _plan(c, number)
