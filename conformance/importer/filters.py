"""The networks of the post-filter eICCI, from official checkpoints to integer models."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from conformance.importer.checkpoint import Checkpoint
from conformance.importer.given_pictures import given_picture
from conformance.networks.convert_filters import Array, calibration_bands, convert_eicci
from conformance.networks.eicci import NETWORKS, Eicci
from conformance.networks.pictures import generated_pictures
from conformance.training.pictures import SUFFIXES
from refdec.errors import ModelError
from refdec.integer import Model
from refdec.models_io import EICCI_BANKS, eicci_file_name

FOLDER = "eICCI_bophop_2d020448_20240229"

Reader = Callable[[str], "Checkpoint | None"]


def eicci_name(bank: str, index: int) -> str:
    """Checkpoint of a network, inside the checkpoint folder."""
    return f"{FOLDER}/eicci_{bank}_{NETWORKS[index]}_300k.pth"


def eicci_names() -> list[str]:
    """All twenty of them."""
    return [eicci_name(bank, index) for bank in EICCI_BANKS for index in range(len(NETWORKS))]


def eicci_network(checkpoint: Checkpoint) -> Eicci:
    """The float network of a checkpoint.

    :raises ModelError: a tensor is absent, has another shape, or is not finite, or a variance is negative.
    """
    network = Eicci()
    state = {}
    for name, wanted in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            state[name] = wanted
            continue
        values = checkpoint.expect(name, tuple(wanted.shape), "float32")
        if not np.isfinite(values).all():
            raise ModelError(f"{checkpoint.name}: '{name}' has values that are no numbers")
        if name.endswith("running_var") and values.min() < 0:
            raise ModelError(f"{checkpoint.name}: '{name}' has a negative variance")
        state[name] = torch.from_numpy(np.array(values))
    network.load_state_dict(state)
    return network.eval()


def convert_filters(
    read: Reader,
    scheme: str,
    calibrate: Sequence[Path] = (),
    progress: Callable[[str], None] = lambda _line: None,
) -> Iterator[tuple[str, str, Model]]:
    """Model file, checkpoint and model of every eICCI network for which there is a checkpoint.

    :param read: a checkpoint by its official name, ``None`` if it is not there.
    :param calibrate: pictures among these are used besides generated ones and noise; streams are not.
    :raises ModelError: a checkpoint does not fit.
    """
    bands: list[Array] | None = None
    for bank in EICCI_BANKS:
        for index in range(len(NETWORKS)):
            name = eicci_name(bank, index)
            checkpoint = read(name)
            if checkpoint is None:
                continue
            progress(name)
            if bands is None:
                given = [given_picture(path) for path in calibrate if path.suffix.lower() in SUFFIXES]
                bands = calibration_bands([*generated_pictures(), *given])
            facts = {"source": checkpoint.name, "source_sha256": checkpoint.sha256}
            model = convert_eicci(eicci_network(checkpoint), bank, index, bands, facts, scheme)
            yield eicci_file_name(bank, index), name, model
