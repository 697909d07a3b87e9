"""EFE parameters and planes for tests, and the filters in exact fractions, sample by sample."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from refdec.codestream.headers import EfeLinear, EfeNonlinear, PictureHeader, ToolHeader
from refdec.codestream.syntax import Field, Scope
from refdec.codestream.tool_syntax import TON
from refdec.filters import FilterContext, FilterPlanes, efe_linear, efe_nonlinear
from refdec.settings import Settings
from tests.picture.test_picture import formats, header
from tests.strategies_codestream import Generator, generate

Int32 = npt.NDArray[np.int32]
WHITE = 255 << 16
FORMATS = (("444", "444"), ("444", "422"), ("444", "420"), ("422", "422"), ("420", "420"))
FLAGS = {"CS-TON-05": 1, "CS-TON-06": 0, "CS-TON-07": 1, "CS-TON-08": 0}
NAMES = {
    "mean": ("CS-TON-11", "CS-TON-12"),
    "split": ("CS-TON-13", "CS-TON-14"),
    "side": ("CS-TON-15", "CS-TON-16"),
    "codes": ("CS-TON-17", "CS-TON-18"),
    "nonlinear_codes": ("CS-TON-31", "CS-TON-32"),
    "masks": ("CS-TON-33", "CS-TON-34"),
    "block": ("CS-TON-35",),
    "corrects": ("CS-TON-40", "CS-TON-41"),
    "tile": ("CS-TON-43", "CS-TON-42"),
}
Choice = tuple[int, ...] | None


class BothFilters(Generator):
    """Any tool header that turns EFE linear and EFE non-linear on, and nothing else; see :func:`tools_of`."""

    def __init__(self, seed: int, chosen: dict[str, Choice]) -> None:
        super().__init__(random.Random(seed).choice)
        self.forced = dict(FLAGS)
        for name, values in chosen.items():
            if values is not None:
                self.forced |= dict(zip(NAMES[name], values, strict=True))

    def _allowed(self, element: Field, scope: Scope, top: int, position: int | None) -> Sequence[int]:
        value = self.forced.get(element.id)
        return super()._allowed(element, scope, top, position) if value is None else (value,)


def picture_of(
    height: int, width: int, kind: tuple[str, str], crop: tuple[int, int] = (0, 0)
) -> PictureHeader:
    """A picture header for a source and a coded chroma format; ``crop`` is rows and columns not shown."""
    fields = {"diff_display_img_height": crop[0], "diff_display_img_width": crop[1]}
    return header(width, height, colour_transform_idx=0, **fields, **formats(*kind))


def tools_of(
    picture: PictureHeader, seed: int, codes: tuple[int, int] | None = None, **chosen: Choice
) -> ToolHeader:
    """Random parameters that the syntax allows, apart from those that are chosen.

    :param codes: least value and bound of all coded weights.
    :param chosen: by the names in ``NAMES``; U and V, or rows and columns.
    """
    generator = BothFilters(seed, {"codes": codes, "nonlinear_codes": codes, **chosen})
    return cast(ToolHeader, generate(TON, generator, picture))


def planes_of(picture: PictureHeader, seed: int, corners: bool = False) -> FilterPlanes:
    """Noise over all that can come in, or only its ends."""
    source = np.random.default_rng(seed)
    size = (picture.display_height, picture.display_width)
    small = tuple(-(-n // s) for n, s in zip(size, picture.source_subsampling, strict=True))
    # interpolated chroma leaves the range of samples
    low, high = (0, WHITE) if picture.same_chroma else (-29160 << 8, 94440 << 8)
    if corners:
        luma = source.choice(np.array([0, WHITE], np.int32), size)
        u, v = (source.choice(np.array([low, high], np.int32), small) for _ in range(2))
    else:
        luma = source.integers(0, WHITE + 1, size, dtype=np.int32)
        u, v = (source.integers(low, high + 1, small, dtype=np.int32) for _ in range(2))
    return FilterPlanes((luma, u, v))


@dataclass(frozen=True)
class Filtered:
    """What the two filters make of planes."""

    linear: FilterPlanes
    nonlinear: FilterPlanes

    @property
    def chroma(self) -> list[Int32]:
        """All chroma planes that were made."""
        return [
            *self.linear.planes[1:],
            *(self.linear.alternative or ()),
            *self.nonlinear.planes[1:],
        ]


def context_of(picture: PictureHeader, tools: ToolHeader, engine: str, threads: int = 1) -> FilterContext:
    """What the filters know."""
    return FilterContext(picture, tools, None, cast(Any, None), Settings(engine=engine, threads=threads))


def apply(
    picture: PictureHeader, tools: ToolHeader, planes: FilterPlanes, engine: str = "golden", threads: int = 1
) -> Filtered:
    """Both filters, as the stage runs them."""
    context = context_of(picture, tools, engine, threads)
    linear = efe_linear.apply(planes, context)
    return Filtered(linear, efe_nonlinear.apply(linear, context))


# The definitions of the two filters in fractions. Each has places where a decoder can go wrong; a test
# names one of them, and the oracle then goes wrong there.

FRACTIONS = {1: [(0.0, 1.0)], 2: [(0.0, 0.5), (0.5, 1.0)], 3: [(0.0, 0.33), (0.33, 0.66), (0.66, 1.0)]}
PARTS = {1: (1, 1), 2: (2, 1), 3: (1, 2), 4: (1, 3), 5: (3, 1), 6: (2, 2), 7: (3, 2), 8: (2, 3)}


def reference_border(fraction: float, n: int) -> int:
    """The reference's rule in binary64."""
    return min(round(fraction * (n + 31) / 32) * 32, n)


