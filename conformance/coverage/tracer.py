"""Notes which marked lines a decode executes, with the interpreter's own trace hook."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from functools import cache
from types import CodeType, FrameType, TracebackType
from typing import Any

from conformance.coverage.statements import Place
from refdec import coverage

Key = tuple[str, int, str]


class Tracer:
    """Within its block, every place that this thread passes is reported as a point.

    Only frames of functions that have places are traced, and each of them until all of its places have been
    seen. Where points are silenced (:func:`refdec.coverage.heard_by`), nothing is noted.
    """

    def __init__(self, places: Iterable[Place]) -> None:
        self._places: dict[Key, list[Place]] = {}
        for place in places:
            key = (os.path.realpath(place.code.file), place.code.line, place.code.name)
            self._places.setdefault(key, []).append(place)
        self._left: dict[CodeType, list[Place] | None] = {}
        self._before: Any = None

    def __enter__(self) -> Tracer:
        self._left = {}
        self._before = sys.gettrace()
        sys.settrace(self._call)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.settrace(self._before)

    def _call(self, frame: FrameType, event: str, _argument: Any) -> Any:
        code = frame.f_code
        try:
            left = self._left[code]
        except KeyError:
            key = (_real(code.co_filename), code.co_firstlineno, code.co_name)
            found = self._places.get(key)
            left = self._left[code] = None if found is None else list(found)
        if not left or event != "call" or not coverage.is_heard():
            return None
        self._pass([place for place in left if not place.lines], left)
        return self._line if left else None

    def _line(self, frame: FrameType, event: str, _argument: Any) -> Any:
        if event == "line":
            left = self._left[frame.f_code]
            assert left is not None
            line = frame.f_lineno
            self._pass([place for place in left if line in place.lines], left)
            if not left:
                frame.f_trace_lines = False
        return self._line

    @staticmethod
    def _pass(passed: list[Place], left: list[Place]) -> None:
        for place in passed:
            coverage.point(place.group, place.point)
            left.remove(place)


@cache
def _real(path: str) -> str:
    return os.path.realpath(path)
