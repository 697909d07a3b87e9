"""The ``refconf encode`` command: arguments to options, and the report. Heavy modules are imported late."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from conformance import encode_arguments as arguments
from conformance.encode_options import Words, choice, parse_tools, read_quality, read_source, require_rate
from refdec.command import (
    JsonOption,
    UsageError,
    binary_stdout,
    means_stdout,
    note,
    require_distinct,
    require_writable,
)

if TYPE_CHECKING:
    from conformance.encoder.closed_loop import Coded
    from conformance.encoder.encode import Encoder
    from conformance.encoder.rate import Match
    from refdec.models_io import ModelSet


def encode(
    image: arguments.Image,
    output: arguments.Output,
    source_format: arguments.SourceFormat = None,
    size: arguments.Size = None,
    bit_depth: arguments.BitDepth = None,
    colour: arguments.Colour = "rgb",
    chroma: arguments.Chroma = None,
    coded_size: arguments.CodedSize = None,
    bpp: arguments.Bpp = None,
    model: arguments.Model = None,
    delta_beta: arguments.DeltaBeta = None,
    delta_beta_uv: arguments.DeltaBetaUv = None,
    chroma_offset: arguments.ChromaOffset = 0,
    tolerance: arguments.Tolerance = 0.01,
    rate_weight: arguments.RateWeight = None,
    quality_map: arguments.QualityMap = None,
    quality_rounding: arguments.QualityRounding = "floor",
    roi: arguments.Roi = None,
    cube_flags: arguments.CubeFlags = "auto",
    rvs: arguments.Rvs = "none",
    grfs: arguments.Grfs = "none",
    lsbs: arguments.Lsbs = "none",
    num_chs: arguments.NumChs = None,
    threads_z: arguments.ThreadsZ = 1,
    threads_r: arguments.ThreadsR = "1",
    threads_q: arguments.ThreadsQ = None,
    regions: arguments.Regions = "1x1",
    independent: arguments.Independent = False,
    region_overlap: arguments.RegionOverlap = None,
    tiles: arguments.Tiles = "auto",
    operating_points: arguments.OperatingPoints = None,
    profile: arguments.Profile = None,
    level: arguments.Level = None,
    dialect: arguments.DialectName = "t840",
    user_data: arguments.UserData = None,
    cicp: arguments.CodePoints = None,
    mastering_display: arguments.Mastering = None,
    content_light: arguments.ContentLight = None,
    metadata: arguments.Metadata = None,
    lef: arguments.Lef = "off",
    efe: arguments.Efe = "off",
    eicci: arguments.Eicci = "off",
    eicci_tiles: arguments.EicciTiles = "auto",
    force: arguments.Force = None,
    models: arguments.Models = None,
    engine: arguments.Engine = "jit",
    threads: arguments.Threads = 1,
    device: arguments.Device = "auto",
    reconstruction: arguments.Reconstruction = None,
    check: arguments.Check = False,
    as_json: JsonOption = False,
) -> None:
    words = Words(**locals())
    require_rate(words)
    started = time.perf_counter()
    target = None if means_stdout(output) else require_writable(Path(output), source=str(image))
    if reconstruction is not None:
        require_writable(reconstruction, source=str(image))
        if reconstruction.suffix not in (".png", ".ppm", ".npy", ".yuv"):
            raise UsageError(f"--reconstruction {reconstruction}: expected .png, .ppm, .npy or .yuv")
        require_distinct({"the codestream": target, "--reconstruction": reconstruction})
    with _encoder(words) as encoder:
        encoder.log = note
        coded, match = _code(encoder, words)
        facts = _facts(encoder, coded, match, bpp)
        if reconstruction is not None or check:
            facts |= _reconstruct(encoder, coded, reconstruction, check)
    _write(coded, target)
    facts["seconds"] = round(time.perf_counter() - started, 3)
    if match is not None and not match.reached:
        note(f"note: {bpp} bpp is out of reach within {tolerance:.1%}; {facts['bpp']:.4f} is nearest")
    if target is None:
        typer.echo(json.dumps(facts) if as_json else _as_text(facts), err=True)
    else:
        typer.echo(json.dumps(facts) if as_json else f"{output}: {_as_text(facts)}")


def _code(encoder: Encoder, words: Words) -> tuple[Coded, Match | None]:
    from refdec.codestream.syntax import HeaderValueError

    try:
        if words.bpp is not None:
            models = None if words.model is None else (words.model,)
            return encoder.code_at_rate(words.bpp, models, words.tolerance)
        assert words.model is not None
        return encoder.code(words.model, words.delta_beta or 0, words.delta_beta_uv), None
    except HeaderValueError as error:
        raise UsageError(f"no codestream can say this: {error}") from error


@contextmanager
def _encoder(words: Words) -> Iterator[Encoder]:
    try:
        import torch  # noqa: F401
    except ImportError as error:
        raise UsageError("the encoder needs PyTorch: pip install 'refdec[encoder]'") from error
    from conformance.encoder.analysis import choose_device
    from conformance.encoder.encode import Encoder
    from conformance.encoder.machine import ENGINES, machine
    from refdec.picture import require_format

    choice("--engine", words.engine, dict.fromkeys(ENGINES))
    where = choose_device(choice("--device", words.device, {d: d for d in ("auto", "cpu", "cuda")}))
    tools = parse_tools(words)
    source = read_source(words)
    if words.reconstruction is not None:
        require_format(words.reconstruction.suffix[1:], source.colour, source.subsampling)
    quality_map = read_quality(words, source.size, source.shown)
    with machine(_models(words.models), words.engine, words.threads) as computing:
        yield Encoder(source, computing, tools, quality_map, where, words.chroma_offset)


def _models(folder: Path | None) -> ModelSet:
    from refdec.models_io import bundled_models, open_models

    return bundled_models() if folder is None else open_models(folder)


def _write(coded: Coded, target: Path | None) -> None:
    from refdec.atomic_file import atomic_file

    if target is None:
        file = binary_stdout()
        file.write(coded.data)
        file.flush()
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
    from refdec.atomic_file import atomic_file
    from refdec.codestream.profiles import TRANSFORM_NAMES
    from refdec.picture.files import write

    if path is not None:
        with atomic_file(path) as file:
            write(reconstruct(coded, encoder.machine), file, path.suffix[1:])
    if not check:
        return {}
    points = [TRANSFORM_NAMES[index].lower() for index in dict.fromkeys(coded.picture.synthesis_transform_id)]
    for point in points:
        picture = reconstruct(coded, encoder.machine, point)
        rounding = encoder.tools.quality_rounding
        if not decodes_as_expected(coded, picture, encoder.machine, rounding, point):
            typer.echo(f"the decoder does not show what the encoder expects with {point.upper()}", err=True)
            raise typer.Exit(1)
    return {"checked": points}


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
