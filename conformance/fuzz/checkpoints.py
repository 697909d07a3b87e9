"""Targets of weights from elsewhere: checkpoints of the standard, weights of the encoder, calibration."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from functools import cache
from random import Random
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load, save

from conformance.encoder.analysis import BUNDLED, WEIGHTS, load_float_encoder
from conformance.encoder.source import PictureFileError, make_source
from conformance.fuzz import seeds
from conformance.fuzz.bytes_mutator import odd_number
from conformance.fuzz.checkpoint_mutator import mutate_checkpoint
from conformance.fuzz.pictures import quietly, small_pictures
from conformance.fuzz.target import Finding, MutateBytes, Target, answered, file_of
from conformance.importer.checkpoint import MAX_BYTES, Checkpoint, read_checkpoint
from conformance.importer.entropy import convert_entropy
from conformance.importer.filters import eicci_network
from conformance.importer.given_pictures import given_picture
from conformance.importer.networks import network_of
from conformance.networks.calibration import from_stream
from conformance.networks.convert_filters import calibration_bands
from conformance.verify import synthetic
from refdec.codestream import CHANNELS
from refdec.errors import ModelError
from refdec.models_io import HYPER_SCALE_DECODER, ModelSet
from refdec.picture import Picture

CHROMA = 1
"""The component whose checkpoints are smaller."""
MAX_CHECKPOINT = 1 << 19
SMALL = "small."
CALLED: list[object] = []


def called_by_a_pickle(*arguments: object) -> None:
    """What no checkpoint may call; it is noted, since whatever is raised here may be caught."""
    CALLED.append(arguments)


def checkpoint(data: bytes) -> str:
    """A ``.pth`` file: read, then as a checkpoint of every kind. Nothing in it is ever called."""
    path = file_of(data, "checkpoint.pth")

    def read() -> None:
        found = read_checkpoint(path, path.name)
        if sum(tensor.nbytes for tensor in found.tensors.values()) > MAX_BYTES:
            raise Finding("tensors larger than any checkpoint")
        if not all(tensor.flags.c_contiguous for tensor in found.tensors.values()):
            raise Finding("a tensor that is not contiguous")
        for convert in _CONVERTERS:
            answered(lambda c=convert, f=found: c(f), ModelError)

    CALLED.clear()
    result = answered(lambda: quietly(read), ModelError)
    if CALLED:
        raise Finding("a checkpoint called a function")
    return result


_CONVERTERS: tuple[Callable[[Checkpoint], object], ...] = (
    lambda found: convert_entropy(found, CHROMA),
    eicci_network,
    lambda found: network_of(torch.nn.Conv2d(2, 3, 3), found, SMALL),
)


def encoder_weights(data: bytes) -> str:
    """Weights of the encoder: the bytes by themselves, then their tensors in place of good ones, with which a
    picture is analysed."""
    file_of(data, "encoder.safetensors")
    folder = file_of(b"", "empty").parent / "set"
    (folder / "model0").mkdir(parents=True, exist_ok=True)
    path = folder / "model0" / WEIGHTS["bop"]

    def read() -> None:
        load_float_encoder(ModelSet(folder), 0).analyse(_source())

    path.write_bytes(data)
    first = answered(lambda: quietly(read), ModelError)
    try:
        given = load(data)
    except (SafetensorError, ValueError, KeyError, TypeError):
        return first  # what NumPy has no type for is the reader's business alone
    path.write_bytes(save({**_good_weights(), **given}))
    return answered(lambda: quietly(read), ModelError)


@cache
def _good_weights() -> dict[str, Any]:
    return load((BUNDLED / "lite" / "model0" / WEIGHTS["bop"]).read_bytes())


@cache
def _source() -> Any:
    planes = (np.arange(3 * 64 * 64).reshape(3, 64, 64) * 37 % 256).astype(np.uint16)
    return make_source(Picture((planes[0], planes[1], planes[2]), "RGB", 8, (1, 1)))


def calibration(data: bytes) -> str:
    """A file to calibrate on: the first byte says if it is a picture, and of which format, or a stream."""
    if not data:
        return "empty"
    suffixes = (".png", ".jpg", ".ppm", ".webp")
    if data[0] % 5 < len(suffixes):
        path = file_of(data[1:], f"given{suffixes[data[0] % 5]}")
        return answered(
            lambda: quietly(lambda: calibration_bands([given_picture(path)])), PictureFileError, ModelError
        )
    path = file_of(data[1:], "given.jai")
    return answered(lambda: from_stream(path, seeds.models(), 0), ModelError)


def _checkpoints() -> Iterator[bytes]:
    yield _saved(entropy_state(1, CHROMA, 3))
    rest = torch.nn.Conv2d(2, 3, 3).state_dict()
    yield _saved({f"{SMALL}{name}": value for name, value in rest.items()})
    yield _saved({f"{SMALL}weight": rest["weight"].half(), "epoch": 3, "optimizer": {"state": {}}})


def _saved(state: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def entropy_state(seed: int, component: int, gain_column: int) -> dict[str, Any]:
    """What the entropy stage needs of an official checkpoint: tensors of a seeded model by official name.

    :param gain_column: the one of 18 columns in which the gains stand.
    """
    model = synthetic.entropy_model(seed, component)
    state: dict[str, Any] = {}
    for name in ("conv1", "depthwise", "pointwise"):
        node = model.graphs[HYPER_SCALE_DECODER].node(name).tensors
        prefix = f"hyper_scale_decoder.{name}"
        state[f"{prefix}.weight"] = torch.from_numpy(node["weight"].copy())
        state[f"{prefix}.bias"] = torch.from_numpy(node["bias"].copy())
        shifts = node["shift"].astype(np.int8).reshape(1, -1, 1, 1)
        state[f"{prefix}.per_channel_shifts"] = torch.from_numpy(shifts)
        state[f"{prefix}.is_quantized"] = torch.tensor([True])
    gains = np.zeros((CHANNELS[component], 18), np.float32)
    gains[:, gain_column] = model.constants["gain_log"].astype(np.float32) / 128
    state["vr_vec.c"] = torch.from_numpy(gains)
    frequencies = np.diff(model.constants["z_cdf"].astype(np.int32), axis=1, prepend=0)
    state["hyper_entropy.freqs_int"] = torch.from_numpy(frequencies.astype(np.int32) * 4_000_000)
    state["hyper_entropy.is_quantized"] = torch.tensor([True])
    return state


def _weights() -> Iterator[bytes]:
    good = _good_weights()
    small = sorted(good, key=lambda name: good[name].nbytes)[:12]
    for part in range(0, 12, 3):
        yield save({name: good[name] for name in small[part : part + 3]})


def mutate_weights(data: bytes, random: Random, mutate_bytes: MutateBytes) -> bytes:
    """Numbers, types and shapes of tensors; or bytes."""
    try:
        tensors = load(data)
    except (SafetensorError, ValueError, KeyError, TypeError):
        return mutate_bytes(data, random)
    if not tensors or random.randrange(4) == 0:
        return mutate_bytes(data, random)
    name = random.choice(list(tensors))
    tensor, kind = tensors[name].copy(), random.randrange(5)
    if kind < 3 and tensor.size and tensor.dtype.kind == "f":
        bits = struct.unpack("<e", struct.pack("<H", odd_number(random, 0, 65535)))[0]
        value = random.choice((bits, 65504.0, -65504.0, float("inf"), float("nan"), 0.0))
        tensor.reshape(-1)[random.randrange(tensor.size) if kind else slice(None)] = value
    elif kind == 3:
        tensor = tensor.astype(random.choice(("float32", "float64", "int8", "int64", "bool")))
    else:
        tensor = tensor.repeat(2, 0) if tensor.ndim and random.randrange(2) else tensor[:0]
    return save({**tensors, name: np.ascontiguousarray(tensor)})


def _given() -> Iterator[bytes]:
    yield from small_pictures((".png", ".jpg", ".ppm", ".webp"))
    for data in seeds.base_streams(1500):
        yield b"\x04" + data


IMPORTER = "conformance/importer"
TARGETS = (
    Target(
        "checkpoint", "The standard's checkpoints, as checkpoints of every kind; nothing in them is called.",
        checkpoint, _checkpoints, mutate_checkpoint, MAX_CHECKPOINT, share=2,
        modules=(f"{IMPORTER}/checkpoint.py", f"{IMPORTER}/entropy.py"),
    ),
    Target(
        "encoder-weights", "Weights of the encoder, with which a picture is analysed.", encoder_weights,
        _weights, mutate_weights, 1 << 14, share=1, modules=("conformance/encoder/analysis.py",),
    ),
    Target(
        "calibration", "Pictures and streams for refconf import --calibrate.", calibration, _given, None,
        4096, share=1, modules=(f"{IMPORTER}/given_pictures.py", "conformance/networks/calibration.py"),
    ),
)  # fmt: skip
