"""What the documents name is there: files, tests, commands and their options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from conformance.cli import app as refconf
from refdec.cli import app as refdec

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "refdec/models").rglob("*.md")]
)
MEASURED = {ROOT / "docs/results" / f"{name}.md" for name in ("base", "bundled", "photographs")}
"""Pages that tools/suite_results.py writes in an hour; a checkout may be without."""
PROGRAMS: dict[str, Any] = {
    "refdec": typer.main.get_command(refdec),
    "refconf": typer.main.get_command(refconf),
}
EVERYWHERE = {"--help"}


def named(document: Path) -> Any:
    return document.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_links_and_files(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    links = {document.parent / link for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text)}
    files = {
        ROOT / name
        for name in re.findall(r"\b(?:tests|tools|conformance|refdec|docs)/[\w/.-]+\.(?:py|md)\b", text)
    }
    absent = {path.resolve() for path in links | files if not path.exists()} - MEASURED
    assert not absent, absent


def test_tests_that_are_named() -> None:
    sources = {path: path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")}
    known = {
        name for text in sources.values() for name in re.findall(r"^\s*def (test_\w+)", text, re.MULTILINE)
    }
    known |= {path.stem for path in sources}
    for document in DOCUMENTS:
        for name, cut in re.findall(r"\b(test_\w+)(\.\.)?", document.read_text(encoding="utf-8")):
            found = any(other.startswith(name) for other in known) if cut else name in known
            assert found, f"{named(document)}: {name}"


def commands(document: Path) -> Iterator[str]:
    """Lines of code that call one of the programs, without comments, continued lines joined."""
    code, fenced = [], False
    for line in document.read_text(encoding="utf-8").splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            code.append(line.strip())
    text = "\n".join(code).replace("\\\n", " ")
    for line in text.splitlines():
        found = re.match(r"(?:\S*/)?(refdec|refconf) (.+)", line)
        if found:
            yield f"{found[1]} {found[2]}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_commands_and_their_options(document: Path) -> None:
    for line in commands(document):
        program, *words = shlex.split(line, comments=True)
        command = PROGRAMS[program]
        while words and hasattr(command, "commands") and not words[0].startswith("-"):
            if words[0] not in command.commands:
                assert command.callback is not None and command.invoke_without_command, line
                break
            command = command.commands[words.pop(0)]
        known = {name for p in command.params for name in (*p.opts, *p.secondary_opts)} | EVERYWHERE
        options = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
        assert options <= known, f"{line}: {options - known}"


def test_commands_are_found() -> None:
    lines = [line for document in DOCUMENTS for line in commands(document)]
    assert len(lines) > 50 and any(line.startswith("refconf evidence compare") for line in lines)
