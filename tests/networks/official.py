"""Checkpoint folders of the official layout with synthetic weights, made from nothing.

``python -m tests.networks.official FOLDER`` writes all 68 files of a full set.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

from conformance.networks import ANALYSIS, SYNTHESIS, ContextModel, HyperDecoder, HyperEncoder
from conformance.networks.synthetic import fill_synthetic, synthetic_tensor
from refdec.codestream.geometry import CHANNELS
from refdec.official_files import BETAS
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


def write_full(folder: Path) -> Path:
    """The full set: four rate points, all operating points, both encoders, twenty eICCI networks."""
    eicci = eicci_state()
    for c, part in enumerate(("Y", "UV")):
        state = common(c, encoder=True)
        networks = {f"{p}/decoder": fill_synthetic(SYNTHESIS[p, c]()) for p in ("sop", "bop", "hop")}
        networks |= {f"{p}/encoder": fill_synthetic(ANALYSIS[p, c]()) for p in ("bop", "hop")}
        for number, beta in enumerate(BETAS):
            scaled = {k: v * (1 - 0.125 * number) for k, v in state.items() if k.startswith("context.")}
            save(folder, f"VM_common_int/{part}_{beta}.pth", {**state, **scaled})
            for name, network in networks.items():
                save(folder, f"VM_{name}_{part}_{beta}.pth", network.state_dict())
    for bank in ("bop", "hop"):
        for kind in ("mse", "mss"):
            for rate in ("012", "025", "050", "075", "100"):
                name = f"eICCI_bophop_2d020448_20240229/eicci_{bank}_{kind}{rate}_300k.pth"
                save(folder, name, eicci)
    return folder


def eicci_state() -> dict[str, torch.Tensor]:
    """Tensors of a network of the post-filter eICCI."""
    shapes: dict[str, tuple[int, ...]] = {}

    def norm(name: str) -> None:
        for tensor in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.{tensor}"] = (48,)

    def conv(name: str, out: int, rows: int, columns: int) -> None:
        shapes[f"{name}.weight"], shapes[f"{name}.bias"] = (out, 48, rows, columns), (out,)

    for name in ("conv_first_Y", "conv_firstUV"):
        conv(name, 48, 3, 3)
    for name in ("BNY", "BNUV"):
        norm(name)
    hidden = [f"hidden_layer_Y.{i}" for i in range(2)] + [f"hidden_layer_UV.{i}" for i in range(4)]
    for name in hidden:
        shapes[f"{name}.scale"] = (1,)
        conv(f"{name}.conv1", 48, 1, 3)
        conv(f"{name}.conv2", 48, 3, 1)
        norm(f"{name}.BN1")
        norm(f"{name}.BN2")
    for name in ("conv_last_Y", "conv_last_u", "conv_last_v"):
        conv(name, 16, 3, 3)
    for name in ("scaleY", "scaleU", "scaleV"):
        shapes[name] = (1,)
    state = {name: synthetic_tensor(name, shape).float() for name, shape in shapes.items()}
    for name in shapes:
        if name.endswith("running_var"):
            state[name] = 1 + state[name]
            state[name.replace("running_var", "num_batches_tracked")] = torch.tensor(300000)
        if "BN" in name and name.endswith("weight"):
            state[name] = 1 + state[name]
    return state


if __name__ == "__main__":
    write_full(Path(sys.argv[1]))
