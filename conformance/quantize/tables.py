"""Lookup tables of elementwise functions on int16 activations, correctly rounded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + mpmath.exp(-x))


def _elu(x: Any) -> Any:
    return x if x > 0 else mpmath.expm1(x)


_EXACT: dict[str, Callable[[Any], Any]] = {"sigmoid": _sigmoid, "elu": _elu}


def _approximate(function: str, x: np.ndarray) -> np.ndarray:
    if function == "sigmoid":
        return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def table(function: str, input_fraction: int, output_fraction: int) -> np.ndarray:
    """int16 ``[65536]``: entry ``a + 32768`` is f(a / 2^input_fraction) * 2^output_fraction, to the nearest
    integer (a tie upwards), limited to -32767..32767.

    float64 decides where it safely can; entries within 1e-6 of a tie are decided with 100 bits.
    """
    a = np.arange(-32768, 32768)
    scaled = _approximate(function, np.ldexp(a.astype(np.float64), -input_fraction))
    scaled = np.clip(np.ldexp(scaled, output_fraction), -40000.0, 40000.0)
    rounded = np.floor(scaled + 0.5)
    with mpmath.workprec(100):
        for i in np.flatnonzero(np.abs(scaled - np.floor(scaled) - 0.5) < 1e-6):
            value = _EXACT[function](mpmath.ldexp(int(a[i]), -input_fraction))
            rounded[i] = float(mpmath.floor(mpmath.ldexp(value, output_fraction) + mpmath.mpf(0.5)))
    return np.clip(rounded, -32767, 32767).astype(np.int16)
