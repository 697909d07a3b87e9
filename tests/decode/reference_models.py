"""The reference vectors' networks as official checkpoints, decoder side, every operating point."""

from __future__ import annotations

from pathlib import Path

from tests.shared_vectors import REFERENCE
from tests.stage.reference_streams import BETAS, COMPONENTS, tensors, write_checkpoints

OPERATING_POINTS = ("sop", "bop", "hop")


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
