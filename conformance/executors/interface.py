"""What every executor is, and what can become of a task."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

Task = TypeVar("Task")


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
    """A process that is gone: its exit code, negative for the signal that ended it, where that is known."""

    exit_code: int | None


@dataclass(frozen=True)
class TimedOut:
    """A process that was stopped."""

    seconds: float


Result = Done | Raised | Died | TimedOut


class Told(BaseException):
    """A worker process is told to end: what it has begun is to be put away, and nothing is to be said."""


class Executor(Protocol):
    """Does tasks somewhere."""

    def run(
        self, work: Callable[[Task], Any], tasks: Mapping[str, Task], timeout: float
    ) -> Generator[tuple[str, Result], None, None]:
        """Every name and its result, once each, in the order in which they end.

        Tasks are begun about in the order given. Closing the generator stops what runs and drops what waits.

        :param work: a function that another process can import, the same whoever calls it, and whenever.
        :param tasks: by name.
        :param timeout: seconds for one task, from when somebody takes it; executors without processes have
            no means to keep it.
        """
        ...


def attempt(work: Callable[[Task], Any], task: Task) -> Done | Raised:
    """Do a task here; what it raises is its result."""
    try:
        return Done(work(task))
    except Exception as error:
        return raised(error)


def raised(error: BaseException) -> Raised:
    """An exception in words."""
    return Raised(f"{type(error).__name__}: {' '.join(str(error).split())}")


_mine = threading.local()


def stopping() -> bool:
    """Whether the task that asks is not wanted any more. Tasks that take long ask now and then."""
    event: threading.Event | None = getattr(_mine, "event", None)
    return event is not None and event.is_set()


@contextmanager
def stopped_by(event: threading.Event) -> Iterator[None]:
    """In this thread, :func:`stopping` says what the event says."""
    _mine.event = event
    try:
        yield
    finally:
        _mine.event = None
