"""Float networks to integer models: the latent and synthesis files of a model set.

A :class:`RatePoint` holds what the files of one rate point share: the entropy models, the float networks that
lead to the latent, calibration latents, and the latent's number format.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from conformance.networks.calibration import Coded, FloatLatents, LatentFormat, float_latents, latent_format
from conformance.networks.context import ContextModel
from conformance.networks.float_graphs import (
    context_graph,
    hyper_decoder_graph,
    rectifier_graph,
    synthesis_graph,
)
from conformance.networks.hyper import HyperDecoder
from conformance.networks.rectifier import Rectifier
from conformance.networks.synthesis import Synthesis
from conformance.quantize.calibration import Sample
from conformance.quantize.compile import compile_graph
from conformance.quantize.float_graph import FloatGraph
from conformance.quantize.options import Format, Options
from conformance.quantize.report import CompilationReport
from refdec.codestream.geometry import CHANNELS
from refdec.integer import Graph, GraphInput, Model, Node, prove
from refdec.models_io import kind_of
from refdec.networks.golden import LATENT_MAX, SIGNAL_MAX
from refdec.networks.models import (
    HYPER_DECODER,
    PHASES,
    RECTIFIER,
    SIGNAL_FRACTION,
    SYNTHESIS,
    Z_LIMIT,
    LatentModel,
    latent_model,
    rectifier_model,
    synthesis_model,
)

Int32 = npt.NDArray[np.int32]


MEAN_GUARD_BITS = 4
"""Fraction bits that a mean may have beyond the latent's."""
MARGIN_DB = 1.0
"""Enough that rounding noise of the machine at hand cannot decide between two policies."""


@dataclass(frozen=True)
class Scheme:
    """How to quantise.

    :param name: ``w16a16``, ``w8a16`` ...
    :param options: the calibration policy, or several of which every graph takes the first unless a later one
        brings its output closer to the float network's by :data:`MARGIN_DB`.
    """

    name: str = "w16a16"
    options: Options | tuple[Options, ...] | None = None

    @property
    def policies(self) -> tuple[Options | None, ...]:
        """All policies to try."""
        return self.options if isinstance(self.options, tuple) else (self.options,)


@dataclass(frozen=True)
class RatePoint:
    """What the model files of one rate point have in common.

    :param hyper: hyper-decoders of luma and chroma.
    :param context: the context model.
    :param latents: calibration pictures.
    :param formats: number formats of the latents, luma and chroma.
    :param headroom: what a channel may reach, in terms of the largest value seen in it.
    """

    hyper: tuple[HyperDecoder, HyperDecoder]
    context: ContextModel
    latents: Sequence[FloatLatents]
    formats: tuple[LatentFormat, LatentFormat]
    headroom: float = 2.0


def rate_point(
    hyper: tuple[HyperDecoder, HyperDecoder],
    context: ContextModel,
    coded: Sequence[Coded],
    headroom: float = 2.0,
) -> RatePoint:
    """Run the float networks over the calibration pictures and choose the latents' format."""
    latents = [float_latents(hyper, context, picture) for picture in coded]
    formats = latent_format(latents, 0, headroom), latent_format(latents, 1, headroom)
    return RatePoint(hyper, context, latents, formats, headroom)


