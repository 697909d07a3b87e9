"""Post-filters in the encoder: which are asked for, and the tool header that says it best.

A filter is judged by the squared error of the planes that it changes, against the source, in the order in
which decoders apply them. Nothing that is decided here changes a payload: only the tool header is new.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from conformance.encoder.coded import Coded
from conformance.encoder.efe import Between, derive_efe, original_planes
from conformance.encoder.efe_linear import squared_error
from conformance.encoder.eicci import Tiling, choose_eicci, require_possible
from conformance.encoder.machine import Machine
from conformance.encoder.reconstruction import filter_context, settings_of, synthesised
from conformance.encoder.source import Source
from refdec.codestream import PictureHeader, ToolHeader
from refdec.errors import RefdecError
from refdec.filters import FilterContext, FilterPlanes, Planes, eicci, lef
from refdec.models_io import ModelSet
from refdec.picture import source_planes

Int32 = npt.NDArray[np.int32]
Lef = Literal["off", "on", "auto"] | int


class PostFilterError(RefdecError):
    """A post-filter that the stream cannot carry."""

    exit_code = 2
    code = "post-filter"


@dataclass(frozen=True)
class PostFilters:
    """Which filters are asked for.

    :param lef: a channel of luma, ``on`` for the one with the largest mean scale, as the reference encoder
        has it, ``auto`` for the same where it lowers the error of luma.
    :param efe_linear: EFE linear where it pays; ``efe_nonlinear`` likewise, ``efe_masks`` with masks as well.
    :param eicci: eICCI where it lowers the error, in tiles of ``eicci_tiles``.
    """

    lef: Lef = "off"
    efe_linear: bool = False
    efe_nonlinear: bool = False
    efe_masks: bool = False
    eicci: bool = False
    eicci_tiles: Tiling = "auto"

    def require_possible(self, picture: PictureHeader, models: ModelSet) -> None:
        """Refuse what no stream of this picture can carry, before it is coded.

        :raises PostFilterError: what and why. :raises EicciError: likewise.
        """
        if self.eicci:
            require_possible(picture, models, self.eicci_tiles)
        if self.efe_masks and not (self.efe_linear and self.efe_nonlinear):
            raise PostFilterError("masks of EFE non-linear need EFE linear too: they choose between both")


NONE = PostFilters()


def choose_filters(
    wanted: PostFilters, tools: ToolHeader, coded: Coded, source: Source, machine: Machine
) -> ToolHeader:
    """The tool header with the filters that were asked for, each where it pays.

    They are chosen for the stream's default operating point.

    :param tools: without these filters.
    :raises ModelError: the synthesis model is missing.
    """
    if wanted == NONE:
        return tools
    if coded.picture.source_subsampling != source.subsampling:
        raise PostFilterError("filters are chosen against the source, and its chroma format is forced away")
    settings = settings_of(machine)
    planes = source_planes(
        coded.picture,
        synthesised(coded, machine, settings),
        engine=machine.engine,
        threads=machine.threads,
    )
    original = original_planes(source, (coded.picture.display_height, coded.picture.display_width))
    tools, planes = _efe_and_eicci(wanted, tools, coded, (planes, original), machine)
    if wanted.lef == "off":
        return tools
    channel = wanted.lef if isinstance(wanted.lef, int) else steering_channel(coded.beliefs[0].scales.log)
    sharpened = replace(tools, LEF_enabled_flag=1, LEF_chIdx=channel)
    if wanted.lef == "auto":
        context = filter_context(coded, sharpened, machine, settings)
        luma = lef.apply(FilterPlanes(planes), context).planes[0]
        if squared_error(luma, original[0]) >= squared_error(planes[0], original[0]):
            return tools
    return sharpened


def _efe_and_eicci(
    wanted: PostFilters, tools: ToolHeader, coded: Coded, pair: tuple[Planes, Planes], machine: Machine
) -> tuple[ToolHeader, Planes]:
    """Both EFE and, between them, eICCI.

    :param pair: decoded and original planes.
    """
    planes, original = pair
    picture, bits, settings = coded.picture, coded.parts.bits_of(1), settings_of(machine)
    between: Between | None = None
    linear, nonlinear = wanted.efe_linear, wanted.efe_nonlinear
    if wanted.eicci:
        if linear:
            found = derive_efe(picture, planes, original, chroma_bits=bits, nonlinear=False)
            tools, seen = found.tool_header(tools), found.planes
        else:
            seen = planes
        icci, filtered = choose_eicci(picture, seen, original, machine.models, settings, wanted.eicci_tiles)
        if icci is not None:
            tools = replace(tools, icci_enable_flag=1, icci=icci)
        context = FilterContext(picture, tools, None, machine.models, settings)
        if wanted.efe_masks:
            # the alternative picture is another one, the networks' choice is kept
            between = None if icci is None else lambda state: eicci.apply(state, context)
        else:
            planes, linear = filtered, False
    if not (linear or nonlinear):
        return tools, planes
    kept = tools
    found = derive_efe(
        picture,
        planes,
        original,
        chroma_bits=bits,
        linear=linear,
        nonlinear=nonlinear,
        masks=wanted.efe_masks,
        between=between,
    )
    tools = found.tool_header(tools)
    if wanted.eicci and not linear:
        # what was found before eICCI stays
        flag, sets = kept.EFE_linear_filter_enabled_flag, kept.efe_linear
        tools = replace(tools, EFE_linear_filter_enabled_flag=flag, efe_linear=sets)
    return tools, found.planes


def steering_channel(scale_log: Int32) -> int:
    """The channel with the largest mean of the final scale, the lowest one of several.

    :param scale_log: ``[C, lh, lw]``.
    """
    return int(scale_log.astype(np.int64).sum(axis=(1, 2)).argmax())
