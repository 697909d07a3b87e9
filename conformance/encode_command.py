"""The ``refconf encode`` command: arguments to options, and the report. Heavy modules are imported late."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from conformance.encode_options import SourceWords, choice, parse_tools, read_source, require_rate
from refdec.command import JsonOption, UsageError, require_writable

if TYPE_CHECKING:
    from conformance.encoder.closed_loop import Coded
    from conformance.encoder.encode import Encoder
    from conformance.encoder.options import Tools
    from conformance.encoder.rate import Match
    from refdec.models_io import ModelSet

PANEL_SOURCE = "Source picture"
PANEL_RATE = "Rate"
PANEL_TOOLS = "Coding tools"


def encode(
    image: Annotated[
        Path,
        typer.Argument(metavar="IMG", help="PNG, JPEG, PPM, WebP, TIFF, BMP, planar YUV or NumPy."),
    ],
    output: Annotated[str, typer.Argument(metavar="OUT", help="Codestream to write; - for stdout.")],
    source_format: Annotated[
        str | None,
        typer.Option(
            "--source-format",
            help="yuv444p8, yuv422p10, yuv420p8 ...: of a planar YUV file; a picture is converted to it.",
            rich_help_panel=PANEL_SOURCE,
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option("--size", help="WIDTHxHEIGHT of a planar YUV file.", rich_help_panel=PANEL_SOURCE),
    ] = None,
    bit_depth: Annotated[
        int | None,
        typer.Option(
            "--bit-depth",
            help="Code 8 or 10 bits; by default what the file has, 10 where it has more.",
            rich_help_panel=PANEL_SOURCE,
        ),
    ] = None,
    colour: Annotated[
        str,
        typer.Option("--colour", help="Of a NumPy array: rgb or ycbcr.", rich_help_panel=PANEL_SOURCE),
    ] = "rgb",
    chroma: Annotated[
        str | None,
        typer.Option(
            "--chroma",
            help="Code chroma in 444, 422 or 420; the source's own format by default.",
            rich_help_panel=PANEL_SOURCE,
        ),
    ] = None,
    coded_size: Annotated[
        str | None,
        typer.Option(
            "--coded-size",
            help="WIDTHxHEIGHT to code, up to 63 more than the picture's; the rest is cut off for display.",
            rich_help_panel=PANEL_SOURCE,
        ),
    ] = None,
    bpp: Annotated[
        float | None,
        typer.Option("--bpp", help="Bits per pixel to meet.", rich_help_panel=PANEL_RATE),
    ] = None,
    model: Annotated[
        int | None,
        typer.Option(
            "--model", min=0, max=3, help="Model 0..3; with --bpp, the only one.", rich_help_panel=PANEL_RATE
        ),
    ] = None,
    delta_beta: Annotated[
        int | None,
        typer.Option("--delta-beta", help="Displacement -1069..702 of luma.", rich_help_panel=PANEL_RATE),
    ] = None,
    delta_beta_uv: Annotated[
        int | None,
        typer.Option(
            "--delta-beta-uv", help="Displacement of chroma; luma's by default.", rich_help_panel=PANEL_RATE
        ),
    ] = None,
    chroma_offset: Annotated[
        int,
        typer.Option(
            "--chroma-offset",
            help="With --bpp: chroma's displacement less luma's.",
            rich_help_panel=PANEL_RATE,
        ),
    ] = 0,
    tolerance: Annotated[
        float,
        typer.Option(
            "--tolerance", help="With --bpp: relative distance to accept.", rich_help_panel=PANEL_RATE
        ),
    ] = 0.01,
    quality_map: Annotated[
        Path | None,
        typer.Option(
            "--quality-map",
            help="Indices -8..8: .npy or .txt of integers, or a picture (grey 128 is 0, 16 greys a step).",
            rich_help_panel=PANEL_RATE,
        ),
    ] = None,
    quality_rounding: Annotated[
        str,
        typer.Option(
            "--quality-rounding",
            help="Prediction of the map: floor, or truncate for decoders of the old tool chain.",
            rich_help_panel=PANEL_RATE,
        ),
    ] = "floor",
    roi: Annotated[
        list[str] | None,
        typer.Option(
            "--roi", help="x,y,w,h:q gives a rectangle index q. Repeatable.", rich_help_panel=PANEL_RATE
        ),
    ] = None,
    threads_z: Annotated[
        int, typer.Option("--threads-z", help="Threads of the hyper-latent.", rich_help_panel=PANEL_TOOLS)
    ] = 1,
    threads_r: Annotated[
        int, typer.Option("--threads-r", help="Threads of the residuals.", rich_help_panel=PANEL_TOOLS)
    ] = 1,
    threads_q: Annotated[
        int, typer.Option("--threads-q", help="Threads of the quality map.", rich_help_panel=PANEL_TOOLS)
    ] = 1,
    cube_flags: Annotated[
        str, typer.Option("--cube-flags", help="auto or off.", rich_help_panel=PANEL_TOOLS)
    ] = "auto",
    rvs: Annotated[
        str,
        typer.Option("--rvs", help="Variance scaling: none, y, uv or both.", rich_help_panel=PANEL_TOOLS),
    ] = "none",
    grfs: Annotated[
        str,
        typer.Option("--grfs", help="Channel-wise gain: none, y, uv or both.", rich_help_panel=PANEL_TOOLS),
    ] = "none",
    lsbs: Annotated[
        str, typer.Option("--lsbs", help="Latent scaling: none, y, uv or both.", rich_help_panel=PANEL_TOOLS)
    ] = "none",
    num_chs: Annotated[
        str | None,
        typer.Option("--num-chs", help="Latent channels, e.g. 128,64.", rich_help_panel=PANEL_TOOLS),
    ] = None,
    regions: Annotated[
        str, typer.Option("--regions", help="ROWSxCOLUMNS.", rich_help_panel=PANEL_TOOLS)
    ] = "1x1",
    independent: Annotated[
        bool,
        typer.Option(
            "--independent-regions", help="No region looks at another.", rich_help_panel=PANEL_TOOLS
        ),
    ] = False,
    tiles: Annotated[
        str,
        typer.Option(
            "--tiles",
            help="Synthesis tiles: auto (above 1 megapixel), off, or SIZE,OVERLAP.",
            rich_help_panel=PANEL_TOOLS,
        ),
    ] = "auto",
    transforms: Annotated[
        str | None,
        typer.Option(
            "--transforms",
            help="Operating points to list, the default first, e.g. sop,bop; all of the models' by default.",
            rich_help_panel=PANEL_TOOLS,
        ),
    ] = None,
    dialect: Annotated[
        str, typer.Option("--dialect", help="t840 or dis.", rich_help_panel=PANEL_TOOLS)
    ] = "t840",
    models: Annotated[
        Path | None, typer.Option("--models", help="Folder of the model set; the bundled one by default.")
    ] = None,
    engine: Annotated[
        str, typer.Option("--engine", help="Of the integer networks: jit, golden or twin.")
    ] = "jit",
    threads: Annotated[int, typer.Option("--threads", min=1, max=256, help="Of the networks.")] = 1,
    device: Annotated[
        str, typer.Option("--device", help="Of the float networks: auto, cpu or cuda.")
    ] = "auto",
    reconstruction: Annotated[
        Path | None,
        typer.Option("--reconstruction", help="Also write what decoders will show: .png .ppm .npy .yuv."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Decode the result and compare it with what the encoder expects.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Code a picture, at a rate (--bpp) or with a model and a displacement (--model, --delta-beta)."""
    require_rate(bpp, model, delta_beta, delta_beta_uv)
    started = time.perf_counter()
    target = None if output == "-" else require_writable(Path(output), source=str(image))
    if reconstruction is not None:
        require_writable(reconstruction, source=str(image))
        if reconstruction.suffix not in (".png", ".ppm", ".npy", ".yuv"):
            raise UsageError(f"--reconstruction {reconstruction}: expected .png, .ppm, .npy or .yuv")
    wanted = SourceWords(source_format, size, bit_depth, colour, chroma, coded_size)
    tools = parse_tools(
        threads_z, threads_r, threads_q, cube_flags, rvs, grfs, lsbs, num_chs, regions, independent, tiles,
        transforms, dialect, quality_rounding,
    )  # fmt: skip
    with _encoder(image, wanted, models, engine, threads, device, tools, chroma_offset) as encoder:
        if reconstruction is not None:
            from refdec.picture import require_format

            require_format(reconstruction.suffix[1:], encoder.source.colour, encoder.source.subsampling)
        encoder.quality_map = _quality(quality_map, roi or [], encoder.source.size)
        encoder.log = lambda line: typer.echo(line, err=True)
        coded, match = _code(encoder, bpp, model, delta_beta, delta_beta_uv, tolerance)
        facts = _facts(encoder, coded, match, bpp)
        if reconstruction is not None or check:
            facts |= _reconstruct(encoder, coded, reconstruction, check)
    _write(coded, target)
    facts["seconds"] = round(time.perf_counter() - started, 3)
    if match is not None and not match.reached:
        typer.echo(
            f"note: {bpp} bpp is out of reach within {tolerance:.1%}; {facts['bpp']:.4f} is nearest", err=True
        )
    if target is None:
        typer.echo(json.dumps(facts) if as_json else _as_text(facts), err=True)
    else:
        typer.echo(json.dumps(facts) if as_json else f"{output}: {_as_text(facts)}")


