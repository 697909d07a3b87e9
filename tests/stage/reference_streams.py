"""The reference software's streams, dumps and synthetic weights, brought into the official containers."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.shared_vectors import REFERENCE

BETAS = ("0.002", "0.012", "0.075", "0.5")
COMPONENTS = ("Y", "UV")


@cache
def stream_names() -> tuple[str, ...]:
    """Names of all whole streams, in the manifest's order."""
    if not REFERENCE.is_dir():
        return ()
    return tuple(entry["name"] for entry in json.loads((REFERENCE / "codec/manifest.json").read_text()))


def stream(name: str) -> bytes:
    """A codestream."""
    return (REFERENCE / "codec" / f"{name}.bits").read_bytes()


def dump(name: str) -> dict[str, npt.NDArray[Any]]:
    """The reference's tensors of a stream, without the batch axis."""
    with np.load(REFERENCE / "codec" / f"{name}.npz") as archive:
        keys = [k for k in archive.files if k == "qp_map" or k.startswith(("Y.", "UV."))]
        return {key: archive[key][0] if archive[key].shape[:1] == (1,) else archive[key] for key in keys}


def common_tensors(model_id: int, component: int) -> dict[str, npt.NDArray[Any]]:
    """The tensors of one common checkpoint, float tensors restored from their integer form."""
    path = REFERENCE / "weights" / f"model{model_id}_common_{COMPONENTS[component]}.npz"
    tensors: dict[str, npt.NDArray[Any]] = {}
    with np.load(path) as archive:
        for key in archive.files:
            if key.endswith("::q"):
                name = key[:-3]
                exponent = int(archive[f"{name}::e"])
                tensors[name] = archive[key].astype(np.float32) * np.float32(2.0**-exponent)
            elif not key.endswith("::e"):
                tensors[key] = archive[key]
    return tensors


def write_checkpoints(folder: Path, model_ids: tuple[int, ...] = (0, 1, 2, 3)) -> None:
    """The common checkpoints as ``.pth`` files under their official names, with the clutter of real ones."""
    import torch

    (folder / "VM_common_int").mkdir(parents=True)
    for model_id in model_ids:
        for component in (0, 1):
            tensors = {
                key: torch.from_numpy(value.copy())
                for key, value in common_tensors(model_id, component).items()
            }
            clutter: dict[str, Any] = {
                "epoch": 7,
                "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]},
                "entropy._quantized_cdf": torch.zeros((3, 5), dtype=torch.int64),
            }
            name = f"{COMPONENTS[component]}_{BETAS[model_id]}.pth"
            torch.save({**tensors, **clutter}, folder / "VM_common_int" / name)
