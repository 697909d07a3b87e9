"""Model sets and suites that the tests of the entropy stage share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from conformance.verify import synthetic
from conformance.verify.suite import Suite, bundled_suite
from refdec.models_io import ModelSet, open_models
from tests.stage.reference_streams import write_checkpoints


@pytest.fixture(scope="session")
def suite() -> Suite:
    """The bundled suite."""
    return bundled_suite()


@pytest.fixture(scope="session")
def synthetic_models(suite: Suite) -> ModelSet:
    """The seeded models that the bundled streams are coded with."""
    return synthetic.model_set(suite.manifest["models"]["seed"])


@pytest.fixture(scope="session")
def reference_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelSet]:
    """The reference vectors' weights, written as official checkpoints and imported by the command."""
    from conformance.cli import app
    from refdec.command import run

    folder: Path = tmp_path_factory.mktemp("official")
    write_checkpoints(folder / "checkpoints")
    command = ["import", str(folder / "checkpoints"), "-o", str(folder / "models"), "--entropy-only"]
    assert run(app, command) == 0
    yield open_models(folder / "models")
