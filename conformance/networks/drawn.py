"""Latents drawn from a model's own statistics, to calibrate on without any stream or picture.

A drawn picture has the hyper-latent's coded distribution and, given that, the coded distribution of every
residual symbol. Where the scales that the model predicts do not describe what an encoder codes, such
residuals are far too large: most samples would leave their range, which no picture's do. There the largest
residuals are cut down until the samples are spread no wider than those of a picture can be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from conformance.networks.calibration import DISPLACEMENTS, RESIDUAL_UNIT, Coded, Int32
from conformance.networks.context import ContextModel, chroma_mean, split_phases
from conformance.networks.hyper import HyperDecoder
from conformance.networks.synthesis import Synthesis
from refdec import entropy, integer
from refdec.codestream.geometry import latent_size
from refdec.entropy.tables import coder_tables, symbol_of_column
from refdec.models_io import EntropyModel

DRAWN_SIZE = (256, 320)
BLOCKS = (1, 2)
"""The hyper-latent is drawn anew for every block of so many samples: once wild, once smooth."""
WIDEST = 0.6
"""Root mean square of a signal that takes every sample value equally often, 0.577, rounded up."""
CUTS = 2.0 ** (np.arange(-8, 15) / 2)
"""Magnitudes at which residuals are cut, so coarse that the machine's rounding noise hardly decides."""


def draw(models: tuple[EntropyModel, EntropyModel], seed: int = 0) -> Iterator[Coded]:
    """Pictures drawn from the entropy parameters of both components. The same seed gives the same ones."""
    random = np.random.Generator(np.random.PCG64(seed))
    for block in BLOCKS:
        for displacement in DISPLACEMENTS:
            z_hat = [_draw_z(random, model.z_cdf, block) for model in models]
            residual = [
                _draw_residual(random, model, z, displacement) for model, z in zip(models, z_hat, strict=True)
            ]
            yield Coded(DRAWN_SIZE, (z_hat[0], z_hat[1]), (residual[0], residual[1]))


def _draw_z(random: np.random.Generator, cdf: npt.NDArray[np.uint8], block: int) -> npt.NDArray[np.int8]:
    height, width = -(-DRAWN_SIZE[0] // 64), -(-DRAWN_SIZE[1] // 64)
    rows, columns = -(-height // block), -(-width // block)
    ticks = random.integers(0, 255, (len(cdf), rows, columns))
    # entry k of the distribution is the number of ticks below symbols 0 to k
    symbol = (ticks[:, None] >= cdf[:, :, None, None]).sum(1)
    z = (symbol - 31).astype(np.int8)
    return np.ascontiguousarray(z.repeat(block, 1).repeat(block, 2)[:, :height, :width])


def _draw_residual(
    random: np.random.Generator, model: EntropyModel, z_hat: npt.NDArray[np.int8], displacement: int
) -> Int32:
    engine = entropy.engine("golden")
    inputs = {model.graph.inputs[0].name: z_hat.astype(np.int16)}
    raw = integer.run(model.graph, inputs, DRAWN_SIZE, engine="golden")[model.graph.outputs[0]]
    log = engine.skip_scale_log(raw.astype(np.int32), model.gain_log, displacement, None)
    symbols = _draw_symbols(random, engine.levels(log))
    symbols = np.where(engine.skip_mask(log, None), symbols, 0).astype(np.int32)
    return engine.dequantise(symbols, model.gain_log + displacement, None, None)


def _draw_symbols(random: np.random.Generator, levels: npt.NDArray[np.uint8]) -> Int32:
    tables = coder_tables()
    ticks = random.integers(0, 256, levels.shape)
    symbols = np.zeros(levels.shape, np.int32)
    names = np.array([symbol_of_column(column) for column in range(256)])
    for level in np.unique(levels):
        here = levels == level
        ends = tables.starts[level] + tables.masses[level]
        symbols[here] = names[np.searchsorted(ends, ticks[here], side="right")]
    return symbols


@torch.no_grad()
def cut_to_pictures(
    coded: Coded,
    hyper: tuple[HyperDecoder, HyperDecoder],
    context: ContextModel,
    synthesis: Sequence[Synthesis],
) -> Coded:
    """The same picture with residuals cut at the largest of :data:`CUTS` with which the samples' spread is at
    most :data:`WIDEST`; as it is where that holds already, or where a component has no synthesis.

    :param synthesis: float transforms of one operating point: luma, or luma and chroma.
    """
    grid = latent_size(*coded.size)
    psi = [
        network(torch.from_numpy(np.ascontiguousarray(z)).float()[None], coded.size)
        for network, z in zip(hyper, coded.z_hat, strict=True)
    ]
    chosen: list[Tensor] = []
    kept = list(coded.residual)
    for c, network in enumerate(synthesis):
        whole = torch.from_numpy(coded.residual[c] / RESIDUAL_UNIT).float()[None]

        def latent(cut: float, c: int = c, whole: Tensor = whole) -> Tensor:
            residual = whole.clamp(-cut, cut)
            if c == 1:
                return chroma_mean(psi[1], grid) + residual
            parts = split_phases(residual)
            return context.run(psi[0], grid, lambda phase, mean: parts[phase] + mean)

        def fits(y: Tensor, network: Synthesis = network) -> bool:
            signal = network.signal(torch.cat([*chosen, y], 1), coded.size)
            return float(signal.square().mean()) <= WIDEST**2

        y = latent(float(np.inf))
        if not fits(y):
            below, above = 0, len(CUTS)
            while above - below > 1:
                middle = (below + above) // 2
                below, above = (middle, above) if fits(latent(CUTS[middle])) else (below, middle)
            limit = int(CUTS[below] * RESIDUAL_UNIT)
            kept[c] = kept[c].clip(-limit, limit)
            y = latent(CUTS[below])
        chosen.append(y)
    return replace(coded, residual=(kept[0], kept[1]))
