"""Good streams from which bad ones are made: each built once in a process."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from conformance.generate import draw
from conformance.generate.build import Context
from conformance.generate.fields import RENDERING, planar
from conformance.generate.filters import EVERY_FILTER, efe_nonlinear
from conformance.generate.plan import Base, Part, Plan, both
from refdec.codestream import Codestream, Marker, Substream, parse
from refdec.codestream.container import join

FIXED: dict[str, Any] = {
    "decoder_profile_id": 0,
    "level_idc": 52,
    "synthesis_transform_id": (0,),
    "num_synthesis_transforms_minus1": 0,
}
"""What these streams claim, whatever the suite is made for: decoders of every profile meet them."""

SMALL_RESIDUAL = both(threads=1, channels=8, cubes=0)
PLANS: dict[str, Plan] = {
    "plain": Plan(header=FIXED, rendering=RENDERING),
    "threads": Plan(
        size=(64, 80), model=3, header=FIXED, threads_z=16, threads_q=16, quality=draw.noise,
        parts=both(threads=16, beta=-100),
    ),
    "regions": Plan(
        size=(264, 64), header=FIXED, regions=(2, 1), tiling=(96, 32), quality=draw.even, threads_q=2,
        parts=(
            Part(threads=2, cubes="random", gains="random", rvs=True, beta=-900),
            Part(threads=4, cubes="random", gains="random", channels=40, beta=-800),
        ),
    ),
    "independent": Plan(
        size=(264, 64), model=1, header=FIXED, regions=(2, 1), independent=True, tiling=(64, 32),
        parts=both(threads=2, beta=-900),
    ),
    "level-50": Plan(model=2, header={**FIXED, "level_idc": 50}),
    "wide": Plan(size=(64, 4096), model=3, header={**FIXED, "level_idc": 12}),
    "source-420": Plan(header={**FIXED, **planar("420", "420")}),
    "source-422": Plan(header={**FIXED, **planar("422", "422")}),
    "coded-420": Plan(header={**FIXED, **planar("444", "420")}),
    "mask": Plan(model=1, header=FIXED, tools_drawn=efe_nonlinear(masks=(0, 1))),
    "tools": Plan(model=2, header=FIXED, tools_drawn=EVERY_FILTER),
    "few": Plan(model=0, header=FIXED, parts=SMALL_RESIDUAL),
}  # fmt: skip


@dataclass
class Good:
    """A good stream, parsed.

    :param name: key of :data:`PLANS`.
    """

    base: Base

    @cached_property
    def stream(self) -> Codestream:
        """Headers and substreams."""
        return parse(self.data, self.base.plan.dialect)

    @property
    def data(self) -> bytes:
        """The codestream."""
        return self.base.data

    def one(self, marker: Marker) -> Substream:
        """The first substream with a marker."""
        return self.stream.substreams_of(marker)[0]

    def end(self, part: Substream) -> int:
        """Byte offset behind a substream."""
        return part.payload_offset + len(part.payload)

    def with_payloads(self, payloads: dict[Marker, bytes | None]) -> bytes:
        """The stream with other payloads; ``None`` leaves a substream out."""
        parts = ((s.marker, payloads.get(s.marker, s.payload)) for s in self.stream.substreams)
        return join((marker, payload) for marker, payload in parts if payload is not None)


_KNOWN: dict[tuple[object, ...], Good] = {}


def good(context: Context, name: str) -> Good:
    """A base stream by name; the context keeps its own name."""
    key = (context.seed, id(context.models), name)
    if key not in _KNOWN:
        own = replace(context, name=f"base {name}")
        plan = PLANS[name]
        _KNOWN[key] = Good(Base(plan, own.build(plan)))
    return _KNOWN[key]
