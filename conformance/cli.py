"""The ``refconf`` command line: makes and judges. Heavy modules are imported where they are needed."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from conformance.bounds_command import bounds
from conformance.coverage_command import coverage
from conformance.encode_command import encode
from conformance.evidence_command import evidence
from conformance.executors.choose import DaskOption, JobsOption, require_one
from conformance.fluster_command import fluster
from conformance.generate_command import generate
from conformance.help_groups import DECODERS, REPORTS, RUNNING, STREAMS
from conformance.mutants_command import mutants
from conformance.suite_page_command import suite_page
from refdec import __version__
from refdec.command import (
    MISMATCH,
    JsonOption,
    UsageError,
    note,
    print_rows,
    require_distinct,
    require_writable,
    run,
)
from refdec.help_page import GroupedCommand

app = typer.Typer(
    help="Conformance tools for JPEG AI: import checkpoints, make streams and suites, verify decoders.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """Entry point of the ``refconf`` script."""
    sys.exit(run(app))


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", is_eager=True, help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(f"refconf {__version__}")
        raise typer.Exit


app.command(
    cls=GroupedCommand,
    short_help="Code a picture.",
    help="Code a picture, at a rate (--bpp) or with a model and a displacement (--model, --delta-beta).",
)(encode)
app.command(
    short_help="What of the decoder a suite exercises.",
    help="Which statements, table entries, clips, header branches and refusals a suite exercises. "
    "Exit code 1 if a stream does not end as its group says.",
)(coverage)
app.command(
    help="Make a suite of streams from a seed. A run that was stopped goes on where it was.",
)(generate)
app.command(
    short_help="For every layer: what is proved possible, and what a suite reaches.",
    help="For every layer: the sums that are proved possible, and those that the suite's streams reach.",
)(bounds)
app.command(
    cls=GroupedCommand,
    help="Run a suite against decoders with one mistake each. Exit code 1 if one survives that must not.",
)(mutants)
app.command(
    short_help="Write a suite for Fluster, with a launcher.",
    help="Write a suite for Fluster, with a launcher that registers the decoders without patching it.",
)(fluster)
app.command(
    "suite-page",
    short_help="Write the page of a suite.",
    help="Write the page of a suite: promises, how to run it, what it tests and what it does not.",
)(suite_page)
app.add_typer(evidence, name="evidence", short_help="Write this machine's digests; compare such files.")


@app.command(
    "import",
    short_help="Make a model set from the standard's checkpoints.",
    help="Make integer model files from the standard's checkpoints; a folder with only some of them is fine.",
)
def import_command(
    source: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder that holds VM_common_int and others.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the model set to make.")],
    scheme: Annotated[
        str, typer.Option("--scheme", help="Weights and activations: w16a16 or w8a16.")
    ] = "w16a16",
    calibrate: Annotated[
        list[Path] | None,
        typer.Option("--calibrate", help="Codestream or picture to take ranges from. Repeatable."),
    ] = None,
    entropy_only: Annotated[
        bool, typer.Option("--entropy-only", help="Leave out the networks behind the residual.")
    ] = False,
    thorough: Annotated[
        bool, typer.Option("--thorough", help="Try two ways to choose scales, not one: much slower.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    from conformance.importer.folder import SCHEMES, Options, import_folder

    if scheme not in SCHEMES:
        raise UsageError(f"--scheme {scheme}: expected {' or '.join(SCHEMES)}")
    if output.exists() and not output.is_dir():
        raise UsageError(f"{output} is no folder")
    for path in calibrate or ():
        if not path.is_file():
            raise UsageError(f"--calibrate {path}: no such file")
    options = Options(scheme, tuple(calibrate or ()), not entropy_only, thorough)
    report = import_folder(source, output, options, note)
    if as_json:
        facts = {
            "written": [{"file": f, "checkpoint": c, "sha256": d} for f, c, d in report.written],
            "absent": report.absent,
            "models": report.summary.rows,
            "notes": report.summary.notes,
        }
        typer.echo(json.dumps(facts))
        return
    print_rows(report.summary.rows)
    for line in report.summary.notes:
        typer.echo(line)
    typer.echo(f"{len(report.written)} model files made in {output}")


@app.command(
    cls=GroupedCommand,
    short_help="Check decoders against a suite.",
    help="Check decoders against what every vector and stream must give. Exit code 1 if any check fails.",
)
def verify(
    suite: Annotated[
        Path | None, typer.Argument(metavar="SUITE", help="Folder of a suite; the bundled ones by default.")
    ] = None,
    engine: Annotated[
        list[str] | None,
        typer.Option(
            "--engine",
            help="jit, golden or twin (needs torch). Repeatable. By default jit and golden.",
            rich_help_panel=DECODERS,
        ),
    ] = None,
    decoder: Annotated[
        str | None,
        typer.Option(
            "--decoder",
            help="Your decoder: 'CMD {input} {output}', perhaps with {trace}.",
            rich_help_panel=DECODERS,
        ),
    ] = None,
    decoder_output: Annotated[
        str,
        typer.Option(
            "--decoder-output",
            help="What it writes: png, ppm, npy, or raw planes (yuv, raw).",
            rich_help_panel=DECODERS,
        ),
    ] = "png",
    models: Annotated[
        Path | None,
        typer.Option(
            "--models",
            help="Folder of the model set; the suite's own, or the bundled one.",
            rich_help_panel=DECODERS,
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", help="Pattern of stream names, e.g. 'odd-*'. Repeatable.", rich_help_panel=STREAMS
        ),
    ] = None,
    jobs: JobsOption = None,
    dask: DaskOption = None,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0.1, help="Seconds for one stream.", rich_help_panel=RUNNING)
    ] = 600.0,
    junit: Annotated[
        Path | None, typer.Option("--junit", help="Write a JUnit XML report.", rich_help_panel=REPORTS)
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", help="Write an HTML report with pictures.", rich_help_panel=REPORTS),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    from conformance.verify.report import as_json_text, print_table, succeeded, write_junit
    from conformance.verify_command import Request
    from conformance.verify_command import verify as run_verify

    require_one(jobs, dask)
    for path in (junit, html):
        if path is not None:
            require_writable(path)
    require_distinct({"--junit": junit, "--html": html})
    start = time.perf_counter()
    engines = tuple(engine) if engine else None
    names = tuple(only) if only else None
    request = Request(suite, engines, decoder, decoder_output, models, jobs, timeout, names, html, dask)
    outcomes = run_verify(request)
    if junit is not None:
        write_junit(junit, outcomes)
    if as_json:
        typer.echo(as_json_text(outcomes))
    else:
        print_table(outcomes, time.perf_counter() - start)
    if not succeeded(outcomes):
        raise typer.Exit(MISMATCH)
