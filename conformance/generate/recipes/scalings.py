"""Cube flags, residual variance scaling, channel-wise gain, latent scaling."""

from __future__ import annotations

from typing import Any

from conformance.generate import draw
from conformance.generate.build import Context
from conformance.generate.plan import Part, Plan, both
from conformance.generate.registry import recipe

MODELS = {str(m): m for m in range(4)}


@recipe("must-decode", variants={"random": "random", "zero": 0, "one": 1})
def cubes(c: Context, flags: Any) -> Plan:
    """Cube flags: 0 has every position of a cube coded, 1 leaves it to the threshold.

    A cube is eight by eight positions of one of the four phases, all channels. With `one` the header says
    that there are none. If part of the picture is wrong in a regular pattern, phases were taken in the order
    of the context model, or rows for columns; if all of it is, the flags mean the opposite.
    """
    return Plan(size=(276, 84), model=0, parts=both(cubes=flags, beta=-700))


@recipe(
    "must-decode", variants={"luma": ("random", None), "chroma": (None, "random"), "differ": ("random", 0)}
)
def cubes_of(c: Context, flags: tuple[Any, Any]) -> Plan:
    """Cube flags in one component alone, or other ones in each.

    If the component without flags is wrong, it was given the other's.
    """
    parts = (Part(cubes=flags[0], beta=-600), Part(cubes=flags[1], beta=-600))
    return Plan(size=(64, 84), model=3, parts=parts)


@recipe("must-decode", variants=MODELS, exact_model=True)
def rvs(c: Context, number: int) -> Plan:
    """Residual variance scaling of one model, both components.

    The mean scale of a block of eight by eight, 1411 outside of the latent, chooses among four factors of the
    model. They change the scale of coding, but not what is skipped, and the residual. If only blocks at the
    border differ, the padding is wrong; if the mask differs, it was made from the scaled scales.
    """
    return Plan(size=(145, 97), model=number, parts=both(rvs=True, threads=2))


@recipe("must-decode", variants={"luma": (True, False), "chroma": (False, True)})
def rvs_of(c: Context, on: tuple[bool, bool]) -> Plan:
    """Residual variance scaling of one component alone.

    If the other component differs, the flag was taken for both.
    """
    return Plan(model=0, parts=(Part(rvs=on[0]), Part(rvs=on[1])))


@recipe("must-decode", variants={"random": "random", "on": 1, "off": 0})
def gain(c: Context, flags: Any) -> Plan:
    """Channel-wise gain without variance scaling: one factor for flagged channels, another for the others.

    With `off` the tool is on and no channel is flagged: all of them have the smaller factor, which is not 1.
    If this alone differs, the tool was taken to be off.
    """
    return Plan(size=(64, 80), model=2, parts=both(gains=flags))


@recipe("must-decode", variants=MODELS, exact_model=True)
def gain_rvs(c: Context, number: int) -> Plan:
    """Channel-wise gain on top of variance scaling, fewer flags than channels.

    Channels without a flag in the stream count as not flagged. The product of both factors is rounded once;
    its logarithm and its inverse come from tables.
    """
    parts = (Part(rvs=True, gains="random", channels=120), Part(rvs=True, gains="random", channels=90))
    return Plan(size=(80, 80), model=number, parts=parts)


@recipe("must-decode", variants=MODELS, exact_model=True)
def lsbs(c: Context, number: int) -> Plan:
    """Latent scaling of one model, before synthesis.

    It reads the mean and the residual, and the segment of the block's mean scale. The context model never
    sees scaled latents: if `y_hat` differs, it did. The result is clipped to what the model can hold.
    """
    return Plan(size=(97, 145), model=number, parts=both(lsbs=True, beta=150))


@recipe("must-decode", variants={"luma": (True, False), "chroma": (False, True)})
def lsbs_of(c: Context, on: tuple[bool, bool]) -> Plan:
    """Latent scaling of one component alone.

    Chroma's synthesis reads both latents, luma's scaled one among them.
    """
    return Plan(model=1, parts=(Part(lsbs=on[0]), Part(lsbs=on[1])))


@recipe("must-decode")
def saturated(c: Context) -> Plan:
    """Latent scaling where latents are at the ends of 16 bits.

    If a latent changes its sign, the sum wrapped around before it was clipped.
    """
    return Plan(model=0, symbols=draw.ends_of_values, parts=both(lsbs=True, cubes=0, rvs=True, gains=1))


@recipe("must-decode", variants={"1": 1, "16": 16})
def everything(c: Context, threads: int) -> Plan:
    """All tools of the entropy stage at once, several regions, a quality map.

    If this fails and every tool alone does not, two of them are applied in the wrong order: the residual is
    divided by gain, quality map and variance scaling; the scale has gain, displacement and quality map for
    the skip threshold, and variance scaling on top for coding.
    """
    part = {"threads": threads, "cubes": "random", "rvs": True, "gains": "random", "lsbs": True}
    return Plan(
        size=(280, 80), model=1, threads_z=threads, threads_q=threads, regions=(2, 1), quality=draw.rough,
        parts=(Part(channels=150, beta=-500, **part), Part(channels=90, beta=-700, **part)),
    )  # fmt: skip
