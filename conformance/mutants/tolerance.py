"""What a check with a tolerance would have said of a mutant: pictures compared with the right ones.

Two checks, as they are in use. ``difference``: no sample is further from the right one than 1.
``psnr``: the picture is worth 0.1 dB less at the most. The loss of a picture whose coding error has mean
square E and which lies D (mean square, taken as independent of the coding error) from the right picture
is 10 log10(1 + D / E); for a picture of 35 dB it is 0.1 dB at D = 0.0233 * 255^2 / 10^3.5, that is at 51.3 dB
between the two. Integer arithmetic throughout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from conformance.mutants.cases import Case, Planes
from conformance.mutants.mutant import Mutant
from conformance.mutants.replay import decode

ALLOWED_PER_MILLION = 7_413
"""Mean squared difference of 51.3 dB, in millionths of 255 squared thousandths: 10^-5.13 = 7.413e-6."""


@dataclass(frozen=True)
class Tolerated:
    """What the pictures of a mutant say.

    :param pictures: that were compared before both checks objected.
    :param changed: pictures among them that differ at all.
    :param difference: a check for a largest difference of 1 lets all pictures through.
    :param psnr: a check for a loss of 0.1 dB does.
    :param worst: largest difference found.
    """

    pictures: int
    changed: int
    difference: bool
    psnr: bool
    worst: int


def tolerated(mutant: Mutant, cases: Sequence[Case]) -> Tolerated:
    """Decode the pictures of ``cases`` with a mutant that is applied, until both checks object."""
    pictures = changed = worst = 0
    difference = psnr = True
    for case in cases:
        if not (difference or psnr):
            break
        pictures += 1
        try:
            planes = decode(case, mutant.stages[0], "picture", None)
        except Exception:
            return Tolerated(pictures, changed + 1, False, False, worst)
        assert planes is not None and case.picture is not None
        distance, close = compare(planes, case.picture)
        worst = max(worst, distance)
        changed += distance > 0
        difference = difference and distance <= 1
        psnr = psnr and close
    return Tolerated(pictures, changed, difference, psnr, worst)


def compare(found: Planes, right: Planes) -> tuple[int, bool]:
    """Largest difference of two pictures, and whether their mean squared difference is within 51.3 dB.

    A picture of another shape or depth is as far away as can be.
    """
    if [(p.shape, p.dtype) for p in found] != [(p.shape, p.dtype) for p in right]:
        return 1 << 16, False
    worst = total = count = 0
    for a, b in zip(found, right, strict=True):
        difference = a.astype(np.int64) - b.astype(np.int64)
        worst = max(worst, int(np.abs(difference).max(initial=0)))
        total += int((difference * difference).sum())
        count += difference.size
    top = 255 if right[0].dtype == np.uint8 else 1023
    # total / count / top^2 <= 7.413e-6
    return worst, total * 10**9 <= ALLOWED_PER_MILLION * count * top * top
