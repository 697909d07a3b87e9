"""Pictures that other decoders write, read with care: PNG, PPM, NumPy arrays, bare planes."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from conformance.suite.records import PictureFormat
from conformance.verify.outcome import Planes, planar_digest

FORMATS = ("png", "ppm", "npy", "yuv", "raw")
"""``yuv`` and ``raw`` are the same: planes behind each other without any header."""
SPARE_BYTES = 1 << 20
"""What a file may have beyond its samples: headers, filter bytes, metadata."""


class SamplesError(Exception):
    """A file that does not hold the picture that it should: in words."""


def read_samples(path: Path, kind: str, form: PictureFormat) -> Planes:
    """The planes of a picture file.

    :raises SamplesError: no such picture: another size, another depth, cut short, not readable.
    """
    size = path.stat().st_size
    most = 2 * form.planar_bytes + SPARE_BYTES
    if size > most:
        raise SamplesError(f"the output has {size} bytes, a picture of this size at most {most}")
    if kind in ("yuv", "raw"):
        return _planar(path.read_bytes(), form)
    if kind == "npy":
        return _numpy(path, form)
    if form.subsampling != (1, 1):
        raise SamplesError(f"{kind} cannot hold subsampled planes; have it write raw planes")
    return _ppm(path.read_bytes(), form) if kind == "ppm" else _png(path, form)


def _planar(data: bytes, form: PictureFormat) -> Planes:
    if len(data) != form.planar_bytes:
        raise SamplesError(
            f"the output has {len(data)} bytes, expected {form.planar_bytes}: "
            f"{', '.join(form.planes)} of {form.width}x{form.height}, {form.bytes_per_sample} bytes each"
        )
    dtype = np.dtype("<u2" if form.bytes_per_sample == 2 else "u1")
    planes, start = [], 0
    for h, w in form.plane_shapes:
        plane = np.frombuffer(data, dtype, h * w, start).reshape(h, w)
        start += plane.nbytes
        planes.append(plane)
    return tuple(planes)


def _numpy(path: Path, form: PictureFormat) -> Planes:
    try:
        with path.open("rb") as file:
            array: npt.NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    except (ValueError, OSError, EOFError, MemoryError) as error:
        raise SamplesError(f"the output is no NumPy array ({_line(error)})") from error
    shapes = form.plane_shapes
    if array.shape == (*shapes[0], 3) and len(set(shapes)) == 1:
        array = np.moveaxis(array, -1, 0)
    if array.shape != (3, *shapes[0]) or len(set(shapes)) != 1:
        raise SamplesError(
            f"the output is an array {list(array.shape)}, expected {[3, form.height, form.width]}"
        )
    if array.dtype.kind != "u" or array.dtype.itemsize != form.bytes_per_sample:
        raise SamplesError(f"the output's samples are {array.dtype}, expected {form.bit_depth} bits")
    return tuple(array)


def _png(path: Path, form: PictureFormat) -> Planes:
    from PIL import Image

    if form.bit_depth != 8:
        raise SamplesError("PNG of more than 8 bits is not read here; have it write PPM or raw planes")
    try:
        with Image.open(path, formats=["PNG"]) as picture:
            _require_size(picture.size, form)
            if picture.mode not in ("RGB", "RGBA"):
                raise SamplesError(f"the output is a PNG of mode {picture.mode}, expected 8-bit RGB")
            array = np.asarray(picture)[..., :3]
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise SamplesError(f"the output cannot be read as PNG ({_line(error)})") from error
    return tuple(np.moveaxis(array, -1, 0))


def _ppm(data: bytes, form: PictureFormat) -> Planes:
    words: list[bytes] = []
    start = 0
    while len(words) < 4 and start < len(data):
        end = start
        while end < len(data) and not data[end : end + 1].isspace():
            end += 1
        if data[start : start + 1] == b"#":
            end = data.find(b"\n", start) if b"\n" in data[start:] else len(data)
        elif end > start:
            words.append(data[start:end])
        start = end + 1
    if len(words) < 4 or words[0] != b"P6" or not all(w.isdigit() and len(w) < 8 for w in words[1:]):
        raise SamplesError("the output is no binary PPM")
    width, height, peak = (int(word) for word in words[1:])
    _require_size((width, height), form)
    if peak != (1 << form.bit_depth) - 1:
        raise SamplesError(f"the output's largest sample is {peak}, expected {(1 << form.bit_depth) - 1}")
    dtype = np.dtype(">u2" if peak > 255 else "u1")
    if len(data) - start != 3 * width * height * dtype.itemsize:
        raise SamplesError(f"the output has {len(data) - start} bytes of samples, too few or too many")
    array = np.frombuffer(data, dtype, offset=start).reshape(height, width, 3)
    native = array.astype(array.dtype.newbyteorder("="))
    return tuple(np.moveaxis(native, -1, 0))


def _require_size(found: tuple[int, int], form: PictureFormat) -> None:
    if found != (form.width, form.height):
        raise SamplesError(f"the output is {found[0]}x{found[1]}, expected {form.width}x{form.height}")


def difference(expected: Planes, found: Planes, names: tuple[str, ...]) -> str:
    """Where two pictures of one format differ, in words."""
    shape = [tuple(p.shape) for p in expected]
    if shape != [tuple(p.shape) for p in found]:
        return f"planes of {[tuple(p.shape) for p in found]}, expected {shape}"
    differing, largest, first = 0, 0, ""
    for name, a, b in zip(names, expected, found, strict=True):
        away = np.abs(a.astype(np.int64) - b.astype(np.int64))
        count = int(np.count_nonzero(away))
        if count and not first:
            row, column = (int(i) for i in np.unravel_index(int(np.argmax(away > 0)), a.shape))
            first = (
                f"plane {name}, row {row}, column {column}: expected {a[row, column]}, found {b[row, column]}"
            )
        differing, largest = differing + count, max(largest, int(away.max(initial=0)))
    if not first:
        return "no difference"
    total = sum(p.size for p in expected)
    return f"first difference: {first}; {differing} of {total} samples differ, by at most {largest}"


def likely_cause(digest: str, found: Planes, names: tuple[str, ...]) -> str | None:
    """A mistake of arrangement that explains a wrong digest: planes in another order, or not planar."""
    for order in itertools.permutations(range(3)):
        if order != (0, 1, 2) and planar_digest([found[i] for i in order]) == digest:
            # order[i] is the place at which the right plane i was found
            stands = [names[order.index(place)] for place in range(3)]
            return f"the samples are right, the planes stand in the order {', '.join(stands)}"
    if len({p.shape for p in found}) == 1:
        mixed = np.stack(found).reshape(*found[0].shape, 3)
        if planar_digest(tuple(np.moveaxis(mixed, -1, 0))) == digest:
            return "the samples are right, but pixel by pixel; expected plane by plane"
    return None


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
