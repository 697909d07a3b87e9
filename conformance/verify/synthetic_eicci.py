"""Seeded networks of the post-filter eICCI: the standard's topology, made-up integers.

Integer arithmetic alone, so that a seed gives the same model on every machine. Corrections are of a few
sample steps, and depend on all three planes as far as the topology looks.
"""

from __future__ import annotations

import numpy as np

from conformance.verify.synthetic import Splitmix
from refdec.integer import Graph, GraphInput, Model, Node
from refdec.models_io import EICCI_BANKS, EICCI_NETWORKS, ModelSet, eicci_kind
from refdec.networks.eicci import BANDS, PLANE_BANDS

WIDTH = 48
LIMIT = 32767
BAND_RANGE = 12288
MEAN_FRACTION, DETAIL_FRACTION, DELTA_FRACTION = 11, 12, 16
BLOCKS = {"luma": 2, "chroma": 4}
_FAN_IN = 24


def eicci_model(
    seed: int,
    bank: str,
    index: int,
    width: int = WIDTH,
    band_range: int = BAND_RANGE,
    fractions: tuple[int, ...] = (DELTA_FRACTION,),
    narrower: int = 0,
) -> Model:
    """A seeded network of a bank.

    :param width: channels between the bands and their corrections; the standard's by default.
    :param band_range: what bands are clipped to.
    :param fractions: fraction bits of the corrections, channel by channel in turns.
    :param narrower: by how much the bounds of a band are closer than those of the band before it.
    """
    random = Splitmix(64 * seed + 16 * EICCI_BANKS.index(bank) + index)
    graphs, constants = {}, {}
    for trunk, blocks in BLOCKS.items():
        channels = PLANE_BANDS * (1 if trunk == "luma" else 2)
        nodes = [_conv(random, "first", "bands", BANDS, width, (3, 3), 7, 0)]
        for k in range(blocks):
            before = nodes[-1].name
            nodes.append(_conv(random, f"block{k}.row", before, width, width, (1, 3), 7, 0))
            nodes.append(_conv(random, f"block{k}.column", nodes[-1].name, width, width, (3, 1), 9))
            none = np.zeros(width, np.uint8)
            shifts = {"shift_a": none, "shift_b": none, "shift": none}
            terms = (before, nodes[-1].name)
            nodes.append(Node(f"block{k}", "add", terms, {}, shifts, -LIMIT, LIMIT))
        nodes.append(_conv(random, "delta", nodes[-1].name, width, channels, (3, 3), 9))
        bounds = tuple(band_range - narrower * k for k in range(BANDS))
        bands = GraphInput("bands", BANDS, tuple(-b for b in bounds), bounds)
        if not narrower:
            bands = GraphInput("bands", BANDS, -band_range, band_range)
        graphs[trunk] = Graph((bands,), tuple(nodes), ("delta",))
        constants[f"{trunk}_fraction"] = np.resize(np.array(fractions, np.int32), channels)
    detail = np.arange(BANDS) % PLANE_BANDS > 0
    constants["band_fraction"] = np.where(detail, DETAIL_FRACTION, MEAN_FRACTION).astype(np.int32)
    provenance = {"source": "synthetic", "seed": seed}
    return Model(eicci_kind(bank, index), graphs, constants, provenance)


def add_eicci(models: ModelSet, seed: int) -> ModelSet:
    """The model set with all twenty networks; it is changed, and given back."""
    for bank in EICCI_BANKS:
        for index in range(EICCI_NETWORKS):
            models.loaded_eicci[bank, index] = eicci_model(seed, bank, index)
    return models


def _conv(
    random: Splitmix,
    name: str,
    source: str,
    inputs: int,
    outputs: int,
    kernel: tuple[int, int],
    shift: int,
    low: int = -LIMIT,
) -> Node:
    """A convolution in which every output looks at a few inputs."""
    weight = np.zeros((outputs, inputs, *kernel), np.int8)
    sources = random.integers(0, inputs - 1, (outputs, _FAN_IN))
    taps = random.integers(0, kernel[0] * kernel[1] - 1, (outputs, _FAN_IN))
    values = random.integers(-63, 63, (outputs, _FAN_IN))
    weight[np.arange(outputs)[:, None], sources, taps // kernel[1], taps % kernel[1]] = values
    tensors = {
        "weight": weight,
        "bias": random.integers(-4000, 4000, (outputs,)).astype(np.int32),
        "shift": np.full(outputs, shift, np.uint8),
    }
    pad = (kernel[0] // 2, kernel[1] // 2) * 2
    return Node(name, "conv", (source,), {"pad": pad}, tensors, low, LIMIT)
