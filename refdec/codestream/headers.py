"""Typed, frozen header objects.

Attributes carry the standard's names and the raw coded values, so that every header can be written back
to the bit; what follows from them is a property. Elements that a stream does not carry hold the value that
they count as. The objects say nothing about how they are coded: that is in ``*_syntax.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from refdec.codestream.geometry import CHANNELS, ceil_div, cube_shape
from refdec.codestream.syntax import Dialect

UInt8 = npt.NDArray[np.uint8]

BIT_DEPTHS = (8, 10, 12, 14, 16)


def _read_only(array: UInt8) -> UInt8:
    array.flags.writeable = False
    return array


@dataclass(frozen=True)
class CubeGroup:
    """Up to eight consecutive cube flags; all are 1 where ``cube_group_flag`` is 0."""

    cube_group_flag: int
    cube_flag: tuple[int, ...]


@dataclass(frozen=True)
class ComponentHeader:
    """What the picture header says about one component.

    :param num_chs_coded: ``num_chs`` as coded; :attr:`num_chs` is what it means.
    :param cube_groups: cube flags as coded, ``()`` without ``use_cube_flags``.
    :param grfs_channel_flag: one flag for each of the :attr:`num_chs` channels, ``()`` without the tool.
    """

    component: int
    cube_flag_shape: tuple[int, int, int]
    num_chs_coded: int
    multi_threading_r: int = 0
    log2_num_threads_r_minus1: int = 0
    use_cube_flags: int = 0
    cube_groups: tuple[CubeGroup, ...] = ()
    rvs_enable_flag: int = 0
    grfs_enable_flag: int = 0
    grfs_channel_flag: tuple[int, ...] = ()
    synthesis_tile_enable: int = 0
    synthesis_tile_size: int = 0
    synthesis_tile_overlap: int = 0

    @property
    def num_threads_r(self) -> int:
        """Threads of each residual payload: 1, 2, 4, 8 or 16."""
        return 2 << self.log2_num_threads_r_minus1 if self.multi_threading_r else 1

    @property
    def num_chs(self) -> int:
        """Latent channels present, at most 160 for luma and 96 for chroma (CS-PIH-32)."""
        return min(self.num_chs_coded, CHANNELS[self.component])

    @cached_property
    def cube_flags(self) -> UInt8 | None:
        """uint8 ``[4, n_y, n_x]``, read-only: 0 where all is coded, 1 where sigma decides (CS-PIH-35)."""
        if not self.use_cube_flags:
            return None
        flags = [flag for group in self.cube_groups for flag in group.cube_flag]
        return _read_only(np.array(flags, np.uint8).reshape(self.cube_flag_shape))

    @cached_property
    def grfs_channel_flags(self) -> UInt8 | None:
        """uint8 ``[160]`` or ``[96]``, read-only; channels that are not listed count as 0 (CS-PIH-38)."""
        if not self.grfs_enable_flag:
            return None
        flags = np.zeros(CHANNELS[self.component], np.uint8)
        flags[: len(self.grfs_channel_flag)] = self.grfs_channel_flag
        return _read_only(flags)

    @property
    def tiling(self) -> tuple[int, int] | None:
        """Synthesis tile size and overlap in luma samples, ``None`` for one tile."""
        if not self.synthesis_tile_enable:
            return None
        return 16 * self.synthesis_tile_size, 16 * self.synthesis_tile_overlap


@dataclass(frozen=True)
class PictureHeader:
    """PIH. Tuples of two hold luma first."""

    decoder_profile_id: int
    synthesis_transform_id: tuple[int, ...]
    level_idc: int
    img_width_minus64: int
    img_height_minus64: int
    model_id: int
    components: tuple[ComponentHeader, ComponentHeader]
    dialect: Dialect = Dialect.T840
    stream_profile_idc: int = 0
    num_synthesis_transforms_minus1: int = 0
    diff_display_img_width: int = 0
    diff_display_img_height: int = 0
    bit_depth_idc: int = 0
    s_ver_minus1: int = 0
    s_hor_minus1: int = 0
    c_ver_minus1: int = 0
    c_hor_minus1: int = 0
    colour_transform_idx: int = 1
    colour_transform_matrix: tuple[int, ...] = ()
    colour_transform_offset: tuple[int, ...] = ()
    multi_threading_z: int = 0
    log2_num_threads_z_minus1: int = 0
    beta_displacement_log_plus_2048: tuple[int, int] = (2048, 2048)
    region_partitioning_flag: int = 0
    num_ver_splits_minus1: int = 0
    num_hor_splits_minus1: int = 0
    region_residual_in_its_own_substream_flag: int = 0
    hyper_decoder_overlap_in_latent_samples: int = 0
    mcm_overlap_in_latent_samples: int = 0
    independent_beta_uv: int = 0
    gain_3D_enable_flag: int = 0
    multi_threading_q: int = 0
    log2_num_threads_q_minus1: int = 0
    quality_map_entropy_index: int = 0

    @property
    def width(self) -> int:
        """Coded width in luma samples."""
        return self.img_width_minus64 + 64

    @property
    def height(self) -> int:
        """Coded height in luma samples."""
        return self.img_height_minus64 + 64

    @property
    def display_width(self) -> int:
        """Columns that are shown; the others are at the right."""
        return self.width - self.diff_display_img_width

    @property
    def display_height(self) -> int:
        """Rows that are shown; the others are at the bottom."""
        return self.height - self.diff_display_img_height

    @property
    def bit_depth(self) -> int:
        """Bits of an output sample."""
        return BIT_DEPTHS[self.bit_depth_idc]

    @property
    def source_subsampling(self) -> tuple[int, int]:
        """Vertical and horizontal chroma factor of the source and of the output."""
        return self.s_ver_minus1 + 1, self.s_hor_minus1 + 1

    @property
    def coded_subsampling(self) -> tuple[int, int]:
        """Vertical and horizontal chroma factor of the synthesised planes."""
        return self.c_ver_minus1 + 1, self.c_hor_minus1 + 1

    @property
    def same_chroma(self) -> bool:
        """Chroma is coded at the source's resolution (CS-TON-01)."""
        return self.source_subsampling == self.coded_subsampling

    @property
    def icci_coded(self) -> bool:
        """The tool header has room for the inter-component filter: not for 4:2:0 sources (CS-TON-02)."""
        return self.s_ver_minus1 == 0 or self.s_hor_minus1 == 0

    @property
    def num_threads_z(self) -> int:
        """Threads of SOZ: 1, 2, 4, 8 or 16."""
        return 2 << self.log2_num_threads_z_minus1 if self.multi_threading_z else 1

    @property
    def num_threads_q(self) -> int:
        """Threads of SOQ: 1, 2, 4, 8 or 16."""
        return 2 << self.log2_num_threads_q_minus1 if self.multi_threading_q else 1

    @property
    def beta_displacement_log(self) -> tuple[int, int]:
        """Rate displacement of luma and chroma, -2048..2047, 128 steps to a scale level (CS-PIH-21)."""
        luma, chroma = self.beta_displacement_log_plus_2048
        return luma - 2048, chroma - 2048

    @property
    def num_region_rows(self) -> int:
        """Rows of regions, 1 without partitioning."""
        return self.num_ver_splits_minus1 + 1

    @property
    def num_region_cols(self) -> int:
        """Columns of regions, 1 without partitioning."""
        return self.num_hor_splits_minus1 + 1

    @property
    def num_regions(self) -> int:
        """Regions in all; region ``row * num_region_cols + column``."""
        return self.num_region_rows * self.num_region_cols

    @property
    def independent_regions(self) -> bool:
        """Each region's residual has its own substream, and no region looks at another."""
        return bool(self.region_residual_in_its_own_substream_flag)


