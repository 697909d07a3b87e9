"""The ``refconf encode`` command: arguments to options, and the report. Heavy modules are imported late."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from refdec.command import JsonOption, UsageError, require_writable

if TYPE_CHECKING:
    from conformance.encoder.closed_loop import Coded
    from conformance.encoder.encode import Encoder
    from conformance.encoder.options import Tiling, Tools
    from conformance.encoder.rate import Match
    from refdec.models_io import ModelSet

PANEL_RATE = "Rate"
PANEL_TOOLS = "Coding tools"
COMPONENTS = {"none": (False, False), "y": (True, False), "uv": (False, True), "both": (True, True)}


def encode(
    image: Annotated[Path, typer.Argument(metavar="IMG", help="Picture: PNG, JPEG, PPM, WebP, TIFF, BMP.")],
    output: Annotated[str, typer.Argument(metavar="OUT", help="Codestream to write; - for stdout.")],
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
    chroma: Annotated[
        str, typer.Option("--chroma", help="Code 444 or 420.", rich_help_panel=PANEL_TOOLS)
    ] = "444",
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
        typer.Option("--reconstruction", help="Also write what decoders will show: .png, .ppm or .npy."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Decode the result and compare it with what the encoder expects.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Code a picture, at a rate (--bpp) or with a model and a displacement (--model, --delta-beta)."""
    _require_rate(bpp, model, delta_beta, delta_beta_uv)
    started = time.perf_counter()
    target = None if output == "-" else require_writable(Path(output), source=str(image))
    if reconstruction is not None:
        require_writable(reconstruction, source=str(image))
        if reconstruction.suffix not in (".png", ".ppm", ".npy"):
            raise UsageError(f"--reconstruction {reconstruction}: expected .png, .ppm or .npy")
    tools = _tools(
        threads_z, threads_r, threads_q, cube_flags, rvs, grfs, lsbs, num_chs, regions, independent, tiles,
        transforms, dialect, quality_rounding,
    )  # fmt: skip
    with _encoder(image, chroma, models, engine, threads, device, tools, chroma_offset) as encoder:
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


def _require_rate(bpp: float | None, model: int | None, delta: int | None, delta_uv: int | None) -> None:
    if bpp is None and model is None:
        raise UsageError("say --bpp RATE, or --model M with --delta-beta D")
    if bpp is not None and (delta is not None or delta_uv is not None):
        raise UsageError("--bpp finds the displacement; leave --delta-beta and --delta-beta-uv out")
    if bpp is not None and not 0 < bpp <= 100:
        raise UsageError(f"--bpp {bpp}: expected a rate above 0")
    for name, value in (("--delta-beta", delta), ("--delta-beta-uv", delta_uv)):
        if value is not None and not -1069 <= value <= 702:
            raise UsageError(f"{name} {value}: expected -1069..702")


def _tools(
    threads_z: int,
    threads_r: int,
    threads_q: int,
    cube_flags: str,
    rvs: str,
    grfs: str,
    lsbs: str,
    num_chs: str | None,
    regions: str,
    independent: bool,
    tiles: str,
    transforms: str | None,
    dialect: str,
    rounding: str,
) -> Tools:
    from conformance.encoder.options import Tools
    from refdec.codestream import CHANNELS, Dialect
    from refdec.codestream.profiles import TRANSFORM_NAMES
    from refdec.entropy import THREAD_COUNTS
    from refdec.entropy_stage import ROUNDINGS

    for name, value in (("--threads-z", threads_z), ("--threads-r", threads_r), ("--threads-q", threads_q)):
        if value not in THREAD_COUNTS:
            raise UsageError(f"{name} {value}: expected 1, 2, 4, 8 or 16")
    pairs = []
    for name, text in (("--rvs", rvs), ("--grfs", grfs), ("--lsbs", lsbs)):
        pairs.append(_choice(name, text, COMPONENTS))
    channels: tuple[int | None, int | None] = (None, None)
    if num_chs is not None:
        found = re.fullmatch(r"(\d+),(\d+)", num_chs)
        if found is None or any(int(n) > c for n, c in zip(found.groups(), CHANNELS, strict=True)):
            raise UsageError(f"--num-chs {num_chs}: expected luma,chroma with at most {CHANNELS}")
        channels = (int(found[1]), int(found[2]))
    grid = re.fullmatch(r"(\d+)x(\d+)", regions)
    if grid is None or not 0 < int(grid[1]) <= 128 or not 0 < int(grid[2]) <= 128:
        raise UsageError(f"--regions {regions}: expected ROWSxCOLUMNS, e.g. 2x3")
    points = tuple(transforms.lower().split(",")) if transforms else ()
    if len(set(points)) < len(points) or not {p.upper() for p in points} <= set(TRANSFORM_NAMES):
        raise UsageError(f"--transforms {transforms}: expected a list of sop, bop, hop")
    return Tools(
        threads_z,
        threads_r,
        threads_q,
        _choice("--cube-flags", cube_flags, {"auto": True, "off": False}),
        *pairs,
        num_chs=channels,
        regions=(int(grid[1]), int(grid[2])),
        independent=independent,
        tiling=_tiling(tiles),
        transforms=points,
        quality_rounding=_choice("--quality-rounding", rounding, {r: r for r in ROUNDINGS}),
        dialect=_choice("--dialect", dialect, {d.value: d for d in Dialect}),
    )


def _tiling(text: str) -> Tiling:
    if text == "auto":
        return "auto"
    if text == "off":
        return "off"
    found = re.fullmatch(r"(\d+),(\d+)", text)
    if found is None or int(found[1]) % 16 or int(found[2]) % 16 or not 0 < int(found[1]) <= 4080:
        raise UsageError(f"--tiles {text}: expected auto, off, or SIZE,OVERLAP in multiples of 16")
    if int(found[2]) >= min(int(found[1]), 512):
        raise UsageError(f"--tiles {text}: the overlap must be below the size and at most 496")
    return int(found[1]), int(found[2])


def _choice(name: str, text: str, values: dict[str, Any]) -> Any:
    if text not in values:
        raise UsageError(f"{name} {text}: expected {' or '.join(values)}")
    return values[text]


@contextmanager
def _encoder(
    image: Path,
    chroma: str,
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
    from conformance.encoder.source import CHROMA_FORMATS, load_rgb, make_source

    _choice("--engine", engine, dict.fromkeys(ENGINES))
    where = choose_device(_choice("--device", device, {d: d for d in ("auto", "cpu", "cuda")}))
    source = make_source(load_rgb(image), _choice("--chroma", chroma, {f: f for f in CHROMA_FORMATS}))
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
