"""Picture files: what other programs read from them is what was written."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from refdec.picture import Picture, PictureFormatError, write


def picture(
    height: int, width: int, depth: int = 8, colour: Any = "RGB", subsampling: tuple[int, int] = (1, 1)
) -> Picture:
    random = np.random.default_rng(height * width)
    dtype = np.uint8 if depth == 8 else np.uint16
    chroma = (-(-height // subsampling[0]), -(-width // subsampling[1]))
    planes = [
        random.integers(0, 1 << depth, size).astype(dtype) for size in ((height, width), chroma, chroma)
    ]
    return Picture((planes[0], planes[1], planes[2]), colour, depth, subsampling)


def written(source: Picture, kind: str) -> bytes:
    file = io.BytesIO()
    write(source, file, kind)
    return file.getvalue()


def png_samples(data: bytes) -> tuple[int, npt.NDArray[np.int64]]:
    """Bits of a sample, and samples ``[h, w, 3]``: a reader for PNG with filters 0 and 2."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    position, body, seen = 8, b"", []
    while position < len(data):
        (size,) = struct.unpack(">I", data[position : position + 4])
        kind, content = data[position + 4 : position + 8], data[position + 8 : position + 8 + size]
        (crc,) = struct.unpack(">I", data[position + 8 + size : position + 12 + size])
        assert crc == zlib.crc32(kind + content)
        seen.append(kind)
        if kind == b"IHDR":
            width, height, bits, colour, *rest = struct.unpack(">IIBBBBB", content)
            assert colour == 2 and rest == [0, 0, 0]
        body += content if kind == b"IDAT" else b""
        position += 12 + size
    assert seen[0] == b"IHDR" and seen[-1] == b"IEND" and set(seen[1:-1]) == {b"IDAT"}
    raw = zlib.decompress(body)
    stride = 3 * width * bits // 8
    lines, above = [], np.zeros(stride, np.uint8)
    for y in range(height):
        row = raw[y * (stride + 1) : (y + 1) * (stride + 1)]
        line = np.frombuffer(row[1:], np.uint8)
        assert row[0] in (0, 2)
        above = line + above if row[0] == 2 else line
        lines.append(above)
    samples = np.stack(lines).view(">u2" if bits == 16 else np.uint8)
    return bits, samples.reshape(height, width, 3).astype(np.int64)


SIZES = [(1, 1), (3, 5), (64, 7), (65, 2), (200, 150)]


@pytest.mark.parametrize("size", SIZES)
def test_png_8(size: tuple[int, int]) -> None:
    source = picture(*size)
    data = written(source, "png")
    with Image.open(io.BytesIO(data)) as image:
        assert image.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(image), np.stack(source.planes, -1))
    np.testing.assert_array_equal(png_samples(data)[1], np.stack(source.planes, -1))


@pytest.mark.parametrize("size", SIZES)
def test_png_16_has_ones_below_the_sample(size: tuple[int, int]) -> None:
    source = picture(*size, depth=10)
    bits, samples = png_samples(written(source, "png"))
    assert bits == 16
    np.testing.assert_array_equal(samples >> 6, np.stack(source.planes, -1))
    assert (samples & 63 == 63).all()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("depth", [8, 10])
def test_ppm(size: tuple[int, int], depth: int) -> None:
    source = picture(*size, depth=depth)
    data = written(source, "ppm")
    start = b"P6\n%d %d\n%d\n" % (size[1], size[0], (1 << depth) - 1)
    assert data.startswith(start)
    values = np.frombuffer(data[len(start) :], np.uint8 if depth == 8 else ">u2").reshape(*size, 3)
    np.testing.assert_array_equal(values, np.stack(source.planes, -1))
    if depth == 8:
        with Image.open(io.BytesIO(data)) as image:
            np.testing.assert_array_equal(np.asarray(image), values)


@pytest.mark.parametrize("subsampling", [(1, 1), (1, 2), (2, 2)])
@pytest.mark.parametrize("depth", [8, 10])
def test_yuv(subsampling: tuple[int, int], depth: int) -> None:
    source = picture(67, 33, depth, "YCbCr", subsampling)
    data = written(source, "yuv")
    expected = [int(v) for plane in source.planes for v in plane.reshape(-1)]
    assert data == (bytes(expected) if depth == 8 else struct.pack(f"<{len(expected)}H", *expected))


@pytest.mark.parametrize("depth", [8, 10])
def test_npy(depth: int) -> None:
    source = picture(7, 9, depth)
    found = np.load(io.BytesIO(written(source, "npy")))
    assert found.dtype == np.dtype("uint8" if depth == 8 else "<u2")
    np.testing.assert_array_equal(found, np.stack(source.planes))


@pytest.mark.parametrize(
    "kind, colour, subsampling",
    [
        ("png", "YCbCr", (1, 1)),
        ("ppm", "YCbCr", (2, 2)),
        ("yuv", "RGB", (1, 1)),
        ("npy", "YCbCr", (2, 2)),
        ("jpg", "RGB", (1, 1)),
        ("", "RGB", (1, 1)),
    ],
)
def test_what_a_format_cannot_hold_is_refused(kind: str, colour: Any, subsampling: tuple[int, int]) -> None:
    file = io.BytesIO()
    with pytest.raises(PictureFormatError) as caught:
        write(picture(4, 4, 8, colour, subsampling), file, kind)
    assert caught.value.exit_code == 2 and not file.getvalue()
