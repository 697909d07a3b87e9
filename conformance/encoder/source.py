"""A picture to code: samples of any format that a codestream can name, and strips of the networks' input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from conformance.training.pictures import to_yuv
from refdec.codestream.geometry import ceil_div
from refdec.errors import RefdecError
from refdec.picture import Picture

UInt8 = npt.NDArray[np.uint8]
IntArray = npt.NDArray[np.integer[Any]]
Planes = tuple[IntArray, IntArray, IntArray]
Chroma = Literal["444", "422", "420"]
SUBSAMPLING: dict[Chroma, tuple[int, int]] = {"444": (1, 1), "422": (1, 2), "420": (2, 2)}
"""Vertical and horizontal factor by chroma format."""
CHROMA_FORMATS: tuple[Chroma, ...] = tuple(SUBSAMPLING)
CODED_FORMATS = {(1, 1): ((1, 1), (1, 2), (2, 2)), (1, 2): ((1, 2),), (2, 2): ((2, 2),)}
"""Formats in which decoders synthesise the chroma of a source."""
BIT_DEPTHS = (8, 10)
"""Depths that decoders implement, of the five that the header can spell."""
SIDE_MIN, SIDE_MAX = 64, 65599
"""What the header's fields for the coded size can say."""
CROP_MAX = 63
"""Rows or columns that the header can cut off for display."""


class PictureFileError(RefdecError):
    """A picture file that cannot be read, or a picture that no codestream can hold."""

    exit_code = 2
    code = "picture"