def convert_latent(point: RatePoint, component: int, scheme: Scheme, provenance: Mapping[str, Any]) -> Model:
    """The latent model of one component: hyper-decoder, context model (luma) and sums."""
    latents, y_hat = point.latents, point.formats[component]
    context = _given(y_hat)
    hyper_formats = {"z_hat": Format(0, -Z_LIMIT, Z_LIMIT)}
    if component == 1:
        hyper_formats["psi"] = mean_format(
            point, [s.psi[1] for s in latents], np.tile(y_hat.fraction, PHASES)
        )
    samples: list[Sample] = [
        ({"z_hat": s.coded.z_hat[component].astype(np.float32)}, s.coded.size) for s in latents
    ]
    hyper, report = _compile(hyper_decoder_graph(point.hyper[component]), samples, scheme, hyper_formats)
    graphs, reports = {HYPER_DECODER: hyper}, {HYPER_DECODER: report}
    channels = CHANNELS[component]
    psi = output_format(hyper, "psi")
    for s in range(PHASES):
        mean = _cut(psi, s * channels, (s + 1) * channels)
        if component == 0:
            name = f"mcm.{s}"
            formats = {
                "psi": mean,
                **{f"y_hat.{k}": context for k in range(s)},
                "mu": mean_format(point, [p.means[s] for p in latents], y_hat.fraction),
            }
            network = context_graph(point.context.MCM[s], s)
            graphs[name], reports[name] = _compile(network, _phase_samples(point, s), scheme, formats)
            mean = output_format(graphs[name], "mu")
        graphs[f"sum.{s}"] = sum_of(mean, y_hat)
    model = Model(
        kind_of("latent", component),
        graphs,
        {"latent_fraction": y_hat.fraction},
        {**provenance, **facts(reports, scheme, latents)},
    )
    latent_model(model, component)
    return model


def convert_synthesis(
    point: RatePoint,
    network: Synthesis,
    component: int,
    operating_point: str,
    scheme: Scheme,
    provenance: Mapping[str, Any],
    latent_models: Sequence[Model],
) -> Model:
    """A synthesis model that reads the latents of ``latent_models`` (luma; for chroma luma and chroma)."""
    parts = ("",) if component == 0 else (".Y", ".UV")
    formats: dict[str, Format] = {"signal": Format(SIGNAL_FRACTION, -SIGNAL_MAX, SIGNAL_MAX)}
    constants = {}
    for part, y_hat in zip(parts, point.formats, strict=False):
        formats[f"y_hat{part}"] = _given(y_hat)
        constants[f"latent_fraction{part}"] = y_hat.fraction
    samples: list[Sample] = [
        (
            {f"y_hat{part}": y[0].numpy() for part, y in zip(parts, s.y_hat, strict=False)},
            s.coded.size,
        )
        for s in point.latents
    ]
    graph, report = _compile(synthesis_graph(network), samples, scheme, formats)
    graph = with_full_signal(graph)
    reports = {SYNTHESIS: report}
    model = Model(
        kind_of(operating_point, component),
        {SYNTHESIS: graph},
        constants,
        {**provenance, **facts(reports, scheme, point.latents)},
    )
    readable = [latent_model(latent, c) for c, latent in enumerate(latent_models)]
    synthesis_model(model, component, readable)
    return model


def convert_rectifier(
    network: Rectifier,
    latent: LatentModel,
    y_hat: Sequence[npt.NDArray[np.int16]],
    scheme: Scheme,
    provenance: Mapping[str, Any],
) -> Model:
    """A rectifier for the latents of a finished model: its scale and range are those of the result too.

    :param y_hat: integer latents ``[C, h, w]`` to calibrate on.
    """
    given = Format(latent.fraction, latent.lo, latent.hi)
    unit = np.exp2(-latent.fraction.astype(np.float32))[:, None, None]
    samples: list[Sample] = [({"y_hat": y.astype(np.float32) * unit}, None) for y in y_hat]
    formats = {"y_hat": given, "y_hat_rectified": given}
    graph, report = _compile(rectifier_graph(network), samples, scheme, formats)
    quality = {RECTIFIER: {"snr_db": round(_correction_quality(report), 2)}}
    model = Model(
        kind_of(RECTIFIER, latent.component),
        {RECTIFIER: graph},
        {"latent_fraction": latent.fraction},
        {**provenance, "latent_sha256": latent.digest, "scheme": scheme.name, "quality": quality},
    )
    rectifier_model(model, latent)
    return model


def _correction_quality(report: CompilationReport) -> float:
    """Signal to noise of what is added to the latent, in dB."""
    return next(layer.snr for layer in report.layers if layer.name == "correction")


def output_format(graph: Graph, name: str) -> Format:
    """Number format of a graph's output, for whatever reads it."""
    lo, hi = graph.clip_range(name)
    fraction = np.broadcast_to(np.asarray(graph.node(name).fraction, np.int32), lo.shape)
    return Format(fraction, lo, hi)


