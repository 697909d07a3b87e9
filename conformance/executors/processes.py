"""Work in processes of its own: what crashes or hangs there becomes a verdict here."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pickle import PicklingError
from typing import Any, Generic

from conformance import child_process
from conformance.executors.interface import Died, Done, Raised, Result, Task, TimedOut, Told, attempt, raised

START_SECONDS = 120.0
"""How long a worker may take to import what it needs, on a loaded machine."""
STOP_SECONDS = 1.0
"""How long a worker that is told to end has for what it must put away."""


class Worker(Generic[Task]):
    """A process that does one task after the other.

    :param idle: seconds without a task after which it ends by itself; ``None``: never.
    """

    def __init__(self, work: Callable[[Task], Any], idle: float | None = None) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, work, idle), daemon=True)
        child_process.start(self.process)
        theirs.close()
        self.ready = False
        self.deadline = time.monotonic() + START_SECONDS

    def give(self, task: Task, timeout: float) -> None:
        """Have a process that is ready begin a task."""
        self.deadline = time.monotonic() + timeout
        # A process that is gone by now is found out by the next look at its connection.
        with suppress(OSError):
            self.connection.send(task)

    def result(self, readable: bool, timeout: float) -> Result | None:
        """What became of the task, or of the process before it could take one; ``None``: nothing yet.

        :param readable: whether its connection has something.
        """
        if readable:
            try:
                message = self.connection.recv()
            except (EOFError, OSError):
                self.process.join(5)
                return Died(self.process.exitcode)
            if message is None:
                self.ready = True
                return None
            return message  # type: ignore[no-any-return]
        if time.monotonic() >= self.deadline:
            return TimedOut(timeout if self.ready else START_SECONDS)
        return None

    def do(self, task: Task, timeout: float) -> Result:
        """Do a task and wait for its end. After anything but ``Done`` and ``Raised`` the process is gone."""
        given = False
        while True:
            if self.ready and not given:
                self.give(task, timeout)
                given = True
            left = max(0.0, self.deadline - time.monotonic())
            result = self.result(bool(wait([self.connection], left)), timeout)
            if result is not None:
                if not isinstance(result, (Done, Raised)):
                    self.stop()
                return result

    def stop(self) -> None:
        """End the process."""
        if self.process.exitcode is None:
            self.process.terminate()
            self.process.join(STOP_SECONDS)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
        self.connection.close()


class Processes:
    """Processes of this machine, each for one task after the other.

    :param count: how many tasks run at once.
    """

    def __init__(self, count: int) -> None:
        self.count = count

    def run(
        self, work: Callable[[Task], Any], tasks: Mapping[str, Task], timeout: float
    ) -> Generator[tuple[str, Result], None, None]:
        """See :class:`conformance.executors.interface.Executor`."""
        waiting = list(reversed(tasks))
        workers: list[Worker[Task]] = [Worker(work) for _ in range(min(self.count, len(tasks)))]
        names: dict[Worker[Task], str] = {}
        try:
            while names or waiting:
                soonest = min(worker.deadline for worker in workers)
                seen = wait([worker.connection for worker in workers], max(0.0, soonest - time.monotonic()))
                for worker in list(workers):
                    result = worker.result(worker.connection in seen, timeout)
                    if result is not None:
                        # A process that cannot even start says so for a task, and does not go on for ever.
                        name = names.pop(worker, None) or (waiting.pop() if waiting else None)
                        if name is not None:
                            yield name, result
                        if not isinstance(result, (Done, Raised)):
                            worker.stop()
                            workers.remove(worker)
                            if waiting:
                                workers.append(Worker(work))
                            continue
                    if worker.ready and worker not in names:
                        if waiting:
                            names[worker] = waiting.pop()
                            worker.give(tasks[names[worker]], timeout)
                        else:
                            worker.stop()
                            workers.remove(worker)
        finally:
            for worker in workers:
                worker.stop()


def _serve(connection: Connection, work: Callable[[Task], Any], idle: float | None) -> None:
    child_process.end_with_parent()
    # Importing the work is part of the start, which unpickling it has done by now. Whoever gave the work may
    # be gone at any time: then nobody is left to tell.
    with suppress(EOFError, OSError, KeyboardInterrupt, Told):
        connection.send(None)
        while connection.poll(idle):
            task = connection.recv()
            try:
                result: Result = attempt(work, task)
            except SystemExit as error:
                result = raised(error)
            try:
                connection.send(result)
            except (PicklingError, AttributeError, TypeError) as error:
                connection.send(raised(error))
