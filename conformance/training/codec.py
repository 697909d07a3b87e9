"""One component of the codec as it is trained: latent, side information, rate and reconstruction.

Every scale and every multiplication follows the decoder's integer definition closely enough that what is
trained is what is decoded: scales are Q7 logarithms, the hyper scale decoder computes on its integers, and
elements that skip mode drops are dropped here too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from conformance.networks import (
    ContextModel,
    HyperDecoder,
    HyperScaleDecoder,
    PrimarySOP,
    SecondarySOP,
    chroma_mean,
    merge_phases,
    split_phases,
)
from conformance.training.light import (
    LATENTS,
    LightAnalysis,
    LightHyperEncoder,
    chroma_planes,
    full_precision,
)

LOG_STEP = (math.log(54.82) - math.log(0.11)) / 31
"""Natural logarithm of the ratio of neighbouring scale levels."""
SIGMA_MIN = 0.11
SKIP_THRESHOLD = 382
SCALE_MAX = 3967
BETAS = (0.002, 0.012, 0.075, 0.5)
CHROMA_WEIGHT = 0.35
"""Of a chroma sample's squared error against one of luma."""


def gain(log: Tensor) -> Tensor:
    """Multiplier of a scale offset in Q7 units."""
    return torch.exp(log * (LOG_STEP / 128))


def base_step(beta: float) -> float:
    """Quantiser step, on samples normalised to -1..1, at which rate and distortion balance at high rate:
    ``dD/dR = -2 ln 2 q^2 / 12`` equals ``-1 / beta``, ``q`` in samples."""
    return math.sqrt(6 / (math.log(2) * beta)) / 128


def round_through(x: Tensor) -> Tensor:
    """Rounds forward, passes the gradient."""
    return x + (x.round() - x).detach()


@dataclass
class Coded:
    """What coding a batch gives.

    :param y_hat: reconstructed latent. :param z_hat: rounded hyper-latent.
    :param residual: dequantised residual, ``y_hat`` minus its mean.
    :param residual_bits: bits of the residual of every picture ``[N]``. :param z_bits: of the hyper-latent.
    """

    y_hat: Tensor
    z_hat: Tensor
    residual: Tensor
    residual_bits: Tensor
    z_bits: Tensor

    @property
    def bits(self) -> Tensor:
        return self.residual_bits + self.z_bits


