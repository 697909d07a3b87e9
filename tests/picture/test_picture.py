"""Crop, decimation, formats and strips: whole pictures, over headers that ask for something else."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from refdec.codestream.headers import PictureHeader, component_header
from refdec.errors import UnsupportedFeatureError
from refdec.picture import coded_planes, golden, make_picture, planes, require_supported

FORMATS = {"444": (0, 0), "422": (0, 1), "420": (1, 1)}


def header(width: int, height: int, **fields: Any) -> PictureHeader:
    return PictureHeader(
        decoder_profile_id=0,
        synthesis_transform_id=(0,),
        level_idc=12,
        img_width_minus64=width - 64,
        img_height_minus64=height - 64,
        model_id=0,
        components=(component_header(0, height, width), component_header(1, height, width)),
        **fields,
    )


def formats(source: str, coded: str) -> dict[str, int]:
    (s_ver, s_hor), (c_ver, c_hor) = FORMATS[source], FORMATS[coded]
    return {"s_ver_minus1": s_ver, "s_hor_minus1": s_hor, "c_ver_minus1": c_ver, "c_hor_minus1": c_hor}


def synthesised(picture: PictureHeader) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint16]]:
    random = np.random.default_rng(picture.width)
    size = (picture.height, picture.width)
    return (
        random.integers(0, 65281, (1, *size)).astype(np.uint16),
        random.integers(0, 65281, (2, *size)).astype(np.uint16),
    )


CASES = [
    ("444", "444", 1, 0),
    ("444", "422", 1, 0),
    ("444", "420", 1, 1),
    ("444", "420", 0, 0),
    ("444", "444", 0, 1),
    ("422", "422", 0, 0),
    ("420", "420", 0, 1),
]


@pytest.mark.parametrize("source, coded, transform, depth", CASES)
@pytest.mark.parametrize("width, height, right, bottom", [(64, 64, 0, 0), (67, 131, 3, 2), (70, 259, 63, 63)])
def test_every_format(
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    coded: str,
    transform: int,
    depth: int,
    width: int,
    height: int,
    right: int,
    bottom: int,
) -> None:
    picture = header(
        width,
        height,
        diff_display_img_width=right,
        diff_display_img_height=bottom,
        colour_transform_idx=transform,
        bit_depth_idc=depth,
        **formats(source, coded),
    )
    luma, chroma = synthesised(picture)
    parts = coded_planes(picture, luma, chroma)
    shown = (height - bottom, width - right)
    c_ver, c_hor = (f + 1 for f in FORMATS[coded])
    s_ver, s_hor = (f + 1 for f in FORMATS[source])
    np.testing.assert_array_equal(parts[0], luma[0][: shown[0], : shown[1]])
    for k in (0, 1):
        np.testing.assert_array_equal(parts[1 + k], chroma[k][: shown[0], : shown[1]][::c_ver, ::c_hor])
    results = []
    for engine, threads, rows in (("golden", 1, 128), ("jit", 1, 128), ("jit", 3, 128), ("jit", 2, 2)):
        monkeypatch.setattr(planes, "STRIP_ROWS", rows)
        results.append(make_picture(picture, parts, engine=engine, threads=threads))
    for result in results:
        assert result.colour == ("RGB" if transform else "YCbCr")
        assert result.bit_depth == (8, 10)[depth] and result.subsampling == (s_ver, s_hor)
        assert result.size == shown
        chroma_size = (-(-shown[0] // s_ver), -(-shown[1] // s_hor))
        assert [p.shape for p in result.planes] == [shown, chroma_size, chroma_size]
        for a, b in zip(result.planes, results[0].planes, strict=True):
            assert a.dtype == b.dtype == (np.uint8, np.uint16)[depth]
            np.testing.assert_array_equal(a, b)
    # the whole at once, from the parts of the definition
    u, v = parts[1:]
    if source != coded:
        u, v = (golden.interpolate(c, shown, (0, shown[0])) for c in (u, v))
    bits = (8, 10)[depth]
    direct = (
        golden.to_rgb(parts[0], u, v, bits)
        if transform
        else [golden.to_samples(p, bits) for p in (parts[0], u, v)]
    )
    for a, b in zip(results[1].planes, direct, strict=True):
        np.testing.assert_array_equal(a, b)


def test_one_sample_planes() -> None:
    picture = header(64, 64, diff_display_img_width=63, diff_display_img_height=63, **formats("444", "420"))
    luma, chroma = synthesised(picture)
    parts = coded_planes(picture, luma, chroma)
    assert [p.shape for p in parts] == [(1, 1)] * 3
    both = [make_picture(picture, parts, engine=engine).planes for engine in ("golden", "jit")]
    assert [p.tolist() for p in both[0]] == [p.tolist() for p in both[1]]


def test_planes_are_contiguous_and_do_not_alias_a_cropped_source() -> None:
    picture = header(70, 66, diff_display_img_width=5)
    luma, chroma = synthesised(picture)
    for part in coded_planes(picture, luma, chroma):
        assert part.flags.c_contiguous and part.shape == (66, 65)


@pytest.mark.parametrize("fields", [{"colour_transform_idx": 2}, {"s_ver_minus1": 1, "s_hor_minus1": 1}])
def test_undefined_colour_is_refused(fields: dict[str, int]) -> None:
    with pytest.raises(UnsupportedFeatureError) as caught:
        require_supported(header(64, 64, **fields))
    assert caught.value.element == "PIH.colour_transform_idx" and caught.value.exit_code == 4


def test_an_unknown_engine_is_refused() -> None:
    picture = header(64, 64)
    with pytest.raises(ValueError, match="golden or jit"):
        make_picture(picture, coded_planes(picture, *synthesised(picture)), engine="fast")
