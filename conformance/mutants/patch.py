"""Puts a mutant into the running program, and takes it out again.

The source of a module is rewritten as text and compiled; the functions that exist, wherever they were
imported to, get the code of their rewritten selves. Constants and syntax descriptions of a module are
replaced where they are used. Nothing of this is known to the decoder.
"""

from __future__ import annotations

import ast
import gc
import importlib
import inspect
import io
import sys
import tokenize
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from functools import lru_cache
from itertools import groupby
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from conformance.mutants.mutant import Cell, Edit, Mutant, MutantError
from refdec import decoder
from refdec.entropy import tables as coder
from refdec.entropy.golden import residual
from refdec.filters import stage
from refdec.tables import table

Undo = list[Callable[[], None]]
PACKAGES = ("refdec", "conformance")
FILTERS = "refdec.filters."
_CACHED = ("decode_rows", "encode_rows", "decode_entries", "refill_bits")
"""Functions whose result is kept: they do not run for every stream."""


@contextmanager
def applied(mutant: Mutant) -> Iterator[None]:
    """Within the block the decoder makes the mistake.

    :raises MutantError: a text does not occur exactly once, or what it is part of cannot be changed.
    """
    undo: Undo = []
    try:
        for name, edits in groupby(sorted(mutant.edits, key=lambda e: e.module), key=lambda e: e.module):
            _rewrite(mutant.name, importlib.import_module(name), list(edits), undo)
        for cell in mutant.cells:
            _change_cell(mutant.name, cell, undo)
        _forget(mutant)
        yield
    finally:
        for action in reversed(undo):
            action()
        _forget(mutant)


def require_applicable(mutant: Mutant) -> None:
    """Notice at once what would otherwise be noticed in the middle of a run.

    :raises MutantError: a text does not occur exactly once.
    """
    for name, edits in groupby(sorted(mutant.edits, key=lambda e: e.module), key=lambda e: e.module):
        rewritten(mutant.name, importlib.import_module(name), list(edits))


@contextmanager
def without_assertions(names: Sequence[str]) -> Iterator[None]:
    """Within the block the assertions of some modules are not there: a decoder in the field has none, so a
    mutant must be convicted by what it puts out."""
    undo: Undo = []
    try:
        for name in names:
            module = importlib.import_module(name)
            codes = dict(_pairs(_compiled_source(name, 0), _compiled_source(name, 1)))
            _swap(module, codes, undo)
        yield
    finally:
        for action in reversed(undo):
            action()


@contextmanager
def surveyed() -> Iterator[None]:
    """Within the block the functions that exist now are taken for all there are: finding them is most of what
    it costs to apply a mutant. Whatever a decode imports must have been imported."""
    global _survey
    before, _survey = _survey, _survey_of(FunctionType)
    try:
        yield
    finally:
        _survey = before


_survey: dict[int, list[FunctionType]] | None = None
"""Functions by the identity of their module's globals, while a survey holds."""


def _survey_of(kind: type[FunctionType]) -> dict[int, list[FunctionType]]:
    found: dict[int, list[FunctionType]] = {}
    for item in gc.get_objects():
        if type(item) is kind:
            found.setdefault(id(item.__globals__), []).append(item)
    return found


@contextmanager
def replaced(module: ModuleType, name: str, value: Any) -> Iterator[None]:
    """Within the block a global of a module, and of whoever imported it, is something else."""
    undo: Undo = []
    try:
        _everywhere(name, getattr(module, name), value, undo)
        yield
    finally:
        for action in reversed(undo):
            action()


@lru_cache(maxsize=64)
def without_comments(text: str) -> str:
    """Source text without comments: a mutant does not depend on what is said about the code it changes."""
    lines: list[str | None] = list(text.splitlines())
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            kept = (lines[row - 1] or "")[:column].rstrip()
            lines[row - 1] = kept or None
    return "".join(f"{line}\n" for line in lines if line is not None)


def rewritten(mutant: str, module: ModuleType, edits: Sequence[Edit]) -> tuple[str, str]:
    """Source of a module before and after, without its comments.

    :raises MutantError: a text does not occur exactly once.
    """
    before = text = without_comments(_source(module))
    for edit in edits:
        found = text.count(edit.old)
        if found != 1:
            raise MutantError(f"{mutant}: {edit.old!r} occurs {found} times in {module.__name__}")
        text = text.replace(edit.old, edit.new)
    return before, text


Function = tuple[str, int, str]
"""A function by file, first line and name."""


