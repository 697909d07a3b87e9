"""Every point that there is: what a suite can exercise, in groups, and what no legal stream can reach."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache

from conformance.coverage.headers import branches
from conformance.coverage.observed import OBSERVED
from conformance.coverage.statements import (
    REFUSALS,
    REFUSING,
    STATEMENTS,
    defined,
    described,
    places,
)
from conformance.coverage.unreachable import UNREACHABLE
from refdec.entropy.tables import DISTRIBUTIONS, QUALITY_MAX, SCALE_INDEX_MAX, SCALE_INDEX_MIN, STATES
from refdec.integer.nodes import OPS

TITLES: Mapping[str, str] = {
    STATEMENTS: "Statements of docs/",
    "refusals": "Places that refuse a stream",
    "error-classes": "Error classes",
    "headers": "Header branches",
    "tans-states": "States of the 32 distributions",
    "z-states": "States of the hyper-latent coder",
    "escapes": "Escapes",
    "quality-map": "Quality map",
    "table-entries": "Segments of variance and latent scaling",
    "scaler-entries": "Entries of the gain table",
    "phases": "Phases without a context model",
    "efe-mask": "Masks of EFE non-linear",
    "saturation": "Clips, each side",
}
"""Groups in the order of a report."""
GENERIC = {"BitstreamError"}
CLIPS = (
    "level (AR-LOG-05)",
    "likely value (AR-RVS-01)",
    "dequantised residual (AR-DEQ-03)",
    "scaled latent (AR-LSBS-02)",
    "residual on the latent's scale (AR-LAT-01)",
    "scaled latent (AR-LAT-05)",
    *(f"sample of {depth} bits, {f} fraction bits (AR-PIC-08)" for depth in (8, 10) for f in (8, 24, 16, 32)),
    "EFE linear (AR-EFL-08)",
    "EFE non-linear (AR-EFN-06)",
    "sharpened luma (AR-LEF-04)",
    "band of eICCI (AR-ICC-05)",
    "chroma made larger (AR-ICC-01)",
    "corrected plane (AR-ICC-06)",
    "filtered plane (AR-ICC-07)",
)


@cache
def universe() -> Mapping[str, tuple[str, ...]]:
    """Points by group."""
    carried = {place.point for place in places() if place.group in (STATEMENTS, REFUSING)}
    return {
        STATEMENTS: tuple(sorted(carried | described() | set(OBSERVED) | set(defined()))),
        "refusals": tuple(sorted(place.point for place in places() if place.group == "refusals")),
        "error-classes": tuple(sorted(REFUSALS - GENERIC)),
        "headers": tuple(branches()),
        "tans-states": tuple(f"{d}[{state}]" for d in range(DISTRIBUTIONS) for state in range(STATES)),
        "z-states": tuple(f"any channel[{state}]" for state in range(STATES)),
        "escapes": (
            *(f"3 bits, code {code}" for code in range(8)),
            "16 bits for a code below 8",
            "16 bits, positive",
            "16 bits, negative",
            "z, 6 bits",
        ),
        "quality-map": (
            *(f"index {q}" for q in range(-QUALITY_MAX, QUALITY_MAX + 1)),
            *(
                f"prediction in the {y} row, {x} column"
                for y in ("first", "later")
                for x in ("first", "later")
            ),
            *(f"half of a negative odd sum, rounding {rounding}" for rounding in ("floor", "truncate")),
        ),
        "table-entries": tuple(_table_entries()),
        "scaler-entries": tuple(f"L = {index}" for index in range(SCALE_INDEX_MIN, SCALE_INDEX_MAX + 1)),
        "phases": tuple(f"mean of phase {phase} without context" for phase in range(4)),
        "efe-mask": tuple(f"halves of the alternative picture: {halves}" for halves in range(3)),
        "saturation": tuple(
            f"{what} {side}"
            for what in (*(op for op, spec in OPS.items() if spec.clips), *CLIPS)
            for side in ("low", "high")
        ),
    }


def _table_entries() -> Iterator[str]:
    for model in range(4):
        yield from (f"RVS, model {model}, segment {segment}" for segment in range(4))
    for rvs in ("no", "with"):
        yield from (f"GRFS, {rvs} RVS, flag {flag}" for flag in (0, 1))
    for model in range(4):
        yield from (f"LSBS, model {model}, segment {segment}" for segment in range(3))


@cache
def reason(group: str, point: str) -> str | None:
    """Why no legal stream reaches a point, ``None`` where nothing is known that keeps one from it."""
    for pattern_group, pattern, text in UNREACHABLE:
        if pattern_group == group and re.fullmatch(pattern, point):
            return text
    return None
