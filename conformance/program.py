"""What this program is: one digest, for whoever must know that two processes run the same."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path

import conformance
import refdec


@lru_cache(maxsize=1)
def program_digest() -> str:
    """SHA-256 of the modules and tables of both packages."""
    digest = hashlib.sha256()
    for package in (refdec, conformance):
        root = Path(os.path.abspath(package.__path__[0]))  # noqa: PTH100
        for path in sorted([*root.rglob("*.py"), *root.glob("tables/*")]):
            if path.is_file():
                digest.update(f"{path.relative_to(root)}\n".encode() + path.read_bytes())
    return digest.hexdigest()
