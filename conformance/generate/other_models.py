"""A second, smaller model set from a seed: gains from end to end, sums above 2^24, sharp attention.

What the first set leaves out so that its streams look like pictures: every gain that the syntax has, clips
that differ from channel to channel, convolutions of single channels, and attention whose weights are close to
0 and 1, or to the borders of their rounding, and what an engine that fuses layers treats in its own ways; two
networks of eICCI whose bands and corrections are not alike. Rate point 0 alone.
"""

from __future__ import annotations

import numpy as np

from conformance.generate.layers import SIGNAL
from conformance.generate.models import (
    BAND_RANGE,
    EICCI_WIDTH,
    SyntheticModels,
    begin,
    end,
    make_model,
    make_random,
)
from conformance.verify.synthetic import Splitmix, z_frequencies
from conformance.verify.synthetic_eicci import eicci_model
from refdec import entropy
from refdec.codestream import CHANNELS
from refdec.integer import Graph, Model, hyper_scale_decoder_graph
from refdec.integer.hyper_scale import ScaleLayer
from refdec.integer.nodes import ACTIVATION_MAX
from refdec.models_io import GAIN_LOG_MAX, GAIN_LOG_MIN, HYPER_SCALE_DECODER, kind_of
from refdec.networks.eicci import EicciModel

KINDS = ("entropy", "latent", "sop", "bop", "hop")
Z = 31
"""The hyper-latent with which sums of the hyper scale decoder end just below a multiple of 2^18."""
WIDE_SHIFT = 18
SHARP = (1 << 23, 3 << 22)
"""Temperatures with which half a step of a distance is exact, and most weights are 0 or 1."""
DELTA_FRACTIONS = ((16, 17, 19, 22), (0, 6, 12, 16))
"""Of the networks of eICCI: fine corrections, and ones that lead out of 32 bits."""
NARROWER = 120
"""Bounds of the last band are the closest."""
HEAD = 64
"""Channels of the second attention's only head: 4096 weights, of which some lie at the edge of a rounding."""
PAIRS = (17_471, 19_467, 22_552, 27_601, 17_471, 22_552, 19_467, 27_601)
"""Temperatures of heads of two channels whose cosine is -1: the power of two between them, floored as it must
be, gives other weights than rounded."""
SUM_LIMIT = 12_000
"""A clip behind a sum of two tensors that is narrower than those of the tensors."""


class OtherModels(SyntheticModels):
    """The second model set; made when it is asked for."""

    def has(self, model_id: int, kind: str, component: int) -> bool:
        """Whether there is such a model."""
        return model_id == 0 and kind in KINDS and component in (0, 1)

    def has_eicci(self, bank: str, index: int) -> bool:
        """There are two, of the bank of the lower operating points."""
        return bank == "bop" and index in range(len(DELTA_FRACTIONS))

    def eicci(self, bank: str, index: int) -> EicciModel:
        """The network, made at its first use."""
        if (bank, index) not in self.loaded_eicci and self.has_eicci(bank, index):
            fractions = DELTA_FRACTIONS[index]
            made = eicci_model(self.seed, bank, index, EICCI_WIDTH, BAND_RANGE, fractions, NARROWER)
            self.loaded_eicci[bank, index] = made
        return super().eicci(bank, index)

    def make(self, model_id: int, kind: str, component: int) -> Model:
        """One model."""
        usual = make_model(self.seed, model_id, kind, component)
        random = make_random(self.seed, 4 + model_id, kind, component)
        if kind == "latent":
            return usual
        graphs = dict(usual.graphs)
        constants = dict(usual.constants)
        if kind == "entropy":
            count = CHANNELS[component]
            graphs[HYPER_SCALE_DECODER] = _dense(random, component) if component == 0 else _narrow(random)
            constants = {
                "gain_log": gains(count),
                "z_cdf": entropy.engine("golden").z_cdf(z_frequencies(random, count)),
            }
        else:
            graphs["synthesis"] = _SYNTHESIS[kind](random, component)
        provenance = {"source": "synthetic", "seed": self.seed, "model": model_id, "set": "other"}
        return Model(kind_of(kind, component), graphs, constants, provenance)


