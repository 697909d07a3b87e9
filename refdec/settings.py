"""What the caller of the decoder chooses, apart from the stream and the models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import get_args

import numpy as np
import numpy.typing as npt

from refdec.entropy import Rounding

Observer = Callable[[str, str, int | None, npt.NDArray[np.generic]], None]
"""Called with point, component or plane, region (``None``: the whole picture; for nodes of a synthesis
transform: the tile) and tensor, in decoding order."""

Progress = Callable[[int, int], None]
"""Called with the steps that are done and the steps in all."""


@dataclass(frozen=True)
class Settings:
    """Choices of the caller that are no part of the stream.

    :param engine: ``jit`` or ``golden``, for entropy coding, integer networks and the picture alike.
    :param threads: threads of networks and picture.
    :param channels: progressive decoding: residual channels to keep of each component, ``None`` for all.
    :param quality_rounding: ``floor`` or ``truncate``, for negative odd sums in the quality map's prediction.
    :param operating_point: ``sop``, ``bop`` or ``hop``, one that the stream lists; ``None`` for its default.
    :param ignore_post_filters: decode without the post-filters that the stream turns on.
    :param eicci_first_tile: what the stream says about the first tile of the filter eICCI is used for all
        tiles, as the reference decoder does: for comparisons with its pictures.
    :param rectifier: let the model set's quantisation rectifier, if it has one, improve the latents.
    :raises ValueError: ``channels`` or ``quality_rounding`` is none of these.
    """

    engine: str = "jit"
    threads: int = 1
    channels: int | None = None
    quality_rounding: Rounding = "floor"
    operating_point: str | None = None
    ignore_post_filters: bool = False
    eicci_first_tile: bool = False
    rectifier: bool = True

    def __post_init__(self) -> None:
        if self.channels is not None and self.channels < 0:
            raise ValueError(f"{self.channels} channels to keep: expected None, 0 or more")
        if self.quality_rounding not in get_args(Rounding):
            raise ValueError(f"quality_rounding {self.quality_rounding!r}: expected {get_args(Rounding)}")


DEFAULT_SETTINGS = Settings()
