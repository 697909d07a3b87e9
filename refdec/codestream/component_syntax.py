"""The part of the picture header that is there once for luma and once for chroma."""

from __future__ import annotations

from collections.abc import Sequence

from refdec.codestream.geometry import CHANNELS, ceil_div, cube_shape
from refdec.codestream.headers import ComponentHeader, CubeGroup
from refdec.codestream.syntax import Derived, Field, Group, Rule, Scope, U, When, build
from refdec.errors import UnsupportedFeatureError

Allowed = Sequence[int]
THREADS = Derived("threads", lambda v: 2 << v)
_TILED = When("synthesis_tile_enable = 1", lambda s: s.synthesis_tile_enable == 1)


def coded_width(s: Scope) -> int:
    """Coded width in luma samples."""
    return int(s.img_width_minus64) + 64


def coded_height(s: Scope) -> int:
    """Coded height in luma samples."""
    return int(s.img_height_minus64) + 64


def _component_channels(s: Scope) -> int:
    return CHANNELS[s.index]


def _channels_present(s: Scope) -> int:
    return min(int(s.num_chs_coded), CHANNELS[s.index])


def _flags_in_group(s: Scope) -> int:
    phases, rows, columns = cube_shape(coded_height(s), coded_width(s))
    return min(8, phases * rows * columns - 8 * s.index)


def _cube_group_count(s: Scope) -> int:
    phases, rows, columns = cube_shape(coded_height(s), coded_width(s))
    return ceil_div(phases * rows * columns, 8)


def _overlap_allowed(s: Scope) -> Allowed:
    size = 16 * int(s.synthesis_tile_size)
    if not s.region_residual_in_its_own_substream_flag:
        # Tiles that overlap must each bring something new, cut at the picture as they are.
        size = min(size, coded_width(s), coded_height(s))
    return range(min(32, ceil_div(size, 16)))


def _aligned_overlaps(s: Scope) -> Allowed:
    several = 16 * int(s.synthesis_tile_size) < max(coded_width(s), coded_height(s))
    if s.region_residual_in_its_own_substream_flag and several:
        return tuple(range(0, 32, 2))
    return range(32)


def _overlap_words(s: Scope) -> str:
    return "an overlap below the tile size, and below the picture's sides where tiles overlap"


def make_component(s: Scope) -> ComponentHeader:
    """The header object of one component."""
    return ComponentHeader(
        component=s.index, cube_flag_shape=cube_shape(coded_height(s), coded_width(s)), **s.values
    )


def _like_luma(name: str, values: int) -> Rule:
    """Chroma must repeat luma's tiling: its synthesis reads the luma latent of the same tile."""

    def allowed(s: Scope) -> Allowed:
        luma = s.components[0] if s.index else None
        if luma is None or (name != "synthesis_tile_enable" and not luma.synthesis_tile_enable):
            return range(values)
        return (int(getattr(luma, name)),)

    return Rule(
        id="CS-PIH-R13",
        allowed=allowed,
        expected=lambda s: (
            "the same synthesis tiling for chroma as for luma (another one is not implemented)"
        ),
        error=UnsupportedFeatureError,
    )


_CUBE_GROUP = Group(
    name="cube_groups",
    make=build(CubeGroup),
    when=When("use_cube_flags = 1", lambda s: s.use_cube_flags == 1),
    times=_cube_group_count,
    times_words="⌈N/8⌉ groups, N = 4·n_y·n_x",
    least_bits=1,
    body=(
        Field(
            id="CS-PIH-34",
            name="cube_group_flag",
            coding=U(1),
            meaning="0: all flags of the group are 1 and not coded",
        ),
        Field(
            id="CS-PIH-35",
            name="cube_flag",
            coding=U(1),
            count=_flags_in_group,
            count_words="8, or what is left in the last group",
            when=When("cube_group_flag = 1", lambda s: s.cube_group_flag == 1),
            default=lambda s: (1,) * _flags_in_group(s),
            meaning="1: the sigma test decides; 0: every element of the cube is coded",
        ),
    ),
)

COMPONENT: tuple[Field | Group, ...] = (
    Field(
        id="CS-PIH-30",
        name="multi_threading_r",
        coding=U(1),
        meaning="residual payloads have several threads",
    ),
    Field(
        id="CS-PIH-31",
        name="log2_num_threads_r_minus1",
        coding=U(2),
        when=When("multi_threading_r = 1", lambda s: s.multi_threading_r == 1),
        meaning="2, 4, 8 or 16 threads; 1 where absent",
        derived=THREADS,
    ),
    Field(
        id="CS-PIH-32",
        name="num_chs_coded",
        title="num_chs",
        coding=U(8),
        meaning="latent channels present (num_chs), clamped to 160 for luma and 96 for chroma",
        rules=(
            Rule(
                id="CS-PIH-R10",
                allowed=lambda s: range(_component_channels(s) + 1),
                expected=lambda s: "no more channels than the component has",
                tolerated=True,
            ),
        ),
    ),
    Field(id="CS-PIH-33", name="use_cube_flags", coding=U(1), meaning="0: all cube flags are 1"),
    _CUBE_GROUP,
    Field(id="CS-PIH-36", name="rvs_enable_flag", coding=U(1), meaning="residual variance scaling"),
    Field(id="CS-PIH-37", name="grfs_enable_flag", coding=U(1), meaning="channel-wise gain"),
    Field(
        id="CS-PIH-38",
        name="grfs_channel_flag",
        coding=U(1),
        count=_channels_present,
        count_words="num_chs",
        when=When("grfs_enable_flag = 1", lambda s: s.grfs_enable_flag == 1),
        meaning="channels with the gain; others count as 0",
    ),
    Field(
        id="CS-PIH-39",
        name="synthesis_tile_enable",
        coding=U(1),
        meaning="the synthesis transform runs tile by tile",
        rules=(_like_luma("synthesis_tile_enable", 2),),
    ),
    Field(
        id="CS-PIH-40",
        name="synthesis_tile_size",
        coding=U(8),
        when=_TILED,
        meaning="tile size in units of 16 luma samples",
        derived=Derived("tile_size", lambda v: 16 * v),
        rules=(
            Rule(
                id="CS-PIH-R11",
                allowed=lambda s: range(1, 256),
                expected=lambda s: "a tile size above 0",
            ),
            _like_luma("synthesis_tile_size", 256),
        ),
    ),
    Field(
        id="CS-PIH-41",
        name="synthesis_tile_overlap",
        coding=U(5),
        when=_TILED,
        meaning="tile overlap in units of 16 luma samples",
        derived=Derived("tile_overlap", lambda v: 16 * v),
        rules=(
            Rule(id="CS-PIH-R12", allowed=_overlap_allowed, expected=_overlap_words),
            Rule(
                id="CS-PIH-R14",
                allowed=_aligned_overlaps,
                expected=lambda s: "half the overlap on the latent grid where tiles grow inside regions",
                error=UnsupportedFeatureError,
            ),
            _like_luma("synthesis_tile_overlap", 32),
        ),
    ),
)
