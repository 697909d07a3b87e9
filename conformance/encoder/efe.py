"""EFE in the encoder: filter parameters from the decoded picture and the original.

::

    planes = source_planes(picture, coded_planes(picture, luma, chroma))    # what the decoder's filters get
    found = derive_efe(picture, planes, original_planes(source))
    tools = found.tool_header(tools)                                         # a ToolHeader with EFE turned on

Planes are Y, U, V, int32 with 16 fraction bits, at displayed size in the source's chroma format (AR-FLT-01).
A filter is left out where it does not pay.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from conformance.encoder.efe_linear import ONE, SIDES, SPLIT_NUMBERS, derive_linear, squared_error
from conformance.encoder.efe_nonlinear import derive_nonlinear
from conformance.encoder.source import Source
from refdec.codestream import PictureHeader, ToolHeader
from refdec.codestream.assemble import write_tool_header
from refdec.codestream.geometry import ceil_div
from refdec.codestream.headers import EfeLinear, EfeNonlinear
from refdec.filters import FilterContext, FilterPlanes, Planes, efe_linear, efe_nonlinear
from refdec.settings import Settings

__all__ = ["Between", "DerivedEfe", "derive_efe", "original_planes"]

Between = Callable[[FilterPlanes], FilterPlanes]


@dataclass(frozen=True)
class DerivedEfe:
    """What was found.

    :param linear: ``None``: EFE linear stays off; ``nonlinear`` likewise.
    :param before: mean squared error of U and V without the filters, in 8-bit steps; ``after``: with them.
    :param planes: the picture after the filters.
    """

    linear: EfeLinear | None
    nonlinear: EfeNonlinear | None
    before: tuple[float, float]
    after: tuple[float, float]
    planes: Planes

    def tool_header(self, tools: ToolHeader) -> ToolHeader:
        """A tool header with these filters and no other EFE."""
        return replace(
            tools,
            EFE_linear_filter_enabled_flag=int(self.linear is not None),
            efe_linear=self.linear,
            EFE_nonlinear_filter_enabled_flag=int(self.nonlinear is not None),
            efe_nonlinear=self.nonlinear,
        )


def original_planes(source: Source, shown: tuple[int, int] | None = None) -> Planes:
    """A picture to code, as the filters see a decoded one.

    :param shown: rows and columns that decoders show, by default the picture's own.
    """
    rows, columns = shown or source.shown
    scale = 255 / ((1 << source.bit_depth) - 1)
    sizes = [
        (ceil_div(rows, down), ceil_div(columns, across))
        for down, across in ((1, 1), source.subsampling, source.subsampling)
    ]
    shown = [plane[:h, :w].astype(np.float64) for plane, (h, w) in zip(source.planes, sizes, strict=True)]
    a, b, c = (scale * plane for plane in shown)
    if source.colour == "RGB":
        # BT.709, full range
        y = 0.2126 * a + 0.7152 * b + 0.0722 * c
        a, b, c = y, (c - y) / 1.8556 + 127.5, (a - y) / 1.5748 + 127.5
    return _fixed(a), _fixed(b), _fixed(c)


def _fixed(plane: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
    return np.rint(plane * ONE).astype(np.int32)


def derive_efe(
    picture: PictureHeader,
    decoded: Planes,
    source: Planes,
    *,
    chroma_bits: int | None = None,
    linear: bool = True,
    nonlinear: bool = True,
    masks: bool = False,
    splits: Sequence[int] = SPLIT_NUMBERS,
    sides: Sequence[int] = SIDES,
    between: Between | None = None,
) -> DerivedEfe:
    """Parameters of both filters, each only where it pays.

    :param picture: header of the coded picture: sizes, chroma formats, model.
    :param decoded: the picture before any filter; ``source``: the original, see :func:`original_planes`.
    :param chroma_bits: what chroma takes in the codestream so far. A bit of the filters is worth it where it
        lowers the squared error of chroma at least by the share that it adds to these bits. Unknown: where
        it does as much as a bit of fine quantisation, 6 dB for one bit at every sample.
    :param linear: look for EFE linear; ``nonlinear``: for EFE non-linear.
    :param masks: also let blocks of the picture come from an alternative one; needs both filters.
    :param splits: ``best_cand_idx`` 1..8 that EFE linear may use; ``sides``: its filter sides 1..4.
    :param between: a filter that runs between both, whether they are on or not.
    """
    error = sum(squared_error(decoded[p], source[p]) for p in (1, 2))
    price = error / (decoded[1].size / math.log(2) if chroma_bits is None else max(chroma_bits, 1))
    found = []
    for alternative in [False, True] if masks and linear and nonlinear else [False]:
        state, with_linear, with_nonlinear = FilterPlanes(decoded), None, None
        if linear:
            with_linear = derive_linear(
                picture, decoded, source, price, splits=splits, sides=sides, alternative=alternative
            )
        if with_linear is not None:
            # the mask that asks for the alternative picture is not known yet
            asking = EfeNonlinear(mask1_enabled_flag=int(alternative))
            state = efe_linear.apply(state, _context(picture, with_linear, asking))
        if between is not None:
            state = between(state)
        if nonlinear:
            with_nonlinear = derive_nonlinear(picture, state.planes, source, price, state.alternative)
        if with_nonlinear is not None:
            state = efe_nonlinear.apply(state, _context(picture, with_linear, with_nonlinear))
        before, after = (_mean_errors(planes, source) for planes in (decoded, state.planes))
        found.append(DerivedEfe(with_linear, with_nonlinear, before, after, state.planes))
    alone = decoded if between is None else between(FilterPlanes(decoded)).planes
    unfiltered = _mean_errors(alone, source)
    none = DerivedEfe(None, None, found[0].before, unfiltered, alone)

    def total(trial: DerivedEfe) -> float:
        bits = 8 * len(write_tool_header(trial.tool_header(ToolHeader()), picture))
        return sum(trial.after) * source[1].size + price * bits

    return min([none, *found], key=total)


def _mean_errors(planes: Planes, source: Planes) -> tuple[float, float]:
    """Mean squared error of U and of V."""
    u, v = (squared_error(planes[p], source[p]) / source[p].size for p in (1, 2))
    return u, v


def _context(
    picture: PictureHeader, linear: EfeLinear | None, nonlinear: EfeNonlinear | None
) -> FilterContext:
    tools = ToolHeader(efe_linear=linear, efe_nonlinear=nonlinear)
    # EFE has no networks
    return FilterContext(picture, tools, None, cast(Any, None), Settings())
