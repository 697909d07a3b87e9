"""Hyper-encoder, hyper-decoder and hyper scale decoder (``[N, C, H, W]``).

The grids of both components coincide, so one definition serves both; sizes are in luma samples.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from conformance.networks.primitives import (
    LEAKY_SLOPE,
    Size,
    conv1,
    conv3,
    crop,
    pad_to_even,
    transposed4,
)

Z_LIMIT = 31
"""The hyper-latent holds integers from ``-31`` to ``31``."""
SCALE_LIMIT = 3967
"""Largest scale index in Q7: 31 * 128 - 1."""
ACTIVATION_MIN, ACTIVATION_MAX = -128, 127


class HyperEncoder(nn.Module):
    """Latent ``[C, ceil(h/16), ceil(w/16)]`` to the unrounded hyper-latent, a quarter of its sides."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = conv3(channels, channels)
        self.conv2 = conv3(channels, channels)
        self.conv3 = conv3(channels, channels, stride=2)
        self.conv4 = conv3(channels, channels)
        self.conv5 = conv3(channels, channels, stride=2)

    def forward(self, y: Tensor) -> Tensor:
        x = F.leaky_relu(self.conv1(y.abs()), LEAKY_SLOPE)
        x = pad_to_even(self.conv2(x))
        x = F.leaky_relu(self.conv3(x), LEAKY_SLOPE)
        return self.conv5(pad_to_even(self.conv4(x)))


def quantise_z(z: Tensor) -> Tensor:
    """The hyper-latent that is coded: clamped, rounded half to even."""
    return z.clamp(-Z_LIMIT, Z_LIMIT).round()


