"""Which graphs an eICCI model must have, checked once so that filtering cannot trip over them (AR-ICC-04)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from refdec.errors import ModelError
from refdec.integer import Graph, Model

Int32 = npt.NDArray[np.int32]

PLANE_BANDS = 16
BANDS = 3 * PLANE_BANDS
LARGEST_FRACTION = 22
"""With more fraction bits a correction would be finer than the planes it is added to."""
LARGEST_REACH = 64
_PLAIN = ("clip", "abs", "add", "mul", "lut", "concat", "slice")


@dataclass(frozen=True)
class Trunk:
    """One half of a network: luma's, or that of both chroma planes.

    :param graph: ``bands``, 48 channels, to ``delta``, 16 channels a plane.
    :param fraction: int32, fraction bits of each channel of ``delta``.
    :param reach: how many rows above and below, and columns to both sides, of the bands a sample of ``delta``
        depends on.
    """

    graph: Graph
    fraction: Int32
    reach: tuple[int, int]


@dataclass(frozen=True)
class EicciModel:
    """One network of a bank.

    :param band_fraction: int32 ``[48]``, fraction bits of the bands that both trunks read.
    :param digest: SHA-256 of the model file's canonical content.
    """

    band_fraction: Int32
    luma: Trunk
    chroma: Trunk
    digest: str


def eicci_model(model: Model, name: str = "the model") -> EicciModel:
    """Pick and check the graphs of an eICCI model.

    :raises ModelError: a graph or constant is absent, misshapen or out of range, or a graph looks further
        than its neighbourhood.
    """
    return EicciModel(
        _fraction(model, "band_fraction", BANDS, name),
        _trunk(model, "luma", PLANE_BANDS, name),
        _trunk(model, "chroma", 2 * PLANE_BANDS, name),
        model.digest,
    )


def _trunk(model: Model, key: str, channels: int, name: str) -> Trunk:
    graph = model.graphs.get(key)
    if graph is None:
        raise ModelError(f"{name} has no graph '{key}'")
    found = {item.name: item.channels for item in graph.inputs}
    made = {item: graph.channels[item] for item in graph.outputs}
    if found != {"bands": BANDS} or made != {"delta": channels}:
        raise ModelError(
            f"{name}: '{key}' makes {made} from {found}, expected 'delta' of {channels} channels from "
            f"'bands' of {BANDS}"
        )
    return Trunk(graph, _fraction(model, f"{key}_fraction", channels, name), _reach(graph, key, name))


def _fraction(model: Model, key: str, channels: int, name: str) -> Int32:
    value = model.constants.get(key)
    if value is None or value.shape != (channels,) or value.dtype.kind not in "iu":
        raise ModelError(f"{name} needs integers [{channels}] called '{key}'")
    if value.min() < 0 or value.max() > LARGEST_FRACTION:
        raise ModelError(f"{name}: '{key}' leaves 0..{LARGEST_FRACTION}")
    return np.ascontiguousarray(value, np.int32)


def _reach(graph: Graph, key: str, name: str) -> tuple[int, int]:
    """Largest distances at which an input sample can have an effect; sizes must stay what they are."""
    reach = {item.name: (0, 0) for item in graph.inputs}
    for node in graph.nodes:
        own = (0, 0)
        if node.op == "conv":
            rows, columns = node.tensors["weight"].shape[2:]
            top, left, bottom, right = node.attributes["pad"]
            if node.attributes["stride"] != 1 or (top + bottom, left + right) != (rows - 1, columns - 1):
                raise ModelError(f"{name}: '{node.name}' in '{key}' changes the size of a map")
            own = max(top, bottom), max(left, right)
        elif node.op not in _PLAIN:
            raise ModelError(f"{name}: '{key}' has a {node.op}, which looks beyond a neighbourhood")
        before = [reach[source] for source in node.inputs]
        reach[node.name] = own[0] + max(r for r, _ in before), own[1] + max(c for _, c in before)
    rows, columns = reach[graph.outputs[0]]
    if max(rows, columns) > LARGEST_REACH:
        raise ModelError(f"{name}: '{key}' looks {rows} rows and {columns} columns far, not {LARGEST_REACH}")
    return rows, columns
