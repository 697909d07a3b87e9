"""``python -m conformance.fuzz``: fuzz, replay one input, write the report."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Fuzz, replay one input, write the report.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
Work = Annotated[Path, typer.Option("--work", help="Folder of corpora, findings and journal.")]
DEFAULT = Path("build/fuzz")


@app.command(
    help="Fuzz targets in turn, one process at a time; an earlier run in the same folder is continued."
)
def run(
    names: Annotated[list[str] | None, typer.Argument(metavar="[TARGET]...")] = None,
    work: Work = DEFAULT,
    minutes: Annotated[float, typer.Option("--minutes", help="How long.")] = 10.0,
    executions: Annotated[
        int | None, typer.Option("--executions", help="Stop when all runs together have so many.")
    ] = None,
    stretch: Annotated[int, typer.Option("--stretch", help="Seconds of one process.")] = 240,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Keep the priority; by default everything else goes first.")
    ] = False,
) -> None:
    from conformance.fuzz.driver import fuzz, lower_priority

    _require_targets(names or ())
    if not foreground:
        lower_priority()
    fuzz(
        work, minutes=minutes, executions=executions, names=names or (), stretch=stretch,
        progress=lambda line: print(time.strftime("%H:%M:%S"), line, flush=True),
    )  # fmt: skip


@app.command(
    help="Give files to a target, outside of the fuzzer: what it answers, or the traceback of a finding."
)
def replay(
    name: Annotated[str, typer.Argument(metavar="TARGET")],
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", exists=True, dir_okay=False)],
) -> None:
    from conformance.fuzz.target import execute, targets

    _require_targets([name])
    for path in files:
        print(path.name, execute(targets()[name], path.read_bytes()), flush=True)


@app.command(help="Measure what the corpora reach, and write the page about it all.")
def report(
    work: Work = DEFAULT,
    output: Annotated[Path, typer.Option("--output", "-o")] = Path("docs/results/fuzz.md"),
    seconds: Annotated[
        float, typer.Option("--seconds", help="To measure a corpus; 0: as measured before.")
    ] = 20.0,
) -> None:
    from conformance.fuzz.measure import measure, read_reached, write_reached
    from conformance.fuzz.report import write_report
    from conformance.fuzz.target import targets

    reached = read_reached(work)
    for name, target in targets().items() if seconds > 0 else ():
        if (work / "corpus" / name).is_dir():
            reached[name] = measure(target, work / "corpus" / name, seconds)
            print(name, reached[name].inputs, "of", reached[name].there, "inputs", flush=True)
            write_reached(work, reached)
    write_report(work, output, reached, Path("tests/data/regressions"))


@app.command("list", help="The targets and what they read.")
def list_targets() -> None:
    from conformance.fuzz.target import targets

    for target in targets().values():
        print(f"{target.name:16s}{target.purpose}")


def _require_targets(names: Sequence[str]) -> None:
    from conformance.fuzz.target import targets

    for name in names:
        if name not in targets():
            raise typer.BadParameter(f"no target '{name}'; there are {', '.join(targets())}")


def main() -> None:
    """Entry point; what is not installed is one line."""
    try:
        app()
    except ModuleNotFoundError as error:
        sys.stderr.write(f"fuzzing needs {error.name}: pip install -e '.[fuzz,encoder]'\n")
        sys.exit(2)


if __name__ == "__main__":
    main()