def weight(code: int) -> Fraction:
    """Value of a weight code."""
    return Fraction(code - 32767, 2048)


def tap(i: int, shift: int) -> Fraction:
    """The four taps of an interpolation by nothing or by half a sample."""
    return Fraction((-1, 9, 9, -1)[i], 16) if shift else Fraction(int(i == 1))


class LinearOracle:
    """EFE linear at single samples."""

    def __init__(
        self, picture: PictureHeader, tool: EfeLinear, which: int, planes: FilterPlanes, defect: str = ""
    ) -> None:
        self.picture, self.tool, self.which, self.planes, self.defect = picture, tool, which, planes, defect
        self.filters = tool.filter_sets[which]
        self.vertical, self.horizontal = picture.source_subsampling

    def sample(self, plane: int, y: int, x: int) -> Fraction:
        """The exact sample, in units of 2^-16."""
        # position in the 2x2 cell, and the cell
        cell_row, cell_column = (y // 2, x // 2) if self.vertical == 1 else (y, x)
        if self.vertical == 1 and self.horizontal == 2:
            cell_column = x
        down = y % 2 if self.vertical == 1 else 0
        across = x % 2 if self.horizontal == 1 else 0
        index, same = self.filters.best_cand_idx[plane], self.picture.same_chroma
        mean = Fraction(self.tool.B1[plane] << 16, 100)
        if self.defect == "mean is not taken off":
            mean = Fraction(0)
        total = Fraction(int(self.planes.planes[1 + plane][y, x]))
        if self.defect == "no weights, no interpolation" and index == 0:
            return total
        if not same:
            for a in range(4):
                for b in range(4):
                    d = tap(a, down) * tap(b, across) - tap(a, 0) * tap(b, 0)
                    total += d * self.chroma(plane, cell_row + a - 1, cell_column + b - 1, down, across)
        if index == 0:
            return self.limited(total)
        number, limits = self.rectangle(index, cell_row, cell_column)
        side = self.filters.fL[plane]
        origin = side // 2 if self.defect == "filters lean to the left" else (side - 1) // 2
        chroma_lists, luma_lists = self.filters.codes(plane)
        phase = 0 if same or self.defect == "one list for all phases" else 2 * down + across
        for a in range(side):
            for b in range(side):
                row, column = cell_row + a - origin, cell_column + b - origin
                if self.defect == "rectangles end at their borders":
                    row = min(max(row, limits[0]), limits[1] - 1)
                    column = min(max(column, limits[2]), limits[3] - 1)
                place = a * side + b
                total += weight(chroma_lists[number][phase * side * side + place]) * (
                    self.chroma(plane, row, column, down, across) - mean
                )
                total += weight(luma_lists[number][place]) * self.luma(row, column, down, across)
        return self.limited(total)

    def limited(self, total: Fraction) -> Fraction:
        """With the defect, as a decoder that clamps between filters."""
        if self.defect == "result is clamped to samples":
            return min(max(total, Fraction(0)), Fraction(WHITE))
        return total

    def rectangle(self, index: int, row: int, column: int) -> tuple[int, tuple[int, int, int, int]]:
        """Number and borders of the rectangle that a cell lies in."""
        height, width = -(-self.picture.display_height // 2), -(-self.picture.display_width // 2)
        rows, columns = (FRACTIONS[n] for n in PARTS[index])
        pairs = [(r, c) for r in rows for c in columns]
        if index == 8 and self.defect != "eighth split goes row by row":
            pairs = [(r, c) for c in columns for r in rows]
        for number, (r, c) in enumerate(pairs):
            top, bottom = (self.border(f, height) for f in r)
            left, right = (self.border(f, width) for f in c)
            if top <= row < bottom and left <= column < right:
                return number, (top, bottom, left, right)
        raise AssertionError("rectangles cover the picture")

    def border(self, fraction: float, n: int) -> int:
        """Of a rectangle."""
        if self.defect == "halves are rounded up":
            return min(int(fraction * (n + 31) / 32 + 0.5) * 32, n)
        if self.defect == "borders are not multiples of 32":
            return round(fraction * n)
        return reference_border(fraction, n)

    def chroma(self, plane: int, row: int, column: int, down: int, across: int) -> int:
        """A sample of a chroma phase."""
        samples = self.planes.planes[1 + plane]
        return phase_sample(
            samples, row, column, (down, across), (3 - self.vertical, 3 - self.horizontal), self.defect
        )

    def luma(self, row: int, column: int, down: int, across: int) -> int:
        """A sample of a luma phase."""
        if self.defect == "luma is its first phase":
            down = across = 0
        return phase_sample(self.planes.planes[0], row, column, (down, across), (2, 2), self.defect)


def phase_sample(
    samples: Int32, row: int, column: int, position: tuple[int, int], splits: tuple[int, int], defect: str
) -> int:
    """A sample of a phase; what lies outside repeats the border of the phase."""
    out = []
    for i, offset, split, n in zip((row, column), position, splits, samples.shape, strict=True):
        offset = offset if split == 2 else 0
        cells = -(-n // split)
        if defect == "the border of the plane is repeated":
            out.append(min(max(i * split + offset, 0), n - 1))
        else:
            out.append(min(min(max(i, 0), cells - 1) * split + offset, n - 1))
    return int(samples[out[0], out[1]])


class NonlinearOracle:
    """EFE non-linear at single samples."""

    def __init__(
        self, picture: PictureHeader, tool: EfeNonlinear, planes: FilterPlanes, defect: str = ""
    ) -> None:
        self.picture, self.tool, self.planes, self.defect = picture, tool, planes, defect

    def sample(self, plane: int, y: int, x: int) -> Fraction:
        """The exact sample, in units of 2^-16."""
        tool, defect = self.tool, self.defect
        value = Fraction(int(self.planes.planes[1 + plane][y, x]))
        if (tool.nonLinear_enabled_U_flag, tool.nonLinear_enabled_V_flag)[plane]:
            value = self.corrected(plane, y, x, value)
        uses_mask = bool(tool.mask1_enabled_flag)
        if defect == "each plane decides about its own mask":
            uses_mask = bool((tool.mask1_enabled_flag, tool.mask2_enabled_flag)[plane])
        mask = tool.W5[0 if defect == "one mask for both planes" else plane]
        if not uses_mask or not mask:
            return value
        share = mask[(y // tool.bS) * tool.len_mask_x + x // tool.bS]
        if defect == "masks are flags":
            share = 2 * min(share, 1)
        alternative = self.planes.alternative
        other = Fraction(0 if alternative is None else int(alternative[plane][y, x]))
        if defect == "the alternative is the input":
            other = Fraction(int(self.planes.planes[1 + plane][y, x]))
        return (other * share + (2 - share) * value) / 2

    def corrected(self, plane: int, y: int, x: int, value: Fraction) -> Fraction:
        """A sample of a plane that is corrected."""
        tool, defect = self.tool, self.defect
        down, across = self.picture.source_subsampling
        luma = self.planes.planes[0]
        yd = Fraction(int(luma[y * down, x * across]))
        if defect == "luma is averaged":
            cell = luma[y * down : y * down + down, x * across : x * across + across]
            yd = Fraction(int(cell.sum()), cell.size)
        width = -(-self.picture.display_width // across)
        tile = (y // tool.nonlinearH) * -(-width // tool.nonlinearW) + x // tool.nonlinearW
        codes = [code + tool.minSymbol for code in tool.A1[plane]]
        weights = [weight(code) for code in codes[8 * tile : 8 * tile + 8]]
        least = Fraction(tool.minLuma[tile] << 16, 100)
        gap = (Fraction(tool.maxLuma[tile] << 16, 100) - least) / (7 if defect == "seven parts" else 8)
        if defect == "the range of luma is not negative":
            gap = abs(gap)
        first = weights[0] * (yd - least)
        rest = sum((weights[k] * max(yd - (least + k * gap), Fraction(0)) for k in range(1, 8)), Fraction(0))
        if defect == "the whole sum is not negative":
            return max(value + first + rest, Fraction(0))
        if defect == "nothing is cut off at 0":
            return value + first + rest
        if defect == "result is clamped to 255":
            return min(max(value + first, Fraction(0)) + rest, Fraction(WHITE))
        return max(value + first, Fraction(0)) + rest


def positions(shape: tuple[int, ...], seed: int, count: int) -> list[tuple[int, int]]:
    """Corners, and samples anywhere."""
    source = random.Random(seed)
    height, width = shape
    corners = [(y, x) for y in (0, height - 1) for x in (0, width - 1)]
    return corners + [(source.randrange(height), source.randrange(width)) for _ in range(count)]


def rounded(value: Fraction) -> int:
    """To the nearest, halves up, within the planes' limit."""
    whole = (2 * value.numerator + value.denominator) // (2 * value.denominator)
    limit = (1 << 30) - 1
    return min(max(whole, -limit), limit)
