"""The model sets of the entropy stage's tests; kernels compiled before anything is measured."""

import pytest

from conformance.verify.suite import Suite
from refdec.decoder import decode_entropy
from refdec.models_io import ModelSet
from tests.stage.conftest import reference_models, suite, synthetic_models

__all__ = ["reference_models", "suite", "synthetic_models"]


@pytest.fixture(scope="session", autouse=True)
def compiled(suite: Suite, synthetic_models: ModelSet) -> None:
    """Compiling takes its time once; it is no part of what a stream may cost."""
    for name in ("plain-64x64", "everything"):
        decode_entropy(suite.streams[f"{name}.jai"], synthetic_models, engine="jit")
