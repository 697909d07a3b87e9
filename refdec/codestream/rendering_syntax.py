"""Rendering information (RDI)."""

from __future__ import annotations

from refdec.codestream.headers import (
    Cicp,
    Clli,
    DynamicMetadata,
    MasteringPrimary,
    Mdcv,
    RenderingInformation,
)
from refdec.codestream.syntax import Field, Group, Rule, Segment, U, When, build


def _reserved(statement: str) -> Field:
    return Field(
        id=statement,
        name="ri_reserved_zero_4bits",
        coding=U(4),
        meaning="reserved",
        rules=(Rule(id="CS-RDI-R01", allowed=lambda s: (0,), expected=lambda s: "reserved bits to be zero"),),
    )


RDI = Segment(
    "RDI",
    (
        Field(id="CS-RDI-02", name="cicp_info_present_flag", coding=U(1), meaning="code points follow"),
        Field(
            id="CS-RDI-03", name="mdcv_info_present_flag", coding=U(1), meaning="mastering display follows"
        ),
        Field(
            id="CS-RDI-04", name="clli_info_present_flag", coding=U(1), meaning="content light level follows"
        ),
        Field(id="CS-RDI-05", name="dm_present_flag", coding=U(1), meaning="dynamic metadata follow"),
        _reserved("CS-RDI-06"),
        Group(
            name="cicp",
            make=build(Cicp),
            when=When("cicp_info_present_flag = 1", lambda s: s.cicp_info_present_flag == 1),
            body=(
                Field(id="CS-RDI-07", name="colour_primaries", coding=U(8), meaning="ITU-T H.273"),
                Field(id="CS-RDI-08", name="transfer_characteristics", coding=U(8), meaning="ITU-T H.273"),
                Field(id="CS-RDI-09", name="matrix_coefficients", coding=U(8), meaning="ITU-T H.273"),
                Field(id="CS-RDI-10", name="image_full_range_flag", coding=U(1), meaning="ITU-T H.273"),
                Field(id="CS-RDI-11", name="chroma420_sample_loc_type", coding=U(3), meaning="ITU-T H.273"),
                _reserved("CS-RDI-12"),
            ),
        ),
        Group(
            name="mdcv",
            make=build(Mdcv),
            when=When("mdcv_info_present_flag = 1", lambda s: s.mdcv_info_present_flag == 1),
            body=(
                Group(
                    name="primaries",
                    make=build(MasteringPrimary),
                    times=lambda s: 3,
                    times_words="3",
                    body=(
                        Field(id="CS-RDI-13", name="primaries_x", coding=U(16), meaning="chromaticity"),
                        Field(id="CS-RDI-14", name="primaries_y", coding=U(16), meaning="chromaticity"),
                    ),
                ),
                Field(id="CS-RDI-15", name="white_point_x", coding=U(16), meaning="chromaticity"),
                Field(id="CS-RDI-16", name="white_point_y", coding=U(16), meaning="chromaticity"),
                Field(
                    id="CS-RDI-17", name="maximum_luminance", coding=U(32), meaning="of the mastering display"
                ),
                Field(
                    id="CS-RDI-18", name="minimum_luminance", coding=U(32), meaning="of the mastering display"
                ),
            ),
        ),
        Group(
            name="clli",
            make=build(Clli),
            when=When("clli_info_present_flag = 1", lambda s: s.clli_info_present_flag == 1),
            body=(
                Field(
                    id="CS-RDI-19", name="maximum_content_light_level", coding=U(16), meaning="of the content"
                ),
                Field(
                    id="CS-RDI-20",
                    name="maximum_frame_average_light_level",
                    coding=U(16),
                    meaning="of the content",
                ),
            ),
        ),
        Group(
            name="dm",
            make=build(DynamicMetadata),
            when=When("dm_present_flag = 1", lambda s: s.dm_present_flag == 1),
            body=(
                Field(id="CS-RDI-21", name="dm_type", coding=U(8), meaning="kind of the metadata"),
                Field(id="CS-RDI-22", name="dm_size", coding=U(16), meaning="bytes of metadata"),
                Field(
                    id="CS-RDI-23",
                    name="dm_data",
                    coding=U(8),
                    count=lambda s: int(s.dm_size),
                    count_words="dm_size",
                    meaning="opaque bytes",
                ),
            ),
        ),
    ),
    build(RenderingInformation),
)
