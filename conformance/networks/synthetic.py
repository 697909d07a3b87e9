"""Weights and inputs that need no file: every value follows from a tensor's name and an index.

They make tests and benchmarks reproducible on any machine. Networks filled like this are well behaved
(outputs of the order of their inputs) but have learned nothing.
"""

from __future__ import annotations

import math
import re
import zlib

import torch
from torch import Tensor, nn

MODULUS = 65536
STEP = 40503


def pattern(name: str, count: int) -> Tensor:
    """int64 ``[count]``: ``(i * 40503 + crc32(name)) mod 65536``."""
    return (torch.arange(count, dtype=torch.int64) * STEP + zlib.crc32(name.encode())) % MODULUS


def synthetic_tensor(name: str, shape: tuple[int, ...]) -> Tensor:
    """float64 tensor for a parameter called ``name``, scaled by its fan-in; near 1 for norm weights."""
    value = pattern(name, math.prod(shape)).double().reshape(shape) / MODULUS - 0.5
    if name.endswith("temperature"):
        return 1 + value
    if "norm1.weight" in name or re.search(r"BN\w+\.weight$", name):
        return 1 + 0.1 * value
    if name.endswith("running_var"):
        return 1 + value
    if re.search(r"(^|\.)scale[YUV]?$", name):
        return 0.1 + 0.1 * value
    if len(shape) == 1:
        return 0.1 * value
    return 2 * value / math.sqrt(math.prod(shape[1:]))


def synthetic_integer_tensor(name: str, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Tensor of the integer scale decoder: int8 weights, biases over 16 bits, shifts 8 to 12."""
    if name.endswith("per_channel_shifts"):
        return ((torch.arange(math.prod(shape)) % 5) + 8).to(dtype).reshape(shape)
    if dtype == torch.bool:
        return torch.ones(shape, dtype=dtype)
    value = pattern(name, math.prod(shape)).reshape(shape)
    return (value // 256 - 128 if dtype == torch.int8 else value - 32768).to(dtype)


@torch.no_grad()
def fill_synthetic(module: nn.Module) -> nn.Module:
    """Fill a network in place by the names in its state dict (without any prefix) and return it."""
    for name, tensor in module.state_dict().items():
        shape = tuple(tensor.shape)
        if tensor.is_floating_point():
            tensor.copy_(synthetic_tensor(name, shape))
        else:
            tensor.copy_(synthetic_integer_tensor(name, shape, tensor.dtype))
    return module


def synthetic_latent(channels: int, height: int, width: int) -> Tensor:
    """float64 ``[1, C, H, W]`` in ``[-1, 1]``."""
    return _ramp(channels, height, width, (7919, 131, 17), 251).double() / 251 * 2 - 1


def synthetic_samples(planes: int, height: int, width: int) -> Tensor:
    """float64 ``[1, planes, H, W]``, integers 0 to 255."""
    return _ramp(planes, height, width, (7919, 131, 17), 256).double()


def synthetic_z(channels: int, height: int, width: int) -> Tensor:
    """float64 ``[1, C, H, W]``, integers -31 to 31."""
    return _ramp(channels, height, width, (7, 5, 3), 63).double() - 31


def _ramp(channels: int, height: int, width: int, steps: tuple[int, int, int], modulus: int) -> Tensor:
    k = torch.arange(channels).view(1, -1, 1, 1) * steps[0]
    y = torch.arange(height).view(1, 1, -1, 1) * steps[1]
    x = torch.arange(width).view(1, 1, 1, -1) * steps[2]
    return (k + y + x) % modulus
