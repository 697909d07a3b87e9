"""``refconf suite-page``: a suite's page for those who are to use it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from refdec.command import UsageError, require_writable

if TYPE_CHECKING:
    from conformance.suite.contents import Contents

PAGE = "index.html"
COVERAGE, MUTANTS = "coverage.json", "mutants.json"
Report = TypeVar("Report")


def suite_page(
    suite: Annotated[
        Path | None, typer.Argument(metavar="SUITE", help="Folder of a suite; the bundled one by default.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help=f"The page; by default SUITE/{PAGE}.")
    ] = None,
    coverage: Annotated[
        Path | None,
        typer.Option("--coverage", help=f"JSON of refconf coverage; SUITE/{COVERAGE}, if it is there."),
    ] = None,
    mutants: Annotated[
        Path | None,
        typer.Option("--mutants", help=f"JSON of refconf mutants; SUITE/{MUTANTS}, if it is there."),
    ] = None,
) -> None:
    from conformance.suite.contents import contents_of
    from conformance.suite.measured import read_coverage, read_mutants
    from conformance.suite.page import write_page
    from conformance.verify.html_report import require_jinja
    from conformance.verify_command import bundled_folder

    require_jinja()
    if suite is None and output is None:
        raise UsageError("the bundled suite has no room for a page: -o says where it goes")
    folder = bundled_folder() if suite is None else suite
    page = folder / PAGE if output is None else output
    require_writable(page, ".html")
    contents = contents_of(folder)
    write_page(
        page,
        contents,
        _measured(coverage, contents, COVERAGE, read_coverage),
        _measured(mutants, contents, MUTANTS, read_mutants),
    )
    typer.echo(str(page))


def _measured(
    asked: Path | None, suite: Contents, name: str, read: Callable[[Path, Contents], Report]
) -> Report | str:
    """A report, or why there is none. One that is asked for must be good; one that lies there may be old."""
    from conformance.verify.suite import SuiteError

    if asked is not None:
        return read(asked, suite)
    if not (suite.folder / name).is_file():
        return f"there is no {name} in the suite."
    try:
        return read(suite.folder / name, suite)
    except SuiteError as error:
        return f"the {name} in the suite cannot be used ({str(error).removeprefix(str(suite.folder) + '/')})."
