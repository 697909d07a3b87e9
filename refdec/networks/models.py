"""Which graphs a latent or synthesis model must have, checked once so that decoding cannot trip over them.

The latent's scale is the one number format that model files share: a power of two per channel, kept in the
constants ``latent_fraction`` (or ``latent_fraction.Y`` and ``.UV`` in a secondary synthesis).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from refdec.codestream.geometry import CHANNELS
from refdec.errors import ModelError
from refdec.integer import Graph, Model
from refdec.networks.golden import LATENT_MAX, SIGNAL_MAX

Int32 = npt.NDArray[np.int32]
HYPER_DECODER = "hyper_decoder"
SYNTHESIS = "synthesis"
RECTIFIER = "rectifier"
Z_LIMIT = 31
SIGNAL_FRACTION = 15
PHASES = 4


@dataclass(frozen=True)
class LatentModel:
    """Hyper-latent and residual to latent, one component.

    :param component: 0 luma, 1 chroma.
    :param hyper_decoder: ``z_hat`` to ``psi``.
    :param means: luma: four graphs ``psi``, ``y_hat.0`` .. to ``mu``; chroma: empty, the mean is psi's block.
    :param sums: four graphs ``mu``, ``residual`` to ``y_hat``.
    :param fraction: int32 ``[C]``: a latent value is the integer divided by ``2 ** fraction``.
    :param lo: int32 ``[C]``, smallest latent, with :attr:`hi` the range that every consumer accepts.
    :param hi: int32 ``[C]``.
    :param digest: SHA-256 of the model file's canonical content.
    """

    component: int
    hyper_decoder: Graph
    means: tuple[Graph, ...]
    sums: tuple[Graph, ...]
    fraction: Int32
    lo: Int32
    hi: Int32
    digest: str

    @property
    def channels(self) -> int:
        """Channels of the latent."""
        return len(self.fraction)


@dataclass(frozen=True)
class SynthesisModel:
    """Latent to samples, one component and operating point.

    :param component: 0 luma, 1 chroma.
    :param graph: ``y_hat`` (luma), or ``y_hat.Y`` and ``y_hat.UV``, to ``signal``.
    :param digest: SHA-256 of the model file's canonical content.
    """

    component: int
    graph: Graph
    digest: str

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the latents that the graph reads, luma first."""
        return tuple(item.name for item in self.graph.inputs)


@dataclass(frozen=True)
class RectifierModel:
    """Decoded latent to what synthesis reads in its place, one component.

    :param component: 0 luma, 1 chroma.
    :param graph: ``y_hat`` to ``y_hat_rectified``, both on the latent's scale.
    :param reach: latent samples on each side on which a sample of the result depends.
    :param digest: SHA-256 of the model file's canonical content.
    """

    component: int
    graph: Graph
    reach: int
    digest: str


def latent_model(model: Model, component: int, name: str = "the model") -> LatentModel:
    """Pick and check the graphs of a latent model.

    :raises ModelError: a graph or constant is absent, or two graphs disagree about a tensor between them.
    """
    channels = CHANNELS[component]
    hyper = _graph(model, HYPER_DECODER, {"z_hat": channels}, {"psi": PHASES * channels}, name)
    _accepts(hyper, "z_hat", np.full(channels, -Z_LIMIT), np.full(channels, Z_LIMIT), name)
    fraction = _fraction(model, "latent_fraction", channels, name)
    sums = [
        _graph(model, f"sum.{s}", {"mu": channels, "residual": channels}, {"y_hat": channels}, name)
        for s in range(PHASES)
    ]
    lo = np.minimum.reduce([_range(graph, "y_hat")[0] for graph in sums])
    hi = np.maximum.reduce([_range(graph, "y_hat")[1] for graph in sums])
    limit = np.full(channels, LATENT_MAX)
    means = []
    for s, total in enumerate(sums):
        _accepts(total, "residual", -limit, limit, name)
        source, tensor, start = hyper, "psi", s * channels
        if component == 0:
            inputs = {"psi": channels, **{f"y_hat.{k}": channels for k in range(s)}}
            mean = _graph(model, f"mcm.{s}", inputs, {"mu": channels}, name)
            psi_lo, psi_hi = _range(hyper, "psi")
            _accepts(mean, "psi", psi_lo[start : start + channels], psi_hi[start : start + channels], name)
            for k in range(s):
                _accepts(mean, f"y_hat.{k}", *_range(sums[k], "y_hat"), name)
            means.append(mean)
            source, tensor, start = mean, "mu", 0
        mean_lo, mean_hi = _range(source, tensor)
        _accepts(total, "mu", mean_lo[start : start + channels], mean_hi[start : start + channels], name)
    return LatentModel(component, hyper, tuple(means), tuple(sums), fraction, lo, hi, model.digest)


