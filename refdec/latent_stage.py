"""From residuals to latents: hyper-decoder, context model or mean, regions, latent scaling, rectifier."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from refdec import entropy
from refdec.codestream import PictureHeader
from refdec.codestream.geometry import HYPER_DEPTH, LATENT_DEPTH, PICTURE_DEPTH, PSI_DEPTH, region_rectangles
from refdec.entropy_stage import EntropyResult
from refdec.models_io import COMPONENT_NAMES, ModelSet
from refdec.networks import RectifierModel, picture_latent, picture_psi, rectify, scale_latent
from refdec.networks.models import RECTIFIER
from refdec.settings import Observer, Settings

Int16 = npt.NDArray[np.int16]


def decode_latents(
    coded: EntropyResult, models: ModelSet, settings: Settings, observer: Observer | None = None
) -> tuple[Int16, Int16]:
    """The latents that synthesis reads, luma and chroma: int16 ``[C, lh, lw]`` on the models' scale.

    :raises ModelError: a latent model is missing or damaged, or a rectifier is damaged.
    """
    return (
        _decode_component(coded, 0, models, settings, observer),
        _decode_component(coded, 1, models, settings, observer),
    )


def rectifier_models(
    picture: PictureHeader, models: ModelSet, settings: Settings
) -> tuple[RectifierModel | None, RectifierModel | None]:
    """The rectifiers that run, luma and chroma; ``None`` where there is none or the caller wants none.

    :raises ModelError: a rectifier is damaged or not for this set.
    """
    return _rectifier(picture, 0, models, settings), _rectifier(picture, 1, models, settings)


def _rectifier(picture: PictureHeader, c: int, models: ModelSet, settings: Settings) -> RectifierModel | None:
    if not settings.rectifier or not models.has(picture.model_id, RECTIFIER, c):
        return None
    return models.rectifier(picture.model_id, c)


def rectified(
    picture: PictureHeader, c: int, y_hat: Int16, models: ModelSet, settings: Settings
) -> Int16 | None:
    """The latent of component ``c`` after its rectifier, int16 ``[C, lh, lw]``; ``None`` if none runs.

    :raises ModelError: the rectifier is damaged or not for this set.
    """
    model = _rectifier(picture, c, models, settings)
    if model is None:
        return None
    size = (picture.height, picture.width)
    return rectify(model, y_hat, size, engine=settings.engine, threads=settings.threads)


def _decode_component(
    coded: EntropyResult, c: int, models: ModelSet, settings: Settings, observer: Observer | None
) -> Int16:
    picture, component = coded.codestream.picture, coded.components[c]
    model = models.latent(picture.model_id, c)

    def show(region: int | None, point: str, tensor: npt.NDArray[np.generic]) -> None:
        if observer is not None:
            observer(point, COMPONENT_NAMES[c], region, tensor)

    sizes, hyper, psi_rects, latent_rects = (
        region_rectangles(picture, c, depth, extended=True)
        for depth in (PICTURE_DEPTH, HYPER_DEPTH, PSI_DEPTH, LATENT_DEPTH)
    )
    psi = picture_psi(
        model,
        component.z_hat,
        sizes,
        hyper,
        psi_rects,
        engine=settings.engine,
        threads=settings.threads,
        show=lambda region, tensor: show(region, "psi", tensor),
    )
    show(None, "psi", psi)
    y_hat = picture_latent(
        model,
        psi,
        component.residual_dequantised,
        latent_rects,
        psi_rects,
        trim=picture.num_regions > 1 and not picture.independent_regions,
        engine=settings.engine,
        threads=settings.threads,
        show=show,
    )
    show(None, "y_hat", y_hat)
    if component.lsbs_segments is not None:
        y_hat = scale_latent(
            model,
            y_hat,
            component.residual_dequantised,
            component.lsbs_segments,
            picture.model_id,
            entropy.engine(settings.engine),
            engine=settings.engine,
        )
        show(None, "y_hat_scaled", y_hat)
    better = rectified(picture, c, y_hat, models, settings)
    if better is None:
        return y_hat
    show(None, "y_hat_rectified", better)
    return better
