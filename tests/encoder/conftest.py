"""The model sets of the entropy stage's tests, and one that can code pictures."""

from __future__ import annotations

import pytest

from conformance.verify.suite import Suite
from refdec.models_io import ModelSet
from tests.stage.conftest import reference_models, suite, synthetic_models

__all__ = ["float_models", "reference_models", "suite", "synthetic_models"]


@pytest.fixture(scope="session")
def float_models(suite: Suite, tmp_path_factory: pytest.TempPathFactory) -> ModelSet:
    """A folder with small random models of all rate points and an encoder's weights."""
    pytest.importorskip("torch")
    from tests.encoder.float_models import write_models

    return write_models(tmp_path_factory.mktemp("float"), suite.manifest["models"]["seed"])
