"""The model sets of the entropy stage's tests."""

from tests.stage.conftest import reference_models, suite, synthetic_models

__all__ = ["reference_models", "suite", "synthetic_models"]
