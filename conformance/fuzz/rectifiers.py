"""Targets of quantisation rectifiers: their files, and decodes with a folder of them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import islice

from conformance.fuzz import seeds
from conformance.fuzz.decodes import LIMITS, MAX_BYTES, decoded_alike
from conformance.fuzz.model_mutator import mutate_model
from conformance.fuzz.target import Target, answered, file_of
from conformance.fuzz.valid_mutator import valid_mutator
from conformance.generate.bases import good
from conformance.generate.layers import Layers
from conformance.verify.synthetic import Splitmix
from refdec.errors import ModelError
from refdec.integer import GraphInput, Model
from refdec.integer.model_file import model_bytes
from refdec.models_io import KINDS, MODEL_IDS, ModelSet, file_name, kind_of, with_rectifiers
from refdec.networks.models import RECTIFIER

WIDTH = 4
MODULES = ("refdec/networks/models.py", "refdec/networks/rectify.py", "refdec/latent_stage.py")


def rectifier(data: bytes) -> str:
    """Any bytes as the rectifier file of luma, in a folder of its own; what is accepted decodes a picture in
    both engines alike."""
    path = file_of(data, "rectifier")
    folder = path.parent / "rectifiers"
    (folder / "model0").mkdir(parents=True, exist_ok=True)
    (folder / file_name(0, RECTIFIER, 0)).write_bytes(data)
    stream = good(seeds.context(0), "few").data
    return answered(lambda: decoded_alike(stream, with_rectifiers(_set_in_memory(), folder)), ModelError)


def rectified(data: bytes) -> str:
    """Codestream to picture, golden and jit, with a rectifier for every component."""
    return decoded_alike(data, _rectified_set())


def _set_in_memory() -> ModelSet:
    """The small models of rate point 0 as a set of its own; what is made of them is shared."""
    models = _rectified_set()
    loaded = {key: model for key, model in models.loaded.items() if key[1] != RECTIFIER}
    return ModelSet(
        None, loaded, _entropy=models._entropy, _latent=models._latent, _synthesis=models._synthesis
    )


@cache
def _rectified_set() -> ModelSet:
    small = seeds.models()
    loaded = {(m, kind, c): small.load(m, kind, c) for m in MODEL_IDS for kind in KINDS for c in (0, 1)}
    loaded |= {(m, RECTIFIER, c): _model(m, c) for m in MODEL_IDS for c in (0, 1)}
    return ModelSet(None, loaded, loaded_eicci=small.loaded_eicci)


def _model(model_id: int, component: int, wide: bool = False) -> Model:
    """Two thin convolutions and a sum: the structure of a rectifier, drawn weights."""
    latent = seeds.models().latent(model_id, component)
    channels, limit = latent.channels, int(min(latent.hi.min(), -latent.lo.max()))
    source = GraphInput("y_hat", channels, int(latent.lo.min()), int(latent.hi.max()))
    net = Layers(Splitmix(8 * model_id + component), source)
    net.conv("first", "y_hat", WIDTH, 3, wide=wide, leaky={"numerator": 1, "shift": 3})
    net.conv("correction", "first", channels)
    net.add("y_hat_rectified", "y_hat", "correction", limit=limit)
    constants = {"latent_fraction": latent.fraction}
    return Model(
        kind_of(RECTIFIER, component), {RECTIFIER: net.graph("y_hat_rectified")}, constants, {"seed": 1}
    )


def _files() -> Iterator[bytes]:
    yield model_bytes(_model(0, 0))
    yield model_bytes(_model(0, 0, wide=True))
    yield model_bytes(_model(1, 1))


def _streams() -> Iterator[bytes]:
    yield from islice(seeds.base_streams(2500), 0, None, 2)


TARGETS = (
    Target(
        "rectifier", "A rectifier's file; what is accepted decodes a picture, golden and jit.", rectifier,
        _files, mutate_model, 1 << 16, seconds=10, share=2, modules=MODULES,
    ),
    Target(
        "rectified", "Codestream to picture with rectifiers, golden and jit.", rectified, _streams,
        valid_mutator(_rectified_set, LIMITS, MAX_BYTES), MAX_BYTES, seconds=20, share=2, modules=MODULES,
    ),
)  # fmt: skip
