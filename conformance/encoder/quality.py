"""Quality maps from files and from regions of interest: indices -8..8 on the latent grid."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from conformance.encoder.bounded_file import PILLOW_ERRORS, BoundedFile
from conformance.encoder.picture_files import FORMATS
from refdec.array_file import read_array
from refdec.codestream.geometry import latent_size
from refdec.errors import RefdecError

Int8 = npt.NDArray[np.int8]
LIMIT = 8
GREY_ZERO, GREY_STEP = 128, 16
MAX_BYTES = 16 << 20
STEP = 16
"""Luma samples per latent sample."""


class QualityMapError(RefdecError):
    """A quality map or region of interest that cannot be used."""

    exit_code = 2
    code = "quality-map"


@dataclass(frozen=True)
class Interest:
    """A rectangle in pixels and the quality index that it gets."""

    x: int
    y: int
    w: int
    h: int
    index: int


def parse_interest(text: str) -> Interest:
    """``x,y,w,h:q``.

    :raises QualityMapError: it is something else.
    """
    match = re.fullmatch(r"\s*(\d+),(\d+),(\d+),(\d+):([+-]?\d+)\s*", text)
    if match is None:
        raise QualityMapError(f"'{text}': expected x,y,w,h:q, e.g. 100,50,320,240:6")
    found = Interest(*map(int, match.groups()))
    if abs(found.index) > LIMIT or not found.w or not found.h:
        raise QualityMapError(f"'{text}': the index must be -8..8 and the rectangle not empty")
    return found


def interest_map(
    interests: Sequence[Interest], size: tuple[int, int], shown: tuple[int, int] | None = None
) -> Int8:
    """0, and the index of a rectangle wherever a latent sample's 16 x 16 block touches it; later ones win.

    What of a rectangle lies beyond the picture is cut off.

    :param size: coded rows and columns in luma samples.
    :param shown: rows and columns of the picture, where less than what is coded.
    :raises QualityMapError: a rectangle lies wholly outside of the picture.
    """
    bottom, right = shown or size
    out = np.zeros(latent_size(*size), np.int8)
    for item in interests:
        if item.x >= right or item.y >= bottom:
            raise QualityMapError(
                f"the rectangle at {item.x},{item.y} lies outside of the picture of {right} x {bottom}"
            )
        rows = slice(item.y // STEP, -(-(item.y + item.h) // STEP))
        columns = slice(item.x // STEP, -(-(item.x + item.w) // STEP))
        out[rows, columns] = item.index
    return out


def load_map(path: Path, size: tuple[int, int]) -> Int8:
    """A map from a file, stretched to the latent grid by taking the nearest entry.

    ``.npy``: integers ``[h, w]``; ``.txt`` or ``.csv``: rows of integers; a picture of a kind that the
    encoder reads (:data:`~conformance.encoder.picture_files.FORMATS`): grey 128 is index 0, 16 steps of grey
    are one index, so black is -8 and white is 8.

    :param size: coded rows and columns in luma samples.
    :raises QualityMapError: the file cannot be read, or an index is outside -8..8.
    """
    try:
        values = _read(path)
    except PILLOW_ERRORS as error:
        raise QualityMapError(f"{path}: cannot read the quality map ({error})") from error
    if values.ndim != 2 or values.size == 0:
        raise QualityMapError(f"{path}: expected rows and columns, found shape {list(values.shape)}")
    if values.min() < -LIMIT or values.max() > LIMIT:
        raise QualityMapError(f"{path}: indices {values.min()}..{values.max()}, allowed are -8..8")
    target = latent_size(*size)
    rows, columns = ((2 * np.arange(n) + 1) * m // (2 * n) for n, m in zip(target, values.shape, strict=True))
    return np.ascontiguousarray(values[np.ix_(rows, columns)], np.int8)


def _read(path: Path) -> npt.NDArray[np.int64]:
    suffix = path.suffix.lower()
    if suffix == ".npy":
        with path.open("rb") as file:
            return read_array(file, MAX_BYTES).astype(np.int64)
    if suffix in (".txt", ".csv"):
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"more than {MAX_BYTES} bytes")
        lines = path.read_text(encoding="utf-8").splitlines()
        rows = [[int(word) for word in line.replace(",", " ").split()] for line in lines if line.strip()]
        if len({len(row) for row in rows}) > 1:
            raise ValueError("rows of different length")
        return np.array(rows, np.int64)
    with BoundedFile(path) as file:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit here is lower
            picture = Image.open(file, formats=FORMATS)
        if picture.size[0] * picture.size[1] > MAX_BYTES:
            raise ValueError(f"{picture.size[0]} x {picture.size[1]} entries, allowed are {MAX_BYTES}")
        grey = np.asarray(picture.convert("L")).astype(np.int64)
    return np.clip((grey - GREY_ZERO + GREY_STEP // 2) // GREY_STEP, -LIMIT, LIMIT)
