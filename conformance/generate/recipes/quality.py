"""The spatial quality map."""

from __future__ import annotations

from conformance.generate import draw
from conformance.generate.build import Context
from conformance.generate.plan import Plan, both
from conformance.generate.registry import recipe
from refdec.entropy import Rounding


@recipe("must-decode")
def map_17(c: Context) -> Plan:
    """All 17 indices of the quality map side by side.

    The map moves the scales by one table and divides the residual by another; both have 17 entries. If
    `quality_map` is right and a column of `residual_dequantised` is not, an entry of the second is wrong.
    """
    return Plan(size=(80, 272), model=2, quality=draw.stripes, parts=both(beta=-300))


@recipe("must-decode", variants={"floor": "floor", "truncate": "truncate"})
def map_noise(c: Context, rounding: Rounding) -> Plan:
    """Any index anywhere: predictions from negative odd sums, under one of the two rounding rules.

    The rule is nowhere in the stream; the decoder is told. Under the other one the map leaves -8..8, or the
    residual does not end in the right state. The first row is predicted from the left, the first column from
    above, everything else from half the sum of both.
    """
    return Plan(size=(96, 96), model=1, quality=draw.noise, rounding=rounding, parts=both(beta=-300))


@recipe("must-decode", variants={str(n): n for n in range(8)})
def map_index(c: Context, index: int) -> Plan:
    """One of the eight entropy indices with which a quality map can be coded.

    Each stands for a level of the residual's coder. If one of them fails, its entry in the list of levels is
    wrong.
    """
    return Plan(
        size=(64, 112), model=index % 4, quality=draw.noise, quality_index=index, parts=both(beta=-400)
    )


@recipe("must-decode", variants={str(n): n for n in (2, 4, 8, 16)})
def map_threads(c: Context, threads: int) -> Plan:
    """A quality map in several threads, residuals in one.

    The field that says how many has two bits. If everything behind the header is wrong, it was read with one.
    """
    return Plan(size=(96, 80), model=3, threads_q=threads, quality=draw.even, parts=both(beta=-200))


@recipe("must-decode", variants={"lowest": -8, "middle": 0, "highest": 8})
def map_constant(c: Context, index: int) -> Plan:
    """One index everywhere: no delta but the first.

    With 0, the map is there and changes nothing.
    """
    return Plan(model=0, quality=draw.constant(index))


@recipe("must-decode")
def map_scalings(c: Context) -> Plan:
    """A quality map together with variance scaling, gain and latent scaling.

    The map moves the block means that choose the segments of the scalings: if a block has the wrong segment,
    the mean was taken without the map.
    """
    return Plan(
        size=(112, 80),
        model=0,
        quality=draw.rough,
        parts=both(rvs=True, gains="random", lsbs=True, beta=-200),
    )
