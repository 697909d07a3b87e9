"""Chroma formats, bit depth, colours, display size."""

from __future__ import annotations

from conformance.generate import draw
from conformance.generate.build import Context
from conformance.generate.fields import chroma, planar
from conformance.generate.plan import Plan, both
from conformance.generate.registry import recipe


@recipe("must-decode", variants={"422": "422", "420": "420"})
def upsampled(c: Context, coded: str) -> Plan:
    """A 4:4:4 source whose chroma is coded in a smaller format and interpolated.

    Corner samples stay where they are; positions in between are exact fractions, with cubic weights in 2^-15.
    If errors grow towards the right or the bottom, samples were taken to lie in the middle of their cells.
    """
    return Plan(size=(79, 97), model=1, header=chroma("444", coded))


@recipe("must-decode", variants={"444": "444", "422": "422", "420": "420"})
def planes(c: Context, form: str) -> Plan:
    """Planes without a colour conversion, in one of three chroma formats.

    The output is Y, U, V, the latter two cut down where the format says so. If sizes are off by one, halves
    of odd sizes were rounded down.
    """
    return Plan(size=(77, 83), model=2, header=planar(form, form))


@recipe("must-decode")
def planes_upsampled(c: Context) -> Plan:
    """Planes without a colour conversion, chroma coded as 4:2:0 and shown as 4:4:4.

    Interpolated samples can lie outside of the range, and are clipped when they are rounded.
    """
    return Plan(size=(66, 70), model=0, header=planar("444", "420"), symbols=draw.escapes(40))


@recipe(
    "must-decode", variants={"rgb": ("444", "444", 1), "420": ("420", "420", 0), "mixed": ("444", "420", 1)}
)
def ten_bits(c: Context, form: tuple[str, str, int]) -> Plan:
    """Samples of ten bits, two bytes each, the lower byte first.

    A plane's samples have eight bits and eight of a fraction; 255 becomes 1023, which is no shift. If samples
    are off by up to four, they were multiplied by 4.
    """
    source, coded, transform = form
    header = {"bit_depth_idc": 1, "colour_transform_idx": transform, **chroma(source, coded)}
    return Plan(size=(70, 90), model=3, header=header)


CROPS = {"1-1": (1, 1), "63-0": (63, 0), "0-63": (0, 63), "62-61": (62, 61)}


@recipe("must-decode", variants=CROPS)
def display(c: Context, cut: tuple[int, int]) -> Plan:
    """A displayed picture that is smaller than the coded one: rows and columns are cut at the end.

    Interpolation works on the displayed size. If the last column or row differs, it worked on the coded one
    and was cut afterwards.
    """
    fields = {"diff_display_img_height": cut[0], "diff_display_img_width": cut[1], **chroma("444", "420")}
    return Plan(size=(80, 81), model=1, header=fields)


@recipe("must-decode")
def one_pixel(c: Context) -> Plan:
    """A picture of which one pixel is shown.

    Interpolation from one sample to one must not divide by zero.
    """
    fields = {"diff_display_img_height": 63, "diff_display_img_width": 63, **chroma("444", "420")}
    return Plan(model=0, header=fields)


@recipe("must-decode", variants={"rgb": 1, "planes": 0})
def clipped(c: Context, transform: int) -> Plan:
    """Residuals so large that samples and colours are clipped at both ends.

    If a clipped sample has the value of the other end, the conversion wrapped around.
    """
    return Plan(
        size=(64, 80), model=3, symbols=draw.escapes(128), parts=both(beta=-1000, cubes=0),
        header={"colour_transform_idx": transform},
    )  # fmt: skip
