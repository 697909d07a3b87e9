"""Integer operations on any PyTorch device, also those without float64 (Apple's)."""

from __future__ import annotations

import torch


def floor_divide(numerator: torch.Tensor, denominator: torch.Tensor) -> torch.Tensor:
    """Floor of the quotient of int64 tensors."""
    return torch.div(numerator, denominator, rounding_mode="floor")


def scale(values: torch.Tensor, exponents: torch.Tensor) -> torch.Tensor:
    """``floor(v * 2^e)`` of int64 tensors, -62 <= e <= 62, where the result fits."""
    up = torch.bitwise_left_shift(torch.ones_like(exponents), exponents.clamp(min=0))
    return torch.bitwise_right_shift(values * up, (-exponents).clamp(min=0))


def bit_length(values: torch.Tensor) -> torch.Tensor:
    """Number of bits of positive int64 integers."""
    bits = torch.ones_like(values)
    for step in (32, 16, 8, 4, 2, 1):
        large = values >= (1 << step)
        bits = bits + large * step
        values = torch.where(large, torch.bitwise_right_shift(values, torch.full_like(values, step)), values)
    return bits


def floor_sqrt(values: torch.Tensor, bits: int) -> torch.Tensor:
    """Integer square root of int64 ``values < 4^bits``, one bit after the other."""
    root = torch.zeros_like(values)
    for bit in reversed(range(bits)):
        trial = root + (1 << bit)
        root = torch.where(trial * trial <= values, trial, root)
    return root
