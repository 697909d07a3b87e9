"""Picture files as the encoder sees them: RGB of at least 64 x 64, and strips of coded planes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.nn import functional as F

from conformance.training.pictures import to_yuv
from refdec.errors import RefdecError

UInt8 = npt.NDArray[np.uint8]
Chroma = Literal["444", "420"]
CHROMA_FORMATS: tuple[Chroma, Chroma] = ("444", "420")
SIDE_MIN, SIDE_MAX = 64, 65599
"""What the header's fields for the coded size can say."""
FORMATS = ("PNG", "JPEG", "PPM", "BMP", "TIFF", "WEBP")


class PictureFileError(RefdecError):
    """A picture file that cannot be read, or whose picture cannot be coded."""

    exit_code = 2
    code = "picture"


@dataclass(frozen=True)
class Source:
    """A picture to code.

    :param rgb: uint8 ``[H, W, 3]``, at least 64 x 64: the last row and column are repeated up to there.
    :param shown: rows and columns of the picture itself.
    :param chroma: format in which chroma is coded.
    :param half: for 4:2:0, U and V ``[2, ceil(H/2), ceil(W/2)]``, float32, 0..255.
    """

    rgb: UInt8
    shown: tuple[int, int]
    chroma: Chroma
    half: Tensor | None

    @property
    def size(self) -> tuple[int, int]:
        """Coded rows and columns."""
        return self.rgb.shape[0], self.rgb.shape[1]

    @property
    def pixels(self) -> int:
        """Pixels of the picture itself: what a rate in bits per pixel counts."""
        return self.shown[0] * self.shown[1]

    def luma(self, start: int, stop: int) -> Tensor:
        """Luma of some rows, float32 ``[1, 1, rows, W]``, 0..255."""
        return to_yuv(self.rgb[start:stop])[None, :1]

    def chroma_planes(self, start: int, stop: int) -> Tensor:
        """The encoder's chroma input for luma rows from an even ``start`` on: four luma phases, four of U,
        four of V, float32 ``[1, 12, ceil(rows/2), ceil(W/2)]``."""
        yuv = to_yuv(self.rgb[start:stop])[None]
        odd = (0, yuv.shape[-1] % 2, 0, yuv.shape[-2] % 2)
        planes = F.pixel_unshuffle(F.pad(yuv, odd, mode="replicate"), 2)
        if self.half is None:
            return planes
        half = self.half[:, start // 2 : (stop + 1) // 2].repeat_interleave(4, dim=0)
        return torch.cat((planes[:, :4], half[None]), dim=1)


def load_rgb(path: Path) -> UInt8:
    """A picture file as RGB ``[H, W, 3]``, turned upright; transparency is dropped, 16 bits become 8.

    :raises PictureFileError: no such file, no picture that can be read, or one of a side above 65599.
    """
    try:
        with Image.open(path, formats=FORMATS) as picture:
            if max(picture.size) > SIDE_MAX:
                raise PictureFileError(f"{path}: {picture.size} is beyond {SIDE_MAX} on a side")
            upright = ImageOps.exif_transpose(picture)
            if upright.mode.startswith("I"):
                wide = np.asarray(upright).astype(np.int64)
                upright = Image.fromarray(np.clip(wide * 255 // 65535, 0, 255).astype(np.uint8))
            return np.asarray(upright.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise PictureFileError(f"{path}: cannot read the picture ({error})") from error


def make_source(rgb: UInt8, chroma: Chroma = "444") -> Source:
    """A picture in memory as the encoder wants it.

    :param rgb: uint8 ``[H, W, 3]``, any size from 1 x 1 on.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or rgb.size == 0:
        raise ValueError(f"expected uint8 [H, W, 3], found {rgb.dtype} {list(rgb.shape)}")
    height, width = rgb.shape[:2]
    missing = ((0, max(0, SIDE_MIN - height)), (0, max(0, SIDE_MIN - width)), (0, 0))
    padded = np.pad(rgb, missing, mode="edge") if height < SIDE_MIN or width < SIDE_MIN else rgb
    half = None if chroma == "444" else _half_chroma(padded)
    return Source(padded, (height, width), chroma, half)


def _half_chroma(rgb: UInt8) -> Tensor:
    # corners on corners, as the decoder puts them back
    target = ((rgb.shape[0] + 1) // 2, (rgb.shape[1] + 1) // 2)
    uv = to_yuv(rgb)[None, 1:]
    return F.interpolate(uv, target, mode="bilinear", align_corners=True)[0]
