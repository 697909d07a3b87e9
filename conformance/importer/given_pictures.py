"""Pictures that a caller gives an import to calibrate on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from conformance.encoder.picture_files import load_rgb

LONGEST_SIDE = 1024
"""Larger pictures are halved until no side is above this, as are those that networks are trained with."""


def given_picture(path: Path) -> npt.NDArray[np.uint8]:
    """A picture as RGB ``[H, W, 3]``, upright.

    :raises PictureFileError: it cannot be read, or is larger than what can be coded.
    """
    picture = Image.fromarray(load_rgb(path))
    while max(picture.size) > LONGEST_SIDE:
        half = max(1, picture.width // 2), max(1, picture.height // 2)
        picture = picture.resize(half, Image.Resampling.LANCZOS)
    return np.asarray(picture)
