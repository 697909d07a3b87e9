"""Pictures that other decoders write, read with care: PNG, PPM, NumPy arrays, bare planes."""

from __future__ import annotations

import io
import itertools

import numpy as np

from conformance.suite.records import PictureFormat
from conformance.verify.outcome import Planes, planar_digest

FORMATS = ("png", "ppm", "npy", "yuv", "raw")
"""``yuv`` and ``raw`` are the same: planes behind each other without any header."""
SPARE_BYTES = 1 << 20
"""What a file may have beyond its samples: headers, filter bytes, metadata."""


_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class SamplesError(Exception):
    """A file that does not hold the picture that it should: in words that follow its name."""


def most_bytes(form: PictureFormat) -> int:
    """How large a file of a picture can be, whatever the format."""
    return 2 * form.planar_bytes + SPARE_BYTES


def read_samples(data: bytes, kind: str, form: PictureFormat) -> Planes:
    """The planes of a picture file. Memory is that of the file and of the stated picture, whatever it claims.

    :raises SamplesError: no such picture: another size, another depth, cut short, not readable.
    """
    if kind in ("yuv", "raw"):
        return _planar(data, form)
    if kind == "npy":
        return _numpy(data, form)
    if form.subsampling != (1, 1):
        raise SamplesError(f"is a {kind}, which cannot hold subsampled planes; have it write raw planes")
    return _ppm(data, form) if kind == "ppm" else _png(data, form)


def _planar(data: bytes, form: PictureFormat) -> Planes:
    if len(data) != form.planar_bytes:
        raise SamplesError(
            f"has {len(data)} bytes, expected {form.planar_bytes}: "
            f"{', '.join(form.planes)} of {form.width}x{form.height}, {form.bytes_per_sample} bytes each"
        )
    dtype = np.dtype("<u2" if form.bytes_per_sample == 2 else "u1")
    planes, start = [], 0
    for h, w in form.plane_shapes:
        plane = np.frombuffer(data, dtype, h * w, start).reshape(h, w)
        start += plane.nbytes
        planes.append(plane)
    return tuple(planes)


def _numpy(data: bytes, form: PictureFormat) -> Planes:
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"version {version}")
        old = version == (1, 0)
        read = np.lib.format.read_array_header_1_0 if old else np.lib.format.read_array_header_2_0
        shape, columns_first, dtype = read(file)
    except Exception as error:
        # NumPy evaluates the header, and raises whatever its text leads to.
        raise SamplesError(f"is no NumPy array ({_line(error)})") from error
    shapes = form.plane_shapes
    planar = shape == (3, *shapes[0])
    if not (planar or shape == (*shapes[0], 3)) or len(set(shapes)) != 1:
        raise SamplesError(f"is an array {list(shape)}, expected {[3, form.height, form.width]}")
    if dtype.kind != "u" or dtype.itemsize != form.bytes_per_sample:
        raise SamplesError(f"has samples of {dtype}, expected {form.bit_depth} bits")
    if len(data) - file.tell() != form.planar_bytes:
        raise SamplesError(f"has {len(data) - file.tell()} bytes of samples, too few or too many")
    array = np.frombuffer(data, dtype, offset=file.tell()).reshape(shape, order="F" if columns_first else "C")
    array = array.astype(dtype.newbyteorder("="))
    return tuple(array if planar else np.moveaxis(array, -1, 0))


def _png(data: bytes, form: PictureFormat) -> Planes:
    from PIL import Image

    if form.bit_depth != 8:
        raise SamplesError("is a PNG; of more than 8 bits none is read here; have it write PPM or raw planes")
    # Signature, length and name of the first chunk, then width, height and bits of a sample.
    if data[:8] == _PNG_SIGNATURE and len(data) > 24:
        _require_size(tuple(int.from_bytes(data[i : i + 4], "big") for i in (16, 20)), form)  # type: ignore[arg-type]
        if data[24] != 8:
            raise SamplesError(f"is a PNG of {data[24]} bits, expected 8-bit RGB")
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
            _require_size(picture.size, form)
            if picture.mode not in ("RGB", "RGBA"):
                raise SamplesError(f"is a PNG of mode {picture.mode}, expected 8-bit RGB")
            array = np.asarray(picture)[..., :3]
    except SamplesError:
        raise
    except Exception as error:
        # Pillow's list of errors has no end.
        raise SamplesError(f"cannot be read as PNG ({_line(error)})") from error
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
        raise SamplesError("is no binary PPM")
    width, height, peak = (int(word) for word in words[1:])
    _require_size((width, height), form)
    if peak != (1 << form.bit_depth) - 1:
        raise SamplesError(f"has {peak} as its largest sample, expected {(1 << form.bit_depth) - 1}")
    dtype = np.dtype(">u2" if peak > 255 else "u1")
    if len(data) - start != 3 * width * height * dtype.itemsize:
        raise SamplesError(f"has {len(data) - start} bytes of samples, too few or too many")
    array = np.frombuffer(data, dtype, offset=start).reshape(height, width, 3)
    native = array.astype(array.dtype.newbyteorder("="))
    return tuple(np.moveaxis(native, -1, 0))


def _require_size(found: tuple[int, int], form: PictureFormat) -> None:
    if found != (form.width, form.height):
        raise SamplesError(f"is {found[0]}x{found[1]}, expected {form.width}x{form.height}")


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
