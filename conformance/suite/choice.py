"""The streams that ``--only`` names: one rule for every command that takes a suite."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence

from refdec.command import UsageError


def chosen_names(names: Sequence[str], only: Iterable[str] | None) -> frozenset[str]:
    """The names that one of the patterns matches, e.g. ``odd-*``; without patterns all.

    :param names: of the suite's streams.
    :raises UsageError: a pattern matches none: what is misspelt would be left out unnoticed.
    """
    if only is None:
        return frozenset(names)
    found: set[str] = set()
    for pattern in only:
        matching = {name for name in names if fnmatch.fnmatchcase(name, pattern)}
        if not matching:
            raise UsageError(f"--only: the suite has no stream {pattern}")
        found |= matching
    return frozenset(found)
