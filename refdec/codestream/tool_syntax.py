"""The tool header (TON): latent scaling and the four post-filters."""

from __future__ import annotations

from collections.abc import Sequence

from refdec.codestream.efe_nonlinear_syntax import EFE_NONLINEAR, U16, WEIGHT
from refdec.codestream.geometry import CHANNELS, ceil_div, filter_tile_count
from refdec.codestream.headers import (
    EFE_SPLITS,
    EfeLinear,
    FilterSet,
    Icci,
    IcciTile,
    PlaneWeights,
    ToolHeader,
)
from refdec.codestream.syntax import B, Derived, Field, Group, Rule, Scope, Segment, U, When, build

Allowed = Sequence[int]
SHORT_LIST, LONG_LIST = 2, 10


def _index(plane: int) -> When:
    return When(f"best_cand_idx[{plane}] > 0", lambda s: s.best_cand_idx[plane] > 0)


def _planes_to_filter(s: Scope) -> Allowed:
    # Without interpolation between chroma resolutions, decoders are known to fail on a set that
    # is applied and leaves a plane alone: write the tool off instead.
    return range(1, 9) if s.index == 1 and s.same_chroma else range(9)


def _splits(s: Scope) -> int:
    return (0, *EFE_SPLITS)[s.best_cand_idx[s.index]]  # CS-TON-10


def _luma_weights(s: Scope) -> int:
    return _splits(s) * int(s.fL[s.index]) ** 2


def _chroma_weights(s: Scope) -> int:
    return _luma_weights(s) * (1 if s.same_chroma else 4)


_PLANE = When("best_cand_idx > 0 for this plane", lambda s: s.best_cand_idx[s.index] > 0)


def _cand_idx(statement: str, part: int, plane: str) -> Field:
    return Field(
        id=statement,
        name="best_cand_idx",
        part=part,
        coding=B(15),
        meaning=f"{plane}: 0 no weights, else 1 + number of the split",
        rules=(
            Rule(
                id="CS-TON-R01",
                allowed=lambda s: range(9),
                expected=lambda s: "one of the eight splits, or 0",
                structural=True,
            ),
            Rule(
                id="CS-TON-R02",
                allowed=_planes_to_filter,
                expected=lambda s: (
                    "weights for both planes in the second set where chroma keeps its resolution"
                ),
                tolerated=True,
            ),
        ),
    )


def _side(statement: str, part: int, plane: str) -> Field:
    return Field(
        id=statement,
        name="fL",
        part=part,
        coding=B(9),
        when=_index(part),
        meaning=f"{plane}: side of the filter",
        rules=(
            Rule(
                id="CS-TON-R03",
                allowed=lambda s: range(1, 5),
                expected=lambda s: "a filter side of 1 to 4 samples",
            ),
        ),
    )


_FILTER_SET = Group(
    name="filter_sets",
    make=build(FilterSet),
    times=lambda s: 2,
    times_words="2: for the alternative picture, and the one applied",
    body=(
        _cand_idx("CS-TON-13", 0, "U"),
        _cand_idx("CS-TON-14", 1, "V"),
        _side("CS-TON-15", 0, "U"),
        _side("CS-TON-16", 1, "V"),
        Field(
            id="CS-TON-17",
            name="minSymbol",
            coding=U16,
            meaning="added to each coded weight to give its code",
        ),
        Field(id="CS-TON-18", name="maxSymbol", coding=U16, meaning="bound of the coded weights"),
        Group(
            name="planes",
            make=build(PlaneWeights),
            times=lambda s: 2,
            times_words="2, U and V",
            body=(
                Field(
                    id="CS-TON-19",
                    name="chroma_weights",
                    coding=WEIGHT,
                    when=_PLANE,
                    count=_chroma_weights,
                    count_words="splits · fL², four times as many where chroma is interpolated",
                    meaning="weights on the chroma plane, list by list",
                ),
                Field(
                    id="CS-TON-20",
                    name="luma_weights",
                    coding=WEIGHT,
                    when=_PLANE,
                    count=_luma_weights,
                    count_words="splits · fL²",
                    meaning="weights on luma, list by list",
                ),
            ),
        ),
    ),
)

_EFE_LINEAR = Group(
    name="efe_linear",
    make=build(EfeLinear),
    when=When("EFE_linear_filter_enabled_flag = 1", lambda s: s.EFE_linear_filter_enabled_flag == 1),
    body=(
        Field(id="CS-TON-11", name="B1", part=0, coding=B(32767), meaning="mean of U in hundredths"),
        Field(id="CS-TON-12", name="B1", part=1, coding=B(32767), meaning="mean of V in hundredths"),
        _FILTER_SET,
    ),
)


def _icci_tiles(s: Scope) -> int:
    if not s.icci_tile_enable:
        return 1
    return filter_tile_count(s.height, s.width, 16 * s.icci_tile_size, 16 * s.icci_tile_overlap)


