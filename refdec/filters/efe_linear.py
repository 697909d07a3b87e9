"""EFE linear: chroma through signalled linear filters, aided by luma (AR-EFL-01 to AR-EFL-10)."""

from __future__ import annotations

from refdec.codestream import PictureHeader, ToolHeader
from refdec.filters.efe_parameters import arithmetic, linear_filter, wants_alternative
from refdec.filters.planes import FilterContext, FilterPlanes, Int32
from refdec.models_io import ModelSet
from refdec.picture import source_chroma_size
from refdec.settings import Settings


def apply(state: FilterPlanes, context: FilterContext) -> FilterPlanes:
    """The picture with the second filter set applied, and, where EFE non-linear will take blocks from it,
    the alternative picture with the first one (AR-EFL-10)."""
    tool = context.tools.efe_linear
    assert tool is not None
    engine, threads = arithmetic(context.settings.engine), context.settings.threads
    luma = state.planes[0]

    def filtered(which: int, plane: int) -> Int32:
        chosen = linear_filter(context.picture, tool, which, plane)
        chroma = state.planes[1 + plane]
        return chroma if chosen.changes_nothing else engine.linear(luma, chroma, chosen, threads)

    alternative = (filtered(0, 0), filtered(0, 1)) if wants_alternative(context.tools) else state.alternative
    return FilterPlanes((luma, filtered(1, 0), filtered(1, 1)), alternative)


def memory(picture: PictureHeader, tools: ToolHeader, models: ModelSet, settings: Settings) -> int:
    """Upper estimate, in bytes, of what :func:`apply` allocates, its result included."""
    rows, columns = source_chroma_size(picture)
    planes = 4 if wants_alternative(tools) else 2
    if settings.engine == "golden":
        # an int64 result, and of one phase, a quarter of luma: twelve planes of 64 bits
        working = 8 * rows * columns + 24 * picture.display_height * picture.display_width
    else:
        # rows in flight of each thread: four of both planes, and their sums
        working = 40 * settings.threads * picture.display_width
    return planes * 4 * rows * columns + working