@dataclass(frozen=True)
class PlaneWeights:
    """Filter weights of one chroma plane, raw; lists follow each other.

    :param chroma: weights on the chroma plane, ``splits`` lists of ``fL * fL`` or four times as many.
    :param luma: weights on luma, ``splits`` lists of ``fL * fL``.
    """

    chroma_weights: tuple[int, ...] = ()
    luma_weights: tuple[int, ...] = ()


@dataclass(frozen=True)
class FilterSet:
    """One set of EFE linear filters; tuples of two are planes U and V."""

    best_cand_idx: tuple[int, int]
    minSymbol: int
    maxSymbol: int
    fL: tuple[int, int] = (0, 0)
    planes: tuple[PlaneWeights, PlaneWeights] = (PlaneWeights(), PlaneWeights())

    def splits(self, plane: int) -> int:
        """Parts into which a plane is cut, each with its own filter; 0 for a plane without weights."""
        return (0, *EFE_SPLITS)[self.best_cand_idx[plane]]

    def codes(self, plane: int) -> tuple[list[list[int]], list[list[int]]]:
        """Weight codes (raw values plus ``minSymbol``) of a plane: chroma lists, luma lists."""
        lists = self.splits(plane)
        return (
            _cut(self.planes[plane].chroma_weights, lists, self.minSymbol),
            _cut(self.planes[plane].luma_weights, lists, self.minSymbol),
        )


