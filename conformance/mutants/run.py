"""A suite against every mutant, each in a process of its own that starts with all that is known already."""

from __future__ import annotations

import fnmatch
import itertools
import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any, Literal

from conformance import child_process
from conformance.mutants import fast, patch
from conformance.mutants.cases import Case
from conformance.mutants.mutant import STAGES, Mutant
from conformance.mutants.probe import kind_of
from conformance.mutants.replay import Finding, examine, prepare, untouched
from conformance.mutants.tolerance import Tolerated, tolerated
from refdec.command import UsageError
from refdec.entropy import tables as coder
from refdec.entropy.golden import z
from refdec.integer.golden import bounds

GUARDED = (
    "refdec.entropy.golden.bits",
    "refdec.entropy.golden.dequantise",
    "refdec.entropy.golden.residual",
    "refdec.entropy.golden.scales",
    "refdec.entropy.golden.z",
    "refdec.filters.golden.efe",
    "refdec.filters.golden.eicci",
    "refdec.filters.golden.lef",
    "refdec.integer.golden.bounds",
    "refdec.networks.golden",
    "refdec.picture.golden",
)
"""Modules whose assertions are switched off."""
MEMORY_BYTES = 8 << 30
"""A mutant may take so much memory and no more."""
LEAST_SECONDS = 10.0
PATIENCE = 30
"""A stream hangs when it takes so many times the processor time that it takes without a mutant, and at least
``LEAST_SECONDS`` of it: a busy machine must not convict anybody."""
ASLEEP = 30
"""It hangs too when so many times that time goes by and it is not used."""

Verdict = Literal["killed", "survived", "equivalent", "contradicted"]


@dataclass(frozen=True)
class Options:
    """How a run goes.

    :param only: patterns of mutants' names; empty for all.
    :param jobs: processes; 0 does everything in this one, without time-outs.
    :param tolerance_streams: checks with a tolerance are asked about so many pictures, the one that found a
        mutant out and the smallest others that it can change; 0 leaves the question out.
    """

    only: tuple[str, ...] = ()
    jobs: int = 1
    tolerance_streams: int = 12


@dataclass(frozen=True)
class Result:
    """What became of a mutant.

    ``killed``: :attr:`finding` says by which stream. ``survived``: no stream shows it. ``equivalent``: none
    can, and none did. ``contradicted``: a stream found out a mutant that is listed as equivalent.
    """

    mutant: Mutant
    verdict: Verdict
    finding: Finding | None = None
    tolerated: Tolerated | None = None
    streams: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Run:
    """Results in the catalogue's order, and what they were won with."""

    results: tuple[Result, ...]
    cases: tuple[Case, ...] = field(repr=False)
    left_out: int = 0
    seconds: float = 0.0
    jobs: int = 1


def chosen(catalogue: Sequence[Mutant], only: Sequence[str]) -> list[Mutant]:
    """Mutants whose name fits a pattern.

    :raises UsageError: none does.
    """
    found = [m for m in catalogue if not only or any(fnmatch.fnmatch(m.name, p) for p in only)]
    if not found:
        raise UsageError(f"no mutant is called {' or '.join(only)}")
    return found


def run_mutants(
    cases: Sequence[Case],
    catalogue: Sequence[Mutant],
    options: Options,
    progress: Callable[[str], None] = lambda _line: None,
) -> list[Result]:
    """Every mutant against the streams, smallest first, up to the first that finds it out.

    :raises MutantError: the suite is not what the unchanged decoder makes, or a mutant cannot be applied.
    :raises UsageError: this platform cannot fork and ``jobs`` is not 0.
    """
    mutants = chosen(catalogue, options.only)
    for mutant in mutants:
        patch.require_applicable(mutant)
    ordered = sorted(cases, key=lambda case: (case.pixels, len(case.data), case.name))
    with ExitStack() as stack:
        stack.enter_context(unguarded())
        kept = stack.enter_context(z_tables_kept())
        for number, case in enumerate(ordered):
            progress(f"without a mutant: {case.name} ({number + 1} of {len(ordered)})")
            prepare(case)
        if any(mutant.engine == fast.ENGINE for mutant in mutants):
            progress("without a mutant: the fast engine")
            with fast.shared_out():
                fast.require_right(ordered)
        stack.enter_context(patch.surveyed())
        task = _Task(tuple(ordered), options.tolerance_streams, kept)
        results: dict[str, Result] = {}
        source = _here(task, mutants) if options.jobs == 0 else _forked(task, mutants, options.jobs)
        for result in source:
            results[result.mutant.name] = result
            progress(f"{len(results)} of {len(mutants)}: {result.mutant.name} {result.verdict}")
    return [results[mutant.name] for mutant in mutants]


