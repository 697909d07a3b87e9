"""From hyper-latent and residual to the latent: hyper-decoder, four phases of context, latent scaling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from refdec import coverage
from refdec.codestream.geometry import Rect
from refdec.entropy import EntropyEngine
from refdec.integer import Graph, run
from refdec.networks import golden, jit
from refdec.networks.models import LatentModel

Int16 = npt.NDArray[np.int16]
IntArray = npt.NDArray[np.integer[Any]]
Show = Callable[[str, npt.NDArray[np.generic]], None]
"""Called with the name of a trace point and its tensor."""
PHASE_POSITIONS = ((0, 0), (1, 1), (0, 1), (1, 0))
"""Row and column of each phase inside a 2x2 cell of the latent, in coding order."""


def arithmetic(engine: str) -> ModuleType:
    """The module that does the arithmetic between graphs for an engine.

    :raises ValueError: no such engine.
    """
    modules = {"golden": golden, "jit": jit}
    if engine not in modules:
        raise ValueError(f"engine must be one of {', '.join(modules)}, found {engine!r}")
    return modules[engine]


def hyper_decoder(
    model: LatentModel,
    z_hat: IntArray,
    size: tuple[int, int],
    *,
    engine: str = "jit",
    threads: int = 1,
) -> Int16:
    """Hyper-latent to psi.

    :param z_hat: integers -31..31, ``[C, ceil(h/64), ceil(w/64)]``.
    :param size: ``(h, w)`` of the picture or extended region in luma samples.
    :returns: int16 ``[4 C, ceil(h/32), ceil(w/32)]``: block s belongs to phase s.
    """
    z = np.ascontiguousarray(z_hat, np.int16)
    return run(model.hyper_decoder, {"z_hat": z}, size, engine=engine, threads=threads)["psi"]


def run_phases(
    model: LatentModel,
    psi: Int16,
    size: tuple[int, int],
    step: Callable[[int, Int16], Int16],
    *,
    engine: str = "jit",
    threads: int = 1,
) -> Int16:
    """All four phases of a latent (AR-LAT-02 to 04).

    A decoder's ``step`` looks the residual up, an encoder's decides it.

    :param psi: int16 ``[4 C, ceil(h/2), ceil(w/2)]``.
    :param size: ``(h, w)`` of the latent.
    :param step: gets phase and mean (int16 ``[C, ceil(h/2), ceil(w/2)]``, on the scale that the phase's
        ``mu`` declares) and returns the residual on the latent's scale: int16, same shape, 0 at positions
        beyond the latent.
    :returns: int16 ``[C, h, w]``.
    """
    channels = model.channels
    grid = (-(-size[0] // 2), -(-size[1] // 2))
    if psi.shape != (4 * channels, *grid):
        raise ValueError(f"psi of shape {psi.shape} for a latent of {channels} x {size}")
    luma_size = (16 * size[0], 16 * size[1])

    def compute(graph: Graph, output: str, **inputs: Int16) -> Int16:
        return run(graph, inputs, luma_size, engine=engine, threads=threads)[output]

    extended = np.empty((channels, 2 * grid[0], 2 * grid[1]), np.int16)
    latents: dict[str, Int16] = {}
    for phase, (row, column) in enumerate(PHASE_POSITIONS):
        mean = np.ascontiguousarray(psi[phase * channels : (phase + 1) * channels])
        if model.means:
            mean = compute(model.means[phase], "mu", psi=mean, **latents)  # AR-LAT-03
        else:
            coverage.point("phases", f"mean of phase {phase} without context")  # AR-LAT-04
        residual = np.ascontiguousarray(step(phase, mean), np.int16)
        latent = compute(model.sums[phase], "y_hat", mu=mean, residual=residual)
        # what lies beyond an odd-sized latent is context for the later phases all the same
        latents[f"y_hat.{phase}"] = latent
        extended[:, row::2, column::2] = latent  # AR-LAT-02
    return np.ascontiguousarray(extended[:, : size[0], : size[1]])


def split_phases(latent: Int16) -> list[Int16]:
    """The four phases ``[C, ceil(h/2), ceil(w/2)]`` of a map, 0 where it has no sample."""
    channels, height, width = latent.shape
    extended = np.zeros((channels, height + height % 2, width + width % 2), latent.dtype)
    extended[:, :height, :width] = latent
    return [extended[:, row::2, column::2] for row, column in PHASE_POSITIONS]


def decode_latent(
    model: LatentModel,
    psi: Int16,
    residual: IntArray,
    *,
    engine: str = "jit",
    threads: int = 1,
    show: Show | None = None,
) -> Int16:
    """Decoder side of the context model (luma) or of the mean (chroma), on one region.

    :param psi: int16 ``[4 C, ceil(h/2), ceil(w/2)]``.
    :param residual: int32 ``[C, h, w]``, dequantised, 12 fraction bits.
    :param show: gets the points ``mu.0`` to ``mu.3`` of a model that has a context.
    :returns: int16 ``[C, h, w]`` on the latent's scale.
    """
    parts = split_phases(arithmetic(engine).residual_to_latent(residual, model.fraction))

    def step(phase: int, mean: Int16) -> Int16:
        if show is not None and model.means:
            show(f"mu.{phase}", mean)
        return parts[phase]

    return run_phases(model, psi, residual.shape[1:], step, engine=engine, threads=threads)


def scale_latent(
    model: LatentModel,
    y_hat: Int16,
    residual: IntArray,
    segments: npt.NDArray[np.uint8],
    model_id: int,
    entropy_engine: EntropyEngine,
    *,
    engine: str = "jit",
) -> Int16:
    """LSBS: the latent that synthesis reads where that tool is on (AR-LAT-05).

    :param residual: int32 ``[C, h, w]``, dequantised, 12 fraction bits.
    :param segments: uint8 ``[C, h, w]``.
    """
    chosen = arithmetic(engine)
    on_scale = chosen.residual_to_latent(residual, model.fraction)
    scaled = entropy_engine.lsbs(y_hat, on_scale, segments, model_id)
    out: Int16 = chosen.saturate_latent(scaled, model.lo, model.hi)
    return out


def picture_psi(
    model: LatentModel,
    z_hat: IntArray,
    sizes: Sequence[Rect],
    hyper: Sequence[Rect],
    psi: Sequence[Rect],
    *,
    engine: str = "jit",
    threads: int = 1,
    show: Callable[[int, Int16], None] | None = None,
) -> Int16:
    """psi of the whole picture from its regions, later regions over earlier ones (AR-LAT-06).

    :param z_hat: integers ``[C, hz, wz]`` of the picture.
    :param sizes: extended region rectangles in luma samples; ``hyper`` and ``psi``: the same on those grids.
    :param show: gets region index and psi of that region, where there is more than one.
    """
    if len(sizes) == 1:
        return hyper_decoder(model, z_hat, (sizes[0].h, sizes[0].w), engine=engine, threads=threads)
    height, width = max(r.y + r.h for r in psi), max(r.x + r.w for r in psi)
    out = np.zeros((4 * model.channels, height, width), np.int16)
    for index, (size, source, target) in enumerate(zip(sizes, hyper, psi, strict=True)):
        if not (size.h and size.w):  # the draft's header can have more regions than there is picture
            continue
        part = z_hat[:, source.y : source.y + source.h, source.x : source.x + source.w]
        value = hyper_decoder(model, part, (size.h, size.w), engine=engine, threads=threads)
        if show is not None:
            show(index, value)
        # AR-LAT-06
        rows, columns = min(target.h, value.shape[1]), min(target.w, value.shape[2])
        out[:, target.y : target.y + rows, target.x : target.x + columns] = value[:, :rows, :columns]
    return out


def picture_latent(
    model: LatentModel,
    psi: Int16,
    residual: IntArray,
    latent: Sequence[Rect],
    psi_rects: Sequence[Rect],
    *,
    trim: bool,
    engine: str = "jit",
    threads: int = 1,
    show: Callable[[int | None, str, npt.NDArray[np.generic]], None] | None = None,
) -> Int16:
    """The latent of the whole picture from its regions, later regions over earlier ones (AR-LAT-06).

    :param psi: int16 ``[4 C, ., .]`` of the picture.
    :param residual: int32 ``[C, lh, lw]`` of the picture, dequantised.
    :param latent: extended region rectangles on the latent grid; ``psi_rects``: the same for psi.
    :param trim: dependent regions: drop one sample on every side that faces another region.
    :param show: gets region index (``None`` where there is one region), point and tensor.
    """
    single = len(latent) == 1
    height, width = residual.shape[1:]
    out = np.zeros((model.channels, height, width), np.int16)
    for index, (rect, source) in enumerate(zip(latent, psi_rects, strict=True)):
        if not (rect.h and rect.w):
            continue

        def report(point: str, tensor: npt.NDArray[np.generic], index: int = index) -> None:
            if show is not None:
                show(None if single else index, point, tensor)

        value = decode_latent(
            model,
            psi[:, source.y : source.y + source.h, source.x : source.x + source.w],
            residual[:, rect.y : rect.y + rect.h, rect.x : rect.x + rect.w],
            engine=engine,
            threads=threads,
            show=report,
        )
        top, left = int(trim and rect.y > 0), int(trim and rect.x > 0)
        bottom = rect.h - int(trim and rect.y + rect.h < height)
        right = rect.w - int(trim and rect.x + rect.w < width)
        kept = value[:, top:bottom, left:right]
        out[:, rect.y + top : rect.y + bottom, rect.x + left : rect.x + right] = kept
    return out
