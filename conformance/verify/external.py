"""One stream under somebody else's decoder: any command that takes an input and an output path."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import tempfile
import time
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from conformance.suite.records import MAX_TRACE_BYTES, PictureSuite, Record, checked_trace
from conformance.verify.engines import settings_of
from conformance.verify.outcome import Outcome, Planes, planar_digest
from conformance.verify.process import Bounds, Ended, run_command
from conformance.verify.samples import (
    FORMATS,
    SamplesError,
    difference,
    likely_cause,
    most_bytes,
    read_samples,
)
from conformance.verify.suite import SuiteError
from conformance.verify.taken import NotTaken, NotThere, take
from refdec.codestream import CHANNELS, Dialect, parse
from refdec.command import UsageError
from refdec.compare import compare
from refdec.decoder import decode_picture
from refdec.errors import RefdecError
from refdec.models_io import BUNDLED, ModelSet
from refdec.trace import TraceError

MOST_LOG_BYTES = 64 << 20
"""What a decoder may say about one stream."""
MOST_SPARE_BYTES = 512 << 20
"""What it may write beside the picture: a trace, and what it needs for a while."""
MOST_CHANNELS = max(CHANNELS)
_SHELL_SIGNALS = frozenset(range(128 + 4, 128 + 12))
"""How a shell that was in between reports a command that died, from SIGILL to SIGSEGV."""


@dataclass(frozen=True)
class Command:
    """A decoder's command line.

    :param words: arguments with ``{input}`` and ``{output}`` in them, and perhaps with ``{trace}``,
        ``{dialect}``, ``{rounding}``, ``{point}``, ``{channels}`` and ``{models}``.
    :param kind: format of the picture that it writes.
    """

    words: tuple[str, ...]
    kind: str

    @property
    def traces(self) -> bool:
        """Whether it writes a trace as well."""
        return self._has("{trace}")

    def cannot_know(self, record: Record) -> str | None:
        """The placeholder without which the decoder cannot know how a stream is to be read."""
        for mark, value, usual in (
            ("{dialect}", record.dialect, Dialect.T840),
            ("{rounding}", record.quality_rounding, "floor"),
        ):
            if value != usual and not self._has(mark):
                return mark
        if record.channels is not None and not self._has("{channels}"):
            return "{channels}"
        return None

    def line(
        self, record: Record, stream: Path, output: Path, trace: Path, models: Path | None = None
    ) -> list[str]:
        """The arguments for one stream; no shell ever sees them."""
        values = {
            "{input}": str(stream),
            "{output}": str(output),
            "{trace}": str(trace),
            "{dialect}": record.dialect.value,
            "{rounding}": record.quality_rounding,
            "{point}": record.operating_point,
            "{channels}": str(MOST_CHANNELS if record.channels is None else record.channels),
            "{models}": str(models or files("refdec").joinpath(BUNDLED)),
        }
        marks = re.compile("|".join(map(re.escape, values)))
        return [marks.sub(lambda match: values[match.group()], word) for word in self.words]

    def _has(self, mark: str) -> bool:
        return any(mark in word for word in self.words)


def parse_command(template: str, kind: str) -> Command:
    """A command from its template, e.g. ``mydec -i {input} -o {output}``.

    :raises UsageError: no such program, a placeholder is missing, or there is no such format; or the system
        has no process groups, without which nobody can be stopped with all that it started.
    """
    if not hasattr(os, "killpg"):
        raise UsageError("--decoder: foreign decoders are run on POSIX systems only (on Windows: in WSL)")
    try:
        words = tuple(shlex.split(template))
    except ValueError as error:
        raise UsageError(f"--decoder: {error}") from error
    for mark in ("{input}", "{output}"):
        if not any(mark in word for word in words):
            raise UsageError(f"--decoder: '{template}' has no {mark}")
    if shutil.which(words[0]) is None:
        raise UsageError(f"--decoder: there is no program '{words[0]}'")
    if kind not in FORMATS:
        raise UsageError(f"--decoder-output {kind}: expected one of {', '.join(FORMATS)}")
    return Command(words, kind)


def judge_external(
    suite: PictureSuite,
    record: Record,
    command: Command,
    timeout: float,
    models: ModelSet | None,
    *,
    keep: bool = False,
) -> Outcome:
    """The verdict on one stream.

    :param models: to decode a picture that came out wrong, so that the difference can be shown.
    :param keep: give the decoded planes with it.
    """
    data = suite.stream(record)
    missing = command.cannot_know(record)
    if missing is not None:
        detail = f"the stream does not say how it is to be read; the command needs {missing}"
        return Outcome(record.name, record.group, "external", "not run", detail)
    with tempfile.TemporaryDirectory(prefix="refconf-", ignore_cleanup_errors=True) as name:
        lent, folder = Path(name, "in"), Path(name, "out")
        lent.mkdir()
        folder.mkdir()
        stream = lent / "stream.jai"
        stream.write_bytes(data)
        own = _lend_models(suite, record, models, lent)
        line = command.line(record, stream, folder / f"out.{command.kind}", folder / "out.jsonl", own)
        given = sum(path.stat().st_size for path in lent.rglob("*") if path.is_file())
        bounds = Bounds(timeout, MOST_LOG_BYTES, given + MOST_SPARE_BYTES + _picture_bytes(record))
        # What stands behind these numbers stays the same whatever a decoder does to the paths.
        numbers = [os.open(place, os.O_RDONLY) for place in (lent, folder)]
        try:
            start = time.perf_counter()
            ended = run_command(line, Path(name), bounds)
            verdict = Outcome(record.name, record.group, "external", "error", "", time.perf_counter() - start)
            verdict = _judge_end(record, ended, bounds, verdict)
            if verdict.status == "pass" and not _is_unchanged(numbers[0], stream.name, data):
                return replace(verdict, status="error", detail="it changed the file that it was to read")
            if verdict.status != "pass" or ended.code != 0 or record.picture is None:
                return verdict
            verdict = _judge_output(suite, record, command, numbers[1], verdict, models, keep)
            return _with_trace(suite, record, numbers[1], verdict) if command.traces else verdict
        finally:
            for number in numbers:
                os.close(number)


def _lend_models(suite: PictureSuite, record: Record, models: ModelSet | None, lent: Path) -> Path | None:
    """The folder of the models for a decoder: a copy, where the suite's own would lead it to the suite."""
    if models is None or record.model_set is None or models.root != suite.models_folder(record):
        return None if models is None else models.root
    target = lent / "models"
    for path in models.root.rglob("*"):
        if path.is_file():
            copy = target / path.relative_to(models.root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    return target


def _picture_bytes(record: Record) -> int:
    return 0 if record.picture is None else most_bytes(record.picture)


def _judge_end(record: Record, ended: Ended, bounds: Bounds, verdict: Outcome) -> Outcome:
    """The verdict on how a decoder ended; ``pass``: there is nothing to be said against that."""
    code, said = ended.code, _shown(ended.said)
    if ended.stopped == "time":
        return replace(verdict, status="timeout", detail=f"stopped after {bounds.seconds:g} s")
    if ended.stopped == "asked":
        return replace(verdict, status="not run", detail="interrupted")
    if ended.stopped:
        what = {
            "log": f"said more than {bounds.log_bytes} bytes",
            "bytes": f"wrote more than {bounds.folder_bytes} bytes",
            "files": f"made more than {bounds.folder_files} files",
        }
        return replace(verdict, detail=f"stopped: it {what[ended.stopped]}{said}")
    if code < 0 or code in _SHELL_SIGNALS:
        number = -code if code < 0 else code - 128
        return replace(verdict, status="crash", detail=f"died of {_signal_name(number)}{said}")
    if record.group == "must-reject":
        if code == 0:
            return replace(verdict, status="mismatch", detail="accepted a stream that must be rejected")
        return replace(verdict, status="pass", detail=f"refused with exit code {code}{said}")
    if code != 0:
        status: Any = "pass" if record.group == "may-reject" else "error"
        return replace(verdict, status=status, detail=f"exit code {code}{said}")
    return replace(verdict, status="pass", detail="decoded; nothing here can tell whether rightly")


def _is_unchanged(folder: int, name: str, data: bytes) -> bool:
    try:
        return take(folder, name, len(data)) == data
    except NotTaken:
        return False


def _judge_output(
    suite: PictureSuite,
    record: Record,
    command: Command,
    folder: int,
    verdict: Outcome,
    models: ModelSet | None,
    keep: bool,
) -> Outcome:
    assert record.picture is not None and record.planar_sha256 is not None
    try:
        data = take(folder, f"out.{command.kind}", most_bytes(record.picture))
        planes = read_samples(data, command.kind, record.picture)
    except NotThere as error:
        return replace(verdict, status="error", detail=f"exit code 0, but {error}")
    except (NotTaken, SamplesError) as error:
        return replace(verdict, status="mismatch", detail=f"the output {error}")
    found = planar_digest(planes)
    if found == record.planar_sha256:
        kept = planes if keep else None
        return replace(verdict, status="pass", detail=f"planar sha256 {found[:16]}...", planes=kept)
    names = record.picture.planes
    expected = _right_planes(suite, record, models)
    notes = [likely_cause(record.planar_sha256, planes, names)]
    if expected is not None:
        notes.append(difference(expected, planes, names))
    told = (
        "; ".join(note for note in notes if note) or f"planar sha256 {found}, expected {record.planar_sha256}"
    )
    return replace(verdict, status="mismatch", detail=told, planes=planes, expected=expected)


def _right_planes(suite: PictureSuite, record: Record, models: ModelSet | None) -> Planes | None:
    """The picture as it should be, if our own decoder makes it here."""
    if models is None:
        return None
    try:
        stream = parse(suite.stream(record), record.dialect)
        planes = decode_picture(stream, models, settings_of(record, "jit")).planes
    except RefdecError:
        return None
    return planes if planar_digest(planes) == record.planar_sha256 else None


def _with_trace(suite: PictureSuite, record: Record, folder: int, verdict: Outcome) -> Outcome:
    """The verdict with what the decoder's own trace says: the first of the shared points that differs."""
    with tempfile.TemporaryDirectory(prefix="refconf-") as name:
        path = Path(name, "out.jsonl")
        try:
            path.write_bytes(take(folder, path.name, MAX_TRACE_BYTES))
            divergence = compare(suite.trace(record), checked_trace(path), common_only=True)
        except (NotTaken, SuiteError, TraceError) as error:
            return replace(verdict, status="error", detail=f"{verdict.detail}; its trace: {error}")
    if divergence is None:
        return verdict
    return replace(
        verdict,
        status="mismatch",
        detail=f"{divergence}; {verdict.detail}",
        divergence=divergence.as_dict(),
    )


def _shown(said: bytes) -> str:
    """The end of what a command said, as one line."""
    text = said.decode("utf-8", "replace")
    words = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return f": {words}" if words else ""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
