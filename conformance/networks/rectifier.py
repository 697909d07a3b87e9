"""The quantisation rectifier: a small network that moves the decoded latent towards what was quantised.

Neighbouring latent samples are correlated, so that what surrounds a sample says where in its quantisation
interval it lay (Luo and Chen, "Neural image compression with quantization rectifier", arXiv 2403.17236).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from conformance.networks.primitives import LEAKY_SLOPE, conv3

WIDTH = 64
"""Channels between the layers."""


class Rectifier(nn.Module):
    """``y_hat`` ``[N, C, h, w]`` to a latent of the same shape.

    Two 3x3 convolutions and one of 1x1 compute a correction. It starts as none.

    :param channels: of the latent. :param width: between the layers.
    """

    y_scale: Tensor
    correction_scale: Tensor

    def __init__(self, channels: int, width: int = WIDTH) -> None:
        super().__init__()
        self.conv1 = conv3(channels, width)
        self.conv2 = conv3(width, width)
        self.conv3 = nn.Conv2d(width, channels, 1)
        nn.init.zeros_(self.conv3.weight)
        nn.init.zeros_(self.conv3.bias)  # type: ignore[arg-type]
        for name in ("y_scale", "correction_scale"):
            self.register_buffer(name, torch.ones(channels))

    @torch.no_grad()
    def set_scales(self, deviation: Tensor, error: Tensor) -> None:
        """Bring all channels to one magnitude for training; the integer form has the factors in its weights.

        :param deviation: of the latent, ``[C]``. :param error: of its quantisation (root mean square).
        """
        self.y_scale.copy_(1 / deviation)
        self.correction_scale.copy_(error)

    def forward(self, y_hat: Tensor) -> Tensor:
        x = F.leaky_relu(self.conv1(y_hat * self.y_scale[:, None, None]), LEAKY_SLOPE)
        x = F.leaky_relu(self.conv2(x), LEAKY_SLOPE)
        return y_hat + self.conv3(x).float() * self.correction_scale[:, None, None]
