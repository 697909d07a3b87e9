"""Measure how far the integer dequantisation lies from float32 dequantisation, operation by operation.

The float32 side does what the reference software does: one binary32 operation at a time, in its
order. The integer side is the golden engine. Distances are exact (every operand fits a double).

    python tools/measure_dequantisation.py                    gains, qualities and RVS inverses, 98 residuals
    python tools/measure_dequantisation.py --all-residuals    every residual, without RVS (some minutes)

The numbers are quoted in docs/arithmetic.md, statement AR-DEQ-04.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from refdec.entropy.golden import dequantise as golden
from refdec.entropy.tables import SCALE_INDEX_MAX, SCALE_INDEX_MIN, parameters, scaler_table

STEP = np.float32(0.20036548400207613)
TINY = 1e-9
QUALITIES = np.arange(-8, 9)
NEGATIVE_RESIDUALS = [-1, -2, -3, -7, -64, -255, -4097, -32767, -32768]
POWERS = [2**k + d for k in range(7, 15) for d in (-1, 0, 1)]
RESIDUALS = np.array([*range(1, 65), *POWERS, 32767, *NEGATIVE_RESIDUALS])


def float_scaler(index: NDArray[np.int64]) -> NDArray[np.float32]:
    """The multiplier with binary32 operations; the exponential is that of torch where torch is installed.

    Binary32 exponentials differ between libraries in the last place, which can move the rounding to
    1/1024. Without torch the exponential is computed in double and rounded to binary32.
    """
    x = (index.astype(np.float32) * STEP) / np.float32(128)
    try:
        import torch

        return (torch.round(torch.exp(torch.from_numpy(x)) * 1024) / 1024).numpy()
    except ImportError:
        return np.rint(np.exp(x.astype(np.float64)).astype(np.float32) * np.float32(1024)) / np.float32(1024)


def float_dequantise(
    residual: NDArray[np.integer],
    scaler: NDArray[np.float32],
    linear: NDArray[np.integer] | None,
    inverse: NDArray[np.integer] | None,
) -> NDArray[np.float32]:
    """Residual, then RVS, quality map and gain, each one binary32 operation (arrays broadcast)."""
    value = residual.astype(np.float32)
    if inverse is not None:
        value = (value * inverse.astype(np.float32)) / np.float32(65536)
    if linear is not None:
        value = value / (linear.astype(np.float32) / np.float32(16) + np.float32(TINY))
    return value / (scaler.astype(np.float32) + np.float32(TINY))


@dataclass
class Distance:
    """What was seen of one domain; distances in steps of the fixed-point format (2 ** -12)."""

    cases: int = 0
    saturated: int = 0
    other_neighbour: int = 0
    largest_below_1024: float = 0.0
    largest: float = 0.0
    largest_at: dict[str, float] = field(default_factory=dict)
    relative: float = 0.0

    def add(self, fixed: NDArray[np.int32], reference: NDArray[np.float32]) -> None:
        exact = reference.astype(np.float64) * 4096
        saturated = np.abs(exact) > 2.0**31 - 1
        distance = np.where(saturated, 0, np.abs(fixed - exact))
        self.cases += fixed.size
        self.saturated += int(saturated.sum())
        self.other_neighbour += int((distance > 0.5).sum())
        small = np.abs(exact) < 1024 * 4096
        self.largest_below_1024 = max(self.largest_below_1024, float(distance[small].max(initial=0)))
        top = int(distance.argmax())
        if distance.flat[top] > self.largest:
            self.largest = float(distance.flat[top])
            self.largest_at = {
                "fixed": float(fixed.flat[top]) / 4096,
                "reference": float(reference.flat[top]),
            }
        # Beyond half a step: what float32 itself lost, relative to the value.
        excess = (distance - 0.5) / np.maximum(np.abs(exact), 1)
        self.relative = max(self.relative, float(excess.max(initial=0)))

    def report(self) -> dict[str, object]:
        return {
            "cases": self.cases,
            "saturated": self.saturated,
            "beyond_half_step": self.other_neighbour,
            "largest_steps_below_1024": self.largest_below_1024,
            "largest_steps": self.largest,
            "largest_at": self.largest_at,
            "excess_relative_log2": math.log2(self.relative) if self.relative else None,
        }


def cases(
    indices: NDArray[np.int64],
    scalers: NDArray[np.float32],
    qualities: NDArray[np.int64],
    inverses: list[int | None],
    residuals: NDArray[np.int64],
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.float32]]]:
    """Fixed-point and float32 values of every combination, a few multipliers at a time."""
    linear = parameters()["quality_linear"].astype(np.int64)[qualities + 8]
    rows = max(1, 2**21 // (len(qualities) * len(residuals)))
    for begin in range(0, len(indices), rows):
        part = slice(begin, begin + rows)
        shape = (len(indices[part]), len(residuals), len(qualities))
        residual = np.broadcast_to(residuals[None, :, None], shape)
        quality = np.broadcast_to(qualities, shape[1:])
        for inverse in inverses:
            multiplier = None if inverse is None else np.full(shape, inverse)
            fixed = golden.dequantise(residual, indices[part], quality, multiplier)
            factor = None if inverse is None else np.array(inverse)
            yield fixed, float_dequantise(residual, scalers[part, None, None], linear, factor)


def measure(
    indices: NDArray[np.int64], inverses: list[int | None], residuals: NDArray[np.int64], unique: bool = False
) -> Distance:
    """Every combination of multipliers, all qualities, inverses and residuals.

    :param unique: of multipliers with one value of the scaler, take one: the others give the same.
    """
    scalers = float_scaler(indices)
    if unique:
        scalers, first = np.unique(scalers, return_index=True)
        indices = indices[first]
    result = Distance()
    for fixed, reference in cases(indices, scalers, QUALITIES, inverses, residuals):
        result.add(fixed, reference)
    return result


def domains() -> dict[str, NDArray[np.int64]]:
    """Multipliers by domain: the 12-bit gain, all that can be reached, and those where float32 differs."""
    reachable = np.arange(SCALE_INDEX_MIN, SCALE_INDEX_MAX + 1)
    exact = scaler_table() == float_scaler(reachable).astype(np.float64) * 1024
    gain = np.arange(-2048, 2048)
    return {
        "gain": gain,
        "reachable, equal multiplier": reachable[exact],
        "other multiplier": reachable[~exact],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all-residuals", action="store_true", help="all 65536 residuals, without RVS")
    arguments = parser.parse_args()
    inverses = [None, *sorted(set(parameters()["scaling_inverse"].ravel().tolist()) - {65536})]
    if arguments.all_residuals:
        residuals, inverses = np.arange(-32768, 32768), [None]
    else:
        residuals = RESIDUALS
    for name, indices in domains().items():
        result = measure(indices, inverses, residuals, unique=arguments.all_residuals)
        where = {"multipliers": len(indices), "inverses": len(inverses), "residuals": len(residuals)}
        print(json.dumps({"domain": name, **where, **result.report()}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
