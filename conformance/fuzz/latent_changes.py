"""Changes of hyper-latents, residual symbols and quality maps: values that no photograph has.

Every function gives a new array; what it gives can be coded.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

from conformance.generate import draw
from conformance.verify.synthetic import Splitmix
from refdec.entropy.tables import coder_tables

Array = npt.NDArray[Any]
Bool = npt.NDArray[np.bool_]
Z_MOST = 31
QUALITY_MOST = 8
LOWEST, HIGHEST = -32768, 32767
SIZES = (1, 2, 3, 7, 8, 31, 127, 128, 255, 256, 1023, 4096, 16384, 32766, HIGHEST)
FEW = 4096
"""Symbols that may all become long escapes: about two bytes each."""


def fitted(array: Array, shape: tuple[int, ...]) -> Array:
    """Rows and columns repeated or cut so that the array has a shape; channels are the same."""
    rows, columns = (np.arange(n) % m for n, m in zip(shape[-2:], array.shape[-2:], strict=True))
    return np.ascontiguousarray(array[..., rows, :][..., columns])


def _source(random: Random) -> Splitmix:
    return Splitmix(random.getrandbits(63))


def _spikes(array: Array, random: Random, value: Callable[[], int], where: Array | None = None) -> Array:
    """A few places, of those that are given by their flat index, get values."""
    changed = array.copy()
    flat = changed.reshape(-1)
    for _ in range(random.choice((1, 1, 1, 2, 4, 16))):
        count = flat.size if where is None else where.size
        if count:
            place = random.randrange(count)
            flat[place if where is None else where[place]] = value()
    return changed


def change_z(z: Array, cdf: Array, random: Random) -> Array:
    """Another hyper-latent: int8 ``[C, hz, wz]``, -31..31.

    :param cdf: uint8 ``[C, 63]``, the channels' distributions.
    """
    kind = random.randrange(9)
    end = random.choice((-Z_MOST, Z_MOST))
    if kind <= 2:
        return _spikes(z, random, lambda: random.choice((-Z_MOST, Z_MOST, random.randint(-Z_MOST, Z_MOST))))
    changed = z.copy()
    if kind == 3:
        changed[random.randrange(len(z))] = end
    elif kind == 4:
        changed = np.abs(z) if end > 0 else -np.abs(z)
    elif kind == 5:
        changed[...] = random.choice((0, 1, -1, end))
    elif kind == 6:
        changed = draw.any_z(_source(random), cdf, z.shape)
    elif kind == 7:
        changed = draw.end_z(_source(random), cdf, z.shape)
    else:
        changed = draw.model_z(_source(random), cdf, z.shape)
    return changed.astype(np.int8)


def change_symbols(symbols: Array, levels: Array, mask: Bool, random: Random) -> Array:
    """Other residual symbols: int32 ``[C, lh, lw]``, 16 bits.

    :param levels: uint8, the distribution of each; ``mask``: where one is coded.
    """
    coded = np.flatnonzero(mask)
    kind = random.randrange(11)
    if kind <= 2:
        return _spikes(symbols, random, lambda: random.choice((-1, 1)) * random.choice(SIZES), coded)
    if kind == 3:
        return _spikes(symbols, random, lambda: random.choice((LOWEST, HIGHEST)), coded)
    changed = symbols.astype(np.int64)
    if kind == 4 and coded.size:
        # at the bound of its level a symbol becomes an escape
        place = int(coded[random.randrange(coded.size)])
        bound = int(coder_tables().bounds[levels.reshape(-1)[place]])
        changed.reshape(-1)[place] = random.choice((-1, 1)) * (bound + random.choice((-1, 0, 1, 3, 4, 5)))
    elif kind == 5:
        changed[random.randrange(len(symbols))] = random.choice((-1, 1)) * random.choice(SIZES)
    elif kind == 6:
        changed = np.abs(changed) if random.randrange(2) else -np.abs(changed)
    elif kind == 7:
        changed *= random.choice((-1, 0, 0, 2, -16, 256))
    elif kind == 8 and coded.size <= FEW:
        changed[...] = draw.ends_of_values(_source(random), levels, mask, 1)
    elif kind == 9:
        changed[...] = draw.ends_of_bounds(_source(random), levels, mask, 1)
    else:
        changed[...] = draw.model_symbols(_source(random), levels, mask, 1)
    return np.clip(changed, LOWEST, HIGHEST).astype(np.int32)


def change_map(quality: Array, random: Random) -> Array:
    """Another quality map: int8 ``[lh, lw]``, -8..8."""
    kind = random.randrange(5)
    if kind <= 1:
        return _spikes(quality, random, lambda: random.randint(-QUALITY_MOST, QUALITY_MOST))
    if kind == 2:
        return np.full_like(quality, random.choice((-QUALITY_MOST, 0, QUALITY_MOST)))
    if kind == 3:
        return np.where(np.indices(quality.shape).sum(0) % 2, QUALITY_MOST, -QUALITY_MOST).astype(np.int8)
    return random.choice((draw.noise, draw.stripes, draw.rough))(_source(random), quality.shape)