def _code(
    encoder: Encoder,
    bpp: float | None,
    model: int | None,
    delta: int | None,
    delta_uv: int | None,
    tolerance: float,
) -> tuple[Coded, Match | None]:
    from refdec.codestream.syntax import HeaderValueError

    try:
        if bpp is not None:
            return encoder.code_at_rate(bpp, None if model is None else (model,), tolerance)
        assert model is not None
        return encoder.code(model, delta or 0, delta_uv), None
    except HeaderValueError as error:
        raise UsageError(f"no codestream can say this: {error}") from error


@contextmanager
def _encoder(
    image: Path,
    wanted: SourceWords,
    models: Path | None,
    engine: str,
    threads: int,
    device: str,
    tools: Tools,
    chroma_offset: int,
) -> Iterator[Encoder]:
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise UsageError("the encoder needs PyTorch: pip install 'refdec[encoder]'") from error
    from conformance.encoder.analysis import choose_device
    from conformance.encoder.encode import Encoder
    from conformance.encoder.machine import ENGINES, machine

    choice("--engine", engine, dict.fromkeys(ENGINES))
    where = choose_device(choice("--device", device, {d: d for d in ("auto", "cpu", "cuda")}))
    source = read_source(image, wanted)
    with machine(_models(models), engine, threads) as computing:
        yield Encoder(source, computing, tools, device=where, chroma_offset=chroma_offset)


