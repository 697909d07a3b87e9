"""All mistakes, in the order of decoding."""

from __future__ import annotations

from conformance.mutants.catalogue import (
    attention,
    channels,
    coder,
    container,
    defects,
    dequantise,
    efe_linear,
    efe_nonlinear,
    eicci,
    fields,
    geometry,
    graph,
    hyper_latent,
    latent,
    lef,
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
    efe_linear.MUTANTS,
    eicci.MUTANTS,
    efe_nonlinear.MUTANTS,
    lef.MUTANTS,
    picture.MUTANTS,
)
