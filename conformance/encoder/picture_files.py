"""Picture files to code: what Pillow reads, 16-bit PNG and PPM in full, planar YUV and NumPy arrays."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace
from pathlib import Path
from typing import IO, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, PngImagePlugin

from conformance.encoder.bounded_file import PILLOW_ERRORS, BoundedFile
from conformance.encoder.source import (
    BIT_DEPTHS,
    SIDE_MAX,
    SUBSAMPLING,
    IntArray,
    PictureFileError,
    Planes,
    UInt8,
)
from conformance.training.pictures import to_yuv
from refdec.array_file import read_array as load_array
from refdec.array_file import read_exactly
from refdec.codestream.geometry import ceil_div
from refdec.limits import DEFAULT_LIMITS
from refdec.picture import Picture

FORMATS = ("PNG", "JPEG", "PPM", "BMP", "TIFF", "WEBP")
SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".ppm", ".pgm", ".pnm", ".bmp", ".tif", ".tiff", ".webp"))
MAX_ARRAY_BYTES = 6 * DEFAULT_LIMITS.max_pixels
WIDE_DEPTH = 10
"""Depth in which samples of more than 8 bits are coded unless the caller says otherwise."""
_WIDE_MODES = {"RGB;16B": "RGB;16L", "RGBA;16B": "RGBA;16L"}
"""Pillow's name of a 16-bit PNG's samples, and the name under which it unpacks their lower bytes."""


class SampleFormat:
    """A planar format by name, e.g. ``yuv420p10``: chroma factors and bits of a sample.

    FFmpeg's names mean the same: ``yuv420p`` and ``yuv420p10le``.

    :raises PictureFileError: no such format, or one that decoders do not implement.
    """

    def __init__(self, name: str) -> None:
        found = re.fullmatch(r"yuv(444|422|420)p(\d+)?(le)?", name)
        if found is None:
            raise PictureFileError(f"source format '{name}': expected yuv444p8, yuv422p10, yuv420p8 or such")
        self.name, self.depth = name, int(found[2] or 8)
        self.subsampling = SUBSAMPLING[found[1]]
        if self.depth not in BIT_DEPTHS:
            raise PictureFileError(f"source format '{name}': decoders implement 8 and 10 bits alone")


def read_picture(
    path: Path,
    *,
    sample_format: SampleFormat | None = None,
    size: tuple[int, int] | None = None,
    bit_depth: int | None = None,
    colour: Literal["RGB", "YCbCr"] = "RGB",
) -> Picture:
    """A picture file of any kind.

    :param sample_format: of planar YUV files, which any file is whose name no picture format claims; a
        picture file is converted to it.
    :param size: rows and columns of planar YUV files.
    :param bit_depth: of the result; by default the file's, and 10 where the file has more than 8.
    :param colour: what a NumPy array holds; a picture file is always RGB.
    :raises PictureFileError: the file cannot be read, or holds no picture of this description.
    """
    planar = path.suffix.lower() not in SUFFIXES and path.suffix.lower() != ".npy" and sample_format
    if planar:
        assert sample_format is not None
        picture = read_planar(path, sample_format, size)
    elif size is not None:
        raise PictureFileError(f"{path}: this file knows its size; --size is for planar YUV files")
    elif path.suffix.lower() == ".npy":
        picture = read_array(path, colour, bit_depth)
    elif colour != "RGB":
        raise PictureFileError(f"{path} holds RGB; only a NumPy array can hold YCbCr without a source format")
    else:
        picture = read_rgb(path, bit_depth)
    if sample_format is not None and not planar:
        picture = as_ycbcr(picture, sample_format)
    return picture if bit_depth is None else with_depth(picture, bit_depth)


def load_rgb(path: Path) -> UInt8:
    """A picture file as 8-bit RGB ``[H, W, 3]``, turned upright; transparency is dropped.

    :raises PictureFileError: no such file, no picture that can be read, or one of a side above 65599.
    """
    return np.stack(read_rgb(path, 8).planes, axis=-1).astype(np.uint8)


def read_rgb(path: Path, bit_depth: int | None = None) -> Picture:
    """A PNG, JPEG, PPM, BMP, TIFF or WebP file, turned upright; transparency is dropped.

    16-bit PNG samples hold a sample of fewer bits on top (AR-PIC-10), so that lower bits are dropped; PPM
    samples have the bits that their largest value says.

    :raises PictureFileError: as :func:`read_picture`.
    """
    try:
        # Pillow's warning about large pictures is for programs without a limit of their own
        with BoundedFile(path) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            wide = _wide_ppm(file)
            if wide is not None:
                return _narrowed(*wide, bit_depth)
            file.seek(0)
            with Image.open(file, formats=FORMATS) as picture:
                _require_size(*picture.size)
                samples = _wide_samples(picture)
                if samples is not None:
                    return _narrowed(samples, 16, bit_depth)
                upright = ImageOps.exif_transpose(picture)
                return _of_array(np.asarray(upright.convert("RGB")), 8)
    except PILLOW_ERRORS as error:
        raise PictureFileError(f"{path}: cannot read the picture ({error})") from error


def _require_size(width: int, height: int) -> None:
    """Before a sample is read: what the decoder's default limits would refuse is not coded either."""
    most = DEFAULT_LIMITS.max_pixels
    if max(width, height) > SIDE_MAX or width * height > most:
        raise ValueError(f"{width} x {height} samples, allowed are {SIDE_MAX} on a side and {most} in all")


