"""Work shared out among OS threads. The kernels release the interpreter lock."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

Result = TypeVar("Result")


@cache
def _pool(workers: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers, thread_name_prefix="refdec-entropy")


if hasattr(os, "register_at_fork"):
    # A child process has none of its parent's threads.
    os.register_at_fork(after_in_child=_pool.cache_clear)


def split(items: int, workers: int) -> list[tuple[int, int]]:
    """``items`` in up to ``workers`` runs of nearly equal length, as (begin, end); none is empty."""
    parts = max(1, min(items, workers))
    return [(items * k // parts, items * (k + 1) // parts) for k in range(parts)]


def run_all(tasks: Sequence[Callable[[], Result]], workers: int) -> list[Result]:
    """Results of all tasks in order; the caller's thread takes the first.

    The tasks must not call this function themselves.
    """
    if workers <= 1 or len(tasks) <= 1:
        return [task() for task in tasks]
    others = [_pool(workers - 1).submit(task) for task in tasks[1:]]
    first = tasks[0]()
    return [first, *(other.result() for other in others)]
