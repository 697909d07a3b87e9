"""Rectangles of regions and synthesis tiles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from refdec.codestream import PictureHeader, component_header
from refdec.codestream.geometry import (
    LEAST_TILE,
    Rect,
    SynthesisTile,
    ceil_div,
    cube_shape,
    filter_tile_count,
    hyper_size,
    latent_size,
    psi_size,
    region_borders,
    region_rectangles,
    synthesis_tiles,
    synthesis_work,
)
from refdec.codestream.headers import cube_groups


def picture(
    height: int,
    width: int,
    tiling: tuple[int, int] | None = None,
    regions: tuple[int, int] = (1, 1),
    independent: bool = False,
    overlaps: tuple[int, int] = (0, 0),
) -> PictureHeader:
    components = tuple(component_header(c, height, width, tiling=tiling) for c in (0, 1))
    return PictureHeader(
        decoder_profile_id=1,
        synthesis_transform_id=(1,),
        level_idc=52,
        img_width_minus64=width - 64,
        img_height_minus64=height - 64,
        model_id=0,
        components=(components[0], components[1]),
        region_partitioning_flag=int(regions != (1, 1)),
        num_ver_splits_minus1=regions[0] - 1,
        num_hor_splits_minus1=regions[1] - 1,
        region_residual_in_its_own_substream_flag=int(independent),
        hyper_decoder_overlap_in_latent_samples=overlaps[0],
        mcm_overlap_in_latent_samples=overlaps[1],
    )


SIDES = st.integers(64, 3000)


@given(st.integers(64, 65599))
def test_sizes_agree_with_those_of_the_chroma_planes(side: int) -> None:
    half = ceil_div(side, 2)
    assert latent_size(side, side) == (ceil_div(half, 8),) * 2
    assert hyper_size(side, side) == (ceil_div(half, 32),) * 2
    assert psi_size(side, side) == (ceil_div(ceil_div(side, 16), 2),) * 2
    rows, columns = latent_size(side, side)
    _, cube_rows, _ = cube_shape(side, side)
    assert 16 * (cube_rows - 1) < rows <= 16 * cube_rows
    assert rows == columns


def test_tiles_of_a_large_picture() -> None:
    tiles = synthesis_tiles(picture(1400, 2096, (1024, 64)))
    assert [(t.picture.x, t.picture.y, t.picture.w, t.picture.h) for t in tiles] == [
        (0, 0, 1024, 1024),
        (960, 0, 1024, 1024),
        (1920, 0, 176, 1024),
        (0, 960, 1024, 440),
        (960, 960, 1024, 440),
        (1920, 960, 176, 440),
    ]
    assert (tiles[1].latent, tiles[1].core) == (Rect(0, 60, 64, 64), Rect(0, 992, 992, 960))
    assert (tiles[5].latent, tiles[5].core) == (Rect(60, 120, 28, 11), Rect(992, 1952, 408, 144))


def test_tiles_inside_independent_regions() -> None:
    tiles = synthesis_tiles(picture(1400, 2096, (640, 128), (1, 2), independent=True))
    assert len(tiles) == 12
    assert [(t.picture.x, t.picture.y, t.picture.w, t.picture.h) for t in tiles[:4]] == [
        (0, 0, 704, 704),
        (640, 0, 640, 640),
        (1216, 0, 768, 704),
        (1856, 0, 240, 704),
    ]
    assert tiles[6] == SynthesisTile(
        Rect(576, 1216, 768, 768), Rect(36, 76, 48, 48), Rect(640, 1280, 640, 640)
    )


@given(SIDES, SIDES, st.integers(1, 255), st.integers(0, 31), st.booleans())
def test_cores_cover_every_sample_once(height: int, width: int, size: int, overlap: int, split: bool) -> None:
    regions = (min(2, ceil_div(height, 256)), min(2, ceil_div(width, 512))) if split else (1, 1)
    assume(overlap < size and (split or 16 * overlap < min(height, width)))
    if split and 16 * size < 128:
        size += 8
    assume(split or ceil_div(height, 16 * (size - overlap)) * ceil_div(width, 16 * (size - overlap)) < 4000)
    header = picture(height, width, (16 * size, 16 * overlap), regions, independent=split)
    covered = np.zeros((height, width), np.uint8)
    for tile in synthesis_tiles(header):
        covered[tile.core.slices()] += 1
        assert tile.picture.y <= tile.core.y and tile.picture.x <= tile.core.x
        assert tile.core.y + tile.core.h <= tile.picture.y + tile.picture.h <= height
        assert tile.core.x + tile.core.w <= tile.picture.x + tile.picture.w <= width
        assert min(tile.picture) >= 0
    area = sum(tile.picture.h * tile.picture.w for tile in synthesis_tiles(header))
    work = synthesis_work(height, width, 16 * size, 16 * overlap, split)
    if split:
        assert work >= area
    else:
        assert work == max(area, LEAST_TILE * len(synthesis_tiles(header)))
    assert covered.min() == covered.max() == 1


@pytest.mark.parametrize("independent", [False, True])
@given(SIDES, SIDES, st.data())
def test_regions_partition_the_latent(
    independent: bool, height: int, width: int, data: st.DataObject
) -> None:
    rows = data.draw(st.integers(1, ceil_div(height, 256)))
    columns = data.draw(st.integers(1, ceil_div(width, 512)))
    header = picture(height, width, None, (rows, columns), independent, (0, 0) if independent else (2, 8))
    for component in (0, 1):
        covered = np.zeros(latent_size(height, width), np.uint8)
        plain = region_rectangles(header, component, 4, extended=False)
        assert len(plain) == rows * columns
        for rect in plain:
            covered[rect.slices()] += 1
        assert covered.min() == covered.max() == 1
        grown = region_rectangles(header, component, 4, extended=True)
        if independent:
            assert grown == plain
            continue
        for small, large in zip(plain, grown, strict=True):
            assert large.y == max(0, small.y - 16) and large.x == max(0, small.x - 16)
            assert large.y + large.h == min(covered.shape[0], small.y + small.h + 16)
            assert large.x + large.w == min(covered.shape[1], small.x + small.w + 16)


def test_borders_by_depth() -> None:
    """600 rows in two regions: five blocks of 128, two of them to a region."""
    assert region_borders(600, 2, 0) == (0, 256, 600)
    assert region_borders(600, 2, 4) == (0, 16, 38)
    assert region_borders(600, 2, 5) == (0, 8, 19)
    assert region_borders(600, 2, 6) == (0, 4, 10)
    # More regions than blocks, as the older dialect allows: all but the last are empty.
    assert region_borders(200, 5, 4) == (0, 0, 0, 0, 0, 13)


def test_extension_by_depth() -> None:
    header = picture(600, 1200, None, (2, 2), overlaps=(2, 8))
    assert region_rectangles(header, 0, 6, True)[3] == Rect(0, 6, 10, 13)
    assert region_rectangles(header, 0, 5, True)[3] == Rect(0, 12, 19, 26)
    assert region_rectangles(header, 0, 4, True)[0] == Rect(0, 0, 32, 56)
    assert region_rectangles(header, 0, 0, True)[0] == Rect(0, 0, 512, 896)


def test_chroma_regions_of_an_odd_picture() -> None:
    header = picture(601, 1201, None, (2, 2))
    assert region_rectangles(header, 1, 0, False)[3] == Rect(256, 640, 346, 562)
    assert region_rectangles(header, 0, 0, False)[3] == Rect(256, 640, 345, 561)


def test_filter_tiles() -> None:
    assert filter_tile_count(1400, 2096, 2048, 48) == 2
    assert filter_tile_count(3000, 5000, 2048, 48) == 2 * 3
    assert filter_tile_count(64, 64, 16, 0) == 16


@given(st.integers(64, 700), st.integers(64, 700), st.integers(0, 1), st.randoms(use_true_random=False))
def test_cube_flags_are_canonical(height: int, width: int, component: int, source: object) -> None:
    shape = cube_shape(height, width)
    flags = np.array([source.random() < 0.9 for _ in range(int(np.prod(shape)))], np.uint8).reshape(shape)  # type: ignore[attr-defined]
    header = component_header(component, height, width, cube_flags=flags)
    if flags.all():
        assert header.cube_flags is None and header.use_cube_flags == 0
        return
    assert header.cube_flags is not None
    assert np.array_equal(header.cube_flags, flags)
    assert all(group.cube_group_flag == (0 in group.cube_flag) for group in cube_groups(flags))
    assert replace(header, rvs_enable_flag=1).cube_flags is not header.cube_flags
