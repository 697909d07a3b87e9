"""The standard's analysis transforms and hyper-encoders, kept as the float weights of the encoder.

They decide nothing that a decoder sees, and so they stay float: one file for each analysis transform of a
rate point, beside the model files that pictures are coded for.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from safetensors.torch import save
from torch import Tensor

from conformance.encoder.analysis import WEIGHTS
from conformance.importer.networks import Reader, common_name, network_of
from conformance.networks.analysis import ANALYSIS
from conformance.networks.hyper import HyperEncoder
from refdec.atomic_file import atomic_file
from refdec.codestream.geometry import CHANNELS
from refdec.models_io import COMPONENT_NAMES


def analysis_name(point: str, component: int, beta: str) -> str:
    """Checkpoint of an analysis transform."""
    return f"VM_{point}/encoder_{COMPONENT_NAMES[component]}_{beta}.pth"


def import_analysis(read: Reader, model_id: int, beta: str, output: Path) -> Iterator[tuple[str, str, str]]:
    """Write the encoder's weights of one rate point, for every analysis transform that is there.

    :param read: a checkpoint by its official name, ``None`` if it is not there.
    :param output: folder of the model set.
    :returns: file, checkpoint of luma, digest of that checkpoint.
    :raises ModelError: a checkpoint does not fit.
    """
    common = [read(common_name(c, beta)) for c in (0, 1)]
    for point, file in WEIGHTS.items():
        analysis = [read(analysis_name(point, c, beta)) for c in (0, 1)]
        state: dict[str, Tensor] = {}
        for c, part in enumerate(COMPONENT_NAMES):
            whole, own = common[c], analysis[c]
            if whole is None or own is None or "hyper_encoder.conv1.weight" not in whole.tensors:
                break
            networks = {
                "analysis": network_of(ANALYSIS[point, c](), own),
                "hyper_encoder": network_of(HyperEncoder(CHANNELS[c]), whole, "hyper_encoder."),
            }
            for name, network in networks.items():
                state |= {f"{part}.{name}.{key}": value for key, value in network.state_dict().items()}
        else:
            target = f"model{model_id}/{file}"
            (output / target).parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(output / target) as file:
                file.write(save({key: value.contiguous() for key, value in state.items()}))
            assert analysis[0] is not None
            yield target, analysis[0].name, analysis[0].sha256
