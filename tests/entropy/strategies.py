"""Hypothesis strategies for payloads, for the tests of both engines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from refdec.entropy.interface import THREAD_COUNTS
from refdec.entropy.tables import coder_tables

threads = st.sampled_from(THREAD_COUNTS)
EDGES = np.array([-32768, -32767, 32767, 32766, 129, -129, 128, -128, 0])


@dataclass
class ResidualCall:
    levels: np.ndarray
    mask: np.ndarray
    values: np.ndarray
    """0 where nothing is coded."""


@st.composite
def residual_calls(draw: st.DrawFn, longest: int = 300) -> ResidualCall:
    """Short calls drawn value by value (they shrink well), or long ones from a seed."""
    if draw(st.booleans()):
        cells = draw(
            st.lists(
                st.tuples(st.integers(0, 31), st.booleans(), st.integers(-32768, 32767) | st.integers(-9, 9)),
                max_size=40,
            )
        )
        levels, mask, values = (np.array([cell[k] for cell in cells], int) for k in range(3))
        mask = mask.astype(bool)
    else:
        random = np.random.default_rng(draw(st.integers(0, 2**32)))
        length = draw(st.integers(0, longest))
        levels = random.integers(0, 32, length)
        if draw(st.booleans()):
            levels = np.full(length, draw(st.integers(0, 31)))
        mask = random.random(length) < draw(st.sampled_from((0.0, 0.02, 0.3, 0.8, 0.98, 1.0)))
        bounds = coder_tables().bounds.astype(int)[levels]
        values = np.rint(random.normal(0, 1, length) * bounds * draw(st.sampled_from((0.1, 0.5, 2)))).astype(
            int
        )
        edges = random.random(length) < draw(st.sampled_from((0.0, 0.02, 0.5)))
        values = np.where(edges, random.choice(EDGES, length), np.clip(values, -32768, 32767))
    return ResidualCall(levels.astype(np.uint8), mask, np.where(mask, values, 0).astype(np.int32))


@dataclass
class ZCase:
    cdfs: list[np.ndarray]
    zs: list[np.ndarray]


@st.composite
def z_cases(draw: st.DrawFn) -> ZCase:
    """Two components of few channels; distributions from flat to a single symbol of mass 255."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    hz, wz = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    spread = draw(st.sampled_from((0.0, 2.0, 12.0, 60.0)))
    cdfs, zs = [], []
    for channels in (draw(st.integers(1, 4)), draw(st.integers(1, 3))):
        cuts = np.sort(
            random.integers(0, 256, (channels, 62)) if spread > 20 else cuts_near(random, channels, spread)
        )
        cdfs.append(np.concatenate([cuts, np.full((channels, 1), 255)], axis=1).astype(np.uint8))
        z = np.clip(np.rint(random.normal(0, max(spread, 0.3), (channels, hz, wz))), -31, 31)
        zs.append(z.astype(np.int8))
    return ZCase(cdfs, zs)


def cuts_near(random: np.random.Generator, channels: int, spread: float) -> np.ndarray:
    """Cumulative masses of samples near the middle: most symbols have no mass at all."""
    samples = np.clip(np.rint(random.normal(31, spread, (channels, 255))), 0, 62)
    return (samples[:, :, None] <= np.arange(62)).sum(axis=1)