class HyperDecoder(nn.Module):
    """Hyper-latent to psi ``[4C, ceil(h/32), ceil(w/32)]``: block s of C channels belongs to phase s."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = conv1(channels, channels)
        self.conv2 = transposed4(channels, channels)
        self.conv3 = conv3(channels, channels)
        self.conv4 = conv3(channels, 4 * channels)

    def forward(self, z: Tensor, size: Size) -> Tensor:
        x = crop(self.conv2(self.conv1(z)), size, 32).clamp(0, 6)
        return self.conv4(self.conv3(x).clamp(0, 6))


def _to_scale_index(x: Tensor, size: Size) -> Tensor:
    return crop(F.pixel_shuffle(x, 4), size, 16).abs().clamp(max=SCALE_LIMIT)


class HyperScaleDecoder(nn.Module):
    """Training form of the hyper scale decoder; its numbers live on the scale of the integer network.

    With ``quantise`` set, weights, biases and layer outputs take the values that the integer network
    would have (weights int8 with a power-of-two scale per output channel, outputs rounded down), with
    straight-through gradients. Without, it is the smooth network.

    :param all_biases: the standard's training files have a bias in ``depthwise`` alone, its integer files
        everywhere.
    """

    def __init__(self, channels: int, *, quantise: bool = True, all_biases: bool = True) -> None:
        super().__init__()
        self.quantise = quantise
        self.conv1 = conv1(channels, channels, bias=all_biases)
        self.depthwise = conv3(channels, channels)
        self.pointwise = conv1(channels, 16 * channels, bias=all_biases)

    def forward(self, z: Tensor, size: Size) -> Tensor:
        """Scale index in Q7, ``[C, ceil(h/16), ceil(w/16)]``, 0..3967 (float)."""
        x = F.relu(self._layer(self.conv1, z))
        x = F.relu(self._layer(self.depthwise, x))
        return _to_scale_index(self._layer(self.pointwise, x), size)

    def _layer(self, layer: nn.Conv2d, x: Tensor) -> Tensor:
        weight, bias = layer.weight, layer.bias
        x = x.clamp(ACTIVATION_MIN, ACTIVATION_MAX)
        if not self.quantise:
            return F.conv2d(x, weight, bias, padding=layer.padding)
        integer_weight, integer_bias, shift = quantise_layer(weight, bias)
        unit = torch.exp2(-shift.to(weight.dtype))
        weight = weight + (integer_weight * unit.view(-1, 1, 1, 1) - weight).detach()
        rounded = integer_bias * unit
        bias = rounded if bias is None else bias + (rounded - bias).detach()
        out = F.conv2d(x, weight, bias, padding=layer.padding)
        return out + (out.floor() - out).detach()

    @torch.no_grad()
    def integer_state(self) -> dict[str, Tensor]:
        """The tensors of the integer network (names, shapes and types of the standard's integer files)."""
        state: dict[str, Tensor] = {}
        for name in ("conv1", "depthwise", "pointwise"):
            layer = getattr(self, name)
            weight, bias, shift = quantise_layer(layer.weight, layer.bias)
            state[f"{name}.weight"] = weight.to(torch.int8)
            state[f"{name}.bias"] = bias.to(torch.int32)
            state[f"{name}.per_channel_shifts"] = shift.to(torch.int8).view(1, -1, 1, 1)
            state[f"{name}.is_quantized"] = torch.ones(1, dtype=torch.bool)
        return state


@torch.no_grad()
def quantise_layer(weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Integer weight, bias and shift per output channel (float tensors that hold integers).

    The shift is the largest one (0 to 20) at which the weights fit int8 and the bias fits 24 bits;
    what still does not fit at shift 0 is clamped.
    """
    peak = weight.abs().flatten(1).amax(1).double().clamp(min=2.0**-40)
    shift = torch.floor(torch.log2(127.0 / peak))
    if bias is not None:
        bias_peak = bias.detach().double().abs().clamp(min=2.0**-40)
        shift = torch.minimum(shift, torch.floor(torch.log2((2.0**23 - 1) / bias_peak)))
    shift = shift.clamp(0, 20)
    scale = torch.exp2(shift)
    # a power of two times a float is exact in the float's own precision
    unit = scale.to(weight.dtype)
    integer_weight = (weight * unit.view(-1, 1, 1, 1)).round().clamp(-128, 127)
    zero = torch.zeros_like(scale)
    integer_bias = zero if bias is None else (bias * unit).round().clamp(-(2.0**23), 2.0**23 - 1)
    return integer_weight.to(weight.dtype), integer_bias.to(weight.dtype), shift


class _IntegerLayer(nn.Module):
    """Parameters of one layer of the integer network, under the names of the standard's files."""

    def __init__(self, outputs: int, inputs: int, kernel: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(outputs, inputs, kernel, kernel, dtype=torch.int8))
        self.register_buffer("bias", torch.zeros(outputs, dtype=torch.int32))
        self.register_buffer("per_channel_shifts", torch.zeros(1, outputs, 1, 1, dtype=torch.int8))
        self.register_buffer("is_quantized", torch.ones(1, dtype=torch.bool))

    def forward(self, x: Tensor) -> Tensor:
        """int64 in, int64 out: clamp, convolve, arithmetic shift."""
        x = x.clamp(ACTIVATION_MIN, ACTIVATION_MAX)
        # every partial sum is an integer below 2^53, so float64 is exact on any device
        sums = F.conv2d(
            x.double(), self.weight.double(), self.bias.double(), padding=self.weight.shape[-1] // 2
        )
        return sums.to(torch.int64) >> self.per_channel_shifts.to(torch.int64)


class IntegerHyperScaleDecoder(nn.Module):
    """The integer hyper scale decoder as the standard defines it: the reference for integer graphs."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = _IntegerLayer(channels, channels, 1)
        self.depthwise = _IntegerLayer(channels, channels, 3)
        self.pointwise = _IntegerLayer(16 * channels, channels, 1)

    def forward(self, z: Tensor, size: Size) -> Tensor:
        """Integer hyper-latent to the scale index in Q7, int64 ``[C, ceil(h/16), ceil(w/16)]``."""
        x = F.relu(self.conv1(z.to(torch.int64)))
        x = F.relu(self.depthwise(x))
        return _to_scale_index(self.pointwise(x).double(), size).to(torch.int64)
