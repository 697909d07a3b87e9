"""What makes float64 an integer type: the checks of the twin, and its square root."""

from __future__ import annotations

import torch

LIMIT = 2.0**53


class InexactError(ArithmeticError):
    """Float64 cannot hold a sum exactly, or a result is not an integer."""


def require_exact(name: str, what: str, magnitude: torch.Tensor) -> None:
    """``magnitude``: bounds on everything that is added up; they must stay below 2^53.

    :raises InexactError: they do not.
    """
    largest = float(magnitude.max()) if magnitude.numel() else 0.0
    if largest >= LIMIT:
        raise InexactError(f"{name}: {what} may reach {largest:.0f}, float64 is exact below {LIMIT:.0f}")


def require_integers(name: str, values: torch.Tensor) -> None:
    """Results must be integers that fit int16.

    :raises InexactError: they are not.
    """
    if values.numel() and not bool(((values == torch.floor(values)) & (values.abs() <= 32767)).all()):
        raise InexactError(f"{name}: a result is not an integer within int16")


def floor_sqrt(values: torch.Tensor) -> torch.Tensor:
    """Integer square root of non-negative integers below 2^53."""
    root = torch.floor(torch.sqrt(values))
    # The rounded root can be one off next to a square; squares of roots below 2^26.5 are exact.
    root = torch.where(root * root > values, root - 1, root)
    return torch.where((root + 1) * (root + 1) <= values, root + 1, root)


def floor_divide(numerator: torch.Tensor, denominator: torch.Tensor) -> torch.Tensor:
    """Floor of the quotient of integers below 2^53, by 64-bit integer division."""
    quotient = torch.div(numerator.to(torch.int64), denominator.to(torch.int64), rounding_mode="floor")
    return quotient.to(torch.float64)


def power_of_two(exponents: torch.Tensor) -> torch.Tensor:
    """``2^e`` for integers -62..62, built from bits because ``pow`` promises no exact result."""
    e = exponents.to(torch.int64)
    up = torch.bitwise_left_shift(torch.ones_like(e), e.clamp(min=0)).to(torch.float64)
    down = torch.bitwise_left_shift(torch.ones_like(e), (-e).clamp(min=0)).to(torch.float64)
    return up / down


def binary_exponent(values: torch.Tensor) -> torch.Tensor:
    """Number of bits of positive integers, as float64."""
    return torch.frexp(values).exponent.to(torch.float64)
