"""Arguments of the ``refconf encode`` command: names, groups of the help page, and what each is for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from conformance.help_groups import RUNNING

SOURCE = "Source picture"
RATE = "Rate and quality"
TOOLS = "Coding tools"
LAYOUT = "Threads, regions and tiles"
HEADERS = "Headers and metadata"
FILTERS = "Post-filters"
FORCED = "Forced decisions"


def _option(panel: str, *names: str, help: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, **more)


Image = Annotated[
    Path, typer.Argument(metavar="IMG", help="PNG, JPEG, PPM, WebP, TIFF, BMP, planar YUV or NumPy.")
]
Output = Annotated[str, typer.Argument(metavar="OUT", help="Codestream to write; - for stdout.")]

SourceFormat = Annotated[
    str | None,
    _option(
        SOURCE,
        "--source-format",
        help="yuv444p8, yuv422p10, yuv420p8 ...: of a planar YUV file; a picture is converted to it.",
    ),
]
Size = Annotated[str | None, _option(SOURCE, "--size", help="WIDTHxHEIGHT of a planar YUV file.")]
BitDepth = Annotated[
    int | None,
    _option(
        SOURCE,
        "--bit-depth",
        help="Code 8 or 10 bits; by default what the file has, 10 where it has more.",
    ),
]
Colour = Annotated[str, _option(SOURCE, "--colour", help="Of a NumPy array: rgb or ycbcr.")]
Chroma = Annotated[
    str | None,
    _option(
        SOURCE,
        "--chroma",
        help="Code chroma in 444, 422 or 420; the source's own format by default.",
    ),
]
CodedSize = Annotated[
    str | None,
    _option(
        SOURCE,
        "--coded-size",
        help="WIDTHxHEIGHT to code, up to 63 more than the picture's; the rest is cut off for display.",
    ),
]

Bpp = Annotated[float | None, _option(RATE, "--bpp", help="Bits per pixel to meet.")]
Model = Annotated[
    int | None, _option(RATE, "--model", help="Model 0..3; with --bpp, the only one.", min=0, max=3)
]
DeltaBeta = Annotated[int | None, _option(RATE, "--delta-beta", help="Displacement -1069..702 of luma.")]
DeltaBetaUv = Annotated[
    int | None, _option(RATE, "--delta-beta-uv", help="Displacement of chroma; luma's by default.")
]
ChromaOffset = Annotated[
    int, _option(RATE, "--chroma-offset", help="With --bpp: chroma's displacement less luma's.")
]
Tolerance = Annotated[float, _option(RATE, "--tolerance", help="With --bpp: relative distance to accept.")]
RateWeight = Annotated[
    float | None,
    _option(
        RATE,
        "--rate-weight",
        min=0,
        help="Squared quantiser steps that a bit is worth when symbols are chosen; 0 rounds to the nearest.",
    ),
]
QualityMap = Annotated[
    Path | None,
    _option(
        RATE,
        "--quality-map",
        help="Indices -8..8: .npy or .txt of integers, or a picture (grey 128 is 0, 16 greys a step).",
    ),
]
QualityRounding = Annotated[
    str,
    _option(
        RATE,
        "--quality-rounding",
        help="Prediction of the map: floor, or truncate for decoders of the old tool chain.",
    ),
]
Roi = Annotated[
    list[str] | None,
    _option(
        RATE,
        "--roi",
        help="x,y,w,h:q gives a rectangle index q; its part beyond the picture is cut off. Repeatable.",
    ),
]

CubeFlags = Annotated[str, _option(TOOLS, "--cube-flags", help="auto or off.")]
Rvs = Annotated[str, _option(TOOLS, "--rvs", help="Variance scaling: none, y, uv or both.")]
Grfs = Annotated[str, _option(TOOLS, "--grfs", help="Channel-wise gain: none, y, uv or both.")]
Lsbs = Annotated[str, _option(TOOLS, "--lsbs", help="Latent scaling: none, y, uv or both.")]
NumChs = Annotated[str | None, _option(TOOLS, "--num-chs", help="Latent channels, e.g. 128,64.")]

ThreadsZ = Annotated[int, _option(LAYOUT, "--threads-z", help="Threads of the hyper-latent: 1, 2, 4, 8, 16.")]
ThreadsR = Annotated[
    str, _option(LAYOUT, "--threads-r", help="Threads of each residual payload; luma,chroma to differ.")
]
ThreadsQ = Annotated[int | None, _option(LAYOUT, "--threads-q", help="Threads of the quality map.")]
Regions = Annotated[str, _option(LAYOUT, "--regions", help="ROWSxCOLUMNS.")]
Independent = Annotated[bool, _option(LAYOUT, "--independent-regions", help="No region looks at another.")]
RegionOverlap = Annotated[
    str | None,
    _option(
        LAYOUT,
        "--region-overlap",
        help="HYPER,CONTEXT of dependent regions as coded (0..3, 0..15); 2,8 by default.",
    ),
]
Tiles = Annotated[
    str, _option(LAYOUT, "--tiles", help="Synthesis tiles: auto (above 1 megapixel), off, or SIZE,OVERLAP.")
]

OperatingPoints = Annotated[
    str | None,
    _option(
        HEADERS,
        "--operating-points",
        "--transforms",
        help="To list, the default first, e.g. sop,bop; all of the models' by default.",
    ),
]
Profile = Annotated[
    str | None, _option(HEADERS, "--profile", help="simple, base or high; the lowest by default.")
]
Level = Annotated[str | None, _option(HEADERS, "--level", help="E.g. 5.2; the lowest by default.")]
DialectName = Annotated[str, _option(HEADERS, "--dialect", help="t840 or dis.")]
UserData = Annotated[
    list[Path] | None,
    _option(HEADERS, "--user-data", help="File to carry as user-defined information. Repeatable."),
]
CodePoints = Annotated[
    str | None,
    _option(
        HEADERS,
        "--cicp",
        help="Colour code points PRIMARIES,TRANSFER,MATRIX[,FULL_RANGE[,SAMPLE_LOCATION]].",
    ),
]
Mastering = Annotated[
    str | None,
    _option(
        HEADERS,
        "--mastering-display",
        help="Ten coded integers: x,y of three primaries and white, largest and smallest luminance.",
    ),
]
ContentLight = Annotated[
    str | None, _option(HEADERS, "--content-light", help="LARGEST,FRAME_AVERAGE light level.")
]
Metadata = Annotated[str | None, _option(HEADERS, "--metadata", help="TYPE:FILE of dynamic metadata.")]

Lef = Annotated[
    str,
    _option(
        FILTERS,
        "--lef",
        help="Luma sharpening: off, on, auto (where it lowers the error), or a channel that steers it.",
    ),
]
Efe = Annotated[
    str,
    _option(
        FILTERS,
        "--efe",
        help="Chroma by luma, where it pays: off, linear, nonlinear, both, or masks (both, and masks).",
    ),
]
Eicci = Annotated[
    str,
    _option(
        FILTERS,
        "--eicci",
        help="Planes by each other: off, or auto (networks for each tile, where they lower the error).",
    ),
]
EicciTiles = Annotated[
    str,
    _option(
        FILTERS,
        "--eicci-tiles",
        help="auto (2048,48 above 4 megapixels), off, or SIZE,OVERLAP in luma samples.",
    ),
]

Force = Annotated[
    list[str] | None,
    _option(
        FORCED,
        "--force",
        help="ELEMENT=VALUE sets a syntax element, whatever the encoder thinks; or FILE.json. Repeatable.",
    ),
]

Models = Annotated[
    Path | None, _option(RUNNING, "--models", help="Folder of the model set; the bundled one by default.")
]
Engine = Annotated[str, _option(RUNNING, "--engine", help="Of the integer networks: jit, golden or twin.")]
Threads = Annotated[int, _option(RUNNING, "--threads", help="Of the networks.", min=1, max=256)]
Device = Annotated[str, _option(RUNNING, "--device", help="Of the float networks: auto, cpu or cuda.")]
Reconstruction = Annotated[
    Path | None,
    _option(RUNNING, "--reconstruction", help="Also write what decoders will show: .png .ppm .npy .yuv."),
]
Check = Annotated[
    bool,
    _option(RUNNING, "--check", help="Decode with every operating point and compare with what is expected."),
]
