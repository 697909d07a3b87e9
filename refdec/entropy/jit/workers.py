"""The threads of a payload shared out among OS threads. The kernels release the interpreter lock."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from numpy.typing import NDArray

Walk = Callable[[Sequence[NDArray[Any]], int, int], int]


@cache
def _pool(workers: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers, thread_name_prefix="refdec-entropy")


if hasattr(os, "register_at_fork"):
    # A child process has none of its parent's threads.
    os.register_at_fork(after_in_child=_pool.cache_clear)


def share_out(arrays: Sequence[NDArray[Any]], items: int, workers: int, walk: Walk) -> int:
    """Walk ``items`` threads of a payload with up to ``workers`` OS threads, the caller's among them.

    :param arrays: what the walk writes all the time, one element per item. Each OS thread gets copies,
        so that no two write the same cache line, and its own items are copied back.
    :param walk: ``walk(arrays, low, high)`` works on items ``low..high - 1`` and returns the first of
        them that failed, or ``high``.
    :return: the first item that failed, or ``items``.
    """
    parts = max(1, min(items, workers))
    if parts == 1:
        return walk(arrays, 0, items)
    bounds = [items * k // parts for k in range(parts + 1)]

    def share(k: int) -> int:
        low, high = bounds[k], bounds[k + 1]
        own = [array.copy() for array in arrays]
        end = walk(own, low, high)
        for mine, whole in zip(own, arrays, strict=True):
            whole[low:high] = mine[low:high]
        return end

    others = [_pool(parts - 1).submit(share, k) for k in range(1, parts)]
    ends = [share(0)]
    for k, other in enumerate(others, 1):
        # On a busy machine nobody may have begun it: then the caller is done sooner by itself.
        ends.append(share(k) if other.cancel() else other.result())
    return next((end for end, high in zip(ends, bounds[1:], strict=True) if end < high), items)
