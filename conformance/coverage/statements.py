"""Which code implements which statement of docs/, found in the source text.

A comment that starts with statement ids (``# AR-Z-05``, ``# AR-LOG-02, AR-LOG-04: why``) says that the
statement it stands at implements them: the one on its own line, or else the next one. They are exercised when
that line is executed. An id that no comment carries may instead stand in the docstring of a function, alone
and not as part of a range; it is exercised when the function is entered. The fast engines are left out: they
are another voice of the same statements.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import refdec
from refdec import errors
from refdec.codestream.describe import all_fields
from refdec.codestream.syntax import Rule
from refdec.errors import BitstreamError

ID = r"(?:AR|AN|CS)-[A-Z]+-R?\d\d"
MARKER = re.compile(rf"#\s*({ID}(?:,\s*{ID})*)(?![\w.-])")
QUOTED = re.compile(rf"({ID})(\.\.\d|,? to \d|,? and \d|, \d| to {ID})?")
PACKAGE = Path(refdec.__file__).parent
DOCS = PACKAGE.parent / "docs"
DEFINED = re.compile(rf"\*\*({ID})\b[^*\n]*\*\*(?=(.*))|^\| ({ID}) \|(.*)\|[^|]*\|$", re.MULTILINE)
REFUSALS = frozenset(
    name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, BitstreamError)
)
MADE_EARLIER = {"error", "_bad_size"}
"""Names of errors that the code makes before it raises them."""
STATEMENTS, REFUSING = "statements", "refusing statements"
"""Groups of places: code that implements a statement, and code that refuses what a statement forbids."""
WRITERS = ("assemble.py", "writer.py")


@dataclass(frozen=True)
class Code:
    """A function of the source, as a running frame tells it."""

    file: str
    line: int
    name: str


@dataclass(frozen=True)
class Place:
    """Where a point is passed.

    :param lines: executing one of them passes the point; empty: entering the function does.
    """

    group: str
    point: str
    code: Code
    lines: range

    @property
    def where(self) -> str:
        """File and line for people."""
        first = self.lines.start if self.lines else self.code.line
        return f"{Path(self.code.file).relative_to(PACKAGE.parent).as_posix()}:{first}"


@cache
def places() -> tuple[Place, ...]:
    """Every place of the package that implements a statement or refuses a stream."""
    found: list[Place] = []
    from_docstrings: list[Place] = []
    for path in sources():
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        functions = list(_functions(tree))
        found += _marked(path, text, functions)
        found += _refusals(path, tree, functions)
        from_docstrings += _documented(path, functions)
    marked = {place.point for place in found}
    return (*found, *(place for place in from_docstrings if place.point not in marked))


def sources() -> list[Path]:
    """The files that carry statements, in a fixed order."""
    return sorted(p for p in PACKAGE.rglob("*.py") if not any(part.startswith("jit") for part in p.parts))


@cache
def described() -> frozenset[str]:
    """Ids that the one description of the syntax carries: elements and rules."""
    fields = all_fields()
    return frozenset({*fields, *(rule.id for field in fields.values() for rule in field.rules)})


def rules() -> dict[str, Rule]:
    """The rules of the syntax by id."""
    return {rule.id: rule for field in all_fields().values() for rule in field.rules}


def defined(folder: Path = DOCS) -> dict[str, str]:
    """Statement ids of the normative pages and the beginning of their texts; nothing without the pages."""
    found: dict[str, str] = {}
    for page in sorted([*folder.glob("arithmetic*.md"), *folder.glob("codestream.md")]):
        for marked, text, listed, row in DEFINED.findall(page.read_text(encoding="utf-8")):
            cells = [cell.strip() for cell in row.split("|") if cell.strip()]
            found.setdefault(marked or listed, text.strip() or " · ".join(cells))
    return found


def _functions(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            yield node


def _around(functions: list[ast.FunctionDef], line: int) -> ast.FunctionDef | None:
    """The innermost function that holds a line."""
    inside = [f for f in functions if f.lineno <= line <= (f.end_lineno or 0)]
    return max(inside, key=lambda f: f.lineno, default=None)


def _code(path: Path, function: ast.FunctionDef) -> Code:
    first = min([function.lineno, *(d.lineno for d in function.decorator_list)])
    return Code(str(path), first, function.name)


def _marked(path: Path, text: str, functions: list[ast.FunctionDef]) -> Iterator[Place]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        match = MARKER.match(token.string) if token.type == tokenize.COMMENT else None
        if match is None:
            continue
        line = token.start[0]
        alone = not token.line[: token.start[1]].strip()
        function = _around(functions, line)
        if function is None:
            raise ValueError(f"{path}:{line}: a statement id outside of any function")
        lines, refuses = _statement(function, line, alone)
        for identifier in re.findall(ID, match[1]):
            yield Place(REFUSING if refuses else STATEMENTS, identifier, _code(path, function), lines)


def _statement(function: ast.FunctionDef, line: int, alone: bool) -> tuple[range, bool]:
    """Lines of the statement that a comment stands at, and whether it raises an error."""
    spans = []
    for node in ast.walk(function):
        if isinstance(node, ast.stmt) and node is not function:
            body = getattr(node, "body", None)
            last = body[0].lineno - 1 if body else node.end_lineno or node.lineno
            spans.append((range(node.lineno, last + 1), isinstance(node, ast.Raise), bool(body)))
    around = [(span, raises) for span, raises, compound in spans if line in span and not (alone and compound)]
    if around:
        return min(around, key=lambda found: len(found[0]))
    behind = [(span, raises) for span, raises, _ in spans if span.start > line]
    return min(behind, key=lambda found: found[0].start)


def _documented(path: Path, functions: list[ast.FunctionDef]) -> Iterator[Place]:
    for function in functions:
        for identifier, more in QUOTED.findall(ast.get_docstring(function) or ""):
            if not more:
                yield Place(STATEMENTS, identifier, _code(path, function), range(0))


def _refusals(path: Path, tree: ast.Module, functions: list[ast.FunctionDef]) -> Iterator[Place]:
    if path.name in WRITERS:
        return
    module = path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".")
    for node in ast.walk(tree):
        if not isinstance(node, ast.Raise) or node.exc is None:
            continue
        name, message = _raised(node.exc)
        function = _around(functions, node.lineno)
        if function is not None and (name in REFUSALS or (name in MADE_EARLIER and message != "")):
            lines = range(node.lineno, (node.end_lineno or node.lineno) + 1)
            point = f"{module}.{function.name}: {message or name}"
            yield Place("refusals", point, _code(path, function), lines)


def _raised(expression: ast.expr) -> tuple[str, str | None]:
    """Name of what is raised, and the constant beginning of its message."""
    if isinstance(expression, ast.Name):
        return expression.id, None
    if not isinstance(expression, ast.Call):
        return "", ""
    target = expression.func
    name = getattr(target, "id", getattr(target, "attr", ""))
    first = expression.args[0] if expression.args else None
    texts = [
        " ".join(n.value.split())
        for n in ast.walk(first or ast.Constant(None))
        if isinstance(n, ast.Constant) and isinstance(n.value, str) and n.value.strip(" ')")
    ]
    return name, " … ".join(texts) or None
