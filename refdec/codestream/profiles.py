"""What the signalled profile and level permit."""

from __future__ import annotations

from refdec.codestream.syntax import Dialect

SIMPLE, BASE, HIGH = 0, 1, 2
SOP, BOP, HOP = 0, 1, 2

PROFILE_NAMES = {
    Dialect.T840: ("simple", "base", "high"),
    Dialect.DIS: ("simple", "main", "high"),
}
TRANSFORM_NAMES = ("SOP", "BOP", "HOP")

PROFILE_TRANSFORMS: dict[int, tuple[int, ...]] = {SIMPLE: (SOP,), BASE: (SOP, BOP), HIGH: (SOP, BOP, HOP)}
"""Default synthesis transforms that a profile permits (CS-PRO-02)."""

LEVEL_AREAS = {1: 6_220_800, 2: 24_883_200, 3: 99_532_800, 4: 149_817_600, 5: 398_131_200}
"""Largest number of coded luma samples by the level's first digit (CS-LVL-02)."""

LEVEL_MODELS: dict[Dialect, dict[int, tuple[int, ...]]] = {
    Dialect.T840: {0: (2,), 1: (2, 3), 2: (0, 1, 2, 3)},
    Dialect.DIS: {0: (3,), 1: (2, 3), 2: (0, 1, 2, 3)},
}
"""Models by the level's second digit (CS-LVL-03)."""

LEVELS = tuple(10 * a + b for a in LEVEL_AREAS for b in (0, 1, 2))
"""Every level that exists (CS-LVL-01)."""


def level_area(level_idc: int) -> int | None:
    """Largest area of a level, ``None`` where there is no such level."""
    return LEVEL_AREAS.get(level_idc // 10)


def level_models(level_idc: int, dialect: Dialect) -> tuple[int, ...]:
    """Models of a level; all four where there is no such level."""
    return LEVEL_MODELS[dialect].get(level_idc % 10, (0, 1, 2, 3))
