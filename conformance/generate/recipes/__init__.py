"""All recipes; importing this registers them, in the order of a suite."""

from conformance.generate.recipes import (  # noqa: F401
    basic,
    containers,
    formats,
    layout,
    optional,
    quality,
    scalings,
    symbols,
)
