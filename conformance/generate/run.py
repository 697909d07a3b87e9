"""Makes a suite: streams in parallel, finished ones kept, the index last.

Any :class:`conformance.executors.Executor` will do: a task is a specification and a name, its result the
bytes of one stream, and only this process writes files. Which stream is ready first, and how often one was
made, has no influence on the suite.
"""

from __future__ import annotations

import fnmatch
import functools
import hashlib
import json
import shutil
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from conformance.child_process import ending
from conformance.executors import Died, Done, Executor, Raised, Result
from conformance.generate.entry import (
    MODELS_FOLDER,
    OTHERS_FOLDER,
    SYNTHETIC,
    GenerateError,
    Made,
    SuiteSpec,
    context_of,
    make_stream,
)
from conformance.generate.models import SyntheticModels
from conformance.generate.other_models import OtherModels
from conformance.generate.pages import pages
from conformance.generate.registry import Item, items_for
from conformance.program import program_digest
from conformance.suite.records import GROUPS, INDEX, SCHEMA
from conformance.suite.write import index_text
from refdec import __version__
from refdec.atomic_file import PARTIAL, atomic_file
from refdec.codestream import Dialect
from refdec.codestream.profiles import PROFILE_NAMES

JOURNAL = ".journal.jsonl"
PAGES = "README.md"
ATTEMPTS = 3
TIMEOUT = 3600.0
"""Seconds for one stream."""
Progress = Callable[[int, int, str], None]
"""Called with the streams that are there, the streams in all, and the name of the last one."""


@dataclass(frozen=True)
class Summary:
    """What was made.

    :param digest: SHA-256 of the index, in which every file of the suite has its own digest.
    :param kept: streams that were there already.
    :param bytes: of all files but the journal, which only a run that goes on reads.
    """

    digest: str
    streams: dict[str, int]
    made: int
    kept: int
    bytes: int


def generate_suite(
    folder: Path,
    spec: SuiteSpec,
    executor: Executor,
    *,
    only: Sequence[str] = (),
    progress: Progress = lambda _done, _all, _name: None,
) -> Summary:
    """Make a suite in a folder. Streams of an earlier run of the same program and specification are kept if
    their files are what they were; everything else of an earlier suite is removed.

    :param only: patterns of stream names; all streams without.
    :raises GenerateError: a recipe does not do what it says.
    :raises ValueError: no stream has such a name.
    """
    items = chosen(spec, only)
    journal = _Journal(folder, spec)
    for part in ("streams", "traces"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    _write_models(folder, spec, items)
    missing = [item.name for item in items if not journal.keeps(item.name)]
    done = len(items) - len(missing)
    if missing:  # the index of an earlier suite says nothing about what is here until all is made
        (folder / INDEX).unlink(missing_ok=True)
    try:
        with closing(_made(spec, missing, executor)) as finished:
            for made in finished:
                journal.add(made)
                done += 1
                progress(done, len(items), made.entry["name"])
    finally:
        journal.close()
    entries = [journal.entries[item.name] for item in items]
    _remove_others(folder, entries)
    journal.rewrite([item.name for item in items])
    digest = _write_index(folder, spec, items, entries)
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != JOURNAL)
    size = sum(path.stat().st_size for path in files)
    counts = {group: sum(entry["group"] == group for entry in entries) for group in GROUPS}
    return Summary(digest, counts, len(missing), len(items) - len(missing), size)


def _made(spec: SuiteSpec, names: Sequence[str], executor: Executor) -> Generator[Made, None, None]:
    """Every stream, once. One whose process died is made again: memory may have been short."""
    work = functools.partial(make_stream, spec)
    for last in range(ATTEMPTS - 1, -1, -1):
        lost = []
        for name, result in executor.run(work, {name: name for name in names}, TIMEOUT):
            if isinstance(result, Done):
                yield result.value
            elif isinstance(result, Died) and last:
                lost.append(name)
            else:
                raise GenerateError(f"{name}: {_told(result)}")
        names = lost


def _told(result: Result) -> str:
    if isinstance(result, Raised):
        return result.text
    if isinstance(result, Died):
        return f"{ending(result.exit_code)}, {ATTEMPTS} times; fewer --jobs leave more memory for each"
    return f"stopped after {TIMEOUT:g} s"


