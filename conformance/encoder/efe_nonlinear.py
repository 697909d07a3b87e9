"""Weights and masks for EFE non-linear."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from conformance.encoder.efe_linear import ONE, STEPS, squared_error
from refdec.codestream import PictureHeader
from refdec.codestream.geometry import ceil_div
from refdec.codestream.headers import EfeNonlinear
from refdec.filters import Planes
from refdec.filters.efe_parameters import CODE_ZERO, KNOTS, nonlinear_filter
from refdec.filters.jit.efe import nonlinear

Float64 = npt.NDArray[np.float64]
Int32 = npt.NDArray[np.int32]

TILE = 1200
"""Side that a tile has at most; it is a multiple of 64, as in the reference encoder."""
BLOCKS = (128, 112, 96, 80)
"""Side of a mask's block by model id, as in the reference encoder."""
RIDGE = 1e-6


def derive_nonlinear(
    picture: PictureHeader,
    decoded: Planes,
    source: Planes,
    price: float,
    alternative: tuple[Int32, Int32] | None = None,
) -> EfeNonlinear | None:
    """EFE non-linear for a decoded picture, or ``None`` where it does not pay.

    :param decoded: Y, U, V before this filter, see :mod:`conformance.encoder.efe`; ``source``: the original.
    :param price: by how much a bit has to lower the sum of squared errors.
    :param alternative: U and V of EFE linear's alternative picture: masks then take blocks from it.
    """
    tool, keep = _corrections(picture, decoded, source), []
    before = [squared_error(decoded[1 + plane], source[1 + plane]) for plane in (0, 1)]
    for plane in (0, 1):
        after = squared_error(filtered(picture, tool, decoded, plane), source[1 + plane])
        bits = len(tool.A1[plane]) * tool.maxSymbol.bit_length()
        keep.append(after + price * bits < before[plane])
    tool = _narrowed(_without(tool, keep))
    if alternative is not None:
        tool = _masked(picture, tool, decoded, source, alternative, price)
    used = any(keep) or tool.mask1_enabled_flag
    return tool if used else None


def filtered(
    picture: PictureHeader,
    tool: EfeNonlinear,
    decoded: Planes,
    plane: int,
    alternative: tuple[Int32, Int32] | None = None,
) -> Int32:
    """What a decoder makes of a plane."""
    chosen = nonlinear_filter(picture, tool, plane)
    chroma = decoded[1 + plane]
    if chosen.changes_nothing:
        return chroma
    return nonlinear(decoded[0], chroma, None if alternative is None else alternative[plane], chosen)


def _side(length: int) -> int:
    """Of the tiles along an axis: equal ones of at most 1200, then up to a multiple of 64."""
    return 64 * ceil_div(length, 64 * ceil_div(length, TILE))


def _corrections(picture: PictureHeader, decoded: Planes, source: Planes) -> EfeNonlinear:
    """Both planes corrected in every tile."""
    down, across = picture.source_subsampling
    luma = decoded[0][::down, ::across]
    height, width = luma.shape
    side = (_side(height), _side(width))
    least, largest = [], []
    weights: tuple[list[int], list[int]] = ([], [])
    for top in range(0, height, side[0]):
        for left in range(0, width, side[1]):
            tile = (slice(top, top + side[0]), slice(left, left + side[1]))
            y = luma[tile].reshape(-1) / ONE
            low, high = (round(100 * float(v)) for v in (y.min(), y.max()))
            least.append(low)
            largest.append(high)
            knots = (low + (high - low) * np.arange(KNOTS) / KNOTS) / 100
            above = y[:, None] - knots
            above[:, 1:] = np.maximum(above[:, 1:], 0)
            gram = above.T @ above
            ridge = RIDGE * (np.trace(gram) + y.size) * np.eye(KNOTS)
            for plane in (0, 1):
                wanted, have = (planes[1 + plane][tile].astype(np.float64) for planes in (source, decoded))
                missing = (wanted - have).reshape(-1) / ONE
                found = np.linalg.solve(gram + ridge, above.T @ missing)
                codes = np.clip(np.rint(found * STEPS) + CODE_ZERO, 0, 65535)
                weights[plane].extend(codes.astype(int).tolist())
    count = len(least)
    return _narrowed(
        EfeNonlinear(
            minSymbol=0,
            nonLinear_enabled_U_flag=1,
            nonLinear_enabled_V_flag=1,
            nonlinearH=side[0],
            nonlinearW=side[1],
            numTiles=count,
            minLuma=tuple(least),
            maxLuma=tuple(largest),
            candNum=(KNOTS * count, KNOTS * count),
            A1=(tuple(weights[0]), tuple(weights[1])),
        )
    )


def _without(tool: EfeNonlinear, keep: list[bool]) -> EfeNonlinear:
    """Only the planes that are kept corrected."""
    weights = [codes if kept else () for codes, kept in zip(tool.A1, keep, strict=True)]
    numbers = [len(codes) for codes in weights]
    out = replace(
        tool,
        nonLinear_enabled_U_flag=int(keep[0]),
        nonLinear_enabled_V_flag=int(keep[1]),
        candNum=(numbers[0], numbers[1]),
        A1=(weights[0], weights[1]),
    )
    if any(keep):
        return out
    return replace(out, nonlinearH=0, nonlinearW=0, numTiles=0, minLuma=(), maxLuma=())


def _narrowed(tool: EfeNonlinear) -> EfeNonlinear:
    """The same with the narrowest range of codes."""
    codes = [code + tool.minSymbol for plane in tool.A1 for code in plane]
    if not codes:
        return replace(tool, minSymbol=0, maxSymbol=65535)
    least = min(codes)
    weights = [tuple(code + tool.minSymbol - least for code in plane) for plane in tool.A1]
    return replace(tool, minSymbol=least, maxSymbol=max(codes) - least, A1=(weights[0], weights[1]))


def _masked(
    picture: PictureHeader,
    tool: EfeNonlinear,
    decoded: Planes,
    source: Planes,
    alternative: tuple[Int32, Int32],
    price: float,
) -> EfeNonlinear:
    """With masks for the planes for which they pay; V has one only beside U."""
    height, width = decoded[1].shape
    block = max(BLOCKS[picture.model_id % len(BLOCKS)], ceil_div(max(height, width), 1023))
    shape = (ceil_div(height, block), ceil_div(width, block))
    masks: list[tuple[int, ...]] = []
    for plane in (0, 1):
        corrected, wanted = filtered(picture, tool, decoded, plane), source[1 + plane].astype(np.float64)
        mixed = (corrected.astype(np.float64) + alternative[plane]) / 2
        candidates = (corrected, mixed, alternative[plane])
        errors = np.stack([_by_block((candidate - wanted) / ONE, block) for candidate in candidates])
        gain = float((errors[0] - errors.min(0)).sum())
        pays = gain > 2 * shape[0] * shape[1] * price
        masks.append(tuple(errors.argmin(0).reshape(-1).tolist()) if pays else ())
    if not masks[0]:
        return tool
    return replace(
        tool,
        mask1_enabled_flag=1,
        mask2_enabled_flag=int(bool(masks[1])),
        bS=block,
        len_mask_y=shape[0],
        len_mask_x=shape[1],
        W5=(masks[0], masks[1]),
    )


def _by_block(difference: Float64, block: int) -> Float64:
    """Sum of squares of every block."""
    starts = [np.arange(0, n, block) for n in difference.shape]
    sums: Float64 = np.add.reduceat(np.add.reduceat(difference**2, starts[0], 0), starts[1], 1)
    return sums
