"""The ``refdec`` command line. Heavy modules are imported by the command that needs them."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from refdec import __version__
from refdec.command import (
    MISMATCH,
    JsonOption,
    UsageError,
    binary_stdout,
    means_stdout,
    note,
    read_input,
    require_distinct,
    require_writable,
    run,
)
from refdec.help_page import GroupedCommand
from refdec.models_cli import models_app

if TYPE_CHECKING:
    from refdec.codestream import Dialect
    from refdec.entropy import Rounding
    from refdec.limits import Limits
    from refdec.models_io import ModelSet

BUNDLED_RECTIFIER, NO_RECTIFIER = "bundled", "none"
READING, CHANGED, LIMITS, RUNNING = "What the stream means", "Another picture", "Limits", "How to run"

app = typer.Typer(
    help="Exact integer reference decoder for JPEG AI.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(models_app, name="models")

DialectOption = Annotated[
    str,
    typer.Option(
        "--dialect",
        help="Header dialect: t840 (published standard) or dis (draft). Never guessed.",
        rich_help_panel=READING,
    ),
]
ModelsOption = Annotated[
    Path | None,
    typer.Option(
        "--models", help="Folder of the model set; the bundled one by default.", rich_help_panel=RUNNING
    ),
]
EngineOption = Annotated[
    str,
    typer.Option(
        "--engine",
        help="jit (fast) or golden (reads like the standard).",
        rich_help_panel=RUNNING,
    ),
]
ThreadsOption = Annotated[
    int,
    typer.Option(
        "--threads",
        min=1,
        max=256,
        help="Threads of the networks.",
        rich_help_panel=RUNNING,
    ),
]
MaxPixelsOption = Annotated[
    int | None,
    typer.Option(
        "--max-pixels", min=1, help="Coded luma samples; 120 million by default.", rich_help_panel=LIMITS
    ),
]
MaxMemoryOption = Annotated[
    int | None,
    typer.Option(
        "--max-memory",
        min=1,
        help="Working memory, MiB; 4096 by default.",
        rich_help_panel=LIMITS,
    ),
]
MaxInputOption = Annotated[
    int | None,
    typer.Option(
        "--max-input",
        min=1,
        help="Codestream bytes; 1 GiB by default.",
        rich_help_panel=LIMITS,
    ),
]
ChannelsOption = Annotated[
    int | None,
    typer.Option(
        "--channels",
        min=0,
        help="Progressive: residual channels to keep; all by default.",
        rich_help_panel=CHANGED,
    ),
]
RoundingOption = Annotated[
    str,
    typer.Option(
        "--quality-rounding",
        help="Quality map: floor, or truncate for streams of the old tool chain.",
        rich_help_panel=READING,
    ),
]
PointOption = Annotated[
    str | None,
    typer.Option(
        "--operating-point",
        help="sop, bop or hop, of those the stream lists; its first by default.",
        rich_help_panel=CHANGED,
    ),
]
FiltersOption = Annotated[
    bool,
    typer.Option(
        "--ignore-post-filters", help="Decode without the stream's post-filters.", rich_help_panel=CHANGED
    ),
]
FirstTileOption = Annotated[
    bool,
    typer.Option(
        "--eicci-first-tile",
        help="Use the networks of eICCI's first tile for all tiles, as the reference decoder does.",
        rich_help_panel=CHANGED,
    ),
]
RectifierOption = Annotated[
    str | None,
    typer.Option(
        "--rectifier",
        metavar="DIR",
        help="Folder of quantisation rectifiers to use with the model set: another picture, not the "
        "standard's. 'bundled': ours for the bundled set; 'none': decode without, whatever the set holds.",
        rich_help_panel=CHANGED,
    ),
]
StreamArgument = Annotated[str, typer.Argument(metavar="STREAM", help="Codestream; - for stdin.")]


def main() -> None:
    """Entry point of the ``refdec`` script."""
    sys.exit(run(app))


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", is_eager=True, help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(f"refdec {__version__}")
        raise typer.Exit


@app.command(
    cls=GroupedCommand,
    short_help="Every field of a codestream with its bit offset.",
    help="Every field of a codestream with its bit offset, the substreams, and what follows from them.",
)
def info(
    stream: StreamArgument,
    as_json: JsonOption = False,
    dialect: DialectOption = "t840",
    max_pixels: MaxPixelsOption = None,
    max_input: MaxInputOption = None,
) -> None:
    from refdec.codestream import parse
    from refdec.codestream.describe import as_text, describe

    limits = _limits(max_pixels, None, max_input)
    description = describe(parse(read_input(stream, limits.max_input_bytes), _dialect(dialect), limits))
    typer.echo(json.dumps(description, indent=1) if as_json else as_text(description))


@app.command(
    cls=GroupedCommand,
    help="Decode a codestream to a picture file. Nothing appears at OUT unless the picture is whole.",
)
def decode(
    stream: StreamArgument,
    output: Annotated[
        str, typer.Argument(metavar="OUT", help="Picture: .png .ppm .yuv or .npy; - for stdout.")
    ],
    models: ModelsOption = None,
    engine: EngineOption = "jit",
    threads: ThreadsOption = 1,
    kind: Annotated[
        str | None,
        typer.Option("--format", help="png, ppm, yuv or npy, whatever OUT is called. On stdout ppm or yuv."),
    ] = None,
    operating_point: PointOption = None,
    channels: ChannelsOption = None,
    quality_rounding: RoundingOption = "floor",
    ignore_post_filters: FiltersOption = False,
    eicci_first_tile: FirstTileOption = False,
    rectifier: RectifierOption = None,
    dialect: DialectOption = "t840",
    max_pixels: MaxPixelsOption = None,
    max_memory: MaxMemoryOption = None,
    max_input: MaxInputOption = None,
    as_json: JsonOption = False,
) -> None:
    from refdec.decode_command import DecodeJob, decode_file
    from refdec.settings import Settings

    target = None if means_stdout(output) else require_writable(Path(output), source=stream)
    if target is None:
        binary_stdout()
    settings = Settings(
        _engine(engine),
        threads,
        channels,
        _rounding(quality_rounding),
        _operating_point(operating_point),
        ignore_post_filters,
        eicci_first_tile,
        rectifier != NO_RECTIFIER,
    )
    job = DecodeJob(
        stream,
        target,
        kind,
        _models(models, rectifier),
        _dialect(dialect),
        settings,
        _limits(max_pixels, max_memory, max_input),
    )
    facts = decode_file(job)
    if target is not None:
        typer.echo(json.dumps(facts.as_dict()) if as_json else str(facts))


@app.command(
    cls=GroupedCommand,
    short_help="Decode and write the digest of every stage.",
    help="Decode and write the digest of every named tensor, in decoding order.",
)
def trace(
    stream: StreamArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Trace to write (JSON Lines); - for stdout.")
    ],
    values: Annotated[Path | None, typer.Option("--values", help="Also write the tensors (.npz).")] = None,
    models: ModelsOption = None,
    until: Annotated[
        str | None,
        typer.Option(
            "--until",
            help="Last stage: entropy, latent or picture. By default the last one that the model set has "
            "all files for; the latent where the picture cannot be made.",
        ),
    ] = None,
    engine: EngineOption = "jit",
    threads: ThreadsOption = 1,
    operating_point: PointOption = None,
    channels: ChannelsOption = None,
    quality_rounding: RoundingOption = "floor",
    ignore_post_filters: FiltersOption = False,
    eicci_first_tile: FirstTileOption = False,
    rectifier: RectifierOption = None,
    dialect: DialectOption = "t840",
    max_pixels: MaxPixelsOption = None,
    max_memory: MaxMemoryOption = None,
    max_input: MaxInputOption = None,
    as_json: JsonOption = False,
) -> None:
    from refdec.atomic_file import STDOUT
    from refdec.codestream import parse
    from refdec.settings import Settings
    from refdec.trace import TraceWriter, header
    from refdec.tracing import last_stage, model_digests, trace_stream

    to_stdout = means_stdout(output)
    target = Path(STDOUT) if to_stdout else require_writable(output, source=stream)
    if values is not None:
        require_writable(values, ".npz", source=stream)
    require_distinct({"--output": target, "--values": values})
    settings = Settings(
        _engine(engine),
        threads,
        channels,
        _rounding(quality_rounding),
        _operating_point(operating_point),
        ignore_post_filters,
        eicci_first_tile,
        rectifier != NO_RECTIFIER,
    )
    limits = _limits(max_pixels, max_memory, max_input)
    model_set = _models(models, rectifier)
    data = read_input(stream, limits.max_input_bytes)
    parsed = parse(data, _dialect(dialect), limits)
    stage = last_stage(parsed, model_set, settings, until)
    facts = header(
        data,
        model_digests(parsed, model_set, settings, stage),
        dialect=dialect,
        engine=engine,
        channels=channels,
        quality_rounding=quality_rounding,
        **stage.facts(parsed, settings),
    )
    with TraceWriter(target, facts, values) as writer:
        trace_stream(parsed, model_set, settings, limits, writer, stage)
    if to_stdout:
        return
    summary = {
        "trace": str(output),
        "values": None if values is None else str(values),
        "tensors": writer.count,
    }
    typer.echo(json.dumps(summary) if as_json else f"{output}: {writer.count} tensors")


@app.command(
    short_help="Name the first divergence of two traces.",
    help="Name the first divergence of two traces, in decoding order. Exit code 1 if there is one.",
)
def compare(
    expected: Annotated[Path, typer.Argument(help="Trace that is right.")],
    found: Annotated[Path, typer.Argument(help="Trace to judge.")],
    common: Annotated[
        bool, typer.Option("--common", help="Compare only the points that both traces have.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    from refdec.compare import compare as compare_traces
    from refdec.trace import read_trace

    pair = read_trace(expected), read_trace(found)
    if pair[0].header.get("stream_sha256") != pair[1].header.get("stream_sha256"):
        note("note: the traces are of different codestreams")
    divergence = compare_traces(*pair, common_only=common)
    if as_json:
        typer.echo(
            json.dumps({"equal": divergence is None, "divergence": divergence and divergence.as_dict()})
        )
    elif divergence is None:
        typer.echo(f"equal: {len(pair[0].entries.keys() & pair[1].entries.keys())} tensors")
    else:
        typer.echo(str(divergence))
    if divergence is not None:
        raise typer.Exit(MISMATCH)


def _limits(max_pixels: int | None, max_memory: int | None, max_input: int | None) -> Limits:
    from refdec.limits import DEFAULT_LIMITS

    changes = {
        "max_pixels": max_pixels,
        "max_memory_bytes": None if max_memory is None else max_memory << 20,
        "max_input_bytes": max_input,
    }
    return replace(DEFAULT_LIMITS, **{name: value for name, value in changes.items() if value is not None})


def _models(folder: Path | None, rectifier: str | None) -> ModelSet:
    from refdec.models_io import bundled_models, bundled_rectifiers, open_models, with_rectifiers

    models = bundled_models() if folder is None else open_models(folder)
    if rectifier in (None, NO_RECTIFIER):
        return models
    return with_rectifiers(
        models, bundled_rectifiers() if rectifier == BUNDLED_RECTIFIER else Path(str(rectifier))
    )


def _operating_point(name: str | None) -> str | None:
    if name not in (None, "sop", "bop", "hop"):
        raise UsageError(f"--operating-point {name}: expected sop, bop or hop")
    return name


def _dialect(name: str) -> Dialect:
    from refdec.codestream import Dialect

    try:
        return Dialect(name)
    except ValueError:
        raise UsageError(f"--dialect {name}: expected {' or '.join(d.value for d in Dialect)}") from None


def _engine(name: str) -> str:
    if name not in ("jit", "golden"):
        raise UsageError(f"--engine {name}: expected jit or golden")
    return name


def _rounding(name: str) -> Rounding:
    if name == "floor":
        return "floor"
    if name == "truncate":
        return "truncate"
    raise UsageError(f"--quality-rounding {name}: expected floor or truncate")
