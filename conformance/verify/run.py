"""A whole suite of pictures under several decoders, in parallel, with time-outs."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from multiprocessing import parent_process
from pathlib import Path

from conformance.child_process import ending
from conformance.executors import (
    Died,
    Done,
    Executor,
    Raised,
    Result,
    Threads,
    TimedOut,
)
from conformance.executors.choose import local_executor
from conformance.suite.choice import chosen_names
from conformance.suite.fields import IncompleteSuiteError
from conformance.suite.records import PictureSuite, Record
from conformance.verify.engines import judge
from conformance.verify.external import Command, judge_external
from conformance.verify.outcome import Outcome
from conformance.verify.suite import SuiteError
from refdec.command import UsageError
from refdec.errors import ModelError
from refdec.models_io import ModelSet, bundled_models, open_models

SLOW_PIXELS = 1 << 21
"""Larger pictures are given to the golden engine only on request: it takes ten seconds a megapixel."""
COST = {"jit": 1, "twin": 12, "golden": 40}
DEFAULT_ENGINES = ("jit", "golden")
DEFAULT_TIMEOUT = 600.0
JUDGE_SECONDS = 300.0


@dataclass(frozen=True)
class Options:
    """How a suite is run.

    :param engines: our own engines; empty with a command alone.
    :param asked: whether the caller named the engines: then nothing is left out.
    :param command: somebody else's decoder, or ``None``.
    :param models: folder of the model set, ``None`` for the suite's own or the bundled one.
    :param only: patterns of the names of streams to run, ``None`` for all.
    :param keep: keep decoded pictures for a report.
    :param executor: who does the work; ``None``: processes of this machine, as many as :attr:`jobs`.
    """

    engines: tuple[str, ...] = DEFAULT_ENGINES
    asked: bool = False
    command: Command | None = None
    models: Path | None = None
    jobs: int = 1
    timeout: float = DEFAULT_TIMEOUT
    only: frozenset[str] | None = None
    keep: bool = False
    executor: Executor | None = None


def default_jobs() -> int:
    """As many processes as this one may use processors."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def verify_pictures(
    suite: PictureSuite, options: Options, progress: Callable[[Outcome], None] = lambda _outcome: None
) -> list[Outcome]:
    """One verdict for every stream and decoder, in the suite's order.

    :raises UsageError: a stream is asked for that the suite does not have, or an engine cannot be had.
    """
    records = _chosen(suite, options.only)
    outcomes = []
    with closing(_all(suite, records, options)) as found:
        for outcome in found:
            progress(outcome)
            outcomes.append(outcome)
    decoders = [*options.engines, "external"]
    order = {record.name: number for number, record in enumerate(records)}
    return sorted(outcomes, key=lambda o: (order[o.name], decoders.index(o.decoder)))


def _chosen(suite: PictureSuite, only: frozenset[str] | None) -> tuple[Record, ...]:
    wanted = chosen_names([record.name for record in suite.records], only)
    return tuple(record for record in suite.records if record.name in wanted)


def _all(suite: PictureSuite, records: Sequence[Record], options: Options) -> Generator[Outcome, None, None]:
    if "twin" in options.engines:
        require_torch()
    if options.engines:
        # Said once and at once, not once for every stream.
        for folder in {model_folder(suite, record, options.models) for record in records}:
            model_set(folder)
        yield from _engines(suite, records, options)
    if options.command is not None:
        yield from _external(suite, records, options, options.command)


def require_torch() -> None:
    """:raises UsageError: PyTorch is not installed; how it is."""
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise UsageError(f"the twin needs PyTorch: pip install 'refdec[encoder]' ({error})") from error


def _engines(
    suite: PictureSuite, records: Sequence[Record], options: Options
) -> Generator[Outcome, None, None]:
    tasks = []
    for record in records:
        for engine in options.engines:
            if engine != "jit" and not options.asked and _pixels(record) > SLOW_PIXELS:
                yield Outcome(
                    record.name, record.group, engine, "not run",
                    f"{_pixels(record)} pixels; --engine {engine} asks for it",
                )  # fmt: skip
            else:
                tasks.append((record, engine))
    tasks.sort(key=lambda task: -COST[task[1]] * _pixels(task[0]))
    work = functools.partial(judge_task, suite, options.models, options.keep)
    named = {f"{record.name} {engine}": (record, engine) for record, engine in tasks}
    executor = options.executor or local_executor(options.jobs)
    for name, result in executor.run(work, named, options.timeout):
        yield _verdict(*named[name], result)


def judge_task(suite: PictureSuite, models: Path | None, keep: bool, task: tuple[Record, str]) -> Outcome:
    """What a worker does: one stream under one engine."""
    if task[1] == "twin" and parent_process() is not None:
        import torch

        # The workers share the processors already.
        torch.set_num_threads(1)
    return judge(suite, task[0], task[1], model_set(model_folder(suite, task[0], models)), keep=keep)


def model_folder(suite: PictureSuite, record: Record, asked: Path | None) -> Path | None:
    """The model set of a stream: what the caller asks for, the suite's own, or (``None``) the bundled one."""
    return asked if asked is not None else suite.whole_models_folder(record)


@functools.cache
def model_set(folder: Path | None) -> ModelSet:
    return bundled_models() if folder is None else open_models(folder)


def _verdict(record: Record, engine: str, result: Result) -> Outcome:
    if isinstance(result, Done) and isinstance(result.value, Outcome):
        return result.value
    blank = Outcome(record.name, record.group, engine, "error", "")
    if isinstance(result, Raised):
        return replace(blank, detail=result.text)
    if isinstance(result, Died):
        return replace(blank, status="crash", detail=ending(result.exit_code))
    assert isinstance(result, TimedOut)
    return replace(
        blank, status="timeout", detail=f"stopped after {result.seconds:g} s", seconds=result.seconds
    )


def _external(
    suite: PictureSuite, records: Sequence[Record], options: Options, command: Command
) -> Iterator[Outcome]:
    work = functools.partial(external_task, suite, command, replace(options, executor=None))
    named = {record.name: record for record in records}
    executor = options.executor or Threads(options.jobs)
    # The decoder has its own time-out; this one is for what is done with what it wrote.
    for name, result in executor.run(work, named, 2 * options.timeout + JUDGE_SECONDS):
        yield _verdict(named[name], "external", result)


def external_task(suite: PictureSuite, command: Command, options: Options, record: Record) -> Outcome:
    """One stream under somebody else's decoder."""
    try:
        models = model_set(model_folder(suite, record, options.models))
    except (ModelError, IncompleteSuiteError):
        models = None
    try:
        return judge_external(suite, record, command, options.timeout, models, keep=options.keep)
    except (OSError, SuiteError) as error:
        return Outcome(record.name, record.group, "external", "error", str(error))


def _pixels(record: Record) -> int:
    return 0 if record.picture is None else record.picture.width * record.picture.height
