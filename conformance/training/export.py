"""Trained float codecs to a model set: integer decoder files and the float encoder's weights.

The decoder files go through the same importer and quantiser as official checkpoints; calibration uses what
the trained encoder makes of training pictures.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save
from torch import Tensor

from conformance.importer.checkpoint import Checkpoint
from conformance.importer.entropy import TRAINING_BETAS, convert_entropy
from conformance.networks.calibration import RESIDUAL_UNIT, Coded
from conformance.networks.convert import RatePoint, Scheme, convert_latent, convert_synthesis, rate_point
from conformance.networks.pictures import generated_pictures
from conformance.training.codec import BETAS, ComponentCodec
from conformance.training.pictures import to_yuv
from conformance.training.schedule import checkpoint_path
from refdec.codestream import CHANNELS
from refdec.integer import Model, save_model
from refdec.models_io import file_name

DELTAS = (-700, 0, 500)
"""Displacements at which calibration pictures are coded."""
CALIBRATION_SIZE = (256, 320)
"""Of the cut-outs that calibrate the networks."""
CALIBRATION_PICTURES = 8
ENCODER_PARTS = ("analysis", "hyper_encoder")
MASS = 1 << 20
"""Mass of a z symbol's counts; one unit more keeps every symbol codable."""


@dataclass(frozen=True)
class Trained:
    """Both components of one model, and the digests of their checkpoint files."""

    model_id: int
    codecs: tuple[ComponentCodec, ComponentCodec]
    digests: tuple[str, str]


def load_trained(folder: Path, model_id: int) -> Trained:
    """:raises FileNotFoundError: a component is not trained yet."""
    codecs, digests = [], []
    for component in (0, 1):
        path = checkpoint_path(folder, model_id, component)
        codec = ComponentCodec(component)
        codec.load_state_dict(torch.load(path, weights_only=True)["codec"])
        codecs.append(codec.eval())
        digests.append(hashlib.sha256(path.read_bytes()).hexdigest())
    return Trained(model_id, (codecs[0], codecs[1]), (digests[0], digests[1]))


@torch.no_grad()
def z_frequencies(codec: ComponentCodec, pictures: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.int32]:
    """Counts of the hyper-latent's symbols over pictures, int32 ``[C, 63]``, scaled to a common mass."""
    counts = np.zeros((CHANNELS[codec.component], 63), np.int64)
    channels = np.arange(len(counts))[:, None]
    for rgb in pictures:
        z = codec.hyper_encoder(codec.latent(to_yuv(rgb)[None])).clamp(-31, 31).round()[0]
        symbols = z.flatten(1).numpy().astype(np.int64) + 31
        np.add.at(counts, (np.broadcast_to(channels, symbols.shape), symbols), 1)
    # neighbours of what was seen may come too: spread a little of each count
    spread = 30 * counts
    spread[:, 1:] += counts[:, :-1]
    spread[:, :-1] += counts[:, 1:]
    scaled = spread * MASS // spread.sum(1, keepdims=True)
    return (scaled + 1).astype(np.int32)


def entropy_checkpoint(trained: Trained, component: int, frequencies: npt.NDArray[np.int32]) -> Checkpoint:
    """The entropy stage's tensors under their official names."""
    codec = trained.codecs[component]
    scales = codec.hyper_scale_decoder.integer_state()
    gains = np.zeros((CHANNELS[component], TRAINING_BETAS), np.float32)
    gains[:, trained.model_id] = np.rint(codec.gain_log.detach().numpy()) / 128
    tensors = {f"hyper_scale_decoder.{name}": value.numpy() for name, value in scales.items()}
    tensors["vr_vec.c"] = gains
    tensors["hyper_entropy.freqs_int"] = frequencies
    tensors["hyper_entropy.is_quantized"] = np.ones(1, np.bool_)
    name = f"lite model {trained.model_id} (beta {BETAS[trained.model_id]})"
    return Checkpoint(name, trained.digests[component], tensors)


