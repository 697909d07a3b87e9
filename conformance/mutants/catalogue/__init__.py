"""All mistakes, in the order of decoding."""

from __future__ import annotations

from conformance.mutants.catalogue import (
    attention,
    channels,
    coder,
    container,
    defects,
    dequantise,
    fields,
    geometry,
    graph,
    hyper_latent,
    latent,
    picture,
    quality_map,
    rejection,
    scales,
    synthesis,
    tables,
)
from conformance.mutants.mutant import catalogue_of

CATALOGUE = catalogue_of(
    container.MUTANTS,
    fields.MUTANTS,
    channels.MUTANTS,
    rejection.MUTANTS,
    geometry.MUTANTS,
    hyper_latent.MUTANTS,
    coder.MUTANTS,
    quality_map.MUTANTS,
    scales.MUTANTS,
    dequantise.MUTANTS,
    tables.MUTANTS,
    defects.MUTANTS,
    graph.MUTANTS,
    attention.MUTANTS,
    latent.MUTANTS,
    synthesis.MUTANTS,
    picture.MUTANTS,
)
