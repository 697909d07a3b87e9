"""The luma context model in four phases, and the chroma mean (``[N, C, H, W]``).

A phase owns one position of every 2x2 cell of the latent grid. Its tensors live on the half grid, on which
psi lives too; where the latent has an odd number of rows or columns, the half grid reaches one
position beyond it, and what is predicted there still serves as context for later phases.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from conformance.networks.primitives import Size, conv1, conv3

PHASES = ((0, 0), (1, 1), (0, 1), (1, 0))
"""Row and column of each phase inside a 2x2 cell, in coding order."""
CUBE = 8
"""A cube of the skip flags covers 8x8 positions of a phase."""
CUBE_THRESHOLD = 3.0


def split_phases(x: Tensor) -> list[Tensor]:
    """The four phases ``[N, C, ceil(h/2), ceil(w/2)]`` of a map, zero where it has no sample."""
    extended = F.pad(x, (0, x.shape[-1] % 2, 0, x.shape[-2] % 2))
    return [extended[..., row::2, column::2] for row, column in PHASES]


def merge_phases(phases: Sequence[Tensor], size: Size) -> Tensor:
    """Inverse of :func:`split_phases`; ``size`` is that of the map in its own samples."""
    first = phases[0]
    out = first.new_empty((*first.shape[:-2], 2 * first.shape[-2], 2 * first.shape[-1]))
    for (row, column), phase in zip(PHASES, phases, strict=True):
        out[..., row::2, column::2] = phase
    return out[..., : size[0], : size[1]]


def chroma_mean(psi: Tensor, size: Size) -> Tensor:
    """Mean of the secondary latent: the four blocks of psi put into their phases."""
    return merge_phases(psi.chunk(4, dim=1), size)


class _Fusion(nn.Module):
    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.conv1 = conv1(inputs, channels)
        self.conv2 = conv1(channels, channels)
        self.conv3 = conv1(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv3(F.relu(self.conv2(F.relu(self.conv1(x)))))


class ContextPhase(nn.Module):
    """Mean of one phase from psi's block and the latents of all earlier phases."""

    def __init__(self, channels: int, phase: int, group_width: int) -> None:
        super().__init__()
        if phase:
            self.conv = nn.Sequential(
                conv1(phase * channels, channels),
                conv3(channels, channels, groups=channels // group_width),
            )
        self.fusion_pred_net = _Fusion(2 * channels if phase else channels, channels)

    def forward(self, psi: Tensor, context: Tensor | None = None) -> Tensor:
        if context is None:
            return self.fusion_pred_net(psi)
        return self.fusion_pred_net(torch.cat((self.conv(context), psi), dim=1))


class ContextModel(nn.Module):
    """MCM of the primary component.

    :param group_width: input channels a group of the 3x3 convolution sees (32 in the standard).
    """

    def __init__(self, channels: int = 160, group_width: int = 32) -> None:
        super().__init__()
        self.MCM = nn.ModuleList(ContextPhase(channels, phase, group_width) for phase in range(4))

    def run(self, psi: Tensor, size: Size, step: Callable[[int, Tensor], Tensor]) -> Tensor:
        """All phases: ``step(phase, mean)`` returns the latent of that phase, which then is context.

        :param psi: ``[N, 4C, ceil(h/2), ceil(w/2)]`` for a latent of ``size`` = ``(h, w)`` samples.
        :returns: the latent ``[N, C, h, w]``.
        """
        latents: list[Tensor] = []
        for phase, (network, block) in enumerate(zip(self.MCM, psi.chunk(4, dim=1), strict=True)):
            mean = network(block, torch.cat(latents, dim=1)) if latents else network(block)
            latents.append(step(phase, mean))
        return merge_phases(latents, size)

    def forward(self, residual: Tensor, psi: Tensor) -> Tensor:
        """Decoder side: the latent from the dequantised residual."""
        parts = split_phases(residual)
        return self.run(psi, _map_size(residual), lambda phase, mean: parts[phase] + mean)

    def encode(self, y: Tensor, psi: Tensor, quantise: Callable[[int, Tensor], Tensor]) -> Tensor:
        """Encoder side: ``quantise(phase, difference)`` returns the dequantised difference.

        It sees positions beyond the latent too (difference minus mean there) and must return 0 at them.
        """
        parts = split_phases(y)
        return self.run(psi, _map_size(y), lambda phase, mean: quantise(phase, parts[phase] - mean) + mean)


def skippable_cubes(error: Tensor, phase: int, size: Size, threshold: float = CUBE_THRESHOLD) -> Tensor:
    """Which cubes may be skipped: those whose largest error stays within the threshold.

    :param error: dequantised minus true difference of one phase, ``[N, C, ceil(h/2), ceil(w/2)]``.
    :param size: ``(h, w)`` of the latent; positions beyond it do not count.
    :returns: bool ``[N, ceil(h/16), ceil(w/16)]``.
    """
    row, column = PHASES[phase]
    inside = error.abs().amax(1)
    inside = inside[:, : (size[0] - row + 1) // 2, : (size[1] - column + 1) // 2]
    height, width = error.shape[-2:]
    rows, columns = -(-height // CUBE) * CUBE, -(-width // CUBE) * CUBE
    padded = F.pad(inside, (0, columns - inside.shape[-1], 0, rows - inside.shape[-2]))
    return F.max_pool2d(padded[:, None], CUBE)[:, 0] <= threshold


def _map_size(x: Tensor) -> Size:
    return x.shape[-2], x.shape[-1]
