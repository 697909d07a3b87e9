"""What the rectifier is trained on: latents before and after quantisation by the integer encoder.

Encoder, entropy models and context model are those of a finished model set and stay as they are, so that no
codestream changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from conformance.encoder.coded import Coded
from conformance.encoder.encode import Encoder
from conformance.encoder.machine import Machine
from conformance.encoder.payloads import steps_of
from conformance.encoder.source import make_source
from conformance.training.pictures import to_yuv

UInt8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]
SIDE = 512
"""Of the squares that larger pictures are cut into."""


@dataclass(frozen=True)
class Quantised:
    """One component of one picture at one rate, ``[C, h, w]`` each.

    :param y_hat: int16, the decoded latent. :param luma: int16, that of luma.
    :param coded: where a symbol is coded; elsewhere the latent is its mean.
    :param step: float32 ``[C]``, the quantiser's step.
    """

    y_hat: npt.NDArray[np.int16]
    luma: npt.NDArray[np.int16]
    coded: npt.NDArray[np.bool_]
    step: Float32


@dataclass(frozen=True)
class Example:
    """One picture: RGB, the latent before quantisation (float32 ``[C, h, w]``), what coding made of it."""

    rgb: UInt8
    y: Float32
    rates: tuple[Quantised, ...]

    def planes(self, component: int) -> Tensor:
        """The samples to come near to: Y, or U and V, ``[1, 1 or 2, H, W]``, 0..255."""
        yuv = to_yuv(self.rgb)[None]
        return yuv[:, :1] if component == 0 else yuv[:, 1:]


def squares(rgb: UInt8, side: int = SIDE) -> list[UInt8]:
    """A picture that is larger than a square in the squares that fit, evenly spread; else cut to whole latent
    samples."""
    height, width = rgb.shape[0] // 16 * 16, rgb.shape[1] // 16 * 16
    cuts = []
    for rows in _starts(height, side):
        for columns in _starts(width, side):
            cuts.append(rgb[rows : rows + min(side, height), columns : columns + min(side, width)])
    return [np.ascontiguousarray(cut) for cut in cuts]


def _starts(length: int, side: int) -> list[int]:
    count = max(1, length // side)
    return [k * max(0, length - side) // max(1, count - 1) for k in range(count)]


def examples(
    pictures: Sequence[UInt8],
    machine: Machine,
    model_id: int,
    component: int,
    deltas: tuple[int, int],
    *,
    rates: int,
    seed: int,
) -> list[Example]:
    """Code pictures at random displacements.

    :param pictures: RGB, sides multiples of 16. :param deltas: range of the displacements.
    :param rates: displacements a picture.
    """
    generator = np.random.default_rng(seed)
    out = []
    for rgb in pictures:
        encoder = Encoder(make_source(rgb), machine)
        y = encoder.prepared(model_id).latents.y[component]
        coded = [encoder.code(model_id, int(d)) for d in generator.integers(*deltas, size=rates)]
        out.append(Example(rgb, y, tuple(_quantised(c, machine, component) for c in coded)))
    return out


def _quantised(coded: Coded, machine: Machine, component: int) -> Quantised:
    belief = coded.beliefs[component]
    model = machine.models.entropy(coded.picture.model_id, component)
    steps = steps_of(coded.picture, component, model, belief.scales, None)
    return Quantised(
        belief.y_hat, coded.beliefs[0].y_hat, belief.scales.mask.copy(), 1 / steps.scaler.reshape(-1)
    )


def latent_unit(machine: Machine, model_id: int, component: int) -> Tensor:
    """What 1 of the integer latent stands for, float32 ``[C, 1, 1]``."""
    fraction = machine.models.latent(model_id, component).fraction
    return torch.from_numpy(np.exp2(-fraction.astype(np.float32)))[:, None, None]
