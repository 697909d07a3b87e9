"""The reference software's streams, dumps and synthetic weights, brought into the official containers."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from refdec.picture import Picture
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


def tensors(path: Path) -> dict[str, npt.NDArray[Any]]:
    """One stored checkpoint; float tensors are restored from integers and an exponent."""
    out: dict[str, npt.NDArray[Any]] = {}
    with np.load(path) as archive:
        for key in archive.files:
            name = key.removesuffix("::q")
            if name != key:
                scale = np.float32(2.0 ** -int(archive[f"{name}::e"]))
                out[name] = archive[key].astype(np.float32) * scale
            elif not key.endswith("::e"):
                out[name] = archive[key]
    return out


def written_samples(picture: Picture, archive: Any) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """The samples of a picture, and those of the file that the reference wrote, in the same order."""
    if "final_rgb_u8" in archive.files:
        return np.stack(picture.planes, -1), archive["final_rgb_u8"]
    # the planar file, byte for byte
    dtype = "u1" if picture.bit_depth == 8 else "<u2"
    found = np.concatenate([plane.reshape(-1) for plane in picture.planes])
    return found, archive["final_yuv_file_bytes"].view(dtype)


def _common(model_id: int, component: int) -> Path:
    return REFERENCE / "weights" / f"model{model_id}_common_{COMPONENTS[component]}.npz"


def write_checkpoints(folder: Path, model_ids: tuple[int, ...] = (0, 1, 2, 3)) -> None:
    """The common checkpoints as ``.pth`` files under their official names, with the clutter of real ones."""
    import torch

    (folder / "VM_common_int").mkdir(parents=True)
    for model_id in model_ids:
        for component in (0, 1):
            weights = {
                key: torch.from_numpy(value.copy())
                for key, value in tensors(_common(model_id, component)).items()
            }
            clutter: dict[str, Any] = {
                "epoch": 7,
                "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]},
                "entropy._quantized_cdf": torch.zeros((3, 5), dtype=torch.int64),
            }
            name = f"{COMPONENTS[component]}_{BETAS[model_id]}.pth"
            torch.save({**weights, **clutter}, folder / "VM_common_int" / name)
