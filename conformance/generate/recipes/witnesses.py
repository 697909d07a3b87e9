"""Latents made to reach the proved bound of a layer: the sign pattern of its weights."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from conformance.generate import draw
from conformance.generate.build import Context
from conformance.generate.models import SyntheticModels
from conformance.generate.plan import Int32, Plan, UInt8, both
from conformance.generate.registry import recipe
from conformance.verify.synthetic import Splitmix
from refdec.codestream import CHANNELS

FIRST = "mixed"
"""Name of the first layer of a synthetic synthesis: a grouped convolution of a single position."""


@recipe("must-decode", variants={point: point for point in ("sop", "bop", "hop")})
def bound(c: Context, point: str) -> Plan:
    """Every latent at the end of its range that the sign of a weight of the first synthesis layer asks for.

    Sums of that layer come as near to 2^31 as its proof allows, on both sides, in luma and in chroma. If the
    layer alone is wrong, its accumulator has too few bits, or is a float that has lost some of them. With a
    model set from outside, latents are at both ends without such a pattern.
    """
    if not isinstance(c.models, SyntheticModels):
        return Plan(size=(64, 80), point=point, symbols=draw.ends_of_values, parts=both(cubes=0))
    model = c.model(0)
    graphs = [c.models.load(model, point, k).graphs["synthesis"] for k in (0, 1)]
    layers = [node for graph in graphs for node in graph.nodes if node.name == FIRST]
    weights = [layer.tensors["weight"][:, :, 0, 0].astype(np.int64) for layer in layers]

    def symbols(random: Splitmix, levels: UInt8, mask: npt.NDArray[np.bool_], threads: int) -> Int32:
        channels, rows, columns = levels.shape
        # Each position is for one transform, one of the two outputs of every group, and one side.
        turn = np.arange(rows * columns).reshape(rows, columns)
        upper, output, transform = turn & 1, turn >> 1 & 1, turn >> 2 & 1
        signs = np.empty(levels.shape, np.int64)
        for channel in range(channels):
            both_ways = [
                _sign(weights[k], channel + (CHANNELS[0] if channels < CHANNELS[0] else 0), output)
                if k == 1 or channels == CHANNELS[0]
                else np.zeros_like(turn)
                for k in (0, 1)
            ]
            signs[channel] = np.where(transform == 1, both_ways[1], both_ways[0])
        signs = np.where(upper == 1, signs, -signs)
        return (signs * 32767).astype(np.int32)

    return Plan(size=(64, 80), point=point, symbols=symbols, parts=both(cubes=0))


def _sign(
    weight: npt.NDArray[np.int64], channel: int, output: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Signs of the weights with which a channel enters the outputs of its group."""
    fan = weight.shape[1]
    signs = np.sign(weight[2 * (channel // fan) : 2 * (channel // fan) + 2, channel % fan])
    return np.asarray(signs[output])
