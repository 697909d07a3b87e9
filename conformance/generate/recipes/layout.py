"""Regions and synthesis tiles."""

from __future__ import annotations

from conformance.generate.build import Context
from conformance.generate.plan import Part, Plan, both
from conformance.generate.registry import recipe

TALL, WIDE = (264, 64), (64, 520)


SHAPES = {"rows": (TALL, (2, 1)), "columns": (WIDE, (1, 2)), "uneven": ((400, 64), (2, 1))}


@recipe("must-decode", variants=SHAPES)
def regions(c: Context, shape: tuple[tuple[int, int], tuple[int, int]]) -> Plan:
    """Two dependent regions in one substream a component, behind a table of their sizes.

    Hyper-decoder and context model run on every region, grown by the overlap; later regions overwrite earlier
    ones, less one sample at the side that faces another region. The hyper scale decoder runs on the whole
    picture. A failure in the first region alone means that the second did not overwrite it; one in `uneven`,
    that the border lies elsewhere: it is at a multiple of 128 samples, and what is left over counts as well.
    """
    size, cut = shape
    return Plan(size=size, model=0, regions=cut, parts=both(beta=-600, threads=2))


@recipe("must-decode", variants={"rows": (TALL, (2, 1)), "columns": (WIDE, (1, 2))})
def regions_alone(c: Context, shape: tuple[tuple[int, int], tuple[int, int]]) -> Plan:
    """Two independent regions, each in a substream of its own behind its index.

    No region sees another. If latents at the border between them differ, one did.
    """
    size, cut = shape
    return Plan(size=size, model=1, regions=cut, independent=True, parts=both(beta=-600))


OVERLAPS = {f"{h}-{m}": (h, m) for h, m in ((0, 0), (0, 1), (1, 4), (3, 15), (2, 7))}


@recipe("must-decode", variants=OVERLAPS)
def overlaps(c: Context, overlaps: tuple[int, int]) -> Plan:
    """Dependent regions with overlaps of hyper-decoder and context model that are seldom chosen.

    If psi is right in the trace and the latent is not, the two overlaps were exchanged; in latents the one of
    the context model counts double.
    """
    return Plan(size=(270, 66), model=2, regions=(2, 1), overlaps=overlaps, parts=both(beta=-900, lsbs=True))


LEFT_OUT = {
    "first": (frozenset({0}), frozenset()),
    "last": (frozenset(), frozenset({1})),
    "all": (frozenset({0, 1}), frozenset({0, 1})),
}


@recipe("must-decode", variants=LEFT_OUT)
def regions_missing(c: Context, left_out: tuple[frozenset[int], frozenset[int]]) -> Plan:
    """Independent regions without a substream: their residual is zero.

    If the stream is refused, a missing region was taken for damage.
    """
    parts = both(beta=-600)
    return Plan(size=TALL, model=3, regions=(2, 1), independent=True, left_out=left_out, parts=parts)


@recipe("must-decode")
def regions_cubes(c: Context) -> Plan:
    """Regions with skip masks of every kind: cube flags in luma, none in chroma.

    The reference decoder is known to read the mask of a region as if its rows followed each other, and only
    without cube flags. If chroma alone fails from the second region on, this is it.
    """
    return Plan(
        size=(264, 520), model=0, regions=(2, 2), parts=(Part(cubes="random", beta=-1100), Part(beta=-800))
    )


LARGE, SMALL = (146, 170), (81, 97)
TILES = {
    "128-32": (LARGE, (128, 32)),
    "64-16": (SMALL, (64, 16)),
    "96-0": (LARGE, (96, 0)),
    "64-48": (SMALL, (64, 48)),
    "4080-0": (SMALL, (4080, 0)),
}


@recipe("must-decode", variants=TILES)
def tiles(c: Context, shape: tuple[tuple[int, int], tuple[int, int]]) -> Plan:
    """Synthesis in tiles that overlap; of each, half the overlap is dropped at inner borders.

    Every tile is computed as if it were the whole picture, with zeros outside. A seam in the picture means
    that too much or too little was dropped; a failure all over, that tiles begin at the wrong latent.
    """
    size, tiling = shape
    return Plan(size=size, model=1, tiling=tiling, parts=both(beta=-200))


IN_REGIONS = {
    "dependent": ((272, 64), (2, 1), False, (96, 32)),
    "independent": ((272, 64), (2, 1), True, (96, 32)),
    "aligned": ((272, 64), (2, 1), True, (64, 32)),
    "aligned-columns": ((64, 528), (1, 2), True, (128, 64)),
}


@recipe("must-decode", variants=IN_REGIONS)
def tiles_regions(c: Context, case: tuple[tuple[int, int], tuple[int, int], bool, tuple[int, int]]) -> Plan:
    """Tiles in a picture of two regions.

    With independent regions, tiles that lie inside a region grow into their neighbours in it, and not beyond.
    In those called `aligned`, tiles begin where the second region does.
    """
    size, cut, independent, tiling = case
    return Plan(
        size=size, model=2, regions=cut, independent=independent, tiling=tiling, parts=both(beta=-700)
    )
