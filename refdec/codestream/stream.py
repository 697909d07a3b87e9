"""The codestream as a whole: parsed headers, payloads, and what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from refdec import coverage
from refdec.codestream.container import Container, Marker, Substream, split
from refdec.codestream.geometry import synthesis_work
from refdec.codestream.headers import DEFAULT_TOOLS, PictureHeader, RenderingInformation, ToolHeader
from refdec.codestream.payloads import Payload, ResidualPayloads, ThreadedData, gather_regions, split_regions
from refdec.codestream.picture_syntax import PIH
from refdec.codestream.reader import FieldRecord, SegmentContent, Watcher, read_segment
from refdec.codestream.rendering_syntax import RDI
from refdec.codestream.syntax import Dialect, Scope
from refdec.codestream.tool_syntax import TON
from refdec.errors import (
    BitstreamError,
    CodestreamSyntaxError,
    ResourceLimitError,
)
from refdec.limits import DEFAULT_LIMITS, Limits

RESIDUAL_MARKERS = (Marker.SORP, Marker.SORS)
_ONCE = (Marker.PIH, Marker.TON, Marker.RDI)


@dataclass(frozen=True)
class Codestream:
    """A parsed codestream.

    Headers and offsets are ready; region and thread tables are read when they are asked for, which a
    parse with conformance checks has done once already.

    :param byte_size: of the data that were parsed, bytes behind EOC included.
    :param rendering: ``None`` where the stream has no RDI.
    :param user_data: payload of every UDI, in file order.
    :param substreams: in file order.
    :param warnings: oddities that do not hinder decoding.
    :param header_fields: every element of PIH, TON and RDI, in file order.
    :param violations: rules that the headers break; empty after a parse with ``check_conformance``.
    """

    dialect: Dialect
    byte_size: int
    picture: PictureHeader
    tools: ToolHeader
    rendering: RenderingInformation | None
    user_data: tuple[bytes, ...]
    substreams: tuple[Substream, ...]
    warnings: tuple[str, ...]
    header_fields: tuple[FieldRecord, ...]
    violations: tuple[BitstreamError, ...] = field(default=(), compare=False)

    def substreams_of(self, marker: Marker) -> list[Substream]:
        """Substreams with a marker, in file order."""
        return [s for s in self.substreams if s.marker is marker]

    def z_payload(self) -> Payload:
        """The hyper-latent's payload.

        :raises CodestreamSyntaxError: SOZ is missing or there twice (CS-CON-10).
        """
        return _payload(self._one(Marker.SOZ, "the hyper-latent"))  # CS-CON-10

    def quality_payload(self) -> Payload | None:
        """The quality map's payload, ``None`` where the map is off.

        :raises CodestreamSyntaxError: SOQ is missing or there twice (CS-CON-11).
        """
        if not self.picture.gain_3D_enable_flag:
            return None
        # CS-CON-11
        return _payload(self._one(Marker.SOQ, "the quality map that gain_3D_enable_flag announces"))

    def residual_payloads(self, component: int) -> list[Payload | None]:
        """Payloads of all regions of a component, by region index (CS-CON-12).

        :raises TruncatedStreamError: a substream ends inside its table or before its region index.
        :raises CodestreamSyntaxError: missing, surplus or repeated substreams; sizes beyond the substream.
        """
        return list(self._chroma.payloads if component else self._luma.payloads)

    def threaded(self) -> list[tuple[Payload, ThreadedData]]:
        """All payloads with their threads: SOZ, SOQ, then luma's and chroma's regions.

        :raises BitstreamError: as the methods above and :meth:`Payload.threads`.
        """
        picture = self.picture
        z = self.z_payload()
        pairs = [(z, z.threads(picture.num_threads_z))]
        quality = self.quality_payload()
        if quality is not None:
            pairs.append((quality, quality.threads(picture.num_threads_q)))
        for c, header in enumerate(picture.components):
            pairs += [
                (p, p.threads(header.num_threads_r)) for p in self.residual_payloads(c) if p is not None
            ]
        return pairs

    @cached_property
    def fields(self) -> tuple[FieldRecord, ...]:
        """Every syntax element of the stream, by position: headers, region tables, thread tables.

        :raises BitstreamError: a table cannot be read.
        """
        records = [*self.header_fields, *self._luma.records, *self._chroma.records]
        for _, threads in self.threaded():
            records += threads.records
        records.sort(key=lambda r: r.bit_offset)
        return tuple(records)

    @cached_property
    def _luma(self) -> ResidualPayloads:
        return self._find_residuals(0)

    @cached_property
    def _chroma(self) -> ResidualPayloads:
        return self._find_residuals(1)

    def _find_residuals(self, component: int) -> ResidualPayloads:
        marker = RESIDUAL_MARKERS[component]
        if self.picture.independent_regions:
            return gather_regions(self.substreams_of(marker), self.picture.num_regions, marker.name)
        substream = self._one(marker, f"the residual of {('luma', 'chroma')[component]}")
        return split_regions(
            substream.payload, substream.payload_offset, self.picture.num_regions, marker.name
        )

    @property
    def _end(self) -> int:
        """Byte offset of EOC, where a substream that is missing could have been."""
        return self.substreams[-1].payload_offset + len(self.substreams[-1].payload)

    def _one(self, marker: Marker, what: str) -> Substream:
        found = self.substreams_of(marker)
        if len(found) == 1:
            return found[0]
        raise CodestreamSyntaxError(
            f"{marker.name}, {what}, " + ("is missing" if not found else "is there more than once"),
            bit_offset=8 * (found[1].marker_offset if found else self._end),
            element=marker.name,
            expected="exactly one",
            found=str(len(found)),
        )


def _payload(substream: Substream) -> Payload:
    return Payload(substream.payload, substream.payload_offset, substream.marker.name)


def parse(
    data: bytes | bytearray | memoryview,
    dialect: Dialect = Dialect.T840,
    limits: Limits = DEFAULT_LIMITS,
    check_conformance: bool = True,
) -> Codestream:
    """Parse a codestream's headers and tables; entropy-coded data is not looked at.

    :param check_conformance: apply the rules of values, profiles and levels and require all substreams.
        Without it only the fields are read: broken rules are listed in ``violations``, and the payload
        methods raise when something is missing.
    :raises BitstreamError: the class says what is wrong. Where the other dialect's rules would accept the
        data the message says so; the dialect is never switched.
    :raises TypeError: ``data`` is not of the kind of bytes. :raises ValueError: there is no such dialect.
    """
    # bytes() alone would take a number for a length, and a path for its name.
    data = data if type(data) is bytes else bytes(memoryview(data))
    dialect = Dialect(dialect)
    try:
        return _parse(data, dialect, limits, check_conformance)
    except BitstreamError as error:
        if _accepts(data, dialect.other, limits):
            error.message += (
                f" (the same data parse in dialect '{dialect.other.value}';"
                f" they were read as '{dialect.value}')"
            )
            error.args = (error.message,)
        raise


def _accepts(data: bytes, dialect: Dialect, limits: Limits) -> bool:
    try:
        with coverage.heard_by(None):
            _parse(data, dialect, limits, check_conformance=True)
    except BitstreamError:
        return False
    return True


def _parse(data: bytes, dialect: Dialect, limits: Limits, check_conformance: bool) -> Codestream:
    container = split(data, limits)
    found = _by_marker(container)
    contents: list[SegmentContent] = []

    context = _Context(dialect)
    content = read_segment(
        PIH,
        found[0].payload,
        8 * found[0].payload_offset,
        context,
        {"img_height_minus64": _pixel_limit(limits), "synthesis_tile_overlap": _tile_limit(limits)},
    )
    picture: PictureHeader = content.header
    contents.append(content)
    tools = DEFAULT_TOOLS
    rendering = None
    for substream in found[1:]:
        if substream.marker is Marker.TON:
            content = read_segment(TON, substream.payload, 8 * substream.payload_offset, picture)
            tools = content.header
            contents.append(content)
        elif substream.marker is Marker.RDI:
            content = read_segment(RDI, substream.payload, 8 * substream.payload_offset, picture)
            rendering = content.header
            contents.append(content)

    violations = tuple(violation for c in contents for violation in c.violations)
    if violations and check_conformance:
        # CS-ERR-01, CS-ERR-02
        raise violations[0]
    warnings = [warning for c in contents for warning in c.warnings]
    if container.trailing:
        # CS-CON-06
        warnings.append(f"{container.trailing} bytes after EOC are ignored")
    if not picture.gain_3D_enable_flag and any(s.marker is Marker.SOQ for s in found):
        warnings.append("SOQ is ignored: gain_3D_enable_flag is 0")
    if sum(s.marker is Marker.UDI for s in found) > 1:
        warnings.append("UDI is there more than once, all are kept")  # CS-CON-08
    records = [record for c in contents for record in c.records]
    stream = Codestream(
        dialect=dialect,
        byte_size=len(data),
        picture=picture,
        tools=tools,
        rendering=rendering,
        user_data=tuple(s.payload for s in found if s.marker is Marker.UDI),
        substreams=found,
        warnings=tuple(warnings),
        header_fields=tuple(sorted(records, key=lambda r: r.bit_offset)),
        violations=violations,
    )
    if check_conformance:
        if len(stream.substreams_of(Marker.SOQ)) > 1:
            stream._one(Marker.SOQ, "the quality map")
        stream.threaded()
    return stream


@dataclass(frozen=True)
class _Context:
    dialect: Dialect


def _by_marker(container: Container) -> tuple[Substream, ...]:
    """Check the order, and that no header is there twice."""
    first, *rest = container.substreams
    if first.marker is not Marker.PIH:
        # CS-CON-07
        raise CodestreamSyntaxError(
            "the picture header must come first",
            bit_offset=8 * first.marker_offset,
            element="PIH",
            expected=f"PIH ({int(Marker.PIH):#06x})",
            found=first.marker.name,
        )
    seen = {Marker.PIH}
    for substream in rest:
        if substream.marker in _ONCE and substream.marker in seen:
            # CS-CON-08
            raise CodestreamSyntaxError(
                f"{substream.marker.name} is there more than once",
                bit_offset=8 * substream.marker_offset,
                element=substream.marker.name,
                expected="at most one",
            )
        seen.add(substream.marker)
    return container.substreams


def _pixel_limit(limits: Limits) -> Watcher:
    """Refuse a picture that is too large as soon as its size is known (CS-LIM-01)."""

    def check(scope: Scope, bit_offset: int) -> None:
        width, height = scope.img_width_minus64 + 64, scope.img_height_minus64 + 64
        if width * height > limits.max_pixels:
            # CS-LIM-01
            raise ResourceLimitError(
                "the picture is larger than allowed",
                bit_offset=bit_offset,
                element="PIH.img_height_minus64",
                expected=f"at most {limits.max_pixels} samples",
                found=f"{width} x {height} = {width * height} samples",
            )

    return check


def _tile_limit(limits: Limits) -> Watcher:
    """Refuse synthesis tiles that overlap, or are cut up, so much that they multiply the work (CS-LIM-03)."""

    def check(scope: Scope, bit_offset: int) -> None:
        size, overlap = 16 * scope.synthesis_tile_size, 16 * scope.synthesis_tile_overlap
        height, width = scope.img_height_minus64 + 64, scope.img_width_minus64 + 64
        independent = bool(scope.region_residual_in_its_own_substream_flag)
        work = synthesis_work(height, width, size, overlap, independent)
        if work > 2 * limits.max_pixels:
            # CS-LIM-03
            raise ResourceLimitError(
                "the synthesis tiles are more work than allowed",
                bit_offset=bit_offset,
                element=f"PIH.{scope.path}synthesis_tile_overlap",
                expected=f"at most {2 * limits.max_pixels} samples in all tiles",
                found=f"{work} samples",
            )

    return check
