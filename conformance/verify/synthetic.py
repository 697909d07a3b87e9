"""Seeded model sets for tests and for the bundled vectors: the standard's shapes, made-up numbers.

Integer arithmetic alone, so that a seed gives the same model on every machine. The numbers are chosen
so that the scales spread over all 32 levels and both sides of the skip threshold.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from refdec import entropy
from refdec.codestream import CHANNELS
from refdec.integer.hyper_scale import ScaleLayer, hyper_scale_decoder_graph
from refdec.integer.model_file import Model
from refdec.models_io import HYPER_SCALE_DECODER, MODEL_IDS, Z_SYMBOLS, ModelSet, kind_of

_FAN_IN = 12
_Z_CENTRE = Z_SYMBOLS // 2


class Splitmix:
    """The splitmix64 generator, vectorised: a short, portable, seeded source of integers."""

    def __init__(self, seed: int) -> None:
        self._state = np.uint64(seed)

    def words(self, count: int) -> npt.NDArray[np.uint64]:
        """The next ``count`` 64-bit words."""
        with np.errstate(over="ignore"):
            steps = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
            z = self._state + steps
            self._state = self._state + np.uint64(count) * np.uint64(0x9E3779B97F4A7C15)
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            return z ^ (z >> np.uint64(31))

    def integers(self, low: int, high: int, shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
        """Integers in ``low..high``; the tiny bias of the remainder does not matter here."""
        count = int(np.prod(shape, dtype=np.int64))
        span = np.uint64(high - low + 1)
        return ((self.words(count) % span).astype(np.int64) + low).reshape(shape)


def entropy_model(seed: int, component: int) -> Model:
    """A seeded entropy model of one component."""
    channels = CHANNELS[component]
    random = Splitmix(seed * 2 + component)
    layers = [
        _layer(random, channels, out, kernel, shift, spread)
        for out, kernel, shift, spread in (
            (channels, 1, 5, 2_000),
            (channels, 3, 6, 2_000),
            (16 * channels, 1, 3, 24_000),
        )
    ]
    return Model(
        kind=kind_of("entropy", component),
        graphs={HYPER_SCALE_DECODER: hyper_scale_decoder_graph(*layers)},
        constants={
            "gain_log": random.integers(-300, 300, (channels,)).astype(np.int32),
            "z_cdf": entropy.engine("golden").z_cdf(z_frequencies(random, channels)),
        },
        provenance={"source": "synthetic", "seed": seed, "component": component},
    )


def _layer(random: Splitmix, channels: int, out: int, kernel: int, shift: int, spread: int) -> ScaleLayer:
    """A layer in which every output looks at a few inputs; ``spread`` bounds the bias."""
    weight = np.zeros((out, channels, kernel, kernel), np.int8)
    sources = random.integers(0, channels - 1, (out, _FAN_IN))
    taps = random.integers(0, kernel * kernel - 1, (out, _FAN_IN))
    values = random.integers(-128, 127, (out, _FAN_IN))
    weight[np.arange(out)[:, None], sources, taps // kernel, taps % kernel] = values
    return ScaleLayer(
        weight,
        random.integers(-spread, spread, (out,)).astype(np.int32),
        random.integers(shift, shift + 1, (out,)),
    )


def z_frequencies(random: Splitmix, channels: int) -> npt.NDArray[np.int32]:
    """Frequencies of the z symbols: a peak of random width around a centre, long zero tails included."""
    distance = np.abs(np.arange(Z_SYMBOLS) - _Z_CENTRE - random.integers(-3, 3, (channels, 1)))
    width = random.integers(1, 9, (channels, 1))
    return ((1 << 20) >> np.minimum(2 * distance // width, 40)).astype(np.int32)


def model_set(seed: int) -> ModelSet:
    """A seeded model set with the entropy stage of all four rate points, in memory only."""
    models = ModelSet(None)
    for model_id in MODEL_IDS:
        for component in (0, 1):
            models.loaded[model_id, "entropy", component] = entropy_model(16 * seed + model_id, component)
    return models
