"""The post-filter eICCI: networks that correct every plane by the other two."""

from __future__ import annotations

from conformance.generate import draw, filters
from conformance.generate.build import Context
from conformance.generate.fields import chroma, planar
from conformance.generate.plan import Part, Plan, both
from conformance.generate.registry import recipe
from refdec.models_io import EICCI_BANKS, EICCI_NETWORKS

NETWORKS = {f"{bank}-{n}": (bank, n) for bank in EICCI_BANKS for n in range(EICCI_NETWORKS)}


@recipe("must-decode", variants=NETWORKS, eicci=True)
def icci(c: Context, network: tuple[str, int]) -> Plan:
    """eICCI on the whole picture, with one network of a bank for luma and another for chroma.

    The two operating points below `hop` share a bank. Bands are two levels of a Haar transform of all three
    planes, in the order of the planes; each of them has a fraction of its own. If all networks fail, the
    bands are in another order, or halved once too often; if one does, its file was read wrongly.
    """
    bank, index = network
    tools = filters.icci(networks=(index, EICCI_NETWORKS - 1 - index))
    return Plan(size=(64, 68), model=index % 4, point=bank, tools_drawn=tools)


LISTS = {f"{point}-{m}": (point, m) for point in ("sop", "bop", "hop") for m in range(4)}


@recipe("must-decode", variants=LISTS, exact_model=True, eicci=True)
def icci_list(c: Context, case: tuple[str, int]) -> Plan:
    """eICCI with networks from the short list of a model and an operating point, other ones in each tile.

    The list has two entries for luma and two for chroma. If some tiles are right and others are not, an entry
    is wrong; if the networks of a lower operating point are taken, the list is that of another point.
    """
    point, model = case
    tools = filters.icci(use=None, short=1, tile=(2, 0))
    return Plan(size=(96, 112), model=model, point=point, tools_drawn=tools)


USES = {
    "none": (0, 0, 0),
    "y": (1, 0, 0),
    "u": (0, 1, 0),
    "v": (0, 0, 1),
    "yu": (1, 1, 0),
    "yv": (1, 0, 1),
    "uv": (0, 1, 1),
}


@recipe("must-decode", variants=USES, eicci=True)
def icci_planes(c: Context, use: tuple[int, int, int]) -> Plan:
    """eICCI for some of the planes: the others are read, and stay what they are.

    Luma has a network of its own, both chroma planes have one together. With none of the planes the header
    names no network, and values are clipped to the range of samples all the same.
    """
    return Plan(size=(68, 65), model=1, tools_drawn=filters.icci(use=use, networks=(4, 7)))


TILES = {
    "16-0": ((66, 81), (1, 0)),
    "32-16": ((96, 112), (2, 1)),
    "48-32": ((96, 97), (3, 2)),
    "large": ((65, 70), (255, 3)),
    "last": ((64, 372), (12, 1)),
    "last-kept": ((64, 190), (11, 0)),
}


@recipe("must-decode", variants=TILES, eicci=True)
def icci_tiles(c: Context, shape: tuple[tuple[int, int], tuple[int, int]]) -> Plan:
    """eICCI tile by tile; every tile sees what those before it have made of the picture.

    Half of the overlap is dropped at inner borders. A last column that is narrower than 176 samples takes as
    many from its neighbour (`last`), unless nothing of it would be left (`last-kept`). If only the lower and
    the right tiles differ, they were given the planes as they were before the filter.
    """
    size, tile = shape
    return Plan(size=size, model=2, tools_drawn=filters.icci(use=None, short=None, tile=tile))


FORMS = {"444-422": ("444", "422"), "444-420": ("444", "420"), "422-422": ("422", "422")}


@recipe("must-decode", variants=FORMS, eicci=True)
def icci_chroma(c: Context, form: tuple[str, str]) -> Plan:
    """eICCI where chroma is coded smaller than luma, or is smaller in the source.

    A smaller chroma of the source is interpolated, filtered, and made smaller again by linear interpolation
    between two samples; in the coded planes it has luma's size already.
    """
    header = planar(*form)
    return Plan(size=(67, 75), model=3, header=header, tools_drawn=filters.icci(networks=(2, 5), tile=(3, 1)))


@recipe("must-decode", variants={"1-2": (1, 2), "33-0": (33, 0), "63-61": (63, 61)}, eicci=True)
def icci_display(c: Context, cut: tuple[int, int]) -> Plan:
    """eICCI where less is shown than coded: tiles are those of the coded picture, cut at the displayed one.

    A tile of which nothing is left has an entry in the header all the same. Where a tile's sides are no
    multiples of four, its last row and column are repeated.
    """
    header = {"diff_display_img_height": cut[0], "diff_display_img_width": cut[1]}
    return Plan(
        size=(80, 81), model=0, header=header, tools_drawn=filters.icci(use=None, short=None, tile=(2, 0))
    )


@recipe("must-decode", variants={"444": "444", "422": "422"}, eicci=True)
def icci_ends(c: Context, form: str) -> Plan:
    """eICCI on planes with samples at both ends of their range and beyond.

    Bands are clipped to what the networks take, corrected planes to the range of samples.
    """
    return Plan(
        size=(66, 70), model=0, header=planar(form, form if form == "422" else "420"),
        symbols=draw.escapes(128), parts=both(beta=-1000, cubes=0),
        tools_drawn=filters.icci(use=None, short=None, tile=(2, 1)),
    )  # fmt: skip


@recipe("must-decode", variants={"444": ("444", "420"), "422": ("422", "422")}, eicci=True)
def icci_far(c: Context, form: tuple[str, str]) -> Plan:
    """EFE linear with weights that throw chroma out to 64 times its range on both sides, and eICCI on that.

    What is interpolated or corrected beyond that is clipped there, and in the end to the range of samples. A
    decoder that has fewer bits for a plane between two filters wraps around.
    """
    tools = filters.with_linear(filters.icci(networks=(1, 8), tile=(2, 0)), (6, 6), (4, 4), (0, 65535))
    tools |= {"CS-TON-19": [0, 65535], "CS-TON-20": [0, 65535]}
    return Plan(
        size=(72, 84), model=1, header=planar(*form), symbols=draw.escapes(60),
        parts=both(cubes=0), tools_drawn=tools,
    )  # fmt: skip


@recipe("must-decode", eicci=True)
def icci_sharpened(c: Context) -> Plan:
    """eICCI and LEF with the strongest gains: luma in front of LEF has 16 fraction bits that are in use.

    Without eICCI they end with the eighth, and many a rounding cannot be seen.
    """
    tools = {**filters.icci(networks=(3, 4)), "CS-TON-08": 1, "CS-TON-09": range(160)}
    return Plan(size=(76, 84), model=0, tools_drawn=tools, parts=(Part(beta=900), Part()))


@recipe("must-decode", variants={"rgb": 1, "planes": 0}, eicci=True)
def icci_between(c: Context, transform: int) -> Plan:
    """All four post-filters: EFE linear in front of eICCI, EFE non-linear and LEF behind it.

    If the picture differs and a stream of every filter alone does not, two of them run in another order.
    """
    return Plan(
        size=(72, 76), model=2, tools_drawn=filters.EVERY_FILTER,
        header={"colour_transform_idx": transform, **chroma("444", "420")},
    )  # fmt: skip
