"""The entropy stage, from codestream to tensors, in the order in which it happens.

Luma (component 0) and chroma (component 1) are two runs of the same code. Every scale depends on the
hyper-latent and the headers alone, so both residuals are decoded before any other network runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from refdec import coverage, entropy
from refdec.codestream import CHANNELS, Codestream
from refdec.codestream.geometry import hyper_size, latent_size, region_rectangles
from refdec.entropy import EntropyEngine, Rounding
from refdec.errors import CodestreamSyntaxError, CorruptPayloadError, TruncatedStreamError
from refdec.limits import DEFAULT_LIMITS, Limits
from refdec.memory import entropy_memory, require_memory
from refdec.models_io import COMPONENT_NAMES, EntropyModel, ModelSet
from refdec.scales import component_scales
from refdec.settings import Observer, Settings
from refdec.tables import table

Int32 = npt.NDArray[np.int32]

ROUNDINGS: tuple[Rounding, Rounding] = ("floor", "truncate")


@dataclass(frozen=True)
class ComponentEntropy:
    """What the entropy stage leaves of one component; ``[C, lh, lw]`` unless said otherwise.

    :param z_hat: int8 ``[C, hz, wz]``, hyper-latent, -31..31.
    :param log_sigma: int32, scale index used for coding, Q7, after gain, quality map, RVS and GRFS.
    :param residual: int32, decoded symbols; 0 where nothing is coded.
    :param residual_dequantised: int32, 12 fractional bits.
    :param lsbs_segments: uint8, segment of the latent scaling, or ``None`` where that tool is off.
    """

    z_hat: npt.NDArray[np.int8]
    log_sigma: Int32
    residual: Int32
    residual_dequantised: Int32
    lsbs_segments: npt.NDArray[np.uint8] | None


@dataclass(frozen=True)
class EntropyResult:
    """Everything that a codestream's entropy-coded payloads say.

    :param codestream: the parsed stream.
    :param quality_map: int8 ``[lh, lw]``, -8..8, or ``None``; one map for both components.
    :param components: luma, chroma.
    """

    codestream: Codestream
    quality_map: npt.NDArray[np.int8] | None
    components: tuple[ComponentEntropy, ComponentEntropy]


def decode_payloads(
    stream: Codestream,
    models: ModelSet,
    settings: Settings,
    limits: Limits = DEFAULT_LIMITS,
    observer: Observer | None = None,
) -> EntropyResult:
    """The entropy stage of a parsed stream.

    :raises BitstreamError: a subclass says what is wrong with the stream.
    :raises ModelError: the model set lacks what the stream needs.
    """
    require_memory(entropy_memory(stream.picture, settings.engine), limits)
    try:
        return _decode_payloads(stream, models, settings, observer)
    except (CorruptPayloadError, TruncatedStreamError, CodestreamSyntaxError) as error:
        _name_fitting_rounding(error, stream, models, settings)
        raise


def _decode_payloads(
    stream: Codestream, models: ModelSet, settings: Settings, observer: Observer | None
) -> EntropyResult:
    engine = entropy.engine(settings.engine).with_threads(settings.threads)
    luma = models.entropy(stream.picture.model_id, 0)
    chroma = models.entropy(stream.picture.model_id, 1)
    z_hats = _decode_z(stream, engine, (luma, chroma))
    quality_map = _decode_quality_map(stream, engine, settings)
    components = tuple(
        _decode_component(stream, engine, settings, c, model, z_hats[c], quality_map, observer)
        for c, model in enumerate((luma, chroma))
    )
    return EntropyResult(stream, quality_map, (components[0], components[1]))


def _decode_z(
    stream: Codestream, engine: EntropyEngine, models: tuple[EntropyModel, EntropyModel]
) -> list[npt.NDArray[np.int8]]:
    payload = stream.z_payload()
    coded = payload.threads(stream.picture.num_threads_z)
    hz, wz = hyper_size(stream.picture.height, stream.picture.width)
    cdfs = tuple(model.z_cdf for model in models)
    return engine.decode_z(
        coded.data, coded.sizes, cdfs, hz, wz, byte_offset=coded.byte_offset, element=payload.element
    )


def _decode_quality_map(
    stream: Codestream, engine: EntropyEngine, settings: Settings
) -> npt.NDArray[np.int8] | None:
    payload = stream.quality_payload()
    if payload is None:
        return None
    coded = payload.threads(stream.picture.num_threads_q)
    lh, lw = latent_size(stream.picture.height, stream.picture.width)
    level = table("parameters", "quality_levels")[stream.picture.quality_map_entropy_index]
    deltas = engine.decode_residual(
        coded.data,
        coded.sizes,
        np.full(lh * lw, level, np.uint8),
        np.ones(lh * lw, np.bool_),
        byte_offset=coded.byte_offset,
        element=payload.element,
    )
    return engine.quality_map_from_deltas(
        deltas.reshape(lh, lw),
        rounding=settings.quality_rounding,
        byte_offset=payload.byte_offset,
        element=payload.element,
    )


def _decode_component(
    stream: Codestream,
    engine: EntropyEngine,
    settings: Settings,
    c: int,
    model: EntropyModel,
    z_hat: npt.NDArray[np.int8],
    quality_map: npt.NDArray[np.int8] | None,
    observer: Observer | None,
) -> ComponentEntropy:
    picture = stream.picture

    def show(point: str, tensor: npt.NDArray[np.generic], region: int | None = None) -> None:
        if observer is not None:
            observer(point, COMPONENT_NAMES[c], region, tensor)

    show("z_hat", z_hat)
    scales = component_scales(picture, c, model, z_hat, quality_map, engine, settings.threads, show)
    residual = _decode_residual(stream, engine, settings, c, engine.levels(scales.log), scales.mask, show)
    show("residual", residual)
    dequantised = engine.dequantise(
        residual,
        model.gain_log + picture.beta_displacement_log[c],
        quality_map,
        None if scales.scaling is None else scales.scaling.inverse,
    )
    show("residual_dequantised", dequantised)
    segments = engine.lsbs_segments(scales.likely) if stream.tools.lsbs_enable_flag[c] else None
    return ComponentEntropy(z_hat, scales.log, residual, dequantised, segments)


def _decode_residual(
    stream: Codestream,
    engine: EntropyEngine,
    settings: Settings,
    c: int,
    levels: npt.NDArray[np.uint8],
    mask: npt.NDArray[np.bool_],
    show: Callable[..., None],
) -> Int32:
    """All regions of one component; each is one call on the cut-out levels and mask."""
    header = stream.picture.components[c]
    keep = header.num_chs if settings.channels is None else min(settings.channels, header.num_chs)
    residual = np.zeros((CHANNELS[c], *mask.shape[1:]), np.int32)  # AR-RES-01, CS-GEO-01
    rectangles = region_rectangles(stream.picture, c, depth=4, extended=False)
    for index, (rect, payload) in enumerate(zip(rectangles, stream.residual_payloads(c), strict=True)):
        rows, columns = slice(rect.y, rect.y + rect.h), slice(rect.x, rect.x + rect.w)
        if payload is not None:
            coded = payload.threads(header.num_threads_r)
            symbols = engine.decode_residual(
                coded.data,
                coded.sizes,
                np.ascontiguousarray(levels[: header.num_chs, rows, columns]).reshape(-1),
                np.ascontiguousarray(mask[: header.num_chs, rows, columns]).reshape(-1),
                stop=None if keep == header.num_chs else keep * rect.h * rect.w,
                byte_offset=coded.byte_offset,
                element=payload.element,
            )
            residual[: header.num_chs, rows, columns] = symbols.reshape(header.num_chs, rect.h, rect.w)
        if len(rectangles) > 1:
            show("residual", residual[:, rows, columns], index)
    return residual


def _name_fitting_rounding(
    error: CorruptPayloadError | TruncatedStreamError | CodestreamSyntaxError,
    stream: Codestream,
    models: ModelSet,
    settings: Settings,
) -> None:
    """Where a stream with a quality map fails, say in the error if the other rounding rule decodes it.

    The rule is never switched silently: two tool chains differ in it, and only the caller knows.
    """
    if stream.quality_payload() is None:
        return
    other = ROUNDINGS[1 - ROUNDINGS.index(settings.quality_rounding)]
    changed = replace(settings, quality_rounding=other)
    try:
        with coverage.heard_by(None):
            _decode_payloads(stream, models, changed, None)
    except (CorruptPayloadError, TruncatedStreamError, CodestreamSyntaxError):
        return
    error.message += f" (the stream decodes with the quality map's rounding rule '{other}')"
