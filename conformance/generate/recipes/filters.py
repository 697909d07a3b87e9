"""Post-filters: EFE linear, EFE non-linear, LEF."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from conformance.generate import draw, filters
from conformance.generate.build import Builder, Context
from conformance.generate.fields import chroma, planar
from conformance.generate.plan import Part, Plan, both
from conformance.generate.registry import recipe
from refdec.filters.lef import THRESHOLDS


@recipe("must-decode", variants={str(m): m for m in range(4)}, exact_model=True)
def lef(c: Context, number: int) -> Plan:
    """LEF, the filter that sharpens luma by the scale of one latent channel.

    Three thresholds choose among four gains of the model, for every latent position; the gain of a sample is
    interpolated between them. If luma differs by single steps, a rounding is missing or there is one too
    many.
    """
    return Plan(size=(81, 99), model=number, tools_drawn={**filters.LEF, "CS-TON-09": 3 + 40 * number})


@recipe("must-decode", variants={"0": 0, "159": 159})
def lef_channel(c: Context, channel: int) -> Plan:
    """LEF steered by the first or the last latent channel, with a quality map that moves the scales.

    If only one of them fails, the channel's number was read wrongly, or counted from 1.
    """
    return Plan(size=(70, 66), quality=draw.rough, tools_drawn={**filters.LEF, "CS-TON-09": channel})


THRESHOLD_SIZE = (122, 183)
"""Sides at which binary32 rounds the position of a scale to another one than exact arithmetic."""
CROSSINGS = {f"{m}-{k}": (m, k) for m in range(4) for k in range(3)}


@recipe("must-decode", variants=CROSSINGS, exact_model=True)
def lef_threshold(c: Context, case: tuple[int, int]) -> Plan:
    """LEF with scales that lie exactly at one of a model's thresholds, and one below it.

    Channel and displacement are found by search. From its threshold on a scale has the stronger gain. The
    sides of the picture are such that the nearest scale of a sample depends on the rounding of binary32. If
    whole cells of luma differ, one of the two was done otherwise, or another channel steers.
    """
    model, number = case

    def refine(builder: Builder) -> Plan:
        log_skip = builder.scales(0, builder.hyper_latents[0]).log_skip.astype(np.int64)
        channel, beta = _at_threshold(log_skip, THRESHOLDS[model][number])
        tools = {**filters.LEF, "CS-TON-09": channel}
        return replace(builder.plan, parts=(Part(beta=beta), Part()), tools_drawn=tools)

    return Plan(size=THRESHOLD_SIZE, model=model, refine=refine)


def _at_threshold(log_skip: npt.NDArray[np.int64], threshold: int) -> tuple[int, int]:
    """Channel and displacement: scales at the threshold and one below it, many on both sides."""
    best = (-1, -1, 0, 0)
    for channel, values in enumerate(log_skip.reshape(len(log_skip), -1)):
        present = np.unique(values)
        for value in present[np.isin(present - 1, present)].tolist():
            beta = threshold - value
            if -2048 <= beta <= 2047:
                sides = min(int(np.sum(values >= value)), int(np.sum(values < value)))
                best = max(best, (1, sides, channel, beta))
    if best[0] < 0:  # a pair is not there: at the threshold alone
        return 0, int(threshold - np.median(log_skip[0]))
    return best[2], best[3]


@recipe("must-decode", variants={str(n): n for n in range(1, 9)})
def efe_split(c: Context, number: int) -> Plan:
    """EFE linear, with one of the eight ways to cut the picture into rectangles.

    Borders are multiples of 32 cells of two by two samples, or the end of the picture; a border at exactly
    half goes to the even multiple. If one rectangle has the weights of another, they were counted by rows
    instead of by columns or the other way round: the eighth way is the exception.
    """
    return Plan(
        size=(144, 272), model=number % 4, header=planar("420", "420"),
        tools_drawn=filters.efe_linear((number, number), (1, 2)), parts=both(beta=-900),
    )  # fmt: skip


BORDERS = {"half": (6, (130, 66)), "thirds-7": (7, (82, 224)), "thirds-8": (8, (224, 82))}


@recipe("must-decode", variants=BORDERS)
def efe_border(c: Context, case: tuple[int, tuple[int, int]]) -> Plan:
    """EFE linear where a border lies half-way between two multiples of 32 cells, or close to it.

    Half-way it goes to the even multiple. Thirds are 33 and 66 per cent: a little more, and a border of these
    pictures is another one.
    """
    number, size = case
    return Plan(
        size=size, model=1, header=planar("420", "420"), parts=both(beta=-700),
        tools_drawn=filters.efe_linear((number, number), (2, 1)),
    )  # fmt: skip


FORMS = {"444": ("444", "444"), "422": ("444", "422"), "420": ("444", "420"), "sub": ("420", "420")}
SIDES = {f"{name}-{side}": (*form, side) for name, form in FORMS.items() for side in (1, 3, 4)}


@recipe("must-decode", variants={**SIDES, "across-2": ("422", "422", 2), "across-3": ("422", "422", 3)})
def efe_side(c: Context, form: tuple[str, str, int]) -> Plan:
    """EFE linear with filters of some side, for a chroma format of the source and of the coded planes.

    Where chroma is interpolated, every one of the four positions in a cell has a list of weights of its own,
    and the filter reads samples of its own position alone. Filters of an even side reach one sample further
    to the right and down. What lies outside of the picture repeats the border of the position's samples, not
    of the plane.
    """
    source, coded, side = form
    return Plan(
        size=(66, 90), model=side % 4, header=planar(source, coded),
        tools_drawn=filters.efe_linear((1, 2), (side, 5 - side)),
    )  # fmt: skip


@recipe("must-decode")
def efe_plane(c: Context) -> Plan:
    """EFE linear with weights for V alone, in a picture whose chroma is interpolated.

    U is interpolated all the same.
    """
    return Plan(size=(65, 67), header=planar("444", "420"), tools_drawn=filters.efe_linear((0, 1)))


@recipe("must-decode", variants={"weights": (0, 65535), "negative": (32000, 700)})
def efe_ends(c: Context, codes: tuple[int, int]) -> Plan:
    """EFE linear with weights up to the ends of their field, or all of them negative.

    Sums leave the range of samples by far, and are clipped when samples are rounded, not before.
    """
    return Plan(
        size=(64, 64),
        model=2,
        header=planar("444", "420"),
        tools_drawn=filters.efe_linear((6, 6), codes=codes),
    )


TILES = {"one": (64, 80), "cut": (32, 40), "small": (9, 70)}


@recipe(
    "must-decode", variants={f"{n}-{f}": (t, *FORMS[f]) for n, t in TILES.items() for f in ("444", "sub")}
)
def efe_curve(c: Context, shape: tuple[tuple[int, int], str, str]) -> Plan:
    """EFE non-linear: chroma is corrected by a piecewise linear function of luma, tile by tile.

    The range of a tile's luma has eight parts; the first term may be negative, and the sum is cut off at zero
    before the others are added. With subsampled chroma, the luma of a sample is that at its top left.
    """
    tile, source, coded = shape
    return Plan(
        size=(70, 86), model=1, header=planar(source, coded), tools_drawn=filters.efe_nonlinear(tile=tile)
    )


@recipe("must-decode")
def efe_curve_falls(c: Context) -> Plan:
    """EFE non-linear where the largest luma of a tile is below the least.

    The parts of the range are negative then, and are used as they are.
    """
    shades = (range(9000, 25000), range(9000))
    return Plan(model=3, header=planar("444", "444"), tools_drawn=filters.efe_nonlinear(luma=shades))


@recipe("must-decode", variants={"largest": 65535, "smallest": 0})
def efe_curve_ends(c: Context, code: int) -> Plan:
    """EFE non-linear with all weights at an end of their field.

    Its sums are far beyond the range of samples, above or below, and are clipped to 64 times that range: what
    a plane holds between two filters.
    """
    tools = filters.efe_nonlinear(codes=(code, 0), luma=(range(1), range(1)))
    return Plan(
        size=(64, 72), model=2, header=planar("444", "444"), tools_drawn=tools, symbols=draw.escapes(100),
        parts=both(cubes=0),
    )  # fmt: skip


@recipe("must-decode")
def efe_mask_subsampled(c: Context) -> Plan:
    """Masks where chroma is smaller than luma: the side of a block counts chroma samples."""
    tools = filters.both_filters(masks=(1, 1), block=9)
    return Plan(size=(78, 90), model=1, header=planar("420", "420"), tools_drawn=tools)


MASKS = {"both": (1, 1), "u": (1, 0), "v": (0, 1)}


@recipe("must-decode", variants=MASKS)
def efe_mask(c: Context, masks: tuple[int, int]) -> Plan:
    """Both EFE filters: blocks take nothing, half or all from the picture of the first filter set.

    V's mask counts only where U has one. If blocks are shifted, the mask was read column by column.
    """
    tools = filters.both_filters(masks=masks, block=13) if masks[0] else filters.efe_nonlinear(masks=masks)
    return Plan(size=(77, 93), model=0, header=planar("444", "420"), tools_drawn=tools)


@recipe("must-decode")
def efe_mask_alone(c: Context) -> Plan:
    """Both EFE filters where the filter set that is applied has no weights, and that of the masks has.

    Chroma is interpolated, and blocks take from the picture of the first set all the same.
    """
    sets = {"CS-TON-13": {0: 3, 1: 0}, "CS-TON-14": {0: 2, 1: 0}}
    tools = {**filters.both_filters(masks=(1, 1), block=13), **sets}
    return Plan(size=(77, 93), model=2, header=planar("444", "420"), tools_drawn=tools)


@recipe("must-decode", variants={"rgb": 1, "planes": 0})
def filters_all(c: Context, transform: int) -> Plan:
    """EFE linear, EFE non-linear and LEF, with latent scaling, regions and a display crop.

    Filters work on the displayed size, in the source's chroma format, before colours are converted; LEF is
    the last.
    """
    tools = {
        **filters.both_filters(masks=(1, 1)),
        "CS-TON-08": 1,
        "CS-TON-09": 80,
        "CS-TON-03": 1,
        "CS-TON-04": 1,
    }
    return Plan(
        size=(264, 80), model=2, regions=(2, 1), tools_drawn=tools, parts=both(beta=-900, rvs=True),
        header={
            "colour_transform_idx": transform, **chroma("444", "420"),
            "diff_display_img_height": 5, "diff_display_img_width": 3,
        },
    )  # fmt: skip
