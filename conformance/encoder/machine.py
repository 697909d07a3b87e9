"""What computes the integers of an encoder: model set, engine, threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from refdec import entropy
from refdec.entropy import EntropyEngine
from refdec.integer import graphs_run_by
from refdec.models_io import EntropyModel, ModelSet

ENGINES = ("jit", "golden", "twin")


@dataclass(frozen=True)
class Machine:
    """The model set, the engine of its integer networks and of entropy coding, and threads of networks."""

    models: ModelSet
    engine: str = "jit"
    threads: int = 1

    @property
    def entropy(self) -> EntropyEngine:
        """The entropy engine."""
        return entropy.engine(self.engine)

    def entropy_models(self, model_id: int) -> tuple[EntropyModel, EntropyModel]:
        """Entropy models of both components."""
        return self.models.entropy(model_id, 0), self.models.entropy(model_id, 1)


@contextmanager
def machine(models: ModelSet, engine: str = "jit", threads: int = 1) -> Iterator[Machine]:
    """A machine to use within the block.

    :param engine: ``jit``, ``golden`` or ``twin``: PyTorch for every integer network, jit for the rest.
    """
    if engine not in ENGINES:
        raise ValueError(f"engine must be one of {', '.join(ENGINES)}, found {engine!r}")
    if engine != "twin":
        yield Machine(models, engine, threads)
        return
    from conformance import twin

    with graphs_run_by(twin.run):
        yield Machine(models, "jit", threads)
