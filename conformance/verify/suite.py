"""A suite on disk: ``manifest.json``, codestreams, and payload vectors.

The manifest states what every vector must give: the SHA-256 of each tensor for a stream that decodes,
the error class for one that must be rejected, values and bytes for a bare payload.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from conformance.suite.fields import Fields, SuiteError, inside, read_json, read_limited

FORMAT_VERSION = 1
INDEX = "suite.json"
"""Of a suite of pictures."""
MANIFEST, PAYLOADS = "manifest.json", "payloads.json"
GROUPS = ("streams", "malformed")
MAX_INDEX_BYTES = 64 << 20
MAX_STREAM_BYTES = 64 << 20
MAX_STREAMS = 10_000

__all__ = ["Suite", "SuiteError", "bundled_suite", "open_suite", "require_suite"]


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


def require_suite(folder: Path) -> None:
    """:raises SuiteError: a folder has the index of neither kind of suite."""
    if not folder.is_dir():
        raise SuiteError(f"{folder} is no folder")
    if not any((folder / name).exists() for name in (INDEX, MANIFEST)):
        raise SuiteError(
            f"{folder} holds no suite: neither {INDEX} (pictures) nor {MANIFEST} (entropy vectors)"
        )


def open_suite(folder: Path) -> Suite:
    """Read a suite.

    :raises SuiteError: a file is absent, or is not the one that the manifest means.
    """
    require_suite(folder)
    manifest = Fields(read_json(folder / MANIFEST, MAX_INDEX_BYTES), MANIFEST)
    if manifest.any("refconf_suite") != FORMAT_VERSION:
        raise SuiteError(f"{folder / MANIFEST}: no suite manifest of format {FORMAT_VERSION}")
    entries = [entry for group in GROUPS for entry in manifest.objects(group, MAX_STREAMS)]
    streams = {
        entry.path("file", ".jai"): _checked(
            folder / "streams", entry.path("file", ".jai"), entry.digest("sha256"), MAX_STREAM_BYTES
        )
        for entry in entries
    }
    _checked(folder, PAYLOADS, manifest.digest("payloads_sha256"), MAX_INDEX_BYTES)
    payloads = read_json(folder / PAYLOADS, MAX_INDEX_BYTES)
    return Suite(manifest.content, streams, payloads)


def _checked(folder: Path, name: str, sha256: str, most: int) -> bytes:
    path = inside(folder, name)
    data = read_limited(path, most)
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise SuiteError(f"{path} is not the file that the manifest means: sha256 {found}, expected {sha256}")
    return data
