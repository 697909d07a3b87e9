"""Which engine really computed a part of a decode: said by the engine itself, not by who asked for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

PARTS = ("entropy", "networks", "latents", "filters", "picture")

_open: list[dict[str, set[str]]] = []


def ran(part: str, engine: str) -> None:
    """An implementation says that it computes.

    :param part: one of :data:`PARTS`.
    :param engine: ``jit``, ``golden`` or ``twin``.
    """
    for record in _open:
        record.setdefault(part, set()).add(engine)


@contextmanager
def recorded() -> Iterator[dict[str, set[str]]]:
    """Within the block, the engines of every part that computes anything in this process, in any thread."""
    record: dict[str, set[str]] = {}
    _open.append(record)
    try:
        yield record
    finally:
        _open[:] = [other for other in _open if other is not record]
