"""Synthesis transforms, latent to samples, for the operating points SOP, BOP and HOP.

``forward`` returns samples in ``[0, 255]``; ``features`` returns the network's own output before the last
pixel shuffle and the output map; ``signal`` that output as planes (1 is 128 steps of a sample, 0 is 127.5),
cut to the tile.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from conformance.networks.primitives import (
    ConvolutionalAttention,
    LightCombineBlock,
    LightResidualBlock,
    ResAU,
    ResidualBlock,
    ShuffleUp,
    Size,
    TransformerAttention,
    conv1,
    conv3,
    crop,
    transposed3,
    transposed4,
)


class Synthesis(nn.Module):
    """What all synthesis transforms share: the way from features to samples."""

    shuffle: ClassVar[int]
    """Factor of the last pixel shuffle (1: none)."""

    def features(self, y: Tensor, size: Size) -> Tensor:
        """Output of the last convolution, before the pixel shuffle."""
        raise NotImplementedError

    def signal(self, y: Tensor, size: Size) -> Tensor:
        """Planes ``[N, 1 or 2, h, w]`` before the output map."""
        return crop(F.pixel_shuffle(self.features(y, size), self.shuffle), size, 1)

    def forward(self, y: Tensor, size: Size) -> Tensor:
        return to_samples(self.signal(y, size))


def to_samples(signal: Tensor) -> Tensor:
    """The output map: network output to ``[0, 255]``."""
    return (signal * 128 + 127.5).clamp(0, 255)


class PrimarySOP(Synthesis):
    """Simple operating point, luma."""

    shuffle = 4

    def __init__(self, latent: int = 160, low: int = 64, high: int = 32) -> None:
        super().__init__()
        self.first_stage = nn.Sequential(
            nn.Sequential(LightResidualBlock(latent)), ShuffleUp(latent, low), ResAU(low, low // 16)
        )
        self.conv2_t = ShuffleUp(low, high)
        self.iact2 = ResAU(high, high // 16)
        self.conv3 = conv3(high, high)
        self.iact3 = ResAU(high, high // 16)
        self.conv4 = conv1(high, 16)

    def features(self, y: Tensor, size: Size) -> Tensor:
        return _quarter_features(self, y, size)


class PrimaryBOP(Synthesis):
    """Base operating point, luma."""

    shuffle = 4

    def __init__(self, latent: int = 160, low: int = 64, middle: int = 64, high: int = 96) -> None:
        super().__init__()
        self.first_stage = nn.Sequential(
            nn.Sequential(LightResidualBlock(latent)), transposed4(latent, low), ResAU(low, low // 16)
        )
        self.conv2_t = transposed4(low, middle)
        self.iact2 = ResAU(middle, middle // 16)
        self.conv3 = conv3(middle, high)
        self.iact3 = ResAU(high, high // 16)
        self.conv4 = conv1(high, 16)

    def features(self, y: Tensor, size: Size) -> Tensor:
        return _quarter_features(self, y, size)


def _quarter_features(net: PrimarySOP | PrimaryBOP, y: Tensor, size: Size) -> Tensor:
    """Luma of SOP and BOP: the same order of layers, ending at a quarter of the resolution."""
    x = crop(net.first_stage(y), size, 8)
    x = net.iact2(crop(net.conv2_t(x), size, 4))
    return net.conv4(net.iact3(net.conv3(x)))


class PrimaryHOP(Synthesis):
    """High operating point, luma."""

    shuffle = 1

    def __init__(self, latent: int = 160, width: int = 128) -> None:
        super().__init__()
        self.first_stage = nn.Sequential(
            nn.Sequential(ResidualBlock(latent)), transposed3(latent, width), ResAU(width, 4)
        )
        self.conv2_t = transposed3(width, width)
        self.CAB = ConvolutionalAttention(width)
        self.TAM = TransformerAttention(width, resample=True)
        self.iact2 = ResAU(width, 4)
        self.conv3_t = conv1(width, 4 * width, bias=True)
        self.iact3 = ResAU(width, 4)
        self.conv4_t = transposed3(width, 1)

    def features(self, y: Tensor, size: Size) -> Tensor:
        x = crop(self.first_stage(y), size, 8)
        x = self.iact2(crop(self.CAB(self.conv2_t(x)), size, 4))
        x = self.TAM(F.pixel_shuffle(self.conv3_t(x), 2))
        return self.conv4_t(self.iact3(crop(x, size, 2)))


class SecondarySOP(Synthesis):
    """Simple operating point, chroma: both latents in, U and V at luma resolution out."""

    shuffle = 8

    def __init__(self, luma: int = 160, chroma: int = 96, information: int = 48, width: int = 32) -> None:
        super().__init__()
        self.first_stage = LightCombineBlock(luma, chroma, information)
        self.conv2_t = ShuffleUp(information + chroma, width)
        self.iact2 = ResAU(width, width // 16)
        self.conv3 = conv3(width, width)
        self.iact3 = ResAU(width, width // 16)
        self.conv4 = conv1(width, 128)

    def features(self, y: Tensor, size: Size) -> Tensor:
        return _eighth_features(self, y, size)


class SecondaryBOP(Synthesis):
    """Base operating point, chroma."""

    shuffle = 8

    def __init__(
        self, luma: int = 160, chroma: int = 96, information: int = 48, low: int = 64, high: int = 128
    ) -> None:
        super().__init__()
        self.first_stage = LightCombineBlock(luma, chroma, information)
        self.conv2_t = transposed4(information + chroma, low)
        self.iact2 = ResAU(low, low // 16)
        self.conv3 = conv3(low, high)
        self.iact3 = ResAU(high, high // 16)
        self.conv4 = conv1(high, 128)

    def features(self, y: Tensor, size: Size) -> Tensor:
        return _eighth_features(self, y, size)


def _eighth_features(net: SecondarySOP | SecondaryBOP, y: Tensor, size: Size) -> Tensor:
    """Chroma of SOP and BOP: the same order of layers, ending at an eighth of the resolution."""
    x = net.iact2(crop(net.conv2_t(net.first_stage(y)), size, 8))
    return net.conv4(net.iact3(net.conv3(x)))


class SecondaryHOP(Synthesis):
    """High operating point, chroma."""

    shuffle = 2

    def __init__(self, luma: int = 160, chroma: int = 96, information: int = 48, width: int = 64) -> None:
        super().__init__()
        self.first_stage = LightCombineBlock(luma, chroma, information)
        self.conv2_t = transposed3(information + chroma, width)
        self.CAB = ConvolutionalAttention(width)
        self.TAM = TransformerAttention(width, resample=False)
        self.iact2 = ResAU(width, 4)
        self.conv3_t = conv1(width, 4 * width, bias=True)
        self.iact3 = ResAU(width, 4)
        self.conv4_t = transposed3(width, 8)

    def features(self, y: Tensor, size: Size) -> Tensor:
        x = self.iact2(crop(self.CAB(self.conv2_t(self.first_stage(y))), size, 8))
        x = crop(self.TAM(F.pixel_shuffle(self.conv3_t(x), 2)), size, 4)
        return self.conv4_t(self.iact3(x))


SYNTHESIS: dict[tuple[str, int], type[Synthesis]] = {
    ("sop", 0): PrimarySOP,
    ("sop", 1): SecondarySOP,
    ("bop", 0): PrimaryBOP,
    ("bop", 1): SecondaryBOP,
    ("hop", 0): PrimaryHOP,
    ("hop", 1): SecondaryHOP,
}
"""Synthesis transform by operating point and component (0 luma, 1 chroma)."""
