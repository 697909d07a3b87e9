"""Whole streams of the reference software: latents, planes and pictures beside the float decoder's.

The networks here have random weights, which is hard on a quantised decoder: their pictures are noise over the
whole range. What a wrong phase, tile, border, plane or matrix does to such a picture is hundreds of times
more than what the bounds below allow.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from conformance.cli import app
from refdec.codestream import Dialect, parse
from refdec.command import run
from refdec.decoder import decode_picture
from refdec.models_io import ModelSet, open_models
from refdec.settings import Settings
from tests.decode.reference_models import write_all_checkpoints
from tests.shared_vectors import REFERENCE, requires_shared
from tests.stage import reference_streams as reference

pytestmark = [requires_shared, pytest.mark.slow]


@pytest.fixture(scope="module")
def all_models(tmp_path_factory: pytest.TempPathFactory) -> ModelSet:
    """Everything; REFDEC_REFERENCE_MODELS names a folder that already has it, which saves minutes."""
    known = os.environ.get("REFDEC_REFERENCE_MODELS")
    if known:
        return open_models(known)
    folder: Path = tmp_path_factory.mktemp("all")
    write_all_checkpoints(folder / "checkpoints")
    assert run(app, ["import", str(folder / "checkpoints"), "-o", str(folder / "models")]) == 0
    return open_models(folder / "models")


@dataclass(frozen=True)
class Distance:
    """Of a tensor from the reference's."""

    largest: float
    rms: float
    share: float

    @classmethod
    def between(cls, found: npt.NDArray[Any], expected: npt.NDArray[Any]) -> Distance:
        difference = np.abs(found.astype(np.float64) - expected.astype(np.float64))
        share = np.count_nonzero(difference) / difference.size
        return cls(float(difference.max()), float(np.sqrt((difference**2).mean())), share)


def measure(name: str, models: ModelSet) -> dict[str, Distance]:
    """Distances of everything that was dumped, by what it is."""
    stream = parse(reference.stream(name), Dialect.DIS)
    seen: dict[str, npt.NDArray[Any]] = {}

    def observe(point: str, component: str, region: int | None, tensor: npt.NDArray[Any]) -> None:
        if region is None and point in ("psi", "y_hat", "y_hat_scaled", "plane"):
            seen[f"{point}.{component}"] = tensor.copy()

    picture = decode_picture(stream, models, observer=observe)
    twice = decode_picture(stream, models, Settings(threads=2))
    assert all(np.array_equal(a, b) for a, b in zip(picture.planes, twice.planes, strict=True))
    with np.load(REFERENCE / "codec" / f"{name}.npz") as archive:
        return {
            **latents(stream.picture.model_id, models, seen, archive),
            **planes(seen, archive),
            "picture": Distance.between(*reference.written_samples(picture, archive)),
        }


def latents(
    model_id: int, models: ModelSet, seen: dict[str, npt.NDArray[Any]], archive: Any
) -> dict[str, Distance]:
    out = {}
    for c, component in enumerate(("Y", "UV")):
        step = np.exp2(-models.latent(model_id, c).fraction.astype(np.float64))[:, None, None]
        for point, dumped in (("y_hat", "y_hat_before_lsbs"), ("y_hat_scaled", "y_hat")):
            key = f"{component}.{dumped}"
            if f"{point}.{component}" in seen:
                assert key in archive.files
                out[f"{point}.{component}"] = Distance.between(
                    seen[f"{point}.{component}"] * step, archive[key][0]
                )
    return out


def planes(seen: dict[str, npt.NDArray[Any]], archive: Any) -> dict[str, Distance]:
    out = {}
    if "synth_Y" in archive.files:
        out["plane.Y"] = Distance.between(seen["plane.Y"] / 256, archive["synth_Y"][0, 0])
    if "synth_UV" in archive.files:
        chroma = np.stack([seen["plane.U"], seen["plane.V"]]) / 256
        out["plane.UV"] = Distance.between(chroma, archive["synth_UV"][0])
    return out


def check(name: str, found: dict[str, Distance]) -> None:
    scale = 4 if "10bit" in name else 1
    for point, distance in found.items():
        if point.startswith("y_hat"):
            assert distance.largest <= 0.15 and distance.rms <= 0.006, (point, distance)
        elif point.startswith("plane"):
            assert distance.largest <= 12 and distance.rms <= 1.2, (point, distance)
        else:
            assert distance.largest <= 12 * scale and distance.rms <= 1.5 * scale, (point, distance)


@pytest.mark.parametrize("name", reference.stream_names())
def test_every_stream(name: str, all_models: ModelSet, record_property: Any) -> None:
    found = measure(name, all_models)
    assert {"y_hat.Y", "y_hat.UV"} <= found.keys() and len(found) > 2
    for point, distance in found.items():
        record_property(point, json.dumps(vars(distance)))
    check(name, found)
