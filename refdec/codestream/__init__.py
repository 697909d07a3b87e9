"""The codestream syntax of JPEG AI (ISO/IEC 6048-1 | ITU-T T.840.1): parse, inspect, assemble.

Every syntax element is described once, in ``picture_syntax``, ``tool_syntax`` and ``rendering_syntax``;
the parser, the writer, the inspector and the generators of the tests are interpreters of that description.
"""

from __future__ import annotations

from refdec.codestream.assemble import assemble, rewrite
from refdec.codestream.container import Marker, Substream
from refdec.codestream.geometry import CHANNELS
from refdec.codestream.headers import (
    ComponentHeader,
    EfeLinear,
    EfeNonlinear,
    Icci,
    PictureHeader,
    RenderingInformation,
    ToolHeader,
    component_header,
)
from refdec.codestream.payloads import Payload, ThreadedData, region_table, thread_table, threaded_payload
from refdec.codestream.reader import FieldRecord
from refdec.codestream.stream import Codestream, parse
from refdec.codestream.syntax import Dialect, HeaderValueError

__all__ = [
    "CHANNELS",
    "Codestream",
    "ComponentHeader",
    "Dialect",
    "EfeLinear",
    "EfeNonlinear",
    "FieldRecord",
    "HeaderValueError",
    "Icci",
    "Marker",
    "Payload",
    "PictureHeader",
    "RenderingInformation",
    "Substream",
    "ThreadedData",
    "ToolHeader",
    "assemble",
    "component_header",
    "parse",
    "region_table",
    "rewrite",
    "thread_table",
    "threaded_payload",
]
