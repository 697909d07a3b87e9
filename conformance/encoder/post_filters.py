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
from conformance.encoder.efe import derive_efe, original_planes
from conformance.encoder.efe_linear import squared_error
from conformance.encoder.machine import Machine
from conformance.encoder.reconstruction import filter_context, settings_of, synthesised
from conformance.encoder.source import Source
from refdec.codestream import PictureHeader, ToolHeader
from refdec.errors import RefdecError
from refdec.filters import FilterPlanes, lef
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
    """

    lef: Lef = "off"
    efe_linear: bool = False
    efe_nonlinear: bool = False
    efe_masks: bool = False

    def require_possible(self, picture: PictureHeader) -> None:
        """Refuse what no stream of this picture can carry, before it is coded.

        :raises PostFilterError: what and why.
        """
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
    if wanted.efe_linear or wanted.efe_nonlinear:
        found = derive_efe(
            coded.picture,
            planes,
            original,
            chroma_bits=coded.parts.bits_of(1),
            linear=wanted.efe_linear,
            nonlinear=wanted.efe_nonlinear,
            masks=wanted.efe_masks,
        )
        tools, planes = found.tool_header(tools), found.planes
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


def steering_channel(scale_log: Int32) -> int:
    """The channel with the largest mean of the final scale, the lowest one of several.

    :param scale_log: ``[C, lh, lw]``.
    """
    return int(scale_log.astype(np.int64).sum(axis=(1, 2)).argmax())
