"""Arrays in NumPy's ``.npy`` format from outside: the header is believed only as far as there are bytes."""

from __future__ import annotations

import math
import tokenize
from typing import IO, Any

import numpy as np
import numpy.typing as npt

MAX_HEADER_BYTES = 10_000
PIECE = 1 << 20
KINDS = "iu"
"""Signed and unsigned integers, NumPy's letters for them."""


def read_array(file: IO[bytes], most: int) -> npt.NDArray[np.integer[Any]]:
    """An array of integers.

    :param file: from its current position; it need not be a file on disk.
    :param most: bytes of samples that the array may have.
    :raises ValueError: it is no array of integers, is larger, or ends before its last sample.
    :raises OSError: it cannot be read.
    """
    try:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        if version not in read:
            raise ValueError(f"version {version[0]}.{version[1]} of the .npy format")
        shape, by_columns, dtype = read[version](file, max_header_size=MAX_HEADER_BYTES)
    except (SyntaxError, tokenize.TokenError, TypeError, RecursionError, MemoryError, OverflowError) as error:
        # The header is a Python literal, and the parser of those complains in many ways.
        raise ValueError("the header of the array cannot be read") from error
    if dtype.kind not in KINDS or dtype.shape or min(shape, default=0) < 0:
        raise ValueError(f"values of type {dtype}, expected integers")
    size = math.prod(shape) * dtype.itemsize
    if size > most:
        raise ValueError(f"an array of {size} bytes, allowed are {most}")
    data = read_exactly(file, size)
    array = np.frombuffer(data, dtype, count=math.prod(shape))
    return array.reshape(shape, order="F" if by_columns else "C")


def read_exactly(file: IO[bytes], size: int) -> bytes:
    """``size`` bytes, asked for in pieces: all at once, memory would be set aside for what is not there.

    :raises ValueError: the file ends before.
    """
    pieces, left = [], size
    while left and (piece := file.read(min(PIECE, left))):
        pieces.append(piece)
        left -= len(piece)
    if left:
        raise ValueError(f"the file ends before the last sample: {size - left} bytes of {size}")
    return b"".join(pieces)
