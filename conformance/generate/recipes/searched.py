"""Streams found by search: latents that drive the sums of single layers towards their bounds."""

from __future__ import annotations

from typing import Any

import numpy as np

from conformance.generate import draw
from conformance.generate.ascent import Int64, Search, ascend, first_layer
from conformance.generate.build import Builder, Context
from conformance.generate.models import SyntheticModels
from conformance.generate.plan import Int8, Int32, Plan, both
from conformance.generate.registry import recipe
from refdec.codestream import CHANNELS, PictureHeader
from refdec.integer import Graph
from refdec.integer.nodes import ACTIVATION_MAX
from refdec.networks.latent import PHASE_POSITIONS, hyper_decoder

TILE = 4
"""Side of a synthesis tile in latent samples: each is a search of its own, for one layer."""
ACROSS = 4
BUDGET = 120
SEARCHED = ("conv", "transposed_conv", "mul", "channel_attention")
Z_MOST = 31


def targets(graph: Graph) -> list[str]:
    """Layers behind the first one that have sums worth a search."""
    first = first_layer(graph).name
    return [node.name for node in graph.nodes if node.op in SEARCHED and node.name != first]


def _searchable(c: Context, model: int, kind: str, graph: str, components: tuple[int, ...]) -> bool:
    """Whether the model set's graphs are small, and begin as the search wants them."""
    if not isinstance(c.models, SyntheticModels):
        return False
    for k in components:
        try:
            first_layer(c.models.load(model, kind, k).graphs[graph])
        except (KeyError, ValueError):
            return False
    return True


@recipe("must-decode", variants={point: point for point in ("sop", "bop", "hop")})
def searched(c: Context, point: str) -> Plan:
    """One synthesis tile for every layer of both synthesis transforms, with latents that drive it far.

    The tiles are luma's layers in their order, then chroma's, row by row. Latents are at the ends of their
    range; their signs were searched for. If one tile alone is wrong, it is the sums of that layer that have
    too few bits, or that wrap around.
    """
    model = c.model(0)
    if not _searchable(c, model, point, "synthesis", (0, 1)):
        return Plan(size=(64, 80), point=point, symbols=draw.ends_of_values, parts=both(cubes=0))
    graphs = [c.models.load(model, point, k).graphs["synthesis"] for k in (0, 1)]
    jobs = [(k, name) for k in (0, 1) for name in targets(graphs[k])]
    rows = -(-len(jobs) // ACROSS)

    def solve(builder: Builder, _picture: PictureHeader) -> tuple[list[Int8], list[Int32]]:
        latents = [np.zeros((n, rows * TILE, ACROSS * TILE), np.int32) for n in CHANNELS]
        for number, (k, name) in enumerate(jobs):
            search = Search(graphs[k], (TILE, TILE), (16 * TILE, 16 * TILE), ACTIVATION_MAX, BUDGET, {})
            signs, _ = ascend(search, name, builder.context.random(f"{k} {name}"))
            top, left = TILE * (number // ACROSS), TILE * (number % ACROSS)
            place = (slice(None), slice(top, top + TILE), slice(left, left + TILE))
            latents[0][place] = signs[: CHANNELS[0]] * ACTIVATION_MAX
            if k == 1:
                latents[1][place] = signs[CHANNELS[0] :] * ACTIVATION_MAX
        return _no_z(builder), latents

    size = (16 * TILE * rows, 16 * TILE * ACROSS)
    return Plan(size=size, model=model, point=point, tiling=(64, 0), solve=solve, parts=both(cubes=0))


def _no_z(builder: Builder) -> list[Int8]:
    return [np.zeros(z.shape, np.int8) for z in builder.hyper_latents]


HYPER = {
    "first": ("latent", "hyper_decoder", "first"),
    "up": ("latent", "hyper_decoder", "up"),
    "second": ("latent", "hyper_decoder", "second"),
    "psi": ("latent", "hyper_decoder", "psi"),
    "scale-first": ("entropy", "hyper_scale_decoder", "conv1"),
    "scale-second": ("entropy", "hyper_scale_decoder", "depthwise"),
}


@recipe("must-decode", variants=HYPER)
def searched_hyper(c: Context, place: tuple[str, str, str]) -> Plan:
    """Hyper-latents at both ends of their range whose signs drive one layer of a hyper-decoder far.

    In luma and in chroma. If the node of this name is the first that differs, its sums have too few bits.
    """
    kind, name, node = place
    model = c.model(0)
    size = (128, 128)
    if not _searchable(c, model, kind, name, (0, 1)):
        return Plan(size=size, z=draw.end_z)

    def solve(builder: Builder, picture: PictureHeader) -> tuple[list[Int8], list[Int32]]:
        found = []
        for k in (0, 1):
            graph = c.models.load(model, kind, k).graphs[name]
            search = Search(graph, (2, 2), size, Z_MOST, BUDGET, {})
            signs, _ = ascend(search, node, builder.context.random(f"{k}"))
            found.append((signs * Z_MOST).astype(np.int8))
        return found, [np.zeros((n, 8, 8), np.int32) for n in CHANNELS]

    return Plan(size=size, model=model, solve=solve)


CONTEXT = {
    f"{phase}-{node}": (phase, node)
    for phase in (1, 2, 3)
    for node in ("context", "context.2", "mixed", "mu")
}


@recipe("must-decode", variants=CONTEXT)
def searched_context(c: Context, place: tuple[int, str]) -> Plan:
    """Latents whose signs drive one layer of the context model of one phase far.

    The latents of the phases before it are at both ends of their range. If `mu` of this phase is the first
    tensor that differs, a sum of its graph has too few bits.
    """
    phase, node = place
    model, size = c.model(0), (128, 128)
    if not _searchable(c, model, "latent", f"mcm.{phase}", (0,)):
        return Plan(size=size, symbols=draw.ends_of_values, parts=both(cubes=0))
    graph = c.models.load(model, "latent", 0).graphs[f"mcm.{phase}"]

    def solve(builder: Builder, picture: PictureHeader) -> tuple[list[Int8], list[Int32]]:
        z_hats = builder.hyper_latents
        psi = hyper_decoder(c.models.latent(model, 0), z_hats[0], size, engine=builder.engine.name)
        mine: dict[str, Any] = {"psi": psi[phase * CHANNELS[0] : (phase + 1) * CHANNELS[0]]}
        search = Search(graph, (4, 4), size, ACTIVATION_MAX, BUDGET, mine)
        signs, _ = ascend(search, node, builder.context.random("signs"))
        return z_hats, [_interleaved(signs, phase), np.zeros((CHANNELS[1], 8, 8), np.int32)]

    return Plan(size=size, model=model, solve=solve, parts=both(cubes=0))


def _interleaved(signs: Int64, phases: int) -> Int32:
    """Signs ``[phases * C, h, w]`` at the positions of the first phases, 0 at those of the others."""
    rows, columns = signs.shape[1:]
    out = np.zeros((CHANNELS[0], 2 * rows, 2 * columns), np.int32)
    for phase, (row, column) in enumerate(PHASE_POSITIONS[:phases]):
        part = signs[phase * CHANNELS[0] : (phase + 1) * CHANNELS[0]]
        out[:, row::2, column::2] = part * ACTIVATION_MAX
    return out