@dataclass(frozen=True)
class Source:
    """A picture to code.

    :param planes: R, G, B or Y, U, V, at coded size: the last rows and columns are repeated up to there.
    :param shown: rows and columns of the picture itself.
    :param colour: what the planes are. :param bit_depth: bits of a sample, 8 or 10.
    :param subsampling: vertical and horizontal chroma factor of the planes; ``coded``: of what is coded.
    :param reduced: where chroma is coded below the source's resolution, U and V ``[2, ., .]``, float32,
        0..255.
    """

    planes: Planes
    shown: tuple[int, int]
    colour: Literal["RGB", "YCbCr"]
    bit_depth: int
    subsampling: tuple[int, int]
    coded: tuple[int, int]
    reduced: Tensor | None

    @property
    def size(self) -> tuple[int, int]:
        """Coded rows and columns."""
        return self.planes[0].shape[0], self.planes[0].shape[1]

    @property
    def pixels(self) -> int:
        """Pixels of the picture itself: what a rate in bits per pixel counts."""
        return self.shown[0] * self.shown[1]

    def luma(self, start: int, stop: int) -> Tensor:
        """Luma of some rows, float32 ``[1, 1, rows, W]``, 0..255."""
        if self.colour == "RGB":
            return self._converted(start, stop)[None, :1]
        return self._samples(0, start, stop)[None, None]

    def chroma(self, start: int, stop: int) -> Tensor:
        """U and V in the coded format for luma rows from an even ``start`` on, float32 ``[2, ., .]``."""
        rows = slice(start // self.coded[0], ceil_div(stop, self.coded[0]))
        if self.reduced is not None:
            return self.reduced[:, rows]
        if self.colour == "RGB":
            return self._converted(start, stop)[1:]
        return torch.stack([self._samples(plane, rows.start, rows.stop) for plane in (1, 2)])

    def chroma_planes(self, start: int, stop: int) -> Tensor:
        """The encoder's chroma input for luma rows from an even ``start`` on: four luma phases, four of U,
        four of V, float32 ``[1, 12, ceil(rows/2), ceil(W/2)]``. Phases that the coded format lacks are
        those that it has, repeated."""
        luma = F.pixel_unshuffle(_even(self.luma(start, stop), 1, 1), 2)
        chroma = self.chroma(start, stop)[:, None]
        if self.coded == (2, 2):
            phases = chroma.repeat(1, 4, 1, 1)
        elif self.coded == (1, 2):
            rows = _even(chroma, 1, 0)
            phases = torch.cat((rows[:, :, 0::2],) * 2 + (rows[:, :, 1::2],) * 2, dim=1)
        else:
            phases = F.pixel_unshuffle(_even(chroma, 1, 1), 2)
        return torch.cat((luma[0], phases[0], phases[1]))[None]

    def _samples(self, plane: int, start: int, stop: int) -> Tensor:
        part = torch.from_numpy(self.planes[plane][start:stop].astype(np.float32))
        return part if self.bit_depth == 8 else part * (255 / ((1 << self.bit_depth) - 1))

    def _converted(self, start: int, stop: int) -> Tensor:
        rgb = np.stack([plane[start:stop] for plane in self.planes], axis=-1)
        yuv = to_yuv(rgb if self.bit_depth == 8 else rgb * np.float32(255 / ((1 << self.bit_depth) - 1)))
        return yuv


def make_source(
    picture: UInt8 | Picture, chroma: Chroma | None = None, *, coded_size: tuple[int, int] | None = None
) -> Source:
    """A picture in memory as the encoder wants it.

    :param picture: any size from 1 x 1 on; an array is uint8 RGB ``[H, W, 3]``.
    :param chroma: format in which chroma is coded; the picture's own by default.
    :param coded_size: rows and columns to code, at least the picture's; the last row and column are
        repeated up to there and cut off for display. By default the picture's, or 64 where it is smaller.
    :raises PictureFileError: no codestream can hold such a picture.
    """
    if not isinstance(picture, Picture):
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or picture.size == 0:
            raise ValueError(f"expected uint8 [H, W, 3], found {picture.dtype} {list(picture.shape)}")
        picture = Picture((picture[..., 0], picture[..., 1], picture[..., 2]), "RGB", 8, (1, 1))
    coded = picture.subsampling if chroma is None else SUBSAMPLING[chroma]
    _require(picture, coded)
    size = _coded_size(picture.size, coded_size)
    planes = [
        _grown(plane, (ceil_div(size[0], down), ceil_div(size[1], across)))
        for plane, (down, across) in zip(
            picture.planes, ((1, 1), picture.subsampling, picture.subsampling), strict=True
        )
    ]
    source = Source(
        (planes[0], planes[1], planes[2]),
        picture.size,
        picture.colour,
        picture.bit_depth,
        picture.subsampling,
        picture.subsampling,
        None,
    )
    if coded == picture.subsampling:
        return source
    target = (ceil_div(size[0], coded[0]), ceil_div(size[1], coded[1]))
    # corners on corners, as the decoder puts them back
    whole = source.chroma(0, size[0])[None]
    reduced = F.interpolate(whole, target, mode="bilinear", align_corners=True)[0]
    return Source(
        source.planes, source.shown, source.colour, source.bit_depth, source.subsampling, coded, reduced
    )


def _require(picture: Picture, coded: tuple[int, int]) -> None:
    source, names = picture.subsampling, {factors: name for name, factors in SUBSAMPLING.items()}
    if picture.bit_depth not in BIT_DEPTHS:
        raise PictureFileError(
            f"{picture.bit_depth} bits a sample: decoders implement 8 and 10 (12, 14 and 16 are only spelled)"
        )
    if source not in names:
        raise PictureFileError(f"no codestream can name a chroma format with factors {source}")
    if picture.colour == "RGB" and source != (1, 1):
        raise PictureFileError("an RGB picture cannot have subsampled planes")
    if coded not in CODED_FORMATS[source]:
        allowed = " or ".join(names[factors] for factors in CODED_FORMATS[source])
        raise PictureFileError(
            f"a {names[source]} source cannot be coded as {names[coded]}: expected {allowed}"
        )


def _coded_size(shown: tuple[int, int], wanted: tuple[int, int] | None) -> tuple[int, int]:
    size = (max(shown[0], SIDE_MIN), max(shown[1], SIDE_MIN)) if wanted is None else wanted
    for name, length, cut in zip(("rows", "columns"), size, shown, strict=True):
        if not SIDE_MIN <= length <= SIDE_MAX:
            raise PictureFileError(f"{length} coded {name}: a codestream can say {SIDE_MIN} to {SIDE_MAX}")
        if not 0 <= length - cut <= CROP_MAX and wanted is not None:
            raise PictureFileError(
                f"{length} coded {name} for a picture of {cut}: up to {CROP_MAX} can be cut off for display"
            )
    return size


def _grown(plane: IntArray, size: tuple[int, int]) -> IntArray:
    missing = [(0, n - have) for n, have in zip(size, plane.shape, strict=True)]
    return np.pad(plane, missing, mode="edge") if any(more for _, more in missing) else plane


def _even(planes: Tensor, rows: int, columns: int) -> Tensor:
    """The last row and column repeated once where their number is odd and it matters."""
    odd = (0, columns * (planes.shape[-1] % 2), 0, rows * (planes.shape[-2] % 2))
    return F.pad(planes, odd, mode="replicate")
