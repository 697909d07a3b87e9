"""Reading files from outside, of which no more comes into memory than is allowed."""

from __future__ import annotations

import os
import stat
from typing import IO

from refdec.errors import ResourceLimitError

PIECE = 1 << 20


def read_codestream(file: IO[bytes], most: int) -> bytes:
    """What is left of a binary file, a pipe or a device, if that is ``most`` bytes or fewer.

    :raises ResourceLimitError: a file is longer. A pipe comes with one byte more, for the parser to refuse.
    :raises OSError: it cannot be read.
    """
    length = _remaining(file)
    if length > most:
        raise ResourceLimitError(
            "the codestream is larger than allowed",
            bit_offset=0,
            expected=f"at most {most} bytes",
            found=f"{length} bytes",
        )
    # Asked for all at once, so many bytes would be set aside, however few there are.
    pieces, left = [], most + 1
    while left and (piece := file.read(min(PIECE, left))):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def _remaining(file: IO[bytes]) -> int:
    """Bytes of a regular file behind its position; 0 for what does not know."""
    try:
        facts = os.fstat(file.fileno())
        return facts.st_size - file.tell() if stat.S_ISREG(facts.st_mode) else 0
    except (AttributeError, OSError, ValueError):
        return 0