def gains(count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    """Gains from one end of the field to the other, as evenly as integers allow."""
    span = GAIN_LOG_MAX - GAIN_LOG_MIN
    return (GAIN_LOG_MIN + np.arange(count, dtype=np.int64) * span // (count - 1)).astype(np.int32)


def _dense(random: Splitmix, component: int) -> Graph:
    """Weights near the ends of int8, so that sums of the second layer need more than 24 bits."""
    count = CHANNELS[component]
    first = random.integers(-40, 60, (count, count, 1, 1)).astype(np.int8)
    # Most hidden values near the upper end where the hyper-latent is Z everywhere.
    sums = Z * first.astype(np.int64).sum(axis=(1, 2, 3))
    hidden = random.integers(118, 140, (count,))
    bias = (hidden << 5) + 31 - sums
    layer_1 = ScaleLayer(first, bias.astype(np.int32), np.full(count, 5))
    hidden = np.minimum(hidden, 127)
    second = random.integers(100, 127, (count, count, 3, 3)).astype(np.int8)
    total = (second.astype(np.int64) * hidden[None, :, None, None]).sum(axis=(1, 2, 3))
    # One below a multiple: in 24 bits of mantissa that is the multiple itself.
    bias = -(total + 1) % (1 << WIDE_SHIFT)
    layer_2 = ScaleLayer(second, bias.astype(np.int32), np.full(count, WIDE_SHIFT))
    return hyper_scale_decoder_graph(layer_1, layer_2, _last(random, count, count))


def _narrow(random: Splitmix) -> Graph:
    count, group = CHANNELS[1], 4
    layers = []
    for kernel, shift in ((1, 5), (3, 6)):
        weight = random.integers(-128, 127, (count, group, kernel, kernel)).astype(np.int8)
        bias = random.integers(-2000, 2000, (count,)).astype(np.int32)
        layers.append(ScaleLayer(weight, bias, random.integers(shift, shift + 1, (count,))))
    return hyper_scale_decoder_graph(*layers, _last(random, count, group), groups=count // group)


def _last(random: Splitmix, count: int, fan: int) -> ScaleLayer:
    weight = random.integers(-128, 127, (16 * count, fan, 1, 1)).astype(np.int8)
    shift = 3 if fan < count else 6
    bias = random.integers(-24_000, 24_000, (16 * count,)).astype(np.int32)
    return ScaleLayer(weight, bias, np.full(16 * count, shift))


def _sop(random: Splitmix, c: int) -> Graph:
    """Convolutions of single channels, and clips of their own for every channel."""
    net, x = begin(random, c, 16)
    low = tuple((-4000 - 1500 * k) for k in range(16))
    high = tuple((30_000 - 1700 * k) for k in range(16))
    x = net.conv("own", x, 16, 3, groups=16, lo=low, hi=high)
    net.conv("up", x, 64, 2, pad=(0, 0, 1, 1))
    net.shuffle("up.shuffle", "up", 4)
    x = net.crop("up.crop", "up.shuffle", 4)
    x = net.conv("own2", x, 4, 3, groups=4)
    return end(net, x, c, 4)


def _bop(random: Splitmix, c: int) -> Graph:
    """Attention with weights that no stream changes, a clip behind a sum, a last transposed convolution."""
    net, x = begin(random, c, 16)
    # Channels that are the same everywhere, of both signs in turns: the cosines of a head are 1 and -1.
    net.levels("q", x, tuple(3000 + 500 * k if k % 2 else -1000 - 700 * k for k in range(16)))
    net.levels("k", x, tuple(2000 + 300 * k if k % 2 else -4000 - 100 * k for k in range(16)))
    net.conv("v", x, 16, gain=2)
    net.concat("qkv", "q", "k", "v")
    net.attention("pairs", "qkv", len(PAIRS), PAIRS, ACTIVATION_MAX)
    net.conv("project", "pairs", 16, lo=0)
    net.add("sum", "project", x)
    x = net.clip("sum.clip", "sum", -SUM_LIMIT, SUM_LIMIT)
    net.conv("up", x, 32, 2, pad=(0, 0, 1, 1))
    net.shuffle("up.shuffle", "up", 2)
    x = net.crop("up.crop", "up.shuffle", 8)
    net.conv("narrow", x, 8, 3)
    net.transposed("up2", "narrow", 8, 4)
    x = net.crop("up2.crop", "up2", 4)
    net.transposed("limit", x, (1 + c) * 4, 4, limit=SIGNAL)
    net.shuffle("shuffle", "limit", 2)
    net.crop("signal", "shuffle", 1)
    return net.graph("signal")


def _hop(random: Splitmix, c: int) -> Graph:
    """Attention that takes one channel or none, and attention of many channels alike."""
    net, x = begin(random, c, 16)
    net.conv("qkv", x, 48, gain=2)
    # A weight of 1 differs from 32767 / 32768 only where values are large.
    net.attention("sharp", "qkv", 2, SHARP, ACTIVATION_MAX)
    net.conv("sharp.project", "sharp", 16)
    x = net.add("sharpened", x, "sharp.project")
    net.conv("qkv2", x, 3 * HEAD, groups=4)
    net.attention("even", "qkv2", 1, (100_000,))
    x = net.conv("even.project", "even", 16, groups=4)
    net.conv("up", x, 64)
    net.shuffle("up.shuffle", "up", 4)
    x = net.crop("up.crop", "up.shuffle", 4)
    return end(net, x, c, 4)


_SYNTHESIS = {"sop": _sop, "bop": _bop, "hop": _hop}
