"""Where the shared reference vectors lie, if they are there at all.

They are not part of the project: a test that needs them is skipped where they are absent.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("REFDEC_SHARED", Path(__file__).resolve().parents[2] / "shared"))
REFERENCE = SHARED / "vectors" / "reference"

requires_shared = pytest.mark.skipif(
    not REFERENCE.is_dir(), reason="the shared reference vectors are not here"
)
