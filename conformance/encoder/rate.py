"""Rate control: the model and the displacement at which a picture has a wanted size.

Three steps, each of which reuses what was coded before. The model: the one whose size at displacement 0 is
nearest to the target, as a ratio. A first estimate: the logarithm of the size is nearly linear in the
displacement. Then refinement inside a bracket, by interpolation in the same coordinates, by halving where
that does not shrink it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

DELTA_RANGE: dict[int, tuple[int, int]] = {0: (-1024, 259), 1: (-443, 259), 2: (-443, 702), 3: (-443, 702)}
"""Displacements that the reference encoder's rate control uses with each model."""
FULL_RANGE = (-1069, 702)
"""Displacements that can be coded; used where those above leave a gap."""
TYPICAL_BPP: dict[int, float] = {0: 0.27, 1: 0.67, 2: 1.36, 3: 2.5}
"""What photographs take at displacement 0: only where the search begins."""
SLOPE: dict[int, float] = {0: 0.0016, 1: 0.0013, 2: 0.0011, 3: 0.0009}
"""Of the logarithm of the size, per step of displacement, before two sizes are known."""
WINDOW = 300
"""How far from an estimate the search goes before it looks again."""
TOLERANCE = 0.01
MAX_TRIALS = 16

Trial = Callable[[int, int], int]
"""Codes with a model and a displacement, returns bits."""


@dataclass(frozen=True)
class Match:
    """What the search found.

    :param model_id: with :attr:`delta` the best trial. :param bits: its size.
    :param reached: the size is within the tolerance.
    :param trials: model, displacement and bits of every trial, in order.
    """

    model_id: int
    delta: int
    bits: int
    reached: bool
    trials: tuple[tuple[int, int, int], ...]


def match_rate(
    target: float,
    trial: Trial,
    pixels: int,
    models: Sequence[int],
    *,
    tolerance: float = TOLERANCE,
    ranges: Mapping[int, tuple[int, int]] = DELTA_RANGE,
) -> Match:
    """Find model and displacement.

    :param target: bits.
    :param trial: called once for each model and displacement that is tried.
    :param pixels: of the picture.
    :param models: models to choose from, at least one.
    """
    if target <= 0 or not models:
        raise ValueError(f"a target of {target} bits with {len(models)} models")
    search = _Search(target, trial, tolerance, dict(ranges), [])
    ordered = sorted(models)
    search.choose_model(ordered, pixels)
    searched: set[int] = set()
    while not search.reached:
        direction = search.refine()
        searched.add(search.model_id)
        position = ordered.index(search.model_id) + direction
        # where the model's range ends before the target, its neighbour goes on, and then what can be coded
        if direction == 0:
            break
        if not 0 <= position < len(ordered) or ordered[position] in searched:
            search.model_id = search.best()[0]
            if search.ranges[search.model_id] == FULL_RANGE:
                break
            search.ranges[search.model_id] = FULL_RANGE
            continue
        search.model_id = ordered[position]
        if search.model_id not in {m for m, _, _ in search.trials}:
            search.evaluate(search.clamp(0))
    model_id, delta, bits = search.best()
    return Match(model_id, delta, bits, search.reached, tuple(search.trials))


@dataclass
class _Search:
    target: float
    trial: Trial
    tolerance: float
    ranges: dict[int, tuple[int, int]]
    trials: list[tuple[int, int, int]]
    model_id: int = 0

    @property
    def reached(self) -> bool:
        return abs(self.best()[2] / self.target - 1) <= self.tolerance

    def best(self) -> tuple[int, int, int]:
        return min(self.trials, key=lambda t: abs(t[2] - self.target))

    def clamp(self, delta: int) -> int:
        low, high = self.ranges[self.model_id]
        return min(max(delta, low), high)

    def evaluate(self, delta: int) -> float:
        """Logarithm of size over target."""
        bits = self.trial(self.model_id, delta)
        self.trials.append((self.model_id, delta, bits))
        return math.log(bits / self.target)

    def choose_model(self, models: Sequence[int], pixels: int) -> None:
        """The model nearest to the target at displacement 0, neighbours tried where they may be nearer."""
        ratio: dict[int, float] = {}
        at = min(models, key=lambda m: abs(math.log(TYPICAL_BPP[m] * pixels / self.target)))
        while True:
            self.model_id = at
            ratio[at] = self.evaluate(self.clamp(0))
            self.model_id = nearest = min(ratio, key=lambda m: self.distance(m, ratio[m]))
            place = models.index(nearest) + (-1 if ratio[nearest] > 0 else 1)
            if self.reached or not 0 <= place < len(models) or models[place] in ratio:
                return
            at = models[place]
            expected = ratio[nearest] + math.log(TYPICAL_BPP[at] / TYPICAL_BPP[nearest])
            if self.distance(at, expected) >= self.distance(nearest, ratio[nearest]):
                return

    def distance(self, model_id: int, log_ratio: float) -> float:
        """How far a size is from the target: the ratio of the larger to the smaller, as a logarithm; models
        whose range seems to end before the target come last."""
        low, high = self.ranges[model_id]
        outside = not low <= -log_ratio / SLOPE[model_id] <= high
        return abs(log_ratio) + (math.log(100) if outside else 0)

    def refine(self) -> int:
        """Search the model's range; 0, or -1 or 1 where the target lies below or above all of it."""
        low, high = self.ranges[self.model_id]
        known = {d: math.log(b / self.target) for m, d, b in self.trials if m == self.model_id}
        halve = False
        while not self.reached and len(self.trials) < MAX_TRIALS:
            below = max((d for d, v in known.items() if v < 0), default=None)
            above = min((d for d, v in known.items() if v >= 0), default=None)
            if below is not None and above is not None:
                if above - below <= 1:
                    return 0
                delta = (below + above) // 2 if halve else _interpolate(below, above, known)
                delta = min(max(delta, below + 1), above - 1)
                width = above - below
                known[delta] = self.evaluate(delta)
                halve = (
                    not halve
                    and min(abs(delta - below), abs(delta - above)) * 4 < width
                    and ((known[delta] < 0) == (abs(delta - below) < abs(delta - above)))
                )
                continue
            edge, bound = (below, high) if below is not None else (above, low)
            assert edge is not None
            if edge == bound:
                return 1 if below is not None else -1
            delta = self.clamp(_extrapolate(edge, known, SLOPE[self.model_id]))
            known[delta] = self.evaluate(delta)
        return 0


def _interpolate(below: int, above: int, known: Mapping[int, float]) -> int:
    span = known[above] - known[below]
    return below + round((above - below) * -known[below] / span)


def _extrapolate(edge: int, known: Mapping[int, float], slope: float) -> int:
    """From the outermost trial on, along the slope of the last two trials if there are two."""
    others = sorted((d for d in known if d != edge), key=lambda d: abs(d - edge))
    if others:
        measured = (known[edge] - known[others[0]]) / (edge - others[0])
        slope = min(max(measured, slope / 4), slope * 4)
    step = round(-known[edge] / slope)
    limit = WINDOW if others else 10 * WINDOW
    step = max(-limit, min(limit, step))
    return edge + (step or (-1 if known[edge] > 0 else 1))
