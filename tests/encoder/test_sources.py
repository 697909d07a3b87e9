"""Sources of every format: files to samples, samples to networks' input, and on through a decoder."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

pytest.importorskip("torch")
import torch

from conformance.cli import app as refconf
from conformance.encoder.analysis import Latents
from conformance.encoder.closed_loop import code, prepare
from conformance.encoder.encode import Encoder, reconstruct
from conformance.encoder.machine import Machine
from conformance.encoder.options import Tools, picture_header
from conformance.encoder.picture_files import SampleFormat, as_ycbcr, read_picture, with_depth
from conformance.encoder.source import CODED_FORMATS, SUBSAMPLING, PictureFileError, make_source
from refdec.cli import app as refdec
from refdec.codestream import CHANNELS, parse
from refdec.codestream.geometry import ceil_div, hyper_size, latent_size
from refdec.decoder import decode
from refdec.models_io import ModelSet, bundled_models
from refdec.picture import Picture, write
from tests.cli.commands import call
from tests.encoder.float_models import picture as smooth

FACTORS = {factors: name for name, factors in SUBSAMPLING.items()}
FORMATS = [
    ("RGB", (1, 1), coded, depth) for coded, depth in itertools.product(CODED_FORMATS[1, 1], (8, 10))
] + [
    ("YCbCr", source, coded, depth)
    for source, choices in CODED_FORMATS.items()
    for coded, depth in itertools.product(choices, (8, 10))
]


def noise(
    height: int, width: int, depth: int = 8, colour: Any = "RGB", factors: tuple[int, int] = (1, 1)
) -> Picture:
    """Every sample its own value."""
    random = np.random.default_rng(height * width + depth)
    dtype = np.uint8 if depth == 8 else np.uint16
    chroma = (ceil_div(height, factors[0]), ceil_div(width, factors[1]))
    planes = [
        random.integers(0, 1 << depth, size).astype(dtype) for size in ((height, width), chroma, chroma)
    ]
    return Picture((planes[0], planes[1], planes[2]), colour, depth, factors)


def require_same(found: Picture, expected: Picture) -> None:
    assert (found.colour, found.bit_depth, found.subsampling) == (
        expected.colour,
        expected.bit_depth,
        expected.subsampling,
    )
    for a, b in zip(found.planes, expected.planes, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def save(picture: Picture, path: Path) -> Path:
    with path.open("wb") as file:
        write(picture, file, path.suffix[1:])
    return path


@pytest.mark.parametrize("depth", [8, 10])
@pytest.mark.parametrize("kind", ["png", "ppm", "npy"])
def test_files_that_decoders_write_are_read(kind: str, depth: int, tmp_path: Path) -> None:
    expected = noise(21, 34, depth)
    require_same(read_picture(save(expected, tmp_path / f"a.{kind}")), expected)


@pytest.mark.parametrize("name", ["yuv444p8", "yuv422p8", "yuv420p", "yuv444p10", "yuv422p10le", "yuv420p10"])
def test_planar_files(name: str, tmp_path: Path) -> None:
    wanted = SampleFormat(name)
    expected = noise(21, 33, wanted.depth, "YCbCr", wanted.subsampling)
    path = save(expected, tmp_path / "a.yuv")
    require_same(read_picture(path, sample_format=wanted, size=(21, 33)), expected)
    with pytest.raises(PictureFileError, match=r"bytes; one yuv.* picture of 35x21 has"):
        read_picture(path, sample_format=wanted, size=(21, 35))
    with pytest.raises(PictureFileError, match="say --size"):
        read_picture(path, sample_format=wanted)


def test_an_array_of_ycbcr(tmp_path: Path) -> None:
    expected = noise(20, 30, 10, "YCbCr")
    path = save(expected, tmp_path / "a.npy")
    require_same(read_picture(path, colour="YCbCr"), expected)
    np.save(path, np.stack(expected.planes, axis=-1))
    require_same(read_picture(path, colour="YCbCr"), expected)
    with pytest.raises(PictureFileError, match="do not fit 8 bits"):
        read_picture(path, bit_depth=8)


def test_16_bit_png_with_alpha_and_turned(tmp_path: Path) -> None:
    """Written by hand: Pillow writes neither."""
    expected = noise(12, 17, 10)
    path = save(expected, tmp_path / "a.png")
    with Image.open(path) as plain:
        assert plain.tile[0].args == "RGB;16B"
    turned = Image.Exif()
    turned[0x0112] = 6
    exif = turned.tobytes()[6:]
    data = path.read_bytes()
    chunk = len(exif).to_bytes(4, "big") + b"eXIf" + exif
    import zlib

    end = data.index(b"IDAT") - 4
    path.write_bytes(data[:end] + chunk + zlib.crc32(chunk[4:]).to_bytes(4, "big") + data[end:])
    found = read_picture(path)
    for a, b in zip(found.planes, expected.planes, strict=True):
        np.testing.assert_array_equal(a, np.rot90(b, -1))
    grey = np.arange(600, dtype=np.uint16).reshape(20, 30) * 109
    Image.fromarray(grey).save(path)
    np.testing.assert_array_equal(read_picture(path).planes[1], grey >> 6)
    np.testing.assert_array_equal(read_picture(path, bit_depth=8).planes[1], grey >> 8)


def test_depths_are_scaled_to_nearest() -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(8, 32)
    wide = with_depth(Picture((ramp,) * 3, "RGB", 8, (1, 1)), 10)
    np.testing.assert_array_equal(wide.planes[0], np.rint(ramp * (1023 / 255)))
    np.testing.assert_array_equal(with_depth(wide, 8).planes[0], ramp)


def test_what_no_codestream_or_decoder_holds(tmp_path: Path) -> None:
    for name in ("yuv411p8", "rgb24", "yuv420p12", "yuv444p16"):
        with pytest.raises(PictureFileError, match="source format"):
            SampleFormat(name)
    with pytest.raises(PictureFileError, match="a 422 source cannot be coded as 420: expected 422"):
        make_source(noise(70, 70, 8, "YCbCr", (1, 2)), "420")
    with pytest.raises(PictureFileError, match="a 420 source cannot be coded as 444"):
        make_source(noise(70, 70, 8, "YCbCr", (2, 2)), "444")
    with pytest.raises(PictureFileError, match="RGB picture cannot have subsampled"):
        make_source(noise(70, 70, 8, "RGB", (2, 2)))
    with pytest.raises(PictureFileError, match="12 bits a sample"):
        make_source(replace(noise(70, 70, 10), bit_depth=12))
    for size in ((69, 70), (70, 134), (60, 70)):
        with pytest.raises(PictureFileError, match=r"coded (rows|columns)"):
            make_source(noise(70, 70), coded_size=size)
    path = save(noise(20, 30), tmp_path / "a.png")
    with pytest.raises(PictureFileError, match="knows its size"):
        read_picture(path, size=(20, 30))
    with pytest.raises(PictureFileError, match="holds RGB"):
        read_picture(path, colour="YCbCr")
    (tmp_path / "a.ppm").write_bytes(b"P6 4 4 1000\n" + bytes(96))
    with pytest.raises(PictureFileError, match="expected a largest value such as 1023"):
        read_picture(tmp_path / "a.ppm")
    (tmp_path / "a.ppm").write_bytes(b"P6 4 4\n# word\n1023\n" + bytes(95))
    with pytest.raises(PictureFileError, match="ends before the last sample"):
        read_picture(tmp_path / "a.ppm")


def test_phases_of_each_coded_format() -> None:
    """The twelve planes of the chroma networks, position by position, from odd sizes."""
    for factors in ((1, 1), (1, 2), (2, 2)):
        source = make_source(noise(75, 69, 10, "YCbCr", factors))
        planes = source.chroma_planes(0, 75)[0].numpy()
        assert planes.shape == (12, 38, 35)
        y, u, v = (p.astype(np.float64) * 255 / 1023 for p in source.planes)
        even = [np.pad(p, ((0, p.shape[0] % 2), (0, p.shape[1] % 2)), mode="edge") for p in (y, u, v)]
        if factors == (1, 2):
            even[1:] = [np.pad(p, ((0, p.shape[0] % 2), (0, 0)), mode="edge") for p in (u, v)]
        for phase in range(4):
            down, across = divmod(phase, 2)
            np.testing.assert_allclose(planes[phase], even[0][down::2, across::2], atol=1e-4)
            for k, plane in ((4, 1), (8, 2)):
                chosen = {
                    (1, 1): even[plane][down::2, across::2],
                    (1, 2): even[plane][down::2],
                    (2, 2): (u, v)[plane - 1],
                }[factors]
                np.testing.assert_allclose(planes[k + phase], chosen, atol=1e-4)


@pytest.mark.parametrize("coded", ["422", "420"])
def test_chroma_is_reduced_corners_on_corners(coded: Any) -> None:
    source = make_source(noise(65, 70, 8, "YCbCr"), coded)
    u = source.chroma(0, 65)[0].numpy()
    whole = source.planes[1].astype(np.float64)
    across = np.linspace(0, 69, 35)
    rows = np.linspace(0, 64, 33) if coded == "420" else np.arange(65.0)
    for y, x in itertools.product(range(0, len(rows), 4), range(0, 35, 3)):
        (top, left), (dy, dx) = (int(rows[y]), int(across[x])), (rows[y] % 1, across[x] % 1)
        bottom, right = min(top + 1, 64), min(left + 1, 69)
        expected = (1 - dy) * ((1 - dx) * whole[top, left] + dx * whole[top, right]) + dy * (
            (1 - dx) * whole[bottom, left] + dx * whole[bottom, right]
        )
        assert u[y, x] == pytest.approx(expected, abs=1e-3)
    strip = torch.cat([source.chroma_planes(0, 32), source.chroma_planes(32, 65)], dim=2)
    torch.testing.assert_close(strip, source.chroma_planes(0, 65))


@pytest.mark.parametrize(("colour", "factors", "coded", "depth"), FORMATS)
def test_every_format_comes_back_as_the_encoder_believes(
    colour: Any, factors: Any, coded: Any, depth: int, float_models: ModelSet
) -> None:
    """Random latents under the header of each format: golden and jit show what the encoder reconstructs."""
    source = make_source(noise(67, 65, depth, colour, factors), FACTORS[coded], coded_size=(70, 128))
    machine, random = Machine(float_models), np.random.default_rng(depth)
    y = [random.normal(0, 9, (n, *latent_size(70, 128))).astype(np.float32) for n in CHANNELS]
    z = [random.integers(-4, 5, (n, *hyper_size(70, 128))).astype(np.int8) for n in CHANNELS]
    header = picture_header(source, 1, Tools(), float_models)
    result = code(
        prepare(header, Latents((y[0], y[1]), (z[0], z[1])), machine), header, Tools().tool_header(), machine
    )
    found = parse(result.data).picture
    assert (found.source_subsampling, found.coded_subsampling) == (factors, coded)
    assert (found.bit_depth, found.colour_transform_idx) == (depth, int(colour == "RGB"))
    assert (found.height, found.width, found.display_height, found.display_width) == (70, 128, 67, 65)
    believed = reconstruct(result, machine)
    assert [plane.shape for plane in believed.planes] == [
        plane.shape for plane in noise(67, 65, 8, "YCbCr", factors).planes
    ]
    for engine in ("jit", "golden"):
        require_same(decode(result.data, float_models, engine=engine), believed)


def psnr(a: npt.NDArray[Any], b: npt.NDArray[Any], depth: int) -> float:
    error = np.mean((a.astype(np.float64) - b) ** 2)
    return float(10 * np.log10(((1 << depth) - 1) ** 2 / max(error, 1e-9)))


@pytest.mark.parametrize(
    ("name", "chroma"),
    [("yuv420p8", None), ("yuv422p10", None), ("yuv444p10", "420"), ("yuv444p8", "422"), ("png", None)],
)
def test_a_source_goes_through_both_command_lines(
    name: str, chroma: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With trained models the file that comes out resembles the file that went in, plane by plane."""
    rgb = smooth(96, 112)
    rgb[..., 2] = 255 - rgb[..., 0]  # strong colour, so that a plane in the wrong place is seen
    picture = with_depth(Picture((rgb[..., 0], rgb[..., 1], rgb[..., 2]), "RGB", 8, (1, 1)), 10)
    words: tuple[object, ...] = ()
    if name == "png":
        original = picture
        path, out = save(picture, tmp_path / "in.png"), tmp_path / "out.png"
    else:
        original = as_ycbcr(picture, SampleFormat(name))
        path, out = save(original, tmp_path / "in.yuv"), tmp_path / "out.yuv"
        words = ("--source-format", name, "--size", "112x96")
    stream, shown = tmp_path / "a.jai", tmp_path / f"shown{out.suffix}"
    words += () if chroma is None else ("--chroma", chroma)
    done = call(refconf, capsys, "encode", path, stream, "--model", 3, "--reconstruction", shown, *words)
    assert done.code == 0, done.err
    done = call(refdec, capsys, "decode", stream, out)
    assert done.code == 0, done.err
    assert out.read_bytes() == shown.read_bytes() and len(out.read_bytes()) > 1000
    found = (
        read_picture(out)
        if name == "png"
        else read_picture(out, sample_format=SampleFormat(name), size=(96, 112))
    )
    assert found.subsampling == original.subsampling and found.bit_depth == original.bit_depth
    for a, b in zip(found.planes, original.planes, strict=True):
        assert psnr(a, b, found.bit_depth) > 20
        assert psnr(a, np.full_like(b, b.mean()), found.bit_depth) < 17  # and the plane is not plain


