"""Source pictures of the bundled suite: photographs out of scikit-image's data, and made-up ones.

The photographs are in the public domain or CC0; the suite holds codestreams made of them, not the pictures.
Made-up pictures are seeded and computed in integers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from conformance.verify.synthetic import Splitmix

UInt8 = npt.NDArray[np.uint8]

PHOTOGRAPHS = {
    "astronaut": "Eileen Collins, NASA, public domain",
    "coffee": "Rachel Michetti, CC0",
    "chelsea": "Stefan van der Walt, CC0",
    "rocket": "SpaceX, CC0",
}
"""Name in ``skimage.data``, and where the picture comes from."""


@cache
def photograph(name: str) -> UInt8:
    """One of :data:`PHOTOGRAPHS` as RGB ``[H, W, 3]``."""
    from skimage import data

    picture: UInt8 = np.ascontiguousarray(getattr(data, name)()[..., :3])
    return picture


def cut(picture: UInt8, window: Sequence[int] | None) -> UInt8:
    """A window ``(y, x, h, w)``, or the whole picture."""
    if window is None:
        return picture
    y, x, h, w = window
    part = picture[y : y + h, x : x + w]
    if part.shape[:2] != (h, w):
        raise ValueError(f"a window {tuple(window)} leaves a picture of {picture.shape[:2]}")
    return np.ascontiguousarray(part)


def mosaic(height: int, width: int) -> UInt8:
    """All photographs side by side and over each other, mirrored so that every copy differs."""
    out = np.zeros((height, width, 3), np.uint8)
    y, number = 0, 0
    while y < height:
        x, tallest = 0, 0
        while x < width:
            part = photograph(list(PHOTOGRAPHS)[number % len(PHOTOGRAPHS)])
            part = part[:: 1 - 2 * (number // 4 % 2), :: 1 - 2 * (number // 2 % 2)]
            h, w = min(part.shape[0], 300, height - y), min(part.shape[1], width - x)
            out[y : y + h, x : x + w] = part[:h, :w]
            x, tallest, number = x + w, max(tallest, h), number + 1
        y += tallest
    return out


def bars(height: int, width: int) -> UInt8:
    """The eight corners of the colour cube, above ramps of grey: every clip of colours is reached."""
    column = np.arange(width) * 8 // width
    top = np.stack([(column >> bit & 1) * 255 for bit in (2, 1, 0)], axis=-1)
    ramp = np.repeat((np.arange(width) * 255 // max(1, width - 1))[:, None], 3, axis=1)
    lower = np.arange(height)[:, None, None] >= height * 3 // 4
    return np.where(lower, ramp[None], top[None]).astype(np.uint8)


def checks(height: int, width: int) -> UInt8:
    """Squares from one pixel upwards, black on white: the hardest edges there are."""
    y, x = np.mgrid[:height, :width]
    side = 1 << np.minimum(x * 6 // width, 5)
    value = ((y // side + x // side) & 1) * 255
    return np.repeat(value[..., None], 3, axis=-1).astype(np.uint8)


def plain(height: int, width: int) -> UInt8:
    """One colour all over."""
    return np.full((height, width, 3), (96, 160, 32), np.uint8)


def noise(height: int, width: int) -> UInt8:
    """Independent samples of all values."""
    return Splitmix(4711).integers(0, 255, (height, width, 3)).astype(np.uint8)


def ripples(height: int, width: int) -> UInt8:
    """Rings that become finer outwards, of another phase in every colour: all frequencies once."""
    y, x = np.mgrid[:height, :width]
    square = (y - height // 2) ** 2 + (x - width // 2) ** 2
    turn = 96 * max(height, width)
    phase = (square[..., None] * 256 // turn + np.array([0, 85, 170])) % 512
    return np.minimum(np.abs(phase - 256), 255).astype(np.uint8)


def slopes(height: int, width: int) -> UInt8:
    """Slow gradients: a step of one in a sample is a step in the picture."""
    y, x = np.mgrid[:height, :width]
    planes = (64 + y * 64 // height, 128 + x * 64 // width, 96 + (x + y) * 48 // (height + width))
    return np.stack(planes, axis=-1).astype(np.uint8)


GENERATED: dict[str, Callable[[int, int], UInt8]] = {
    "bars": bars,
    "checks": checks,
    "mosaic": mosaic,
    "noise": noise,
    "plain": plain,
    "ripples": ripples,
    "slopes": slopes,
}
"""Pictures by name, made for a height and a width."""


def source_picture(name: str, window: Sequence[int] | None, size: tuple[int, int] | None) -> UInt8:
    """A photograph, or a window of it; or a made-up picture of some size."""
    if name in PHOTOGRAPHS:
        return cut(photograph(name), window)
    if size is None:
        raise ValueError(f"'{name}' is made for a size")
    return GENERATED[name](*size)
