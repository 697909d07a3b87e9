"""From latents to sample planes: synthesis tile by tile, cores put together, output map."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from refdec.codestream.geometry import SynthesisTile
from refdec.integer import run
from refdec.networks.latent import Int16, arithmetic
from refdec.networks.models import SynthesisModel

UInt16 = npt.NDArray[np.uint16]
PLANE_FRACTION = 8
"""Fraction bits of a sample plane."""


def synthesise_tile(
    model: SynthesisModel,
    latents: Sequence[Int16],
    size: tuple[int, int],
    *,
    engine: str = "jit",
    threads: int = 1,
    observe: Callable[[str, npt.NDArray[np.generic]], None] | None = None,
) -> Int16:
    """The signal of one tile (AR-PIC-01).

    :param latents: int16 ``[C, ceil(h/16), ceil(w/16)]`` of the tile: luma, and for chroma luma and chroma.
    :param size: ``(h, w)`` of the tile in luma samples.
    :param observe: gets the name and value of every node.
    :returns: int16 ``[1 or 2, h, w]``, -32640..32640: 128 steps of a sample are 2^15, 127.5 is 0.
    """
    inputs = {name: np.ascontiguousarray(y) for name, y in zip(model.inputs, latents, strict=True)}
    return run(model.graph, inputs, size, engine=engine, threads=threads, observe=observe)["signal"]


def synthesise(
    model: SynthesisModel,
    latents: Sequence[Int16],
    tiles: Sequence[SynthesisTile],
    *,
    engine: str = "jit",
    threads: int = 1,
    observe: Callable[[int, str, npt.NDArray[np.generic]], None] | None = None,
    done: Callable[[], None] = lambda: None,
) -> UInt16:
    """The sample planes of the whole picture.

    :param latents: int16 ``[C, lh, lw]`` of the picture: luma, and for chroma luma and chroma.
    :param tiles: the tiling of the picture; the cores cover it.
    :param observe: gets tile index, node name and value.
    :param done: called after every tile.
    :returns: uint16 ``[1 or 2, H, W]``, samples with 8 fraction bits, 0..65280, at luma resolution.
    """
    to_plane = arithmetic(engine).signal_to_plane
    height = max(tile.core.y + tile.core.h for tile in tiles)
    width = max(tile.core.x + tile.core.w for tile in tiles)
    out = np.empty((1 + model.component, height, width), np.uint16)
    for index, (picture, latent, core) in enumerate(tiles):

        def report(name: str, value: npt.NDArray[np.generic], index: int = index) -> None:
            if observe is not None:
                observe(index, name, value)

        rows, columns = latent.slices()
        signal = synthesise_tile(
            model,
            [y[:, rows, columns] for y in latents],
            (picture.h, picture.w),
            engine=engine,
            threads=threads,
            observe=None if observe is None else report,
        )
        top, left = core.y - picture.y, core.x - picture.x
        kept = signal[:, top : top + core.h, left : left + core.w]
        out[:, core.y : core.y + core.h, core.x : core.x + core.w] = to_plane(kept)
        done()
    return out


def to_bytes(plane: UInt16, *, engine: str = "jit") -> npt.NDArray[np.uint8]:
    """Planes rounded to 8 bits, halves up (AR-PIC-02); the same shape."""
    out: npt.NDArray[np.uint8] = arithmetic(engine).plane_to_bytes(plane)
    return out
