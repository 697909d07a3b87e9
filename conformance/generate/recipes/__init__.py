"""All recipes; importing this registers them, in the order of a suite."""

from conformance.generate.recipes import (  # noqa: F401
    basic,
    branches,
    clips,
    containers,
    filters,
    formats,
    header_rules,
    hostile,
    inter_component,
    layout,
    optional,
    payloads,
    quality,
    scalings,
    segments,
    symbols,
    truncated,
    witnesses,
)
