"""A whole model set from a seed: every operating point and every operation, in a few hundred kilobytes.

The interfaces are the standard's (160 and 96 latent channels, a hyper scale decoder in int8, four phases of
context, synthesis to planes); between them the networks are narrow. Rate point 1 has the hyper scale decoder
of the standard's full width, the others a grouped one. Nothing is trained: the numbers are chosen so that
scales spread over all levels, that latents fill their range, and that pictures are neither flat nor always
clipped. Only integers decide, so that a seed gives the same files on every machine.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from conformance.generate.layers import SIGNAL, Layers
from conformance.verify import synthetic
from conformance.verify.synthetic import Splitmix, z_frequencies
from conformance.verify.synthetic_eicci import eicci_model
from refdec import entropy
from refdec.codestream import CHANNELS
from refdec.integer import Graph, GraphInput, Model, hyper_scale_decoder_graph, save_model
from refdec.integer.hyper_scale import ScaleLayer
from refdec.integer.nodes import ACTIVATION_MAX
from refdec.models_io import (
    EICCI_BANKS,
    EICCI_NETWORKS,
    HYPER_SCALE_DECODER,
    KINDS,
    MODEL_IDS,
    ModelSet,
    eicci_file_name,
    file_name,
    kind_of,
)
from refdec.networks.eicci import EicciModel

FULL_WIDTH = 1
"""Rate point whose hyper scale decoder has the standard's width."""
GROUP = 4
PSI = 2000
LATENT = ACTIVATION_MAX
EICCI_WIDTH, BAND_RANGE = 12, 6000
"""Few channels between bands and corrections, bands that pictures drive to both ends."""


class SyntheticModels(ModelSet):
    """A model set that makes its models when they are asked for.

    :param seed: equal seeds give equal models.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(None)
        self.seed = seed

    def has(self, model_id: int, kind: str, component: int) -> bool:
        """Whether there is such a model."""
        return model_id in MODEL_IDS and kind in KINDS and component in (0, 1)

    def load(self, model_id: int, kind: str, component: int) -> Model:
        """The model, made at its first use."""
        key = (model_id, kind, component)
        if key not in self.loaded and self.has(*key):
            self.loaded[key] = self.make(*key)
        return super().load(*key)

    def make(self, model_id: int, kind: str, component: int) -> Model:
        """One model; it depends on the seed and on these arguments alone."""
        return make_model(self.seed, model_id, kind, component)

    def has_eicci(self, bank: str, index: int) -> bool:
        """Whether there is such a network of the inter-component filter."""
        return bank in EICCI_BANKS and index in range(EICCI_NETWORKS)

    def eicci(self, bank: str, index: int) -> EicciModel:
        """The network, made at its first use."""
        if (bank, index) not in self.loaded_eicci and self.has_eicci(bank, index):
            self.loaded_eicci[bank, index] = eicci_model(self.seed, bank, index, EICCI_WIDTH, BAND_RANGE)
        return super().eicci(bank, index)

    def save(self, root: Path) -> dict[str, str]:
        """Write all model files; the digest by file name."""
        digests = {}
        every = ((m, kind, c) for m in MODEL_IDS for kind in KINDS for c in (0, 1))
        for key in every:
            if self.has(*key):
                name = file_name(*key)
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                digests[name] = save_model(root / name, self.load(*key))
        for bank in EICCI_BANKS:
            for index in range(EICCI_NETWORKS):
                if self.has_eicci(bank, index):
                    name = eicci_file_name(bank, index)
                    self.eicci(bank, index)
                    digests[name] = save_model(root / name, self.loaded_eicci[bank, index])
        return digests


def make_model(seed: int, model_id: int, kind: str, component: int) -> Model:
    """One model; it depends on its own arguments alone."""
    if kind == "entropy" and model_id == FULL_WIDTH:
        return synthetic.entropy_model(16 * seed + model_id, component)
    random = make_random(seed, model_id, kind, component)
    fraction = {c: _fraction(seed, model_id, c) for c in (0, 1)}
    provenance = {"source": "synthetic", "seed": seed, "model": model_id}
    graphs: dict[str, Graph]
    constants: dict[str, npt.NDArray[np.integer]]
    if kind == "entropy":
        graphs = {HYPER_SCALE_DECODER: _hyper_scale(random, component)}
        constants = {
            "gain_log": random.integers(-300, 300, (CHANNELS[component],)).astype(np.int32),
            "z_cdf": entropy.engine("golden").z_cdf(z_frequencies(random, CHANNELS[component])),
        }
    elif kind == "latent":
        graphs = _latent(random, component)
        constants = {"latent_fraction": fraction[component]}
    else:
        graphs = {"synthesis": _SYNTHESIS[kind](random, component)}
        names = ("latent_fraction",) if component == 0 else ("latent_fraction.Y", "latent_fraction.UV")
        constants = {name: fraction[c] for c, name in enumerate(names)}
    return Model(kind_of(kind, component), graphs, constants, provenance)


def make_random(seed: int, model_id: int, kind: str, component: int) -> Splitmix:
    """Where the parameters of a model come from."""
    return Splitmix((((seed * 4 + model_id) * len(KINDS) + KINDS.index(kind)) * 2 + component) * 7919 + 1)


def _fraction(seed: int, model_id: int, component: int) -> npt.NDArray[np.int32]:
    """Fraction bits of the latent's channels: most around 7, some at both ends of what is allowed."""
    random = Splitmix(((seed * 4 + model_id) * 2 + component) * 104_729 + 3)
    bits = random.integers(5, 9, (CHANNELS[component],))
    bits[:4] = (0, 15, 12, 11)
    return bits.astype(np.int32)


