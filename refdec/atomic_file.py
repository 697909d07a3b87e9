"""Output files that are there whole or not at all, whatever happens while they are written."""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

PARTIAL = ".part"
"""How the name of an unfinished file ends; it begins with a dot and the name that the file is to have."""
NAME_BYTES = 255
"""Longest name of a file on most systems."""
STDOUT = "/dev/stdout"
"""A name of the standard output, on systems without such a device too."""
_DESCRIPTOR = re.compile(r"/dev/(?:fd/(\d+)|stdout|stderr)|/proc/self/fd/(\d+)")


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that is at ``path`` either whole or not at all; a link stays and its target is written.

    It is written under a name of its own beside ``path``, takes over the permissions of a file that is there
    already, and is removed if anything goes wrong, the end of the process by SIGINT or SIGTERM included;
    SIGKILL leaves ``.NAME.xxxxxxxxxxxx.part``. A device, a pipe or an open descriptor (``/dev/stdout``)
    cannot be replaced by a finished file: it is written to as it is.

    :raises OSError: the file cannot be made or written.
    """
    descriptor = descriptor_of(path)
    if descriptor is not None:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            yield file
        return
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            yield file
        return
    path = path.resolve()
    temporary = partial_path(path)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        with suppress(FileNotFoundError):
            temporary.chmod(stat.S_IMODE(path.stat().st_mode))
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def partial_path(path: Path) -> Path:
    """A new name beside a file for what is not finished: ``.NAME.xxxxxxxxxxxx.part``, NAME cut where the
    whole would be too long."""
    end = f".{secrets.token_hex(6)}{PARTIAL}"
    name = os.fsdecode(os.fsencode(path.name)[: NAME_BYTES - len(end) - 1])
    return path.with_name(f".{name}{end}")


def descriptor_of(path: Path) -> int | None:
    """The number of the open file that a path such as ``/dev/stdout`` or ``/dev/fd/3`` stands for."""
    found = _DESCRIPTOR.fullmatch(str(path))
    if found is None:
        return None
    number = found[1] or found[2]
    return int(number) if number else 1 if path.name == "stdout" else 2
