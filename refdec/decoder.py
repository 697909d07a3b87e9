"""The decoder, from codestream bytes to the picture, in the order in which it happens."""

from __future__ import annotations

import warnings

from refdec import entropy
from refdec.codestream import Codestream, Dialect, parse
from refdec.entropy import Rounding
from refdec.entropy_stage import ComponentEntropy, EntropyResult, decode_payloads
from refdec.latent_stage import decode_latents
from refdec.limits import DEFAULT_LIMITS, Limits
from refdec.memory import picture_memory, require_memory
from refdec.models_io import ModelSet
from refdec.picture import Picture, coded_planes, make_picture
from refdec.settings import DEFAULT_SETTINGS, Observer, Progress, Settings
from refdec.synthesis_stage import (
    OperatingPointError,
    Steps,
    post_filters,
    require_decodable,
    synthesis_models,
    synthesise_planes,
)

__all__ = [
    "ComponentEntropy",
    "EntropyResult",
    "Observer",
    "OperatingPointError",
    "Progress",
    "Settings",
    "decode",
    "decode_entropy",
    "decode_payloads",
    "decode_picture",
    "entropy",
    "post_filters",
]


def decode(
    data: bytes,
    models: ModelSet,
    *,
    dialect: Dialect = Dialect.T840,
    engine: str = "jit",
    limits: Limits = DEFAULT_LIMITS,
    threads: int = 1,
    channels: int | None = None,
    quality_rounding: Rounding = "floor",
    operating_point: str | None = None,
    ignore_post_filters: bool = False,
    observer: Observer | None = None,
    progress: Progress | None = None,
) -> Picture:
    """Decode a codestream to a picture. The options are those of :class:`refdec.settings.Settings`.

    :raises BitstreamError: a subclass says what is wrong with the stream, or what it uses that is not
        implemented.
    :raises ModelError: the model set lacks what the stream needs.
    :raises OperatingPointError: the stream does not list the operating point.
    """
    settings = Settings(engine, threads, channels, quality_rounding, operating_point, ignore_post_filters)
    stream = parse(data, dialect, limits)
    missing = post_filters(stream.tools)
    if ignore_post_filters and missing:
        warnings.warn(f"decoded without the stream's post-filters: {', '.join(missing)}", stacklevel=2)
    return decode_picture(stream, models, settings, limits, observer, progress)


def decode_picture(
    stream: Codestream,
    models: ModelSet,
    settings: Settings = DEFAULT_SETTINGS,
    limits: Limits = DEFAULT_LIMITS,
    observer: Observer | None = None,
    progress: Progress | None = None,
) -> Picture:
    """A parsed stream to a picture; errors as :func:`decode`."""
    require_decodable(stream, settings)
    transforms = synthesis_models(stream.picture, models, settings)
    require_memory(picture_memory(stream.picture, transforms, settings, observer is not None), limits)
    steps = Steps(stream.picture, progress)

    coded = decode_payloads(stream, models, settings, limits, observer)
    steps.done()
    latents = decode_latents(coded, models, settings, observer)
    del coded
    steps.done()
    luma, chroma = synthesise_planes(stream.picture, transforms, latents, settings, observer, steps)
    del latents
    planes = coded_planes(stream.picture, luma, chroma)
    del luma, chroma
    if observer is not None:
        for name, plane in zip("YUV", planes, strict=True):
            observer("plane", name, None, plane)
    picture = make_picture(stream.picture, planes, engine=settings.engine, threads=settings.threads)
    steps.done()
    if observer is not None:
        for name, samples in zip(picture.names, picture.planes, strict=True):
            observer("picture", name, None, samples)
    return picture


def decode_entropy(
    data: bytes,
    models: ModelSet,
    *,
    dialect: Dialect = Dialect.T840,
    engine: str = "jit",
    limits: Limits = DEFAULT_LIMITS,
    threads: int = 1,
    channels: int | None = None,
    quality_rounding: Rounding = "floor",
    observer: Observer | None = None,
) -> EntropyResult:
    """Decode headers and all entropy-coded payloads of a codestream.

    :raises BitstreamError: a subclass says what is wrong with the stream.
    :raises ModelError: the model set lacks what the stream needs.
    """
    settings = Settings(engine, threads, channels, quality_rounding)
    return decode_payloads(parse(data, dialect, limits), models, settings, limits, observer)
