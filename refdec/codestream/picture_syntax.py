"""The picture header (PIH): every element, in stream order, with its conditions and rules."""

from __future__ import annotations

from collections.abc import Sequence

from refdec.codestream.component_syntax import COMPONENT, THREADS, coded_height, coded_width, make_component
from refdec.codestream.geometry import ceil_div
from refdec.codestream.headers import BIT_DEPTHS, PictureHeader
from refdec.codestream.profiles import (
    LEVELS,
    PROFILE_TRANSFORMS,
    TRANSFORM_NAMES,
    level_area,
    level_models,
)
from refdec.codestream.syntax import B, Derived, Dialect, Field, Group, Rule, Scope, Segment, U, When
from refdec.errors import ConformanceError, UnsupportedFeatureError

Allowed = Sequence[int]
_CUSTOM = When("colour_transform_idx = 2", lambda s: s.colour_transform_idx == 2)
_REGIONS = When("region_partitioning_flag = 1", lambda s: s.region_partitioning_flag == 1)
_DEPENDENT = When(
    "region_partitioning_flag = 1 and region_residual_in_its_own_substream_flag = 0",
    lambda s: s.region_partitioning_flag == 1 and s.region_residual_in_its_own_substream_flag == 0,
)
_MAP = When("gain_3D_enable_flag = 1", lambda s: s.gain_3D_enable_flag == 1)


def _profile_transforms(s: Scope) -> Allowed:
    return PROFILE_TRANSFORMS.get(s.decoder_profile_id, (0, 1, 2))


