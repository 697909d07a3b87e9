"""Every clip of a decoder reached on both sides, and the operating point above the suite's profile."""

from __future__ import annotations

from conformance.generate import draw
from conformance.generate.build import Context
from conformance.generate.plan import Part, Plan, both
from conformance.generate.recipes.formats import chroma
from conformance.generate.registry import recipe
from refdec.codestream.profiles import HIGH, HOP

ENDS = {"lowest": -2048, "highest": 2047}


@recipe("must-decode", variants=ENDS)
def displaced_ends(c: Context, beta: int) -> Plan:
    """The largest residuals at an end of the rate displacement.

    At the lowest, dequantised residuals saturate at plus and minus 2^31 - 1: a product of 32 bits wraps. At
    the highest, they are next to nothing.
    """
    return Plan(size=(64, 64), model=2, symbols=draw.ends_of_values, parts=both(beta=beta, cubes=0))


@recipe("must-decode")
def scales_highest(c: Context) -> Plan:
    """Scales as large as they can be: the highest displacement, the highest quality index.

    Likely values of variance and latent scaling are clipped at 4351, levels at 31.
    """
    part = Part(beta=2047, rvs=True, lsbs=True, cubes=0)
    return Plan(size=(128, 128), model=1, z=draw.any_z, quality=draw.constant(8), parts=(part, part))


@recipe("must-decode")
def ten_bit_planes(c: Context) -> Plan:
    """Planes of ten bits without a colour conversion, chroma coded as 4:2:0 and shown as 4:4:4.

    Interpolated samples lie beyond both ends, and are clipped before they become ten bits.
    """
    header = {"bit_depth_idc": 1, "colour_transform_idx": 0, **chroma("444", "420")}
    return Plan(size=(66, 70), model=0, header=header, symbols=draw.escapes(40))


@recipe("may-reject", variants={str(m): m for m in range(4)}, exact_model=True)
def above_profile(c: Context, number: int) -> Plan:
    """A stream of the high profile: attention and normalisation over channels.

    A decoder of a lower profile must say that it cannot decode it.
    """
    if not all(c.models.has(number, "hop", k) for k in (0, 1)):
        return Plan(model=number, point="hop")
    header = {
        "decoder_profile_id": HIGH,
        "synthesis_transform_id": (HOP,),
        "num_synthesis_transforms_minus1": 0,
    }
    return Plan(size=(72, 88), model=number, header=header, symbols=draw.escapes(60), parts=both(cubes=0))
