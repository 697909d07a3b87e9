"""The streams of a suite as a mutant meets them: bytes, what every stage must give, and the right tensors
from which a later stage can start."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from conformance.suite.records import PictureSuite, Record
from conformance.verify import synthetic
from conformance.verify.engines import settings_of
from conformance.verify.suite import Suite
from refdec.codestream import Dialect, parse
from refdec.codestream.profiles import TRANSFORM_NAMES
from refdec.entropy_stage import EntropyResult
from refdec.models_io import ModelSet
from refdec.settings import Settings

ENGINE = "golden"
Planes = tuple[npt.NDArray[Any], ...]


@dataclass
class Case:
    """One stream.

    :param pixels: size of the picture, by which streams are put in order; 0 for one without a picture.
    :param expected: SHA-256 by trace point of everything up to :attr:`last`; empty for a rejected stream.
    :param rejection: error class, element and bit offset of a stream that must be rejected.
    :param last: last stage that is compared: ``picture``, or ``entropy`` for a suite without networks.
    :param coded: right result of the entropy stage; :attr:`latents`, :attr:`planes` and :attr:`picture`
        likewise, filled by :func:`conformance.mutants.replay.prepare`.
    :param raw_scales: output of the hyper scale decoder, luma and chroma.
    :param looks: what :func:`conformance.mutants.probe.look` sees without a mutant.
    :param functions: what of the decoder runs for this stream.
    :param seconds: of processor time that a decode takes without a mutant.
    """

    name: str
    data: bytes
    dialect: Dialect
    settings: Settings
    models: ModelSet
    pixels: int
    expected: Mapping[str, str]
    rejection: Mapping[str, Any] | None
    last: str
    coded: EntropyResult | None = field(default=None, repr=False)
    latents: tuple[npt.NDArray[np.int16], npt.NDArray[np.int16]] | None = field(default=None, repr=False)
    planes: tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint16]] | None = field(default=None, repr=False)
    picture: Planes | None = field(default=None, repr=False)
    raw_scales: dict[int, npt.NDArray[np.int32]] = field(default_factory=dict, repr=False)
    looks: dict[str, Any] = field(default_factory=dict, repr=False)
    functions: frozenset[tuple[str, int, str]] = frozenset()
    seconds: float = 0.0


def picture_cases(
    suite: PictureSuite, models: Callable[[Record], ModelSet], max_pixels: int
) -> Iterator[Case]:
    """Cases of a suite of pictures; larger pictures than ``max_pixels`` are left out."""
    for record in suite.records:
        pixels = 0 if record.picture is None else record.picture.width * record.picture.height
        if pixels <= max_pixels:
            yield _picture_case(suite, record, models(record), pixels)


def _picture_case(suite: PictureSuite, record: Record, models: ModelSet, pixels: int) -> Case:
    expected: dict[str, str] = {}
    if record.trace is not None:
        expected = {name: entry["sha256"] for name, entry in suite.trace(record).entries.items()}
    rejection: dict[str, Any] | None = None
    if record.rejection is not None:
        error = record.rejection
        rejection = {"error": error.error, "element": error.element, "bit_offset": error.bit_offset}
    data, settings = suite.stream(record), settings_of(record, ENGINE)
    if rejection is None:
        listed = parse(data, record.dialect).picture.synthesis_transform_id
        if TRANSFORM_NAMES[listed[0]].lower() == settings.operating_point:
            # The stream's own default: which one that is belongs to what a decoder must know.
            settings = replace(settings, operating_point=None)
    return Case(
        record.name,
        data,
        record.dialect,
        settings,
        models,
        pixels,
        expected,
        rejection,
        "picture",
    )


def vector_cases(suite: Suite) -> Iterator[Case]:
    """Cases of a suite of entropy streams, which come without networks behind the residual."""
    models = synthetic.model_set(int(suite.manifest["models"]["seed"]))
    for entry in suite.manifest["streams"]:
        settings = Settings(ENGINE, channels=entry["channels"], quality_rounding=entry["quality_rounding"])
        yield _vector_case(suite, entry, models, settings, entry["expect"], None)
    for entry in suite.manifest["malformed"]:
        yield _vector_case(suite, entry, models, Settings(ENGINE), {}, entry["expect"])


def _vector_case(
    suite: Suite,
    entry: Mapping[str, Any],
    models: ModelSet,
    settings: Settings,
    expected: Mapping[str, str],
    rejection: Mapping[str, Any] | None,
) -> Case:
    data = suite.streams[entry["file"]]
    dialect = Dialect(entry["dialect"])
    pixels = entry["recipe"]["size"][0] * entry["recipe"]["size"][1] if "recipe" in entry else 0
    return Case(entry["name"], data, dialect, settings, models, pixels, expected, rejection, "entropy")
