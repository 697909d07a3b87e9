"""Official-format checkpoints of seeded models, for tests that must work without any shared file."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from conformance.verify import synthetic
from refdec.codestream import CHANNELS
from refdec.models_io import HYPER_SCALE_DECODER

GAIN_COLUMN = 11


def tensors(seed: int, component: int) -> dict[str, Any]:
    """The entropy stage's tensors of a seeded model under their official names and shapes."""
    return dict(_tensors(seed, component))


@cache
def _tensors(seed: int, component: int) -> dict[str, Any]:
    model = synthetic.entropy_model(seed, component)
    graph = model.graphs[HYPER_SCALE_DECODER]
    state: dict[str, Any] = {}
    for name in ("conv1", "depthwise", "pointwise"):
        node = graph.node(name).tensors
        prefix = f"hyper_scale_decoder.{name}"
        state[f"{prefix}.weight"] = torch.from_numpy(node["weight"].copy())
        state[f"{prefix}.bias"] = torch.from_numpy(node["bias"].copy())
        shifts = node["shift"].astype(np.int8).reshape(1, -1, 1, 1)
        state[f"{prefix}.per_channel_shifts"] = torch.from_numpy(shifts)
        state[f"{prefix}.is_quantized"] = torch.tensor([True])
    gains = np.zeros((CHANNELS[component], 18), np.float32)
    gains[:, GAIN_COLUMN] = model.constants["gain_log"].astype(np.float32) / 128
    state["vr_vec.c"] = torch.from_numpy(gains)
    frequencies = np.diff(model.constants["z_cdf"].astype(np.int32), axis=1, prepend=0)
    state["hyper_entropy.freqs_int"] = torch.from_numpy(frequencies.astype(np.int32) * 4_000_000)
    state["hyper_entropy.is_quantized"] = torch.tensor([True])
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
