"""The networks of the standard as PyTorch modules, with the tensor names of its checkpoints.

``module.load_state_dict(checkpoint)`` works for every synthesis and analysis file; the parts of a common
file carry the prefixes ``hyper_encoder.``, ``hyper_decoder.``, ``hyper_scale_decoder.`` and ``context.``
(:func:`part`). Widths are parameters: the defaults are those of the standard.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from conformance.networks.analysis import (
    ANALYSIS,
    Analysis,
    PrimaryAnalysisBOP,
    PrimaryAnalysisHOP,
    SecondaryAnalysisBOP,
    SecondaryAnalysisHOP,
)
from conformance.networks.context import (
    PHASES,
    ContextModel,
    chroma_mean,
    merge_phases,
    skippable_cubes,
    split_phases,
)
from conformance.networks.hyper import (
    HyperDecoder,
    HyperEncoder,
    HyperScaleDecoder,
    IntegerHyperScaleDecoder,
    quantise_z,
)
from conformance.networks.synthesis import (
    SYNTHESIS,
    PrimaryBOP,
    PrimaryHOP,
    PrimarySOP,
    SecondaryBOP,
    SecondaryHOP,
    SecondarySOP,
    Synthesis,
    to_samples,
)

__all__ = [
    "ANALYSIS",
    "PHASES",
    "SYNTHESIS",
    "Analysis",
    "ContextModel",
    "HyperDecoder",
    "HyperEncoder",
    "HyperScaleDecoder",
    "IntegerHyperScaleDecoder",
    "PrimaryAnalysisBOP",
    "PrimaryAnalysisHOP",
    "PrimaryBOP",
    "PrimaryHOP",
    "PrimarySOP",
    "SecondaryAnalysisBOP",
    "SecondaryAnalysisHOP",
    "SecondaryBOP",
    "SecondaryHOP",
    "SecondarySOP",
    "Synthesis",
    "chroma_mean",
    "merge_phases",
    "part",
    "quantise_z",
    "skippable_cubes",
    "split_phases",
    "to_samples",
]


def part(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors of a common checkpoint whose names start with ``prefix`` and a dot, without both."""
    return {name[len(prefix) + 1 :]: value for name, value in state.items() if name.startswith(prefix + ".")}
