"""Random weights of the float encoder beside small integer models: all of an encoder, nothing trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save_file

from conformance.training.light import LightAnalysis, LightHyperEncoder
from refdec.integer import save_model
from refdec.models_io import COMPONENT_NAMES, MODEL_IDS, ModelSet, file_name, open_models
from tests.decode.small_models import model_set

SPREAD = 12.0
"""Of the latents: symbols from skipped ones to escapes."""


def write_models(root: Path, seed: int) -> ModelSet:
    """A folder with all four rate points, the encoder's weights beside the decoder's files."""
    for (model_id, kind, component), model in model_set(seed).loaded.items():
        path = root / file_name(model_id, kind, component)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_model(path, model)
    for model_id in MODEL_IDS:
        write_weights(root / f"model{model_id}" / "encoder.safetensors", seed + model_id)
    return open_models(root)


def write_weights(path: Path, seed: int) -> None:
    """The float networks of one model."""
    tensors = {}
    for component, part in enumerate(COMPONENT_NAMES):
        generator = torch.Generator().manual_seed(10 * seed + component)
        networks = (("analysis", LightAnalysis(component)), ("hyper_encoder", LightHyperEncoder(component)))
        for name, network in networks:
            for key, value in network.state_dict().items():
                fan_in = max(value[0].numel(), 1) if value.dim() > 1 else 1
                random = torch.randn(value.shape, generator=generator) / fan_in**0.5
                scale = SPREAD if name == "analysis" and key.startswith("transform") else 1.0
                tensors[f"{part}.{name}.{key}"] = (scale * random).to(torch.float16)
    save_file(tensors, path)


def picture(height: int, width: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """Smooth gradients, an edge, and some noise."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    base = np.stack((x * 255 / width, y * 255 / height, (x + y) * 120 / (height + width)), -1)
    base[height // 3 :, width // 2 :] = 255 - base[height // 3 :, width // 2 :]
    return np.clip(base + random.normal(0, 12, base.shape), 0, 255).astype(np.uint8)
