"""The streams of the bundled suite: what each is for, and how it is made, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from conformance.suite.records import Group

QualityMap = Literal["none", "stripes", "noise", "interest"]
MOSAIC = (1023, 1037)


@dataclass(frozen=True)
class Recipe:
    """One stream made of a picture.

    :param picture: a photograph or made-up picture by name.
    :param window: ``(y, x, h, w)`` of a photograph, ``None`` for all of it; ``size``: of a made-up one.
    :param delta: displacement of luma and chroma.
    :param tools: as :class:`conformance.encoder.options.Tools`.
    :param quality_map: ``stripes``: all 17 indices; ``noise``: all of them in disorder; ``interest``: high in
        the middle, low outside.
    :param chroma: format in which chroma is coded.
    """

    name: str
    purpose: str
    picture: str
    model: int
    delta: tuple[int, int] = (0, 0)
    window: tuple[int, int, int, int] | None = None
    size: tuple[int, int] | None = None
    tools: Mapping[str, Any] = field(default_factory=dict)
    quality_map: QualityMap = "none"
    chroma: Literal["444", "420"] = "444"
    group: Group = "must-decode"


def _threads(z: int, r: int, q: int = 1) -> dict[str, int]:
    return {"threads_z": z, "threads_r": r, "threads_q": q}


RECIPES: tuple[Recipe, ...] = (
    Recipe("smallest", "The smallest picture, one hyper-latent.", "astronaut", 2, window=(80, 190, 64, 64)),
    Recipe(
        "odd-65x79",
        "Odd on both sides: latent, hyper-latent and picture are cut; two and four threads.",
        "chelsea", 1, window=(100, 120, 65, 79), tools=_threads(2, 4),
    ),
    Recipe("odd-127x66", "Just below two hyper-latents high.", "coffee", 0, window=(90, 220, 127, 66)),
    Recipe("odd-129x97", "Just above two hyper-latents high.", "rocket", 3, (-500, -500), (60, 300, 129, 97)),
    *(
        Recipe(
            f"model-{m}", f"Model {m} at its own rate.", "astronaut", m, window=(10, 130, 224, 256),
            tools=_threads(4, 4),
        )
        for m in range(4)
    ),
    Recipe("photo-coffee", "A whole photograph.", "coffee", 1, (-150, -150), tools=_threads(4, 8)),
    Recipe("photo-chelsea", "A whole photograph of odd width.", "chelsea", 2, (-400, -400)),
    Recipe("photo-rocket", "A whole photograph, dark.", "rocket", 0, (300, 300), tools=_threads(8, 4)),
    Recipe("photo-astronaut", "A whole photograph.", "astronaut", 3, (-900, -900), tools=_threads(2, 2)),
    Recipe(
        "delta-lowest", "The lowest rate of the lowest model.", "chelsea", 0, (-1069, -1069),
        (40, 100, 192, 160),
    ),
    Recipe(
        "delta-highest", "The highest rate of the highest model.", "coffee", 3, (702, 702), (150, 200, 80, 96)
    ),
    Recipe(
        "delta-luma-high", "Luma at its highest, chroma at its lowest rate.", "astronaut", 1, (702, -1069),
        (0, 200, 128, 112),
    ),
    Recipe(
        "delta-chroma-high", "Chroma at its highest, luma at its lowest rate.", "astronaut", 2, (-1069, 702),
        (300, 60, 112, 128),
    ),
    *(
        Recipe(
            f"delta-{'minus' if delta < 0 else 'plus'}-{abs(delta)}",
            "A step of the rate between the ends; chroma 37 below luma.",
            "chelsea", m, (delta, delta - 37), (60, 170, 96, 112),
        )
        for m, delta in ((0, 455), (1, -801), (2, 219), (3, -267))
    ),
    Recipe(
        "threads-16", "Sixteen threads in every payload, the quality map's included.", "coffee", 1,
        window=(100, 180, 160, 208), tools=_threads(16, 16, 16), quality_map="stripes",
    ),
    Recipe(
        "threads-16-tiny", "Sixteen threads over few symbols: some have hardly anything to do.", "coffee", 0,
        (-900, -900), (0, 0, 64, 64), tools=_threads(16, 16),
    ),
    Recipe(
        "threads-8", "Eight threads.", "rocket", 2, (-200, -200), (200, 250, 144, 176), tools=_threads(8, 8)
    ),
    Recipe(
        "quality-17", "All 17 indices of the quality map side by side.", "astronaut", 2, (-300, -300),
        (30, 100, 160, 272), quality_map="stripes",
    ),
    Recipe(
        "quality-noise", "All indices in disorder: every prediction of the map is far off.", "chelsea", 1,
        (-200, -300), (70, 110, 96, 128), tools=_threads(1, 1, 4), quality_map="noise",
    ),
    Recipe(
        "quality-truncate", "Such a map under the other rounding rule of its prediction.",
        "chelsea", 1, (-200, -300), (70, 110, 96, 128), tools={"quality_rounding": "truncate"},
        quality_map="noise",
    ),
    Recipe(
        "quality-interest", "A region of interest with the variance scaling on.", "coffee", 0, (-100, -100),
        (60, 150, 192, 224), tools={"rvs": (True, True)}, quality_map="interest",
    ),
    Recipe(
        "cubes", "Cube flags at a low rate: most of the latent is skipped in blocks.", "rocket", 0,
        (-700, -700), (0, 0, 256, 256), tools={"cube_flags": True},
    ),
    Recipe(
        "no-cubes", "The same without cube flags: sigma alone decides what is skipped.", "rocket", 0,
        (-700, -700), (0, 0, 256, 256), tools={"cube_flags": False},
    ),
    Recipe(
        "scalings", "Variance scaling, channel-wise gain and latent scaling at once.", "astronaut", 3,
        (-600, -600), (60, 160, 129, 143),
        tools={"rvs": (True, True), "grfs": (True, True), "lsbs": (True, True)},
    ),
    Recipe(
        "scalings-luma", "Variance scaling of luma alone, channel-wise gain of chroma alone.", "coffee", 1,
        window=(120, 200, 111, 128), tools={"rvs": (True, False), "grfs": (False, True)},
    ),
    Recipe(
        "channels", "Fewer channels coded than there are: what is left out stays zero.", "chelsea", 2,
        (-100, -100), (0, 0, 120, 136), tools={"num_chs": (100, 40)},
    ),
    Recipe(
        "chroma-420", "Chroma coded in 4:2:0 and interpolated for the picture.", "astronaut", 1,
        window=(5, 105, 141, 187), chroma="420",
    ),
    Recipe(
        "regions-dependent", "Two regions that overlap in the context model.", "rocket", 1, (-300, -300),
        (40, 280, 330, 80), tools={"regions": (2, 1), **_threads(2, 2)},
    ),
    Recipe(
        "regions-independent", "Two by two regions that do not see each other.", "coffee", 0, (-300, -300),
        (50, 40, 264, 520), tools={"regions": (2, 2), "independent": True},
    ),
    Recipe(
        "tiles", "Synthesis in tiles that overlap.", "chelsea", 0, (200, 200), (10, 20, 280, 400),
        tools={"tiling": (128, 32)},
    ),
    Recipe("bars", "Saturated colours: samples are clipped at both ends.", "bars", 2, size=(96, 128)),
    Recipe("checks", "Edges of one pixel and upwards.", "checks", 3, (-300, -300), size=(96, 192)),
    Recipe("plain", "One colour: nearly everything is skipped.", "plain", 0, (-1069, -1069), size=(128, 128)),
    Recipe("noise", "White noise: nearly nothing is skipped.", "noise", 3, (-500, -500), size=(64, 96)),
    Recipe("ripples", "All frequencies once.", "ripples", 1, size=(193, 201), tools=_threads(4, 4)),
    Recipe("slopes", "Gradients in which a rounding is a visible step.", "slopes", 2, size=(128, 160)),
    Recipe(
        "megapixel", "About one megapixel in tiles of the reference encoder's size, all photographs.",
        "mosaic", 0, (0, 0), size=MOSAIC, tools=_threads(8, 16),
    ),
    Recipe(
        "draft-dialect", "The draft's header, which a decoder of the published standard may refuse.",
        "coffee", 3, (-700, -700), (150, 250, 80, 80), tools={"dialect": "dis"}, group="may-reject",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Damage:
    """A stream that must be rejected: another one, damaged.

    :param base: name of the recipe whose stream is taken.
    :param kind: what is done to it, see :func:`conformance.suite.damage.damaged`.
    """

    name: str
    purpose: str
    base: str
    kind: str


DAMAGES: tuple[Damage, ...] = (
    Damage("bad-cut-header", "The file ends inside the picture header.", "smallest", "cut-header"),
    Damage("bad-cut-residual", "The file ends inside the luma residual.", "odd-65x79", "cut-residual"),
    Damage("bad-marker", "A marker that the standard does not assign.", "smallest", "marker"),
    Damage("bad-no-start", "No start of codestream.", "smallest", "no-start"),
    Damage("bad-byte-z", "One byte of the hyper-latent's payload is another.", "model-1", "byte-soz"),
    Damage("bad-byte-luma", "One byte of the luma residual is another.", "model-2", "byte-sorp"),
    Damage("bad-byte-chroma", "One byte of the chroma residual is another.", "model-3", "byte-sors"),
    Damage("bad-byte-quality", "One byte of the quality map's payload is another.", "quality-17", "byte-soq"),
    Damage("bad-twice", "The hyper-latent's substream comes twice.", "smallest", "twice"),
)