def _icci_overlap_allowed(s: Scope) -> Allowed:
    side = min(16 * int(s.icci_tile_size), s.height, s.width)
    return range(min(32, ceil_div(side, 16)))


def _icci_list(s: Scope) -> int:
    return SHORT_LIST if s.icci_use_shortList else LONG_LIST


_ICCI_INDEX = B(_icci_list, "M")
_ICCI_TILED = When("icci_tile_enable = 1", lambda s: s.icci_tile_enable == 1)
_ICCI_INDEX_RULES = (
    Rule(
        id="CS-TON-R05",
        allowed=lambda s: range(_icci_list(s)),
        expected=lambda s: f"an entry of the list of {_icci_list(s)} networks",
    ),
)

_ICCI = Group(
    name="icci",
    make=build(Icci),
    when=When("icci_enable_flag = 1", lambda s: s.icci_enable_flag == 1),
    body=(
        Field(id="CS-TON-21", name="icci_tile_enable", coding=U(1), meaning="the filter runs tile by tile"),
        Field(
            id="CS-TON-22",
            name="icci_tile_size",
            coding=U(8),
            when=_ICCI_TILED,
            meaning="tile size in units of 16 samples",
            derived=Derived("tile_size", lambda v: 16 * v),
            rules=(
                Rule(
                    id="CS-TON-R04",
                    allowed=lambda s: range(1, 256),
                    expected=lambda s: "a tile size above 0",
                    structural=True,
                ),
            ),
        ),
        Field(
            id="CS-TON-23",
            name="icci_tile_overlap",
            coding=U(5),
            when=_ICCI_TILED,
            meaning="tile overlap in units of 16 samples",
            derived=Derived("tile_overlap", lambda v: 16 * v),
            rules=(
                Rule(
                    id="CS-TON-R06",
                    allowed=_icci_overlap_allowed,
                    expected=lambda s: "an overlap below the tile size and below the picture's sides",
                    structural=True,
                ),
            ),
        ),
        Group(
            name="tiles",
            make=build(IcciTile),
            times=_icci_tiles,
            times_words="number of tiles, 1 without tiling",
            least_bits=3,
            body=(
                Field(
                    id="CS-TON-24",
                    name="icci_use",
                    coding=U(1),
                    count=lambda s: 3,
                    count_words="3: Y, U, V",
                    meaning="planes that are filtered",
                ),
                Field(
                    id="CS-TON-25",
                    name="icci_use_shortList",
                    coding=U(1),
                    when=When("any icci_use = 1", lambda s: any(s.icci_use)),
                    meaning="M = 2 networks to choose from, otherwise 10",
                ),
                Field(
                    id="CS-TON-26",
                    name="index_Y",
                    coding=_ICCI_INDEX,
                    when=When("icci_use[0] = 1", lambda s: s.icci_use[0] == 1),
                    meaning="network for Y",
                    rules=_ICCI_INDEX_RULES,
                ),
                Field(
                    id="CS-TON-27",
                    name="index_UV",
                    coding=_ICCI_INDEX,
                    when=When("icci_use[1] = 1 or icci_use[2] = 1", lambda s: s.icci_use[1] or s.icci_use[2]),
                    meaning="network for U and V",
                    rules=_ICCI_INDEX_RULES,
                ),
            ),
        ),
    ),
)


TON = Segment(
    "TON",
    (
        Field(id="CS-TON-03", name="lsbs_enable_flag", part=0, coding=U(1), meaning="latent scaling of luma"),
        Field(
            id="CS-TON-04", name="lsbs_enable_flag", part=1, coding=U(1), meaning="latent scaling of chroma"
        ),
        Field(id="CS-TON-05", name="EFE_linear_filter_enabled_flag", coding=U(1), meaning="EFE linear is on"),
        _EFE_LINEAR,
        Field(
            id="CS-TON-06",
            name="icci_enable_flag",
            coding=U(1),
            when=When("the source is not 4:2:0", lambda s: s.icci_coded),
            meaning="eICCI is on",
        ),
        _ICCI,
        Field(
            id="CS-TON-07",
            name="EFE_nonlinear_filter_enabled_flag",
            coding=U(1),
            meaning="EFE non-linear is on",
        ),
        EFE_NONLINEAR,
        Field(id="CS-TON-08", name="LEF_enabled_flag", coding=U(1), meaning="LEF is on"),
        Field(
            id="CS-TON-09",
            name="LEF_chIdx",
            coding=B(255),
            when=When("LEF_enabled_flag = 1", lambda s: s.LEF_enabled_flag == 1),
            meaning="luma latent channel that steers LEF",
            rules=(
                Rule(
                    id="CS-TON-R13",
                    allowed=lambda s: range(CHANNELS[0]),
                    expected=lambda s: f"one of the {CHANNELS[0]} luma channels",
                ),
            ),
        ),
    ),
    build(ToolHeader),
)
