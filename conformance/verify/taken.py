"""A file that a decoder left, taken as it is: nothing is followed, waited for, or believed."""

from __future__ import annotations

import os
import stat

KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


class NotTaken(Exception):
    """A file that cannot be had: in words that follow its name."""


class NotThere(NotTaken):
    """No file at all: nothing was written, or something that is no file."""


def take(folder: int, name: str, most: int) -> bytes:
    """The content of a file.

    :param folder: descriptor of its folder.
    :param name: its name there; the path to the folder plays no part.
    :param most: bytes that it may have.
    :raises NotThere: nothing is there, or no regular file.
    :raises NotTaken: it is too large, or cannot be read.
    """
    # Between a look and an opening there may be another thing: what is opened is looked at again.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        _require_file(os.stat(name, dir_fd=folder, follow_symlinks=False))
        number = os.open(name, flags, dir_fd=folder)
        with os.fdopen(number, "rb") as file:
            status = os.fstat(number)
            _require_file(status)
            if status.st_size > most:
                raise NotTaken(f"has {status.st_size} bytes, a picture of this size at most {most}")
            data = file.read(most + 1)
    except FileNotFoundError as error:
        raise NotThere("no output was written") from error
    except OSError as error:
        raise NotTaken(f"cannot be read ({error.strerror})") from error
    if len(data) > most:
        raise NotTaken(f"has more than {most} bytes")
    return data


def _require_file(status: os.stat_result) -> None:
    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFREG:
        raise NotThere(f"what it wrote is {KINDS.get(kind, 'no file')}, not a file")
