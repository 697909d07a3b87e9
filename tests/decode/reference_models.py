"""The reference vectors' networks as official checkpoints, decoder side, every operating point."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.shared_vectors import REFERENCE
from tests.stage.reference_streams import BETAS, COMPONENTS, write_checkpoints

OPERATING_POINTS = ("sop", "bop", "hop")


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


def write_all_checkpoints(folder: Path, model_ids: tuple[int, ...] = (0, 1, 2, 3)) -> None:
    """Common, synthesis and eICCI checkpoints under their official names."""
    import torch

    write_checkpoints(folder, model_ids)
    for model_id in model_ids:
        for point in OPERATING_POINTS:
            for component in COMPONENTS:
                source = REFERENCE / "weights" / f"model{model_id}_{point}_decoder_{component}.npz"
                if not source.is_file():
                    continue
                (folder / f"VM_{point}").mkdir(exist_ok=True)
                target = folder / f"VM_{point}" / f"decoder_{component}_{BETAS[model_id]}.pth"
                torch.save({key: torch.from_numpy(value) for key, value in tensors(source).items()}, target)
    write_filter_checkpoints(folder)


def write_filter_checkpoints(folder: Path) -> None:
    """The networks of eICCI that the vectors have."""
    import torch

    from conformance.importer.filters import FOLDER

    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    for source in sorted((REFERENCE / "weights").glob("eicci_*.npz")):
        state = {key: torch.from_numpy(value) for key, value in tensors(source).items()}
        torch.save(state, folder / FOLDER / f"{source.stem}.pth")
