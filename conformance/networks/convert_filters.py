"""Float networks of the post-filters to integer models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from conformance.networks.eicci import BANDS, Eicci, eicci_graphs, picture_bands
from conformance.quantize.calibration import Sample
from conformance.quantize.compile import compile_graph
from conformance.quantize.options import Format, Options
from conformance.training.pictures import to_yuv
from refdec.integer import Graph, Model
from refdec.models_io import eicci_kind
from refdec.networks.eicci import LARGEST_FRACTION, eicci_model

Array = npt.NDArray[np.float32]

HEADROOM = 2.0
NOISE_SIDE = 128
WINDOW = 160
MEAN_FRACTION, DETAIL_FRACTION = 11, 12
"""Fraction bits of a plane's band of means, and of its other bands. Finer bands cost bits of the first
layer's weights, whose products with them share 32 bits: with two more, the result is 10 dB worse."""
OVERSHOOT = 0.5
"""Share of the range of samples that chroma may leave it by, which interpolation makes it do."""


def band_format() -> Format:
    """Fractions and ranges of the 48 bands: what samples in 0..255 can reach, in chroma with overshoot."""
    fraction, low, high = [], [], []
    for plane in range(3):
        over = OVERSHOOT if plane else 0.0
        for band in range(BANDS):
            fraction.append(DETAIL_FRACTION if band else MEAN_FRACTION)
            one = 1 << fraction[-1]
            low.append(-round((2 + 2 * over if band else 4 * over) * one))
            high.append(round((2 + 2 * over if band else 4 + 4 * over) * one))
    return Format(*(np.array(v, np.int32) for v in (fraction, low, high)))


POLICY = Options(
    headroom=HEADROOM, rounding="nearest", bias_correction=False, free_scales=False, plan_scales=False
)


def calibration_bands(pictures: Sequence[npt.NDArray[np.uint8]], seed: int = 0) -> list[Array]:
    """Bands of pictures, and of what pictures are not: noise in single samples and in blocks, and extremes.

    :param pictures: uint8 RGB ``[H, W, 3]``.
    :returns: float32 ``[48, h, w]``, in units of 256 sample steps.
    """
    random = np.random.default_rng(seed)
    side = NOISE_SIDE
    planes = [to_yuv(_window(p))[None] for p in pictures]
    noise = [
        random.uniform(0, 255, (3, side, side)),
        random.choice([0.0, 255.0], (3, side, side)),
        np.kron(random.uniform(0, 255, (3, side // 4, side // 4)), np.ones((4, 4))),
        np.kron(random.choice([0.0, 255.0], (3, side // 16, side // 16)), np.ones((16, 16))),
    ]
    planes += [torch.from_numpy(n.astype(np.float32))[None] for n in noise]
    return [picture_bands(_whole_blocks(p) / 256)[0].numpy() for p in planes]


def convert_eicci(
    network: Eicci,
    bank: str,
    index: int,
    bands: Sequence[Array],
    provenance: Mapping[str, Any],
    scheme: str = "w16a16",
) -> Model:
    """The integer model of one eICCI network.

    :param bands: result of :func:`calibration_bands`.
    :raises QuantisationError: no integer form within the scheme.
    """
    options = POLICY if scheme == "w16a16" else Options(headroom=HEADROOM)
    samples: list[Sample] = [({"bands": b}, None) for b in bands]
    graphs: dict[str, Graph] = {}
    given = band_format()
    constants = {"band_fraction": np.asarray(given.fraction)}
    quality = {}
    for name, graph in eicci_graphs(network).items():
        reach = np.max([np.abs(graph.run({"bands": b})["delta"]).max((1, 2)) for b in bands], axis=0)
        fraction = np.floor(np.log2(32767 / (reach * HEADROOM + 2.0**-20)))
        constants[f"{name}_fraction"] = np.clip(fraction, 0, LARGEST_FRACTION).astype(np.int32)
        formats = {
            "bands": given,
            "delta": Format(constants[f"{name}_fraction"], -32767, 32767),
        }
        graphs[name], report = compile_graph(graph, samples, scheme, formats=formats, options=options)
        quality[name] = {
            "snr_db": round(report.layers[-1].snr, 2),
            "saturated": sum(layer.saturated for layer in report.layers if layer.op != "input"),
        }
    facts = {**provenance, "scheme": scheme, "quality": quality}
    model = Model(eicci_kind(bank, index), graphs, constants, facts)
    eicci_model(model)
    return model


def _window(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The middle of a picture: enough to see what its activations reach."""
    top, left = (max(side - WINDOW, 0) // 2 for side in picture.shape[:2])
    return picture[top : top + WINDOW, left : left + WINDOW]


def _whole_blocks(planes: Tensor) -> Tensor:
    return planes[..., : planes.shape[-2] // 4 * 4, : planes.shape[-1] // 4 * 4]
