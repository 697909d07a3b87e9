"""A model set on disk and streams as files, for the command lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.verify import synthetic
from conformance.verify.suite import Suite
from refdec.integer import save_model
from refdec.models_io import file_name
from tests.stage.conftest import suite

__all__ = ["suite"]


@pytest.fixture(scope="session")
def models_folder(suite: Suite, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The seeded models 0 and 3 as a folder; the others are absent."""
    folder = tmp_path_factory.mktemp("models")
    for model_id in (0, 3):
        for c in (0, 1):
            target = folder / file_name(model_id, "entropy", c)
            target.parent.mkdir(exist_ok=True)
            save_model(target, synthetic.entropy_model(16 * suite.manifest["models"]["seed"] + model_id, c))
    return folder


@pytest.fixture
def streams(suite: Suite, tmp_path: Path) -> Path:
    """All bundled streams as files."""
    for name, data in suite.streams.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path
