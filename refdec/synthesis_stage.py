"""From latents to sample planes, and what of a stream this decoder can show at all."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from refdec.codestream import Codestream, PictureHeader
from refdec.codestream.geometry import synthesis_tiles
from refdec.codestream.profiles import TRANSFORM_NAMES
from refdec.errors import RefdecError, UnsupportedFeatureError
from refdec.filters import missing_filters
from refdec.models_io import COMPONENT_NAMES, ModelSet
from refdec.networks import SynthesisModel, synthesise
from refdec.picture import require_supported
from refdec.settings import Observer, Progress, Settings

Int16 = npt.NDArray[np.int16]
UInt16 = npt.NDArray[np.uint16]
Transforms = tuple[SynthesisModel, SynthesisModel]


class OperatingPointError(RefdecError):
    """The caller asked for an operating point that the stream does not list."""

    exit_code = 2
    code = "operating-point"


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


def operating_point(picture: PictureHeader, settings: Settings) -> str:
    """``sop``, ``bop`` or ``hop``: the caller's choice, else the stream's default.

    :raises OperatingPointError: the stream does not list what the caller chose.
    """
    listed = [TRANSFORM_NAMES[i].lower() for i in picture.synthesis_transform_id]
    chosen = settings.operating_point
    if chosen is not None and chosen not in listed:
        raise OperatingPointError(
            f"the stream does not offer operating point '{chosen}'; it lists {', '.join(listed)}"
        )
    return chosen or listed[0]


def require_decodable(stream: Codestream, settings: Settings) -> None:
    """Refuse at once what would otherwise fail, or be wrong, at the end of a long decode (AR-PIC-06).

    :raises UnsupportedFeatureError: a post-filter is not implemented, or the colour conversion not defined.
    :raises OperatingPointError: the stream does not list what the caller chose.
    """
    require_supported(stream.picture)
    filters = missing_filters(stream.tools, settings)
    if filters:
        raise UnsupportedFeatureError(
            f"the stream turns on the post-filter {' and '.join(filters)}, which is not implemented",
            element="TON",
            expected="a post-filter that is implemented, or none",
            found=", ".join(filters),
        )
    operating_point(stream.picture, settings)


def synthesis_models(picture: PictureHeader, models: ModelSet, settings: Settings) -> Transforms:
    """The transforms of the chosen operating point, luma and chroma.

    :raises ModelError: a model is missing or damaged.
    """
    kind = operating_point(picture, settings)
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