def _wide_samples(picture: Image.Image) -> IntArray | None:
    """16-bit samples ``[H, W, 3]`` of a picture that has them, upright; ``None`` for any other."""
    raw = picture.tile[0].args if isinstance(picture, PngImagePlugin.PngImageFile) else None
    if picture.mode.startswith("I"):
        grey = np.clip(np.asarray(picture), 0, 65535).astype(np.uint16)
        samples = np.broadcast_to(grey[..., None], (*grey.shape, 3))
    elif isinstance(raw, str) and raw in _WIDE_MODES:
        # Pillow has no mode for them: it unpacks the upper bytes, or the lower ones under another name
        file = picture.fp
        upper = np.asarray(picture)[..., :3].astype(np.uint16)
        file.seek(0)
        with Image.open(file, formats=("PNG",)) as again:
            again.tile = [again.tile[0]._replace(args=_WIDE_MODES[raw])]
            samples = upper << 8 | np.asarray(again)[..., :3]
    else:
        return None
    orientation = picture.getexif().get(0x0112, 1)
    if orientation == 1:
        return samples
    # Pillow turns pictures of its own modes only: the same turn, of positions
    height, width = samples.shape[:2]
    where = Image.fromarray(np.arange(height * width, dtype=np.int32).reshape(height, width))
    where.getexif()[0x0112] = orientation
    index = np.asarray(ImageOps.exif_transpose(where))
    return samples.reshape(-1, 3)[index]


def _wide_ppm(file: IO[bytes]) -> tuple[IntArray, int] | None:
    """Samples ``[H, W, 3]`` and their bits of a binary PPM of two bytes a sample, else ``None``."""
    head = file.read(512)
    found = re.match(rb"P6(?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)\s", head)
    if found is None or int(found[3]) < 256:
        return None
    width, height, top = (int(number) for number in found.groups())
    _require_size(width, height)
    if top > 65535 or (top + 1) & top:
        raise ValueError(f"samples up to {top}, expected a largest value such as 1023")
    file.seek(found.end())
    data = read_exactly(file, 6 * width * height)
    if not data:
        raise ValueError("a picture without samples")
    return np.frombuffer(data, ">u2").reshape(height, width, 3).astype(np.uint16), top.bit_length()


def _narrowed(samples: IntArray, bits: int, bit_depth: int | None) -> Picture:
    depth = WIDE_DEPTH if bit_depth is None else bit_depth
    if depth not in BIT_DEPTHS or bits < depth:
        raise ValueError(f"{bits} bits a sample do not make samples of {depth} bits (8 or 10)")
    return _of_array(samples >> (bits - depth), depth)


def read_planar(path: Path, sample_format: SampleFormat, size: tuple[int, int] | None) -> Picture:
    """One picture of planar Y, U, V; above 8 bits two bytes a sample, little-endian.

    :param size: rows and columns.
    :raises PictureFileError: as :func:`read_picture`.
    """
    if size is None:
        raise PictureFileError(f"{path}: a planar YUV file does not know its size: say --size WIDTHxHEIGHT")
    down, across = sample_format.subsampling
    chroma = (ceil_div(size[0], down), ceil_div(size[1], across))
    if not 0 < min(size) <= max(size) <= SIDE_MAX:
        raise PictureFileError(f"a size of {size[1]}x{size[0]}: expected 1 to {SIDE_MAX} on a side")
    shapes = (size, chroma, chroma)
    dtype = np.dtype(np.uint8 if sample_format.depth == 8 else "<u2")
    expected = sum(h * w for h, w in shapes) * dtype.itemsize
    try:
        found = path.stat().st_size
        if found != expected:
            raise PictureFileError(
                f"{path} has {found} bytes; one {sample_format.name} picture of {size[1]}x{size[0]} has "
                f"{expected}"
            )
        data = np.fromfile(path, dtype)
    except OSError as error:
        raise PictureFileError(f"{path}: cannot read the picture ({error})") from error
    ends = np.cumsum([h * w for h, w in shapes])
    planes = [
        part.reshape(shape).astype(dtype.newbyteorder("="), copy=False)
        for part, shape in zip(np.split(data, ends[:-1]), shapes, strict=True)
    ]
    return _checked((planes[0], planes[1], planes[2]), "YCbCr", sample_format.depth, (down, across), path)


