"""Light encoder networks: a block transform with a learned correction, and a small hyper-encoder.

Both components use one definition. Luma is one plane of which a block of 16 x 16 samples becomes a latent
position; chroma is the twelve half-size planes of the standard's encoder input (four luma, four U and four V
phases), of which a block of 8 x 8 does.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from conformance.networks.primitives import LEAKY_SLOPE, conv3, pad_to_even

PLANES = (1, 12)
"""Input planes of luma and of chroma."""
BLOCKS = (16, 8)
"""Samples of an input plane per latent position."""
LATENTS = (160, 96)
WIDTHS = ((48, 96), (48, 64))
"""Features at a quarter and at half of the latent's block, luma and chroma."""


REACH = 3
"""Latent rows above and below from whose picture rows a latent position is computed."""


def normalise(samples: Tensor) -> Tensor:
    """Samples 0..255 to what every network of the codec sees."""
    return (samples - 127.5) / 128


def full_precision(x: Tensor) -> torch.autocast:
    """Inside, layers compute in float32 even where training as a whole runs in bfloat16."""
    return torch.autocast(x.device.type, enabled=False)


def chroma_planes(picture: Tensor) -> Tensor:
    """Y, U, V ``[N, 3, H, W]`` to the encoder's chroma input ``[N, 12, ceil(H/2), ceil(W/2)]``."""
    even = pad_to_even(picture)
    return F.pixel_unshuffle(even, 2)


class LightAnalysis(nn.Module):
    """Picture planes to the latent: a strided block transform plus a correction from overlapping features.

    :param component: 0 luma, 1 chroma.
    """

    def __init__(self, component: int) -> None:
        super().__init__()
        planes, self.block, latent = PLANES[component], BLOCKS[component], LATENTS[component]
        (fine, coarse), quarter = WIDTHS[component], self.block // 4
        self.transform = nn.Conv2d(planes, latent, self.block, stride=self.block)
        self.features = nn.Conv2d(planes, fine, quarter, stride=quarter)
        self.down = conv3(fine, coarse, stride=2)
        self.mix = conv3(coarse, coarse)
        self.gather = conv3(coarse, latent, stride=2)
        self.correction = conv3(latent, latent)

    def forward(self, planes: Tensor) -> Tensor:
        """``[N, planes, H, W]``, 0..255, to ``[N, latent, ceil(H/block), ceil(W/block)]``."""
        rows, columns = (-planes.shape[-2] % self.block, -planes.shape[-1] % self.block)
        if rows or columns:
            planes = F.pad(planes, (0, columns, 0, rows), mode="replicate")
        x = normalise(planes)
        features = F.leaky_relu(self.down(F.leaky_relu(self.features(x), LEAKY_SLOPE)), LEAKY_SLOPE)
        features = features + F.leaky_relu(self.mix(features), LEAKY_SLOPE)
        correction = self.correction(F.leaky_relu(self.gather(features), LEAKY_SLOPE))
        with full_precision(x):
            return self.transform(x) + correction


class LightHyperEncoder(nn.Module):
    """Latent to the unrounded hyper-latent at a quarter of its sides.

    Magnitudes enter as logarithms, without and with their sign: the hyper-latent tells scales, which are
    logarithms too, and the mean of what comes first.
    """

    def __init__(self, component: int, width: int = 128) -> None:
        super().__init__()
        channels = LATENTS[component]
        self.conv1 = conv3(2 * channels, width, stride=2)
        self.conv2 = conv3(width, channels, stride=2)

    def forward(self, y: Tensor) -> Tensor:
        magnitude = y.abs().log1p()
        x = torch.cat((magnitude, magnitude * y.sign()), dim=1)
        x = F.leaky_relu(self.conv1(pad_to_even(x)), LEAKY_SLOPE)
        return self.conv2(pad_to_even(x))