EFE_SPLITS = (1, 2, 2, 3, 3, 4, 6, 6)


def _cut(weights: Sequence[int], lists: int, offset: int) -> list[list[int]]:
    if lists == 0:
        return []
    size = len(weights) // lists
    return [[w + offset for w in weights[i * size : (i + 1) * size]] for i in range(lists)]


@dataclass(frozen=True)
class EfeLinear:
    """EFE linear: two filter sets, the second of which is applied to the picture."""

    B1: tuple[int, int]
    filter_sets: tuple[FilterSet, FilterSet]


@dataclass(frozen=True)
class IcciTile:
    """Use of the inter-component filter in one tile."""

    icci_use: tuple[int, int, int]
    icci_use_shortList: int = 0
    index_Y: int = 0
    index_UV: int = 0


@dataclass(frozen=True)
class Icci:
    """eICCI, the inter-component filter by networks."""

    tiles: tuple[IcciTile, ...]
    icci_tile_enable: int = 0
    icci_tile_size: int = 0
    icci_tile_overlap: int = 0


@dataclass(frozen=True)
class EfeNonlinear:
    """EFE non-linear: masks and piecewise linear correction of chroma by luma."""

    minSymbol: int = 0
    maxSymbol: int = 65535
    mask1_enabled_flag: int = 0
    mask2_enabled_flag: int = 0
    bS: int = 0
    len_mask_y: int = 0
    len_mask_x: int = 0
    W5: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
    nonLinear_enabled_U_flag: int = 0
    nonLinear_enabled_V_flag: int = 0
    nonlinearW: int = 0
    nonlinearH: int = 0
    numTiles: int = 0
    minLuma: tuple[int, ...] = ()
    maxLuma: tuple[int, ...] = ()
    candNum: tuple[int, int] = (0, 0)
    A1: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())


@dataclass(frozen=True)
class ToolHeader:
    """TON; the defaults are what a stream without TON means (CS-CON-09)."""

    lsbs_enable_flag: tuple[int, int] = (0, 0)
    EFE_linear_filter_enabled_flag: int = 0
    efe_linear: EfeLinear | None = None
    icci_enable_flag: int = 0
    icci: Icci | None = None
    EFE_nonlinear_filter_enabled_flag: int = 0
    efe_nonlinear: EfeNonlinear | None = None
    LEF_enabled_flag: int = 0
    LEF_chIdx: int = 0


@dataclass(frozen=True)
class Cicp:
    """Code points of ITU-T H.273."""

    colour_primaries: int
    transfer_characteristics: int
    matrix_coefficients: int
    image_full_range_flag: int = 0
    chroma420_sample_loc_type: int = 0
    ri_reserved_zero_4bits: int = 0


@dataclass(frozen=True)
class MasteringPrimary:
    """Chromaticity of one primary of the mastering display."""

    primaries_x: int
    primaries_y: int


@dataclass(frozen=True)
class Mdcv:
    """Mastering display colour volume."""

    primaries: tuple[MasteringPrimary, MasteringPrimary, MasteringPrimary]
    white_point_x: int
    white_point_y: int
    maximum_luminance: int
    minimum_luminance: int


