"""The fast engine as the catalogue's mutants of it meet it: several threads, every picture shared out."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from weakref import WeakKeyDictionary

from conformance.mutants import patch
from conformance.mutants.cases import Case
from conformance.mutants.mutant import MutantError
from conformance.mutants.replay import Finding, examine, examine_unwatched
from refdec.entropy.jit import engine
from refdec.integer.jit import runner, schedule

ENGINE = "jit"
THREADS = 3


def on_fast_engine(case: Case) -> Case:
    """The same stream for the fast engine."""
    return replace(case, settings=replace(case.settings, engine=ENGINE, threads=THREADS))


def shared_out() -> ExitStack:
    """A context in which no picture is too small for several threads."""
    stack = ExitStack()
    stack.enter_context(patch.replaced(engine, "ENGINE", engine.JitEngine(share=1)))
    stack.enter_context(patch.replaced(schedule, "LEAST_WORK", 0))
    # Weights are packed and rows planned once for a graph: anew, with the mistakes of the mutant applied.
    stack.enter_context(patch.replaced(runner, "_COMPILED", WeakKeyDictionary()))
    return stack


def examine_both(case: Case, first: str, last: str) -> Finding | None:
    """What is wrong with a decode, layer by layer and then with layers fused; ``None`` if nothing is."""
    return examine(case, first, last) or examine_unwatched(case)


def require_right(cases: Sequence[Case]) -> None:
    """Decode with the unchanged fast engine; its kernels are compiled, or read, on the way.

    :raises MutantError: it does not do what the suite says.
    """
    for case in cases:
        finding = examine_both(on_fast_engine(case), "codestream", "picture")
        if finding is not None:
            raise MutantError(f"without any mutant, the fast engine gives {finding.kind} for {case.name}")
