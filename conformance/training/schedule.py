"""The stages of training, and the loop that runs one of them, resumable at every checkpoint."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from conformance.training.codec import BETAS, CHROMA_WEIGHT, ComponentCodec, base_step, gain
from conformance.training.dct_start import start_chroma, start_luma
from conformance.training.pictures import Patches
from conformance.training.similarity import ms_ssim

MIDDLE_MODEL = 1
NEAR, DELTA_LIMITS = (-600, 600), (-1069, 702)
SIMILARITY_WEIGHT = 100.0
"""Of ``1 - MS-SSIM`` against the mean squared error of samples 0..255: a few per cent of the distortion."""
CHECKPOINT_SECONDS = 120


@dataclass(frozen=True)
class Stage:
    """One stretch of training of one component of one model.

    :param model: 0..3. :param component: 0 luma, 1 chroma.
    :param source: model from whose last checkpoint to start, or ``None`` for the DCT start.
    :param megapixels: picture samples to see.
    :param rate: factor on all learning rates.
    :param delta: range of delta_beta that is sampled.
    :param similarity: weight of ``1 - MS-SSIM`` beside the mean squared error (luma).
    :param decoder_only: the analysis transform and the hyper-encoder stay as they are.
    """

    name: str
    model: int
    component: int
    source: int | None
    megapixels: float
    rate: float
    delta: tuple[int, int]
    similarity: float = 0.0
    decoder_only: bool = False


def stages(scale: float = 1.0) -> list[Stage]:
    """The whole schedule: the middle model from the DCT, the others each from its neighbour, all with squared
    error; then every model with MS-SSIM beside it; then what a decoder runs, over all of delta_beta's range.

    :param scale: factor on the length of every stage.
    """
    out = [
        Stage("start", MIDDLE_MODEL, 0, None, 3000 * scale, 1.25, NEAR),
        Stage("start", MIDDLE_MODEL, 1, None, 600 * scale, 1.25, NEAR),
    ]
    for model, source in ((0, 1), (2, 1), (3, 2)):
        out.append(Stage("move", model, 0, source, 600 * scale, 0.9, NEAR))
        out.append(Stage("move", model, 1, source, 130 * scale, 0.9, NEAR))
    for model in range(4):
        out.append(Stage("similar", model, 0, model, 250 * scale, 0.5, NEAR, SIMILARITY_WEIGHT))
    for model in range(4):
        out.append(Stage("wide", model, 0, model, 300 * scale, 0.5, DELTA_LIMITS, SIMILARITY_WEIGHT, True))
        out.append(Stage("wide", model, 1, model, 120 * scale, 0.5, DELTA_LIMITS, 0.0, True))
    return out


def checkpoint_path(folder: Path, model: int, component: int) -> Path:
    """Where the weights of one component of one model lie."""
    return folder / f"model{model}_{'Y' if component == 0 else 'UV'}.pt"


def parameter_groups(codec: ComponentCodec, rate: float) -> list[dict[str, Any]]:
    """Learning rates: small on the transforms that start as a DCT, large on parameters in large units."""
    gentle = {"analysis.transform", "synthesis.first_stage.1", "synthesis.conv2_t", "synthesis.conv4"}
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in codec.named_parameters():
        if not parameter.requires_grad:
            continue
        if name == "gain_log" or name == "hyper_scale_decoder.pointwise.bias":
            value = 1.0
        elif name == "hyper_scale_decoder.pointwise.weight":
            value = 2e-2
        elif name in ("z_location", "z_log_scale"):
            value = 1e-2
        elif name.startswith("hyper_encoder"):
            value = 1e-3
        elif any(name.startswith(prefix) for prefix in gentle):
            value = 1e-4
        elif name.startswith("synthesis.conv3"):
            value = 2e-4
        else:
            value = 5e-4
        if name.startswith("analysis.transform"):
            # the analysis holds values 1/step times those of the synthesis
            value *= 4
        groups.setdefault(value, []).append(parameter)
    return [{"params": p, "lr": value * rate, "base": value * rate} for value, p in sorted(groups.items())]


def loss_of(
    codec: ComponentCodec,
    luma: ComponentCodec | None,
    picture: Tensor,
    delta: Tensor,
    beta: float,
    *,
    similarity: float = 0.0,
    reduced: bool = False,
) -> tuple[Tensor, dict[str, float]]:
    """Rate plus weighted distortion, normalised so that every delta_beta weighs alike.

    :param similarity: weight of ``1 - MS-SSIM`` beside the squared error.
    :param reduced: bfloat16 where it costs nothing (see :func:`conformance.training.light.full_precision`).
    """
    size = (picture.shape[-2], picture.shape[-1])
    pixels = size[0] * size[1]
    with torch.autocast(picture.device.type, torch.bfloat16, enabled=reduced):
        coded = codec.code(codec.latent(picture), size, delta, noise=True)
        latents = coded.y_hat
        if luma is not None:
            with torch.no_grad():
                y_luma = luma.code(luma.latent(picture), size, delta, noise=False).y_hat
            latents = torch.cat((y_luma, latents), dim=1)
        signal = codec.synthesis.signal(latents, size).float()
    planes = picture[:, :1] if codec.component == 0 else picture[:, 1:]
    samples = signal * 128 + 127.5
    error = (samples - planes).square().mean((1, 2, 3))
    distortion = error
    if similarity:
        distortion = error + similarity * (1 - ms_ssim(samples, planes))
    weight = beta if codec.component == 0 else beta * CHROMA_WEIGHT * 2
    bpp = coded.bits / pixels
    lagrangian = weight * gain(delta.flatten()) ** 2
    loss = (bpp / lagrangian.sqrt() + distortion * lagrangian.sqrt()).mean() * math.sqrt(weight)
    facts = {
        "loss": float(loss.detach()),
        "bpp": float(bpp.detach().mean()),
        "mse": float(error.detach().mean()),
        "z_share": float((coded.z_bits / coded.bits).detach().mean()),
    }
    return loss, facts


def new_codec(stage: Stage, folder: Path) -> ComponentCodec:
    """The codec at the start of a stage: from a checkpoint, or as a DCT."""
    codec = ComponentCodec(stage.component)
    step = base_step(BETAS[stage.model])
    if stage.source is None:
        start = start_luma if stage.component == 0 else start_chroma
        start(codec.analysis, codec.synthesis, step)  # type: ignore[arg-type]
        return codec
    state = torch.load(checkpoint_path(folder, stage.source, stage.component), weights_only=True)["codec"]
    codec.load_state_dict(state)
    if stage.source != stage.model:
        rescale(codec, base_step(BETAS[stage.source]) / step)
    return codec


@torch.no_grad()
def rescale(codec: ComponentCodec, factor: float) -> None:
    """Move a trained codec to another step: the gain vector carries the factor, nothing else changes."""
    codec.gain_log += 128 * math.log(factor) / (math.log(54.82 / 0.11) / 31)


def run_stage(stage: Stage, patches: Patches, folder: Path, *, seed: int, log: Callable[[str], None]) -> None:
    """Train until the stage has seen its pixels; continues where a checkpoint of the same stage stopped."""
    path, beta = checkpoint_path(folder, stage.model, stage.component), BETAS[stage.model]
    progress = folder / "stage.pt"
    torch.manual_seed(seed)
    generator = np.random.default_rng(seed)
    codec = new_codec(stage, folder).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    batches = patches.batches(generator)
    luma = None
    if stage.component == 1:
        luma = ComponentCodec(0)
        luma.load_state_dict(torch.load(checkpoint_path(folder, stage.model, 0), weights_only=True)["codec"])
    if stage.source is None:
        with torch.no_grad():
            codec.set_scales(torch.cat([codec.latent(next(batches)) for _ in range(8)]))
    if stage.decoder_only:
        codec.analysis.requires_grad_(False)
        codec.hyper_encoder.requires_grad_(False)
    optimiser = torch.optim.Adam(parameter_groups(codec, stage.rate), betas=(0.9, 0.99), fused=True)
    seen = 0.0
    if progress.exists():
        saved = torch.load(progress, weights_only=True)
        if saved["stage"] == _identity(stage):
            codec.load_state_dict(saved["codec"])
            optimiser.load_state_dict(saved["optimiser"])
            seen = saved["seen"]
            generator = np.random.default_rng(seed + int(seen))
            batches = patches.batches(generator)
    sums: dict[str, float] = {}
    count, last_log, last_save = 0, time.monotonic(), time.monotonic()
    while seen < stage.megapixels:
        for group in optimiser.param_groups:
            group["lr"] = group["base"] * (
                0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * seen / stage.megapixels))
            )
        picture = next(batches)
        delta = (
            torch.from_numpy(generator.uniform(*stage.delta, size=picture.shape[0])).float().view(-1, 1, 1, 1)
        )
        optimiser.zero_grad(set_to_none=True)
        loss, facts = loss_of(codec, luma, picture, delta, beta, similarity=stage.similarity, reduced=True)
        loss.backward()
        nn.utils.clip_grad_norm_(codec.parameters(), 5.0)
        optimiser.step()
        seen += picture.shape[0] * picture.shape[-1] * picture.shape[-2] / 1e6
        count += 1
        for key, value in facts.items():
            sums[key] = sums.get(key, 0.0) + value
        now = time.monotonic()
        if now - last_log > 30:
            means = {key: round(value / count, 4) for key, value in sums.items()}
            log(
                json.dumps(
                    {"stage": _identity(stage), "seen": round(seen, 1), "of": stage.megapixels, **means}
                )
            )
            sums, count, last_log = {}, 0, now
        if now - last_save > CHECKPOINT_SECONDS:
            save(
                {
                    "stage": _identity(stage),
                    "seen": seen,
                    "codec": codec.state_dict(),
                    "optimiser": optimiser.state_dict(),
                },
                progress,
            )
            last_save = now
    save({"stage": _identity(stage), "codec": codec.state_dict()}, path)
    progress.unlink(missing_ok=True)


def save(what: dict[str, Any], path: Path) -> None:
    """Write whole or not at all."""
    temporary = path.with_suffix(".part")
    torch.save(what, temporary)
    temporary.replace(path)


def _identity(stage: Stage) -> str:
    return f"{stage.name}.model{stage.model}.{'Y' if stage.component == 0 else 'UV'}"
