"""Files for Pillow, which reads as many bytes as a file says that a part of it has."""

from __future__ import annotations

import io
import os
from pathlib import Path

from PIL import Image

PILLOW_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    Image.DecompressionBombError,
)
"""What Pillow's plug-ins raise for damaged files: those of TIFF let any value stand for any other."""


class BoundedFile(io.BufferedReader):
    """A file of which no more bytes are asked for than there are: Python sets memory aside for what is asked.

    :raises OSError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path))
        self._size = os.fstat(self.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        """Up to ``size`` bytes; all that are left without it."""
        left = max(self._size - self.tell(), 0)
        return super().read(left if size is None or size < 0 else min(size, left))