def chosen(spec: SuiteSpec, only: Sequence[str] = ()) -> list[Item]:
    """The streams of a suite, by group and then in the order of their recipes.

    :raises ValueError: no stream has such a name.
    """
    items = list(items_for(context_of(spec)))
    for pattern in only:
        if not any(fnmatch.fnmatchcase(item.name, pattern) for item in items):
            raise ValueError(f"no stream of this suite is called '{pattern}'")
    items = [i for i in items if not only or any(fnmatch.fnmatchcase(i.name, p) for p in only)]
    return sorted(items, key=lambda item: GROUPS.index(item.recipe.group))


def _write_models(folder: Path, spec: SuiteSpec, items: list[Item]) -> None:
    for part in (MODELS_FOLDER, OTHERS_FOLDER):
        shutil.rmtree(folder / part, ignore_errors=True)
    if spec.models == SYNTHETIC:
        SyntheticModels(spec.seed).save(folder / MODELS_FOLDER)
        if any(item.recipe.others for item in items):
            OtherModels(spec.seed).save(folder / OTHERS_FOLDER)


def _write_index(folder: Path, spec: SuiteSpec, items: list[Item], entries: list[dict[str, Any]]) -> str:
    profile = PROFILE_NAMES[Dialect.T840][spec.profile]
    origin = spec.models if spec.models == SYNTHETIC else "given"
    index = {
        "schema": SCHEMA,
        "name": f"{profile} {spec.level} seed {spec.seed}",
        "description": f"Generated: profile {profile}, level {spec.level}, {origin} models.",
        "refdec": __version__,
        "seed": spec.seed,
    }
    text = index_text(index, entries)
    _write(folder / PAGES, pages(index["name"], items).encode())
    _write(folder / INDEX, text.encode())
    return hashlib.sha256(text.encode()).hexdigest()


def _remove_others(folder: Path, entries: list[dict[str, Any]]) -> None:
    wanted = {entry["file"] for entry in entries}
    wanted |= {entry["expect"]["trace"] for entry in entries if "trace" in entry["expect"]}
    for part in ("streams", "traces"):
        for path in (folder / part).iterdir():
            if f"{part}/{path.name}" not in wanted:
                path.unlink()


def _write(path: Path, data: bytes) -> None:
    """A file that is there whole or not at all."""
    with atomic_file(path) as file:
        file.write(data)


class _Journal:
    """Records of the streams that are finished, one a line, behind a line that says what made them."""

    def __init__(self, folder: Path, spec: SuiteSpec) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.path = folder, folder / JOURNAL
        self.head = json.dumps({"made_by": fingerprint(spec)}) + "\n"
        for left in folder.glob(f".*{PARTIAL}"):  # by a run that was killed
            left.unlink()
        self.entries = self._read()
        self.rewrite(list(self.entries))
        self.file = self.path.open("a", encoding="utf-8")

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            first, *lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        except (OSError, UnicodeDecodeError, ValueError):
            return {}
        entries = {}
        for line in lines if first == self.head else ():
            if line.endswith("\n"):  # a line without its end is where an earlier run was stopped
                with suppress(ValueError, LookupError, TypeError):  # or where a disk lost it
                    entry = json.loads(line)
                    entries[entry["name"]] = entry
        return entries

    def keeps(self, name: str) -> bool:
        """Whether a stream is there, and its files are those that were written."""
        entry = self.entries.get(name)
        if entry is None:
            return False
        files = [(entry["file"], entry["sha256"])]
        if "trace" in entry["expect"]:
            files.append((entry["expect"]["trace"], entry["expect"]["trace_sha256"]))
        return all(_digest(self.folder / path) == digest for path, digest in files)

    def add(self, made: Made) -> None:
        """Write the files of a stream, then its line."""
        entry = made.entry
        _write(self.folder / entry["file"], made.stream)
        if made.trace is not None:
            _write(self.folder / entry["expect"]["trace"], made.trace)
        self.entries[entry["name"]] = entry
        self.file.write(json.dumps(entry) + "\n")
        self.file.flush()

    def rewrite(self, names: list[str]) -> None:
        """Only these streams, in this order."""
        lines = [json.dumps(self.entries[name]) + "\n" for name in names]
        _write(self.path, (self.head + "".join(lines)).encode())

    def close(self) -> None:
        """No more streams."""
        self.file.close()


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def fingerprint(spec: SuiteSpec) -> str:
    """Digest of the specification, of the program, and of models from outside."""
    digest = hashlib.sha256(json.dumps([asdict(spec), __version__]).encode())
    digest.update(program_digest().encode())
    if spec.models != SYNTHETIC:
        for *_, path in sorted(context_of(spec).models.files()):
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
