"""From the decoded latent to the one that synthesis reads, where the model set has a rectifier."""

from __future__ import annotations

import numpy as np

from refdec.integer import run
from refdec.networks.latent import Int16
from refdec.networks.models import RectifierModel


def rectify(
    model: RectifierModel, y_hat: Int16, size: tuple[int, int], *, engine: str = "jit", threads: int = 1
) -> Int16:
    """The rectified latent of the whole picture (AR-RECT-01, AR-RECT-03).

    :param y_hat: int16 ``[C, lh, lw]``, after regions are merged and latents scaled.
    :param size: ``(h, w)`` of the picture in luma samples.
    :returns: int16 ``[C, lh, lw]`` on the same scale and in the same range.
    """
    inputs = {"y_hat": np.ascontiguousarray(y_hat)}
    return run(model.graph, inputs, size, engine=engine, threads=threads)["y_hat_rectified"]  # AR-RECT-01
