"""What a compilation did, layer by layer."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class LayerReport:
    """One integer node.

    :param fraction: least and greatest log2 of the activation scale.
    :param lo, hi: extremes of the clip range, in real units.
    :param weight_bits: bits of the largest weight, with sign; 0 where there are no weights.
    :param accumulator_bits: proved bits of the accumulator, with sign; 0 where there is none.
    :param shift: least and greatest right shift.
    :param snr: signal to error of the output against the float network on the calibration inputs, in dB,
        everything before this node quantised as well; inside the range, where a format gives one.
    :param saturated: calibration values cut off at a range that calibration chose.
    :param values: how many there were.
    """

    name: str
    op: str
    channels: int
    fraction: tuple[float, float]
    lo: float
    hi: float
    weight_bits: int
    accumulator_bits: int
    shift: tuple[int, int]
    snr: float
    saturated: int
    values: int


@dataclass
class CompilationReport:
    """All layers of one graph, in order. ``scales`` holds every tensor's real scale per channel."""

    graph: str
    scheme: str
    layers: list[LayerReport] = field(default_factory=list)
    scales: dict[str, np.ndarray] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For JSON; the scales as lists."""
        return {
            "graph": self.graph,
            "scheme": self.scheme,
            "layers": [asdict(layer) for layer in self.layers],
            "scales": {name: scale.tolist() for name, scale in self.scales.items()},
        }

    def markdown(self) -> str:
        """A table with a row for each layer."""
        lines = [
            "| node | op | channels | log2 scale | range | w bits | acc bits | shift | SNR | saturated |",
            "|---|---|---|---|---|---|---|---|---|---|",
        ]
        for x in self.layers:
            lines.append(
                f"| {x.name} | {x.op} | {x.channels} | {x.fraction[0]:.1f}..{x.fraction[1]:.1f} "
                f"| {x.lo:.3g}..{x.hi:.3g} | {x.weight_bits or ''} | {x.accumulator_bits or ''} "
                f"| {x.shift[0]}..{x.shift[1]} | {x.snr:.1f} | {x.saturated} of {x.values} |"
            )
        return "\n".join(lines)


def signal_to_noise(pairs: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """dB of reference power over error power, for (reference, found) pairs; infinite if there is no error."""
    power = sum(float(np.square(a, dtype=np.float64).sum()) for a, _ in pairs)
    error = sum(float(np.square(b - a, dtype=np.float64).sum()) for a, b in pairs)
    if error == 0.0:
        return float("inf")
    return 10 * float(np.log10(max(power, 1e-300) / error))
