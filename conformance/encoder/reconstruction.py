"""What decoders show of a codestream, from its encoder's own latents."""

from __future__ import annotations

from contextvars import Context

import numpy as np
import numpy.typing as npt

from conformance.encoder.closed_loop import Coded, latents_of
from conformance.encoder.machine import Machine
from refdec.codestream import ToolHeader
from refdec.decoder import decode
from refdec.entropy import Rounding
from refdec.filters import FilterContext, apply_filters, enabled_filters
from refdec.picture import Picture, coded_planes, finish_picture, make_picture, source_planes
from refdec.settings import Settings
from refdec.synthesis_stage import Steps, synthesis_models, synthesise_planes

UInt16 = npt.NDArray[np.uint16]


def settings_of(machine: Machine, operating_point: str | None = None) -> Settings:
    """How the encoder's machine decodes."""
    return Settings(machine.engine, machine.threads, operating_point=operating_point)


def reconstruct(coded: Coded, machine: Machine, operating_point: str | None = None) -> Picture:
    """The picture that every decoder makes of it.

    :param operating_point: one that the stream lists; ``None`` for its default.
    :raises ModelError: the synthesis model, or a network of a filter, is missing.
    """
    settings = settings_of(machine, operating_point)
    planes = synthesised(coded, machine, settings)
    engine, threads = machine.engine, machine.threads
    if not enabled_filters(coded.tools, settings):
        return make_picture(coded.picture, planes, engine=engine, threads=threads)
    source = source_planes(coded.picture, planes, engine=engine, threads=threads)
    filtered = apply_filters(source, filter_context(coded, coded.tools, machine, settings))
    return finish_picture(coded.picture, filtered, engine=engine, threads=threads)


def synthesised(coded: Coded, machine: Machine, settings: Settings) -> tuple[UInt16, UInt16, UInt16]:
    """Y, U and V as synthesis makes them: displayed size, coded chroma format, 8 fraction bits.

    :raises ModelError: the synthesis model is missing.
    """
    transforms = synthesis_models(coded.picture, machine.models, settings)
    latents, steps = latents_of(coded, machine), Steps(coded.picture, None)
    luma, chroma = synthesise_planes(coded.picture, transforms, latents, settings, None, steps)
    return coded_planes(coded.picture, luma, chroma)


def filter_context(coded: Coded, tools: ToolHeader, machine: Machine, settings: Settings) -> FilterContext:
    """What the post-filters of a tool header know apart from the planes."""
    log = None
    if tools.LEF_enabled_flag:
        log = np.ascontiguousarray(coded.beliefs[0].scales.log[tools.LEF_chIdx], np.int32)
    return FilterContext(coded.picture, tools, log, machine.models, settings)


def decodes_as_expected(
    coded: Coded, picture: Picture, machine: Machine, rounding: Rounding, operating_point: str | None = None
) -> bool:
    """Whether the decoder makes this picture of the stream."""

    def decoded() -> Picture:
        return decode(
            coded.data,
            machine.models,
            dialect=coded.picture.dialect,
            threads=machine.threads,
            quality_rounding=rounding,
            operating_point=operating_point,
        )

    # in an empty context the decoder's own engine runs, whatever coded the picture
    found = Context().run(decoded)
    return all(np.array_equal(a, b) for a, b in zip(found.planes, picture.planes, strict=True))
