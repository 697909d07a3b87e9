"""Words of the ``refconf encode`` command to what the encoder takes. Heavy modules are imported late."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from refdec.command import UsageError

if TYPE_CHECKING:
    from conformance.encoder.options import Tiling, Tools
    from conformance.encoder.post_filters import PostFilters
    from conformance.encoder.source import Source

EFE = {
    "off": (),
    "linear": ("linear",),
    "nonlinear": ("nonlinear",),
    "both": ("linear", "nonlinear"),
    "masks": ("linear", "nonlinear", "masks"),
}
COMPONENTS = {"none": (False, False), "y": (True, False), "uv": (False, True), "both": (True, True)}


class Words(SimpleNamespace):
    """The command line as typer read it, by the names of :func:`conformance.encode_command.encode`."""


def read_source(words: Words) -> Source:
    """The picture to code.

    :raises UsageError: options that mean nothing, or do not belong together.
    :raises PictureFileError: the file cannot be read, or no codestream can hold the picture.
    """
    from conformance.encoder.picture_files import SampleFormat, read_picture
    from conformance.encoder.source import CHROMA_FORMATS, make_source

    chroma = words.chroma and choice("--chroma", words.chroma, {f: f for f in CHROMA_FORMATS})
    picture = read_picture(
        words.image,
        sample_format=SampleFormat(words.source_format) if words.source_format else None,
        size=_size("--size", words.size),
        bit_depth=words.bit_depth,
        colour=choice("--colour", words.colour, {"rgb": "RGB", "ycbcr": "YCbCr"}),
    )
    return make_source(picture, chroma, coded_size=_size("--coded-size", words.coded_size))


def read_quality(words: Words, size: tuple[int, int], shown: tuple[int, int]) -> Any:
    """The quality map, ``None`` without one.

    :param size: coded rows and columns; ``shown``: those of the picture.
    """
    from conformance.encoder.quality import interest_map, load_map, parse_interest

    if words.quality_map is not None:
        return load_map(words.quality_map, size)
    return interest_map([parse_interest(text) for text in words.roi], size, shown) if words.roi else None


def _size(name: str, text: str | None) -> tuple[int, int] | None:
    """``WIDTHxHEIGHT`` as rows and columns."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,6})x(\d{1,6})", text)
    if found is None:
        raise UsageError(f"{name} {text}: expected WIDTHxHEIGHT, e.g. 640x480")
    return int(found[2]), int(found[1])


def require_rate(words: Words) -> None:
    """Refuse rates that are none, before anything is read.

    :raises UsageError: what is wrong.
    """
    if words.bpp is None and words.model is None:
        raise UsageError("say --bpp RATE, or --model M with --delta-beta D")
    if words.bpp is not None and (words.delta_beta is not None or words.delta_beta_uv is not None):
        raise UsageError("--bpp finds the displacement; leave --delta-beta and --delta-beta-uv out")
    if words.bpp is None and words.chroma_offset:
        raise UsageError("--chroma-offset goes with --bpp; give --delta-beta-uv")
    if words.bpp is not None and not 0 < words.bpp <= 100:
        raise UsageError(f"--bpp {words.bpp}: expected a rate above 0, at most 100")
    for name, value in (("--delta-beta", words.delta_beta), ("--delta-beta-uv", words.delta_beta_uv)):
        if value is not None and not -1069 <= value <= 702:
            raise UsageError(f"{name} {value}: expected -1069..702 (--force reaches -2048..2047)")
    if words.quality_map is not None and words.roi:
        raise UsageError("give --quality-map or --roi, not both")


def parse_tools(words: Words) -> Tools:
    """The coding tools.

    :raises UsageError: an option that means nothing, or goes with another one that is not there.
    :raises ForceError: a forced decision that cannot be.
    """
    from conformance.encode_headers import parse_level, parse_profile, parse_rendering, read_user_data
    from conformance.encoder.force_file import read_forced
    from conformance.encoder.options import Tools
    from refdec.codestream import CHANNELS, Dialect
    from refdec.codestream.profiles import TRANSFORM_NAMES
    from refdec.entropy_stage import ROUNDINGS

    regions = _numbers("--regions", words.regions, "x", (128, 128), least=1)
    _require_companions(words, regions)
    points = tuple(words.operating_points.lower().split(",")) if words.operating_points else ()
    if len(set(points)) < len(points) or not {p.upper() for p in points} <= set(TRANSFORM_NAMES):
        raise UsageError(f"--operating-points {words.operating_points}: expected a list of sop, bop, hop")
    dialect = choice("--dialect", words.dialect, {d.value: d for d in Dialect})
    changes: dict[str, Any] = {}
    if words.num_chs is not None:
        changes["num_chs"] = _numbers("--num-chs", words.num_chs, ",", CHANNELS)
    if words.region_overlap is not None:
        changes["region_overlap"] = _numbers("--region-overlap", words.region_overlap, ",", (3, 15))
    if words.rate_weight is not None:
        changes["rate_weight"] = words.rate_weight
    return Tools(
        _threads("--threads-z", words.threads_z),
        _residual_threads(words.threads_r),
        _threads("--threads-q", words.threads_q or 1),
        choice("--cube-flags", words.cube_flags, {"auto": True, "off": False}),
        *(choice(f"--{name}", getattr(words, name), COMPONENTS) for name in ("rvs", "grfs", "lsbs")),
        regions=regions,
        independent=words.independent,
        tiling=_tiles("--tiles", words.tiles),
        transforms=points,
        quality_rounding=choice("--quality-rounding", words.quality_rounding, {r: r for r in ROUNDINGS}),
        dialect=dialect,
        profile=parse_profile(words.profile, dialect),
        level=parse_level(words.level),
        rendering=parse_rendering(words.cicp, words.mastering_display, words.content_light, words.metadata),
        user_data=read_user_data(words.user_data or ()),
        filters=_post_filters(words),
        forced=read_forced(words.force or ()),
        **changes,
    )


