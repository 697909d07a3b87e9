"""Work in processes of its own: what crashes or hangs there becomes a verdict here."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

Task = TypeVar("Task")
START_SECONDS = 120.0
"""How long a worker may take to import what it needs, on a loaded machine."""


@dataclass(frozen=True)
class Done:
    """What a function returned."""

    value: Any


@dataclass(frozen=True)
class Raised:
    """An exception that a function let through, in words."""

    text: str


@dataclass(frozen=True)
class Died:
    """A process that is gone: its exit code, negative for the signal that ended it."""

    exit_code: int | None


@dataclass(frozen=True)
class TimedOut:
    """A process that was stopped."""

    seconds: float


Result = Done | Raised | Died | TimedOut


class _Worker(Generic[Task]):
    def __init__(self, work: Callable[[Task], Any]) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, work), daemon=True)
        self.process.start()
        theirs.close()
        self.task: Task | None = None
        self.ready = False
        self.deadline = time.monotonic() + START_SECONDS

    def give(self, task: Task, timeout: float) -> None:
        self.task, self.deadline = task, time.monotonic() + timeout
        # A process that is gone by now is found out by the next look at its connection.
        with suppress(OSError):
            self.connection.send(task)

    def stop(self) -> int | None:
        """End the process; its exit code, if it had ended by itself."""
        self.process.join(0.5 if self.connection.closed else 0)
        code = self.process.exitcode
        if code is None:
            self.process.kill()
            self.process.join()
        self.connection.close()
        return code


def run_tasks(
    work: Callable[[Task], Any], tasks: Sequence[Task], jobs: int, timeout: float
) -> Iterator[tuple[Task, Result]]:
    """Every task and its result, in the order in which they end.

    :param work: a function that a new process can import.
    :param timeout: seconds for one task, from when a process that is ready takes it.
    """
    waiting = list(reversed(tasks))
    workers: list[_Worker[Task]] = [_Worker(work) for _ in range(min(jobs, len(tasks)))]
    try:
        while any(worker.task is not None for worker in workers) or waiting:
            soonest = min(worker.deadline for worker in workers)
            seen = wait([worker.connection for worker in workers], max(0.0, soonest - time.monotonic()))
            for worker in list(workers):
                ended = _ended(worker, worker.connection in seen, timeout)
                if ended is not None:
                    if worker.task is not None:
                        yield worker.task, ended
                    elif waiting:
                        # A process that cannot even start says so for a task, and does not go on for ever.
                        yield waiting.pop(), ended
                    worker.task = None
                    if not isinstance(ended, (Done, Raised)):
                        worker.stop()
                        workers.remove(worker)
                        if waiting:
                            workers.append(_Worker(work))
                        continue
                if worker.ready and worker.task is None:
                    if waiting:
                        worker.give(waiting.pop(), timeout)
                    else:
                        worker.stop()
                        workers.remove(worker)
    finally:
        for worker in workers:
            worker.stop()


def _ended(worker: _Worker[Task], readable: bool, timeout: float) -> Result | None:
    if readable:
        try:
            message = worker.connection.recv()
        except (EOFError, OSError):
            worker.process.join(5)
            return Died(worker.process.exitcode)
        if message is None:
            worker.ready = True
            return None
        return message  # type: ignore[no-any-return]
    if time.monotonic() >= worker.deadline:
        return TimedOut(timeout if worker.ready else START_SECONDS)
    return None


def _serve(connection: Connection, work: Callable[[Task], Any]) -> None:
    # Importing the work is part of the start, which unpickling it has done by now.
    connection.send(None)
    while True:
        try:
            task = connection.recv()
        except (EOFError, KeyboardInterrupt):
            return
        try:
            result: Result = Done(work(task))
        except KeyboardInterrupt:
            return
        except BaseException as error:
            result = Raised(f"{type(error).__name__}: {' '.join(str(error).split())}")
        connection.send(result)
