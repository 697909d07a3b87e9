"""From latents to sample planes, and what of a stream this decoder can show at all."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from refdec.codestream import Codestream, PictureHeader
from refdec.codestream.geometry import synthesis_tiles
from refdec.errors import ModelError
from refdec.models_io import COMPONENT_NAMES, ModelSet
from refdec.networks import SynthesisModel, synthesise
from refdec.operating_point import listed_points, operating_point
from refdec.picture import require_supported
from refdec.settings import Observer, Progress, Settings

Int16 = npt.NDArray[np.int16]
UInt16 = npt.NDArray[np.uint16]
Transforms = tuple[SynthesisModel, SynthesisModel]


class Steps:
    """Counts the steps of a decode for whoever shows progress: entropy, latents, tiles, picture."""

    def __init__(self, picture: PictureHeader, progress: Progress | None) -> None:
        self._progress, self._count = progress, 0
        self.total = 3 + 2 * len(synthesis_tiles(picture))
        if progress is not None:
            progress(0, self.total)

    def done(self) -> None:
        """One step is done."""
        self._count += 1
        if self._progress is not None:
            self._progress(self._count, self.total)


def require_decodable(stream: Codestream, settings: Settings) -> None:
    """Refuse at once what would otherwise fail, or be wrong, at the end of a long decode (AR-PIC-09).

    :raises UnsupportedFeatureError: the colour conversion is not defined.
    :raises OperatingPointError: the stream does not list what the caller chose.
    """
    require_supported(stream.picture)
    operating_point(stream.picture, settings)


def synthesis_models(picture: PictureHeader, models: ModelSet, settings: Settings) -> Transforms:
    """The transforms of the chosen operating point, luma and chroma.

    :raises ModelError: a model is missing or damaged.
    """
    kind = operating_point(picture, settings)
    missing = [c for c in (0, 1) if not models.has(picture.model_id, kind, c)]
    if missing:
        # loading it would say the same, but not what else would do
        usable = [
            point
            for point in listed_points(picture)
            if all(models.has(picture.model_id, point, c) for c in (0, 1))
        ]
        hint = (
            f"; or decode with --operating-point {usable[0]}, which the stream offers too" if usable else ""
        )
        try:
            models.load(picture.model_id, kind, missing[0])
        except ModelError as error:
            raise ModelError(f"{error}{hint}") from error
    return models.synthesis(picture.model_id, kind, 0), models.synthesis(picture.model_id, kind, 1)


def synthesise_planes(
    picture: PictureHeader,
    transforms: Transforms,
    latents: tuple[Int16, Int16],
    settings: Settings,
    observer: Observer | None,
    steps: Steps,
) -> tuple[UInt16, UInt16]:
    """Planes of the whole coded picture, 8 fraction bits: ``[1, H, W]`` and ``[2, H, W]``.

    Luma and chroma go through the transforms tile by tile; chroma reads the luma latent as well.
    """
    tiles = synthesis_tiles(picture)

    def planes(c: int) -> UInt16:
        def show(tile: int, node: str, tensor: npt.NDArray[np.generic]) -> None:
            if observer is not None:
                region = None if len(tiles) == 1 else tile
                observer(f"synthesis.{node}", COMPONENT_NAMES[c], region, tensor)

        return synthesise(
            transforms[c],
            latents[: 1 + c],
            tiles,
            engine=settings.engine,
            threads=settings.threads,
            observe=None if observer is None else show,
            done=steps.done,
        )

    return planes(0), planes(1)