def _post_filters(words: Words) -> PostFilters:
    from conformance.encoder.post_filters import PostFilters
    from refdec.codestream import CHANNELS

    efe = choice("--efe", words.efe, EFE)
    lef = int(words.lef) if re.fullmatch(r"\d{1,3}", words.lef) else words.lef
    if lef not in ("off", "on", "auto") and lef not in range(CHANNELS[0]):
        raise UsageError(f"--lef {words.lef}: expected off, on, auto or a channel of 0..{CHANNELS[0] - 1}")
    eicci = choice("--eicci", words.eicci, {"off": False, "auto": True})
    tiles = _tiles("--eicci-tiles", words.eicci_tiles)
    return PostFilters(lef, "linear" in efe, "nonlinear" in efe, "masks" in efe, eicci, tiles)


def _require_companions(words: Words, regions: tuple[int, int]) -> None:
    """Refuse options that mean nothing without another one."""
    mapped = words.quality_map is not None or bool(words.roi)
    alone = {
        "--threads-q": (words.threads_q is not None and not mapped, "--quality-map or --roi"),
        "--quality-rounding": (words.quality_rounding != "floor" and not mapped, "--quality-map or --roi"),
        "--independent-regions": (words.independent and regions == (1, 1), "--regions"),
        "--eicci-tiles": (words.eicci_tiles != "auto" and words.eicci == "off", "--eicci"),
        "--region-overlap": (
            words.region_overlap is not None and (regions == (1, 1) or words.independent),
            "--regions without --independent-regions",
        ),
    }
    for name, (wrong, companion) in alone.items():
        if wrong:
            raise UsageError(f"{name} means nothing without {companion}")


def _numbers(name: str, text: str, separator: str, top: tuple[int, int], least: int = 0) -> tuple[int, int]:
    """Two integers."""
    found = re.fullmatch(rf"(\d{{1,5}}){separator}(\d{{1,5}})", text)
    if found is None or not all(least <= int(n) <= m for n, m in zip(found.groups(), top, strict=True)):
        shape = {"x": "ROWSxCOLUMNS, e.g. 2x3,", ",": "two numbers, e.g. 2,3,"}[separator]
        raise UsageError(f"{name} {text}: expected {shape} of at least {least} and at most {top}")
    return int(found[1]), int(found[2])


def _threads(name: str, value: int) -> int:
    from refdec.entropy import THREAD_COUNTS

    if value not in THREAD_COUNTS:
        raise UsageError(f"{name} {value}: expected 1, 2, 4, 8 or 16")
    return value


def _residual_threads(text: str) -> int | tuple[int, int]:
    if re.fullmatch(r"\d{1,3}(,\d{1,3})?", text) is None:
        raise UsageError(f"--threads-r {text}: expected 1, 2, 4, 8 or 16, or two of them, e.g. 8,2")
    counts = [_threads("--threads-r", int(word)) for word in text.split(",")]
    return counts[0] if len(counts) == 1 else (counts[0], counts[1])


def _tiles(name: str, text: str) -> Tiling:
    if text == "auto":
        return "auto"
    if text == "off":
        return "off"
    found = re.fullmatch(r"(\d+),(\d+)", text)
    if found is None or int(found[1]) % 16 or int(found[2]) % 16 or not 0 < int(found[1]) <= 4080:
        raise UsageError(f"{name} {text}: expected auto, off, or SIZE,OVERLAP in multiples of 16")
    if int(found[2]) >= min(int(found[1]), 512):
        raise UsageError(f"{name} {text}: the overlap must be below the size and at most 496")
    return int(found[1]), int(found[2])


def choice(name: str, text: str, values: dict[str, Any]) -> Any:
    if text not in values:
        raise UsageError(f"{name} {text}: expected {' or '.join(values)}")
    return values[text]
