"""A whole codestream from its headers and payloads."""

from __future__ import annotations

from conformance.encoder.payloads import Payloads
from refdec.codestream import Marker, PictureHeader, RenderingInformation, ToolHeader, region_table
from refdec.codestream.container import join
from refdec.codestream.picture_syntax import PIH
from refdec.codestream.rendering_syntax import RDI
from refdec.codestream.tool_syntax import TON
from refdec.codestream.writer import write_segment
