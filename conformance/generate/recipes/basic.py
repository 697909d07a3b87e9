"""Sizes, models, operating points, threads: what every decoder meets first."""

from __future__ import annotations

from conformance.generate.build import Context
from conformance.generate.plan import Part, Plan, both
from conformance.generate.registry import recipe

THREADS = {str(n): n for n in (2, 4, 8, 16)}


@recipe("must-decode")
def smallest(c: Context) -> Plan:
    """The smallest picture: one hyper-latent, four by four latents, no tool, one thread everywhere.

    If this fails, begin with the first tensor of the trace that differs; nothing else is worth a look.
    """
    return Plan()


@recipe("must-decode", variants={str(m): m for m in range(4)}, exact_model=True)
def model(c: Context, number: int) -> Plan:
    """One rate point of the model set.

    If one of the four fails and the others do not, its model files were read wrongly, or a table with a row
    for each model (variance scaling, latent scaling) is out of step. Model 1 of a synthetic set has a hyper
    scale decoder of the standard's full width.
    """
    return Plan(size=(64, 80), model=number, parts=both(lsbs=True, rvs=True))


@recipe("must-decode", variants={p: p for p in ("sop", "bop", "hop")})
def operating_point(c: Context, point: str) -> Plan:
    """The operating point that the header lists first, odd in size.

    If it fails behind `y_hat`, the synthesis transform of this point is wrong: see which `synthesis` node is
    the first to differ. Convolutions with a hole at the lower right, gates (sop), transposed convolutions,
    strides, tables (bop), layer normalisation and channel attention (hop) are each in one of them.
    """
    return Plan(size=(84, 99), model=2, point=point, threads_z=2, parts=both(threads=2))


@recipe("must-decode", variants={"sop": ("bop", "sop"), "bop": ("sop", "bop")})
def alternative(c: Context, points: tuple[str, str]) -> Plan:
    """An operating point that the header lists, but not first: the decoder is told which one to take.

    If the picture is that of the default, the choice was ignored.
    """
    return Plan(model=0, point=points[0], decode_at=points[1])


@recipe(
    "must-decode",
    variants={f"{h}x{w}": (h, w) for h, w in ((65, 64), (64, 65), (79, 81), (127, 66), (129, 97), (96, 145))},
)
def size(c: Context, size: tuple[int, int]) -> Plan:
    """A size that is no multiple of 64: latents, hyper-latents and picture are cut.

    Sizes one above a multiple leave one row or column of everything; odd latents leave a phase of the context
    model without its last row or column, where it is computed all the same. A failure in `psi`, `mu` or
    `y_hat` at the last row or column means that something was cut too early, or padded where it should be
    cut.
    """
    return Plan(size=size, model=1, parts=both(lsbs=True))


@recipe("must-decode", variants=THREADS)
def threads(c: Context, count: int) -> Plan:
    """Several threads in the hyper-latent's payload and in both residuals.

    One thread has two states that take turns, several have one each, and positions go to the threads in
    turns; groups of four positions of a thread put their escapes behind their symbols. A failure in
    `residual` with the first positions right means wrong groups; all positions wrong, wrong thread sizes.
    """
    return Plan(size=(64, 96), model=3, threads_z=count, parts=both(threads=count))


@recipe("must-decode", variants={"1-16": (1, 16), "16-1": (16, 1), "4-2": (4, 2)})
def threads_differ(c: Context, counts: tuple[int, int]) -> Plan:
    """Another number of threads in luma than in chroma.

    If chroma fails, it was decoded with luma's number of threads.
    """
    return Plan(model=2, threads_z=8, parts=(Part(threads=counts[0]), Part(threads=counts[1])))


@recipe("must-decode")
def threads_idle(c: Context) -> Plan:
    """Sixteen threads where most have hardly anything to code.

    Threads without a symbol still hold a state and a terminator. If this fails, an empty thread was taken for
    a damaged one, or its size was computed from the mean without the rest.
    """
    few = both(threads=16, beta=-1500)
    return Plan(model=0, threads_z=16, parts=few)


@recipe("must-decode", variants={"row": (64, 208), "column": (272, 64)})
def narrow(c: Context, size: tuple[int, int]) -> Plan:
    """A picture one hyper-latent high or wide: every filter sees the border on both sides.

    If only this fails, borders are padded wrongly on the short axis.
    """
    return Plan(size=size, model=0, threads_z=2, parts=both(threads=4))


LEVELS = {f"{level}-{m}": (level, m) for level, m in ((10, 2), (50, 2), (31, 2), (41, 3), (22, 0), (12, 1))}


def _claimed(c: Context, level: int) -> bool:
    """Whether a decoder of the suite's level decodes streams of another."""
    return level // 10 <= c.level // 10 and level % 10 <= c.level % 10


@recipe("must-decode", variants=LEVELS)
def level(c: Context, case: tuple[int, int]) -> Plan:
    """A stream that claims a lower level, with a rate point that this level has.

    The first digit of a level limits the size of the picture, the second one the rate points: 0 has rate
    point 2 alone, 1 has 2 and 3. If one of them is refused, the digits were exchanged, or the list is wrong.
    """
    claimed, model = case
    return Plan(model=model, header={"level_idc": claimed} if _claimed(c, claimed) else {})
