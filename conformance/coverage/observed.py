"""Statements that no single line implements: whether a stream exercises them is asked of its headers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from refdec.codestream import Codestream, Dialect, Marker


def _threads(stream: Codestream) -> bool:
    return any(len(threads.sizes) > 1 for _, threads in stream.threaded())


def _overlap(stream: Codestream) -> bool:
    picture = stream.picture
    grows = picture.hyper_decoder_overlap_in_latent_samples or picture.mcm_overlap_in_latent_samples
    return picture.num_regions > 1 and not picture.independent_regions and bool(grows)


OBSERVED: Mapping[str, Callable[[Codestream], bool]] = MappingProxyType(
    {
        "AR-FLT-02": lambda s: bool(_filters(s)),
        "AR-FLT-03": lambda s: len(_filters(s)) > 1,
        "AR-LAT-06": lambda s: s.picture.num_regions > 1,
        "CS-CON-09": lambda s: not {Marker.TON, Marker.RDI} <= {part.marker for part in s.substreams},
        "CS-CON-12": lambda s: s.picture.num_regions > 1 and s.picture.independent_regions,
        "CS-DIA-01": lambda s: s.dialect is Dialect.DIS,
        "CS-GEO-05": lambda s: any(c.cube_flags is not None for c in s.picture.components),
        "CS-GEO-06": lambda s: s.picture.num_regions > 1,
        "CS-GEO-07": _overlap,
        "CS-RDI-01": lambda s: s.rendering is not None,
        "CS-THR-01": _threads,
        "CS-THR-02": _threads,
    }
)
"""They replace what the places of the code say, which every stream passes."""


def _filters(stream: Codestream) -> list[int]:
    tools = stream.tools
    flags = [
        tools.EFE_linear_filter_enabled_flag,
        tools.icci_enable_flag,
        tools.EFE_nonlinear_filter_enabled_flag,
        tools.LEF_enabled_flag,
    ]
    return [flag for flag in flags if flag]
