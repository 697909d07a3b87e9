"""Targets of what the encoder reads: pictures of every format, quality maps; and the Pillow plug-in."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

import refdec.pillow  # noqa: F401
from conformance.encoder.picture_files import SampleFormat, read_picture
from conformance.encoder.quality import QualityMapError, load_map
from conformance.encoder.source import PictureFileError
from conformance.fuzz import seeds
from conformance.fuzz.target import Target, answered, file_of
from conformance.fuzz.valid_mutator import valid_mutator
from refdec.limits import Limits
from refdec.models_io import bundled_models
from refdec.picture import Picture
from refdec.picture.files import write

PICTURES = (".png", ".ppm", ".npy", ".tif", ".bmp", ".webp", ".jpg")
MAPS = (".npy", ".txt", ".csv", ".png")
LOADED = 1 << 14
"""Samples of pictures that are decoded and not only opened."""
SIZES = ((64, 64), (65, 200), (400, 3000))


def picture(data: bytes) -> str:
    """A picture file; the first byte chooses the format, the depth and the conversion."""
    if not data:
        return "empty"
    path = file_of(data[1:], f"picture{PICTURES[data[0] % len(PICTURES)]}")
    depth = (None, 8, 10, 8)[data[0] >> 3 & 3]
    sample_format = SampleFormat(("yuv420p8", "yuv422p10")[data[0] >> 6 & 1]) if data[0] & 32 else None
    return answered(
        lambda: quietly(lambda: read_picture(path, bit_depth=depth, sample_format=sample_format)),
        PictureFileError,
    )


def planar(data: bytes) -> str:
    """Planar YUV, of a size and format that the first bytes say."""
    if len(data) < 4:
        return "empty"
    path = file_of(data[4:], "picture.yuv")
    size = (data[0] << 8 & 0x300 | data[1], data[2])
    name = f"yuv{('444', '422', '420')[data[3] % 3]}p{(8, 10)[data[3] >> 4 & 1]}"
    return answered(lambda: read_picture(path, sample_format=SampleFormat(name), size=size), PictureFileError)


def quality_file(data: bytes) -> str:
    """A quality map; the first byte chooses the format and the picture's size."""
    if not data:
        return "empty"
    path = file_of(data[1:], f"map{MAPS[data[0] % len(MAPS)]}")
    size = SIZES[(data[0] >> 4) % len(SIZES)]
    return answered(lambda: quietly(lambda: load_map(path, size)), QualityMapError)


def plugin(data: bytes) -> str:
    """A codestream through Pillow: what its users expect, and nothing else."""

    def read() -> None:
        with Image.open(io.BytesIO(data), formats=("JPEGAI",)) as opened:
            if opened.size[0] * opened.size[1] <= LOADED:
                opened.load()

    return answered(lambda: quietly(read), OSError, Image.DecompressionBombError)


def quietly(call: Callable[[], object]) -> None:
    """Call without its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        call()


def small_pictures(suffixes: tuple[str, ...]) -> Iterator[bytes]:
    """Pictures of several kinds, each behind the number of its format."""
    return _files(suffixes, _of_picture)


def _files(suffixes: tuple[str, ...], make: Callable[[str], Iterator[bytes]]) -> Iterator[bytes]:
    for number, suffix in enumerate(suffixes):
        for data in make(suffix):
            yield bytes([number]) + data


def _of_picture(suffix: str) -> Iterator[bytes]:
    rows = np.arange(11 * 7 * 3, dtype=np.int64).reshape(11, 7, 3)
    small = (rows * 37 % 256).astype(np.uint8)
    if suffix == ".npy":
        for array in (small, (rows * 37 % 1024).astype(np.uint16), small.transpose(2, 0, 1)):
            yield _saved(array)
        return
    for mode in ("RGB", "L", "P", "RGBA"):
        buffer = io.BytesIO()
        kind = {".jpg": "JPEG", ".tif": "TIFF", ".ppm": "PPM"}.get(suffix, suffix[1:].upper())
        try:
            Image.fromarray(small).convert(mode).save(buffer, kind)
        except (OSError, ValueError):
            continue
        yield buffer.getvalue()
    if suffix == ".ppm":
        yield b"P6 7 11 1023\n" + (rows * 37 % 1024).astype(">u2").tobytes()
    if suffix == ".png":
        yield from _wide_png()


def _wide_png() -> Iterator[bytes]:
    """Grey of 16 bits, and RGB of 16 bits, for which Pillow has no mode: written by our own decoder."""
    buffer = io.BytesIO()
    Image.fromarray((np.arange(77).reshape(11, 7) * 800).astype(np.uint16)).save(buffer, "PNG")
    yield buffer.getvalue()
    planes = np.arange(3 * 77).reshape(3, 11, 7).astype(np.uint16)
    buffer = io.BytesIO()
    write(Picture((planes[0], planes[1], planes[2]), "RGB", 10, (1, 1)), buffer, "png")
    yield buffer.getvalue()


def _of_map(suffix: str) -> Iterator[bytes]:
    values = np.arange(20).reshape(4, 5) % 17 - 8
    if suffix == ".npy":
        yield _saved(values.astype(np.int8))
        yield _saved(values)
    elif suffix == ".png":
        buffer = io.BytesIO()
        Image.fromarray((values * 16 + 128).clip(0, 255).astype(np.uint8)).save(buffer, "PNG")
        yield buffer.getvalue()
    else:
        mark = "," if suffix == ".csv" else " "
        yield "\n".join(mark.join(map(str, row)) for row in values.tolist()).encode()


def _saved(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _planars() -> Iterator[bytes]:
    yield bytes([0, 6, 8, 0]) + bytes(range(144))
    yield bytes([0, 6, 8, 0x12]) + bytes(range(144))


TARGETS = (
    Target(
        "picture", "Pictures for the encoder: PNG, PPM, NumPy, TIFF, BMP, WebP, JPEG.", picture,
        lambda: _files(PICTURES, _of_picture), None, 4096, share=3,
        modules=("conformance/encoder/picture_files.py", "conformance/encoder/source.py"),
    ),
    Target(
        "planar", "Planar YUV for the encoder.", planar, _planars, None, 1024, share=1,
        modules=("conformance/encoder/picture_files.py",),
    ),
    Target(
        "quality-file", "Quality maps for the encoder: NumPy, text, CSV, pictures.", quality_file,
        lambda: _files(MAPS, _of_map), None, 2048, share=2, modules=("conformance/encoder/quality.py",),
    ),
    Target(
        "pillow", "A codestream through the Pillow plug-in.", plugin,
        lambda: seeds.bundled_streams(1300),
        valid_mutator(bundled_models, Limits(max_pixels=LOADED), 8192), 8192, share=2,
        modules=("refdec/pillow.py",),
    ),
)  # fmt: skip
