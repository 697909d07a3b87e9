"""EFE non-linear: masks, and the piecewise linear correction of chroma by luma."""

from __future__ import annotations

from collections.abc import Sequence

from refdec.codestream.geometry import ceil_div
from refdec.codestream.headers import EfeNonlinear, plane_size
from refdec.codestream.syntax import B, Field, Group, Rule, Scope, U, When, build

Allowed = Sequence[int]
U16 = B(65535)
WEIGHT = B(lambda s: int(s.maxSymbol), "maxSymbol")
MAX_FILTER_TILES = 65535


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


def _mask(statement: str, part: int, flag: str, plane: str) -> Field:
    return Field(
        id=statement,
        name="W5",
        part=part,
        coding=B(2),
        when=When(f"{flag} = 1", lambda s: getattr(s, flag) == 1),
        count=lambda s: int(s.len_mask_y) * int(s.len_mask_x),
        count_words="len_mask_y · len_mask_x, row by row",
        meaning=f"{plane}: what each block takes",
    )


def _mask_length(statement: str, name: str, axis: int) -> Field:
    return Field(
        id=statement,
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


def _candidates(statement: str, weights_statement: str, part: int, when: When) -> tuple[Field, Field]:
    plane = "UV"[part]
    return (
        Field(
            id=statement,
            name="candNum",
            part=part,
            coding=U16,
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
            id=weights_statement,
            name="A1",
            part=part,
            coding=WEIGHT,
            when=when,
            count=lambda s: int(s.candNum[part]),
            count_words="candNum",
            meaning=f"{plane}: weights, eight to a tile",
        ),
    )


EFE_NONLINEAR = Group(
    name="efe_nonlinear",
    make=build(EfeNonlinear),
    when=When("EFE_nonlinear_filter_enabled_flag = 1", lambda s: s.EFE_nonlinear_filter_enabled_flag == 1),
    body=(
        Field(
            id="CS-TON-31",
            name="minSymbol",
            coding=U16,
            meaning="added to each coded weight to give its code",
        ),
        Field(id="CS-TON-32", name="maxSymbol", coding=U16, meaning="bound of the coded weights"),
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
        _mask_length("CS-TON-36", "len_mask_y", 0),
        _mask_length("CS-TON-37", "len_mask_x", 1),
        _mask("CS-TON-38", 0, "mask1_enabled_flag", "U"),
        _mask("CS-TON-39", 1, "mask2_enabled_flag", "V"),
        Field(id="CS-TON-40", name="nonLinear_enabled_U_flag", coding=U(1), meaning="U is corrected"),
        Field(id="CS-TON-41", name="nonLinear_enabled_V_flag", coding=U(1), meaning="V is corrected"),
        Field(
            id="CS-TON-42",
            name="nonlinearW",
            coding=U16,
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
            coding=U16,
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
            coding=U16,
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
        *_candidates("CS-TON-47", "CS-TON-48", 0, _NONLINEAR_U),
        *_candidates("CS-TON-49", "CS-TON-50", 1, _NONLINEAR_V),
    ),
)
