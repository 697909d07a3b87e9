"""The tool header (TON): latent scaling and the four post-filters."""

from __future__ import annotations

from collections.abc import Sequence

from refdec.codestream.geometry import CHANNELS, ceil_div, filter_tile_count
from refdec.codestream.headers import (
    EFE_SPLITS,
    EfeLinear,
    EfeNonlinear,
    FilterSet,
    Icci,
    IcciTile,
    PlaneWeights,
    ToolHeader,
    plane_size,
)
from refdec.codestream.syntax import B, Derived, Field, Group, Rule, Scope, Segment, U, When, build

Allowed = Sequence[int]
_U16 = B(65535)
SHORT_LIST, LONG_LIST = 2, 10
MAX_FILTER_TILES = 65535


def _index(plane: int) -> When:
    return When(f"best_cand_idx[{plane}] > 0", lambda s: s.best_cand_idx[plane] > 0)


def _planes_to_filter(s: Scope) -> Allowed:
    # Without interpolation between chroma resolutions, decoders are known to fail on a set that
    # is applied and leaves a plane alone: write the tool off instead.
    return range(1, 9) if s.index == 1 and s.same_chroma else range(9)


def _splits(s: Scope) -> int:
    return (0, *EFE_SPLITS)[s.best_cand_idx[s.index]]


def _luma_weights(s: Scope) -> int:
    return _splits(s) * int(s.fL[s.index]) ** 2


def _chroma_weights(s: Scope) -> int:
    return _luma_weights(s) * (1 if s.same_chroma else 4)


_PLANE = When("best_cand_idx > 0 for this plane", lambda s: s.best_cand_idx[s.index] > 0)
_WEIGHT = B(lambda s: int(s.maxSymbol), "maxSymbol")


