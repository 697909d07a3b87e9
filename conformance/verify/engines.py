"""One stream under one of our own engines: digests of every stage, and where they part."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import Context
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from conformance.suite.records import PictureSuite, Record
from conformance.verify.outcome import Outcome, Planes, pixel_digest, planar_digest
from refdec.codestream import Codestream, parse
from refdec.compare import Divergence, compare
from refdec.decoder import decode_picture
from refdec.errors import BitstreamError, RefdecError
from refdec.integer import graphs_run_by
from refdec.limits import DEFAULT_LIMITS
from refdec.models_io import ModelSet
from refdec.settings import Settings
from refdec.trace import Trace, entry_of, key
from refdec.tracing import Stage, model_digests

ENGINES = ("jit", "golden", "twin")
LOCATE_PIXELS = 1 << 18
"""Above this many pixels a divergence is not followed down to the element: that would take long."""


@contextmanager
def voice(engine: str) -> Iterator[str]:
    """The decoder's engine name for one of ours.

    The twin is PyTorch for every integer network; what is not a network is the golden engine's.
    """
    if engine != "twin":
        yield engine
        return
    from conformance import twin

    with graphs_run_by(twin.run):
        yield "golden"


def settings_of(record: Record, engine: str) -> Settings:
    """How a stream is decoded."""
    return Settings(
        engine,
        channels=record.channels,
        quality_rounding=record.quality_rounding,
        operating_point=record.operating_point,
    )


def judge(
    suite: PictureSuite, record: Record, engine: str, models: ModelSet, *, keep: bool = False
) -> Outcome:
    """The verdict on one stream.

    :param keep: give the decoded planes with it.
    :raises SuiteError: the suite's files are not what its index says.
    """
    data = suite.stream(record)
    start = time.perf_counter()
    with voice(engine) as name:
        settings = settings_of(record, name)
        if record.rejection is not None:
            return _judge_rejection(record, data, engine, settings, models)
        return _judge_picture(suite, record, data, engine, settings, models, start, keep)


def _judge_rejection(
    record: Record, data: bytes, engine: str, settings: Settings, models: ModelSet
) -> Outcome:
    assert record.rejection is not None
    stated = asdict(record.rejection)
    try:
        decode_picture(parse(data, record.dialect), models, settings)
    except BitstreamError as error:
        found = {"error": type(error).__name__, "element": error.element, "bit_offset": error.bit_offset}
        if found == stated:
            return _outcome(record, engine, "pass", f"refused: {error}")
        return _outcome(record, engine, "mismatch", f"refused as {_facts(found)}, expected {_facts(stated)}")
    except RefdecError as error:
        return _outcome(record, engine, "error", f"[{error.code}] {error}")
    return _outcome(record, engine, "mismatch", f"accepted, expected {_facts(stated)}")


def _judge_picture(
    suite: PictureSuite,
    record: Record,
    data: bytes,
    engine: str,
    settings: Settings,
    models: ModelSet,
    start: float,
    keep: bool,
) -> Outcome:
    expected = suite.trace(record)
    entries: dict[str, dict[str, Any]] = {}

    def observe(point: str, component: str, region: int | None, tensor: npt.NDArray[np.generic]) -> None:
        entries[key(point, component, region)] = entry_of(point, component, region, tensor)[0]

    notes: list[str] = []
    try:
        stream = parse(data, record.dialect)
        wrong = _other_models(record, stream, models, settings)
        # The fast engine fuses what nobody observes: both ways are the product, both are judged.
        plain = decode_picture(stream, models, settings).planes if engine == "jit" else None
        seconds = time.perf_counter() - start
        picture = decode_picture(stream, models, settings, observer=observe)
        if plain is None:
            seconds = time.perf_counter() - start
    except BitstreamError as error:
        status = "pass" if record.group == "may-reject" and error.exit_code in (4, 5) else "error"
        return _outcome(record, engine, status, f"refused: {error}", time.perf_counter() - start)
    except RefdecError as error:
        return _outcome(record, engine, "error", f"[{error.code}] {error}", time.perf_counter() - start)
    if wrong:
        notes.append(f"other model than the suite's: {', '.join(wrong)}")
    divergence = compare(expected, Trace(Path("found"), {}, entries))
    if divergence is not None:
        divergence = locate(stream, record, models, settings, divergence)
        notes.insert(0, str(divergence))
    for planes, what in ((picture.planes, "picture"), (plain, "picture without a trace")):
        if planes is not None and divergence is None:
            notes += [f"{what}: {text}" for text in wrong_digests(record, planes)]
    ok = not notes
    detail = f"{len(entries)} tensors" if ok else "; ".join(notes)
    return replace(
        _outcome(record, engine, "pass" if ok else "mismatch", detail, seconds),
        divergence=None if divergence is None else divergence.as_dict(),
        planes=picture.planes if keep else None,
    )


def wrong_digests(record: Record, planes: Planes) -> list[str]:
    """What is wrong with the digests of decoded planes, in words."""
    found = planar_digest(planes)
    if found != record.planar_sha256:
        return [f"planar sha256 {found}, expected {record.planar_sha256}"]
    if record.pixels_sha256 is not None and pixel_digest(planes) != record.pixels_sha256:
        return ["the suite's digests of planes and of pixels do not belong together"]
    return []


def _other_models(record: Record, stream: Codestream, models: ModelSet, settings: Settings) -> list[str]:
    """Model files that are not those the stream was made for."""
    found = model_digests(stream, models, settings, Stage.PICTURE)
    names = sorted(found.keys() | record.models.keys())
    return [
        f"{name} has digest {found.get(name, 'none')}, expected {record.models.get(name, 'none')}"
        for name in names
        if found.get(name) != record.models.get(name)
    ]


def locate(
    stream: Codestream, record: Record, models: ModelSet, settings: Settings, divergence: Divergence
) -> Divergence:
    """Follow a divergence down to the element, where another engine of ours makes the stated tensor."""
    size = stream.picture.width * stream.picture.height
    if divergence.what != "value" or size > LOCATE_PIXELS:
        return divergence
    stated = str(divergence.expected).removeprefix("sha256 ")
    found = _one_tensor(stream, models, settings, divergence)
    other = "golden" if settings.engine == "jit" else "jit"
    # In an empty context no engine stands in for another, so that the twin does not judge itself.
    right = Context().run(_one_tensor, stream, models, replace(settings, engine=other), divergence)
    if found is None or right is None or right[0] != stated or right[1].shape != found[1].shape:
        return divergence
    differs = right[1] != found[1]
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(differs)), differs.shape))
    return replace(
        divergence,
        expected=int(right[1][index]),
        found=int(found[1][index]),
        index=index,
        differing=int(np.count_nonzero(differs)),
    )


class _Found(Exception):
    """Ends a decode as soon as the tensor that was looked for is there."""


def _one_tensor(
    stream: Codestream, models: ModelSet, settings: Settings, place: Divergence
) -> tuple[str, npt.NDArray[Any]] | None:
    """Digest and values of one tensor of a decode, ``None`` if it does not come that far."""
    wanted = key(place.point, place.component, place.region)
    caught: list[tuple[str, npt.NDArray[Any]]] = []

    def observe(point: str, component: str, region: int | None, tensor: npt.NDArray[np.generic]) -> None:
        if key(point, component, region) == wanted:
            entry, array = entry_of(point, component, region, tensor)
            caught.append((entry["sha256"], array.copy()))
            raise _Found

    with suppress(_Found, RefdecError):
        decode_picture(stream, models, settings, DEFAULT_LIMITS, observe)
    return caught[0] if caught else None


def _outcome(record: Record, engine: str, status: Any, detail: str, seconds: float = 0.0) -> Outcome:
    return Outcome(record.name, record.group, engine, status, detail, seconds)


def _facts(rejection: dict[str, Any]) -> str:
    place = "" if rejection["element"] is None else f" in {rejection['element']}"
    offset = "" if rejection["bit_offset"] is None else f" at bit {rejection['bit_offset']}"
    return f"{rejection['error']}{place}{offset}"
