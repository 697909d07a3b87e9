"""Latents to calibrate the decoder's networks on: what the entropy stage says of a picture, taken from
streams, and what the float networks make of it. Without any stream they are drawn
(:mod:`conformance.networks.drawn`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from conformance.networks.context import ContextModel, chroma_mean, split_phases
from conformance.networks.hyper import HyperDecoder
from refdec import entropy
from refdec.codestream import Dialect
from refdec.codestream.geometry import latent_size
from refdec.errors import BitstreamError, ModelError
from refdec.input_file import read_codestream
from refdec.limits import DEFAULT_LIMITS
from refdec.models_io import ModelSet

Int32 = npt.NDArray[np.int32]

DISPLACEMENTS = (-500, 0, 500)
"""Rate offsets of drawn and generated pictures: coarse, as trained, fine."""
WINDOW = 512
"""Luma samples per side of a stream's picture that are used."""
RESIDUAL_UNIT = 2.0**entropy.RESIDUAL_FRACTION_BITS


@dataclass(frozen=True)
class Coded:
    """What the entropy stage says about a picture, luma and chroma.

    :param size: ``(h, w)`` in luma samples.
    :param z_hat: integers ``[C, ceil(h/64), ceil(w/64)]`` each.
    :param residual: int32 ``[C, ceil(h/16), ceil(w/16)]`` each, 12 fraction bits.
    """

    size: tuple[int, int]
    z_hat: tuple[npt.NDArray[np.int8], npt.NDArray[np.int8]]
    residual: tuple[Int32, Int32]


@dataclass(frozen=True)
class FloatLatents:
    """What the float networks make of it, float32 ``[1, C, ., .]``.

    :param psi: luma ``[1, 640, ., .]`` and chroma ``[1, 384, ., .]``.
    :param means: luma mean by phase, on the half grid, with what lies beyond an odd size.
    :param phases: luma latent by phase, the same way.
    :param y_hat: luma and chroma.
    """

    coded: Coded
    psi: tuple[Tensor, Tensor]
    means: list[Tensor]
    phases: list[Tensor]
    y_hat: tuple[Tensor, Tensor]


def from_stream(path: Path, models: ModelSet, model_id: int) -> Coded | None:
    """What a codestream says, cut to a window; ``None`` if it is coded with another model.

    :raises ModelError: the file is no codestream of either dialect.
    """
    from refdec.codestream import parse
    from refdec.decoder import decode_entropy

    try:
        with path.open("rb") as file:
            data = read_codestream(file, DEFAULT_LIMITS.max_input_bytes)
    except (OSError, BitstreamError) as error:
        raise ModelError(f"{path} cannot be used for calibration: {error}") from error
    problem: BitstreamError | None = None
    for dialect in Dialect:
        try:
            if parse(data, dialect).picture.model_id != model_id:
                return None
            result = decode_entropy(data, models, dialect=dialect)
        except BitstreamError as error:
            problem = error
            continue
        picture = result.codestream.picture
        size = min(picture.height, WINDOW), min(picture.width, WINDOW)
        rows, columns = latent_size(*size)
        luma, chroma = result.components
        return Coded(
            size,
            (_corner(luma.z_hat, size), _corner(chroma.z_hat, size)),
            (
                luma.residual_dequantised[:, :rows, :columns],
                chroma.residual_dequantised[:, :rows, :columns],
            ),
        )
    raise ModelError(f"{path} cannot be used for calibration: {problem}")


def _corner(z_hat: npt.NDArray[np.int8], size: tuple[int, int]) -> npt.NDArray[np.int8]:
    return z_hat[:, : -(-size[0] // 64), : -(-size[1] // 64)]


@torch.no_grad()
def float_latents(
    hyper: tuple[HyperDecoder, HyperDecoder], context: ContextModel, coded: Coded
) -> FloatLatents:
    """The float decoder up to the latent, float32."""
    size = latent_size(*coded.size)
    psi = [
        network(torch.from_numpy(np.ascontiguousarray(z)).float()[None], coded.size)
        for network, z in zip(hyper, coded.z_hat, strict=True)
    ]
    residual = [torch.from_numpy(r / RESIDUAL_UNIT).float()[None] for r in coded.residual]
    parts = split_phases(residual[0])
    means: list[Tensor] = []
    phases: list[Tensor] = []

    def step(phase: int, mean: Tensor) -> Tensor:
        means.append(mean)
        phases.append(parts[phase] + mean)
        return phases[-1]

    luma = context.run(psi[0], size, step)
    chroma = chroma_mean(psi[1], size) + residual[1]
    return FloatLatents(coded, (psi[0], psi[1]), means, phases, (luma, chroma))


@dataclass(frozen=True)
class LatentFormat:
    """Number format of a latent, int32 ``[C]`` each: integers -limit..limit, value = integer / 2^fraction."""

    fraction: Int32
    limit: Int32


def latent_format(
    samples: Sequence[FloatLatents], component: int, headroom: float = 2.0, finest: int = 9
) -> LatentFormat:
    """A format that holds ``headroom`` times the largest latent seen in each channel.

    :param finest: most fraction bits: more would cost the layers behind it weight resolution, because what a
        latent can be at most counts in their accumulators.
    """
    reach = torch.stack([s.y_hat[component].abs().amax((0, 2, 3)) for s in samples]).amax(0).double().numpy()
    # a channel that hardly moved gets the room of a quarter of what the others need
    reach = headroom * np.maximum(reach, 0.25 * np.median(reach)) + 2.0**-8
    fraction = np.clip(np.floor(np.log2(32767 / reach)), 0, finest).astype(np.int32)
    limit = np.clip(np.ceil(reach * np.exp2(fraction)), 1, 32767).astype(np.int32)
    return LatentFormat(fraction, limit)