def function_of(code: CodeType) -> Function:
    """The function that a code object belongs to."""
    return code.co_filename, code.co_firstlineno, code.co_name


def changed_functions(mutant: Mutant) -> frozenset[Function] | None:
    """Functions that a mutant changes; a stream that runs none of them cannot tell it from the right decoder.

    :returns: ``None`` where a constant, a table or a description of syntax is changed: it may act anywhere.
    """
    if mutant.cells:
        return None
    found: set[Function] = set()
    for name, edits in groupby(sorted(mutant.edits, key=lambda e: e.module), key=lambda e: e.module):
        module = importlib.import_module(name)
        before, after = rewritten(mutant.name, module, list(edits))
        if name == decoder.__name__:
            # What streams run is noted by a replay that puts its stages in the place of this module.
            return None
        if _changed_names(mutant.name, before, after) or module is coder:
            if not name.startswith(FILTERS):
                return None
            # A stream without post-filters runs through none of their modules.
            found.add(function_of(stage.apply_filters.__code__))
        source = _compiled_source(module.__name__, 1)
        plain, new = _compiled(module, before, 1), _compiled(module, after, 1)
        places = dict(_pairs(plain, source))
        for old, changed in _pairs(plain, new):
            if _essence(old) != _essence(changed):
                if old.co_name in _CACHED:
                    return None
                found.add(function_of(places[old]))
    return frozenset(found)


def _essence(code: CodeType) -> tuple[Any, ...]:
    """What a code object does, whatever its place in the file."""
    constants = tuple(None if isinstance(c, CodeType) else (type(c), c) for c in code.co_consts)
    return code.co_code, constants, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars


def _rewrite(mutant: str, module: ModuleType, edits: Sequence[Edit], undo: Undo) -> None:
    before, after = rewritten(mutant, module, edits)
    codes: dict[CodeType, CodeType] = {}
    for optimise in (0, 1):
        # Code without assertions is made only where it is in use.
        if not optimise or any(f.__code__ not in codes for f in _written_in(module)):
            codes |= _pairs(_compiled_source(module.__name__, optimise), _compiled(module, after, optimise))
    try:
        _swap(module, codes, undo)
    except ValueError as error:
        raise MutantError(f"{mutant}: {module.__name__}: {error}") from error
    names = _changed_names(mutant, before, after)
    if names:
        scratch = ModuleType(module.__name__)
        scratch.__dict__.update(__file__=module.__file__, __package__=module.__package__)
        exec(_compiled(module, after, 0), scratch.__dict__)
        for name in names:
            _replace(name, getattr(module, name), getattr(scratch, name), undo)


def _source(module: ModuleType) -> str:
    return _source_of(module.__name__)


@lru_cache(maxsize=128)
def _source_of(name: str) -> str:
    return inspect.getsource(sys.modules[name])


@lru_cache(maxsize=256)
def _compiled_source(name: str, optimise: int) -> CodeType:
    module = sys.modules[name]
    return _compiled(module, _source(module), optimise)


@lru_cache(maxsize=128)
def _statements(text: str) -> tuple[tuple[ast.stmt, str], ...]:
    """The statements of a module, each with its text."""
    lines = text.splitlines()
    return tuple((item, "\n".join(lines[item.lineno - 1 : item.end_lineno])) for item in _tree(text).body)


@lru_cache(maxsize=8)
def _tree(text: str) -> ast.Module:
    return ast.parse(text)


def _compiled(module: ModuleType, text: str, optimise: int) -> CodeType:
    assert module.__file__ is not None
    code: CodeType = compile(_tree(text), module.__file__, "exec", dont_inherit=True, optimize=optimise)
    return code


def _swap(module: ModuleType, codes: Mapping[CodeType, CodeType], undo: Undo) -> None:
    """Every function of the module gets the code that stands for its own in ``codes``."""
    for item in _written_in(module):
        new = codes.get(item.__code__)
        if new is not None and new != item.__code__:
            undo.append(lambda f=item, code=item.__code__: setattr(f, "__code__", code))
            item.__code__ = new


def _written_in(module: ModuleType) -> list[FunctionType]:
    """The functions that come from a module's text."""
    survey = _survey_of(FunctionType) if _survey is None else _survey
    found = survey.get(id(module.__dict__), ())
    return [item for item in found if item.__code__.co_filename == module.__file__]


