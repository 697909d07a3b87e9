"""Filter parameters that the encoder derives: chroma comes nearer to the original, and bits are paid for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

pytest.importorskip("torch")

from conformance.encoder.efe import derive_efe, original_planes
from conformance.encoder.source import make_source
from conformance.training.pictures import to_yuv
from refdec.codestream import PictureHeader, ToolHeader
from refdec.codestream.assemble import write_tool_header
from refdec.codestream.headers import DEFAULT_TOOLS
from refdec.codestream.reader import read_segment
from refdec.codestream.tool_syntax import TON
from refdec.filters import FilterPlanes, Planes
from refdec.picture import Picture, source_planes
from tests.encoder.float_models import picture as photo
from tests.filters import efe_cases as cases

KINDS = (("444", "444"), ("444", "422"), ("444", "420"), ("420", "420"), ("422", "422"))


def original(height: int, width: int, kind: str) -> Picture:
    """A picture of structure and noise whose chroma follows its luma, in a chroma format."""
    rgb = photo(height, width)
    if kind == "444":
        return Picture((rgb[..., 0], rgb[..., 1], rgb[..., 2]), "RGB", 8, (1, 1))
    y, u, v = np.clip(np.rint(to_yuv(rgb).numpy()), 0, 255).astype(np.uint8)
    down, across = {"422": (1, 2), "420": (2, 2)}[kind]
    return Picture((y, u[::down, ::across], v[::down, ::across]), "YCbCr", 8, (down, across))


def coded(picture: PictureHeader, source: Planes, strength: int = 3) -> Planes:
    """A picture as a decoder might see it: chroma at the coded resolution, blurred."""
    factors = zip(picture.coded_subsampling, picture.source_subsampling, strict=True)
    down, across = (coded // of_source for coded, of_source in factors)

    def blurred(plane: npt.NDArray[np.int32], steps: int) -> npt.NDArray[np.uint16]:
        out = plane.astype(np.int64)
        for axis in (0, 1) * steps:
            ends = [(1, 1) if i == axis else (0, 0) for i in (0, 1)]
            padded = np.pad(out, ends, mode="edge")
            lower, upper = (padded.take(range(k, k + out.shape[axis]), axis) for k in (0, 2))
            out = (lower + 2 * out + upper) // 4
        return (out >> 8).clip(0, 65280).astype(np.uint16)

    y, u, v = source
    parts = (blurred(y, 0), blurred(u[::down, ::across], strength), blurred(v[::down, ::across], strength))
    return source_planes(picture, tuple(np.ascontiguousarray(part) for part in parts))  # type: ignore[arg-type]


def case(kind: tuple[str, str], height: int = 150, width: int = 203) -> tuple[PictureHeader, Planes, Planes]:
    picture = cases.picture_of(height, width, kind, (2, 1))
    if kind[0] == "444":
        picture = replace(picture, colour_transform_idx=1)
    source = original_planes(make_source(original(height - 2, width - 1, kind[0])))
    return picture, coded(picture, source), source


def error(planes: Planes, source: Planes) -> tuple[float, float]:
    values = [float((((planes[p] - source[p].astype(np.float64)) / 65536) ** 2).mean()) for p in (1, 2)]
    return values[0], values[1]


@pytest.mark.parametrize("masks", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_chroma_comes_nearer_to_the_original(kind: tuple[str, str], masks: bool) -> None:
    picture, decoded, source = case(kind)
    found = derive_efe(picture, decoded, source, masks=masks)
    assert found.linear is not None
    assert found.before == pytest.approx(error(decoded, source))
    assert found.after == pytest.approx(error(found.planes, source))
    # blur in all of them, and correlation with luma
    for before, after in zip(found.before, found.after, strict=True):
        assert after < 0.75 * before
    # what a decoder reads, and makes of it
    tools = found.tool_header(replace(DEFAULT_TOOLS, LEF_enabled_flag=1))
    assert tools.LEF_enabled_flag == 1
    content = read_segment(TON, write_tool_header(tools, picture), 0, picture)
    assert not content.violations and content.header == tools
    parsed = content.header
    for engine in ("golden", "jit"):
        state = cases.efe_linear.apply(FilterPlanes(decoded), cases.context_of(picture, parsed, engine))
        if parsed.EFE_nonlinear_filter_enabled_flag:
            state = cases.efe_nonlinear.apply(state, cases.context_of(picture, parsed, engine))
        for a, b in zip(state.planes, found.planes, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", KINDS)
def test_bits_are_paid_for(kind: tuple[str, str]) -> None:
    picture, decoded, source = case(kind)
    sizes = []
    for chroma_bits in (1 << 30, 20_000, 4_000, 1):
        found = derive_efe(picture, decoded, source, chroma_bits=chroma_bits)
        bits = 8 * len(write_tool_header(found.tool_header(DEFAULT_TOOLS), picture))
        sizes.append(bits)
        if found.linear is not None or found.nonlinear is not None:
            assert 1 - sum(found.after) / sum(found.before) > (bits - 8) / chroma_bits
    assert sizes == sorted(sizes, reverse=True) and sizes[-1] == 8 < sizes[0]


def test_masks_take_blocks_of_the_alternative_picture() -> None:
    """Luma tells nothing about chroma where its noise was added, and everything elsewhere."""
    picture, decoded, source = case(("444", "444"), 386, 402)
    y = decoded[0].copy()
    y[:192, :192] = np.random.default_rng(1).integers(0, 255 << 16, (192, 192), dtype=np.int32)
    found = derive_efe(picture, (y, *decoded[1:]), source, masks=True, splits=(1,), chroma_bits=1 << 30)
    plain = derive_efe(picture, (y, *decoded[1:]), source, splits=(1,), chroma_bits=1 << 30)
    assert found.nonlinear is not None and found.nonlinear.mask1_enabled_flag
    assert len(set(found.nonlinear.W5[0])) > 1
    assert sum(found.after) < sum(plain.after)


def test_each_filter_can_be_left_out() -> None:
    picture, decoded, source = case(("444", "420"))
    linear = derive_efe(picture, decoded, source, nonlinear=False)
    nonlinear = derive_efe(picture, decoded, source, linear=False)
    assert linear.nonlinear is None and linear.linear is not None
    assert nonlinear.linear is None and nonlinear.nonlinear is not None
    for found in (linear, nonlinear):
        assert sum(found.after) < sum(found.before)
    side = derive_efe(picture, decoded, source, splits=(3,), sides=(2,)).linear
    assert side is not None
    applied = side.filter_sets[1]
    assert applied.best_cand_idx == (3, 3) and applied.fL == (2, 2)


def test_one_plane_that_needs_nothing() -> None:
    """Where chroma keeps its resolution, decoders are known to need weights for both planes."""
    picture, decoded, source = case(("420", "420"))
    found = derive_efe(picture, (decoded[0], source[1], decoded[2]), source, nonlinear=False)
    assert found.linear is not None
    applied = found.linear.filter_sets[1]
    assert applied.best_cand_idx[0] == 1 and applied.fL[0] == 1
    np.testing.assert_array_equal(found.planes[1], source[1])
    write_tool_header(found.tool_header(DEFAULT_TOOLS), picture, strict=True)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_to_gain(kind: tuple[str, str]) -> None:
    picture, decoded, source = case(kind)
    found = derive_efe(picture, source, source, masks=True)
    assert found.linear is None and found.nonlinear is None
    assert found.tool_header(ToolHeader()) == ToolHeader()
    flat = tuple(np.full(plane.shape, 77 << 16, np.int32) for plane in decoded)
    other = tuple(np.full(plane.shape, 90 << 16, np.int32) for plane in decoded)
    # a constant error is mended, by few bits, and without weights that noise would blow up
    found = derive_efe(picture, flat, other, masks=True)  # type: ignore[arg-type]
    assert max(found.after) <= 0.01 * min(found.before)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (33, 2)])
def test_small_pictures(size: tuple[int, int]) -> None:
    picture = cases.picture_of(64, 64, ("444", "420"), (64 - size[0], 64 - size[1]))
    planes = cases.planes_of(picture, 3).planes
    source = cases.planes_of(picture, 4).planes
    found = derive_efe(picture, planes, source, masks=True, chroma_bits=1 << 30)
    assert sum(found.after) <= sum(found.before)
    write_tool_header(found.tool_header(DEFAULT_TOOLS), picture)


@pytest.mark.parametrize("depth", [8, 10])
def test_original_planes_are_what_a_lossless_decoder_has(depth: int) -> None:
    random = np.random.default_rng(2)
    top = (1 << depth) - 1
    dtype = np.uint8 if depth == 8 else np.uint16
    y, u, v = (random.integers(0, top + 1, size).astype(dtype) for size in ((70, 81), (70, 41), (70, 41)))
    planes = original_planes(make_source(Picture((y, u, v), "YCbCr", depth, (1, 2)), coded_size=(77, 90)))
    for plane, samples in zip(planes, (y, u, v), strict=True):
        assert plane.shape == samples.shape and plane.dtype == np.int32
        assert np.abs(plane / 65536 - samples * (255 / top)).max() <= 1 / 131072
    rgb = photo(70, 81)
    planes = original_planes(make_source(rgb))
    assert np.abs(np.stack(planes) / 65536 - to_yuv(rgb).numpy()).max() < 1e-3
