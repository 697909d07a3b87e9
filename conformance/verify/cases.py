"""The streams of the bundled suite: what each one is for, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Quality = Literal["none", "even", "odd", "steep"]


@dataclass(frozen=True)
class Part:
    """What one component does.

    :param channels: ``num_chs``, ``None`` for all.
    :param cubes: draw cube flags at random; otherwise all are 1.
    """

    threads: int = 1
    channels: int | None = None
    cubes: bool = False
    rvs: bool = False
    grfs: bool = False
    lsbs: bool = False
    beta: int = 0


@dataclass(frozen=True)
class Case:
    """One stream.

    :param size: luma height and width.
    :param regions: rows and columns of regions.
    :param left_out: for each component, independent regions without a substream.
    :param quality: quality map: absent, even indices only, any indices, or over the whole range.
    :param quality_index: entropy index of its payload, ``None`` for the reference encoder's choice.
    :param escapes: share of symbols, in 1/256, that lie outside their table.
    :param keep: progressive decoding: channels to keep, ``None`` for all.
    """

    name: str
    purpose: str
    size: tuple[int, int]
    model: int = 0
    parts: tuple[Part, Part] = (Part(), Part())
    threads_z: int = 1
    threads_q: int = 1
    regions: tuple[int, int] = (1, 1)
    independent: bool = False
    left_out: tuple[frozenset[int], frozenset[int]] = (frozenset(), frozenset())
    quality: Quality = "none"
    quality_index: int | None = None
    rounding: Literal["floor", "truncate"] = "floor"
    dialect: Literal["t840", "dis"] = "t840"
    escapes: int = 2
    keep: int | None = None
    minimal: bool = False


CASES: tuple[Case, ...] = (
    Case("plain-64x64", "One position of z, no tools, one thread everywhere.", (64, 64)),
    Case(
        "odd-65x79",
        "Odd size: latent and hyper-latent are cut on both axes; two and four threads.",
        (65, 79),
        model=1,
        threads_z=2,
        parts=(Part(threads=4), Part(threads=2)),
    ),
    Case(
        "threads-16",
        "Sixteen threads in z and both residuals.",
        (80, 97),
        model=2,
        threads_z=16,
        parts=(Part(threads=16, beta=-200), Part(threads=16, beta=-200)),
    ),
    Case(
        "threads-8",
        "Eight threads, and one against eight between the components.",
        (64, 96),
        model=3,
        threads_z=8,
        parts=(Part(threads=8), Part()),
    ),
    Case(
        "cube-flags",
        "Cube flags of both components: whole cubes are coded against the skip threshold.",
        (160, 144),
        parts=(Part(cubes=True, beta=-700), Part(cubes=True, beta=-700)),
    ),
    Case("rvs", "Residual variance scaling.", (72, 64), model=1, parts=(Part(rvs=True), Part(rvs=True))),
    Case(
        "grfs",
        "Channel-wise gain without residual variance scaling, fewer flags than channels.",
        (64, 72),
        model=2,
        parts=(Part(grfs=True, channels=120), Part(grfs=True)),
    ),
    Case(
        "rvs-grfs-lsbs",
        "All three scalings that follow the block mean of the scale.",
        (129, 97),
        model=3,
        parts=(
            Part(rvs=True, grfs=True, lsbs=True, beta=-400),
            Part(rvs=True, grfs=True, lsbs=True, beta=-400),
        ),
    ),
    Case(
        "quality-floor",
        "Quality map with negative odd sums under the floor rule.",
        (96, 96),
        model=1,
        parts=(Part(beta=-300), Part(beta=-300)),
        quality="odd",
    ),
    Case(
        "quality-truncate",
        "The same kind of map under the truncation rule.",
        (96, 96),
        model=1,
        parts=(Part(beta=-300), Part(beta=-300)),
        quality="odd",
        rounding="truncate",
    ),
    Case(
        "quality-threads",
        "Quality map over its whole range in four threads, a forced entropy index, variance scaling.",
        (80, 112),
        parts=(Part(rvs=True, beta=-500), Part(beta=-500)),
        quality="steep",
        quality_index=7,
        threads_q=4,
    ),
    Case(
        "quality-even",
        "A map of even indices, which both rounding rules decode alike.",
        (64, 80),
        model=2,
        quality="even",
        threads_q=2,
    ),
    Case(
        "regions-dependent",
        "Two dependent regions, of unequal height, in one substream a component.",
        (330, 64),
        parts=(Part(beta=-600, threads=2), Part(beta=-600)),
        regions=(2, 1),
    ),
    Case(
        "regions-independent",
        "Two by two independent regions; luma lacks one of them, chroma two.",
        (264, 520),
        parts=(Part(beta=-1500), Part(beta=-1500)),
        regions=(2, 2),
        independent=True,
        left_out=(frozenset({2}), frozenset({0, 3})),
    ),
    Case(
        "channels-100-40",
        "Fewer residual channels than latent channels, with cube flags over all of them.",
        (64, 88),
        model=2,
        parts=(Part(channels=100, cubes=True), Part(channels=40)),
    ),
    Case(
        "channels-0-1",
        "No luma residual channel at all, and a single one in chroma.",
        (64, 64),
        parts=(Part(channels=0), Part(channels=1)),
    ),
    Case(
        "progressive-16",
        "Progressive decoding: the first 16 channels, where a group of four straddles the border.",
        (80, 112),
        parts=(Part(threads=4, channels=48), Part(threads=8)),
        escapes=64,
        keep=15,
    ),
    Case(
        "escapes",
        "Many escapes, short and long, up to the ends of 16 bits.",
        (64, 64),
        model=3,
        parts=(Part(threads=2, channels=64), Part(channels=32)),
        escapes=100,
    ),
    Case(
        "displacement-range",
        "Luma displacement at its lowest, chroma at its highest value.",
        (64, 64),
        parts=(Part(beta=-2048), Part(beta=2047)),
    ),
    Case("dis", "The draft dialect: no stream profile field.", (64, 64), model=3, dialect="dis"),
    Case(
        "dis-regions",
        "The draft dialect has no limit on the number of regions: three by two in a small picture.",
        (400, 300),
        parts=(Part(beta=-1500), Part(beta=-1500)),
        regions=(3, 2),
        dialect="dis",
    ),
    Case(
        "minimal",
        "No tool header, no rendering information; substreams in another order.",
        (64, 64),
        minimal=True,
    ),
    Case(
        "everything",
        "All tools of the entropy stage at once.",
        (280, 80),
        model=1,
        parts=(
            Part(threads=4, channels=150, cubes=True, rvs=True, grfs=True, lsbs=True, beta=-900),
            Part(threads=2, channels=90, cubes=True, rvs=True, grfs=True, lsbs=True, beta=-1100),
        ),
        threads_z=4,
        threads_q=8,
        regions=(2, 1),
        quality="odd",
    ),
)