def _pairs(before: CodeType, after: CodeType) -> Iterator[tuple[CodeType, CodeType]]:
    old, new = ([c for c in code.co_consts if isinstance(c, CodeType)] for code in (before, after))
    if [c.co_name for c in old] != [c.co_name for c in new]:
        # A lambda or a comprehension more or less: those have no names to tell them apart by.
        old, new = ([c for c in part if not c.co_name.startswith("<")] for part in (old, new))
    for a, b in zip(old, new, strict=True):
        yield a, b
        yield from _pairs(a, b)


def _changed_names(mutant: str, before: str, after: str) -> list[str]:
    """Global names whose definition is another one, functions and methods left out."""
    old, new = _statements(before), _statements(after)
    if len(old) != len(new):
        raise MutantError(f"{mutant}: a statement of the module is added or removed")
    names = []
    for (a, text_a), (b, text_b) in zip(old, new, strict=True):
        if isinstance(a, ast.FunctionDef) or text_a == text_b or ast.dump(a) == ast.dump(b):
            continue
        if isinstance(a, ast.ClassDef) and isinstance(b, ast.ClassDef):
            if [ast.dump(x) for x in _data(a)] != [ast.dump(x) for x in _data(b)]:
                raise MutantError(f"{mutant}: attributes of a class cannot be changed")
            continue
        targets = a.targets if isinstance(a, ast.Assign) else [getattr(a, "target", None)]
        for target in targets:
            parts = target.elts if isinstance(target, ast.Tuple) else [target]
            if not all(isinstance(part, ast.Name) for part in parts):
                raise MutantError(f"{mutant}: only functions and assignments can be changed")
            names += [part.id for part in parts if isinstance(part, ast.Name)]
    return names


def _data(item: ast.ClassDef) -> list[ast.stmt]:
    return [x for x in item.body if not isinstance(x, ast.FunctionDef)]


def _replace(name: str, old: Any, new: Any, undo: Undo) -> None:
    """A global means something else: inside of it where it is made of descriptions, else wherever it is
    imported under its name."""
    if not _graft(old, new, undo):
        _everywhere(name, old, new, undo)


def _everywhere(name: str, old: Any, new: Any, undo: Undo) -> None:
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").split(".")[0] in PACKAGES and vars(module).get(name) is old:
            undo.append(lambda m=module: setattr(m, name, old))
            setattr(module, name, new)


def _graft(old: Any, new: Any, undo: Undo) -> bool:
    """Make ``old`` mean what ``new`` means; false where it must be replaced instead."""
    if is_dataclass(old) and type(old) is type(new):
        for item in fields(old):
            a, b = getattr(old, item.name), getattr(new, item.name)
            if not _graft(a, b, undo):
                undo.append(lambda n=item.name, v=a: object.__setattr__(old, n, v))
                object.__setattr__(old, item.name, b)
        return True
    if isinstance(old, tuple) and isinstance(new, tuple) and len(old) == len(new):
        done = [_graft(a, b, undo) for a, b in zip(old, new, strict=True)]
        return all(done)
    if isinstance(old, FunctionType) and isinstance(new, FunctionType):
        return old.__code__ == new.__code__ and old.__closure__ is None and new.__closure__ is None
    if isinstance(old, dict) and isinstance(new, dict) and old.keys() == new.keys():
        done = [_graft(old[key], new[key], undo) for key in old]
        return all(done)
    return old is new or (type(old) is type(new) and isinstance(old, int | str | bytes) and old == new)


def _change_cell(mutant: str, cell: Cell, undo: Undo) -> None:
    group, _, name = cell.table.partition(".")
    array = getattr(coder.coder_tables(), name) if group == "coder" else table(group, name)
    if len(cell.index) != array.ndim or not all(i < n for i, n in zip(cell.index, array.shape, strict=True)):
        raise MutantError(f"{mutant}: {cell.table} of shape {array.shape} has no entry {cell.index}")

    def put(value: int) -> None:
        array.setflags(write=True)
        array[cell.index] = value
        array.setflags(write=False)

    before = int(array[cell.index])
    undo.append(lambda: put(before))
    info = np.iinfo(array.dtype)
    put((before + cell.change - info.min) % (int(info.max) - int(info.min) + 1) + info.min)


def _forget(mutant: Mutant) -> None:
    """Results that were computed from what has just been changed."""
    if any(edit.module == coder.__name__ for edit in mutant.edits):
        coder.coder_tables.cache_clear()
    residual.decode_rows.cache_clear()
    residual.encode_rows.cache_clear()