def unguarded() -> ExitStack:
    """A context in which the golden decoder trusts its input as a decoder in the field does."""
    stack = ExitStack()
    stack.enter_context(patch.without_assertions(GUARDED))
    stack.enter_context(patch.replaced(bounds, "require", lambda *_arguments: None))
    return stack


@dataclass
class Kept:
    """Tables of the hyper-latent by their distribution. Making them is most of what the golden decoder does
    for a small picture, and all streams of a suite have the same.

    :param made: what makes one.
    """

    made: Callable[[list[int]], Any]
    tables: dict[tuple[int, ...], Any] = field(default_factory=dict)

    def __call__(self, cdf: list[int]) -> Any:
        """The table of a distribution."""
        key = tuple(cdf)
        if key not in self.tables:
            self.tables[key] = self.made(cdf)
        return self.tables[key]

    @contextmanager
    def for_mutant(self, mutant: Mutant) -> Iterator[None]:
        """Within the block a mutant that changes how tables are made has its own."""
        before, modules = self.tables, {edit.module for edit in mutant.edits}
        if mutant.cells or not modules.isdisjoint((z.__name__, coder.__name__)):
            self.tables = {}
        try:
            yield
        finally:
            self.tables = before


@contextmanager
def z_tables_kept() -> Iterator[Kept]:
    """Within the block every table of the hyper-latent is made once."""
    kept = Kept(z.decode_entries)
    with patch.replaced(z, "decode_entries", kept):
        yield kept


@dataclass(frozen=True)
class _Task:
    cases: tuple[Case, ...]
    tolerance_streams: int
    kept: Kept

    def judge(self, mutant: Mutant, say: Callable[[Any], None]) -> Result:
        """Verdict on one mutant; ``say`` hears which stream is next and how many seconds it may take."""
        start = time.perf_counter()
        finding, pictures, count = None, None, 0
        quick = mutant.engine == fast.ENGINE
        # What runs, and what is looked at, is known of the golden decoder.
        changed, kind = (None, None) if quick else (patch.changed_functions(mutant), kind_of(mutant))
        cases = [fast.on_fast_engine(case) for case in self.cases] if quick else self.cases

        def touches(case: Case) -> bool:
            return _concerns(mutant, changed, case) and not untouched(case, kind)

        quickly = fast.shared_out() if quick else nullcontext()
        with self.kept.for_mutant(mutant), patch.applied(mutant), quickly:
            for case in cases:
                # Said before the look as well: hundreds of streams that are passed over take their time too.
                say((case.name, _allowance(case), None))
                if not touches(case):
                    continue
                count += 1
                finding = (fast.examine_both if quick else examine)(case, *mutant.stages)
                if finding is not None:
                    break
            if finding is not None and finding.kind in ("value", "refused") and self.tolerance_streams:
                # The stream that showed it first is asked first.
                say((finding.stream, sum(map(_allowance, cases)), finding))
                order = sorted(cases, key=lambda case: case.name != finding.stream)
                asked = (c for c in order if c.picture is not None and touches(c))
                some = list(itertools.islice(asked, self.tolerance_streams))
                say((finding.stream, sum(map(_allowance, some)), finding))
                pictures = tolerated(mutant, some) if some else None
        seconds = time.perf_counter() - start
        return Result(mutant, _verdict(mutant, finding), finding, pictures, count, seconds)


