"""What small checkpoints become, and that every wrong importer makes something else of them."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from conformance.importer.checkpoint import Checkpoint
from conformance.importer.entropy import convert_entropy
from conformance.importer.networks import network_of
from conformance.mutants import patch
from conformance.mutants.mutant import Mutant
from conformance.quantize import FloatGraph, Sample, compile_graph
from conformance.quantize.elementwise import leaky_attribute
from conformance.quantize.rounding import round_nearest
from conformance.verify import synthetic
from refdec.errors import ModelError, RefdecError
from refdec.integer import run
from refdec.models_io import HYPER_SCALE_DECODER
from tests.mutants.importer_mutants import IMPORTERS
from tests.stage import official

SEED, COMPONENT = 5, 1
GAINS = {0.4: 0, 0.5: 0, 0.6: 1, 1.5: 2, 2.5: 2, -0.5: 0, -1.5: -2, -3000.0: -2048}
"""Of what a gain is in 128ths, what it becomes."""


def checkpoint(**changes: Any) -> Checkpoint:
    """The entropy stage's tensors of a seeded model, some of them others; ``None`` leaves one out."""
    state = {
        k: v.numpy() for k, v in official.tensors(SEED, COMPONENT).items() if isinstance(v, torch.Tensor)
    }
    state |= {name.replace("__", "."): value for name, value in changes.items()}
    return Checkpoint("file", "0" * 64, {k: v for k, v in state.items() if v is not None})


def with_gains(values: dict[int, float], column: int = official.GAIN_COLUMN) -> np.ndarray:
    """The gain vectors with some in 128ths."""
    gains = official.tensors(SEED, COMPONENT)["vr_vec.c"].numpy().copy()
    for channel, value in values.items():
        gains[channel, column] = np.float32(value / 128)
    return gains


def entropy() -> None:
    """The model that a checkpoint was made of comes out; what is no such checkpoint is refused."""
    found, right = convert_entropy(checkpoint(), COMPONENT), synthetic.entropy_model(SEED, COMPONENT)
    for name in ("gain_log", "z_cdf"):
        assert np.array_equal(found.constants[name], right.constants[name])
    graph, wanted = (model.graphs[HYPER_SCALE_DECODER] for model in (found, right))
    assert json.dumps(graph.to_json()[0]) == json.dumps(wanted.to_json()[0])
    for node in wanted.nodes:
        assert all(np.array_equal(graph.node(node.name).tensors[k], v) for k, v in node.tensors.items())
    odd = convert_entropy(checkpoint(vr_vec__c=with_gains(dict(enumerate(GAINS)))), COMPONENT)
    assert odd.constants["gain_log"][: len(GAINS)].tolist() == list(GAINS.values())
    conv = "hyper_scale_decoder__conv1__"
    good = checkpoint().tensors
    weight, shifts = (
        good["hyper_scale_decoder.conv1.weight"],
        good["hyper_scale_decoder.conv1.per_channel_shifts"],
    )
    for words, changes in (
        ("2 gain columns", {"vr_vec__c": with_gains({0: 1.0}, column=3)}),
        ("is above", {"vr_vec__c": with_gains({0: 4000.0})}),
        ("no finite number", {"vr_vec__c": with_gains({0: np.inf})}),
        ("no finite number", {"vr_vec__c": with_gains({0: np.nan})}),
        ("is no integer checkpoint", {"hyper_entropy__is_quantized": np.array([False])}),
        ("leaves 0..31", {f"{conv}per_channel_shifts": np.full_like(shifts, 32)}),
        ("has no tensor", {f"{conv}bias": None}),
        ("file: '.*weight' is int16", {f"{conv}weight": weight.astype(np.int16)}),
        ("expected int8", {f"{conv}weight": weight.reshape(weight.shape[0], -1)}),
    ):
        with pytest.raises(ModelError, match=words):
            convert_entropy(checkpoint(**changes), COMPONENT)


def networks() -> None:
    """A network is filled with what its checkpoint has."""
    torch.manual_seed(1)
    made = nn.Sequential(nn.Conv2d(3, 3, 3), nn.ConvTranspose2d(3, 3, 4))
    state = {f"part.{k}": v.numpy().copy() for k, v in made.state_dict().items()}
    empty = nn.Sequential(nn.Conv2d(3, 3, 3), nn.ConvTranspose2d(3, 3, 4))
    found = network_of(empty, Checkpoint("file", "", state), "part.")
    assert all(torch.equal(v, made.state_dict()[k]) for k, v in found.state_dict().items())
    bad = {"part.0.weight": state["part.0.weight"] * np.float32(np.inf)}
    with pytest.raises(ModelError):
        network_of(empty, Checkpoint("file", "", {**state, **bad}), "part.")


def quantiser() -> None:
    """A small network in integers is close to itself in floating point."""
    assert leaky_attribute(0.01) == {"numerator": 20972, "shift": 21}
    assert round_nearest(np.array([0.4, 0.6, -0.6, 200.0, -200.0]), 127).tolist() == [0, 1, -1, 127, -127]
    rng = np.random.default_rng(3)
    graph = FloatGraph("small")
    x = graph.conv("conv", graph.input("y", 4), rng.standard_normal((4, 4, 3, 3)), rng.standard_normal(4))
    x = graph.transposed_conv("up", x, rng.standard_normal((4, 4, 4, 4)), rng.standard_normal(4), leaky=0.01)
    graph.output(graph.conv("out", x, rng.standard_normal((4, 4, 1, 1)) / 4))
    strength = np.array([1.0, 0.2, 3.0, 0.05])[:, None, None]
    inputs: list[Sample] = [
        ({"y": (rng.laplace(size=(4, 6, 8)) * strength).astype(np.float32)}, None) for _ in range(2)
    ]
    integer, report = compile_graph(graph, inputs)
    noise = signal = 0.0
    for values, _ in inputs:
        scaled = np.rint(values["y"] * report.scales["y"][:, None, None])
        lo, hi = (bound[:, None, None] for bound in integer.clip_range("y"))
        got = run(integer, {"y": np.clip(scaled, lo, hi).astype(np.int16)}, (1, 1), engine="golden")["out"]
        right = graph.run(values, None)["out"]
        noise += float(((got / report.scales["out"][:, None, None] - right) ** 2).sum())
        signal += float((right**2).sum())
    assert signal > 1e5 * noise


CHECKS = {"entropy": entropy, "networks": networks, "quantiser": quantiser}


@pytest.mark.parametrize("name", list(CHECKS))
def test_the_importer_is_right(name: str) -> None:
    CHECKS[name]()


@pytest.fixture(scope="module")
def surveyed() -> Iterator[None]:
    """The functions that may be changed, looked for once."""
    for name in {edit.module for mutant in IMPORTERS for edit in mutant.edits}:
        importlib.import_module(name)
    with patch.surveyed():
        yield


@pytest.mark.usefixtures("surveyed")
@pytest.mark.parametrize("mutant", IMPORTERS, ids=lambda mutant: mutant.name)
def test_a_wrong_importer_is_found_out(mutant: Mutant) -> None:
    """By the check of its area; whatever goes wrong in it counts, but not that a mutant cannot be applied."""
    with patch.applied(mutant):
        failures = (AssertionError, pytest.fail.Exception, RefdecError, ValueError, IndexError, RuntimeError)
        with pytest.raises(failures):
            CHECKS[mutant.area]()
