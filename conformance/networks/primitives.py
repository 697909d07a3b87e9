"""Building blocks of the transforms, in PyTorch, with the standard's tensor names.

Every tensor is ``[N, C, H, W]``. A ``size`` is always ``(h, w)`` in luma samples of the picture or tile
at hand: it decides how much of an up-sampled map is kept (:func:`crop`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from refdec.codestream.geometry import ceil_div

NORM_EPSILON = 1e-12
"""Lower bound of the L2 norm in the attention."""
HEADS = 4
LEAKY_SLOPE = 0.01

Size = tuple[int, int]


def crop(x: Tensor, size: Size, divisor: int) -> Tensor:
    """Keep the rows and columns that the grid ``1 / divisor`` of a picture of ``size`` has.

    :raises ValueError: the map is smaller than that grid.
    """
    rows, columns = ceil_div(size[0], divisor), ceil_div(size[1], divisor)
    if x.shape[-2] < rows or x.shape[-1] < columns:
        raise ValueError(f"a map of {tuple(x.shape[-2:])} cannot be cut to {(rows, columns)}")
    return x[..., :rows, :columns]


def pad_to_even(x: Tensor) -> Tensor:
    """Repeat the last row and the last column once where their number is odd."""
    columns, rows = x.shape[-1] % 2, x.shape[-2] % 2
    return F.pad(x, (0, columns, 0, rows), mode="replicate") if columns or rows else x


def conv1(inputs: int, outputs: int, *, bias: bool = False) -> nn.Conv2d:
    """1x1 convolution, by default without bias."""
    return nn.Conv2d(inputs, outputs, 1, bias=bias)


def conv3(inputs: int, outputs: int, *, stride: int = 1, groups: int = 1, bias: bool = True) -> nn.Conv2d:
    """3x3 convolution on a frame of one zero."""
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, groups=groups, bias=bias)


def transposed3(inputs: int, outputs: int) -> nn.ConvTranspose2d:
    """3x3 transposed convolution, doubles both sides."""
    return nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1)


def transposed4(inputs: int, outputs: int) -> nn.ConvTranspose2d:
    """4x4 transposed convolution, doubles both sides."""
    return nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)


class ShuffleUp(nn.Module):
    """Doubling by a 2x2 convolution and a pixel shuffle: one zero row below, one zero column to the right."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, 4 * outputs, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(self.conv(F.pad(x, (0, 1, 0, 1))), 2)


class ResAU(nn.Module):
    """Gated activation ``x * (1 + conv1x1(conv3x3(relu6(x))))``; the gate multiplies the unclamped input."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.conv = conv3(channels, channels, groups=groups, bias=False)
        self.conv2 = conv1(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x * (1 + self.conv2(self.conv(x.clamp(0, 6))))


class LightResidualBlock(nn.Module):
    """LRB: ``x + relu(conv3x3(x))``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = conv3(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + F.relu(self.conv1(x))


class ResidualBlock(nn.Module):
    """RB: ``x + conv3x3(relu(conv3x3(x)))``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = conv3(channels, channels)
        self.conv2 = conv3(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.relu(self.conv1(x)))


class LightCombineBlock(nn.Module):
    """LCB: what a 3x3 convolution makes of both latents, followed by the chroma latent itself."""

    def __init__(self, luma: int, chroma: int, information: int) -> None:
        super().__init__()
        self.luma = luma
        self.conv1 = conv3(luma + chroma, information)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((self.conv1(x), x[:, self.luma :]), dim=1)


class ConvolutionalAttention(nn.Module):
    """CAB: a residual trunk, gated by a sigmoid of a branch at half resolution. Needs an even map."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.residual_trunk = nn.Sequential(ResidualBlock(channels), ResidualBlock(channels))
        self.subscale = conv3(channels, channels, stride=2)
        self.residual_mask2 = nn.Sequential(ResidualBlock(channels))
        self.residual_mask3 = nn.Sequential(ResidualBlock(channels))
        self.upscale = transposed3(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        _require_even(x)
        mask = self.upscale(self.residual_mask3(self.residual_mask2(self.subscale(x))))
        return x + self.residual_trunk(x) * torch.sigmoid(mask)


class ChannelNorm(nn.Module):
    """Layer norm over the channels of each position, biased variance, epsilon 1e-5."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        normalised = F.layer_norm(x.movedim(1, -1), self.weight.shape, self.weight, self.bias, 1e-5)
        return normalised.movedim(-1, 1)


class _Prepare(nn.Module):
    """Queries, keys and values of an attention: norm, 1x1, depthwise 3x3."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = ChannelNorm(channels)
        self.conv1 = conv1(channels, 3 * channels)
        self.conv2 = conv3(3 * channels, 3 * channels, groups=3 * channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.conv1(self.norm1(x)))


class _Attention(nn.Module):
    """Attention between the channels of a head, over all positions of the tile."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(HEADS, 1, 1))
        self.project_out = conv1(channels, channels)

    def forward(self, qkv: Tensor) -> Tensor:
        batch, triple, height, width = qkv.shape
        q, k, v = qkv.reshape(batch, 3, HEADS, triple // 3 // HEADS, height * width).unbind(1)
        q = F.normalize(q, dim=-1, eps=NORM_EPSILON)
        k = F.normalize(k, dim=-1, eps=NORM_EPSILON)
        weights = torch.softmax(q @ k.transpose(-2, -1) * self.temperature, dim=-1)
        return self.project_out((weights @ v).reshape(batch, triple // 3, height, width))


class _FeedForward(nn.Module):
    """Gated feed-forward part: ELU of one half times the other half."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = ChannelNorm(channels)
        self.project_in = conv1(channels, 8 * channels)
        self.dwconv = conv3(8 * channels, 8 * channels, groups=8 * channels, bias=False)
        self.project_out = conv1(4 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.dwconv(self.project_in(self.norm1(x))).chunk(2, dim=1)
        return self.project_out(F.elu(gate) * value)


class _TransformerBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.prep_data = _Prepare(channels)
        self.attn = _Attention(channels)
        self.ffn = _FeedForward(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.prep_data(x))
        return x + self.ffn(x)


class TransformerAttention(nn.Module):
    """TAM: two transformer blocks, where ``resample`` is set at half the resolution of their input."""

    def __init__(self, channels: int, *, resample: bool) -> None:
        super().__init__()
        self.resample = resample
        if resample:
            self.ds_conv = conv3(channels, channels, stride=2)
            self.us_conv = transposed3(channels, channels)
        self.TABs = nn.Sequential(_TransformerBlock(channels), _TransformerBlock(channels))

    def forward(self, x: Tensor) -> Tensor:
        if not self.resample:
            return self.TABs(x)
        _require_even(x)
        return self.us_conv(self.TABs(self.ds_conv(x)))


def _require_even(x: Tensor) -> None:
    if x.shape[-2] % 2 or x.shape[-1] % 2:
        raise ValueError(f"a map of {tuple(x.shape[-2:])} cannot be halved and doubled")
