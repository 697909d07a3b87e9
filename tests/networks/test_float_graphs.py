"""The float graphs compute what the PyTorch modules compute, in float64, at even, odd and smallest sizes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from conformance.networks import SYNTHESIS, ContextModel, HyperDecoder, chroma_mean, split_phases
from conformance.networks.float_graphs import (
    context_graphs,
    hyper_decoder_graph,
    synthesis_graph,
)
from conformance.networks.synthetic import fill_synthetic, synthetic_latent, synthetic_z

SIZES = [(75, 101), (64, 64), (97, 66), (1, 1), (17, 130)]
TOLERANCE = 1e-9


def run(graph, inputs, size=None):
    arrays = {name: value[0].numpy() for name, value in inputs.items()}
    return graph.run(arrays, size, dtype=torch.float64)


def grid(size, divisor):
    return -(-size[0] // divisor), -(-size[1] // divisor)


def close(graph_value: np.ndarray, module_value: torch.Tensor) -> None:
    assert graph_value.dtype == np.float64
    assert graph_value.shape == tuple(module_value.shape[1:])
    assert np.abs(graph_value - module_value[0].numpy()).max() <= TOLERANCE


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("point, component", SYNTHESIS)
def test_synthesis(point, component, size):
    module = fill_synthetic(SYNTHESIS[point, component]().double())
    luma = synthetic_latent(160, *grid(size, 16))
    chroma = synthetic_latent(96, *grid(size, 16)) * 2
    inputs = {"y_hat.Y": luma, "y_hat.UV": chroma} if component else {"y_hat": luma}
    with torch.no_grad():
        expected = module.signal(torch.cat(list(inputs.values()), dim=1), size)
    assert tuple(expected.shape[1:]) == (1 + component, *size)
    expected = expected.clamp(-127.5 / 128, 127.5 / 128)
    close(run(synthesis_graph(module), inputs, size)["signal"], expected)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [160, 96])
def test_hyper_decoder(channels, size):
    module = fill_synthetic(HyperDecoder(channels).double())
    z = synthetic_z(channels, *grid(size, 64))
    with torch.no_grad():
        expected = module(z, size)
    assert tuple(expected.shape[2:]) == grid(size, 32)
    close(run(hyper_decoder_graph(module), {"z_hat": z}, size)["psi"], expected)


@pytest.mark.parametrize("latent", [(5, 7), (4, 6), (1, 1), (2, 5), (3, 2)])
def test_context_model(latent):
    module = fill_synthetic(ContextModel().double())
    residual = synthetic_latent(160, *latent)
    psi = synthetic_latent(640, *grid(latent, 2))
    with torch.no_grad():
        expected = split_phases(module(residual, psi))
    found: list[np.ndarray] = []
    blocks = psi.chunk(4, dim=1)
    for phase, graph in enumerate(context_graphs(module)):
        inputs = {"psi": blocks[phase]}
        inputs |= {f"y_hat.{k}": torch.from_numpy(value)[None] for k, value in enumerate(found)}
        found.append(run(graph, inputs)["mu"] + split_phases(residual)[phase][0].numpy())
        inside = split_phases(torch.ones(1, 1, *latent, dtype=torch.float64))[phase]
        # beyond the latent the mean is context for later phases, but no sample of the result
        close(found[-1] * inside[0].numpy(), expected[phase])


def test_chroma_latent():
    psi, residual = synthetic_latent(384, 3, 4), synthetic_latent(96, 5, 7) * 3
    expected = split_phases(chroma_mean(psi, (5, 7)) + residual)
    for phase, (mean, rest) in enumerate(zip(psi.chunk(4, dim=1), split_phases(residual), strict=True)):
        inside = split_phases(torch.ones(1, 1, 5, 7, dtype=torch.float64))[phase]
        close(((mean + rest) * inside)[0].numpy(), expected[phase])
