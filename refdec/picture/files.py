"""Picture files: PNG, PPM, planar YUV and NumPy, written to a binary stream.

Samples are written as they are. Above 8 bits, PNG has 16-bit samples: the sample's bits on top, ones below
(AR-PIC-10), so that ``value >> (16 - depth)`` is the sample, as in the files of the reference software.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from refdec.errors import RefdecError
from refdec.picture.planes import Picture

ROWS = 64
PNG_LEVEL = 4


class PictureFormatError(RefdecError):
    """A picture that a file format cannot hold, or a format that does not exist."""

    exit_code = 2
    code = "format"


def interleaved(picture: Picture, rows: slice = slice(None)) -> npt.NDArray[Any]:
    """``[h, w, 3]`` of planes of equal size, native byte order."""
    return np.stack([plane[rows] for plane in picture.planes], axis=-1)


def write_png(picture: Picture, file: IO[bytes]) -> None:
    """8-bit or 16-bit RGB PNG."""
    height, width = picture.size
    bits = 8 if picture.bit_depth == 8 else 16
    file.write(b"\x89PNG\r\n\x1a\n")
    _chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0))
    packer = zlib.compressobj(PNG_LEVEL)
    above = np.zeros(3 * width * bits // 8, np.uint8)
    for rows in _strips(height):
        samples = interleaved(picture, rows)
        if bits == 16:
            spare = 16 - picture.bit_depth
            samples = ((samples << spare) | ((1 << spare) - 1)).astype(">u2")
        lines = samples.reshape(len(samples), -1).view(np.uint8)
        # filter 2: each byte less the one above it
        filtered = np.full((len(lines), 1 + lines.shape[1]), 2, np.uint8)
        filtered[0, 1:] = lines[0] - above
        filtered[1:, 1:] = lines[1:] - lines[:-1]
        above = lines[-1]
        data = packer.compress(filtered.tobytes())
        if data:
            _chunk(file, b"IDAT", data)
    _chunk(file, b"IDAT", packer.flush())
    _chunk(file, b"IEND", b"")


def write_ppm(picture: Picture, file: IO[bytes]) -> None:
    """Binary PPM; two bytes a sample above 8 bits, big-endian, not shifted."""
    height, width = picture.size
    file.write(b"P6\n%d %d\n%d\n" % (width, height, (1 << picture.bit_depth) - 1))
    for rows in _strips(height):
        samples = interleaved(picture, rows)
        file.write(samples.astype(">u2").tobytes() if picture.bit_depth > 8 else samples.tobytes())


def write_yuv(picture: Picture, file: IO[bytes]) -> None:
    """Planes Y, U, V behind each other; above 8 bits two bytes a sample, little-endian."""
    for plane in picture.planes:
        for rows in _strips(len(plane)):
            file.write(np.ascontiguousarray(plane[rows], plane.dtype.newbyteorder("<")).tobytes())


def write_npy(picture: Picture, file: IO[bytes]) -> None:
    """One array ``[3, h, w]``, uint8 or little-endian uint16."""
    planes = np.stack(picture.planes)
    planes = planes.astype(planes.dtype.newbyteorder("<"))
    # NumPy's own writing of the values does not say why it fails on a full disk.
    np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(planes))
    file.write(planes.tobytes())


WRITERS: dict[str, Callable[[Picture, IO[bytes]], None]] = {
    "png": write_png,
    "ppm": write_ppm,
    "yuv": write_yuv,
    "npy": write_npy,
}


def write(picture: Picture, file: IO[bytes], kind: str) -> None:
    """Write a picture.

    :param kind: ``png``, ``ppm``, ``yuv`` or ``npy``.
    :raises PictureFormatError: there is no such format, or it cannot hold this picture.
    """
    require_format(kind, picture.colour, picture.subsampling)
    WRITERS[kind](picture, file)  # AR-PIC-10


def require_format(kind: str, colour: str, subsampling: tuple[int, int]) -> None:
    """Whether a format can hold a picture, asked before it is decoded.

    :raises PictureFormatError: there is no such format, or it cannot hold such a picture.
    """
    if kind not in WRITERS:
        raise PictureFormatError(f"no picture format '{kind}'; there are {', '.join(WRITERS)}")
    if kind in ("png", "ppm") and colour != "RGB":
        raise PictureFormatError(f"the stream codes a YCbCr picture, and {kind} holds RGB; choose yuv")
    if kind == "yuv" and colour != "YCbCr":
        raise PictureFormatError(
            "the stream codes an RGB picture, and yuv holds YCbCr; choose png, ppm or npy"
        )
    if kind == "npy" and subsampling != (1, 1):
        raise PictureFormatError("planes of different sizes make no NumPy array; choose yuv")


def _strips(height: int) -> Iterator[slice]:
    for start in range(0, height, ROWS):
        yield slice(start, min(start + ROWS, height))


def _chunk(file: IO[bytes], kind: bytes, data: bytes) -> None:
    file.write(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))
    )
