"""The post-filters, in integers: EFE linear, eICCI, EFE non-linear, LEF, in this order.

They work between the interpolation of chroma and the colour conversion, on whole planes at displayed size
in the source's chroma format: int32 with 16 fraction bits, the sample value 255 is ``255 << 16`` (AR-FLT-01).
Luma stays in 0..255; chroma is not clipped between filters and saturates at ``+-PLANE_LIMIT`` (AR-FLT-02).

A filter is a module with one function ``apply(FilterPlanes, FilterContext) -> FilterPlanes``, pure: it
returns new planes, or the ones it was given where it changes nothing. Its arithmetic exists twice, in
:mod:`refdec.filters.golden` and :mod:`refdec.filters.jit`. :data:`refdec.filters.stage.FILTERS` says when a
filter runs, what it allocates and which model files it reads.
"""

from __future__ import annotations

from refdec.filters.planes import (
    PLANE_BITS,
    PLANE_LIMIT,
    WHITE,
    FilterContext,
    FilterPlanes,
    Planes,
)
from refdec.filters.stage import (
    FILTERS,
    Filter,
    apply_filters,
    enabled_filters,
    filter_digests,
    filter_memory,
    filters_available,
    post_filters,
)

__all__ = [
    "FILTERS",
    "PLANE_BITS",
    "PLANE_LIMIT",
    "WHITE",
    "Filter",
    "FilterContext",
    "FilterPlanes",
    "Planes",
    "apply_filters",
    "enabled_filters",
    "filter_digests",
    "filter_memory",
    "filters_available",
    "post_filters",
]
