"""What was measured about a suite: the JSON of ``refconf coverage`` and of ``refconf mutants``, read back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from conformance.coverage.report import SCHEMA as COVERAGE_SCHEMA
from conformance.coverage.report import share, summed_up
from conformance.coverage.statements import defined
from conformance.coverage.universe import TITLES, universe
from conformance.mutants.report import SCHEMA as MUTANTS_SCHEMA
from conformance.suite.contents import Contents
from conformance.suite.fields import Fields, read_json
from conformance.suite.records import MAX_STREAMS
from conformance.verify.suite import SuiteError

MAX_BYTES = 64 << 20
MOST = 1 << 20


@dataclass(frozen=True)
class Group:
    """One kind of points: statements, coder states, clips ...

    :param missing: what a stream could exercise and none does, with its text where it has one.
    :param unreachable: what no stream can exercise, with the reason.
    """

    title: str
    covered: int
    within: int
    share: str
    missing: tuple[tuple[str, str], ...]
    unreachable: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Measured:
    """A report.

    :param streams: how many of the suite's it was made with.
    """

    version: str
    streams: int


@dataclass(frozen=True)
class Covered(Measured):
    """A coverage report."""

    groups: tuple[Group, ...]


@dataclass(frozen=True)
class Mutated(Measured):
    """A report about decoders with one mistake each.

    :param counts: of mutants by what became of them.
    :param survivors: name and description of those that no stream finds out.
    """

    counts: tuple[tuple[str, int], ...]
    survivors: tuple[tuple[str, str], ...]


def read_coverage(path: Path, suite: Contents) -> Covered:
    """The report of ``refconf coverage SUITE --json``.

    :raises SuiteError: it is no such report, or one about another suite.
    """
    report = Fields(read_json(path, MAX_BYTES), path.name)
    _require_schema(report, path, COVERAGE_SCHEMA)
    measured = {
        f.text("name"): f.integer("bytes", 0, MAX_BYTES) for f in report.objects("streams", MAX_STREAMS)
    }
    sizes = {stream.name: stream.bytes for stream in suite.streams}
    _require_same(path, [name for name, size in measured.items() if sizes.get(name) != size])
    groups, texts = report.object("groups"), defined()
    known = [_group(name, groups.object(name), texts) for name in universe() if name in groups]
    return Covered(report.text("refdec"), len(measured), tuple(known))


def _group(name: str, fields: Fields, texts: dict[str, str]) -> Group:
    missing, reasons = fields.strings("missing", MOST), fields.object("unreachable")
    try:
        named = summed_up(name, missing)
    except AssertionError as error:
        raise SuiteError(f"{fields.place}.missing: no point of this group ({error})") from error
    covered = fields.integer("covered", 0, MOST)
    within = covered + len(missing)
    return Group(
        TITLES[name],
        covered,
        within,
        share(covered, within),
        tuple((point, texts.get(point, "")) for point in named),
        tuple((point, reasons.text(point)) for point in reasons.names()),
    )


def read_mutants(path: Path, suite: Contents) -> Mutated:
    """The report of ``refconf mutants SUITE --json``.

    :raises SuiteError: it is no such report, or one about another suite.
    """
    report = Fields(read_json(path, MAX_BYTES), path.name)
    _require_schema(report, path, MUTANTS_SCHEMA)
    names = report.strings("streams", MAX_STREAMS)
    known = {stream.name for stream in suite.streams}
    _require_same(path, [name for name in names if name not in known])
    mutants = list(report.objects("mutants", MAX_STREAMS))
    verdicts = [mutant.text("verdict") for mutant in mutants]
    counts = {verdict: verdicts.count(verdict) for verdict in dict.fromkeys(verdicts)}
    alive = [m for m, verdict in zip(mutants, verdicts, strict=True) if verdict == "survived"]
    survivors = tuple((mutant.text("name"), mutant.text("description")) for mutant in alive)
    return Mutated(report.text("refdec"), len(names), tuple(counts.items()), survivors)


def _require_schema(report: Fields, path: Path, schema: str) -> None:
    if report.any("schema") != schema:
        raise SuiteError(f"{path}: schema {report.any('schema')!r}, this program reads {schema}")


def _require_same(path: Path, others: list[str]) -> None:
    if others:
        raise SuiteError(f"{path} is about another suite: {others[0]} is none of this one's streams")
