"""A whole suite, stream by stream: which points, and by which stream each is exercised first."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from conformance.coverage.record import Point, Recording, record
from conformance.coverage.universe import reason, universe
from conformance.executors import Done, Executor, InProcess, Raised
from conformance.suite.choice import chosen_names
from conformance.suite.records import PictureSuite, is_picture_suite, open_pictures
from conformance.verify import synthetic
from conformance.verify.run import SLOW_PIXELS
from conformance.verify.suite import Suite, open_suite
from refdec.codestream import Dialect
from refdec.models_io import ModelSet, bundled_models, open_models
from refdec.settings import Settings

TIMEOUT = 900.0
Expected = Literal["decodes", "refused", "either"]


@dataclass(frozen=True)
class Task:
    """One stream and how it is decoded.

    :param pixels: of the picture, 0 where that is not known.
    :param models: folder of the model set that the suite has for it; ``None``: the bundled one, or the
        seeded one of a suite of vectors.
    """

    name: str
    data: bytes
    dialect: Dialect
    settings: Settings
    expected: Expected
    pixels: int = 0
    models: Path | None = None


@dataclass(frozen=True)
class Exercised:
    """What one stream of the suite exercises.

    :param problem: why the stream counts for nothing, empty if it counts.
    """

    name: str
    size: int
    points: frozenset[Point]
    seconds: float
    problem: str = ""


@dataclass(frozen=True)
class Coverage:
    """The result for a suite.

    :param shortest: for each point that is exercised, the shortest stream that does.
    """

    suite: str
    streams: tuple[Exercised, ...]
    shortest: Mapping[Point, str]

    def covered(self, group: str) -> list[str]:
        """Points of a group that some stream exercises, in the universe's order."""
        return [point for point in universe()[group] if (group, point) in self.shortest]

    def unreachable(self, group: str) -> dict[str, str]:
        """Points of a group that no stream exercises and none can, with the reason."""
        found = {p: reason(group, p) for p in universe()[group] if (group, p) not in self.shortest}
        return {point: text for point, text in found.items() if text is not None}

    def missing(self, group: str) -> list[str]:
        """Points of a group that a stream could exercise and none does."""
        return [p for p in universe()[group] if (group, p) not in self.shortest and reason(group, p) is None]

    def statements(self, stream: str) -> list[str]:
        """Ids of the statements that a stream exercises."""
        found = next(s for s in self.streams if s.name == stream)
        return sorted(point for group, point in found.points if group == "statements")


def cover(
    folder: Path,
    models: Path | None = None,
    executor: Executor | None = None,
    only: frozenset[str] | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> Coverage:
    """Decode every stream of a suite with the golden engine and note what it exercises.

    :param models: folder of the model set, ``None`` for the one that the suite is coded with.
    :param executor: who does the work; ``None``: this process.
    :param only: patterns of the names of streams to decode; ``None``: all.
    :raises SuiteError: the suite cannot be read.
    :raises UsageError: a pattern matches no stream.
    """
    tasks = tasks_of(folder, own_models=models is None)
    wanted = chosen_names([task.name for task in tasks], only)
    tasks = [task for task in tasks if task.name in wanted]
    work = functools.partial(exercise, folder, models)
    found: dict[str, Exercised] = {}
    named = {task.name: task for task in tasks}
    with closing((executor or InProcess()).run(work, named, TIMEOUT)) as results:
        for name, result in results:
            value = result.value if isinstance(result, Done) else _lost(named[name], result)
            found[name] = value
            progress(f"{name}: {value.problem or f'{len(value.points)} points'}")
    streams = tuple(found[task.name] for task in tasks)
    shortest: dict[Point, str] = {}
    for stream in sorted(streams, key=lambda s: (s.size, s.name)):
        for point in stream.points:
            shortest.setdefault(point, stream.name)
    return Coverage(folder.name, streams, shortest)


def tasks_of(folder: Path, own_models: bool = True) -> list[Task]:
    """The streams of a suite of pictures or of entropy vectors.

    :param own_models: the suite's own models are to be used, and must be there.
    :raises SuiteError: the suite cannot be read.
    """
    if is_picture_suite(folder):
        return list(_pictures(open_pictures(folder), own_models))
    return list(_vectors(open_suite(folder)))


def _pictures(suite: PictureSuite, own_models: bool) -> Iterator[Task]:
    expected: dict[str, Expected] = {
        "must-decode": "decodes",
        "may-reject": "either",
        "must-reject": "refused",
    }
    for r in suite.records:
        settings = Settings(
            "golden",
            channels=r.channels,
            quality_rounding=r.quality_rounding,
            operating_point=r.operating_point,
        )
        pixels = 0 if r.picture is None else r.picture.width * r.picture.height
        folder = suite.whole_models_folder(r) if own_models else None
        yield Task(r.name, suite.stream(r), r.dialect, settings, expected[r.group], pixels, folder)


def _vectors(suite: Suite) -> Iterator[Task]:
    for entry in suite.manifest["streams"]:
        settings = Settings(
            "golden", channels=entry.get("channels"), quality_rounding=entry["quality_rounding"]
        )
        data = suite.streams[entry["file"]]
        yield Task(entry["name"], data, Dialect(entry["dialect"]), settings, "decodes")
    for entry in suite.manifest["malformed"]:
        data = suite.streams[entry["file"]]
        yield Task(entry["name"], data, Dialect(entry["dialect"]), Settings("golden"), "refused")


def exercise(folder: Path, models: Path | None, task: Task) -> Exercised:
    """What one stream exercises; nothing, if it does not end as its group says."""
    if task.pixels > SLOW_PIXELS:
        return Exercised(task.name, len(task.data), frozenset(), 0.0, f"{task.pixels} pixels: too slow")
    found = record(task.data, task.dialect, models_of(folder, models or task.models), task.settings)
    problem = _problem(task.expected, found)
    return Exercised(
        task.name, len(task.data), frozenset() if problem else found.points, found.seconds, problem
    )


@functools.cache
def models_of(folder: Path, models: Path | None) -> ModelSet:
    """The models that a suite's streams need."""
    if models is not None:
        return open_models(models)
    if is_picture_suite(folder):
        return bundled_models()
    return synthetic.model_set(int(open_suite(folder).manifest["models"]["seed"]))


def _problem(expected: Expected, found: Recording) -> str:
    if expected == "decodes" and found.error is not None:
        return f"refused ({found.error}), and must decode"
    if expected == "refused" and found.error is None:
        return "decodes, and must be refused"
    return ""


def _lost(task: Task, result: Any) -> Exercised:
    text = result.text if isinstance(result, Raised) else type(result).__name__
    return Exercised(task.name, len(task.data), frozenset(), 0.0, text)
