"""Names of the standard's checkpoint files: what a model file is made from."""

from __future__ import annotations

BETAS = ("0.002", "0.012", "0.075", "0.5")
"""The rate points' names, by model id."""
SOURCES = {
    "entropy": "VM_common_int/{component}_{beta}.pth",
    "latent": "VM_common_int/{component}_{beta}.pth",
    "sop": "VM_sop/decoder_{component}_{beta}.pth",
    "bop": "VM_bop/decoder_{component}_{beta}.pth",
    "hop": "VM_hop/decoder_{component}_{beta}.pth",
}
"""Checkpoint of each kind of model file."""
ANALYSIS = ("VM_bop/encoder_{component}_{beta}.pth", "VM_hop/encoder_{component}_{beta}.pth")
"""The encoder's transforms."""


def checkpoint_name(kind: str, model_id: int, component: int) -> str | None:
    """The official checkpoint behind a model file; ``None`` for kinds that the standard does not have."""
    return filled(SOURCES[kind], model_id, component) if kind in SOURCES else None


def analysis_names(model_id: int) -> list[str]:
    """All files of the encoder's transforms of a model."""
    return [filled(source, model_id, c) for source in ANALYSIS for c in (0, 1)]


def filled(source: str, model_id: int, component: int) -> str:
    """A name with component and rate point filled in."""
    return source.format(component=("Y", "UV")[component], beta=BETAS[model_id])
