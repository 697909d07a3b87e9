"""Processes that crash, hang, raise or cannot start: each becomes a result, and the others go on."""

from __future__ import annotations

import os
import signal
import time

import pytest

from conformance.executors import Died, Done, Processes, Raised, TimedOut, processes


def work(task: str) -> str:
    """What a worker does in these tests."""
    if task == "hang":
        time.sleep(600)
    if task == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if task == "exit":
        os._exit(7)
    if task == "raise":
        raise ValueError("two\nlines")
    if task == "leave":
        raise SystemExit(3)
    return task.upper()


def named(tasks: list[str]) -> dict[str, str]:
    """Tasks that are called what they are."""
    return dict(zip(tasks, tasks, strict=True))


def test_every_task_has_its_result() -> None:
    tasks = ["a", "hang", "b", "crash", "c", "raise", "exit", "leave", "d"]
    start = time.monotonic()
    found = dict(Processes(2).run(work, named(tasks), 1.0))
    assert found == {
        "a": Done("A"),
        "b": Done("B"),
        "c": Done("C"),
        "d": Done("D"),
        "hang": TimedOut(1.0),
        "crash": Died(-signal.SIGSEGV),
        "exit": Died(7),
        "raise": Raised("ValueError: two lines"),
        "leave": Raised("SystemExit: 3"),
    }
    assert time.monotonic() - start < 60


def test_more_processes_than_tasks() -> None:
    assert dict(Processes(16).run(work, {"a": "x"}, 30)) == {"a": Done("X")}
    assert list(Processes(2).run(work, {}, 30)) == []


class Unstartable:
    """Work that a new process cannot even load."""

    def __call__(self, task: str) -> str:
        return task

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return os._exit, (9,)


def test_processes_that_cannot_start_do_not_go_on_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "START_SECONDS", 20.0)
    found = dict(Processes(2).run(Unstartable(), named(["x", "y", "z"]), 5))
    assert set(found) == {"x", "y", "z"} and set(found.values()) == {Died(9)}
