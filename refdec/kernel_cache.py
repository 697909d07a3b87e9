"""Compiled kernels on disk, checked before they run.

Numba's own cache trusts what it finds: a truncated file ends the program, a damaged one is executed, and two
processes that compile for different processors at once can be given each other's code. Here every file
carries a digest of its content and of all that it was made from: the sources, Python, Numba, LLVM, the
processor with its features, and the signature. What does not fit is compiled anew, and nothing that can go
wrong with a folder or a file is more than a warning.

A digest finds damage, not malice: whoever may write to the folder can run code, as with ``__pycache__``.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba.core import config, serialize
from numba.core.compiler import CompileResult

from refdec.atomic_file import atomic_file

SUFFIX = ".kernel"
DIGEST_BYTES = 32


class KernelCacheWarning(UserWarning):
    """Compiled code cannot be kept: the next process compiles it again."""


class KernelCache:
    """The cache of one function, with the methods that Numba's dispatcher calls.

    :param stamp: of all that is compiled into the function besides its own code.
    """

    def __init__(self, function: Callable[..., Any], stamp: str) -> None:
        self._function = function
        self._base = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
        facts = (numba.__version__, llvmlite.__version__, sys.implementation.cache_tag, stamp)
        self.stamp = _hex(repr(facts).encode())[:12]
        self._source = Path(function.__code__.co_filename)

    @property
    def cache_path(self) -> str | None:
        """Where a new file would go."""
        folder = next(iter(folders(self._source)), None)
        return None if folder is None else str(folder)

    def enable(self) -> None:
        """It always is."""

    def disable(self) -> None:
        """It cannot be."""

    def flush(self) -> None:
        """Files that no longer fit are removed when new ones are written."""

    def load_overload(self, signature: Any, context: Any) -> Any:
        """Numba's result of an earlier compilation; ``None`` if there is none that is whole and fits."""
        context.refresh()
        name = self._name(signature, context.codegen())
        for folder in folders(self._source):
            payload = _read(folder / name)
            if payload is not None:
                try:
                    return CompileResult._rebuild(context, *pickle.loads(payload))  # type: ignore[no-untyped-call]
                except MemoryError:
                    raise
                except Exception as error:
                    _warn(f"{folder / name} cannot be used ({error}); compiling anew")
        return None

    def save_overload(self, signature: Any, result: Any) -> None:
        """Keep a result in the first folder that takes it."""
        if result.library.has_dynamic_globals:
            return
        name = self._name(signature, result.codegen)
        payload: bytes = _pickled(result._reduce())
        problems = []
        for folder in folders(self._source):
            try:
                folder.mkdir(parents=True, exist_ok=True)
                with atomic_file(folder / name) as file:
                    file.write(_digest(name, payload) + payload)
            except OSError as error:
                problems.append(f"{folder}: {error.strerror or error}")
                continue
            self._remove_others(folder)
            return
        _warn(
            "compiled code cannot be kept, and every start compiles it again; NUMBA_CACHE_DIR names a folder "
            f"({'; '.join(problems) or 'there is no home folder'})"
        )

    def _name(self, signature: Any, codegen: Any) -> str:
        function = self._function
        cells = tuple(cell.cell_contents for cell in function.__closure__ or ())
        key = (str(signature), codegen.magic_tuple(), _hex(function.__code__.co_code), _hex(_pickled(cells)))
        return f"{self._base}.{self.stamp}.{_hex(repr(key).encode())[:24]}{SUFFIX}"

    def _remove_others(self, folder: Path) -> None:
        """Files of this function from other sources or versions."""
        with suppress(OSError):
            for path in folder.iterdir():
                own = path.name.startswith(f"{self._base}.") and path.name.endswith(SUFFIX)
                if own and not path.name.startswith(f"{self._base}.{self.stamp}."):
                    path.unlink(missing_ok=True)


def keep_compiled(dispatcher: Any, stamp: str) -> Any:
    """Give a function of Numba's its cache; where compilation is switched off it is left as it is."""
    if hasattr(dispatcher, "_cache"):
        dispatcher._cache = KernelCache(dispatcher.py_func, stamp)
    return dispatcher


def folders(source: Path) -> Iterator[Path]:
    """Where compiled code of a source file may be: in the folder that ``NUMBA_CACHE_DIR`` names; without it
    beside the source or in the user's folder for caches. Both are read, the first that can be written is
    written: an installation that is read-only may come with its code."""
    own = f"refdec-{_hex(os.fsencode(source.resolve().parent))[:16]}"
    given: str = getattr(config, "CACHE_DIR", "")
    if given:
        yield Path(given) / own
        return
    yield source.parent / "__pycache__"
    try:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    except RuntimeError:  # there is no home
        return
    if caches.is_absolute():
        yield caches / "refdec" / own


def _read(path: Path) -> bytes | None:
    """The content of a file that is whole."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    payload = data[DIGEST_BYTES:]
    if data[:DIGEST_BYTES] == _digest(path.name, payload):
        return payload
    _warn(f"{path} is damaged; compiling anew")
    return None


def _digest(name: str, payload: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + payload).digest()


def _pickled(value: Any) -> bytes:
    data: bytes = serialize.dumps(value)  # type: ignore[no-untyped-call]
    return data


def _hex(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@cache
def _warn(text: str) -> None:
    """A warning, once."""
    warnings.warn(text, KernelCacheWarning, stacklevel=4)
