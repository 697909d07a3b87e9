"""Small files that claim much: each ends in its error, and nothing is allocated by what it claims."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.fuzz.bombs import BOMBS, Bomb, read
from conformance.fuzz.target import memory_limited

LIGHT = [bomb for bomb in BOMBS if not bomb.heavy]
MEMORY = 400 << 20
"""More than any of them takes, and less than any of them claims."""


@pytest.mark.parametrize("bomb", LIGHT, ids=lambda bomb: bomb.name)
def test_a_bomb_ends_in_its_error(bomb: Bomb, tmp_path: Path) -> None:
    path = bomb.make(tmp_path)
    with memory_limited(MEMORY):
        assert read(bomb, path) == bomb.ends


@pytest.mark.slow
@pytest.mark.parametrize("bomb", [bomb for bomb in BOMBS if bomb.heavy], ids=lambda bomb: bomb.name)
def test_heavy_bombs_stay_within_the_limits_too(bomb: Bomb, tmp_path: Path) -> None:
    path = bomb.make(tmp_path)
    with memory_limited(4 << 30):
        assert read(bomb, path) == bomb.ends
