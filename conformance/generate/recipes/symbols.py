"""Hyper-latents and residuals at the ends of what they can be."""

from __future__ import annotations

from conformance.generate import draw
from conformance.generate.build import Context
from conformance.generate.plan import DrawSymbols, DrawZ, Part, Plan, both
from conformance.generate.registry import recipe


@recipe(
    "must-decode",
    variants={
        "any": draw.any_z,
        "ends": draw.end_z,
        "zero": draw.constant_z(0),
        "highest": draw.constant_z(31),
        "lowest": draw.constant_z(-31),
    },
)
def z(c: Context, pick: DrawZ) -> Plan:
    """Hyper-latents that no encoder would choose.

    Values whose probability was rounded to nothing are coded as an escape with six bits behind it. If `any`
    fails and `zero` does not, these are read at the wrong place: behind all symbols of their group of four.
    At the ends, the hyper scale decoder saturates.
    """
    return Plan(size=(80, 144), model=1, threads_z=2, z=pick, parts=both(threads=2))


@recipe("must-decode", variants={str(n): n for n in (1, 2, 4, 16)})
def escapes(c: Context, threads: int) -> Plan:
    """Two of five symbols lie beyond their table, up to the ends of 16 bits.

    An escape has a flag, then 3 or 16 bits, and these stand behind the symbols of the whole group of four. If
    symbols that follow an escape are wrong, groups were formed wrongly: positions that are not coded belong
    to a group all the same, and what is left at the end stands alone. If only magnitudes are wrong, the flag
    or the sign bit was read the other way round.
    """
    return Plan(model=3, symbols=draw.escapes(100), parts=both(threads=threads, beta=-300))


@recipe("must-decode", variants={str(n): n for n in (1, 4)})
def escapes_long(c: Context, threads: int) -> Plan:
    """Every escape has 16 bits behind its flag, small codes as well, which need 3.

    An encoder would not write it; the flag alone says how many bits follow. If symbols behind an escape are
    wrong, the number of bits was taken from the value.
    """
    return Plan(model=3, symbols=draw.escapes(100), long_escapes=True, parts=both(threads=threads, beta=-300))


@recipe("must-decode", variants={"bounds": draw.ends_of_bounds, "values": draw.ends_of_values})
def ends(c: Context, pick: DrawSymbols) -> Plan:
    """Every symbol at an end: of its table (`bounds`), or of 16 bits (`values`).

    With `values`, residuals, latents and most layers saturate on both sides. If `residual` is right and a
    later tensor is not, something wrapped around, or saturated at -32768 instead of -32767.
    """
    return Plan(model=2, symbols=pick, parts=both(threads=2, cubes=0))


@recipe("must-decode")
def zeros(c: Context) -> Plan:
    """All residuals are zero, although they are coded.

    The picture is what the context model predicts from itself.
    """
    return Plan(model=1, symbols=draw.no_symbols, parts=both(cubes=0))


@recipe("must-decode", variants={"1": 1, "2": 2, "4": 4, "8": 8, "16": 16})
def states(c: Context, threads: int) -> Plan:
    """Symbols that lead the entropy coder through as many of its 32 x 256 states as fit.

    All positions are coded (cube flags of 0), so that levels below the skip threshold occur as well. If
    single symbols are wrong, an entry of a decoding table is; the level and the state of the first wrong
    symbol say which.
    """
    return Plan(
        size=(128, 112), model=threads.bit_length() % 4, symbols=draw.all_states,
        parts=(Part(threads=threads, cubes=0, beta=-250), Part(threads=threads, cubes=0, beta=250)),
    )  # fmt: skip


@recipe(
    "must-decode",
    variants={
        "lowest": (-2048, -2048),
        "highest": (2047, 2047),
        "luma-high": (2047, -2048),
        "chroma-high": (-2048, 2047),
        "encoder-lowest": (-1069, -1069),
        "encoder-highest": (702, 702),
    },
)
def displacement(c: Context, betas: tuple[int, int]) -> Plan:
    """The rate displacement at an end of its field, or of what the reference encoder writes.

    It moves the scales of all channels, and divides the residuals. Where luma and chroma differ, chroma has a
    field of its own. If a scale is negative or beyond the table, it is the level that is clipped, not the
    scale.
    """
    return Plan(
        size=(64, 80), model=0, parts=(Part(beta=betas[0]), Part(beta=betas[1])), symbols=draw.escapes(16)
    )


@recipe("must-decode")
def skipped(c: Context) -> Plan:
    """Nearly nothing is coded: the scales are below the threshold nearly everywhere.

    Payloads hold states and terminators and little else; skipped positions count for the turn of the two
    states.
    """
    return Plan(size=(64, 128), model=2, parts=both(beta=-1300))


CHANNELS = {
    "0-0": (0, 0),
    "0-1": (0, 1),
    "1-0": (1, 0),
    "15-17": (15, 17),
    "159-95": (159, 95),
}


@recipe("must-decode", variants=CHANNELS)
def channels(c: Context, counts: tuple[int, int]) -> Plan:
    """Fewer residual channels than latent channels.

    Channels that are not there have residual 0 whatever the skip mask says, and no gain flag. If the
    hyper-latent or the scales differ, they were cut to this count as well.
    """
    luma = Part(channels=counts[0], gains="random", cubes="random")
    chroma = Part(channels=counts[1], threads=2, rvs=True)
    return Plan(size=(64, 80), model=1, parts=(luma, chroma))


@recipe("must-decode", variants={str(n): n for n in (0, 1, 5, 16, 100)})
def progressive(c: Context, keep: int) -> Plan:
    """The decoder keeps the first channels of the residual alone: it is told how many.

    What is kept is exactly what a full decode has there. The border falls into groups of four positions, and
    their escapes stand behind the whole group: a decoder that stops too early, or starts a call of its own
    for the part that is kept, gets other symbols at the border.
    """
    return Plan(
        size=(80, 112), model=0, keep=keep, symbols=draw.escapes(60),
        parts=(Part(threads=4, channels=48), Part(threads=8)),
    )  # fmt: skip
