"""Cheap looks at a stream: whether a mutant that is applied can change anything of its decode at all.

A mutant of the codestream's syntax or geometry acts through the parsed headers, the sizes and rectangles that
follow from them, and the payloads. A mutant of the scales acts through masks, levels, segments and
dequantised values. Where all of these are the right ones so is everything behind them, and the stream need
not be decoded.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.mutants.cases import Case
from conformance.mutants.mutant import Mutant
from refdec import entropy
from refdec.codestream import Codestream, parse
from refdec.codestream import geometry as geo
from refdec.codestream.headers import ComponentHeader, PictureHeader
from refdec.networks.golden import residual_to_latent
from refdec.scales import scales_of

_SCALE_MODULES = frozenset(
    {"refdec.entropy.golden.scales", "refdec.entropy.golden.dequantise", "refdec.tables"}
)
_SCALE_TABLES = frozenset(
    f"parameters.{name}"
    for name in (
        "quality_log",
        "quality_linear",
        "scaling_bounds",
        "scaling_log",
        "scaling_inverse",
        "lsbs_bounds",
        "lsbs_mean",
        "lsbs_residual",
    )
)
_DEPTHS = (geo.PICTURE_DEPTH, geo.LATENT_DEPTH, geo.PSI_DEPTH, geo.HYPER_DEPTH)


def kind_of(mutant: Mutant) -> str | None:
    """Which look suffices for a mutant: ``headers``, ``scales``, or ``None``: the stream must be decoded."""
    modules = {edit.module for edit in mutant.edits}
    modules |= {"refdec.tables" if cell.table in _SCALE_TABLES else cell.table for cell in mutant.cells}
    if all(name.startswith("refdec.codestream.") for name in modules):
        return "headers"
    return "scales" if modules <= _SCALE_MODULES else None


def look(kind: str, case: Case) -> Any:
    """What of a stream a mutant of that kind can change; to be compared with :func:`same`."""
    stream = parse(case.data, case.dialect)
    return _headers(stream) if kind == "headers" else _scales(stream, case)


def same(found: Any, right: Any) -> bool:
    """Whether two looks agree."""
    if isinstance(right, np.ndarray):
        return bool(np.array_equal(found, right))
    if isinstance(right, list | tuple) and type(found) is type(right):
        return len(found) == len(right) and all(map(same, found, right))
    return bool(found == right)


def _headers(stream: Codestream) -> list[Any]:
    picture = stream.picture
    found: list[Any] = [picture, stream.tools, _properties(PictureHeader, picture)]
    found += [_properties(ComponentHeader, component) for component in picture.components]
    found += [size(picture.height, picture.width) for size in _SIZES]
    for component in (0, 1):
        found += [
            geo.region_rectangles(picture, component, depth, extended)
            for depth in _DEPTHS
            for extended in (False, True)
        ]
    found.append(geo.synthesis_tiles(picture))
    found.append([(p, t.data, t.sizes, t.byte_offset) for p, t in stream.threaded()])
    found.append([[p is None for p in stream.residual_payloads(c)] for c in (0, 1)])
    return found


_SIZES = (geo.latent_size, geo.psi_size, geo.hyper_size, geo.cube_shape)


def _properties(kind: Any, header: object) -> list[Any]:
    stored = kind.__dataclass_fields__
    names = sorted(name for name in dir(kind) if not name.startswith("_") and name not in stored)
    return [getattr(header, name) for name in names]


def _scales(stream: Codestream, case: Case) -> list[Any]:
    assert case.coded is not None
    engine = entropy.engine(case.settings.engine)
    picture, found = stream.picture, []
    for c, component in enumerate(case.coded.components):
        model = case.models.entropy(picture.model_id, c)
        scales = scales_of(picture, c, model, case.raw_scales[c], case.coded.quality_map, engine)
        segments = engine.lsbs_segments(scales.likely)
        inverse = None if scales.scaling is None else scales.scaling.inverse
        index = model.gain_log + picture.beta_displacement_log[c]
        value = engine.dequantise(component.residual, index, case.coded.quality_map, inverse)
        found += [scales.mask, scales.log_skip, scales.log, engine.levels(scales.log), segments, value]
        if component.lsbs_segments is not None and case.latents is not None:
            # Any latent will do to see whether the scaling itself is another one.
            on_scale = residual_to_latent(value, case.models.latent(picture.model_id, c).fraction)
            found.append(engine.lsbs(case.latents[c], on_scale, segments, picture.model_id))
    return found
