"""A suite on disk: ``manifest.json``, codestreams, and payload vectors.

The manifest states what every vector must give: the SHA-256 of each tensor for a stream that decodes,
the error class for one that must be rejected, values and bytes for a bare payload.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from refdec.errors import RefdecError

FORMAT_VERSION = 1


class SuiteError(RefdecError):
    """A suite that is damaged or cannot be read."""

    exit_code = 2
    code = "suite"


@dataclass(frozen=True)
class Suite:
    """A suite with its files read and their digests checked.

    :param manifest: the parsed ``manifest.json``.
    :param streams: codestream by file name.
    :param payloads: the parsed payload vectors.
    """

    manifest: Mapping[str, Any]
    streams: Mapping[str, bytes]
    payloads: Mapping[str, Any]


def bundled_suite() -> Suite:
    """The suite that comes with the package."""
    return open_suite(Path(str(files("conformance").joinpath("vectors"))))


def open_suite(folder: Path) -> Suite:
    """Read a suite.

    :raises SuiteError: a file is absent, or is not the one that the manifest means.
    """
    manifest = _json(_read(folder / "manifest.json"), folder / "manifest.json")
    if manifest.get("refconf_suite") != FORMAT_VERSION:
        raise SuiteError(f"{folder}/manifest.json: no suite manifest of format {FORMAT_VERSION}")
    try:
        streams = {
            entry["file"]: _checked(folder / "streams" / entry["file"], entry["sha256"])
            for group in ("streams", "malformed")
            for entry in manifest[group]
        }
        payloads = _json(
            _checked(folder / "payloads.json", manifest["payloads_sha256"]), folder / "payloads.json"
        )
    except (KeyError, TypeError) as error:
        raise SuiteError(f"{folder}/manifest.json lacks {error}") from error
    return Suite(manifest, streams, payloads)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SuiteError(f"cannot read {path}: {error.strerror}") from error


def _checked(path: Path, sha256: str) -> bytes:
    data = _read(path)
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise SuiteError(f"{path} is not the file that the manifest means: sha256 {found}, expected {sha256}")
    return data


def _json(data: bytes, path: Path) -> Any:
    try:
        return json.loads(data)
    except ValueError as error:
        raise SuiteError(f"{path} is no JSON") from error
