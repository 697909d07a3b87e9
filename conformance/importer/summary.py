"""What an import made of a folder, and what what is missing means for decoding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from refdec.errors import ModelError
from refdec.models_io import (
    COMPONENT_NAMES,
    EICCI_BANKS,
    EICCI_NETWORKS,
    MODEL_IDS,
    file_name,
    open_models,
)
from refdec.official_files import SOURCES, analysis_names, filled

POINTS = ("sop", "bop", "hop")
KINDS = ("entropy", "latent", *POINTS)
KNOWN_FOLDERS = ("VM_common_int", "VM_sop", "VM_bop", "VM_hop")
FLOAT_TWINS = "VM_common"
EICCI = len(EICCI_BANKS) * EICCI_NETWORKS


@dataclass
class Summary:
    """One row for each model, and sentences about what is missing.

    :param rows: ``model``, the components of every kind (``Y UV``, ``Y``, ``-``), how ranges were found, and
        what can be decoded.
    :param notes: what is missing and what that means, one sentence each.
    """

    rows: list[dict[str, object]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def summarise(
    source: Path, output: Path, made: Iterable[str], calibration: Mapping[int, str], entropy_only: bool
) -> Summary:
    """Compare what was made with what a decoder can ask for.

    :param made: model files that this import wrote, by their names in the set.
    :param calibration: by model, where the ranges of its networks come from.
    :param entropy_only: the networks were left out on purpose.
    """
    written, summary = set(made), Summary()
    wholly_absent = []
    for model_id in MODEL_IDS:
        have = {kind: [c for c in (0, 1) if file_name(model_id, kind, c) in written] for kind in KINDS}
        summary.rows.append(_row(model_id, have, calibration.get(model_id, "-")))
        if all(len(_absent(source, model_id, kind)) == 2 for kind in KINDS):
            wholly_absent.append(model_id)
            continue
        summary.notes += _common_missing(source, model_id, entropy_only)
        if len(have["entropy"]) == 2 and not entropy_only:
            summary.notes += _networks_missing(source, model_id, have)
    if wholly_absent:
        names = ", ".join(map(str, wholly_absent))
        summary.notes.append(f"model {names}: no checkpoint at all; streams coded with it cannot be decoded")
    drawn = [m for m in MODEL_IDS if calibration.get(m) == "drawn"]
    if drawn:
        summary.notes.append(
            f"model {', '.join(map(str, drawn))}: ranges come from drawn latents, because there is no "
            "analysis transform (VM_bop/encoder_*) and no --calibrate FILE"
        )
    filters = sum(name.startswith("eicci_") for name in written)
    if filters < EICCI and not entropy_only:
        summary.notes.append(
            f"eICCI: {filters} of {EICCI} networks made; streams that use another cannot be decoded"
        )
    summary.notes += _stale(output, written) + _foreign(source)
    return summary


def _row(model_id: int, have: Mapping[str, list[int]], calibration: str) -> dict[str, object]:
    def names(components: list[int]) -> str:
        return " ".join(COMPONENT_NAMES[c] for c in components) or "-"

    whole = len(have["entropy"]) == 2 and len(have["latent"]) == 2
    points = [point.upper() for point in POINTS if whole and len(have[point]) == 2]
    if points:
        decodes = ", ".join(points)
    elif whole:
        decodes = "latents only"
    else:
        decodes = "symbols only" if len(have["entropy"]) == 2 else "nothing"
    row: dict[str, object] = {"model": model_id}
    row |= {kind: names(have[kind]) for kind in KINDS}
    return row | {"ranges": calibration, "decodes": decodes}


def _absent(source: Path, model_id: int, kind: str) -> list[str]:
    """Checkpoints of a kind that the folder lacks."""
    names = [filled(SOURCES[kind], model_id, c) for c in (0, 1)]
    return [name for name in names if not (source / name).is_file()]


def _common_missing(source: Path, model_id: int, entropy_only: bool) -> list[str]:
    absent = _absent(source, model_id, "entropy")
    if absent:
        return [
            f"model {model_id}: {' and '.join(absent)} missing; nothing can be decoded without both "
            "components, and no network be converted"
        ]
    if entropy_only:
        return [f"model {model_id}: networks left out as asked; symbols can be decoded, not pictures"]
    return []


def _networks_missing(source: Path, model_id: int, have: Mapping[str, list[int]]) -> list[str]:
    if len(have["latent"]) < 2:
        luma = filled(SOURCES["latent"], model_id, 0)
        return [
            f"model {model_id}: {luma} holds the entropy stage alone; symbols can be decoded, not pictures"
        ]
    return [
        f"model {model_id}: {' and '.join(absent)} missing; streams that offer {point.upper()} alone "
        "cannot be decoded"
        for point in POINTS
        if (absent := _absent(source, model_id, point))
    ]


def _stale(output: Path, written: set[str]) -> list[str]:
    """Transforms of an earlier import whose latents were replaced."""
    models, notes = open_models(output), []
    for model_id, kind, component, path in models.files():
        name = file_name(model_id, kind, component)
        if kind not in POINTS or name in written or file_name(model_id, "latent", component) not in written:
            continue
        try:
            models.synthesis(model_id, kind, component)
        except ModelError as error:
            notes.append(
                f"{path} is of an earlier import and fits no more ({error}); "
                "import everything of a model together"
            )
    return notes


def _foreign(source: Path) -> list[str]:
    """Checkpoints that are there and that nothing asks for."""
    notes = []
    if (source / FLOAT_TWINS).is_dir():
        notes.append(f"{FLOAT_TWINS} holds the float twins, which are for training only; left out")
    official = {filled(name, m, c) for name in SOURCES.values() for m in MODEL_IDS for c in (0, 1)}
    official |= {name for m in MODEL_IDS for name in analysis_names(m)}
    unknown = sorted(
        name
        for folder in KNOWN_FOLDERS
        for path in (source / folder).glob("*.pth")
        if (name := f"{folder}/{path.name}") not in official
    )
    if unknown:
        shown = ", ".join(unknown[:3]) + (" ..." if len(unknown) > 3 else "")
        notes.append(f"{len(unknown)} files have no official name and were left out: {shown}")
    return notes
