"""Weights for EFE linear: least squares between the decoded and the original chroma.

A filter set is linear in its weights, so everything that a choice of rectangles and filter side needs is in
correlations of the chroma and luma samples around a position. They are gathered once, in the cells that all
splits have in common; trying a split is then the solution of a small system.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from refdec.codestream import PictureHeader
from refdec.codestream.geometry import ceil_div
from refdec.codestream.headers import EfeLinear, FilterSet, PlaneWeights
from refdec.filters import Planes
from refdec.filters.efe_parameters import CODE_ZERO, SPLITS, border
from refdec.filters.golden.efe import interpolation, phase

Float64 = npt.NDArray[np.float64]

ONE = 1 << 16
"""The sample step of planes in the filters' format."""
MOST_SAMPLES = 1 << 21
"""Of one plane; larger planes are sampled row by row."""
CHUNK = 1 << 15
STEPS = 2048
"""Parts of a weight."""
TAPS = 16
PERCENT = (0, 33, 50, 66, 100)
"""Every border of every split."""
RIDGE = 1e-8
"""Added to the diagonal, as a share of its sum: planes without detail get no huge weights."""
SPLIT_NUMBERS = tuple(range(1, 9))
SIDES = (1, 2, 3, 4)
EMPTY = FilterSet((0, 0), 0, 65535)


@dataclass(frozen=True)
class Fit:
    """Weights of one plane.

    :param split: ``best_cand_idx``, 0 for no weights; ``side``: of the filter.
    :param chroma: codes of each rectangle; ``luma`` likewise.
    :param error: sum of squared differences to the original that is expected; ``bits``: of the codes.
    """

    split: int
    side: int
    chroma: tuple[tuple[int, ...], ...]
    luma: tuple[tuple[int, ...], ...]
    error: float
    bits: int

    @property
    def codes(self) -> list[int]:
        """All of them."""
        return [code for codes in (*self.chroma, *self.luma) for code in codes]


@dataclass(frozen=True)
class Correlations:
    """Of one chroma plane with its original.

    :param products: ``[rows, columns, phases, 33, 33]``: 16 chroma samples less the plane's mean and 16 luma
        samples around a position, and what the filter should add there; summed over each cell.
    :param every: one of so many rows was looked at. :param interpolates: as in the header.
    """

    products: Float64
    every: int
    interpolates: bool


