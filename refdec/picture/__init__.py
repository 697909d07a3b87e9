"""The picture: display crop, chroma format, colour and rounding in integers, and picture files.

Two engines: ``golden`` says what is right, ``jit`` is fast. Definitions: docs/arithmetic-picture.md.
"""

from __future__ import annotations

from refdec.picture.files import PictureFormatError, interleaved, require_format, write
from refdec.picture.planes import (
    Picture,
    coded_planes,
    colour_of,
    finish_picture,
    make_picture,
    require_supported,
    source_chroma_size,
    source_planes,
)

__all__ = [
    "Picture",
    "PictureFormatError",
    "coded_planes",
    "colour_of",
    "finish_picture",
    "interleaved",
    "make_picture",
    "require_format",
    "require_supported",
    "source_chroma_size",
    "source_planes",
    "write",
]
