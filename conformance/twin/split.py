"""How a sum of products is cut so that float32 holds every part of it exactly, and the proof.

Float32 has every integer up to 2^24. A sum of products whose partial sums all stay within that is exact
in every order, with fused multiply-add or without, on every device. Larger sums are cut three ways: the
activations into a low and a high part, the weights likewise, and the input channels into runs. The
parts are put together in integers. Everything here is computed from the weights and the proved ranges of
the activations, with integers, before any activation is seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from conformance.twin.exact import InexactError

LIMIT = 1 << 24
"""Float32 holds every integer of this magnitude and below; 2^24 + 1 it does not."""
INT32_MAX = (1 << 31) - 1
INT64_MAX = (1 << 63) - 1
LOW_BITS = (8, 7, 9, 6, 10, 5, 11, 4, 12)
"""Sizes of the low part that are tried, likely ones first."""
OVERHEAD = 64
"""Products per output sample that cost as much time as adding one more partial sum to the others."""

Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """One part of integers ``v``: ``v`` itself, ``v mod 2^bits`` with a sign, or the rest ``/ 2^bits``.

    :param bits: of the low part; 0 if ``v`` is not cut.
    :param high: whether this is the rest.
    """

    bits: int = 0
    high: bool = False

    @property
    def shift(self) -> int:
        """``v`` is the sum of its parts times ``2^shift``."""
        return self.bits if self.high else 0

    def of(self, values: Int64Array) -> Int64Array:
        """This part of every value."""
        if not self.bits:
            return values
        half = 1 << (self.bits - 1)
        return (values + half) >> self.bits if self.high else ((values + half) & (2 * half - 1)) - half

    def reach(self, lo: Int64Array, hi: Int64Array) -> tuple[Int64Array, Int64Array]:
        """Least and greatest value of this part, or 0, where values are in ``lo..hi``."""
        if self.high or not self.bits:
            low, high = self.of(lo), self.of(hi)
        else:
            half = 1 << (self.bits - 1)
            inside = (lo >= -half) & (hi < half)
            low, high = np.where(inside, lo, -half), np.where(inside, hi, half - 1)
        return np.minimum(low, 0), np.maximum(high, 0)

    def largest(self, magnitude: int) -> int:
        """Magnitude of this part where that of the values is ``magnitude`` at most."""
        low, high = self.reach(np.array([-magnitude]), np.array([magnitude]))
        return int(max(-low[0], high[0]))


WHOLE = (Part(),)


def parts(bits: int) -> tuple[Part, ...]:
    """Low and high part, or all in one for 0 bits."""
    return (Part(bits), Part(bits, high=True)) if bits else WHOLE


@dataclass(frozen=True)
class Product:
    """One exact sum in float32: a part of the weights times a part of the activations.

    :param start, stop: input channels within each group of the convolution.
    :param bound: the largest magnitude that a partial sum of it can have, in any order.
    """

    weight: Part
    activation: Part
    start: int
    stop: int
    bound: int

    @property
    def shift(self) -> int:
        """Its sum counts ``2^shift`` times."""
        return self.weight.shift + self.activation.shift


@dataclass(frozen=True)
class Plan:
    """All products of one layer.

    :param name: of the node.
    :param products: their sums, shifted, add up to the accumulator without its bias.
    :param bound: the largest magnitude while they are added up, with bias and rounding.
    :raises InexactError: a sum is not proved to be exact.
    """

    name: str
    products: tuple[Product, ...]
    bound: int

    def __post_init__(self) -> None:
        worst = max(self.products, key=lambda p: p.bound)
        if worst.bound > LIMIT:
            raise InexactError(
                f"{self.name}: a sum of products may reach {worst.bound} in channels {worst.start} to"
                f" {worst.stop - 1}, float32 is exact up to {LIMIT}"
            )
        if self.bound > INT64_MAX:
            raise InexactError(f"{self.name}: the parts may add up to {self.bound}, beyond 64 bits")

    @property
    def narrow(self) -> bool:
        """Whether the parts can be put together in int32."""
        return self.bound <= INT32_MAX

    @property
    def activations(self) -> tuple[Part, ...]:
        """The parts of the activations that are needed, each once."""
        return tuple(dict.fromkeys(p.activation for p in self.products))


@dataclass(frozen=True)
class Terms:
    """The products that one layer adds up, as bounds need them.

    :param weight: int64 ``[rows, channels, taps]``; a row is an output channel, or one phase of it.
    :param lo, hi: int64 ``[rows, channels]``: what each row finds in its channels.
    :param constant: int64 ``[rows]``: magnitudes of what is added besides.
    """

    weight: Int64Array
    lo: Int64Array
    hi: Int64Array
    constant: Int64Array

    def plan(self, name: str, weight_bits: int, activation_bits: int, *, whole: bool = False) -> Plan:
        """The plan with these low parts.

        :param whole: leave the channels together, whatever the bound.
        :raises InexactError: already one channel can pass the limit.
        """
        total = self.constant.copy()
        found = []
        reaches = {a: a.reach(self.lo, self.hi) for a in parts(activation_bits)}
        for w in parts(weight_bits):
            taken = w.of(self.weight)
            plus, minus = np.maximum(taken, 0).sum(axis=2), np.minimum(taken, 0).sum(axis=2)
            for a, (lo, hi) in reaches.items():
                # As in AN-PROOF-03: an interval that holds every partial sum in every order.
                sums = np.stack([plus * hi + minus * lo, -(plus * lo + minus * hi)])
                reach = sums.cumsum(axis=2)
                total += reach[:, :, -1].max(axis=0) << (w.shift + a.shift)
                for start, stop in [(0, reach.shape[2])] if whole else _runs(reach):
                    before = reach[:, :, start - 1] if start else 0
                    bound = int((reach[:, :, stop - 1] - before).max())
                    found.append(Product(w, a, start, stop, bound))
        return Plan(name, tuple(found), int(total.max()))

    def cost(self, plan: Plan) -> int:
        """Work for one output sample."""
        taps = self.weight.shape[2]
        return sum((p.stop - p.start) * taps + OVERHEAD for p in plan.products)

    def best(self, name: str) -> Plan:
        """The cheapest plan that is proved.

        :raises InexactError: none is.
        """
        once = self.weight.shape[1] * self.weight.shape[2] + OVERHEAD
        chosen: Plan | None = None
        cuts = [
            (0, 0),
            *((0, b) for b in LOW_BITS),
            *((b, 0) for b in LOW_BITS),
            *product(LOW_BITS, LOW_BITS),
        ]
        for weight_bits, activation_bits in cuts:
            least = once * (1 + bool(weight_bits)) * (1 + bool(activation_bits))
            if chosen is not None and self.cost(chosen) <= least:
                continue
            try:
                plan = self.plan(name, weight_bits, activation_bits)
            except InexactError:
                continue
            if chosen is None or self.cost(plan) < self.cost(chosen):
                chosen = plan
        # Where nothing fits, the finest cut says by how much.
        return self.plan(name, 8, 8) if chosen is None else chosen


def _runs(reach: Int64Array) -> list[tuple[int, int]]:
    """Runs of channels, as long as the limit allows; ``reach`` [2, rows, channels] is a running sum."""
    out: list[tuple[int, int]] = []
    start, channels = 0, reach.shape[2]
    while start < channels:
        before = reach[:, :, start - 1 : start] if start else 0
        over = np.flatnonzero((reach[:, :, start:] - before).max(axis=(0, 1)) > LIMIT)
        stop = start + int(over[0]) if len(over) else channels
        stop = max(stop, start + 1)  # a channel that is too large alone is refused by the plan
        out.append((start, stop))
        start = stop
    return out