def correlate_plane(
    picture: PictureHeader, decoded: Planes, source: Planes, plane: int, mean: int
) -> Correlations:
    """What :func:`fit` needs to know; ``mean`` is the plane's in hundredths."""
    splits = tuple(3 - factor for factor in picture.source_subsampling)
    chroma, luma, wanted = decoded[1 + plane], decoded[0], source[1 + plane]
    height, width = (ceil_div(n, 2) for n in luma.shape)
    rows, columns = ([border(f, n) for f in PERCENT] for n in (height, width))
    every = ceil_div(height * width * splits[0] * splits[1], MOST_SAMPLES)
    places = [(i, j) for i in range(splits[0]) for j in range(splits[1])]
    products = np.zeros((4, 4, len(places), 2 * TAPS + 1, 2 * TAPS + 1))
    for number, (down, across) in enumerate(places):
        c = (phase(chroma, down, across, (splits[0], splits[1])) - (mean * ONE) // 100) / ONE
        y = phase(luma, down, across, (2, 2)) / ONE
        missing = (phase(wanted, down, across, (splits[0], splits[1])) / ONE - mean / 100) - c
        weights = np.zeros((4, 4)) if picture.same_chroma else interpolation(2 * down + across) / 256
        for (i, (top, bottom)), (j, (left, right)) in itertools.product(
            enumerate(itertools.pairwise(rows)), enumerate(itertools.pairwise(columns))
        ):
            if left == right:
                continue
            at_once = every * max(1, CHUNK // (right - left))
            for start in range(top, bottom, at_once):
                part = slice(start, min(start + at_once, bottom), every)
                line = _around(c, y, part, slice(left, right))
                line[:, -1] = missing[2:-2, 2:-2][part, left:right].reshape(-1) - line[
                    :, :TAPS
                ] @ weights.reshape(-1)
                products[i, j, number] += line.T @ line
    return Correlations(products, every, not picture.same_chroma)


def _around(c: Float64, y: Float64, rows: slice, columns: slice) -> Float64:
    """``[positions, 33]``: chroma, then luma, from one sample before a position to two behind it."""
    windows = [
        plane[1 + a : plane.shape[0] - 3 + a, 1 + b : plane.shape[1] - 3 + b][rows, columns].reshape(-1)
        for plane in (c, y)
        for a in range(4)
        for b in range(4)
    ]
    return np.stack([*windows, np.zeros_like(windows[0])], axis=1)


def fit(found: Correlations, split: int, side: int) -> Fit:
    """The weights of a plane for one split and filter side, as codes."""
    down, across, by_column = SPLITS[split - 1]
    grid = list(itertools.product(itertools.pairwise(down), itertools.pairwise(across)))
    if by_column:
        grid.sort(key=lambda rectangle: rectangle[1])
    chroma, luma, error = [], [], 0.0
    for (top, bottom), (left, right) in grid:
        rows = slice(PERCENT.index(top), PERCENT.index(bottom))
        columns = slice(PERCENT.index(left), PERCENT.index(right))
        codes, rest = _solve(found.products[rows, columns].sum((0, 1)), side, found.interpolates)
        chroma.append(codes[: -side * side])
        luma.append(codes[-side * side :])
        error += rest
    out = Fit(split, side, tuple(chroma), tuple(luma), found.every * error, 0)
    return Fit(split, side, out.chroma, out.luma, out.error, _bits(out.codes))


def nothing(found: Correlations, weights: bool) -> Fit:
    """A plane that is left alone: by weights of 0 where it must have some."""
    error = found.every * float(found.products[..., -1, -1].sum())
    zero = ((CODE_ZERO,) * (4 if found.interpolates else 1),)
    return Fit(1, 1, zero, ((CODE_ZERO,),), error, 0) if weights else Fit(0, 0, (), (), error, 0)


def best_fit(
    found: Correlations, weights: bool, price: float, splits: Sequence[int], sides: Sequence[int]
) -> Fit:
    """The fit with the least error plus ``price`` for every bit; ``weights``: a plane must have some."""
    trials = [fit(found, split, side) for split in splits for side in sides]
    return min([nothing(found, weights), *trials], key=lambda trial: trial.error + price * trial.bits)


def _solve(products: Float64, side: int, interpolates: bool) -> tuple[tuple[int, ...], float]:
    """Codes of one rectangle, chroma before luma, and the error that is left; ``products`` by phase."""
    origin = 1 - (side - 1) // 2
    window = [4 * a + b for a in range(origin, origin + side) for b in range(origin, origin + side)]
    luma = [TAPS + tap for tap in window]
    lists = len(products) if interpolates else 1
    count = side * side
    matrix = np.zeros(((lists + 1) * count, (lists + 1) * count))
    wanted, least = np.zeros((lists + 1) * count), 0.0
    for number, part in enumerate(products):
        # the weights that this phase has: its own on chroma, those of all on luma
        first = count * (number if interpolates else 0)
        unknowns = [*range(first, first + count), *range(lists * count, (lists + 1) * count)]
        taps = window + luma
        matrix[np.ix_(unknowns, unknowns)] += part[np.ix_(taps, taps)]
        wanted[unknowns] += part[taps, -1]
        least += float(part[-1, -1])
    ridge = RIDGE * float(np.trace(matrix)) + RIDGE
    weights = np.linalg.solve(matrix + ridge * np.eye(len(matrix)), wanted)
    codes = np.clip(np.rint(weights * STEPS) + CODE_ZERO, 0, 65535).astype(np.int64)
    taken = (codes - CODE_ZERO) / STEPS
    error = least - 2 * float(taken @ wanted) + float(taken @ matrix @ taken)
    return tuple(codes.tolist()), max(error, 0.0)


def _bits(codes: Sequence[int]) -> int:
    return len(codes) * (max(codes) - min(codes)).bit_length()


def filter_set(fits: tuple[Fit, Fit]) -> FilterSet:
    """The set of both planes' filters, with the narrowest range of codes."""
    codes = [code for item in fits for code in item.codes]
    if not codes:
        return EMPTY
    least = min(codes)
    planes = [
        PlaneWeights(
            tuple(code - least for part in item.chroma for code in part),
            tuple(code - least for part in item.luma for code in part),
        )
        for item in fits
    ]
    return FilterSet(
        (fits[0].split, fits[1].split),
        least,
        max(codes) - least,
        (fits[0].side, fits[1].side),
        (planes[0], planes[1]),
    )


def derive_linear(
    picture: PictureHeader,
    decoded: Planes,
    source: Planes,
    price: float,
    *,
    splits: Sequence[int] = SPLIT_NUMBERS,
    sides: Sequence[int] = SIDES,
    alternative: bool = False,
) -> EfeLinear | None:
    """EFE linear for a decoded picture, or ``None`` where it does not pay.

    :param decoded: Y, U, V as filters get them, see :mod:`conformance.encoder.efe`; ``source``: the original.
    :param price: by how much a bit has to lower the sum of squared errors.
    :param splits: ``best_cand_idx`` to try; ``sides``: filter sides to try.
    :param alternative: fill the first filter set too: the best filter of the whole picture.
    """
    means = [min(max(round(100 * float(plane.mean()) / ONE), 0), 32767) for plane in decoded[1:]]
    found = [correlate_plane(picture, decoded, source, plane, means[plane]) for plane in (0, 1)]
    before = [squared_error(decoded[1 + plane], source[1 + plane]) for plane in (0, 1)]
    same = picture.same_chroma
    fits = [best_fit(found[p], same, price, splits, sides) for p in (0, 1)]
    gain = sum(before[p] - fits[p].error - price * fits[p].bits for p in (0, 1))
    first = EMPTY
    if alternative:
        whole = [best_fit(found[p], True, price, (1,), sides) for p in (0, 1)]
        first = filter_set((whole[0], whole[1]))
    if gain <= 0 and not alternative:
        return None
    return EfeLinear((means[0], means[1]), (first, filter_set((fits[0], fits[1]))))


def squared_error(plane: npt.NDArray[np.int32], wanted: npt.NDArray[np.int32]) -> float:
    """Sum of squared differences, in squared sample steps of 8 bits."""
    return float((((plane.astype(np.float64) - wanted) / ONE) ** 2).sum())
