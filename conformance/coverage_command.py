"""``refconf coverage``: what a suite exercises, and what it does not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from conformance.executors.choose import DaskOption, executor_for, require_one
from refdec.atomic_file import atomic_file
from refdec.command import MISMATCH, UsageError, note, require_distinct, require_writable, somebody_watches


def coverage(
    suite: Annotated[Path, typer.Argument(metavar="SUITE", help="Folder of a suite.")],
    models: Annotated[
        Path | None, typer.Option("--models", help="Folder of the model set; the suite's own by default.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Pattern of stream names, e.g. 'odd-*'. Repeatable.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=0, max=256, help="Processes; 0: in this one.")
    ] = None,
    dask: DaskOption = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write everything as JSON; -: to standard output.")
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write an HTML page.")] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Put the statement ids into the suite's own records.")
    ] = False,
) -> None:
    from conformance.coverage import report
    from conformance.coverage.suite import cover
    from conformance.suite.records import is_picture_suite
    from conformance.verify.html_report import require_jinja
    from conformance.verify.run import default_jobs

    require_one(jobs, dask)
    to_stdout = json_file == Path("-")
    for path in (None if to_stdout else json_file, html):
        if path is not None:
            require_writable(path)
    require_distinct({"--json": json_file, "--html": html})
    if html is not None:
        require_jinja()
    if write and not is_picture_suite(suite):
        raise UsageError(f"--write: {suite} has no {report.INDEX}")
    watched = somebody_watches()
    with executor_for(default_jobs() if jobs is None else jobs, dask) as executor:
        found = cover(
            suite,
            models,
            executor,
            frozenset(only) if only else None,
            note if watched else lambda _line: None,
        )
    if json_file is not None and not to_stdout:
        with atomic_file(json_file) as file:
            file.write((report.json_text(found) + "\n").encode())
    if html is not None:
        report.write_html(html, found)
    if write:
        report.write_statements(suite, found)
    typer.echo(report.json_text(found) if to_stdout else report.as_text(found))
    if any(stream.problem for stream in found.streams):
        raise typer.Exit(MISMATCH)
