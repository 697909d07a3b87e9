"""What calibration inputs say about every tensor of a float graph: ranges with their tails, and moments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from conformance.quantize.float_graph import FloatGraph

#: calibration inputs: values by input name, and the luma size for ``crop`` (``None`` if there is no crop)
Sample = tuple[Mapping[str, np.ndarray], "tuple[int, int] | None"]

_KEPT = 128


@dataclass
class ChannelStatistics:
    """One tensor, per channel (float64 ``[C]``), over ``count`` positions.

    ``lowest`` and ``highest`` keep the extreme values seen (``[C, n]``, most extreme first), so that a range
    may leave out a stated share of the positions.
    """

    lowest: np.ndarray
    highest: np.ndarray
    mean: np.ndarray
    square: np.ndarray
    count: int

    @classmethod
    def of(cls, value: np.ndarray) -> ChannelStatistics:
        """Statistics of one ``[C, H, W]`` tensor."""
        flat = np.asarray(value).reshape(value.shape[0], -1)
        mean, square = flat.mean(1, dtype=np.float64), np.einsum("cn,cn->c", flat, flat) / flat.shape[1]
        return cls(_extreme(flat, -1), _extreme(flat, 1), mean, square.astype(np.float64), flat.shape[1])

    def add(self, value: np.ndarray) -> None:
        """Takes in one more ``[C, H, W]`` tensor."""
        flat = np.asarray(value).reshape(value.shape[0], -1)
        total = self.count + flat.shape[1]
        mean, square = flat.mean(1, dtype=np.float64), np.einsum("cn,cn->c", flat, flat)
        self.mean = (self.mean * self.count + mean * flat.shape[1]) / total
        self.square = (self.square * self.count + square) / total
        self.count = total
        self.lowest = -_merge(-self.lowest, -flat)
        self.highest = _merge(self.highest, flat)

    def range(self, tail: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """(lo, hi) per channel that at most a share ``tail`` of the positions exceeds on each side."""
        skip = min(int(tail * self.count), self.highest.shape[1] - 1)
        return self.lowest[:, skip], self.highest[:, skip]

    @property
    def variance(self) -> np.ndarray:
        return np.maximum(self.square - self.mean**2, 0.0)


def _extreme(flat: np.ndarray, sign: int) -> np.ndarray:
    """The up to ``_KEPT`` largest (sign 1) or smallest (-1) values of each row, most extreme first."""
    rows = torch.from_numpy(np.ascontiguousarray(flat))
    found = torch.topk(rows, min(_KEPT, flat.shape[1]), dim=1, largest=sign > 0).values
    return found.numpy().astype(np.float64)


def _merge(known: np.ndarray, flat: np.ndarray) -> np.ndarray:
    """The largest values of each row among ``known`` (largest first) and ``flat``."""
    if known.shape[1] < _KEPT:
        return _extreme(np.concatenate([known, flat], 1), 1)
    # Few values pass the least of the kept ones, and only they need sorting.
    rows, columns = np.nonzero(flat > known[:, -1:].astype(flat.dtype))
    if rows.size == 0:
        return known
    most = int(np.bincount(rows).max())
    start = np.searchsorted(rows, rows, side="left")
    fresh = np.full((len(flat), most), -np.inf)
    fresh[rows, np.arange(rows.size) - start] = flat[rows, columns]
    return _extreme(np.concatenate([known, fresh], 1), 1)[:, :_KEPT]


def collect(graph: FloatGraph, samples: Iterable[Sample]) -> dict[str, ChannelStatistics]:
    """Statistics of every input and node output of ``graph`` over ``samples`` (float32 execution)."""
    seen: dict[str, ChannelStatistics] = {}

    def observe(name: str, value: np.ndarray) -> None:
        if name in seen:
            seen[name].add(value)
        else:
            seen[name] = ChannelStatistics.of(value)

    for values, size in samples:
        graph.run(values, size, observe=observe)
    return seen
