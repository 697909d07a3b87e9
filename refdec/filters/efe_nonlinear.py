"""EFE non-linear: chroma corrected by luma, and blocks of the alternative picture (AR-EFN-01 to 08)."""

from __future__ import annotations

from refdec.codestream import PictureHeader, ToolHeader
from refdec.filters.efe_parameters import arithmetic, nonlinear_filter
from refdec.filters.planes import FilterContext, FilterPlanes, Int32
from refdec.models_io import ModelSet
from refdec.picture import source_chroma_size
from refdec.settings import Settings


def apply(state: FilterPlanes, context: FilterContext) -> FilterPlanes:
    """The picture with its chroma corrected by luma, and blocks of the alternative picture mixed in."""
    tool = context.tools.efe_nonlinear
    assert tool is not None
    engine, threads = arithmetic(context.settings.engine), context.settings.threads
    luma = state.planes[0]

    def filtered(plane: int) -> Int32:
        chosen = nonlinear_filter(context.picture, tool, plane)
        chroma = state.planes[1 + plane]
        other = None if state.alternative is None else state.alternative[plane]
        return chroma if chosen.changes_nothing else engine.nonlinear(luma, chroma, other, chosen, threads)

    return FilterPlanes((luma, filtered(0), filtered(1)), state.alternative)


def memory(picture: PictureHeader, tools: ToolHeader, models: ModelSet, settings: Settings) -> int:
    """Upper estimate, in bytes, of what :func:`apply` allocates, its result included."""
    rows, columns = source_chroma_size(picture)
    # sums of 64 bits: of a row for each thread, or of planes, one for every knot
    working = 136 * rows * columns if settings.engine == "golden" else 8 * settings.threads * columns
    return 2 * 4 * rows * columns + working
