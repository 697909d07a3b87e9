"""The errors that refdec raises, one class per promise that was broken.

``BitstreamError`` and its subclasses are the only errors that a codestream can cause. Each carries
a stable ``code`` (for programs), the bit offset from the first byte of the codestream, the syntax
element, and in words what was expected and what was found (for people).
"""

from __future__ import annotations

from typing import ClassVar


class RefdecError(Exception):
    """Base of all errors raised on purpose. ``exit_code`` is what the command line returns."""

    exit_code: ClassVar[int] = 70
    code: ClassVar[str] = "internal"


class BitstreamError(RefdecError):
    """A codestream that cannot be decoded.

    :param message: what is wrong, in one sentence.
    :param bit_offset: bits from the start of the codestream, ``None`` where no place can be named.
    :param element: syntax element or payload, e.g. ``PIH.img_width_minus64`` or ``SORP region 2``.
    :param expected: what would have been accepted.
    :param found: what was there.
    """

    exit_code = 3
    code = "bitstream"

    def __init__(
        self,
        message: str,
        *,
        bit_offset: int | None = None,
        element: str | None = None,
        expected: str | None = None,
        found: str | None = None,
    ) -> None:
        self.message = message
        self.bit_offset = bit_offset
        self.element = element
        self.expected = expected
        self.found = found
        super().__init__(message)

    def __str__(self) -> str:
        parts = [f"[{self.code}] {self.message}"]
        if self.element is not None:
            parts.append(f"in {self.element}")
        if self.bit_offset is not None:
            parts.append(f"at bit {self.bit_offset} (byte {self.bit_offset // 8})")
        if self.expected is not None:
            parts.append(f"expected {self.expected}")
        if self.found is not None:
            parts.append(f"found {self.found}")
        return "; ".join(parts)

    def as_dict(self) -> dict[str, object]:
        """The error for ``--json`` output; absent facts are ``None``."""
        return {
            "error": type(self).__name__,
            "code": self.code,
            "message": self.message,
            "element": self.element,
            "bit_offset": self.bit_offset,
            "expected": self.expected,
            "found": self.found,
        }


class TruncatedStreamError(BitstreamError):
    """The data ends inside a marker, a size, a header field or a payload."""

    code = "truncated"


class CodestreamSyntaxError(BitstreamError):
    """A rule of the codestream syntax is broken."""

    code = "syntax"


class CorruptPayloadError(BitstreamError):
    """An entropy-coded payload does not end in the state that every encoder leaves."""

    code = "corrupt-payload"


class ConformanceError(BitstreamError):
    """A constraint of the signalled profile or level is broken."""

    code = "conformance"


class UnsupportedFeatureError(BitstreamError):
    """Legal syntax for something that refdec does not implement."""

    code = "unsupported"
    exit_code = 4


class ResourceLimitError(BitstreamError):
    """The stream would need more than the caller's :class:`refdec.limits.Limits` allow."""

    code = "limit"
    exit_code = 5


class ModelError(RefdecError):
    """A model file is missing, damaged, of another version, or cannot be proved free of overflow."""

    code = "model"
    exit_code = 2