def synthesis_model(
    model: Model, component: int, latents: Sequence[LatentModel], name: str = "the model"
) -> SynthesisModel:
    """Pick and check the graph of a synthesis model.

    :param latents: the latent models whose output it reads: luma, and for chroma luma and chroma.
    :raises ModelError: the graph is absent or does not read latents in the scale and range that these make.
    """
    names = ("y_hat",) if component == 0 else ("y_hat.Y", "y_hat.UV")
    keys = ("latent_fraction",) if component == 0 else ("latent_fraction.Y", "latent_fraction.UV")
    if len(latents) != len(names):
        raise ValueError(f"component {component} reads {len(names)} latents")
    inputs = {key: latent.channels for key, latent in zip(names, latents, strict=True)}
    graph = _graph(model, SYNTHESIS, inputs, {"signal": 1 + component}, name)
    lo, hi = _range(graph, "signal")
    if lo.min() < -SIGNAL_MAX or hi.max() > SIGNAL_MAX:
        raise ModelError(f"{name}: the signal reaches {lo.min()}..{hi.max()}, beyond +-{SIGNAL_MAX}")
    for key, constant, latent in zip(names, keys, latents, strict=True):
        if not np.array_equal(_fraction(model, constant, latent.channels, name), latent.fraction):
            raise ModelError(f"{name}: reads '{key}' in another scale than the latent model writes it")
        _accepts(graph, key, latent.lo, latent.hi, name)
    return SynthesisModel(component, graph, model.digest)


def rectifier_model(model: Model, latent: LatentModel, name: str = "the model") -> RectifierModel:
    """Pick and check the graph of a rectifier (AR-RECT-02 to AR-RECT-04).

    :param latent: the latent model whose output it reads.
    :raises ModelError: the graph is absent, is not for this latent, or is none of bounded reach on one grid.
    """
    channels = latent.channels
    graph = _graph(model, RECTIFIER, {"y_hat": channels}, {"y_hat_rectified": channels}, name)
    made_for = model.provenance.get("latent_sha256")
    if made_for is not None and made_for != latent.digest:
        raise ModelError(f"{name}: made for another latent model than the set's")  # AR-RECT-04
    if not np.array_equal(_fraction(model, "latent_fraction", channels, name), latent.fraction):
        raise ModelError(f"{name}: reads 'y_hat' in another scale than the latent model writes it")
    _accepts(graph, "y_hat", latent.lo, latent.hi, name)
    lo, hi = _range(graph, "y_hat_rectified")
    if bool((lo < latent.lo).any()) or bool((hi > latent.hi).any()):
        raise ModelError(f"{name}: 'y_hat_rectified' can leave the range of the latent")  # AR-RECT-02
    return RectifierModel(latent.component, graph, _reach(graph, name), model.digest)


def _reach(graph: Graph, name: str) -> int:
    """Positions on each side that an output sample depends on, of a graph that stays on its input's grid."""
    reach = {item.name: 0 for item in graph.inputs}
    for node in graph.nodes:
        radius = 0
        if node.op == "conv":
            rows, columns = node.tensors["weight"].shape[2:]
            radius = max(rows, columns) // 2
            centred = rows % 2 == columns % 2 == 1
            same = tuple(node.attributes["pad"]) == (rows // 2, columns // 2) * 2
            if not centred or not same or node.attributes["stride"] != 1:
                raise ModelError(f"{name}: convolution '{node.name}' leaves the latent's grid")
        elif node.op in ("transposed_conv", "pixel_shuffle", "crop", "channel_attention"):
            raise ModelError(f"{name}: a rectifier cannot hold '{node.op}'")  # AR-RECT-03
        reach[node.name] = radius + max(reach[source] for source in node.inputs)
    return max(reach[output] for output in graph.outputs)


def _graph(model: Model, key: str, inputs: Mapping[str, int], outputs: Mapping[str, int], name: str) -> Graph:
    graph = model.graphs.get(key)
    if graph is None:
        raise ModelError(f"{name} has no graph '{key}'")
    found = {item.name: item.channels for item in graph.inputs}
    made = {item: graph.channels[item] for item in graph.outputs}
    if found != dict(inputs) or made != dict(outputs):
        raise ModelError(
            f"{name}: '{key}' makes {made} from {found}, expected {dict(outputs)} from {dict(inputs)}"
        )
    return graph


def _fraction(model: Model, key: str, channels: int, name: str) -> Int32:
    value = model.constants.get(key)
    if value is None or value.shape != (channels,) or value.dtype.kind not in "iu":
        raise ModelError(f"{name} needs integers [{channels}] called '{key}'")
    if value.min() < 0 or value.max() > 15:
        raise ModelError(f"{name}: '{key}' leaves 0..15")
    return np.ascontiguousarray(value, np.int32)


def _accepts(
    graph: Graph, tensor: str, lo: npt.NDArray[np.integer], hi: npt.NDArray[np.integer], name: str
) -> None:
    low, high = graph.clip_range(tensor)
    if bool((low > lo).any()) or bool((high < hi).any()):
        raise ModelError(f"{name}: '{tensor}' can be outside of what its reader accepts")


def _range(graph: Graph, tensor: str) -> tuple[Int32, Int32]:
    """Declared range of a graph output, followed back through nodes that only move values."""
    if tensor in graph.clips:
        return graph.clip_range(tensor)
    node = graph.node(tensor)
    if node.op not in ("pixel_shuffle", "crop"):
        raise ModelError(f"the output of '{node.op}' has no declared range")
    low, high = _range(graph, node.inputs[0])
    square = node.attributes["factor"] ** 2 if node.op == "pixel_shuffle" else 1
    return low.reshape(-1, square).min(1), high.reshape(-1, square).max(1)
