"""Marker segments: what may be there, in which order, and what is ignored."""

from __future__ import annotations

from conformance.generate.build import Context
from conformance.generate.fields import RENDERING
from conformance.generate.plan import Plan, both
from conformance.generate.registry import recipe


@recipe("must-decode")
def bare(c: Context) -> Plan:
    """No tool header, no rendering information, substreams in reverse order.

    Only the picture header has a fixed place. Without a tool header all its tools are off.
    """
    return Plan(size=(64, 80), model=2, bare=True, threads_z=2, parts=both(threads=4))


@recipe("must-decode")
def rendering(c: Context) -> Plan:
    """Rendering information with every part that it can have.

    It describes, and changes nothing that is decoded.
    """
    return Plan(model=1, rendering=RENDERING)


@recipe("must-decode")
def user_data(c: Context) -> Plan:
    """User data: empty, something that looks like markers, and enough to need a long size.

    The bytes of a payload are never searched for markers.
    """
    looks = b"\xff\x81\xff\x82\xff\x80\x00"
    return Plan(model=0, user_data=(b"", looks, bytes(range(256)) * 2))


@recipe("must-decode", variants={"1": (0,), "2": (0, 1), "16": (0, *[1] * 15)})
def transforms(c: Context, listed: tuple[int, ...]) -> Plan:
    """Synthesis transforms as the header lists them: one, two, or as many as fit.

    The first is the default. A decoder may take another one that is listed; it is not asked to.
    """
    fields = {"synthesis_transform_id": listed, "num_synthesis_transforms_minus1": len(listed) - 1}
    return Plan(model=3, point="sop", header=fields)