def test_a_picture_is_converted_to_a_source_format(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], float_models: ModelSet
) -> None:
    path, stream = save(noise(70, 66), tmp_path / "a.png"), tmp_path / "a.jai"
    words = (
        "encode",
        path,
        stream,
        "--models",
        float_models.root,
        "--model",
        0,
        "--source-format",
        "yuv422p10",
    )
    done = call(refconf, capsys, *words, "--coded-size", "80x100", "--check")
    assert done.code == 0 and "decodes as expected" in done.out, done.err
    header = parse(stream.read_bytes()).picture
    assert header.source_subsampling == (1, 2) and header.bit_depth == 10
    assert (header.width, header.display_width, header.height, header.display_height) == (80, 66, 100, 70)
    done = call(refconf, capsys, *words, "--size", "66by70")
    assert done.code == 2 and "expected WIDTHxHEIGHT" in done.err


def test_lite_rates_do_not_depend_on_how_a_source_is_given() -> None:
    rgb = smooth(64, 80)
    as_planes = Picture((rgb[..., 0], rgb[..., 1], rgb[..., 2]), "RGB", 8, (1, 1))
    machine = Machine(bundled_models())
    streams = [Encoder(make_source(s), machine).code(0, 0).data for s in (rgb, as_planes)]
    assert streams[0] == streams[1]
