"""How much of the code a corpus reaches: lines of functions and statement ids, without the fuzzer."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import conformance
import refdec
from conformance.coverage.headers import statements_of
from conformance.coverage.statements import REFUSING, STATEMENTS, places
from conformance.fuzz.target import Target
from refdec.codestream import Dialect, parse
from refdec.errors import BitstreamError

ROOTS = (Path(refdec.__file__).parent, Path(conformance.__file__).parent)
TOP = ROOTS[0].parent
REACHED = "reached.json"
Line = tuple[str, int]
"""File below the repository, and number."""


@dataclass
class Reached:
    """What a corpus reaches.

    :param inputs: how many were run, of how many there are.
    :param covered: lines of the target's modules, of all there are.
    """

    inputs: int
    there: int
    covered: int = 0
    lines: int = 0
    ids: set[str] = field(default_factory=set)


def measure(target: Target, corpus: Path, seconds: float) -> Reached:
    """Run the inputs of a corpus, the newest first, for so much processor time at the most."""
    paths = sorted(corpus.iterdir(), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    found = Reached(0, len(paths))
    recorder = Recorder()
    end = time.process_time() + seconds
    for path in paths:
        if time.process_time() > end:
            break
        data = path.read_bytes()
        with recorder, suppress(Exception):  # findings are the fuzzer's business
            target.run(data)
        found.ids |= _header_ids(data)
        found.inputs += 1
    wanted = {line for line in executable() if any(_inside(line[0], part) for part in target.modules)}
    found.lines, found.covered = len(wanted), len(wanted & recorder.lines)
    for place in places():
        file = Path(place.code.file).relative_to(TOP).as_posix()
        hit = any((file, n) in recorder.lines for n in place.lines) if place.lines else (
            (file, place.code.line) in recorder.entered
        )  # fmt: skip
        if hit and place.group in (STATEMENTS, REFUSING):
            found.ids.add(place.point)
    return found


def write_reached(work: Path, reached: Mapping[str, Reached]) -> None:
    """Keep what was measured."""
    facts = {name: asdict(found) | {"ids": sorted(found.ids)} for name, found in reached.items()}
    (work / REACHED).write_text(json.dumps(facts, indent=1), encoding="utf-8")


def read_reached(work: Path) -> dict[str, Reached]:
    """What was measured before, by target."""
    path = work / REACHED
    facts = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return {name: Reached(**{**entry, "ids": set(entry["ids"])}) for name, entry in facts.items()}


def _header_ids(data: bytes) -> set[str]:
    """Ids of the syntax elements of a stream, if it is one."""
    for dialect in Dialect:
        try:
            return statements_of(parse(data, dialect))
        except BitstreamError:
            continue
    return set()


def _inside(file: str, part: str) -> bool:
    return file == part or file.startswith(f"{part}/")


class Recorder:
    """Within its block, every line that this thread executes in our packages is noted, once."""

    def __init__(self) -> None:
        self.lines: set[Line] = set()
        self.entered: set[Line] = set()
        self._left: dict[CodeType, set[int] | None] = {}

    def __enter__(self) -> Recorder:
        sys.settrace(self._call)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _call(self, frame: FrameType, event: str, _argument: Any) -> Any:
        code = frame.f_code
        if code not in self._left:
            file = _relative(code.co_filename)
            self._left[code] = None if file is None else set(_lines(code))
            if file is not None:
                self.entered.add((file, code.co_firstlineno))
        return self._line if self._left[code] else None

    def _line(self, frame: FrameType, event: str, _argument: Any) -> Any:
        left = self._left[frame.f_code]
        assert left is not None
        if event == "line" and frame.f_lineno in left:
            left.discard(frame.f_lineno)
            file = _relative(frame.f_code.co_filename)
            assert file is not None
            self.lines.add((file, frame.f_lineno))
        return self._line if left else None


@cache
def _relative(name: str) -> str | None:
    path = Path(name)
    if not any(path.is_relative_to(root) for root in ROOTS) or (ROOTS[1] / "fuzz") in path.parents:
        return None
    return path.relative_to(TOP).as_posix()


@cache
def executable() -> frozenset[Line]:
    """Every line of every function; compiled engines are left out, their code is not Python's."""
    found: set[Line] = set()
    for root in ROOTS:
        for path in root.rglob("*.py"):
            name = path.relative_to(TOP).as_posix()
            if "/jit" in name or name.startswith("conformance/fuzz/"):
                continue
            module = compile(path.read_text(encoding="utf-8"), str(path), "exec")
            found |= {(name, n) for code in _functions(module) for n in _lines(code)}
    return frozenset(found)


def _functions(code: CodeType) -> Iterator[CodeType]:
    """Functions inside a module or class, and those inside them; class bodies run when they are imported."""
    for item in code.co_consts:
        if isinstance(item, CodeType):
            if item.co_flags & 0x1:  # optimised locals: a function, not a class body
                yield item
            yield from _functions(item)


def _lines(code: CodeType) -> Iterable[int]:
    return {n for _, _, n in code.co_lines() if n is not None and n != code.co_firstlineno}
