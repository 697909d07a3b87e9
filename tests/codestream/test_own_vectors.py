"""Frozen streams of our own, and headers spelled out by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from refdec import errors
from refdec.codestream import Dialect, parse, rewrite
from refdec.codestream.container import Marker, join
from refdec.codestream.headers import PictureHeader
from refdec.codestream.stream import Codestream
from tests.codestream.make_vectors import FOLDER, LIMITS, values_of

STREAMS: list[dict[str, Any]] = json.loads((FOLDER / "streams.json").read_text())
MALFORMED: list[dict[str, Any]] = json.loads((FOLDER / "malformed.json").read_text())


@pytest.mark.parametrize("vector", STREAMS, ids=lambda v: f"{v['dialect']}-{v['seed']}")
def test_stream(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["hex"])
    stream = parse(data, Dialect(vector["dialect"]), LIMITS)
    assert values_of(stream) == vector["fields"]
    assert rewrite(stream) == data


@pytest.mark.parametrize("vector", MALFORMED, ids=lambda v: v["rule"])
def test_malformed(vector: dict[str, Any]) -> None:
    with pytest.raises(errors.BitstreamError) as caught:
        parse(bytes.fromhex(vector["hex"]), Dialect(vector["dialect"]), LIMITS)
    assert type(caught.value).__name__ == vector["error"]
    assert vector["rule"] in str(caught.value)


Item = tuple[str, int, int]

# 300 x 520 samples: 19 x 33 latent positions, 10 x 17 of each phase, 2 x 3 cubes of each: 24 flags.
PICTURE_BY_HAND: list[Item] = [
    ("stream_profile_idc", 4, 0),
    ("decoder_profile_id", 4, 2),
    ("num_synthesis_transforms_minus1", 4, 2),
    ("synthesis_transform_id", 4, 2),
    ("synthesis_transform_id", 4, 0),
    ("synthesis_transform_id", 4, 1),
    ("level_idc", 8, 31),
    ("img_width_minus64", 16, 456),
    ("img_height_minus64", 16, 236),
    ("diff_display_img_width", 6, 33),
    ("diff_display_img_height", 6, 1),
    ("bit_depth_idc", 3, 1),
    ("s_ver_minus1", 1, 0),
    ("s_hor_minus1", 1, 0),
    ("c_ver_minus1", 1, 0),
    ("c_hor_minus1", 1, 1),
    ("colour_transform_idx", 2, 2),
    *[("colour_transform_matrix", 8, value) for value in (250, 1, 2, 3, 4, 5, 6, 7, 8)],
    *[("colour_transform_offset", 8, value) for value in (0, 128, 255)],
    ("model_id", 4, 3),
    ("multi_threading_z", 1, 1),
    ("log2_num_threads_z_minus1", 2, 2),
    ("beta_displacement_log_plus_2048[0]", 12, 4095),
    ("region_partitioning_flag", 1, 1),
    ("num_ver_splits_minus1", 7, 1),
    ("num_hor_splits_minus1", 7, 0),
    ("region_residual_in_its_own_substream_flag", 1, 0),
    ("hyper_decoder_overlap_in_latent_samples", 2, 3),
    ("mcm_overlap_in_latent_samples", 4, 12),
    ("independent_beta_uv", 1, 1),
    ("beta_displacement_log_plus_2048[1]", 12, 0),
    ("components[0].multi_threading_r", 1, 1),
    ("components[0].log2_num_threads_r_minus1", 2, 3),
    ("components[0].num_chs", 8, 3),
    ("components[0].use_cube_flags", 1, 1),
    ("components[0].cube_groups[0].cube_group_flag", 1, 1),
    *[("components[0].cube_groups[0].cube_flag", 1, value) for value in (1, 0, 1, 1, 0, 0, 1, 0)],
    ("components[0].cube_groups[1].cube_group_flag", 1, 0),
    ("components[0].cube_groups[2].cube_group_flag", 1, 1),
    *[("components[0].cube_groups[2].cube_flag", 1, 1) for _ in range(8)],
    ("components[0].rvs_enable_flag", 1, 1),
    ("components[0].grfs_enable_flag", 1, 1),
    *[("components[0].grfs_channel_flag", 1, value) for value in (0, 1, 1)],
    ("components[0].synthesis_tile_enable", 1, 1),
    ("components[0].synthesis_tile_size", 8, 16),
    ("components[0].synthesis_tile_overlap", 5, 4),
    ("components[1].multi_threading_r", 1, 0),
    ("components[1].num_chs", 8, 96),
    ("components[1].use_cube_flags", 1, 0),
    ("components[1].rvs_enable_flag", 1, 0),
    ("components[1].grfs_enable_flag", 1, 0),
    ("components[1].synthesis_tile_enable", 1, 1),
    ("components[1].synthesis_tile_size", 8, 16),
    ("components[1].synthesis_tile_overlap", 5, 4),
    ("gain_3D_enable_flag", 1, 1),
    ("multi_threading_q", 1, 1),
    ("log2_num_threads_q_minus1", 2, 0),
    ("quality_map_entropy_index", 3, 6),
]

# Coded chroma is half as wide as the source's: four phases of chroma weights. The displayed chroma plane
# is 299 x 487: blocks of 200 make 2 x 3, tiles of 300 x 256 (w x h) make 2 x 2.
TOOLS_BY_HAND: list[Item] = [
    ("lsbs_enable_flag[0]", 1, 0),
    ("lsbs_enable_flag[1]", 1, 1),
    ("EFE_linear_filter_enabled_flag", 1, 1),
    ("efe_linear.B1[0]", 15, 12800),
    ("efe_linear.B1[1]", 15, 32767),
    ("efe_linear.filter_sets[0].best_cand_idx[0]", 4, 0),
    ("efe_linear.filter_sets[0].best_cand_idx[1]", 4, 2),
    ("efe_linear.filter_sets[0].fL[1]", 4, 1),
    ("efe_linear.filter_sets[0].minSymbol", 16, 100),
    ("efe_linear.filter_sets[0].maxSymbol", 16, 5),
    *[("efe_linear.filter_sets[0].planes[1].chroma_weights", 3, v) for v in (0, 1, 2, 3, 4, 5, 0, 1)],
    *[("efe_linear.filter_sets[0].planes[1].luma_weights", 3, v) for v in (5, 4)],
    ("efe_linear.filter_sets[1].best_cand_idx[0]", 4, 1),
    ("efe_linear.filter_sets[1].best_cand_idx[1]", 4, 0),
    ("efe_linear.filter_sets[1].fL[0]", 4, 2),
    ("efe_linear.filter_sets[1].minSymbol", 16, 32767),
    ("efe_linear.filter_sets[1].maxSymbol", 16, 1),
    *[("efe_linear.filter_sets[1].planes[0].chroma_weights", 1, i % 2) for i in range(16)],
    *[("efe_linear.filter_sets[1].planes[0].luma_weights", 1, v) for v in (1, 1, 0, 1)],
    ("icci_enable_flag", 1, 1),
    ("icci.icci_tile_enable", 1, 1),
    ("icci.icci_tile_size", 8, 20),
    ("icci.icci_tile_overlap", 5, 2),
    *[("icci.tiles[0].icci_use", 1, value) for value in (1, 0, 1)],
    ("icci.tiles[0].icci_use_shortList", 1, 0),
    ("icci.tiles[0].index_Y", 4, 9),
    ("icci.tiles[0].index_UV", 4, 0),
    *[("icci.tiles[1].icci_use", 1, value) for value in (0, 1, 0)],
    ("icci.tiles[1].icci_use_shortList", 1, 1),
    ("icci.tiles[1].index_UV", 2, 1),
    ("EFE_nonlinear_filter_enabled_flag", 1, 1),
    ("efe_nonlinear.minSymbol", 16, 30000),
    ("efe_nonlinear.maxSymbol", 16, 9),
    ("efe_nonlinear.mask1_enabled_flag", 1, 1),
    ("efe_nonlinear.mask2_enabled_flag", 1, 1),
    ("efe_nonlinear.bS", 10, 200),
    ("efe_nonlinear.len_mask_y", 10, 2),
    ("efe_nonlinear.len_mask_x", 10, 3),
    *[("efe_nonlinear.W5[0]", 2, value) for value in (0, 1, 2, 2, 1, 0)],
    *[("efe_nonlinear.W5[1]", 2, value) for value in (1, 1, 1, 0, 0, 2)],
    ("efe_nonlinear.nonLinear_enabled_U_flag", 1, 0),
    ("efe_nonlinear.nonLinear_enabled_V_flag", 1, 1),
    ("efe_nonlinear.nonlinearW", 16, 300),
    ("efe_nonlinear.nonlinearH", 16, 256),
    ("efe_nonlinear.numTiles", 16, 4),
    *[("efe_nonlinear.minLuma", 16, value) for value in (0, 1, 2, 3)],
    *[("efe_nonlinear.maxLuma", 16, value) for value in (25500, 65535, 7, 8)],
    ("efe_nonlinear.candNum[1]", 16, 32),
    *[("efe_nonlinear.A1[1]", 4, i % 10) for i in range(32)],
    ("LEF_enabled_flag", 1, 1),
    ("LEF_chIdx", 8, 159),
]

RENDERING_BY_HAND: list[Item] = [
    ("cicp_info_present_flag", 1, 1),
    ("mdcv_info_present_flag", 1, 1),
    ("clli_info_present_flag", 1, 1),
    ("dm_present_flag", 1, 1),
    ("ri_reserved_zero_4bits", 4, 0),
    ("cicp.colour_primaries", 8, 1),
    ("cicp.transfer_characteristics", 8, 13),
    ("cicp.matrix_coefficients", 8, 6),
    ("cicp.image_full_range_flag", 1, 1),
    ("cicp.chroma420_sample_loc_type", 3, 5),
    ("cicp.ri_reserved_zero_4bits", 4, 0),
    *[
        (f"mdcv.primaries[{i}].primaries_{axis}", 16, 1000 * i + j)
        for i in range(3)
        for j, axis in enumerate("xy")
    ],
    ("mdcv.white_point_x", 16, 15635),
    ("mdcv.white_point_y", 16, 65535),
    ("mdcv.maximum_luminance", 32, 4294967295),
    ("mdcv.minimum_luminance", 32, 1),
    ("clli.maximum_content_light_level", 16, 1000),
    ("clli.maximum_frame_average_light_level", 16, 2),
    ("dm.dm_type", 8, 7),
    ("dm.dm_size", 16, 3),
    *[("dm.dm_data", 8, value) for value in (255, 0, 128)],
]


def pack(items: list[Item]) -> bytes:
    bits = "".join(f"{value:0{width}b}" for _, width, value in items)
    return bytes(int(bits[i : i + 8].ljust(8, "0"), 2) for i in range(0, len(bits), 8))


def spelled(stream: Codestream, segment: str) -> list[Item]:
    items: list[Item] = []
    for record in stream.header_fields:
        if record.segment == segment:
            values = record.value if isinstance(record.value, tuple) else (record.value,)
            items += [(record.name, record.width, value) for value in values]
    return items


@pytest.mark.parametrize("dialect", list(Dialect))
def test_headers_by_hand(dialect: Dialect) -> None:
    """Every element of the three headers, in the order and width written above."""
    picture = PICTURE_BY_HAND if dialect is Dialect.T840 else PICTURE_BY_HAND[1:]
    data = join(
        [
            (Marker.PIH, pack(picture)),
            (Marker.RDI, pack(RENDERING_BY_HAND)),
            (Marker.TON, pack(TOOLS_BY_HAND)),
        ]
    )
    stream = parse(data, dialect, check_conformance=False)
    assert spelled(stream, "PIH") == picture
    assert spelled(stream, "TON") == TOOLS_BY_HAND
    assert spelled(stream, "RDI") == RENDERING_BY_HAND
    assert stream.warnings == ()
    assert rewrite(stream) == data
    check_meaning(stream.picture)
    # The custom colour transform is all that is not implemented; 4:2:2 out of 4:4:4 is.
    assert [error.code for error in stream.violations] == ["unsupported"]


def check_meaning(picture: PictureHeader) -> None:
    assert (picture.width, picture.height, picture.display_width, picture.display_height) == (
        520,
        300,
        487,
        299,
    )
    assert (picture.bit_depth, picture.num_threads_z, picture.num_threads_q) == (10, 8, 2)
    assert picture.beta_displacement_log == (2047, -2048)
    assert (picture.num_region_rows, picture.num_region_cols, picture.num_regions) == (2, 1, 2)
    assert (picture.source_subsampling, picture.coded_subsampling) == ((1, 1), (1, 2))
    luma, chroma = picture.components
    assert (luma.num_threads_r, luma.num_chs, chroma.num_threads_r, chroma.num_chs) == (16, 3, 1, 96)
    assert luma.tiling == chroma.tiling == (256, 64)
    assert luma.cube_flags is not None and luma.cube_flags.shape == (4, 2, 3)
    assert luma.cube_flags.reshape(-1).tolist() == [1, 0, 1, 1, 0, 0, 1, 0] + [1] * 16
    assert luma.grfs_channel_flags is not None
    assert luma.grfs_channel_flags.tolist() == [0, 1, 1] + [0] * 157
    assert chroma.cube_flags is None and chroma.grfs_channel_flags is None