@dataclass(frozen=True)
class Clli:
    """Content light level."""

    maximum_content_light_level: int
    maximum_frame_average_light_level: int


@dataclass(frozen=True)
class DynamicMetadata:
    """Opaque metadata of a type."""

    dm_type: int
    dm_size: int
    dm_data: tuple[int, ...]

    @property
    def data(self) -> bytes:
        """The metadata's bytes."""
        return bytes(self.dm_data)


@dataclass(frozen=True)
class RenderingInformation:
    """RDI; descriptive, it does not change decoding (CS-RDI-01)."""

    cicp_info_present_flag: int = 0
    mdcv_info_present_flag: int = 0
    clli_info_present_flag: int = 0
    dm_present_flag: int = 0
    ri_reserved_zero_4bits: int = 0
    cicp: Cicp | None = None
    mdcv: Mdcv | None = None
    clli: Clli | None = None
    dm: DynamicMetadata | None = None


def cube_groups(flags: npt.ArrayLike) -> tuple[CubeGroup, ...]:
    """Canonical coding of cube flags, last axis fastest: ``()`` where every flag is 1 (CS-WRT-03)."""
    values = [int(flag) for flag in np.asarray(flags).reshape(-1)]
    if all(values):
        return ()
    groups = (tuple(values[i : i + 8]) for i in range(0, len(values), 8))
    return tuple(CubeGroup(int(not all(group)), group) for group in groups)


def component_header(
    component: int,
    height: int,
    width: int,
    *,
    num_chs: int | None = None,
    threads: int = 1,
    cube_flags: npt.ArrayLike | None = None,
    rvs: bool = False,
    grfs_channel_flags: Sequence[int] | None = None,
    tiling: tuple[int, int] | None = None,
) -> ComponentHeader:
    """A component header from what an encoder decides, in canonical form.

    :param height: luma height; ``width`` likewise.
    :param num_chs: channels coded; all of them by default.
    :param cube_flags: ``[4, n_y, n_x]``; a flag of 0 has every element of its cube coded.
    :param grfs_channel_flags: one for each coded channel, or for all channels of the component.
    :param tiling: synthesis tile size and overlap in luma samples, multiples of 16.
    """
    channels = CHANNELS[component] if num_chs is None else num_chs
    groups = () if cube_flags is None else cube_groups(cube_flags)
    multi, log2 = thread_fields(threads)
    size, overlap = tiling or (0, 0)
    if size % 16 or overlap % 16:
        raise ValueError(f"tile size {size} and overlap {overlap} must be multiples of 16")
    flags = () if grfs_channel_flags is None else tuple(int(f) for f in grfs_channel_flags)[:channels]
    return ComponentHeader(
        component=component,
        cube_flag_shape=cube_shape(height, width),
        num_chs_coded=channels,
        multi_threading_r=multi,
        log2_num_threads_r_minus1=log2,
        use_cube_flags=int(bool(groups)),
        cube_groups=groups,
        rvs_enable_flag=int(rvs),
        grfs_enable_flag=int(grfs_channel_flags is not None),
        grfs_channel_flag=flags,
        synthesis_tile_enable=int(tiling is not None),
        synthesis_tile_size=size // 16,
        synthesis_tile_overlap=overlap // 16,
    )


def thread_fields(threads: int) -> tuple[int, int]:
    """Flag and logarithm that signal a number of threads."""
    if threads not in (1, 2, 4, 8, 16):
        raise ValueError(f"{threads} threads cannot be signalled; 1, 2, 4, 8 or 16 can")
    return (0, 0) if threads == 1 else (1, threads.bit_length() - 2)


def plane_size(picture: Any) -> tuple[int, int]:
    """Rows and columns of a chroma plane in the source format at displayed size (CS-TON-30).

    :param picture: a picture header, or a scope in which its values are visible.
    """
    return (
        ceil_div(picture.display_height, picture.s_ver_minus1 + 1),
        ceil_div(picture.display_width, picture.s_hor_minus1 + 1),
    )


DEFAULT_TOOLS = ToolHeader()
