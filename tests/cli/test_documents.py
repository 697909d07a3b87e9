"""What the documents name is there: files, tests, commands and their options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
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
PROGRAMS: dict[str, Any] = {
    "refdec": typer.main.get_command(refdec),
    "refconf": typer.main.get_command(refconf),
}
EVERYWHERE = {"--help"}
FOREIGN = {"--no-deps", "--nthreads", "--scheduler-file"}
"""Options of pip and of Dask."""


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
    absent = {path.resolve() for path in links | files if not path.exists()}
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


@cache
def options_anywhere() -> set[str]:
    """Of all commands, of the programs in ``tools``, and of the fuzzer."""
    found, waiting = EVERYWHERE | FOREIGN, list(PROGRAMS.values())
    while waiting:
        command = waiting.pop()
        found = found | {name for p in command.params for name in (*p.opts, *p.secondary_opts)}
        waiting += getattr(command, "commands", {}).values()
    fuzzer = (ROOT / "conformance/fuzz" / name for name in ("__main__.py", "worker.py"))
    for file in (*(ROOT / "tools").rglob("*.py"), *fuzzer):
        found |= set(re.findall(r'"(--[a-z][\w-]*)"', file.read_text(encoding="utf-8")))
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_options_in_sentences(document: Path) -> None:
    for words in re.findall(r"`([^`\n]+)`", document.read_text(encoding="utf-8")):
        options = set(re.findall(r"(?<!\S)--[a-z][\w-]*", words))
        assert options <= options_anywhere(), words


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_other_programs(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(re.findall(r"(?:`|^ *)make ([a-z-]+)(?:`|$| {2})", text, re.MULTILINE)) <= set(targets)
    for name, words in re.findall(r"python3? (tools/\w+\.py)([^`#\n]*)", text):
        source = (ROOT / name).read_text(encoding="utf-8")
        for option in re.findall(r"(?<!\S)--[a-z][\w-]*", words):
            assert f'"{option}"' in source, f"{name} {option}"


def understood(line: str) -> None:
    """Reads a line with the program's own parser and runs nothing; raises what the program would say."""
    program, *words = shlex.split(line, comments=True)
    command = PROGRAMS[program]
    while hasattr(command, "commands") and words and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    command.make_context(program, words).close()


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_commands_are_whole(document: Path) -> None:
    for line in commands(document):
        if not re.search(r"\[-|\||\[$", line):  # not where brackets show what may be left out
            understood(line)


@pytest.mark.parametrize(
    "line", ["refdec decode a", "refdec decode a b c", "refdec decode a b --threads many"]
)
def test_commands_that_are_not_whole(line: str) -> None:
    with pytest.raises(typer.BadParameter.__mro__[1]):
        understood(line)


def test_the_readme_leads_to_every_page() -> None:
    links = re.findall(r"\]\(([^)#\s]+)", (ROOT / "README.md").read_text(encoding="utf-8"))
    reached = {ROOT / link for link in links}
    pages = [page for page in DOCUMENTS if page.is_relative_to(ROOT / "docs")]
    assert not {named(page) for page in pages} - {named(page) for page in reached}


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_places_in_pages(document: Path) -> None:
    for link, place in re.findall(r"\]\(([^)#:\s]*)#([^)]+)\)", document.read_text(encoding="utf-8")):
        text = (document.parent / link if link else document).read_text(encoding="utf-8")
        headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        assert place in {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}, place
