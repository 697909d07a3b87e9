"""Words of the ``refconf encode`` command to what the encoder takes. Heavy modules are imported late."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from refdec.command import UsageError

if TYPE_CHECKING:
    from conformance.encoder.options import Tiling, Tools
    from conformance.encoder.source import Source

COMPONENTS = {"none": (False, False), "y": (True, False), "uv": (False, True), "both": (True, True)}


@dataclass(frozen=True)
class SourceWords:
    """What the command line says about the source picture."""

    source_format: str | None
    size: str | None
    bit_depth: int | None
    colour: str
    chroma: str | None
    coded_size: str | None


def read_source(path: Path, words: SourceWords) -> Source:
    """The picture to code.

    :raises UsageError: options that mean nothing, or do not belong together.
    :raises PictureFileError: the file cannot be read, or no codestream can hold the picture.
    """
    from conformance.encoder.picture_files import SampleFormat, read_picture
    from conformance.encoder.source import CHROMA_FORMATS, make_source

    chroma = words.chroma and choice("--chroma", words.chroma, {f: f for f in CHROMA_FORMATS})
    picture = read_picture(
        path,
        sample_format=SampleFormat(words.source_format) if words.source_format else None,
        size=_pair("--size", words.size, "x"),
        bit_depth=words.bit_depth,
        colour=choice("--colour", words.colour, {"rgb": "RGB", "ycbcr": "YCbCr"}),
    )
    return make_source(picture, chroma, coded_size=_pair("--coded-size", words.coded_size, "x"))


def _pair(name: str, text: str | None, separator: str) -> tuple[int, int] | None:
    """``WIDTHxHEIGHT`` as rows and columns."""
    if text is None:
        return None
    found = re.fullmatch(rf"(\d{{1,6}}){separator}(\d{{1,6}})", text)
    if found is None:
        raise UsageError(f"{name} {text}: expected WIDTHxHEIGHT, e.g. 640x480")
    return int(found[2]), int(found[1])


def require_rate(bpp: float | None, model: int | None, delta: int | None, delta_uv: int | None) -> None:
    if bpp is None and model is None:
        raise UsageError("say --bpp RATE, or --model M with --delta-beta D")
    if bpp is not None and (delta is not None or delta_uv is not None):
        raise UsageError("--bpp finds the displacement; leave --delta-beta and --delta-beta-uv out")
    if bpp is not None and not 0 < bpp <= 100:
        raise UsageError(f"--bpp {bpp}: expected a rate above 0")
    for name, value in (("--delta-beta", delta), ("--delta-beta-uv", delta_uv)):
        if value is not None and not -1069 <= value <= 702:
            raise UsageError(f"{name} {value}: expected -1069..702")


def parse_tools(
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
        pairs.append(choice(name, text, COMPONENTS))
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
        choice("--cube-flags", cube_flags, {"auto": True, "off": False}),
        *pairs,
        num_chs=channels,
        regions=(int(grid[1]), int(grid[2])),
        independent=independent,
        tiling=_tiling(tiles),
        transforms=points,
        quality_rounding=choice("--quality-rounding", rounding, {r: r for r in ROUNDINGS}),
        dialect=choice("--dialect", dialect, {d.value: d for d in Dialect}),
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


def choice(name: str, text: str, values: dict[str, Any]) -> Any:
    if text not in values:
        raise UsageError(f"{name} {text}: expected {' or '.join(values)}")
    return values[text]
