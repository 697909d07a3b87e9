"""The decoder's networks behind the residual, orchestrated over integer graphs.

The graphs do the work; what lies between them (the residual's rounding to the latent's scale, the output
map) is defined in docs/arithmetic-picture.md and exists once for each engine.
"""

from __future__ import annotations

from refdec.networks.latent import (
    PHASE_POSITIONS,
    decode_latent,
    hyper_decoder,
    picture_latent,
    picture_psi,
    run_phases,
    scale_latent,
    split_phases,
)
from refdec.networks.models import (
    LatentModel,
    RectifierModel,
    SynthesisModel,
    latent_model,
    rectifier_model,
    synthesis_model,
)
from refdec.networks.rectify import rectify
from refdec.networks.synthesis import PLANE_FRACTION, synthesise, synthesise_tile, to_bytes

__all__ = [
    "PHASE_POSITIONS",
    "PLANE_FRACTION",
    "LatentModel",
    "RectifierModel",
    "SynthesisModel",
    "decode_latent",
    "hyper_decoder",
    "latent_model",
    "picture_latent",
    "picture_psi",
    "rectifier_model",
    "rectify",
    "run_phases",
    "scale_latent",
    "split_phases",
    "synthesis_model",
    "synthesise",
    "synthesise_tile",
    "to_bytes",
]
