"""Executors without processes: one after the other, and threads that wait for others' processes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from conformance.executors.interface import Result, Task, attempt, stopped_by


class InProcess:
    """One task after the other, in this process; no time-outs."""

    def run(
        self, work: Callable[[Task], Any], tasks: Mapping[str, Task], timeout: float
    ) -> Generator[tuple[str, Result], None, None]:
        """See :class:`conformance.executors.interface.Executor`."""
        for name, task in tasks.items():
            yield name, attempt(work, task)


class Threads:
    """Threads of this process, for work that waits more than it computes; it keeps time-outs itself.

    :param count: how many tasks run at once.
    """

    def __init__(self, count: int) -> None:
        self.count = count

    def run(
        self, work: Callable[[Task], Any], tasks: Mapping[str, Task], timeout: float
    ) -> Generator[tuple[str, Result], None, None]:
        """See :class:`conformance.executors.interface.Executor`."""
        stop = threading.Event()

        def one(task: Task) -> Result:
            with stopped_by(stop):
                return attempt(work, task)

        pool = ThreadPoolExecutor(max(1, self.count))
        try:
            futures = {pool.submit(one, task): name for name, task in tasks.items()}
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
