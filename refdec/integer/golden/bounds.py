"""What the golden engine asserts while it computes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from refdec.integer.proof import Accumulator, Interval

Int64Array = npt.NDArray[np.int64]


class BoundViolation(AssertionError):
    """An intermediate value outside the interval that was proved for it."""


def require(name: str, what: str, values: Int64Array, low: Int64Array | int, high: Int64Array | int) -> None:
    """Hold ``values`` ``[C, ...]`` against limits, one pair or one per channel.

    :raises BoundViolation: names the first value outside.
    """
    if values.size == 0:
        return
    if values.ndim > 1:
        rest = tuple(range(1, values.ndim))
        least, greatest = values.min(axis=rest), values.max(axis=rest)
    else:
        least, greatest = values, values
    bad = (least < low) | (greatest > high)
    if bad.any():
        channel = int(np.argmax(bad))
        raise BoundViolation(
            f"{name}, channel {channel}: {what} {least[channel]}..{greatest[channel]} leaves "
            f"{np.broadcast_to(low, bad.shape)[channel]}..{np.broadcast_to(high, bad.shape)[channel]}"
        )


class Watch:
    """Checks one node: its partial sums, its complete sums and its output."""

    def __init__(
        self,
        name: str,
        proved: Accumulator | None,
        report: Callable[[str, Int64Array], None] | None,
    ) -> None:
        self.name = name
        self._proved = proved
        self._report = report

    def partial(self, values: Int64Array) -> None:
        """A sum on its way, ``[C, H, W]``: within what every partial sum is proved to be within."""
        assert self._proved is not None, self.name
        require(self.name, "partial sum", values, self._proved.low, self._proved.high)

    def complete(self, values: Int64Array) -> None:
        """The sum before rounding, ``[C, H, W]``."""
        assert self._proved is not None, self.name
        require(self.name, "sum", values, self._proved.acc_lo, self._proved.acc_hi)
        if self._report is not None:
            self._report(self.name, values)

    def rounded(self, values: Int64Array) -> None:
        """The sum with the rounding term, ``[C, H, W]``: still inside the accumulator."""
        self.partial(values)

    def below(self, what: str, values: Int64Array, limit: int) -> None:
        """An intermediate whose magnitude has a stated limit, any shape."""
        require(self.name, what, values.reshape(1, -1), -limit, limit)

    def output(self, values: Int64Array, shape: tuple[int, int, int], proved: Interval) -> None:
        """The node's result."""
        if values.shape != shape:
            raise BoundViolation(f"{self.name}: shape {values.shape}, inferred was {shape}")
        require(self.name, "output", values, proved.lo.astype(np.int64), proved.hi.astype(np.int64))
