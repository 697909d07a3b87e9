"""What becomes of one stream under one decoder, and the samples by which it is told."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Status = Literal["pass", "mismatch", "error", "crash", "timeout", "not run"]
STATUSES: tuple[Status, ...] = ("pass", "mismatch", "error", "crash", "timeout", "not run")
Planes = tuple[npt.NDArray[Any], ...]


@dataclass(frozen=True)
class Outcome:
    """The verdict on one stream.

    ``pass``: every digest is the stated one, or the stream was refused as it must (or may) be.
    ``mismatch``: the decoder was content, and gave something else. ``error``: it refused, or wrote nothing.
    ``crash``: its process died. ``timeout``: it was stopped. ``not run``: it was not asked.

    :param decoder: engine name, or ``external``.
    :param detail: one line for people; what differs first, or why nothing was run.
    :param divergence: first tensor that differs, as of ``refdec compare --json``.
    :param planes: what was decoded, where a report wants to show it; :attr:`expected` likewise.
    """

    name: str
    group: str
    decoder: str
    status: Status
    detail: str
    seconds: float = 0.0
    divergence: dict[str, Any] | None = None
    planes: Planes | None = field(default=None, repr=False)
    expected: Planes | None = field(default=None, repr=False)

    @property
    def failed(self) -> bool:
        """Whether this makes the run fail: everything but a pass and what was not run."""
        return self.status not in ("pass", "not run")


def planar_bytes(planes: Sequence[npt.NDArray[Any]]) -> bytes:
    """Planes behind each other, rows from top to bottom; above 8 bits little-endian."""
    return b"".join(np.ascontiguousarray(p, p.dtype.newbyteorder("<")).tobytes() for p in planes)


def planar_digest(planes: Sequence[npt.NDArray[Any]]) -> str:
    """SHA-256 of :func:`planar_bytes`."""
    return hashlib.sha256(planar_bytes(planes)).hexdigest()


def pixel_digest(planes: Sequence[npt.NDArray[Any]]) -> str:
    """SHA-256 of the samples pixel by pixel, as in a PNG; planes of equal size."""
    return planar_digest([np.stack(planes, axis=-1)])
