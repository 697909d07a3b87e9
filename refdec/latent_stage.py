"""From residuals to latents: hyper-decoder, context model or mean, regions, latent scaling."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from refdec import entropy
from refdec.codestream.geometry import HYPER_DEPTH, LATENT_DEPTH, PICTURE_DEPTH, PSI_DEPTH, region_rectangles
from refdec.entropy_stage import EntropyResult
from refdec.models_io import COMPONENT_NAMES, ModelSet
from refdec.networks import picture_latent, picture_psi, scale_latent
from refdec.settings import Observer, Settings

Int16 = npt.NDArray[np.int16]


def decode_latents(
    coded: EntropyResult, models: ModelSet, settings: Settings, observer: Observer | None = None
) -> tuple[Int16, Int16]:
    """The latents that synthesis reads, luma and chroma: int16 ``[C, lh, lw]`` on the models' scale.

    :raises ModelError: a latent model is missing or damaged.
    """
    return (
        _decode_component(coded, 0, models, settings, observer),
        _decode_component(coded, 1, models, settings, observer),
    )


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
    return y_hat
