"""``refconf generate``: the options of the command, and what is shown of its work."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from conformance.executors.choose import DaskOption, executor_for, require_one
from refdec.codestream import Dialect
from refdec.codestream.profiles import LEVELS, PROFILE_NAMES
from refdec.command import JsonOption, UsageError, note, somebody_watches


def generate(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the suite to make.")],
    profile: Annotated[
        str, typer.Option("--profile", help="What decoders must be able to: simple, base (main) or high.")
    ] = "base",
    level: Annotated[int, typer.Option("--level", help="Level of the headers, e.g. 52.")] = 52,
    seed: Annotated[int, typer.Option("--seed", min=0, max=(1 << 32) - 1, help="Source of all draws.")] = 1,
    models: Annotated[
        str,
        typer.Option("--models", help="synthetic (made from the seed), lite, or the folder of a model set."),
    ] = "synthetic",
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="Pattern of stream names, e.g. 'map-*'. Repeatable."),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, max=256, help="Processes; all processors by default.")
    ] = None,
    dask: DaskOption = None,
    statements: Annotated[
        bool,
        typer.Option("--statements", help="Records say which statements of docs/ their streams exercise."),
    ] = False,
    as_list: Annotated[bool, typer.Option("--list", help="Name the streams and make nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    from conformance.generate.entry import LITE, SYNTHETIC, SuiteSpec
    from conformance.generate.run import chosen, generate_suite
    from conformance.verify.run import default_jobs

    require_one(jobs, dask)
    names = [*PROFILE_NAMES[Dialect.T840], *PROFILE_NAMES[Dialect.DIS]]
    if profile not in names:
        raise UsageError(f"--profile {profile}: expected {', '.join(dict.fromkeys(names))}")
    if level not in LEVELS:
        raise UsageError(f"--level {level}: expected one of {', '.join(map(str, LEVELS))}")
    if models not in (SYNTHETIC, LITE) and not Path(models).is_dir():
        raise UsageError(f"--models {models}: no such folder, and neither synthetic nor lite")
    if output.exists() and not output.is_dir():
        raise UsageError(f"{output} is no folder")
    spec = SuiteSpec(seed, names.index(profile) % 3, level, models, statements)
    patterns = tuple(only or ())
    try:
        items = chosen(spec, patterns)
    except ValueError as error:
        raise UsageError(f"--only: {error}") from error
    if as_list:
        for item in items:
            typer.echo(f"{item.recipe.group}\t{item.name}\t{item.purpose}")
        return
    wanted = min(default_jobs() if jobs is None else jobs, len(items))
    with executor_for(wanted if wanted > 1 else 0, dask) as executor:
        summary = generate_suite(output, spec, executor, only=patterns, progress=_progress())
    if as_json:
        facts = {"suite_sha256": summary.digest, "streams": summary.streams, "bytes": summary.bytes}
        typer.echo(json.dumps({**facts, "made": summary.made, "kept": summary.kept}))
        return
    counts = ", ".join(f"{count} {group}" for group, count in summary.streams.items())
    typer.echo(f"{output}: {counts}; {summary.made} made, {summary.kept} kept, {summary.bytes} bytes")
    typer.echo(f"suite sha256 {summary.digest}")


def _progress() -> Callable[[int, int, str], None]:
    """One line that changes where somebody watches, else a line a stream."""
    watched = somebody_watches()

    def show(done: int, total: int, name: str) -> None:
        line = f"{done}/{total} {name}"
        if not watched:
            note(line)
            return
        sys.stderr.write(f"\r\033[K{line}" + ("\n" if done == total else ""))
        sys.stderr.flush()

    return show
