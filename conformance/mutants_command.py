"""``refconf mutants``: a suite against decoders with one mistake each. Heavy modules are imported late."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from conformance.executors.choose import JobsOption
from conformance.help_groups import MUTANTS, REPORTS, STREAMS
from refdec.atomic_file import atomic_file
from refdec.command import MISMATCH, require_distinct, require_writable, somebody_watches

MAX_PIXELS = 1 << 18


def mutants(
    suite: Annotated[
        Path | None, typer.Argument(metavar="SUITE", help="Folder of a suite; the bundled ones by default.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="Pattern of mutants' names. Repeatable.", rich_help_panel=MUTANTS),
    ] = None,
    models: Annotated[
        Path | None,
        typer.Option(
            "--models", help="Folder of the model set; by default the suite's own.", rich_help_panel=STREAMS
        ),
    ] = None,
    max_pixels: Annotated[
        int, typer.Option("--max-pixels", min=1, help="Leave larger pictures out.", rich_help_panel=STREAMS)
    ] = MAX_PIXELS,
    tolerance_streams: Annotated[
        int,
        typer.Option(
            "--tolerance-streams",
            min=0,
            help="Pictures that checks with a tolerance are asked about.",
            rich_help_panel=STREAMS,
        ),
    ] = 12,
    good_only: Annotated[
        bool,
        typer.Option("--good-only", help="Leave streams out that must be rejected.", rich_help_panel=STREAMS),
    ] = False,
    jobs: JobsOption = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all results as JSON.", rich_help_panel=REPORTS)
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", help="Write a page with all mutants.", rich_help_panel=REPORTS)
    ] = None,
    markdown_file: Annotated[
        Path | None,
        typer.Option(
            "--markdown",
            help="Add the tables to a Markdown file, under the suite's name.",
            rich_help_panel=REPORTS,
        ),
    ] = None,
    title: Annotated[
        str | None, typer.Option("--title", help="Heading in the Markdown file.", rich_help_panel=REPORTS)
    ] = None,
) -> None:
    from conformance.mutants.catalogue import CATALOGUE
    from conformance.mutants.report import as_json, markdown, print_run, write_html
    from conformance.mutants.run import Options, Run, run_mutants
    from conformance.mutants.sources import Sources, cases_of
    from conformance.verify.run import default_jobs

    for path in (json_file, html, markdown_file):
        if path is not None:
            require_writable(path)
    require_distinct({"--json": json_file, "--html": html, "--markdown": markdown_file})
    start = time.perf_counter()
    cases, left_out = cases_of(Sources(suite, models, max_pixels, good_only))
    options = Options(tuple(only or ()), default_jobs() if jobs is None else jobs, tolerance_streams)
    results = run_mutants(cases, CATALOGUE, options, _progress())
    run = Run(tuple(results), tuple(cases), left_out, time.perf_counter() - start, options.jobs)
    print_run(run)
    if json_file is not None:
        with atomic_file(json_file) as file:
            file.write((as_json(run) + "\n").encode())
    if html is not None:
        write_html(html, run)
    if markdown_file is not None:
        heading = title or (suite.name if suite is not None else "Bundled suites")
        before = markdown_file.read_bytes() if markdown_file.is_file() else b""
        with atomic_file(markdown_file) as file:
            file.write(before + markdown(run, heading).encode())
    if any(result.verdict in ("survived", "contradicted") for result in results):
        raise typer.Exit(MISMATCH)


def _progress() -> Callable[[str], None]:
    if somebody_watches():
        return lambda line: _overwrite(line)
    return lambda line: print(line, file=sys.stderr)


def _overwrite(line: str) -> None:
    sys.stderr.write(f"\r\033[K{line[:100]}")
    sys.stderr.flush()
