"""One stream, decoded by the golden engine while its points are noted."""

from __future__ import annotations

import io
import time
import warnings
from dataclasses import dataclass

from conformance.coverage import headers
from conformance.coverage.observed import OBSERVED
from conformance.coverage.statements import REFUSING, STATEMENTS, places
from conformance.coverage.tracer import Tracer
from refdec import coverage
from refdec.codestream import Codestream, Dialect, parse
from refdec.decoder import decode_picture
from refdec.errors import BitstreamError, UnsupportedFeatureError
from refdec.limits import DEFAULT_LIMITS
from refdec.models_io import ModelSet
from refdec.picture import Picture
from refdec.picture.files import WRITERS, PictureFormatError, write
from refdec.settings import Settings
from refdec.synthesis_stage import operating_point
from refdec.tracing import last_stage, trace_stream

Point = tuple[str, str]
"""Group and name."""
FILES = "AN-FILE-"
"""Statements about model files: they are read once in a process, by whichever stream comes first."""


@dataclass(frozen=True)
class Recording:
    """What a stream exercises.

    :param error: class of the error that it is refused with, ``None`` if it decodes.
    """

    points: frozenset[Point]
    error: str | None
    seconds: float


def record(data: bytes, dialect: Dialect, models: ModelSet, settings: Settings) -> Recording:
    """Decode a stream as far as the models allow, and note its points.

    Of a stream that is refused only the refusal counts: what a decoder did before it says nothing about a
    decoder that refuses earlier.

    :raises RefdecError: what is no property of the stream, such as a model that is absent.
    """
    seen: set[Point] = set()
    stream: Codestream | None = None
    error: BitstreamError | None = None
    start = time.perf_counter()
    with coverage.heard_by(lambda group, name: seen.add((group, name))), Tracer(places()):
        try:
            stream = parse(data, dialect)
            _decode(stream, models, settings)
        except BitstreamError as refusal:
            error = refusal
    points = _of_refusal(seen, error, data, dialect) if error is not None else _of_decode(seen, stream)
    name = None if error is None else type(error).__name__
    return Recording(frozenset(points), name, time.perf_counter() - start)


def _decode(stream: Codestream, models: ModelSet, settings: Settings) -> None:
    picture = stream.picture
    kinds = ("entropy", "latent", operating_point(picture, settings))
    # The models alone say how far it goes: what the stream asks for in vain is found out by decoding.
    if all(models.has(picture.model_id, kind, c) for kind in kinds for c in (0, 1)):
        _write(decode_picture(stream, models, settings))
        return
    stage = last_stage(stream, models, settings)
    trace_stream(stream, models, settings, DEFAULT_LIMITS, lambda *_: None, stage)


def _write(picture: Picture) -> None:
    for kind in WRITERS:
        try:
            write(picture, io.BytesIO(), kind)
        except PictureFormatError:
            continue


def _of_decode(seen: set[Point], stream: Codestream | None) -> set[Point]:
    assert stream is not None
    with coverage.heard_by(None):
        statements = headers.statements_of(stream)
        statements |= {name for name, holds in OBSERVED.items() if holds(stream)}
        branches = headers.branches_of(stream)
    points = {point for point in seen if point[0] != REFUSING and point[0] != "refusals"}
    points -= {(STATEMENTS, name) for name in OBSERVED.keys() - statements}
    points = {p for p in points if p[0] != STATEMENTS or not p[1].startswith(FILES)}
    points |= {(STATEMENTS, name) for name in statements}
    points |= {("headers", name) for name in branches}
    warned = {name for name in headers.rules() if f"rule {name}: warned about" in branches}
    return points | {(STATEMENTS, name) for name in warned}


def _of_refusal(seen: set[Point], error: BitstreamError, data: bytes, dialect: Dialect) -> set[Point]:
    broken = headers.branches_of_error(error)
    points = {(STATEMENTS, name) for group, name in seen if group == REFUSING}
    points |= {point for point in seen if point[0] == "refusals"}
    points |= {("headers", name) for name in broken}
    points |= {(STATEMENTS, name) for name in headers.rules() if f"rule {name}: broken" in broken}
    points.add(("error-classes", type(error).__name__))
    if isinstance(error, UnsupportedFeatureError):
        points |= _of_unsupported(data, dialect)
    return points


def _of_unsupported(data: bytes, dialect: Dialect) -> set[Point]:
    """The headers of a stream that is legal, but uses what is not implemented."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        stream = parse(data, dialect, check_conformance=False)
    points = {("headers", name) for name in headers.branches_of(stream) & headers.branches().keys()}
    return points | {(STATEMENTS, name) for name in headers.statements_of(stream)}
