"""Official-format checkpoints of seeded models, for tests that must work without any shared file."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch

from conformance.fuzz.checkpoints import entropy_state

GAIN_COLUMN = 11


def tensors(seed: int, component: int) -> dict[str, Any]:
    """The entropy stage's tensors of a seeded model under their official names and shapes."""
    return dict(_tensors(seed, component))


@cache
def _tensors(seed: int, component: int) -> dict[str, Any]:
    state = entropy_state(seed, component, GAIN_COLUMN)
    state["epoch"] = 3
    state["optimizer"] = {"state": {}, "param_groups": []}
    return state


def write(folder: Path, seed: int = 0, component: int = 0, beta: str = "0.002", **changes: Any) -> Path:
    """One checkpoint file; ``changes`` replace entries, ``None`` removes one. Dots are written as ``__``."""
    state = tensors(seed, component)
    for name, value in changes.items():
        key = name.replace("__", ".")
        assert key in state or value is not None
        state[key] = value
    path = folder / "VM_common_int" / f"{('Y', 'UV')[component]}_{beta}.pth"
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({key: value for key, value in state.items() if value is not None}, path)
    return path
