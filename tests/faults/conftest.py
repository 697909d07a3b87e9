"""A stream that decodes in no time, and ways to take things away from a command."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from conformance.verify.suite import Suite
from refdec import decode_command
from refdec.cli import app
from refdec.command import run
from refdec.picture import Picture
from tests.decode.conftest import models, models_folder, suite

__all__ = ["models", "models_folder", "suite"]

Refdec = Callable[..., int]
NOBODY = 65534
SMALLEST = Path(str(files("conformance"))) / "photos/streams/smallest.jai"
"""A stream that the bundled models decode."""


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Started in the background, a shell's commands ignore SIGINT, and so would all that the tests start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def plain_stream(suite: Suite) -> bytes:
    return suite.streams["plain-64x64.jai"]


@pytest.fixture
def plain(plain_stream: bytes, tmp_path: Path) -> Path:
    """A stream of 64x64 RGB as a file."""
    path = tmp_path / "in.jai"
    path.write_bytes(plain_stream)
    return path


@pytest.fixture
def refdec() -> Refdec:
    """The command line in this process."""
    return lambda *words: run(app, [str(word) for word in words])


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoding gives noise at once: what happens to the picture then is the question."""
    noise = np.random.default_rng(1).integers(0, 256, (3, 64, 64), np.uint8)
    picture = Picture((noise[0], noise[1], noise[2]), "RGB", 8, (1, 1))
    monkeypatch.setattr(decode_command, "decode_picture", lambda *_, **__: picture)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """No file can grow beyond ``size`` bytes: a write fails as on a full disk (EFBIG)."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def nobody() -> Iterator[None]:
    """Permissions apply, although the tests may be run by root. What runs in here has run before,
    since root's Python may not be for nobody to read."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def common() -> Iterator[Path]:
    """A folder that everybody can get at and nobody but its owner can write to."""
    folder = Path(tempfile.mkdtemp(prefix="refdec-faults-"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def leftovers(folder: Path) -> list[str]:
    """Names of everything in a folder."""
    return sorted(path.name for path in folder.iterdir())


linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a device of Linux")
