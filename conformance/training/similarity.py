"""Multi-scale structural similarity (Wang, Simoncelli, Bovik 2003), differentiable."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
WINDOW, DEVIATION = 11, 1.5
"""Side and standard deviation, in samples, of the Gaussian window."""
SMALLEST_SIDE = WINDOW * 2 ** (len(SCALE_WEIGHTS) - 1)
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def ms_ssim(found: Tensor, expected: Tensor) -> Tensor:
    """MS-SSIM of every picture ``[N]`` of two batches ``[N, 1, H, W]`` of samples 0..255; 1 where equal.

    :raises ValueError: a side below 176 samples: the window does not fit the coarsest scale.
    """
    if min(found.shape[-2:]) < SMALLEST_SIDE:
        raise ValueError(f"MS-SSIM needs sides of {SMALLEST_SIDE} samples, not {tuple(found.shape[-2:])}")
    position = torch.arange(WINDOW, dtype=found.dtype, device=found.device) - WINDOW // 2
    window = torch.exp(-0.5 * (position / DEVIATION) ** 2)
    window = window / window.sum()
    factors = []
    for scale in range(len(SCALE_WEIGHTS)):
        luminance, contrast = _ssim_factors(found, expected, window)
        last = scale == len(SCALE_WEIGHTS) - 1
        factors.append((contrast * luminance if last else contrast).mean((1, 2, 3)))
        if not last:
            found, expected = F.avg_pool2d(found, 2), F.avg_pool2d(expected, 2)
    weights = found.new_tensor(SCALE_WEIGHTS)
    # a negative correlation has no real power
    return (torch.stack(factors, dim=1).clamp(min=1e-4) ** weights).prod(1)


def _ssim_factors(x: Tensor, y: Tensor, window: Tensor) -> tuple[Tensor, Tensor]:
    maps = torch.cat((x, y, x * x, y * y, x * y))
    maps = F.conv2d(F.conv2d(maps, window.view(1, 1, -1, 1)), window.view(1, 1, 1, -1))
    mean_x, mean_y, square_x, square_y, product = maps.chunk(5)
    covariance = product - mean_x * mean_y
    variances = square_x - mean_x**2 + square_y - mean_y**2
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    return luminance, (2 * covariance + _C2) / (variances + _C2)
