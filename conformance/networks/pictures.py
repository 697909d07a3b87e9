"""Pictures to calibrate on: generated ones, and what the float encoder makes of any picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from conformance.networks.analysis import Analysis
from conformance.networks.calibration import RESIDUAL_UNIT, Coded
from conformance.networks.context import ContextModel, chroma_mean, merge_phases, split_phases
from conformance.networks.hyper import HyperDecoder, HyperEncoder, quantise_z
from conformance.training.light import chroma_planes
from conformance.training.pictures import to_yuv
from refdec.entropy.tables import SCALE_INDEX_MIN
from refdec.tables import table

Picture = npt.NDArray[np.uint8]
Int32 = npt.NDArray[np.int32]
GENERATED_SIZE = (256, 320)
SCALER_UNIT = 1024.0


@dataclass(frozen=True)
class FloatEncoder:
    """The float networks of both components that an encoder needs, and the channel gains in Q7 log units."""

    analysis: tuple[Analysis, Analysis]
    hyper_encoder: tuple[HyperEncoder, HyperEncoder]
    hyper_decoder: tuple[HyperDecoder, HyperDecoder]
    context: ContextModel
    gain_log: tuple[Int32, Int32]


@torch.no_grad()
def encode_picture(encoder: FloatEncoder, rgb: Picture, displacement: int) -> Coded:
    """Latents of a picture as an encoder at one rate would code them, every residual coded.

    :param rgb: uint8 ``[H, W, 3]``.
    :param displacement: rate offset in Q7 log units.
    """
    yuv = to_yuv(rgb)[None]
    size = (yuv.shape[-2], yuv.shape[-1])
    y = (encoder.analysis[0](yuv[:, :1]), encoder.analysis[1](chroma_planes(yuv)))
    z = [quantise_z(network(part)) for network, part in zip(encoder.hyper_encoder, y, strict=True)]
    psi = [network(part, size) for network, part in zip(encoder.hyper_decoder, z, strict=True)]
    scaler = [_scaler(gain, displacement) for gain in encoder.gain_log]
    grid = (y[0].shape[-2], y[0].shape[-1])
    inside = split_phases(torch.ones(1, 1, *grid))
    residuals: list[Tensor] = []

    def quantise(phase: int, difference: Tensor) -> Tensor:
        residuals.append((difference * scaler[0]).round() / scaler[0] * inside[phase])
        return residuals[-1]

    encoder.context.encode(y[0], psi[0], quantise)
    luma = merge_phases(residuals, grid)
    chroma = ((y[1] - chroma_mean(psi[1], grid)) * scaler[1]).round() / scaler[1]
    return Coded(size, (_integers(z[0]), _integers(z[1])), (_fixed(luma[0]), _fixed(chroma[0])))


def generated_pictures(seed: int = 0) -> list[Picture]:
    """RGB pictures with edges and textures at all scales, smooth colour, and extremes."""
    random = np.random.Generator(np.random.PCG64(seed))
    return [_leaves(random, 0.0), _leaves(random, 25.0), _clouds(random), _blocks(random)]


def _leaves(random: np.random.Generator, grain: float) -> Picture:
    """Ellipses of all sizes that hide each other: the statistics of edges in photographs."""
    height, width = GENERATED_SIZE
    rows, columns = np.mgrid[:height, :width]
    out = np.empty((height, width, 3))
    out[:] = random.uniform(0, 255, 3)
    for _ in range(250):
        radius = 6.0 / random.uniform(0.05, 1)
        stretch = random.uniform(0.5, 2)
        y, x = random.uniform(0, height), random.uniform(0, width)
        inside = ((rows - y) * stretch) ** 2 + ((columns - x) / stretch) ** 2 < radius**2
        shade = 1 + random.uniform(-0.4, 0.4) * (columns[inside] - x) / radius
        out[inside] = shade[:, None] * random.uniform(0, 255, 3)
    return _samples(out + random.normal(0, 1, out.shape) * grain)


def _clouds(random: np.random.Generator) -> Picture:
    """Noise whose power falls with the square of the frequency."""
    height, width = GENERATED_SIZE
    frequency = np.hypot(np.fft.fftfreq(height)[:, None] * height, np.fft.fftfreq(width) * width)
    spectrum = np.fft.fft2(random.normal(0, 1, (3, height, width))) / np.maximum(frequency, 1)
    plane = np.fft.ifft2(spectrum).real
    return _samples((127.5 + 60 * plane / plane.std((1, 2), keepdims=True)).transpose(1, 2, 0))


def _blocks(random: np.random.Generator) -> Picture:
    """Rectangles of full and no intensity in every channel, down to single samples."""
    height, width = GENERATED_SIZE
    out = np.zeros((height, width, 3))
    for size in (64, 16, 4, 1):
        cells = (random.integers(0, 2, (-(-height // size), -(-width // size), 3)) * 255).repeat(size, 0)
        region = random.integers(0, 4, (height // 64, -(-width // 64))).repeat(64, 0).repeat(64, 1)
        chosen = region[:, :width] == (64, 16, 4, 1).index(size)
        out[chosen] = cells.repeat(size, 1)[:height, :width][chosen]
    return _samples(out)


def _samples(values: npt.NDArray[np.float64]) -> Picture:
    return np.rint(values).clip(0, 255).astype(np.uint8)


def _scaler(gain_log: Int32, displacement: int) -> Tensor:
    index = np.asarray(gain_log, np.int64) + displacement - SCALE_INDEX_MIN
    values = table("scaler", "scaler")[np.clip(index, 0, 8190)] / SCALER_UNIT
    return torch.from_numpy(values).float().view(1, -1, 1, 1)


def _integers(z: Tensor) -> npt.NDArray[np.int8]:
    return z[0].numpy().astype(np.int8)


def _fixed(residual: Tensor) -> Int32:
    return np.rint(residual.double().numpy() * RESIDUAL_UNIT).astype(np.int32)
