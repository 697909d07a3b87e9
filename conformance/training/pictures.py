"""Training pictures: a folder of files to seeded random patches in the codec's colour space."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

SUFFIXES = (".png", ".jpg", ".jpeg", ".ppm", ".webp")
SIDE_LIMIT = 1024
"""Larger pictures are halved until no side is above this: sensor noise at full resolution teaches little."""


def load(path: Path, side_limit: int | None = None) -> npt.NDArray[np.uint8]:
    """A picture as RGB ``[H, W, 3]``."""
    with Image.open(path) as picture:
        rgb = picture.convert("RGB")
        while side_limit and max(rgb.size) > side_limit:
            rgb = rgb.resize((rgb.width // 2, rgb.height // 2), Image.Resampling.LANCZOS)
        return np.asarray(rgb)


def to_yuv(rgb: npt.NDArray[np.uint8]) -> Tensor:
    """RGB ``[..., H, W, 3]`` to BT.709 full-range Y, U, V ``[..., 3, H, W]``, float32, 0..255."""
    x = torch.from_numpy(rgb.astype(np.float32))
    r, g, b = x.unbind(-1)
    y = 0.2126 * r + 0.7152 * g + 0.0722 * b
    return torch.stack((y, (b - y) / 1.8556 + 127.5, (r - y) / 1.5748 + 127.5), dim=-3)


def find(folders: list[Path]) -> list[Path]:
    """All pictures below the folders, in a stable order.

    :raises FileNotFoundError: there is none.
    """
    files = sorted(p for folder in folders for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not files:
        raise FileNotFoundError(f"no picture below {', '.join(map(str, folders))}")
    return files


class Patches:
    """Endless batches of random square patches, flipped and transposed at random.

    :param pictures: RGB arrays; those below the patch size are left out.
    """

    def __init__(self, pictures: list[npt.NDArray[np.uint8]], side: int, batch: int) -> None:
        self.pictures = [p for p in pictures if min(p.shape[:2]) >= side]
        if not self.pictures:
            raise ValueError(f"no picture of {side} x {side} or more")
        self.side, self.batch = side, batch
        areas = np.array([p.shape[0] * p.shape[1] for p in self.pictures], np.float64)
        self.weights = areas / areas.sum()

    def batches(self, generator: np.random.Generator) -> Iterator[Tensor]:
        """Y, U, V batches ``[batch, 3, side, side]``."""
        while True:
            yield torch.stack([to_yuv(self._patch(generator)) for _ in range(self.batch)])

    def _patch(self, generator: np.random.Generator) -> npt.NDArray[np.uint8]:
        picture = self.pictures[generator.choice(len(self.pictures), p=self.weights)]
        top = generator.integers(picture.shape[0] - self.side + 1)
        left = generator.integers(picture.shape[1] - self.side + 1)
        patch = picture[top : top + self.side, left : left + self.side]
        if generator.integers(2):
            patch = patch[:, ::-1]
        return patch.swapaxes(0, 1) if generator.integers(2) else patch