@torch.no_grad()
def coded_pictures(trained: Trained, pictures: Sequence[npt.NDArray[np.uint8]]) -> list[Coded]:
    """What the trained encoder makes of pictures, for calibration: every picture at one of the rates."""
    out = []
    for number, rgb in enumerate(pictures):
        picture = to_yuv(rgb)[None]
        size = (picture.shape[-2], picture.shape[-1])
        delta = torch.full((1, 1, 1, 1), float(DELTAS[number % len(DELTAS)]))
        parts = [codec.code(codec.latent(picture), size, delta, noise=False) for codec in trained.codecs]
        z = [part.z_hat[0].numpy().astype(np.int8) for part in parts]
        residual = [_fixed_point(part.residual[0]) for part in parts]
        out.append(Coded(size, (z[0], z[1]), (residual[0], residual[1])))
    return out


def calibration_pictures(pictures: Sequence[npt.NDArray[np.uint8]]) -> list[npt.NDArray[np.uint8]]:
    """The middles of some of the pictures, evenly spread, and generated pictures.

    The generated ones hold what photographs rarely do: full black, white and primaries in blocks of all
    sizes. Latents beyond the calibrated range would be cut off.
    """
    count = min(CALIBRATION_PICTURES, len(pictures))
    chosen = [pictures[i * len(pictures) // count] for i in range(count)]
    out = []
    for rgb in chosen:
        top, left = (max(0, (n - m) // 2) for n, m in zip(rgb.shape, CALIBRATION_SIZE, strict=False))
        out.append(rgb[top : top + CALIBRATION_SIZE[0], left : left + CALIBRATION_SIZE[1]])
    return [*out, *generated_pictures()]


def _fixed_point(residual: Tensor) -> npt.NDArray[np.int32]:
    return np.rint(residual.double().numpy() * RESIDUAL_UNIT).astype(np.int32)


def export_model(
    trained: Trained,
    output: Path,
    pictures: Sequence[npt.NDArray[np.uint8]],
    schemes: tuple[Scheme, Scheme],
) -> RatePoint:
    """Write the integer files of one model.

    :param pictures: RGB, for z statistics; the middles of some of them calibrate the networks.
    :param schemes: of the latent networks and of the synthesis.
    """
    provenance = {"source": "lite", "beta": BETAS[trained.model_id]}
    for component, codec in enumerate(trained.codecs):
        checkpoint = entropy_checkpoint(trained, component, z_frequencies(codec, pictures))
        _save(output, trained.model_id, "entropy", component, convert_entropy(checkpoint, component))
    luma, chroma = trained.codecs
    assert luma.context is not None
    point = rate_point(
        (luma.hyper_decoder, chroma.hyper_decoder),
        luma.context,
        coded_pictures(trained, calibration_pictures(pictures)),
    )
    latents = []
    for component in (0, 1):
        facts = {**provenance, "source_sha256": trained.digests[component]}
        latents.append(convert_latent(point, component, schemes[0], facts))
        _save(output, trained.model_id, "latent", component, latents[-1])
    for component, codec in enumerate(trained.codecs):
        facts = {**provenance, "source_sha256": trained.digests[component]}
        model = convert_synthesis(
            point, codec.synthesis, component, "sop", schemes[1], facts, latents[: component + 1]
        )
        _save(output, trained.model_id, "sop", component, model)
    return point


def export_encoder(trained: Trained, output: Path) -> Path:
    """Write the float encoder's weights of one model, half precision: the encoder is not normative."""
    tensors = {}
    for part, codec in zip(("Y", "UV"), trained.codecs, strict=True):
        for name, value in codec.state_dict().items():
            if name.split(".")[0] in ENCODER_PARTS:
                tensors[f"{part}.{name}"] = value.to(torch.float16).contiguous()
    path = output / f"model{trained.model_id}" / "encoder.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    # the library's own file writer leaves files that only their owner can read
    path.write_bytes(save(tensors, metadata={"source": "lite", "beta": str(BETAS[trained.model_id])}))
    return path


def _save(output: Path, model_id: int, kind: str, component: int, model: Model) -> None:
    path = output / file_name(model_id, kind, component)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_model(path, model)
