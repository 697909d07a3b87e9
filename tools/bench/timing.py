"""Interleaved timing: every candidate once per round, so that all of them meet the same machine."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Seconds of one candidate over all rounds: wall time, and processor time of the calling thread."""

    samples: tuple[float, ...]
    processor: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.samples)

    @property
    def cpu(self) -> float:
        """Median of the processor time: hardly longer on a busy machine, but blind for other threads."""
        return statistics.median(self.processor)

    @property
    def best(self) -> float:
        return min(self.samples)


def interleave(candidates: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Timing]:
    """Time every candidate ``rounds`` times, in turns, after one untimed run each.

    The order turns round by round, so that nobody always runs behind the same neighbour.
    """
    for candidate in candidates.values():
        candidate()
    names = list(candidates)
    samples: dict[str, list[float]] = {name: [] for name in names}
    processor: dict[str, list[float]] = {name: [] for name in names}
    enabled = gc.isenabled()
    gc.disable()
    try:
        for k in range(rounds):
            for name in names[k % len(names) :] + names[: k % len(names)]:
                begin, used = time.perf_counter(), time.thread_time()
                candidates[name]()
                processor[name].append(time.thread_time() - used)
                samples[name].append(time.perf_counter() - begin)
    finally:
        if enabled:
            gc.enable()
    return {name: Timing(tuple(samples[name]), tuple(processor[name])) for name in names}
