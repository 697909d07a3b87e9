"""One decode of possibly malicious data: how it ends, how long it takes, what it allocates."""

from __future__ import annotations

import time
import tracemalloc
from dataclasses import dataclass

from refdec.codestream import Dialect
from refdec.decoder import decode_entropy
from refdec.errors import BitstreamError
from refdec.limits import Limits
from refdec.models_io import ModelSet

LIMITS = Limits(max_input_bytes=1 << 20, max_pixels=2_000_000, max_memory_bytes=256 << 20)
SECONDS = 10.0
# What is allocated besides the tensors that the limit is about: the parsed headers and field records.
SLACK = 16 << 20


@dataclass(frozen=True)
class Outcome:
    """How a decode ended.

    :param error: ``None`` for a result.
    :param peak: bytes allocated at the most, 0 where it was not measured.
    """

    error: BitstreamError | None
    seconds: float
    peak: int

    @property
    def place(self) -> tuple[str, str | None, int | None] | None:
        """Class, element and bit offset of the error."""
        if self.error is None:
            return None
        return type(self.error).__name__, self.error.element, self.error.bit_offset


def attempt(
    data: bytes, models: ModelSet, engine: str, dialect: Dialect = Dialect.T840, memory: bool = False
) -> Outcome:
    """Decode; anything but a result or a :class:`BitstreamError` propagates and fails the test."""
    if memory:
        tracemalloc.start()
    start = time.perf_counter()
    error = None
    try:
        decode_entropy(data, models, engine=engine, dialect=dialect, limits=LIMITS)
    except BitstreamError as caught:
        error = caught
        assert str(error) and error.message and error.exit_code in (3, 4, 5)
    seconds = time.perf_counter() - start
    peak = 0
    if memory:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak <= LIMITS.max_memory_bytes + SLACK, f"{peak} bytes allocated"
    assert seconds < SECONDS, f"{seconds} s"
    return Outcome(error, seconds, peak)
