"""Streams of the second synthetic model set: the whole table of gains, sums above 2^24, sharp attention."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from conformance.generate import draw, filters
from conformance.generate.build import Context
from conformance.generate.fields import planar
from conformance.generate.other_models import Z
from conformance.generate.plan import DrawSymbols, Int32, Part, Plan, UInt8, both
from conformance.generate.registry import recipe
from conformance.verify.synthetic import Splitmix
from refdec.codestream.profiles import HIGH, HOP
from refdec.entropy.golden.scales import LOG_MAX, LOG_MIN

LUMA_STEPS, CHROMA_STEPS = 26, 44
"""Displacements with which all channels of a component go through every entry of half of the table."""
SWEEP = {f"{n:02d}": n for n in range(CHROMA_STEPS)}


@recipe("must-decode", variants=SWEEP, others=True)
def gain_table(c: Context, step: int) -> Plan:
    """Gains and displacements that together read every entry of the table of multipliers.

    The series reads the lower half of it with luma and the upper half with chroma, a hundred and more entries
    a stream, each with a large residual of its own. If one channel of `residual_dequantised` differs, the
    entry of its gain plus the displacement is wrong.
    """
    luma = LOG_MIN + step if step < LUMA_STEPS else LOG_MIN + LUMA_STEPS + (step - LUMA_STEPS) * 113
    parts = (Part(beta=luma, cubes=0), Part(beta=LOG_MAX - step, cubes=0))
    return Plan(point="sop", parts=parts, symbols=one_of_each)


def one_of_each(random: Splitmix, levels: UInt8, mask: npt.NDArray[np.bool_], threads: int) -> Int32:
    """One residual in every channel, of both signs and from small to the ends of 16 bits."""
    channels, rows, columns = levels.shape
    out = np.zeros((channels, rows * columns), np.int32)
    place = random.integers(0, rows * columns - 1, (channels,))
    size = random.integers(1 << 14, 32767, (channels,)) >> random.integers(0, 6, (channels,))
    out[np.arange(channels), place] = size * (1 - 2 * random.integers(0, 1, (channels,)))
    return out.reshape(levels.shape)


@recipe("must-decode", others=True)
def scale_sums(c: Context) -> Plan:
    """Sums of the hyper scale decoder of 2^24 and more, each one below a multiple of what it is divided by.

    All hyper-latents are alike. A decoder that adds up in 32-bit floats rounds such a sum up to the multiple:
    `log_sigma_raw` differs by steps of whole levels.
    """
    return Plan(size=(129, 130), point="sop", z=draw.constant_z(Z), parts=both(beta=-400))


DRAWS: dict[str, DrawSymbols] = {"model": draw.model_symbols, "escapes": draw.escapes(60)}


@recipe("must-decode", variants=DRAWS, others=True)
def channels_alone(c: Context, symbols: DrawSymbols) -> Plan:
    """Convolutions of single channels, and clips that differ from channel to channel.

    If the first channel alone is right, its weights or bounds were taken for all.
    """
    return Plan(size=(80, 96), point="sop", symbols=symbols, parts=both(cubes=0))


@recipe("must-decode", variants=DRAWS, others=True)
def fused(c: Context, symbols: DrawSymbols) -> Plan:
    """Layers that a fast engine makes one: a clip behind a sum, all phases of a last transposed convolution.

    Its attention has weights that no latent changes, one each at the edge of a rounding: if `synthesis.pairs`
    is wrong by one here and there, a power of two was rounded instead of floored. If only the picture is
    wrong, and no layer where each is kept, two layers were joined in a wrong way.
    """
    return Plan(size=(80, 112), point="bop", symbols=symbols, tiling=(64, 0), parts=both(cubes=0))


@recipe("must-decode", variants=DRAWS, others=True)
def attention(c: Context, symbols: DrawSymbols) -> Plan:
    """Attention in which most weights are 0 or nearly 1, and attention of 64 channels alike.

    A weight has 15 bits of a fraction and ends at 32767. Distances of half a step are rounded up. If single
    positions differ by one, the powers of two or a weight were rounded in another way.
    """
    return Plan(size=(160, 144), point="hop", symbols=symbols, tiling=(64, 0), parts=both(cubes=0))


@recipe("may-reject", variants=DRAWS, others=True)
def attention_above_profile(c: Context, symbols: DrawSymbols) -> Plan:
    """The same for a decoder of a lower profile, which may refuse it."""
    header = {
        "decoder_profile_id": HIGH,
        "synthesis_transform_id": (HOP,),
        "num_synthesis_transforms_minus1": 0,
    }
    return Plan(size=(144, 160), header=header, symbols=symbols, tiling=(64, 0), parts=both(cubes=0))


CORRECTIONS = {"fine": 0, "coarse": 1}


@recipe("must-decode", variants=CORRECTIONS, others=True)
def icci_unlike(c: Context, network: int) -> Plan:
    """eICCI with networks whose bands have bounds of their own, and whose corrections fractions of their own.

    If fine ones differ, all bands or corrections were treated like the first, or LEF behind them rounds its
    blurred luma: it has bits down to the sixteenth. Coarse ones lead out of 32 bits: a corrected sample is
    saturated there, and clipped to the range of samples in the end.
    """
    tools = {**filters.icci(networks=(network, network), tile=(2, 1)), "CS-TON-08": 1, "CS-TON-09": 80}
    return Plan(
        size=(96, 112), point="sop", header=planar("444", "444"), symbols=draw.escapes(60),
        parts=(Part(beta=900, cubes=0), Part(cubes=0)), tools_drawn=tools,
    )  # fmt: skip
