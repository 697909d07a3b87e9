"""Evidence of several machines side by side, and where they first part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from conformance.evidence.collect import STAGES
from conformance.evidence.record import Evidence


@dataclass(frozen=True)
class Difference:
    """The first stage, in decoding order, of the first stream on which two machines do not agree."""

    stage: str
    suite: str
    stream: str
    left: str
    right: str

    def __str__(self) -> str:
        return f"{self.stage} of {self.suite}/{self.stream}: {self.left or 'none'} and {self.right or 'none'}"


@dataclass(frozen=True)
class Comparison:
    """One machine against the first one.

    :param streams: how many streams both have run.
    :param only_one: how many only one of them has run; these decide nothing, and are shown.
    :param obstacles: why what both ran is not the same: other suites, nothing in common.
    :param notes: what differs and should not decide: the program's version.
    """

    streams: int
    only_one: int
    difference: Difference | None
    differing: int
    obstacles: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether every digest that both have is the same, and there are some."""
        return self.difference is None and not self.obstacles


def compare(left: Evidence, right: Evidence) -> Comparison:
    """All streams that both ran, stage by stage."""
    obstacles = [
        f"not the same suite: {name}"
        for name in sorted(left.suites.keys() & right.suites.keys())
        if left.suites[name] != right.suites[name]
    ]
    common = [key for key in left.streams if key in right.streams]
    if not common:
        obstacles.append("no stream in common")
    notes = () if left.sources == right.sources else ("the program or its models are of another version",)
    differences = [d for key in common if (d := _first(key, left, right)) is not None]
    first = min(differences, key=lambda d: STAGES.index(d.stage), default=None)
    only_one = len(left.streams.keys() ^ right.streams.keys())
    return Comparison(len(common), only_one, first, len(differences), tuple(obstacles), notes)


def _first(key: tuple[str, str], left: Evidence, right: Evidence) -> Difference | None:
    a, b = left.streams[key], right.streams[key]
    for stage in STAGES:
        if a.get(stage, "") != b.get(stage, ""):
            return Difference(stage, *key, a.get(stage, ""), b.get(stage, ""))
    return None


def rows(evidence: Sequence[Evidence], comparisons: Sequence[Comparison | None]) -> list[dict[str, str]]:
    """A table: machine, what ran, and the verdict against the first machine."""
    out = []
    for e, c in zip(evidence, comparisons, strict=True):
        verdict = "the first" if c is None else "equal" if c.equal else "DIFFERENT"
        if c is not None and c.difference is not None:
            verdict += f": {c.differing} of {c.streams} streams, first {c.difference}"
        if c is not None and c.only_one:
            verdict += f"; {c.streams} streams compared, {c.only_one} ran on one of the two machines only"
        if c is not None and c.obstacles:
            verdict = f"NOT COMPARABLE: {'; '.join(c.obstacles)}"
        if e.disagreeing:
            verdict += f"; {len(e.disagreeing)} streams are not what the suite states"
        out.append(
            {
                "target": e.target,
                "execution": str(e.execution["kind"]),
                "processor": f"{e.machine['architecture']} ({e.machine['cpu']})",
                "byte order, bits": f"{e.machine['byte_order']}, {e.machine['pointer_bits']}",
                "engine": engine_text(e),
                "software": ", ".join(f"{name} {v}" for name, v in e.software.items() if v is not None),
                "streams": str(len(e.streams)),
                "seconds": f"{e.seconds:.0f}",
                "verdict": verdict,
            }
        )
    return out


def engine_text(e: Evidence) -> str:
    """The engine in words."""
    name = str(e.engine["asked"])
    if name == "jit":
        return (
            "jit, Python integers"
            if e.engine["compiled"] is False
            else f"jit, {e.engine['threads']} thread(s)"
        )
    if name == "twin":
        words = ("precision", "layout", "threads", "device")
        precision, layout, threads, device = (e.engine[word] for word in words)
        return f"twin, {precision}, {layout}, {threads} thread(s), {device}"
    return name
