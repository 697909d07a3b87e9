"""Child processes that leave interruptions to their parent, and do not outlive it."""

from __future__ import annotations

import os
import signal
import threading
import time
from multiprocessing import parent_process, resource_tracker
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess

GRACE_SECONDS = 2.0
"""How long an orphan has for what it must put away."""


def start(process: BaseProcess) -> None:
    """Start a process that does not hear Ctrl-C, which goes to everybody in a terminal: its parent hears it,
    and stops it without a word."""
    if not hasattr(signal, "pthread_sigmask"):
        process.start()
        return
    # Would be started on the way, and would clear the mask that the child is to have.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent() -> None:
    """In a child: end soon after the parent is gone, even by SIGKILL, whatever is being computed."""
    parent = parent_process()
    if parent is None:
        return
    sentinel = parent.sentinel

    def watch() -> None:
        wait([sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


def ending(code: int | None) -> str:
    """How a process that is gone ended, in words.

    :param code: its exit code, negative for a signal.
    """
    if code is None or code >= 0:
        return f"its process died, exit code {'unknown' if code is None else code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    killed = " (the system does so when memory runs out)" if name == "SIGKILL" else ""
    return f"its process died of {name}{killed}"
