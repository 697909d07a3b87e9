"""The starting point of training: every transform begins as a block DCT and its inverse.

Trained from random weights, two cores do not reach JPEG; started from the DCT, training begins there.
The synthesis transforms turn a 16 x 16 DCT into four 8 x 8 ones (and luma those into four 4 x 4 ones each)
by their up-sampling convolutions alone; residual branches and gates start near zero.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from conformance.networks import PrimarySOP, SecondarySOP
from conformance.training.light import LightAnalysis

CORRELATION = 0.95
"""Of neighbouring samples, in the source model that ranks the basis functions."""
NOISE = 2e-4
"""Of layers that start silent; the latent reaches tens, so more would drown the picture."""


def basis(size: int) -> Tensor:
    """Orthonormal 2-D DCT-II functions, ``[size * size, size, size]``, largest expected variance first."""
    index = torch.arange(size, dtype=torch.float64)
    rows = torch.cos(math.pi * (2 * index + 1) * index[:, None] / (2 * size))
    rows *= torch.where(index == 0, math.sqrt(1 / size), math.sqrt(2 / size))[:, None]
    covariance = CORRELATION ** (index[:, None] - index).abs()
    variance = torch.einsum("ki,ij,kj->k", rows, covariance, rows)
    order = torch.outer(variance, variance).flatten().argsort(descending=True, stable=True)
    functions = torch.einsum("ay,bx->abyx", rows, rows).reshape(size * size, size, size)
    return functions[order]


def quarter_map(large: Tensor, small: Tensor) -> Tensor:
    """Coefficients of the four quarters of a block from those of the block.

    :param large: functions ``[K, 2n, 2n]``; ``small``: functions ``[k, n, n]``.
    :returns: ``[4 k, K]``, rows in the order that a pixel shuffle by 2 expects.
    """
    side = small.shape[-1]
    quarters = large.unfold(1, side, side).unfold(2, side, side)
    return torch.einsum("cyx,kabyx->cabk", small, quarters).reshape(4 * small.shape[0], large.shape[0])


def _only_first_tap(weight: Tensor, matrix: Tensor) -> None:
    weight.zero_()
    weight[: matrix.shape[0], :, 0, 0] = matrix.to(weight.dtype)


def _quiet(*layers: nn.Conv2d) -> None:
    for layer in layers:
        layer.weight.normal_(0, NOISE)
        if layer.bias is not None:
            layer.bias.zero_()


def _identity(layer: nn.Conv2d) -> None:
    layer.weight.zero_()
    channels = torch.arange(layer.weight.shape[0])
    layer.weight[channels, channels, 1, 1] += 1
    assert layer.bias is not None
    layer.bias.zero_()


@torch.no_grad()
def start_luma(analysis: LightAnalysis, synthesis: PrimarySOP, step: float) -> None:
    """:param step: quantiser step of the coefficients, on samples normalised to -1..1."""
    functions, eight, four = basis(16)[:160], basis(8), basis(4)
    analysis.transform.weight.copy_(functions[:, None] / step)
    assert analysis.transform.bias is not None
    analysis.transform.bias.zero_()
    _quiet(analysis.correction, synthesis.first_stage[0][0].conv1)
    _only_first_tap(synthesis.first_stage[1].conv.weight, quarter_map(functions, eight) * step)
    _only_first_tap(synthesis.conv2_t.conv.weight, quarter_map(eight, four))
    # the channels that the DCT leaves free start as small copies, so that gradients reach them
    synthesis.conv2_t.conv.weight[64:].normal_(0, 0.02)
    _identity(synthesis.conv3)
    synthesis.conv4.weight.normal_(0, 0.02)
    synthesis.conv4.weight[:, :16, 0, 0] = four.reshape(16, 16).T
    _quiet(synthesis.first_stage[2].conv2, synthesis.iact2.conv2, synthesis.iact3.conv2)


@torch.no_grad()
def start_chroma(analysis: LightAnalysis, synthesis: SecondarySOP, step: float) -> None:
    """As :func:`start_luma`: half of the latent for U, half for V."""
    functions, eight = basis(16)[:48], basis(8)[:16]
    analysis.transform.weight.zero_()
    assert analysis.transform.bias is not None
    analysis.transform.bias.zero_()
    for plane in (0, 1):
        for phase in range(4):
            taps = functions[:, phase // 2 :: 2, phase % 2 :: 2] / step
            analysis.transform.weight[48 * plane : 48 * plane + 48, 4 + 4 * plane + phase] = taps
    _quiet(analysis.correction, synthesis.first_stage.conv1)
    quarters = quarter_map(functions, eight) * step
    weight = synthesis.conv2_t.conv.weight
    weight.zero_()
    synthesis.conv4.weight.zero_()
    for plane in (0, 1):
        latent = 48 + 48 * plane
        weight[64 * plane : 64 * plane + 64, latent : latent + 48, 0, 0] = quarters.to(weight.dtype)
        out = synthesis.conv4.weight[64 * plane : 64 * plane + 64, 16 * plane : 16 * plane + 16, 0, 0]
        out.copy_(eight.reshape(16, 64).T)
    _identity(synthesis.conv3)
    _quiet(synthesis.iact2.conv2, synthesis.iact3.conv2)
