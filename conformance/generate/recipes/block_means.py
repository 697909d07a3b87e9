"""Block means at the bounds of the segments of variance and latent scaling: displacements found by search."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from conformance.generate.build import Builder, Context
from conformance.generate.plan import Part, Plan
from conformance.generate.registry import recipe
from refdec.entropy.golden.scales import BLOCK
from refdec.entropy.tables import LIKELY_PAD, parameters

DISPLACEMENTS = range(-1100, 1401)
SIZE = (145, 193)


@dataclass(frozen=True)
class Tool:
    """What reads the means.

    :param decisions: of both components. :param lsbs: it is latent scaling, whose bounds are others.
    """

    decisions: dict[str, Any]
    lsbs: bool = False


TOOLS = {
    "rvs": Tool({"rvs": True}),
    "gain": Tool({"gains": "random"}),
    "both": Tool({"rvs": True, "gains": "random"}),
    "lsbs": Tool({"lsbs": True}, lsbs=True),
}


def sums(log_skip: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """64 times the mean of every block of ``[C, h, w]``, and how many of its 64 positions move with the
    displacement: int64 ``[2, blocks]``."""
    channels, height, width = log_skip.shape
    rows, columns = -(-height // BLOCK), -(-width // BLOCK)
    padded = np.full((channels, rows * BLOCK, columns * BLOCK), LIKELY_PAD, np.int64)
    inside = np.zeros(padded.shape, np.int64)
    padded[:, :height, :width], inside[:, :height, :width] = log_skip, 1
    shape = (channels, rows, BLOCK, columns, BLOCK)
    both = [values.reshape(shape).sum(axis=(2, 4)).reshape(-1) for values in (padded, inside)]
    return np.stack(both)


def displacement(log_skip: npt.NDArray[np.int32], bounds: list[int]) -> int:
    """The displacement with which most of what can go wrong at a bound is there: a mean at the bound, one
    above it, one half-way between."""
    total, moving = sums(log_skip)
    best, chosen = -1, 0
    for beta in sorted(DISPLACEMENTS, key=lambda beta: (abs(beta), beta)):
        at = total + beta * moving
        means = (at + BLOCK * BLOCK // 2) >> 6
        found = sum(
            bool(np.any(means == bound)) + bool(np.any(means == bound + 1)) for bound in bounds
        ) + sum(2 * bool(np.any(at == 64 * bound + 32)) for bound in bounds if bound % 2 == 0)
        if found > best:
            best, chosen = found, beta
    return chosen


CASES = {f"{name}-{m}": (tool, m) for name, tool in TOOLS.items() for m in range(4)}


@recipe("must-decode", variants=CASES, exact_model=True)
def block_means(c: Context, case: tuple[Tool, int]) -> Plan:
    """Means of blocks that lie exactly at a bound between two segments, one above it, and half-way between.

    The rate displacement is chosen by search so that as many of them as possible occur. A mean is rounded,
    halves up; a segment begins above its bound. If single blocks of `log_sigma` or of the dequantised
    residual differ, one of the two was done otherwise, or an entry of the table of bounds is wrong.
    """
    tool, model = case

    def refine(builder: Builder) -> Plan:
        tables = parameters()
        bounds = (tables["lsbs_bounds"] if tool.lsbs else tables["scaling_bounds"][model]).tolist()
        # No displacement serves all three bounds: luma has the lower two, chroma the last.
        betas = [
            displacement(builder.scales(k, builder.hyper_latents[k]).log_skip, part)
            for k, part in enumerate((bounds[:2], bounds[-1:]))
        ]
        parts = (Part(**tool.decisions, beta=betas[0]), Part(**tool.decisions, beta=betas[1]))
        return replace(builder.plan, parts=parts)

    parts = (Part(**tool.decisions), Part(**tool.decisions))
    return Plan(size=SIZE, model=model, parts=parts, refine=refine)
