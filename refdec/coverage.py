"""Points that a decode passes: reported to whoever listens, and nothing at all when nobody does.

Two kinds of facts tell how far a set of streams reaches. Which *statements* of docs/ a decode follows needs
no call: a comment that starts with a statement id (``# AR-Z-05``) says that the line of code it stands at
implements it, and a tracer looks at the lines (``conformance.coverage``). *Finer points*, which a line does
not show, are reported here: which side of a clip was reached, which states of a table were visited.

The golden engine reports, and so does what all engines share; the fast engine does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Item = TypeVar("Item")
Listener = Callable[[str, str], None]
"""Called with the group of a point and its name."""
Bound = int | npt.NDArray[Any]

_listener: ContextVar[Listener | None] = ContextVar("coverage", default=None)


@contextmanager
def heard_by(listener: Listener | None) -> Iterator[None]:
    """Within the block, points of this thread are reported to ``listener``; ``None`` silences them."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def is_heard() -> bool:
    """Whether anybody listens."""
    return _listener.get() is not None


def point(group: str, name: str) -> None:
    """A point is passed."""
    listener = _listener.get()
    if listener is not None:
        listener(group, name)


def clips(what: str, values: npt.NDArray[Any], low: Bound, high: Bound) -> None:
    """Values are about to be clipped to ``low..high``: report the sides on which some lie outside."""
    listener = _listener.get()
    if listener is None:
        return
    if np.any(values < low):
        listener("saturation", f"{what} low")
    if np.any(values > high):
        listener("saturation", f"{what} high")


def values(group: str, what: str, array: npt.NDArray[Any]) -> None:
    """Report each value that occurs, as ``what value``."""
    listener = _listener.get()
    if listener is not None:
        for value in np.unique(array).tolist():
            listener(group, f"{what} {value}")


def visited(group: str, name: str, row: list[Item]) -> list[Item]:
    """A table row that reports each entry that is looked up, as ``name[index]``; the row itself unheard."""
    listener = _listener.get()
    return row if listener is None else _Visited(row, group, name, listener)


def visited_rows(group: str, rows: Sequence[list[Item]]) -> Sequence[list[Item]]:
    """The same for a table of rows, which are named by their numbers."""
    if _listener.get() is None:
        return rows
    return [visited(group, str(number), row) for number, row in enumerate(rows)]


class _Visited(list[Item]):
    def __init__(self, row: list[Item], group: str, name: str, listener: Listener) -> None:
        super().__init__(row)
        self._known: set[int] = set()
        self._listener, self._group, self._name = listener, group, name

    def __getitem__(self, index: Any) -> Any:
        if index not in self._known:
            self._known.add(index)
            self._listener(self._group, f"{self._name}[{index}]")
        return super().__getitem__(index)
