"""Every rule and bound of the headers, broken once: enumerated from the description of the syntax."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache

from conformance.generate.bases import PLANS, good
from conformance.generate.build import Builder, Context
from conformance.generate.headers import Breach, breaches, write_wrong
from conformance.generate.models import SyntheticModels
from conformance.generate.plan import Refused
from conformance.generate.registry import recipe
from refdec.codestream import Marker
from refdec.codestream.assemble import write_picture_header
from refdec.codestream.container import join
from refdec.codestream.picture_syntax import PIH
from refdec.codestream.rendering_syntax import RDI
from refdec.codestream.syntax import Segment
from refdec.codestream.tool_syntax import TON
from refdec.errors import ConformanceError, TruncatedStreamError, UnsupportedFeatureError

Case = tuple[str, Breach]
"""Name of the good stream, and what is broken."""
SEGMENTS: dict[str, Segment] = {"PIH": PIH, "TON": TON, "RDI": RDI}


@lru_cache(maxsize=1)
def _cases() -> dict[tuple[str, str], Case]:
    """By element and statement: every rule that some base stream has an element for."""
    context = Context(0, 2, 52, SyntheticModels(0))
    found: dict[tuple[str, str], Case] = {}
    for name, plan in PLANS.items():
        builder = Builder(context, plan)
        picture = builder.picture
        rendering = [] if plan.rendering is None else breaches(RDI, plan.rendering, picture)
        tools = breaches(TON, builder.tools, picture)
        for breach in (*breaches(PIH, picture, picture), *tools, *rendering):
            found.setdefault((f"{breach.segment}.{breach.name}", breach.statement), (name, breach))
    return found


def _chosen(segment: str, *kinds: type[Exception]) -> dict[str, Case]:
    out = {}
    for (_, statement), (name, breach) in _cases().items():
        again = re.search(r"tiles\[[1-9]", breach.name)
        if breach.segment == segment and breach.error in kinds and again is None:
            label = breach.name.replace("components[0]", "luma").replace("components[1]", "chroma")
            for old, new in (("_minus1", ""), ("_", "-"), (".", "-"), ("[", "-"), ("]", "")):
                label = label.replace(old, new)
            out[f"{label}-{statement}".lower()] = (name, breach)
    return out


def _broken(context: Context, case: Case) -> Refused:
    name, breach = case
    base = good(context, name)
    marker = Marker[breach.segment]
    picture = base.stream.picture
    headers = {Marker.PIH: picture, Marker.TON: base.stream.tools, Marker.RDI: base.stream.rendering}
    header = headers[marker]
    payload, offset = write_wrong(SEGMENTS[breach.segment], header, picture, breach)
    data = base.with_payloads({marker: payload})
    # The size code in front may be of another length than in the good stream.
    start = data.index(payload, base.one(marker).marker_offset)
    return Refused(data, base.base, breach.error, breach.element, 8 * start + offset)


_CLASSES = {breach.error for _, breach in _cases().values()}
_SYNTAX = _chosen("PIH", *_CLASSES - {ConformanceError, UnsupportedFeatureError})


@recipe("must-reject", variants=_SYNTAX)
def picture_header(c: Context, case: Case) -> Refused:
    """An element of the picture header above its bound, or against a rule of the syntax.

    One stream for each element and rule; its name ends in the statement's id (docs/codestream.md). The rest
    of the stream is what the wrong value would make of it. A decoder that accepts one trusts a value that it
    then uses for sizes, counts or table look-ups.
    """
    return _broken(c, case)


@recipe("must-reject", variants=_chosen("PIH", ConformanceError))
def picture_claims(c: Context, case: Case) -> Refused:
    """A picture header that breaks a rule of its profile or level, or claims one that does not exist.

    A decoder that accepts one cannot tell whether it is able to decode a stream.
    """
    return _broken(c, case)


AREAS = {"1": (12, 2048, 3038), "2": (20, 8192, 3038), "3": (31, 12288, 8101)}


@recipe("must-reject", variants=AREAS)
def area(c: Context, case: tuple[int, int, int]) -> Refused:
    """A picture one row larger than its level allows.

    The payloads are those of a small picture: it is the header that must be refused.
    """
    level, width, height = case
    base = good(c, "level-50" if level % 10 == 0 else "plain")
    name = "img_height_minus64"
    breach = Breach("PIH", name, None, height - 64, "CS-LVL-02", ConformanceError, f"PIH.{name}", False)
    picture = replace(base.stream.picture, level_idc=level, img_width_minus64=width - 64)
    if level % 10 == 1:
        picture = replace(picture, model_id=2)
    payload, offset = write_wrong(PIH, picture, picture, breach)
    data = base.with_payloads({Marker.PIH: payload})
    start = data.index(payload, base.one(Marker.PIH).marker_offset)
    return Refused(data, base.base, ConformanceError, breach.element, 8 * start + offset)


@recipe("must-reject", variants={"1": (12, 1920, 3240), "2": (22, 4096, 6075)})
def area_whole(c: Context, case: tuple[int, int, int]) -> Refused:
    """The largest picture that a level allows, with payloads of nothing.

    It is not the size that is wrong, but the first payload, which ends at once. A decoder that says that the
    picture is too large has a limit that is one too low.
    """
    level, width, height = case
    base = good(c, "plain")
    picture = replace(
        base.stream.picture, level_idc=level, img_width_minus64=width - 64, img_height_minus64=height - 64
    )
    empty = b"\x00\x00\x01"
    payloads = ((m, empty) for m in (Marker.SOZ, Marker.SORP, Marker.SORS))
    data = join([(Marker.PIH, write_picture_header(picture)), *payloads])
    return Refused(data, base.base, TruncatedStreamError, "SOZ")


@recipe("must-reject", variants=_chosen("TON", *_CLASSES))
def tool_header(c: Context, case: Case) -> Refused:
    """An element of the tool header above its bound, or against a rule of the syntax.

    Most of them say how many weights or blocks follow. A decoder that accepts one reads beyond them, or fewer
    than there are.
    """
    return _broken(c, case)


@recipe("must-reject", variants=_chosen("RDI", *_CLASSES))
def rendering_reserved(c: Context, case: Case) -> Refused:
    """Rendering information with a reserved bit that is set.

    It has no influence on the picture; what it would mean is unknown.
    """
    return _broken(c, case)


@recipe("may-reject", variants=_chosen("PIH", UnsupportedFeatureError))
def unsupported(c: Context, case: Case) -> Refused:
    """Something that the syntax can say and the reference decoder does not do.

    Bit depths above ten, unusual chroma formats, a colour transform of the user's, other tiles in chroma than
    in luma. There is no right answer to compare with: a decoder may decode it or refuse it, and may not
    crash.
    """
    return _broken(c, case)


MATRICES = {"between": (31, 200, 7), "largest": (255,), "mixed": (0, 255, 1)}


@recipe("may-reject", variants=MATRICES)
def colours(c: Context, values: tuple[int, ...]) -> Refused:
    """A colour transform of the user's: a matrix and offsets of eight bits.

    Nobody has published what its arithmetic is. A decoder that does not know says so.
    """
    base = good(c, "plain")
    matrix, offset = ((values * 9)[:9], (values * 3)[:3])
    picture = replace(
        base.stream.picture,
        colour_transform_idx=2,
        colour_transform_matrix=matrix,
        colour_transform_offset=offset,
    )
    data = base.with_payloads({Marker.PIH: write_picture_header(picture, strict=False)})
    return Refused(data, base.base, UnsupportedFeatureError, "PIH.colour_transform_idx")


@recipe("must-reject", variants={"422": "source-422", "420": "source-420"})
def subsampled_rgb(c: Context, name: str) -> Refused:
    """A conversion to RGB for a source whose chroma planes are smaller than luma.

    There is no RGB picture whose planes differ in size. A decoder that accepts one reads beyond its chroma
    planes.
    """
    base = good(c, name)
    picture = replace(base.stream.picture, colour_transform_idx=1)
    data = base.with_payloads({Marker.PIH: write_picture_header(picture)})
    return Refused(data, base.base, UnsupportedFeatureError, "PIH.colour_transform_idx")