def _concerns(mutant: Mutant, changed: frozenset[patch.Function] | None, case: Case) -> bool:
    """Whether a mutant can change anything of a stream: something that it changes runs, in a stage that is
    compared. Bad streams are told by the first two stages, and a change of syntax concerns all."""
    last = "entropy" if case.rejection is not None else case.last
    if STAGES.index(mutant.stages[0]) > STAGES.index(last):
        return False
    return changed is None or not changed.isdisjoint(case.functions)


def _allowance(case: Case) -> float:
    return max(LEAST_SECONDS, PATIENCE * case.seconds)


def _verdict(mutant: Mutant, finding: Finding | None) -> Verdict:
    if mutant.equivalent:
        return "equivalent" if finding is None else "contradicted"
    return "survived" if finding is None else "killed"


def _here(task: _Task, mutants: Sequence[Mutant]) -> Iterator[Result]:
    for mutant in mutants:
        yield task.judge(mutant, lambda _message: None)


class _Child:
    """A process that judges one mutant."""

    def __init__(self, context: Any, task: _Task, mutant: Mutant) -> None:
        self.mutant, self.stream, self.start = mutant, "", time.monotonic()
        self.deadline = self.start + ASLEEP * LEAST_SECONDS
        self.finding: Finding | None = None
        self.connection, theirs = context.Pipe(duplex=False)
        self.process = context.Process(target=_serve, args=(theirs, task, mutant), daemon=True)
        child_process.start(self.process)
        theirs.close()

    def end(self) -> None:
        if self.process.is_alive():
            self.process.kill()
        self.process.join()
        self.connection.close()

    def lost(self, kind: str, place: str) -> Result:
        """The verdict on a mutant whose process hangs or is gone; if it was found out before, it is the
        pictures that are asked for in vain."""
        finding = self.finding or Finding(self.stream, kind, place)
        pictures = None if self.finding is None else Tolerated(1, 1, False, False, 0)
        seconds = time.monotonic() - self.start
        return Result(self.mutant, _verdict(self.mutant, finding), finding, pictures, seconds=seconds)


def _forked(task: _Task, mutants: Sequence[Mutant], jobs: int) -> Iterator[Result]:
    if "fork" not in multiprocessing.get_all_start_methods():
        raise UsageError("mutants run in forked processes, which this platform does not have: use --jobs 0")
    context = multiprocessing.get_context("fork")
    waiting = list(reversed(mutants))
    children: list[_Child] = []
    try:
        while waiting or children:
            while waiting and len(children) < jobs:
                children.append(_Child(context, task, waiting.pop()))
            soonest = min(child.deadline for child in children) - time.monotonic()
            ready = wait([child.connection for child in children], max(0.0, soonest))
            for child in list(children):
                result = _heard(child, child.connection in ready)
                if result is not None:
                    children.remove(child)
                    child.end()
                    yield result
    finally:
        for child in children:
            child.end()


def _heard(child: _Child, readable: bool) -> Result | None:
    if readable:
        try:
            message = child.connection.recv()
        except (EOFError, OSError):
            child.process.join(5)
            if child.process.exitcode == -signal.SIGPROF:
                return child.lost("hang", "stopped")
            return child.lost("crash", child_process.ending(child.process.exitcode))
        if isinstance(message, BaseException):
            raise message
        if isinstance(message, Result):
            return message
        child.stream, seconds, child.finding = message
        child.deadline = time.monotonic() + ASLEEP * seconds
        return None
    if time.monotonic() >= child.deadline:
        return child.lost("hang", "stopped")
    return None


def _serve(connection: Connection, task: _Task, mutant: Mutant) -> None:
    child_process.end_with_parent()
    _limit_memory()
    signal.signal(signal.SIGPROF, signal.SIG_DFL)

    def say(message: Any) -> None:
        signal.setitimer(signal.ITIMER_PROF, message[1])
        connection.send(message)

    try:
        message: Any = task.judge(mutant, say)
        signal.setitimer(signal.ITIMER_PROF, 0)
    except Exception as error:
        message = error
    with suppress(OSError):
        connection.send(message)


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:
        return
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1]))
