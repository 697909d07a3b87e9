"""The decoder, from codestream bytes to the picture, in the order in which it happens."""

from __future__ import annotations

import warnings

import numpy as np
import numpy.typing as npt

from refdec import entropy
from refdec.codestream import Codestream, Dialect, parse
from refdec.entropy import Rounding
from refdec.entropy_stage import ComponentEntropy, EntropyResult, decode_payloads
from refdec.filters import FilterContext, apply_filters, enabled_filters, filter_memory, post_filters
from refdec.latent_stage import decode_latents, rectifier_models
from refdec.limits import DEFAULT_LIMITS, Limits
from refdec.memory import picture_memory, require_memory
from refdec.models_io import ModelSet
from refdec.operating_point import OperatingPointError
from refdec.picture import Picture, coded_planes, finish_picture, make_picture, source_planes
from refdec.settings import DEFAULT_SETTINGS, Observer, Progress, Settings
from refdec.synthesis_stage import Steps, require_decodable, synthesis_models, synthesise_planes

UInt16 = npt.NDArray[np.uint16]

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
    data: bytes | bytearray | memoryview,
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
    eicci_first_tile: bool = False,
    rectifier: bool = True,
    observer: Observer | None = None,
    progress: Progress | None = None,
) -> Picture:
    """Decode a codestream to a picture. The options are those of :class:`refdec.settings.Settings`.

    :raises BitstreamError: a subclass says what is wrong with the stream, or what it uses that is not
        implemented.
    :raises ModelError: the model set lacks what the stream needs.
    :raises OperatingPointError: the stream does not list the operating point.
    :raises TypeError: ``data`` is not of the kind of bytes, a path for instance.
    :raises ValueError: an option is none of those that there are.
    """
    settings = Settings(
        engine,
        threads,
        channels,
        quality_rounding,
        operating_point,
        ignore_post_filters,
        eicci_first_tile,
        rectifier,
    )
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
    rectifiers = rectifier_models(stream.picture, models, settings)
    filters = filter_memory(stream.picture, stream.tools, models, settings)
    observed = observer is not None
    require_memory(
        picture_memory(stream.picture, transforms, settings, observed, filters, rectifiers), limits
    )
    steps = Steps(stream.picture, progress)

    coded = decode_payloads(stream, models, settings, limits, observer)
    steps.done()
    context = FilterContext(stream.picture, stream.tools, _scale_log(stream, coded), models, settings)
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
    if enabled_filters(stream.tools, settings):
        picture = _filtered_picture(planes, context, observer)
    else:
        picture = make_picture(stream.picture, planes, engine=settings.engine, threads=settings.threads)
    steps.done()
    if observer is not None:
        for name, samples in zip(picture.names, picture.planes, strict=True):
            observer("picture", name, None, samples)
    return picture


def _scale_log(stream: Codestream, coded: EntropyResult) -> npt.NDArray[np.int32] | None:
    if not stream.tools.LEF_enabled_flag:
        return None
    log_sigma = coded.components[0].log_sigma
    return np.ascontiguousarray(log_sigma[stream.tools.LEF_chIdx].copy(), np.int32)


def _filtered_picture(
    planes: tuple[UInt16, UInt16, UInt16], context: FilterContext, observer: Observer | None
) -> Picture:
    engine, threads = context.settings.engine, context.settings.threads
    source = source_planes(context.picture, planes, engine=engine, threads=threads)
    filtered = apply_filters(source, context, observer)
    return finish_picture(context.picture, filtered, engine=engine, threads=threads)


def decode_entropy(
    data: bytes | bytearray | memoryview,
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
