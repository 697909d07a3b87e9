"""Header fields that several recipes set."""

from __future__ import annotations

from typing import Any

from refdec.codestream import RenderingInformation
from refdec.codestream.headers import Cicp, Clli, DynamicMetadata, MasteringPrimary, Mdcv

PRIMARIES = tuple(MasteringPrimary(1000 + i, 65535 - i) for i in range(3))
RENDERING = RenderingInformation(
    cicp_info_present_flag=1,
    mdcv_info_present_flag=1,
    clli_info_present_flag=1,
    dm_present_flag=1,
    cicp=Cicp(9, 16, 9, 1, 2),
    mdcv=Mdcv((PRIMARIES[0], PRIMARIES[1], PRIMARIES[2]), 15635, 16450, 10_000_000, 1),
    clli=Clli(1000, 400),
    dm=DynamicMetadata(4, 3, (1, 255, 128)),
)

FACTORS = {"444": (0, 0), "422": (0, 1), "420": (1, 1)}


def chroma(source: str, coded: str) -> dict[str, Any]:
    """Header fields of a source and a coded chroma format."""
    fields = dict(zip(("s_ver_minus1", "s_hor_minus1"), FACTORS[source], strict=True))
    fields |= dict(zip(("c_ver_minus1", "c_hor_minus1"), FACTORS[coded], strict=True))
    return fields


def planar(source: str, coded: str) -> dict[str, Any]:
    """The same without a colour conversion, so that chroma is seen as it was decoded."""
    return {"colour_transform_idx": 0, **chroma(source, coded)}
