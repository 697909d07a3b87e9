"""LEF: luma is sharpened more where the entropy coder expected more detail (AR-LEF-01 to AR-LEF-04).

Facts from the JPEG AI reference software; the thresholds are on its scale logs, Q7.
"""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

from refdec.codestream import PictureHeader, ToolHeader
from refdec.filters.planes import FilterContext, FilterPlanes
from refdec.models_io import ModelSet
from refdec.settings import Settings

THRESHOLDS = ((600, 1200, 2000), (800, 1400, 2400), (1000, 1600, 2800), (1200, 2000, 3200))
"""Scale logs from which on a stronger gain applies, by model id (AR-LEF-02)."""
GAINS = ((100, 110, 113, 116), (100, 107, 109, 111), (100, 103, 104, 105), (100, 101, 102, 103))
"""Gains in hundredths below the first, second, third threshold, and from the third on."""


def arithmetic(engine: str) -> ModuleType:
    """The module that computes for an engine."""
    if engine == "golden":
        from refdec.filters.golden import lef as golden

        return golden
    from refdec.filters.jit import lef as jit

    return jit


def apply(state: FilterPlanes, context: FilterContext) -> FilterPlanes:
    """See :mod:`refdec.filters`."""
    assert context.scale_log is not None
    model_id, settings = context.picture.model_id, context.settings
    luma = arithmetic(settings.engine).sharpen(
        state.planes[0], context.scale_log, THRESHOLDS[model_id], GAINS[model_id], settings.threads
    )
    return replace(state, planes=(luma, *state.planes[1:]))


def memory(picture: PictureHeader, tools: ToolHeader, models: ModelSet, settings: Settings) -> int:
    """Upper estimate, in bytes, of what the filter allocates."""
    # the new luma plane; in the golden engine eight planes of 64 bits on top
    return picture.height * picture.width * (4 + (64 if settings.engine == "golden" else 0))