def _area_allows_width(s: Scope) -> Allowed:
    area = level_area(s.level_idc)
    return range(65536) if area is None else range(min(65536, max(0, area // 64 - 63)))


def _area_allows_height(s: Scope) -> Allowed:
    area = level_area(s.level_idc)
    return range(65536) if area is None else range(min(65536, max(0, area // coded_width(s) - 63)))


def _coded_rows_allowed(s: Scope) -> Allowed:
    # 4:2:2 sources are coded as 4:2:2; 4:4:4 sources in any format.
    return (0,) if s.s_hor_minus1 else (0, 1)


def _columns_given_rows(rows_minus1: int) -> Allowed:
    return (1,) if rows_minus1 else (0, 1)


def _limited_splits(s: Scope, length: int, unit: int) -> Allowed:
    limit = 128 if s.dialect is Dialect.DIS else min(128, ceil_div(length, unit))
    return range(limit)


def _regions(s: Scope) -> int:
    return (int(s.num_ver_splits_minus1) + 1) * (int(s.num_hor_splits_minus1) + 1)


_GENERAL: tuple[Field | Group, ...] = (
    Field(
        id="CS-PIH-01",
        name="stream_profile_idc",
        coding=U(4),
        when=When("dialect T840", lambda s: s.dialect is Dialect.T840),
        meaning="stream profile",
        rules=(
            Rule(
                id="CS-PRO-01",
                allowed=lambda s: (0,),
                expected=lambda s: "the only stream profile that is defined",
                error=ConformanceError,
            ),
        ),
    ),
    Field(
        id="CS-PIH-02",
        name="decoder_profile_id",
        coding=U(4),
        meaning="0 simple, 1 base (main in DIS), 2 high",
        rules=(
            Rule(
                id="CS-PRO-03",
                allowed=lambda s: range(3),
                expected=lambda s: "a decoder profile that is defined",
                error=ConformanceError,
            ),
        ),
    ),
    Field(
        id="CS-PIH-03",
        name="num_synthesis_transforms_minus1",
        coding=U(4),
        meaning="entries of the transform list less one",
        derived=Derived("num_synthesis_transforms", lambda v: v + 1),
    ),
    Field(
        id="CS-PIH-04",
        name="synthesis_transform_id",
        coding=U(4),
        count=lambda s: int(s.num_synthesis_transforms_minus1) + 1,
        count_words="num_synthesis_transforms_minus1 + 1",
        meaning="0 SOP, 1 BOP, 2 HOP; the first is the default, the others are alternatives",
        derived=Derived("transform", lambda v: TRANSFORM_NAMES[v] if v < 3 else "undefined"),
        rules=(
            Rule(
                id="CS-PIH-R01",
                allowed=lambda s: range(3),
                expected=lambda s: "a synthesis transform that is defined",
            ),
            Rule(
                id="CS-PRO-02",
                allowed=_profile_transforms,
                expected=lambda s: f"a default transform of decoder profile {s.decoder_profile_id}",
                error=ConformanceError,
                element=0,
            ),
        ),
    ),
    Field(
        id="CS-PIH-05",
        name="level_idc",
        coding=U(8),
        meaning="level 10·A + B",
        derived=Derived("level", lambda v: f"{v // 10}.{v % 10}"),
        rules=(
            Rule(
                id="CS-LVL-01",
                allowed=lambda s: LEVELS,
                expected=lambda s: "10·A + B with A in 1..5 and B in 0..2",
                error=ConformanceError,
            ),
        ),
    ),
    Field(
        id="CS-PIH-06",
        name="img_width_minus64",
        coding=B(65535),
        meaning="coded width less 64",
        derived=Derived("img_width", lambda v: v + 64),
        rules=(
            Rule(
                id="CS-LVL-02",
                allowed=_area_allows_width,
                expected=lambda s: (
                    f"an area of at most {level_area(s.level_idc)} samples at level {s.level_idc}"
                ),
                error=ConformanceError,
            ),
        ),
    ),
    Field(
        id="CS-PIH-07",
        name="img_height_minus64",
        coding=B(65535),
        meaning="coded height less 64",
        derived=Derived("img_height", lambda v: v + 64),
        rules=(
            Rule(
                id="CS-LVL-02",
                allowed=_area_allows_height,
                expected=lambda s: (
                    f"an area of at most {level_area(s.level_idc)} samples at level {s.level_idc}, "
                    f"{coded_width(s)} of them in a row"
                ),
                error=ConformanceError,
            ),
        ),
    ),
    Field(id="CS-PIH-08", name="diff_display_img_width", coding=U(6), meaning="columns cut off at the right"),
    Field(id="CS-PIH-09", name="diff_display_img_height", coding=U(6), meaning="rows cut off at the bottom"),
    Field(
        id="CS-PIH-10",
        name="bit_depth_idc",
        coding=B(4),
        meaning="8, 10, 12, 14 or 16 bits",
        derived=Derived("bit_depth", lambda v: BIT_DEPTHS[v]),
        rules=(
            Rule(
                id="CS-PIH-R02",
                allowed=lambda s: (0, 1),
                expected=lambda s: "8 or 10 bits, the depths that are implemented",
                error=UnsupportedFeatureError,
            ),
        ),
    ),
    Field(
        id="CS-PIH-11",
        name="s_ver_minus1",
        coding=U(1),
        meaning="vertical chroma subsampling of the source, less one",
    ),
    Field(
        id="CS-PIH-12",
        name="s_hor_minus1",
        coding=U(1),
        meaning="horizontal chroma subsampling of the source, less one",
        rules=(
            Rule(
                id="CS-PIH-R03",
                allowed=lambda s: _columns_given_rows(s.s_ver_minus1),
                expected=lambda s: "a source of format 4:4:4, 4:2:2 or 4:2:0",
                error=UnsupportedFeatureError,
            ),
        ),
    ),
    Field(
        id="CS-PIH-13",
        name="c_ver_minus1",
        coding=U(1),
        when=When("s_ver_minus1 = 0", lambda s: s.s_ver_minus1 == 0),
        default=lambda s: 1,
        meaning="vertical chroma subsampling of the coded planes, less one",
        rules=(
            Rule(
                id="CS-PIH-R04",
                allowed=_coded_rows_allowed,
                expected=lambda s: "a 4:2:2 source that is coded as 4:2:2",
                error=UnsupportedFeatureError,
            ),
        ),
    ),
    Field(
        id="CS-PIH-14",
        name="c_hor_minus1",
        coding=U(1),
        when=When("s_hor_minus1 = 0", lambda s: s.s_hor_minus1 == 0),
        default=lambda s: 1,
        meaning="horizontal chroma subsampling of the coded planes, less one",
        rules=(
            Rule(
                id="CS-PIH-R05",
                allowed=lambda s: _columns_given_rows(s.c_ver_minus1),
                expected=lambda s: "planes coded as 4:4:4, 4:2:2 or 4:2:0",
                error=UnsupportedFeatureError,
            ),
        ),
    ),
    Field(
        id="CS-PIH-15",
        name="colour_transform_idx",
        coding=B(2),
        meaning="0 none, 1 BT.709 YCbCr to RGB, 2 user-defined",
        rules=(
            Rule(
                id="CS-PIH-R06",
                allowed=lambda s: (0, 1),
                expected=lambda s: (
                    "no colour transform or BT.709 (the user-defined one has no usable definition)"
                ),
                error=UnsupportedFeatureError,
            ),
        ),
    ),
    Field(
        id="CS-PIH-16",
        name="colour_transform_matrix",
        coding=U(8),
        count=lambda s: 9,
        count_words="9, row by row",
        when=_CUSTOM,
        meaning="user-defined matrix",
    ),
    Field(
        id="CS-PIH-17",
        name="colour_transform_offset",
        coding=U(8),
        count=lambda s: 3,
        count_words="3",
        when=_CUSTOM,
        meaning="user-defined offsets",
    ),
    Field(
        id="CS-PIH-18",
        name="model_id",
        coding=B(15),
        meaning="trained model, 0..3",
        rules=(
            Rule(
                id="CS-LVL-03",
                allowed=lambda s: level_models(s.level_idc, s.dialect),
                expected=lambda s: f"a model of level {s.level_idc}",
                error=ConformanceError,
            ),
        ),
    ),
)

_CORE: tuple[Field | Group, ...] = (
    Field(id="CS-PIH-19", name="multi_threading_z", coding=U(1), meaning="SOZ has several threads"),
    Field(
        id="CS-PIH-20",
        name="log2_num_threads_z_minus1",
        coding=U(2),
        when=When("multi_threading_z = 1", lambda s: s.multi_threading_z == 1),
        meaning="2, 4, 8 or 16 threads; 1 where absent",
        derived=THREADS,
    ),
    Field(
        id="CS-PIH-21",
        name="beta_displacement_log_plus_2048",
        part=0,
        coding=U(12),
        meaning="rate displacement of luma, offset binary",
        derived=Derived("beta_displacement_log", lambda v: v - 2048),
    ),
    Field(
        id="CS-PIH-22",
        name="region_partitioning_flag",
        coding=U(1),
        meaning="the picture is cut into regions",
    ),
    Field(
        id="CS-PIH-23",
        name="num_ver_splits_minus1",
        coding=U(7),
        when=_REGIONS,
        meaning="rows of regions less one",
        derived=Derived("num_region_rows", lambda v: v + 1),
        rules=(
            Rule(
                id="CS-PIH-R07",
                allowed=lambda s: _limited_splits(s, coded_height(s), 256),
                expected=lambda s: f"at most ⌈{coded_height(s)}/256⌉ rows of regions",
            ),
        ),
    ),
    Field(
        id="CS-PIH-24",
        name="num_hor_splits_minus1",
        coding=U(7),
        when=_REGIONS,
        meaning="columns of regions less one",
        derived=Derived("num_region_cols", lambda v: v + 1),
        rules=(
            Rule(
                id="CS-PIH-R08",
                allowed=lambda s: _limited_splits(s, coded_width(s), 512),
                expected=lambda s: f"at most ⌈{coded_width(s)}/512⌉ columns of regions",
            ),
        ),
    ),
    Field(
        id="CS-PIH-25",
        name="region_residual_in_its_own_substream_flag",
        coding=U(1),
        when=_REGIONS,
        meaning="1 independent regions, 0 dependent ones",
        rules=(
            Rule(
                id="CS-PIH-R09",
                allowed=lambda s: (0, 1) if _regions(s) <= 256 else (0,),
                expected=lambda s: "at most 256 independent regions: their index has 8 bits",
                tolerated=True,
            ),
        ),
    ),
    Field(
        id="CS-PIH-26",
        name="hyper_decoder_overlap_in_latent_samples",
        coding=U(2),
        when=_DEPENDENT,
        meaning="half the overlap in hyper-latent samples",
        derived=Derived("hyper_overlap", lambda v: 2 * v),
    ),
    Field(
        id="CS-PIH-27",
        name="mcm_overlap_in_latent_samples",
        coding=U(4),
        when=_DEPENDENT,
        meaning="quarter of the overlap of the context model in latent samples",
        derived=Derived("mcm_overlap", lambda v: 4 * v),
    ),
    Field(id="CS-PIH-28", name="independent_beta_uv", coding=U(1), meaning="chroma has its own displacement"),
    Field(
        id="CS-PIH-29",
        name="beta_displacement_log_plus_2048",
        part=1,
        coding=U(12),
        when=When("independent_beta_uv = 1", lambda s: s.independent_beta_uv == 1),
        default=lambda s: s.beta_displacement_log_plus_2048[0],
        meaning="rate displacement of chroma; luma's where absent",
        derived=Derived("beta_displacement_log", lambda v: v - 2048),
    ),
    Group(
        name="components",
        make=make_component,
        times=lambda s: 2,
        times_words="2, luma and chroma",
        body=COMPONENT,
    ),
    Field(
        id="CS-PIH-42",
        name="gain_3D_enable_flag",
        coding=U(1),
        meaning="the stream has a quality map (SOQ)",
    ),
    Field(
        id="CS-PIH-43",
        name="multi_threading_q",
        coding=U(1),
        when=_MAP,
        meaning="SOQ has several threads",
    ),
    Field(
        id="CS-PIH-44",
        name="log2_num_threads_q_minus1",
        coding=U(2),
        when=When("multi_threading_q = 1", lambda s: s.multi_threading_q == 1),
        meaning="2, 4, 8 or 16 threads; 1 where absent",
        derived=THREADS,
    ),
    Field(
        id="CS-PIH-45",
        name="quality_map_entropy_index",
        coding=B(7),
        when=_MAP,
        meaning="selects the scale with which the quality map is coded",
    ),
)

PIH = Segment("PIH", (*_GENERAL, *_CORE), lambda s: PictureHeader(dialect=s.dialect, **s.values))
