"""What the tool header says about the two EFE filters, as integers that arithmetic can use.

Geometry and weights are the same for every engine; nothing here looks at a sample. Facts from the JPEG AI
reference software.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

import numpy as np
import numpy.typing as npt

from refdec.codestream import PictureHeader
from refdec.codestream.geometry import ceil_div
from refdec.codestream.headers import EfeLinear, EfeNonlinear, ToolHeader

Int64 = npt.NDArray[np.int64]

CODE_ZERO = 32767
"""The weight code of 0; a weight is ``(code - 32767) / 2048`` (AR-EFL-01, AR-EFN-01)."""
KNOTS = 8
"""Weights of EFE non-linear for one tile, and parts into which it cuts the tile's luma range."""

_ALL, _HALVES, _THIRDS = (0, 100), (0, 50, 100), (0, 33, 66, 100)
SPLITS = (
    (_ALL, _ALL, False),
    (_HALVES, _ALL, False),
    (_ALL, _HALVES, False),
    (_ALL, _THIRDS, False),
    (_THIRDS, _ALL, False),
    (_HALVES, _HALVES, False),
    (_THIRDS, _HALVES, False),
    (_HALVES, _THIRDS, True),
)
"""Of each split: borders of rows, of columns, in percent; whether weights go by columns (AR-EFL-04)."""


def arithmetic(engine: str) -> ModuleType:
    """The module that computes for an engine."""
    if engine == "golden":
        from refdec.filters.golden import efe as golden

        return golden
    from refdec.filters.jit import efe as jit

    return jit


def border(percent: int, length: int) -> int:
    """Where a rectangle ends, a multiple of 32 phase samples or the end of the axis (AR-EFL-05).

    :param percent: 0, 33, 50, 66 or 100; ``length``: phase samples along the axis.
    """
    whole, rest = divmod(percent * (length + 31), 3200)
    up = rest > 1600 or (rest == 1600 and whole % 2 == 1)
    return min(32 * (whole + up), length)  # AR-EFL-05


@dataclass(frozen=True, eq=False)
class LinearFilter:
    """EFE linear on one chroma plane.

    :param mean: mean of the plane in hundredths, ``B1``.
    :param interpolates: chroma was coded at a lower resolution than the source's.
    :param subsampling: vertical and horizontal factor of the source.
    :param rows: borders of the rectangles in phase samples, ascending; ``columns`` likewise.
    :param chroma: int64 ``[rows, columns, 4, L, L]``: weights times 2048 of every rectangle and phase.
    :param luma: int64 ``[rows, columns, L, L]``. L is 0 for a plane without weights.
    """

    mean: int
    interpolates: bool
    subsampling: tuple[int, int]
    rows: tuple[int, ...]
    columns: tuple[int, ...]
    chroma: Int64
    luma: Int64

    @property
    def changes_nothing(self) -> bool:
        """There is nothing to add to the plane."""
        return self.chroma.size == 0 and not self.interpolates


def linear_filter(picture: PictureHeader, tool: EfeLinear, which: int, plane: int) -> LinearFilter:
    """A filter set's filter for a plane.

    :param which: 0 for the set of the alternative picture, 1 for the one applied; ``plane``: 0 U, 1 V.
    """
    filters = tool.filter_sets[which]
    height, width = ceil_div(picture.display_height, 2), ceil_div(picture.display_width, 2)
    split = filters.best_cand_idx[plane]
    down, across, by_column = SPLITS[max(split, 1) - 1]  # AR-EFL-04
    side = filters.fL[plane] if split else 0
    grid = (len(down) - 1, len(across) - 1)
    chroma = np.zeros((*grid, 4, side, side), np.int64)
    luma = np.zeros((*grid, side, side), np.int64)
    chroma_codes, luma_codes = filters.codes(plane)
    for n in range(len(luma_codes)):
        column, row = divmod(n, grid[0]) if by_column else divmod(n, grid[1])[::-1]
        # one list for all phases, or one for each
        chroma[row, column] = np.array(chroma_codes[n]).reshape(-1, side, side)
        luma[row, column] = np.array(luma_codes[n]).reshape(side, side)
    chroma, luma = chroma - CODE_ZERO, luma - CODE_ZERO  # AR-EFL-01
    return LinearFilter(
        tool.B1[plane],
        not picture.same_chroma,
        picture.source_subsampling,
        tuple(border(f, height) for f in down),
        tuple(border(f, width) for f in across),
        chroma,
        luma,
    )


@dataclass(frozen=True, eq=False)
class NonlinearFilter:
    """EFE non-linear on one chroma plane.

    :param subsampling: vertical and horizontal factor of the source.
    :param tile: rows and columns of a tile, in chroma samples.
    :param luma: int64 ``[rows, columns, 2]``: least and largest luma of every tile in hundredths.
    :param weights: int64 ``[rows, columns, 8]``: weights times 2048; no tiles: the plane is not corrected.
    :param block: side of a block of the mask in chroma samples.
    :param mask: int64 ``[rows, columns]``, 0..2: halves of a block that come from the alternative picture;
        ``None``: nothing does.
    """

    subsampling: tuple[int, int]
    tile: tuple[int, int]
    luma: Int64
    weights: Int64
    block: int
    mask: Int64 | None

    @property
    def changes_nothing(self) -> bool:
        """The plane stays as it is."""
        return self.weights.size == 0 and self.mask is None


def nonlinear_filter(picture: PictureHeader, tool: EfeNonlinear, plane: int) -> NonlinearFilter:
    """The filter for a plane, 0 U or 1 V."""
    down, across = picture.source_subsampling
    height, width = ceil_div(picture.display_height, down), ceil_div(picture.display_width, across)
    mask = None
    if tool.mask1_enabled_flag and tool.W5[plane]:  # AR-EFN-07
        mask = np.array(tool.W5[plane], np.int64).reshape(tool.len_mask_y, tool.len_mask_x)
    grid, tile = (0, 0), (1, 1)
    if (tool.nonLinear_enabled_U_flag, tool.nonLinear_enabled_V_flag)[plane]:
        tile = (tool.nonlinearH, tool.nonlinearW)
        grid = (ceil_div(height, tile[0]), ceil_div(width, tile[1]))  # AR-EFN-03
    count = grid[0] * grid[1]
    luma = np.array([tool.minLuma[:count], tool.maxLuma[:count]], np.int64).T.reshape(*grid, 2)
    codes = np.array(tool.A1[plane][: KNOTS * count], np.int64) + (tool.minSymbol - CODE_ZERO)  # AR-EFN-01
    return NonlinearFilter(
        picture.source_subsampling, tile, luma, codes.reshape(*grid, KNOTS), max(tool.bS, 1), mask
    )


def wants_alternative(tools: ToolHeader) -> bool:
    """Whether EFE non-linear takes blocks from the alternative picture of EFE linear (AR-EFL-10)."""
    linear, nonlinear = tools.efe_linear, tools.efe_nonlinear
    if linear is None or nonlinear is None or not nonlinear.mask1_enabled_flag:
        return False
    return any(linear.filter_sets[0].best_cand_idx)  # AR-EFL-10
