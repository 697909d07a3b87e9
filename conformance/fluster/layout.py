"""Names and orders that Fluster shares with FFmpeg: pixel formats of planes behind each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy.typing as npt

from conformance.suite.records import PictureFormat

KNOWN = frozenset(
    f"{colour}{depth}"
    for colour, depths in (
        ("yuv420p", ("", "10le", "12le")),
        ("yuv422p", ("", "10le", "12le")),
        ("yuv444p", ("", "10le", "12le", "14le", "16le")),
        ("gbrp", ("", "10le", "12le", "14le")),
    )
    for depth in depths
)
"""The formats of our kind that Fluster has a name for."""


def pixel_format(form: PictureFormat) -> str:
    """Name of a picture's format, e.g. ``gbrp`` or ``yuv420p10le``."""
    sampling = {(1, 1): "444", (1, 2): "422", (2, 2): "420"}[form.subsampling]
    colour = "gbrp" if form.planes == ("R", "G", "B") else f"yuv{sampling}p"
    return colour if form.bit_depth == 8 else f"{colour}{form.bit_depth}le"


def output_format(form: PictureFormat) -> str:
    """The same, or ``Unknown`` where Fluster has no name for it."""
    name = pixel_format(form)
    return name if name in KNOWN else "Unknown"


def ordered(planes: Sequence[npt.NDArray], rgb: bool) -> list[npt.NDArray]:
    """Planes in the order of the pixel format: ``gbrp`` is G, B, R."""
    return [planes[1], planes[2], planes[0]] if rgb else list(planes)
