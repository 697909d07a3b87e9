"""What a decoder may refuse: the draft's dialect, and oddities that a strict reader does not accept."""

from __future__ import annotations

from conformance.generate import draw
from conformance.generate.build import Context
from conformance.generate.plan import Part, Plan, both
from conformance.generate.registry import recipe
from refdec.codestream import Dialect


@recipe("may-reject")
def draft(c: Context) -> Plan:
    """The draft's header, which has no stream profile.

    A decoder that knows the draft is told so. One that does not must say that it cannot read the stream.
    """
    return Plan(size=(65, 80), model=3, dialect=Dialect.DIS, parts=both(rvs=True, lsbs=True))


@recipe("may-reject")
def draft_map(c: Context) -> Plan:
    """The draft's header with a quality map in several threads."""
    return Plan(size=(80, 96), model=2, dialect=Dialect.DIS, quality=draw.even, threads_q=4, threads_z=4)


@recipe("may-reject")
def draft_level(c: Context) -> Plan:
    """The draft's header with a level of the one rate point that the draft has there.

    It is another one than in the published standard: 3, not 2.
    """
    header = {"level_idc": 10 * (c.level // 10)}
    return Plan(size=(64, 72), model=3, dialect=Dialect.DIS, header=header)


@recipe("may-reject", variants={"dependent": False, "independent": True})
def draft_regions(c: Context, independent: bool) -> Plan:
    """The draft's header with more regions than the published standard allows in a small picture."""
    return Plan(
        size=(272, 144), model=1, dialect=Dialect.DIS, regions=(2, 2), independent=independent,
        parts=both(beta=-1000),
    )  # fmt: skip


@recipe("may-reject")
def too_many_channels(c: Context) -> Plan:
    """A count of channels above what the components have, which means all of them.

    The field has eight bits. The reference decoder clamps it; a strict one may refuse it.
    """
    parts = (Part(channels=255, gains="random"), Part(channels=255))
    return Plan(size=(64, 80), model=1, parts=parts, strict=False)
