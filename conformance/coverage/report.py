"""The result in text, as JSON and as one HTML page; and into a suite's records."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from conformance.coverage.statements import defined, places
from conformance.coverage.suite import Coverage
from conformance.coverage.universe import TITLES, universe
from conformance.suite.fields import read_json
from conformance.suite.records import INDEX, MAX_INDEX_BYTES
from conformance.suite.write import index_text
from refdec import __version__
from refdec.atomic_file import atomic_file

SCHEMA = "refconf.coverage/1"
NUMBERED = re.compile(r"(.*?)(?:\[(\d+)\]| = (-?\d+))")
STATE_GROUPS = ("tans-states", "z-states", "scaler-entries")
"""Groups whose points are numbers of a table: they are listed as ranges."""
FILE_FIELD = "statements"
"""Key of a suite's record that holds the ids of the statements that the stream exercises."""


def as_json(coverage: Coverage) -> dict[str, Any]:
    """Everything, JSON-able."""
    groups = {}
    for group, points in universe().items():
        groups[group] = {
            "title": TITLES[group],
            "points": len(points),
            "covered": len(coverage.covered(group)),
            "shortest": {p: coverage.shortest[group, p] for p in coverage.covered(group)},
            "missing": coverage.missing(group),
            "unreachable": coverage.unreachable(group),
        }
    return {
        "schema": SCHEMA,
        "refdec": __version__,
        "suite": coverage.suite,
        "streams": [
            {
                "name": s.name,
                "bytes": s.size,
                "points": len(s.points),
                "seconds": round(s.seconds, 3),
                "problem": s.problem or None,
                "statements": coverage.statements(s.name),
            }
            for s in coverage.streams
        ],
        "groups": groups,
    }


def as_text(coverage: Coverage, listed: int = 12) -> str:
    """The table of groups, and the beginning of what is missing."""
    lines = [f"{'':38s}{'covered':>9s}{'of':>7s}{'share':>9s}{'missing':>9s}{'unreachable':>13s}"]
    for group in universe():
        covered, missing = coverage.covered(group), coverage.missing(group)
        within = len(covered) + len(missing)
        lines.append(
            f"{TITLES[group]:38s}{len(covered):9d}{within:7d}{share(len(covered), within):>9s}"
            f"{len(missing):9d}{len(coverage.unreachable(group)):13d}"
        )
    for group in universe():
        missing = summed_up(group, coverage.missing(group))
        if missing:
            lines += ["", f"not exercised: {TITLES[group].lower()}"]
            lines += [f"  {point}" for point in missing[:listed]]
            if len(missing) > listed:
                lines.append(f"  and {len(missing) - listed} more (--json or --html has all)")
    for stream in coverage.streams:
        if stream.problem:
            lines.append(f"counts for nothing: {stream.name}: {stream.problem}")
    return "\n".join(lines)


def share(part: int, whole: int) -> str:
    """A percentage, rounded down: 100.0 % means all."""
    return "-" if whole == 0 else f"{1000 * part // whole / 10:.1f} %"


def summed_up(group: str, points: Sequence[str]) -> list[str]:
    """Points for people: numbered ones as ranges."""
    if group not in STATE_GROUPS:
        return list(points)
    numbers: dict[str, list[int]] = {}
    for point in points:
        match = NUMBERED.fullmatch(point)
        assert match is not None, point
        numbers.setdefault(match[1], []).append(int(match[2] or match[3]))
    return [f"{name}: {ranges(found)}" for name, found in numbers.items()]


def ranges(numbers: Iterable[int]) -> str:
    """Ascending numbers as ``1..3, 7``."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][-1] + 1:
            parts[-1] = [parts[-1][0], number]
        else:
            parts.append([number])
    return ", ".join("..".join(map(str, part)) for part in parts)


def write_html(path: Path, coverage: Coverage) -> None:
    """One page without links to other files."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    source = files("conformance").joinpath("coverage/report.html").read_text(encoding="utf-8")
    texts = defined()
    where: dict[str, list[str]] = {}
    for place in places():
        where.setdefault(place.point, []).append(place.where)
    groups = [_group(coverage, group, texts, where) for group in universe()]
    text = environment.from_string(source).render(
        suite=coverage.suite,
        version=__version__,
        groups=groups,
        streams=coverage.streams,
        sizes={s.name: s.size for s in coverage.streams},
        states=_states(coverage),
    )
    with atomic_file(path) as file:
        file.write(text.encode())


def _group(
    coverage: Coverage, group: str, texts: Mapping[str, str], where: Mapping[str, list[str]]
) -> dict[str, Any]:
    covered, missing = coverage.covered(group), coverage.missing(group)
    return {
        "name": group,
        "title": TITLES[group],
        "covered": len(covered),
        "within": len(covered) + len(missing),
        "share": share(len(covered), len(covered) + len(missing)),
        "missing": summed_up(group, missing),
        "unreachable": coverage.unreachable(group),
        "rows": []
        if group in STATE_GROUPS
        else [
            {
                "point": point,
                "stream": coverage.shortest[group, point],
                "text": texts.get(point, ""),
                "where": ", ".join(dict.fromkeys(where.get(point, []))),
            }
            for point in covered
        ],
        "texts": {point: texts.get(point, "") for point in missing},
    }


def _states(coverage: Coverage) -> list[tuple[int, int]]:
    """Distribution and state of every coder state that is missing."""
    found = []
    for point in coverage.missing("tans-states"):
        match = NUMBERED.fullmatch(point)
        assert match is not None
        found.append((int(match[1]), int(match[2])))
    return found


def write_statements(folder: Path, coverage: Coverage) -> None:
    """Put the statement ids into the records of a suite of pictures.

    :raises SuiteError: the index cannot be read.
    """
    path = folder / INDEX
    index = read_json(path, MAX_INDEX_BYTES)
    entries = index.pop("streams")
    known = {stream.name for stream in coverage.streams}
    for entry in entries:
        if entry["name"] in known:
            entry[FILE_FIELD] = coverage.statements(entry["name"])
    with atomic_file(path) as file:
        file.write(index_text(index, entries).encode())


def json_text(coverage: Coverage) -> str:
    """The JSON report as it is written."""
    return json.dumps(as_json(coverage), indent=1, ensure_ascii=False)
