"""Typed access to JSON from outside: every value is checked, every complaint names its place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from refdec.errors import RefdecError

SHA256 = re.compile(r"[0-9a-f]{64}")


class SuiteError(RefdecError):
    """A suite that is damaged or cannot be read."""

    exit_code = 2
    code = "suite"


class IncompleteSuiteError(SuiteError):
    """A suite without all of the models that its index names."""


class Fields:
    """A JSON object and where it stands.

    :raises SuiteError: from every method: the key is absent, or its value is not what it must be.
    """

    def __init__(self, value: Any, place: str) -> None:
        if not isinstance(value, dict):
            raise SuiteError(f"{place}: expected an object, found {shown(value)}")
        self._value: dict[str, Any] = value
        self.place = place

    def __contains__(self, key: str) -> bool:
        return self._value.get(key) is not None

    @property
    def content(self) -> Mapping[str, Any]:
        """The object as it is."""
        return self._value

    def any(self, key: str) -> Any:
        """The value as it is."""
        if key not in self._value:
            raise SuiteError(f"{self.place}: '{key}' is absent")
        return self._value[key]

    def text(self, key: str, pattern: str | re.Pattern[str] = r"[^\x00-\x08\x0b-\x1f]{0,2000}") -> str:
        """A string that matches in full."""
        value = self.any(key)
        if not isinstance(value, str) or re.fullmatch(pattern, value) is None:
            raise SuiteError(f"{self.place}.{key}: {shown(value)} is not of the form {_source(pattern)}")
        return value

    def digest(self, key: str) -> str:
        """A SHA-256 in hex."""
        return self.text(key, SHA256)

    def choice(self, key: str, choices: tuple[str, ...]) -> str:
        """One of some strings."""
        value = self.any(key)
        if value not in choices:
            raise SuiteError(f"{self.place}.{key}: {shown(value)} is none of {', '.join(choices)}")
        return str(value)

    def integer(self, key: str, low: int, high: int) -> int:
        """An integer of a range."""
        value = self.any(key)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise SuiteError(f"{self.place}.{key}: {shown(value)} is no integer of {low}..{high}")
        return value

    def object(self, key: str) -> Fields:
        """An object below this one."""
        return Fields(self.any(key), f"{self.place}.{key}")

    def names(self) -> list[str]:
        """All keys."""
        return list(self._value)

    def strings(self, key: str, most: int = 64) -> tuple[str, ...]:
        """A list of short strings."""
        value = self.any(key)
        if not isinstance(value, list) or len(value) > most:
            raise SuiteError(f"{self.place}.{key}: expected a list of at most {most} strings")
        for item in value:
            if not isinstance(item, str) or len(item) > 200:
                raise SuiteError(f"{self.place}.{key}: {shown(item)} is no short string")
        return tuple(value)

    def objects(self, key: str, most: int) -> Iterator[Fields]:
        """A list of objects."""
        value = self.any(key)
        if not isinstance(value, list) or len(value) > most:
            raise SuiteError(f"{self.place}.{key}: expected a list of at most {most} objects")
        for number, item in enumerate(value):
            yield Fields(item, f"{self.place}.{key}[{number}]")

    def folder(self, key: str) -> str:
        """A path inside the suite's folder: relative, downwards, of plain names."""
        return self.text(key, r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}(/[A-Za-z0-9][A-Za-z0-9._-]{0,99}){0,3}")

    def path(self, key: str, suffix: str) -> str:
        """The same for a file whose name has a certain end."""
        value = self.folder(key)
        if PurePosixPath(value).suffix != suffix:
            raise SuiteError(
                f"{self.place}.{key}: expected a name that ends in {suffix}, found {shown(value)}"
            )
        return value


def read_json(path: Path, max_bytes: int) -> Any:
    """A JSON file.

    :raises SuiteError: it cannot be read, is larger than allowed, or is no JSON.
    """
    data = read_limited(path, max_bytes)
    try:
        return json.loads(data, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise SuiteError(f"{path} is no JSON ({' '.join(str(error).split())[:200]})") from error


def read_limited(path: Path, max_bytes: int) -> bytes:
    """The bytes of a regular file.

    :raises SuiteError: it cannot be read, is no regular file, or is larger than allowed.
    """
    try:
        if not path.parent.is_dir():
            raise SuiteError(f"cannot read {path}: {path.parent} is no folder")
        if not path.is_file():
            raise SuiteError(f"cannot read {path}: no such file")
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise SuiteError(f"cannot read {path}: {error.strerror}") from error
    if len(data) > max_bytes:
        raise SuiteError(f"{path} has more than {max_bytes} bytes")
    return data


def inside(folder: Path, name: str) -> Path:
    """A file of a suite; links that lead out of the folder are refused.

    :raises SuiteError: the file lies elsewhere.
    """
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise SuiteError(f"{path} leads out of the suite's folder")
    return path


def shown(value: Any) -> str:
    """A value in a message, short."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _source(pattern: str | re.Pattern[str]) -> str:
    return pattern if isinstance(pattern, str) else pattern.pattern


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
