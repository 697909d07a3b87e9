"""Work for the tests of executors: light to import, and it leaves a note of every time that it is done."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path


def work(task: tuple[str, Path]) -> int:
    """What its name says."""
    kind, notes = task
    (notes / f"{kind}.{os.getpid()}.{time.monotonic_ns()}").touch()
    if kind.startswith("hang"):
        time.sleep(600)
    if kind == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if kind == "raise":
        raise ValueError("two\nlines")
    time.sleep(0.15)
    return len(kind)
