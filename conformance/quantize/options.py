"""What a compilation can be told: scheme, calibration policy, fixed number formats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refdec.errors import RefdecError


class QuantisationError(RefdecError):
    """A float network that has no integer form under the given scheme and formats."""

    code = "quantisation"
    exit_code = 2


@dataclass(frozen=True)
class Scheme:
    """Largest weight and activation magnitudes. Graph inputs and outputs are int16 in every scheme."""

    name: str
    weight_limit: int
    activation_limit: int

    @property
    def weight_dtype(self) -> np.dtype[np.signedinteger]:
        return np.dtype(np.int8 if self.weight_limit <= 127 else np.int16)


SCHEMES = {
    "w16a16": Scheme("w16a16", 32767, 32767),
    "w8a16": Scheme("w8a16", 127, 32767),
    "w8a8": Scheme("w8a8", 127, 127),
}


@dataclass(frozen=True)
class Format:
    """A number format that is given, not chosen, for a graph input or output.

    :param fraction: power-of-two exponent of the scale, an int or one per channel; ``None``: chosen.
    :param lo, hi: integer range, an int or one per channel; ``None``: from calibration.
    """

    fraction: int | np.ndarray | None = None
    lo: int | np.ndarray | None = None
    hi: int | np.ndarray | None = None


@dataclass(frozen=True)
class Options:
    """Calibration policy.

    :param headroom: calibrated ranges are widened by ``headroom - 1`` of their reach on each side.
    :param tail, explosion, tail_reach: a tensor explodes if its channels' extremes are, in the median, more
        than ``explosion`` times the value that a share ``tail`` of the positions exceeds; its ranges then end
        at ``tail_reach`` times that value. Elsewhere ranges leave nothing out.
    :param floor: a channel's range reaches at least this share of its tensor's reach (on both sides at graph
        inputs).
    :param rounding: ``adaptive`` or ``nearest``.
    :param bias_correction: with ``nearest``, whether biases take up the mean error (adaptive always does).
    :param free_scales: whether scales may be other than powers of two where nobody can tell.
    :param plan_scales: whether scales are planned for the whole network or each just fills its range.
    :param rows: most positions looked at for one layer's rounding.
    :param ridge: see :mod:`conformance.quantize.rounding`.
    :param seed: of the choice of those positions.
    """

    headroom: float = 2.25
    tail: float = 1e-4
    explosion: float = 6.0
    tail_reach: float = 5.0
    floor: float = 0.05
    rounding: str = "adaptive"
    bias_correction: bool = True
    free_scales: bool = True
    plan_scales: bool = True
    rows: int = 20000
    ridge: float = 0.01
    seed: int = 0