def _models(folder: Path | None) -> ModelSet:
    from refdec.models_io import bundled_models, open_models

    return bundled_models() if folder is None else open_models(folder)


def _quality(path: Path | None, rois: list[str], size: tuple[int, int]) -> Any:
    from conformance.encoder.quality import interest_map, load_map, parse_interest

    if path is not None and rois:
        raise UsageError("give --quality-map or --roi, not both")
    if path is not None:
        return load_map(path, size)
    return interest_map([parse_interest(text) for text in rois], size) if rois else None


def _write(coded: Coded, target: Path | None) -> None:
    from refdec.trace import atomic_file

    if target is None:
        sys.stdout.buffer.write(coded.data)
        sys.stdout.buffer.flush()
        return
    with atomic_file(target) as file:
        file.write(coded.data)


def _facts(encoder: Encoder, coded: Coded, match: Match | None, bpp: float | None) -> dict[str, Any]:
    luma, chroma = coded.picture.beta_displacement_log
    facts = {
        "bytes": len(coded.data),
        "bpp": round(8 * len(coded.data) / encoder.source.pixels, 6),
        "model": coded.picture.model_id,
        "delta_beta": luma,
        "delta_beta_uv": chroma,
        "width": coded.picture.display_width,
        "height": coded.picture.display_height,
    }
    if match is None:
        return facts
    trials = [{"model": t.model_id, "delta_beta": t.delta, "bytes": t.size} for t in encoder.trials]
    return facts | {
        "target_bpp": bpp,
        "reached": match.reached,
        "trials": trials,
        "coding_seconds": round(encoder.spent_seconds, 3),
        "naive_seconds": round(encoder.naive_seconds, 3),
    }


def _reconstruct(encoder: Encoder, coded: Coded, path: Path | None, check: bool) -> dict[str, Any]:
    from conformance.encoder.encode import decodes_as_expected, reconstruct
    from refdec.picture.files import write
    from refdec.trace import atomic_file

    picture = reconstruct(coded, encoder.machine)
    if path is not None:
        with atomic_file(path) as file:
            write(picture, file, path.suffix[1:])
    if not check:
        return {}
    if not decodes_as_expected(coded, picture, encoder.machine, encoder.tools.quality_rounding):
        typer.echo("the decoder does not show what the encoder expects", err=True)
        raise typer.Exit(1)
    return {"checked": True}


def _as_text(facts: dict[str, Any]) -> str:
    text = (
        f"{facts['bytes']} bytes, {facts['bpp']:.4f} bpp, model {facts['model']}, "
        f"displacement {facts['delta_beta']} and {facts['delta_beta_uv']}"
    )
    if "trials" in facts:
        text += (
            f"; {len(facts['trials'])} trials in {facts['coding_seconds']:.2f} s "
            f"({facts['naive_seconds']:.2f} s without reuse)"
        )
    return text + ("; decodes as expected" if facts.get("checked") else "")