def read_array(path: Path, colour: Literal["RGB", "YCbCr"], bit_depth: int | None) -> Picture:
    """A NumPy array ``[3, h, w]`` or ``[h, w, 3]``: uint8, or uint16 of ``bit_depth`` bits (10 by default).

    :raises PictureFileError: as :func:`read_picture`.
    """
    try:
        with path.open("rb") as file:
            array = load_array(file, MAX_ARRAY_BYTES)
    except (OSError, ValueError) as error:
        raise PictureFileError(f"{path}: cannot read the picture ({error})") from error
    if array.ndim == 3 and array.shape[2] == 3 and array.shape[0] != 3:
        array = array.transpose(2, 0, 1)
    kinds = (np.dtype(np.uint8), np.dtype(np.uint16))
    if array.ndim != 3 or array.shape[0] != 3 or array.size == 0 or array.dtype not in kinds:
        raise PictureFileError(
            f"{path}: {array.dtype} {list(array.shape)}, expected uint8 or uint16 [3, h, w] or [h, w, 3]"
        )
    depth = 8 if array.dtype == kinds[0] else WIDE_DEPTH if bit_depth is None else bit_depth
    return _checked((array[0], array[1], array[2]), colour, depth, (1, 1), path)


def with_depth(picture: Picture, bit_depth: int) -> Picture:
    """The picture in samples of another depth, rounded to nearest.

    :raises PictureFileError: no such depth.
    """
    if bit_depth not in BIT_DEPTHS:
        raise PictureFileError(f"{bit_depth} bits a sample: decoders implement 8 and 10")
    if bit_depth == picture.bit_depth:
        return picture
    top, found = (1 << bit_depth) - 1, (1 << picture.bit_depth) - 1
    dtype = np.uint8 if bit_depth == 8 else np.uint16
    planes = [((2 * top * p.astype(np.int64) + found) // (2 * found)).astype(dtype) for p in picture.planes]
    return replace(picture, planes=(planes[0], planes[1], planes[2]), bit_depth=bit_depth)


def as_ycbcr(picture: Picture, sample_format: SampleFormat) -> Picture:
    """An RGB or YCbCr 4:4:4 picture as a YCbCr source of a format, for encoders without such a source.

    Chroma is reduced by the mean of the samples that one takes the place of.

    :raises PictureFileError: the picture is subsampled already.
    """
    if picture.subsampling != (1, 1):
        raise PictureFileError("only a 4:4:4 picture can be converted to another format")
    planes = np.stack([plane.astype(np.float64) for plane in picture.planes], axis=-1)
    planes *= 255 / ((1 << picture.bit_depth) - 1)
    yuv = planes.transpose(2, 0, 1)
    if picture.colour == "RGB":
        yuv = to_yuv(planes).numpy()
    down, across = sample_format.subsampling
    half = np.pad(yuv[1:], ((0, 0), (0, -yuv.shape[1] % down), (0, -yuv.shape[2] % across)), mode="edge")
    half = half.reshape(2, half.shape[1] // down, down, half.shape[2] // across, across).mean(axis=(2, 4))
    top = (1 << sample_format.depth) - 1
    dtype = np.uint8 if sample_format.depth == 8 else np.uint16
    out = [np.rint(np.clip(p, 0, 255) * (top / 255)).astype(dtype) for p in (yuv[0], half[0], half[1])]
    return Picture((out[0], out[1], out[2]), "YCbCr", sample_format.depth, (down, across))


def _of_array(rgb: npt.NDArray[np.integer], bits: int) -> Picture:
    planes = rgb.astype(np.uint8 if bits == 8 else np.uint16, copy=False)
    return Picture((planes[..., 0], planes[..., 1], planes[..., 2]), "RGB", bits, (1, 1))


def _checked(
    planes: Planes, colour: Literal["RGB", "YCbCr"], depth: int, subsampling: tuple[int, int], path: Path
) -> Picture:
    largest = max(int(plane.max()) for plane in planes)
    if depth not in BIT_DEPTHS or largest >> depth:
        raise PictureFileError(f"{path}: samples up to {largest} do not fit {depth} bits (8 or 10)")
    return Picture(planes, colour, depth, subsampling)
