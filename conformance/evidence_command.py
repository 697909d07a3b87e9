"""``refconf evidence``: what this machine gives, in a file; ``refconf evidence compare``: several files."""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from refdec import __version__
from refdec.command import MISMATCH, JsonOption, UsageError, print_rows, require_writable, somebody_watches

if TYPE_CHECKING:
    from conformance.evidence.collect import Voice

evidence = typer.Typer(
    help="Run the suites on this machine and write one file of digests; compare such files. "
    "Exit code 1 if a stream is not as its suite states."
)


@evidence.callback(invoke_without_command=True)
def run(
    context: typer.Context,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="JSON file to write.")] = None,
    suite: Annotated[
        Path | None, typer.Option("--suite", help="Folder of a suite; the bundled ones by default.")
    ] = None,
    engine: Annotated[str, typer.Option("--engine", help="jit, golden or twin (needs torch).")] = "jit",
    threads: Annotated[int, typer.Option("--threads", min=1, max=1024, help="Threads of the engine.")] = 1,
    layout: Annotated[
        str, typer.Option("--layout", help="Memory of the twin: contiguous or channels_last.")
    ] = "contiguous",
    device: Annotated[
        str, typer.Option("--device", help="PyTorch device of the twin: cpu, cuda or mps.")
    ] = "cpu",
    precision: Annotated[
        str,
        typer.Option("--precision", help="Of the twin: float64, or float32 in exact parts (mps: only it)."),
    ] = "float64",
    models: Annotated[
        Path | None,
        typer.Option("--models", help="Folder of the model set; the suite's own, or the bundled one."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Pattern of stream names, e.g. 'odd-*'. Repeatable.")
    ] = None,
    max_pixels: Annotated[
        int | None, typer.Option("--max-pixels", min=1, help="Leave larger pictures out: for slow machines.")
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", help="Name of this machine in tables; made up by default.")
    ] = None,
) -> None:
    if context.invoked_subcommand is not None:
        return
    if output is None:
        raise UsageError("--output FILE is needed")
    require_writable(output, ".json")
    from conformance.evidence.collect import Voice
    from conformance.evidence.record import ENGINES, LAYOUTS, NAME, PRECISIONS

    if engine not in ENGINES:
        raise UsageError(f"--engine {engine}: expected {', '.join(ENGINES)}")
    if layout not in LAYOUTS:
        raise UsageError(f"--layout {layout}: expected {' or '.join(LAYOUTS)}")
    if precision not in PRECISIONS:
        raise UsageError(f"--precision {precision}: expected {' or '.join(PRECISIONS)}")
    if target is not None and re.fullmatch(NAME, target) is None:
        raise UsageError(f"--target {target}: expected a short name")
    voice = Voice(engine, threads, layout, device, precision)
    facts = gather(voice, suite, models, tuple(only or ()), max_pixels, target)
    from conformance.evidence.record import write

    write(output, facts)
    wrong = facts["disagreeing"]
    count = sum(map(len, facts["streams"].values()))
    typer.echo(
        f"{output}: {facts['target']}, {facts['execution']['kind']}, {engine}: {count} streams in"
        f" {facts['seconds']} s, {count - len(wrong)} as their suite states"
    )
    if wrong:
        typer.echo(f"not as stated: {', '.join(wrong)}")
        raise typer.Exit(MISMATCH)


def gather(
    voice: Voice,
    folder: Path | None,
    models: Path | None,
    only: tuple[str, ...],
    max_pixels: int | None,
    target: str | None,
) -> dict[str, Any]:
    """All that a file of evidence holds.

    :raises EvidenceError: another engine ran than the one asked for.
    :raises UsageError: the engine cannot be had, or no stream is chosen.
    """
    from conformance.evidence import collect, instructions, machine, record
    from refdec.engine_record import recorded

    engine = voice.engine
    compiled: bool | None = None
    if engine == "twin":
        require_twin(voice)
    if engine == "jit":
        compiled = require_numba()
    suites = collect.suites(folder)
    progress = _progress()
    start = time.perf_counter()
    streams = []
    with recorded() as ran:
        for suite in suites:
            streams += collect.collect(suite, voice, only, max_pixels, models, progress)
    seconds = time.perf_counter() - start
    progress("")
    if not streams:
        raise UsageError("no stream is chosen")
    collect.require_engine(voice, ran)
    execution = machine.execution()
    facts = machine.machine()
    name = target or f"{facts['architecture']} {engine}" + (
        " (emulated)" if execution["kind"] == "emulated" else ""
    )
    return {
        "schema": record.SCHEMA,
        "target": name,
        "refdec": __version__,
        "sources": collect.sources(),
        "machine": facts,
        "execution": execution,
        "software": machine.software(engine),
        "engine": {
            "asked": engine,
            "ran": {part: sorted(engines) for part, engines in sorted(ran.items())},
            "compiled": compiled,
            "threads": voice.threads,
            "layout": voice.layout,
            "device": voice.device,
            "precision": voice.precision,
        },
        "instructions": instructions.of_kernels() if compiled else None,
        "suites": {i["name"]: i["sha256"] for i in map(collect.identity, suites)},
        "seconds": round(seconds, 1),
        **record.digests_of(streams),
    }


def require_twin(voice: Voice) -> None:
    """:raises UsageError: PyTorch is not installed, or cannot do what is asked for on this machine."""
    from conformance.verify.run import require_torch

    require_torch()
    from conformance.twin.device import unusable

    reason = unusable(voice.device, voice.precision)
    if reason is not None:
        raise UsageError(f"--device {voice.device} --precision {voice.precision}: {reason}")


def require_numba() -> bool:
    """Whether kernels are compiled, or run as Python (``NUMBA_DISABLE_JIT=1``).

    :raises UsageError: Numba is not there.
    """
    try:
        from numba import config
    except ImportError as error:
        raise UsageError(f"the engine jit needs Numba ({error}); --engine golden does not") from error
    return not config.DISABLE_JIT


@evidence.command(
    help="Compare files of evidence. Exit code 1 if a digest differs or nothing can be compared."
)
def compare(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Files of evidence; all are compared with the first."),
    ],
    as_json: JsonOption = False,
) -> None:
    from conformance.evidence.compare import compare as compare_two
    from conformance.evidence.compare import rows
    from conformance.evidence.record import read

    read_files = [read(path) for path in files]
    if len(read_files) < 2:
        raise UsageError("expected two files or more")
    results = [None, *(compare_two(read_files[0], other) for other in read_files[1:])]
    table = rows(read_files, results)
    if as_json:
        typer.echo(json.dumps(table))
    else:
        print_rows(table)
    for path, result in zip(files, results, strict=True):
        if result is not None and not as_json:
            for note in result.notes:
                typer.echo(f"{path}: {note}")
    equal = all(result is None or result.equal for result in results)
    if not equal or any(e.disagreeing for e in read_files):
        raise typer.Exit(MISMATCH)


def _progress() -> Any:
    watched = somebody_watches()

    def show(name: str) -> None:
        if watched:
            sys.stderr.write(f"\r\033[K{name}")
            sys.stderr.flush()

    return show