def mean_format(point: RatePoint, values: Sequence[Tensor], latent_fraction: Int32) -> Format:
    """As fine as what was seen allows, but not finer than is of use where it is added to the latent."""
    reach = torch.stack([value.abs().amax((0, 2, 3)) for value in values]).amax(0).double().numpy()
    finest = np.floor(np.log2(LATENT_MAX / (reach * point.headroom + 2.0**-20)))
    fraction = np.clip(finest, 0, latent_fraction + MEAN_GUARD_BITS).astype(np.int32)
    return Format(fraction, -LATENT_MAX, LATENT_MAX)


def sum_of(mean: Format, latent: LatentFormat) -> Graph:
    """Mean plus residual at the latent's scale: both aligned to the finer of the two, rounded once."""
    given, fraction = np.asarray(mean.fraction), latent.fraction
    finer = np.maximum(given, fraction)
    tensors = {
        "shift_a": (finer - given).astype(np.uint8),
        "shift_b": (finer - fraction).astype(np.uint8),
        "shift": (finer - fraction).astype(np.uint8),
    }
    bits = tuple(fraction.tolist())
    inputs = (
        GraphInput("mu", len(fraction), mean.lo, mean.hi, tuple(given.tolist())),
        GraphInput("residual", len(fraction), -LATENT_MAX, LATENT_MAX, bits),
    )
    node = Node("y_hat", "add", ("mu", "residual"), {}, tensors, -latent.limit, latent.limit, bits)
    graph = Graph(inputs, (node,), ("y_hat",))
    prove(graph)
    return graph


def with_full_signal(graph: Graph) -> Graph:
    """Let the last convolution reach the whole range of samples, whatever calibration saw of it."""
    name = graph.outputs[0]
    while name not in graph.clips:
        name = graph.node(name).inputs[0]
    nodes = tuple(
        replace(node, lo=-SIGNAL_MAX, hi=SIGNAL_MAX) if node.name == name else node for node in graph.nodes
    )
    full = Graph(graph.inputs, nodes, graph.outputs)
    prove(full)
    return full


def facts(
    reports: Mapping[str, CompilationReport], scheme: Scheme, latents: Sequence[FloatLatents]
) -> dict[str, Any]:
    """What a model file says about its own making: scheme, calibration, and quality of every graph."""
    quality = {}
    for name, report in reports.items():
        cut = sum(layer.saturated for layer in report.layers)
        quality[name] = {"snr_db": round(_quality(report), 2), "saturated": cut}
    return {
        "scheme": scheme.name,
        "calibration": [list(s.coded.size) for s in latents],
        "quality": quality,
    }


def _compile(
    graph: FloatGraph, samples: Sequence[Sample], scheme: Scheme, formats: Mapping[str, Format]
) -> tuple[Graph, CompilationReport]:
    best: tuple[Graph, CompilationReport] | None = None
    for options in scheme.policies:
        found = compile_graph(graph, samples, scheme.name, formats=formats, options=options)
        if best is None or _quality(found[1]) > _quality(best[1]) + MARGIN_DB:
            best = found
    if best is None:
        raise ValueError("a scheme needs a policy")
    return best


def _quality(report: CompilationReport) -> float:
    """Signal to noise of the last node that computes something, in dB."""
    return next(layer.snr for layer in reversed(report.layers) if layer.op not in ("crop", "pixel_shuffle"))


def _phase_samples(point: RatePoint, phase: int) -> list[Sample]:
    out: list[Sample] = []
    for s in point.latents:
        values = {"psi": s.psi[0].chunk(4, dim=1)[phase][0].numpy()}
        values |= {f"y_hat.{k}": s.phases[k][0].numpy() for k in range(phase)}
        out.append((values, s.coded.size))
    return out


def _given(latent: LatentFormat) -> Format:
    return Format(latent.fraction, -latent.limit, latent.limit)


def _cut(whole: Format, start: int, stop: int) -> Format:
    return Format(*(np.asarray(v)[start:stop] for v in (whole.fraction, whole.lo, whole.hi)))
