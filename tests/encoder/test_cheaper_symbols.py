"""Symbols that are chosen for their rate too."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("torch")

from conformance.encoder.encode import Encoder, reconstruct
from conformance.encoder.machine import Machine
from conformance.encoder.options import Tools
from conformance.encoder.quantise import LEVELS, SIGMA_MAX, SIGMA_MIN, Steps, quantise, towards_cheaper
from conformance.encoder.source import make_source
from refdec.decoder import decode
from refdec.models_io import ModelSet
from tests.encoder.float_models import picture


def bits(symbol: int, sigma: float) -> float:
    """Of a normal distribution rounded to integers."""
    unit = sigma * math.sqrt(2)
    if symbol == 0:
        return -math.log2(1 - math.erfc(0.5 / unit))
    mass = (math.erfc((symbol - 0.5) / unit) - math.erfc((symbol + 0.5) / unit)) / 2
    return -math.log2(max(mass, 5e-6))


@pytest.mark.parametrize("level", [0, 5, 11, 16, 23, 31])
@pytest.mark.parametrize("weight", [0.03, 0.1])
def test_the_cheaper_of_two_neighbours_is_taken(level: int, weight: float) -> None:
    sigma = SIGMA_MIN * (SIGMA_MAX / SIGMA_MIN) ** (level / (LEVELS - 1))
    value = np.linspace(-9.4, 9.4, 3001, dtype=np.float32)
    nearest = np.rint(value).astype(np.int32)
    found = towards_cheaper(value, nearest, np.full(value.shape, level * 128), weight)
    for v, near, symbol in zip(value.tolist(), nearest.tolist(), found.tolist(), strict=True):
        k, other = abs(near), abs(near) - 1
        assert abs(symbol) in (k, other) and symbol * near >= 0
        if k == 0:
            continue
        # a value is never moved by more than 0.95 of a step, however dear its symbol
        saving = min(weight * (bits(k, sigma) - bits(other, sigma)), 0.9)
        gap = (abs(v) - other) ** 2 - (abs(v) - k) ** 2 - saving
        if abs(gap) > 1e-4:
            assert abs(symbol) == (other if gap < 0 else k)


def test_no_weight_rounds_to_the_nearest() -> None:
    random = np.random.default_rng(1)
    difference = random.normal(0, 3, (4, 6, 6)).astype(np.float32)
    steps = Steps(np.ones((4, 1, 1), np.float32), None, None, None)
    coded = np.ones(difference.shape, np.bool_)
    log_sigma = np.full(difference.shape, 1500, np.int32)
    assert np.array_equal(quantise(difference, steps, coded), np.rint(difference))
    cheaper = quantise(difference, steps, coded, rate_weight=0.2, log_sigma=log_sigma)
    assert (np.abs(cheaper) <= np.abs(np.rint(difference))).all() and cheaper.any()
    assert (np.abs(cheaper) < np.abs(np.rint(difference))).any()


def test_a_picture_gets_smaller_and_is_what_the_encoder_believes(float_models: ModelSet) -> None:
    machine = Machine(float_models)
    sizes = []
    for weight in (0.0, 0.1, 0.3):
        source = make_source(picture(80, 112))
        coded = Encoder(source, machine, Tools(rate_weight=weight)).code(1, 0)
        sizes.append(len(coded.data))
        expected = reconstruct(coded, machine)
        for found, plane in zip(decode(coded.data, float_models).planes, expected.planes, strict=True):
            assert np.array_equal(found, plane)
    assert sizes[0] > sizes[1] > sizes[2]
