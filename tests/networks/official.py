"""Whole checkpoint folders of the official layout with synthetic weights, made from nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from conformance.networks import ANALYSIS, SYNTHESIS, ContextModel, HyperDecoder, HyperEncoder
from conformance.networks.synthetic import fill_synthetic
from refdec.codestream.geometry import CHANNELS
from tests.stage import official

BETA = "0.012"
MODEL_ID = 1


def common(component: int, *, encoder: bool = False) -> dict[str, Any]:
    """Tensors of a common checkpoint."""
    state = official.tensors(7, component)
    parts = {"hyper_decoder": HyperDecoder(CHANNELS[component])}
    if component == 0:
        parts["context"] = ContextModel()
    if encoder:
        parts["hyper_encoder"] = HyperEncoder(CHANNELS[component])
    for prefix, network in parts.items():
        for name, value in fill_synthetic(network).state_dict().items():
            state[f"{prefix}.{name}"] = value
    return state


def save(folder: Path, name: str, state: dict[str, Any]) -> None:
    """One ``.pth`` file of the folder."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, path)


def write(folder: Path, points: tuple[str, ...] = ("sop",), *, encoder: bool = False) -> Path:
    """Common files and the synthesis of some operating points, one rate point."""
    for c, part in enumerate(("Y", "UV")):
        save(folder, f"VM_common_int/{part}_{BETA}.pth", common(c, encoder=encoder))
        for point in points:
            network = fill_synthetic(SYNTHESIS[point, c]())
            save(folder, f"VM_{point}/decoder_{part}_{BETA}.pth", network.state_dict())
        if encoder:
            network = fill_synthetic(ANALYSIS["bop", c]())
            save(folder, f"VM_bop/encoder_{part}_{BETA}.pth", {**network.state_dict(), "epoch": 9})
    return folder
