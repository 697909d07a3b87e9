"""What the reference encoder decides: cube flags, channel-wise gain flags, the map's entropy index."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from conformance.encoder.quantise import Float32, Steps, dequantise, quantise

CUBE = 8
CUBE_ERROR = 3
GRFS_LUMA = (5, 24, 35, 64)
GRFS_CHROMA = 10
ZERO_SHARES = (0.25, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99)


def cube_flags(error: Float32, threshold: float = CUBE_ERROR) -> npt.NDArray[np.uint8]:
    """Flags ``[4, n_y, n_x]`` from the magnitude of the reconstruction's error ``[C, h, w]``.

    0 where the largest error of the cube (8x8 positions of a phase, all channels) is above the
    threshold: everything there must be coded. Positions beyond the latent contribute nothing.
    """
    _, height, width = error.shape
    shape = tuple(-(-((n + 1) // 2) // CUBE) for n in (height, width))
    return np.stack([phase_flags(error[:, p >> 1 :: 2, p & 1 :: 2], shape, threshold) for p in range(4)])


def phase_flags(
    error: Float32, shape: tuple[int, ...], threshold: float = CUBE_ERROR
) -> npt.NDArray[np.uint8]:
    """The flags of one phase, ``shape``, from the error at its positions ``[C, rows, columns]``."""
    plane = np.zeros((shape[0] * CUBE, shape[1] * CUBE), np.float32)
    worst = error.max(axis=0, initial=0)
    plane[: worst.shape[0], : worst.shape[1]] = worst
    peak = plane.reshape(shape[0], CUBE, shape[1], CUBE).max(axis=(1, 3))
    return (peak <= np.float32(threshold)).astype(np.uint8)


def choose_cube_flags(
    difference: Float32, steps: Steps, by_threshold: npt.NDArray[np.bool_], num_chs: int, component: int
) -> npt.NDArray[np.uint8]:
    """Cube flags for given differences ``y - mean`` ``[C, h, w]`` of all phases."""
    return cube_flags(coding_error(difference, steps, by_threshold, num_chs, component))


def coding_error(
    difference: Float32, steps: Steps, by_threshold: npt.NDArray[np.bool_], num_chs: int, component: int
) -> Float32:
    """What coding under the threshold's mask alone leaves of differences ``y - mean`` ``[C, h, w]``.

    In chroma the channels from ``num_chs`` on count with the full difference, in luma not at all.
    For luma the means of a phase follow from the phases before it, so that an encoder with a context
    model asks once a phase.
    """
    coded = by_threshold.copy()
    coded[num_chs:] = False
    known = difference.astype(np.float32)
    if component == 0:
        known = known.copy()
        known[num_chs:] = 0
    error: Float32 = np.abs(dequantise(quantise(known, steps, coded), steps) - known)
    return error


def grfs_flags(
    log_skip: npt.NDArray[np.int32], component: int, model_id: int, num_chs: int
) -> npt.NDArray[np.uint8]:
    """Channel-wise gain flags ``[num_chs]``: 1 for the channels with the largest mean scale.

    Ties go to the lower channel. The ranking is over all channels, and exact: sums instead of means.
    """
    count = GRFS_LUMA[model_id] if component == 0 else GRFS_CHROMA
    sums = log_skip.astype(np.int64).sum(axis=(1, 2))
    flags = np.zeros(len(sums), np.uint8)
    flags[np.argsort(-sums, kind="stable")[:count]] = 1
    return flags[:num_chs]


def quality_entropy_index(deltas: npt.NDArray[np.int32]) -> int:
    """Entropy index of the quality map's payload, from the share of zero deltas.

    The first delta counts as zero whatever it is: the reference encoder does so, and byte-identical
    streams need it.
    """
    zero = deltas.reshape(-1) == 0
    zero[0] = True
    share = np.float32(np.count_nonzero(zero)) / np.float32(zero.size)
    return 7 - sum(bool(np.float32(limit) <= share) for limit in ZERO_SHARES)
