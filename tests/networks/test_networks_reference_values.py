"""The float networks against published statistics of their outputs on synthetic weights, in float64.

One row a network: mean, population standard deviation, first and last element, with the digits given.
Two rows are integers; they are exact.
"""

from __future__ import annotations

import pytest
import torch

from conformance.networks import (
    ANALYSIS,
    SYNTHESIS,
    ContextModel,
    HyperDecoder,
    HyperEncoder,
    IntegerHyperScaleDecoder,
    chroma_mean,
    merge_phases,
    split_phases,
)
from conformance.networks.synthetic import fill_synthetic, synthetic_latent, synthetic_samples, synthetic_z

SIZE = (75, 101)
LATENT = (5, 7)

SYNTHESIS_ROWS = [
    ("sop", 0, (1, 75, 101), 127.442187278, 5.962167380, 132.32124535, 133.03918388),
    ("sop", 1, (2, 75, 101), 127.495385165, 6.024809124, 133.15324594, 131.58851622),
    ("bop", 0, (1, 75, 101), 126.731559219, 6.918746563, 134.53212333, 117.03839118),
    ("bop", 1, (2, 75, 101), 127.721814205, 11.377170804, 135.21470258, 138.79525968),
    ("hop", 0, (1, 75, 101), 128.922623323, 70.555048388, 15.86637874, 67.21890355),
    ("hop", 1, (2, 75, 101), 127.693010316, 7.297202177, 125.40923962, 132.97699526),
]
ANALYSIS_ROWS = [
    ("bop", 0, (160, 5, 7), -0.001557844, 0.095534881, 0.02611659, -0.08404610),
    ("bop", 1, (96, 5, 7), 0.003448656, 0.085993266, 0.06829010, 0.10113917),
    ("hop", 0, (160, 5, 7), -0.001652917, 0.418108558, 0.01695588, 0.64046992),
    ("hop", 1, (96, 5, 7), 0.003458201, 0.085684574, 0.06421992, 0.10467057),
]
HYPER_ENCODER_ROWS = [
    (160, 0.000162324, 0.029832460, -0.01111660, 0.02442658),
    (96, -0.000171224, 0.029685305, -0.00567134, -0.02474946),
]
HYPER_DECODER_ROWS = [
    (160, -0.000007908, 0.093213581, -0.00352453, 0.10464104),
    (96, -0.000306991, 0.092323512, -0.07148553, 0.10576306),
]
CONTEXT_ROW = (-0.003766626, 0.577472623, -0.99284734, 0.82341505)
CHROMA_MEAN_ROW = (-0.003585657, 0.576853811, -1.00000000, -0.04382470)
INTEGER_ROWS = [
    (160, 413046, 586, 38, 46),
    (96, 175066, 413, 173, 62),
]


def expect(out: torch.Tensor, shape: tuple[int, ...], row: tuple[float, ...]) -> None:
    mean, deviation, first, last = row
    assert tuple(out.shape[1:]) == shape
    assert out.dtype == torch.float64
    # half a unit of the last printed digit
    assert abs(out.mean().item() - mean) <= 0.51e-9
    assert abs(out.std(unbiased=False).item() - deviation) <= 0.51e-9
    assert abs(out[0, 0, 0, 0].item() - first) <= 0.51e-8
    assert abs(out[0, -1, -1, -1].item() - last) <= 0.51e-8


@pytest.mark.parametrize("row", SYNTHESIS_ROWS, ids=lambda r: f"{r[0]}-{r[1]}")
def test_synthesis(row):
    point, component, shape, *values = row
    y = synthetic_latent(160, *LATENT)
    if component:
        y = torch.cat((y, synthetic_latent(96, *LATENT)), dim=1)
    network = fill_synthetic(SYNTHESIS[point, component]().double())
    with torch.no_grad():
        expect(network(y, SIZE), shape, tuple(values))


@pytest.mark.parametrize("row", ANALYSIS_ROWS, ids=lambda r: f"{r[0]}-{r[1]}")
def test_analysis(row):
    point, component, shape, *values = row
    samples = synthetic_samples(12, 38, 51) if component else synthetic_samples(1, 75, 101)
    network = fill_synthetic(ANALYSIS[point, component]().double())
    with torch.no_grad():
        expect(network(samples), shape, tuple(values))


@pytest.mark.parametrize("row", HYPER_ENCODER_ROWS, ids=["Y", "UV"])
def test_hyper_encoder(row):
    channels, *values = row
    network = fill_synthetic(HyperEncoder(channels).double())
    with torch.no_grad():
        expect(network(synthetic_latent(channels, *LATENT)), (channels, 2, 2), tuple(values))


@pytest.mark.parametrize("row", HYPER_DECODER_ROWS, ids=["Y", "UV"])
def test_hyper_decoder(row):
    channels, *values = row
    network = fill_synthetic(HyperDecoder(channels).double())
    with torch.no_grad():
        psi = network(synthetic_z(channels, 2, 2), SIZE).float().double()
    expect(psi, (4 * channels, 3, 4), tuple(values))


def test_context_model():
    network = fill_synthetic(ContextModel().double())
    with torch.no_grad():
        y_hat = network(synthetic_latent(160, *LATENT), synthetic_latent(640, 3, 4))
    expect(y_hat, (160, 5, 7), CONTEXT_ROW)


def test_chroma_mean():
    expect(chroma_mean(synthetic_latent(384, 3, 4), LATENT), (96, 5, 7), CHROMA_MEAN_ROW)


@pytest.mark.parametrize("row", INTEGER_ROWS, ids=["Y", "UV"])
def test_integer_hyper_scale_decoder(row):
    channels, total, largest, first, last = row
    out = fill_synthetic(IntegerHyperScaleDecoder(channels))(synthetic_z(channels, 2, 2), SIZE)
    assert tuple(out.shape) == (1, channels, 5, 7)
    assert (out.sum().item(), out.max().item()) == (total, largest)
    assert (out[0, 0, 0, 0].item(), out[0, -1, -1, -1].item()) == (first, last)


def test_phase_split():
    cells = torch.arange(16).reshape(1, 1, 4, 4)
    expected = [[0, 2, 8, 10], [5, 7, 13, 15], [1, 3, 9, 11], [4, 6, 12, 14]]
    assert [phase.flatten().tolist() for phase in split_phases(cells)] == expected
    assert torch.equal(merge_phases(split_phases(cells), (4, 4)), cells)
