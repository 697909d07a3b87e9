"""A command that is not believed: it ends when it must, and so does everything that it started.

It runs in a session of its own, and carries a mark in its environment by which processes that left the
session are found (on Linux). What it says comes through a pipe of which only the end is kept; how much it
says, writes into its folder, and how long it takes is bounded.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import parent_process
from pathlib import Path
from types import FrameType
from typing import IO, Literal

from conformance.executors import Told, stopping

SHOWN_BYTES = 300
MARK = "REFCONF_RUN"
"""Environment variable that a command and all that it starts have."""
_CHUNK = 1 << 16
_LONGEST_PAUSE = 0.05
_KILL_SECONDS = 5.0
_PROCESSES = Path("/proc")

Stopped = Literal["", "time", "log", "bytes", "files", "asked"]


@dataclass(frozen=True)
class Bounds:
    """What a command may use.

    :param log_bytes: of its standard output and error together.
    :param folder_bytes: that its files take on the disk.
    :param folder_files: how many files and folders it may make.
    """

    seconds: float
    log_bytes: int
    folder_bytes: int
    folder_files: int = 1000


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    :param code: exit code, negative for the signal that ended it; of no meaning where it was stopped.
    :param stopped: the bound that it passed; empty: it ended by itself.
    :param said: the last of what it said.
    """

    code: int
    stopped: Stopped
    said: bytes


def run_command(line: Sequence[str], folder: Path, bounds: Bounds) -> Ended:
    """Run a command up to its end or its bounds. Nothing of it is left when this returns or raises.

    :param folder: what grows there is counted.
    :raises OSError: the command cannot be started.
    """
    mark = uuid.uuid4().hex
    with _ended_by_sigterm():
        process = subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # A harness may run under another one, which knows its own mark.
            env={**os.environ, MARK: f"{os.environ.get(MARK, '')} {mark}".strip()},
        )
        assert process.stdout is not None
        with process.stdout as pipe, _Log(pipe) as log:
            try:
                stopped = _watch(process, log, folder, bounds)
            finally:
                code = _end(process, mark)
            if not stopped:
                log.read(0)
            return Ended(code, stopped, log.end)


class _Log:
    """What comes through a pipe: how much, and its end. Somebody may hold the other side open for ever."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._number = pipe.fileno()
        os.set_blocking(self._number, False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._number, selectors.EVENT_READ)
        self._open = True
        self.count = 0
        self.end = b""

    def __enter__(self) -> _Log:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()

    def read(self, seconds: float) -> None:
        """Wait so long for something to be said; take what is there, up to a bound."""
        if not self._open:
            time.sleep(seconds)
        elif self._selector.select(seconds):
            for _ in range(64):
                try:
                    data = os.read(self._number, _CHUNK)
                except BlockingIOError:
                    return
                if not data:
                    self._open = False
                    return
                self.count += len(data)
                self.end = (self.end + data)[-SHOWN_BYTES:]


def _watch(process: subprocess.Popen[bytes], log: _Log, folder: Path, bounds: Bounds) -> Stopped:
    start = time.monotonic()
    looked, pause = start, 0.001
    while not _is_over(process):
        now = time.monotonic()
        if stopping():
            return "asked"
        if now - start >= bounds.seconds:
            return "time"
        if log.count > bounds.log_bytes:
            return "log"
        if now - looked >= _LONGEST_PAUSE:
            looked = now
            passed = _passed(folder, bounds)
            if passed:
                return passed
        log.read(min(pause, max(0.0, start + bounds.seconds - now)))
        pause = min(2 * pause, _LONGEST_PAUSE)
    return _passed(folder, bounds)


def _is_over(process: subprocess.Popen[bytes]) -> bool:
    """Whether a process is gone. It stays unburied where that can be done, so that the number of its group
    is nobody else's until the group is ended."""
    if hasattr(os, "waitid"):
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, process.pid, options) is not None
    return process.poll() is not None


def _passed(folder: Path, bounds: Bounds) -> Stopped:
    """The bound that the files of a folder pass, if any."""
    size = 0
    for count, entry in enumerate(_entries(folder), 1):
        with suppress(OSError):
            status = entry.stat(follow_symlinks=False)
            # A file with holes takes less than its length.
            size += min(status.st_size, 512 * status.st_blocks)
        if size > bounds.folder_bytes:
            return "bytes"
        if count > bounds.folder_files:
            return "files"
    return ""


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    waiting = [str(folder)]
    while waiting:
        with suppress(OSError), os.scandir(waiting.pop()) as found:
            for entry in found:
                yield entry
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)


def _end(process: subprocess.Popen[bytes], mark: str) -> int:
    """End a process, its group, and what left the group; its exit code."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    deadline = time.monotonic() + _KILL_SECONDS
    try:
        code = process.wait(_KILL_SECONDS)
    except subprocess.TimeoutExpired:
        # Somebody else's by now (sudo), or stuck in the kernel: who asks for a verdict is not to wait for it.
        code = -signal.SIGKILL
    while _kill_marked(mark) and time.monotonic() < deadline:
        time.sleep(0.005)
    return code


def _kill_marked(mark: str) -> int:
    """End every process that has the mark in its environment; how many there were."""
    if not hasattr(os, "pidfd_open") or not _PROCESSES.is_dir():
        return 0
    name, wanted = f"{MARK}=".encode(), mark.encode()
    count = 0
    for path in _PROCESSES.iterdir():
        if not path.name.isdigit():
            continue
        # A process that is gone by now, or somebody else's, is none of ours.
        with suppress(OSError):
            handle = os.pidfd_open(int(path.name))
            try:
                variables = (path / "environ").read_bytes().split(b"\0")
                if any(v.startswith(name) and wanted in v for v in variables):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                    count += 1
            finally:
                os.close(handle)
    return count


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """In a worker process: being told to end is an exception, so that the command is ended as well."""
    if parent_process() is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise Told