def _hyper_scale(random: Splitmix, component: int) -> Graph:
    channels = CHANNELS[component]
    layers = []
    shapes = ((channels, 1, 5, 2_000), (channels, 3, 6, 2_000), (16 * channels, 1, 3, 24_000))
    for out, kernel, shift, spread in shapes:
        weight = random.integers(-128, 127, (out, GROUP, kernel, kernel)).astype(np.int8)
        bias = random.integers(-spread, spread, (out,)).astype(np.int32)
        layers.append(ScaleLayer(weight, bias, random.integers(shift, shift + 1, (out,))))
    return hyper_scale_decoder_graph(*layers, groups=channels // GROUP)


def _latent(random: Splitmix, c: int) -> dict[str, Graph]:
    """Hyper-decoder, four context graphs (luma) and four sums."""
    n = CHANNELS[c]
    net = Layers(random, GraphInput("z_hat", n, -31, 31))
    net.conv("first", "z_hat", 8, gain=7, lo=0)
    net.transposed("up", "first", 8, 4)
    net.crop("up.crop", "up", 32)
    net.conv("second", "up.crop", 16, 3, groups=2, leaky={"numerator": 205, "shift": 10})
    net.conv("psi", "second", 4 * n, gain=2, lo=-PSI, hi=PSI)
    graphs = {"hyper_decoder": net.graph("psi")}
    for phase in range(4):
        if c == 0:
            graphs[f"mcm.{phase}"] = _context(random, n, phase)
        inputs = [GraphInput(name, n, -LATENT, LATENT) for name in ("mu", "residual")]
        total = Layers(random, *inputs)
        total.add("y_hat", "mu", "residual", shifts=1)
        graphs[f"sum.{phase}"] = total.graph("y_hat")
    return graphs


def _context(random: Splitmix, n: int, phase: int) -> Graph:
    earlier = [GraphInput(f"y_hat.{k}", n, -LATENT, LATENT) for k in range(phase)]
    net = Layers(random, *earlier, GraphInput("psi", n, -PSI, PSI))
    source = "psi"
    if phase:
        net.concat("all", *(item.name for item in earlier))
        net.conv("context", "all", 8, wide=True)
        # A plus of the direct neighbours as in the standard's context model, here all nine.
        net.conv("context.2", "context", 8, 3, lo=0)
        net.conv("prior", "psi", 8, gain=3)
        source = net.concat("joint", "context.2", "prior")
    net.conv("mixed", source, 16, groups=4, leaky={"numerator": 1, "shift": 3})
    net.conv("mu", "mixed", n, gain=1, rounding="floor" if phase == 2 else "half_up")
    return net.graph("mu")


def begin(random: Splitmix, c: int, width: int) -> tuple[Layers, str]:
    """The latents, mixed down to ``width`` channels."""
    parts = ("y_hat",) if c == 0 else ("y_hat.Y", "y_hat.UV")
    net = Layers(random, *(GraphInput(name, CHANNELS[k], -LATENT, LATENT) for k, name in enumerate(parts)))
    source = parts[0] if c == 0 else net.concat("latents", *parts)
    return net, net.conv("mixed", source, width, groups=8, wide=True, gain=4)


def end(net: Layers, source: str, c: int, factor: int) -> Graph:
    """Planes at full size, and their clip."""
    net.conv("limit", source, (1 + c) * factor**2, 3, gain=3, lo=-SIGNAL, hi=SIGNAL)
    net.shuffle("shuffle", "limit", factor)
    net.crop("signal", "shuffle", 1)
    return net.graph("signal")


def _sop(random: Splitmix, c: int) -> Graph:
    """Convolutions with a hole at the lower right, shuffles, gates, as in the simple operating point."""
    net, x = begin(random, c, 16)
    net.conv("block.relu", x, 16, 3, groups=4, lo=0)
    x = net.add("block", x, "block.relu")
    net.conv("up", x, 32, 2, pad=(0, 0, 1, 1))
    net.shuffle("up.shuffle", "up", 2)
    x = net.crop("up.crop", "up.shuffle", 8)
    net.clip("gate.relu6", x, 0, 6 << 10)
    net.conv("gate.conv", "gate.relu6", 8, 3, groups=2, wide=True)
    net.conv("gate.conv2", "gate.conv", 8)
    x = net.mul("gate", x, "gate.conv2", 10)
    net.conv("up2", x, 16, 2, pad=(0, 0, 1, 1), wide=True)
    net.shuffle("up2.shuffle", "up2", 2)
    x = net.crop("up2.crop", "up2.shuffle", 4)
    return end(net, x, c, 4)


def _bop(random: Splitmix, c: int) -> Graph:
    """Transposed convolutions, leaky slopes, a stride, a table, slices, as in the base operating point."""
    net, x = begin(random, c, 16)
    net.conv("down", x, 8, 3, stride=2, leaky={"numerator": 13, "shift": 7})
    net.transposed("up0", "down", 8, 3)
    # The detour over half the size is one row or column too large where the latent is odd.
    net.crop("up0.crop", "up0", 16)
    net.part("rest", x, 4, 12)
    x = net.add("joined", "up0.crop", "rest")
    net.transposed("up1", x, 8, 4, wide=True)
    x = net.crop("up1.crop", "up1", 8)
    net.soft("gate.soft", x, 4096)
    net.conv("gate.conv", x, 8, 3, leaky={"numerator": 0, "shift": 0})
    net.mul("gate", "gate.soft", "gate.conv", 12, rounding="floor")
    net.absolute("magnitude", "gate", 20_000)
    net.concat("both", "gate", "magnitude")
    net.transposed("up2", "both", 8, 4)
    x = net.crop("up2.crop", "up2", 4)
    return end(net, x, c, 4)


def _hop(random: Splitmix, c: int) -> Graph:
    """Layer normalisation and channel attention with a way around them, as in the high operating point."""
    net, x = begin(random, c, 16)
    net.norm("norm", x)
    net.conv("qkv", "norm", 48)
    net.attention("attention", "qkv", 2)
    net.conv("project", "attention", 16)
    x = net.add("attended", x, "project")
    net.norm("norm2", x)
    net.conv("wide", "norm2", 32, wide=True)
    net.part("wide.left", "wide", 0, 16)
    net.part("wide.right", "wide", 16, 32)
    net.mul("mixed2", "wide.left", "wide.right", 13)
    x = net.add("sum", x, "mixed2")
    net.transposed("up", x, 8, 4)
    x = net.crop("up.crop", "up", 8)
    net.conv("up2", x, 16, 3, leaky={"numerator": 205, "shift": 10})
    net.shuffle("up2.shuffle", "up2", 2)
    x = net.crop("up2.crop", "up2.shuffle", 4)
    return end(net, x, c, 4)


_SYNTHESIS = {"sop": _sop, "bop": _bop, "hop": _hop}