def _cand_idx(number: int, part: int, plane: str) -> Field:
    return Field(
        id=f"CS-TON-{number}",
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


def _side(number: int, part: int, plane: str) -> Field:
    return Field(
        id=f"CS-TON-{number}",
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
        _cand_idx(13, 0, "U"),
        _cand_idx(14, 1, "V"),
        _side(15, 0, "U"),
        _side(16, 1, "V"),
        Field(
            id="CS-TON-17",
            name="minSymbol",
            coding=_U16,
            meaning="added to each coded weight to give its code",
        ),
        Field(id="CS-TON-18", name="maxSymbol", coding=_U16, meaning="bound of the coded weights"),
        Group(
            name="planes",
            make=build(PlaneWeights),
            times=lambda s: 2,
            times_words="2, U and V",
            body=(
                Field(
                    id="CS-TON-19",
                    name="chroma_weights",
                    coding=_WEIGHT,
                    when=_PLANE,
                    count=_chroma_weights,
                    count_words="splits · fL², four times as many where chroma is interpolated",
                    meaning="weights on the chroma plane, list by list",
                ),
                Field(
                    id="CS-TON-20",
                    name="luma_weights",
                    coding=_WEIGHT,
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


def _alternative_picture(s: Scope) -> bool:
    return s.efe_linear is not None and any(s.efe_linear.filter_sets[0].best_cand_idx)


def _mask_side(s: Scope, axis: int) -> Allowed:
    return range(1024) if s.bS == 0 else (ceil_div(plane_size(s)[axis], int(s.bS)),)


def _block_allowed(s: Scope) -> Allowed:
    return range(max(1, ceil_div(max(plane_size(s)), 1023)), 1024)


def _filter_tiles(s: Scope) -> int:
    rows, columns = plane_size(s)
    return ceil_div(rows, max(1, int(s.nonlinearH))) * ceil_div(columns, max(1, int(s.nonlinearW)))


def _tile_width_allowed(s: Scope) -> Allowed:
    # Eight weights to a tile must be countable in 16 bits.
    return range(max(1, ceil_div(plane_size(s)[1], MAX_FILTER_TILES // 8)), 65536)


def _tile_height_allowed(s: Scope) -> Allowed:
    rows, columns = plane_size(s)
    across = ceil_div(columns, max(1, int(s.nonlinearW)))
    return range(max(1, ceil_div(rows, max(1, MAX_FILTER_TILES // 8 // across))), 65536)


_MASKED = When(
    "mask1_enabled_flag or mask2_enabled_flag", lambda s: s.mask1_enabled_flag or s.mask2_enabled_flag
)
_NONLINEAR = When(
    "nonLinear_enabled_U_flag or nonLinear_enabled_V_flag",
    lambda s: s.nonLinear_enabled_U_flag or s.nonLinear_enabled_V_flag,
)
_NONLINEAR_U = When("nonLinear_enabled_U_flag = 1", lambda s: s.nonLinear_enabled_U_flag == 1)
_NONLINEAR_V = When("nonLinear_enabled_V_flag = 1", lambda s: s.nonLinear_enabled_V_flag == 1)


def _mask(number: int, part: int, flag: str, plane: str) -> Field:
    return Field(
        id=f"CS-TON-{number}",
        name="W5",
        part=part,
        coding=B(2),
        when=When(f"{flag} = 1", lambda s: getattr(s, flag) == 1),
        count=lambda s: int(s.len_mask_y) * int(s.len_mask_x),
        count_words="len_mask_y · len_mask_x, row by row",
        meaning=f"{plane}: what each block takes",
    )


def _mask_length(number: int, name: str, axis: int) -> Field:
    return Field(
        id=f"CS-TON-{number}",
        name=name,
        coding=B(1023),
        when=_MASKED,
        meaning=f"{'rows' if axis == 0 else 'columns'} of the mask",
        rules=(
            Rule(
                id="CS-TON-R08",
                allowed=lambda s: _mask_side(s, axis),
                expected=lambda s: f"as many blocks of {s.bS} as cover {plane_size(s)[axis]} chroma samples",
            ),
        ),
    )


def _candidates(number: int, part: int, when: When) -> tuple[Field, Field]:
    plane = "UV"[part]
    return (
        Field(
            id=f"CS-TON-{number}",
            name="candNum",
            part=part,
            coding=_U16,
            when=when,
            meaning=f"{plane}: number of weights",
            rules=(
                Rule(
                    id="CS-TON-R12",
                    allowed=lambda s: (8 * int(s.numTiles),),
                    expected=lambda s: f"eight weights for each of {s.numTiles} tiles",
                ),
            ),
        ),
        Field(
            id=f"CS-TON-{number + 1}",
            name="A1",
            part=part,
            coding=_WEIGHT,
            when=when,
            count=lambda s: int(s.candNum[part]),
            count_words="candNum",
            meaning=f"{plane}: weights, eight to a tile",
        ),
    )


_EFE_NONLINEAR = Group(
    name="efe_nonlinear",
    make=build(EfeNonlinear),
    when=When("EFE_nonlinear_filter_enabled_flag = 1", lambda s: s.EFE_nonlinear_filter_enabled_flag == 1),
    body=(
        Field(
            id="CS-TON-31",
            name="minSymbol",
            coding=_U16,
            meaning="added to each coded weight to give its code",
        ),
        Field(id="CS-TON-32", name="maxSymbol", coding=_U16, meaning="bound of the coded weights"),
        Field(
            id="CS-TON-33",
            name="mask1_enabled_flag",
            coding=U(1),
            meaning="U has a mask",
            rules=(
                Rule(
                    id="CS-TON-R07",
                    allowed=lambda s: (0, 1) if _alternative_picture(s) else (0,),
                    expected=lambda s: (
                        "no U mask without an alternative picture (weights in the first EFE linear set)"
                    ),
                ),
            ),
        ),
        Field(id="CS-TON-34", name="mask2_enabled_flag", coding=U(1), meaning="V has a mask"),
        Field(
            id="CS-TON-35",
            name="bS",
            coding=B(1023),
            when=_MASKED,
            meaning="side of a block in chroma samples",
            rules=(
                Rule(
                    id="CS-TON-R09",
                    allowed=_block_allowed,
                    expected=lambda s: "blocks of at least one sample, at most 1023 of them along a side",
                ),
            ),
        ),
        _mask_length(36, "len_mask_y", 0),
        _mask_length(37, "len_mask_x", 1),
        _mask(38, 0, "mask1_enabled_flag", "U"),
        _mask(39, 1, "mask2_enabled_flag", "V"),
        Field(id="CS-TON-40", name="nonLinear_enabled_U_flag", coding=U(1), meaning="U is corrected"),
        Field(id="CS-TON-41", name="nonLinear_enabled_V_flag", coding=U(1), meaning="V is corrected"),
        Field(
            id="CS-TON-42",
            name="nonlinearW",
            coding=_U16,
            when=_NONLINEAR,
            meaning="tile width in chroma samples",
            rules=(
                Rule(
                    id="CS-TON-R10",
                    allowed=_tile_width_allowed,
                    expected=lambda s: "a tile width above 0, with no more tiles than can be counted",
                ),
            ),
        ),
        Field(
            id="CS-TON-43",
            name="nonlinearH",
            coding=_U16,
            when=_NONLINEAR,
            meaning="tile height in chroma samples",
            rules=(
                Rule(
                    id="CS-TON-R10",
                    allowed=_tile_height_allowed,
                    expected=lambda s: "a tile height above 0, with no more tiles than can be counted",
                ),
            ),
        ),
        Field(
            id="CS-TON-44",
            name="numTiles",
            coding=_U16,
            when=_NONLINEAR,
            meaning="number of tiles",
            rules=(
                Rule(
                    id="CS-TON-R11",
                    allowed=lambda s: (_filter_tiles(s),),
                    expected=lambda s: "as many tiles as cover the chroma plane",
                ),
            ),
        ),
        Field(
            id="CS-TON-45",
            name="minLuma",
            coding=U(16),
            when=_NONLINEAR,
            count=lambda s: int(s.numTiles),
            count_words="numTiles",
            meaning="smallest luma of each tile in hundredths",
        ),
        Field(
            id="CS-TON-46",
            name="maxLuma",
            coding=U(16),
            when=_NONLINEAR,
            count=lambda s: int(s.numTiles),
            count_words="numTiles",
            meaning="largest luma of each tile in hundredths",
        ),
        *_candidates(47, 0, _NONLINEAR_U),
        *_candidates(49, 1, _NONLINEAR_V),
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
        _EFE_NONLINEAR,
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