class ComponentCodec(nn.Module):
    """Luma (0) or chroma (1): all networks, the gain vector and a prior for the hyper-latent."""

    def __init__(self, component: int) -> None:
        super().__init__()
        self.component = component
        channels = LATENTS[component]
        self.analysis = LightAnalysis(component)
        self.hyper_encoder = LightHyperEncoder(component)
        self.hyper_decoder = HyperDecoder(channels)
        self.hyper_scale_decoder = HyperScaleDecoder(channels)
        self.context = ContextModel(channels) if component == 0 else None
        self.synthesis = PrimarySOP() if component == 0 else SecondarySOP()
        self.gain_log = nn.Parameter(torch.zeros(channels))
        self.z_location = nn.Parameter(torch.zeros(channels, 1, 1))
        self.z_log_scale = nn.Parameter(torch.zeros(channels, 1, 1))
        self._start_entropy()

    @torch.no_grad()
    def _start_entropy(self) -> None:
        channels = LATENTS[self.component]
        if self.context is not None:
            for phase in self.context.MCM:
                nn.init.normal_(phase.fusion_pred_net.conv3.weight, 0, 1e-3)
        else:
            nn.init.normal_(self.hyper_decoder.conv4.weight, 0, 1e-3)
            nn.init.zeros_(self.hyper_decoder.conv4.bias)
        scales = self.hyper_scale_decoder
        nn.init.normal_(scales.conv1.weight, 0, 2 / math.sqrt(channels))
        nn.init.normal_(scales.depthwise.weight, 0, math.sqrt(2 / (9 * channels)))
        nn.init.normal_(scales.pointwise.weight, 0, 20 / math.sqrt(channels))
        nn.init.constant_(scales.conv1.bias, 1.0)
        nn.init.constant_(scales.depthwise.bias, 1.0)

    @torch.no_grad()
    def set_scales(self, y: Tensor) -> None:
        """Start the predicted scales at what each channel of a sample latent has."""
        deviation = y.transpose(0, 1).flatten(1).std(1).clamp(min=SIGMA_MIN)
        level = (128 / LOG_STEP * torch.log(deviation / SIGMA_MIN)).clamp(100, SCALE_MAX - 400)
        self.hyper_scale_decoder.pointwise.bias.copy_(level.repeat_interleave(16))

    def latent(self, picture: Tensor) -> Tensor:
        """:param picture: Y, U, V, ``[N, 3, H, W]``, 0..255."""
        return self.analysis(picture[:, :1] if self.component == 0 else chroma_planes(picture))

    def code(self, y: Tensor, size: tuple[int, int], delta: Tensor, *, noise: bool) -> Coded:
        """Quantise and cost a latent.

        :param delta: delta_beta of every picture, ``[N, 1, 1, 1]``.
        :param noise: cost with additive noise (training) instead of rounded symbols (evaluation).
        """
        z = self.hyper_encoder(y).float().clamp(-31, 31)
        z_hat = round_through(z)
        z_bits = self._z_bits(_noisy(z) if noise else z_hat)
        with full_precision(z_hat):
            base = self.hyper_scale_decoder(z_hat, size)
        psi = self.hyper_decoder(z_hat, size)
        log = self.gain_log.view(1, -1, 1, 1) + delta
        factor, scale = gain(log), base + log
        bits = y.new_zeros(y.shape[0])
        parts: list[Tensor] = []

        def quantise(difference: Tensor, scale: Tensor) -> Tensor:
            nonlocal bits
            coded = scale > SKIP_THRESHOLD
            symbol = difference * factor
            sigma = SIGMA_MIN * gain(scale.clamp(0, SCALE_MAX))
            cost = _gaussian_bits(_noisy(symbol) if noise else symbol.round(), sigma)
            bits = bits + (cost * coded).sum((1, 2, 3))
            parts.append(round_through(symbol) / factor * coded)
            return parts[-1]

        grid = (y.shape[-2], y.shape[-1])
        if self.context is None:
            mean = chroma_mean(psi, grid)
            y_hat = mean + quantise(y - mean, scale)
            residual = parts[0]
        else:
            # beyond an odd-sized latent the scale is 0, below the skip threshold: nothing is coded there
            scales = split_phases(scale)
            y_hat = self.context.encode(y, psi, lambda phase, d: quantise(d, scales[phase]))
            residual = merge_phases(parts, grid)
        return Coded(y_hat, z_hat, residual, bits, z_bits)

    def _z_bits(self, z: Tensor) -> Tensor:
        scale = torch.exp(self.z_log_scale)
        centred = (z - self.z_location).abs()
        mass = torch.sigmoid((0.5 - centred) / scale) - torch.sigmoid((-0.5 - centred) / scale)
        return -mass.clamp(min=1e-6).log2().sum((1, 2, 3))


def _noisy(x: Tensor) -> Tensor:
    return x + torch.rand_like(x) - 0.5


def _gaussian_bits(value: Tensor, sigma: Tensor) -> Tensor:
    """Bits of a symbol under a zero-mean normal distribution of integers, at most that of an escape."""
    magnitude = value.abs()
    upper = torch.special.ndtr((0.5 - magnitude) / sigma)
    lower = torch.special.ndtr((-0.5 - magnitude) / sigma)
    likely = -(upper - lower).clamp(min=1e-5).log2()
    # beyond what float32 can tell apart, keep a slope that pulls the scale up
    return likely + (magnitude / sigma - 4).clamp(min=0) * 0.5
