"""The networks behind the residual, from official checkpoints to integer models.

Everything of one rate point is made together, because its files share number formats and calibration: the
latents of all operating points are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from conformance.importer.checkpoint import Checkpoint
from conformance.importer.given_pictures import given_picture
from conformance.networks.analysis import ANALYSIS, Analysis
from conformance.networks.calibration import DISPLACEMENTS, Coded, from_stream
from conformance.networks.context import ContextModel
from conformance.networks.convert import Scheme, convert_latent, convert_synthesis, rate_point
from conformance.networks.drawn import cut_to_pictures, draw
from conformance.networks.hyper import HyperDecoder, HyperEncoder
from conformance.networks.pictures import FloatEncoder, encode_picture, generated_pictures
from conformance.networks.synthesis import SYNTHESIS, Synthesis
from conformance.quantize.options import Options
from conformance.training.pictures import SUFFIXES
from refdec.codestream.geometry import CHANNELS
from refdec.errors import ModelError
from refdec.integer import Model
from refdec.models_io import COMPONENT_NAMES, EntropyModel, ModelSet, entropy_model

OPERATING_POINTS = ("sop", "bop", "hop")
DRAWN_HEADROOM, CODED_HEADROOM = 3.5, 4.0
"""Drawn latents have the tails of the model's own distributions; a few pictures or streams do not."""
ATTENTION_HEADROOM = 2.0
"""Networks that normalise their activations need every bit and vary less."""

Reader = Callable[[str], "Checkpoint | None"]
M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class Made:
    """A model, where it came from, and where it belongs."""

    kind: str
    component: int
    source: str
    model: Model


def common_name(component: int, beta: str) -> str:
    return f"VM_common_int/{COMPONENT_NAMES[component]}_{beta}.pth"


def synthesis_name(point: str, component: int, beta: str) -> str:
    return f"VM_{point}/decoder_{COMPONENT_NAMES[component]}_{beta}.pth"


def analysis_name(component: int, beta: str) -> str:
    return f"VM_bop/encoder_{COMPONENT_NAMES[component]}_{beta}.pth"


def convert_networks(
    read: Reader,
    model_id: int,
    beta: str,
    entropy: tuple[Model, Model],
    scheme: str,
    calibrate: Sequence[Path] = (),
    thorough: bool = False,
    progress: Callable[[str], None] = lambda _line: None,
) -> Iterator[Made]:
    """All latent and synthesis models of one rate point for which there are checkpoints.

    :param read: a checkpoint by its official name, ``None`` if it is not there.
    :param entropy: the entropy models of luma and chroma.
    :param calibrate: codestreams and pictures; streams of other rate points are left out. Without any,
        pictures are generated and coded by the base operating point's analysis transform; without that one,
        latents are drawn from the entropy models and cut to what makes pictures.
    :param thorough: try two ways to choose scales, not one.
    :raises ModelError: a checkpoint does not fit, or no calibration file can be used.
    """
    common = [read(common_name(component, beta)) for component in (0, 1)]
    luma, chroma = common
    if luma is None or chroma is None or not _has_networks(luma):
        return
    hyper = (
        network_of(HyperDecoder(CHANNELS[0]), luma, "hyper_decoder."),
        network_of(HyperDecoder(CHANNELS[1]), chroma, "hyper_decoder."),
    )
    context = network_of(ContextModel(), luma, "context.")
    models = (entropy_model(entropy[0], 0), entropy_model(entropy[1], 1))
    encoder = _encoder(read, beta, luma, chroma, hyper, context, models)
    source, coded = _calibration(entropy, models, encoder, model_id, calibrate)
    if source == "drawn":
        shown = _any_synthesis(read, beta)
        coded = [cut_to_pictures(picture, hyper, context, shown) for picture in coded]
    progress(f"calibration of model {model_id}: {source}")
    headroom = DRAWN_HEADROOM if source == "drawn" else CODED_HEADROOM
    point = rate_point(hyper, context, coded, headroom)
    how = Scheme(scheme, policies(scheme, headroom, thorough))
    attentive = Scheme(scheme, policies(scheme, min(headroom, ATTENTION_HEADROOM), thorough))
    latents = []
    for component, checkpoint in enumerate((luma, chroma)):
        facts = _provenance(checkpoint, source)
        latents.append(convert_latent(point, component, how, facts))
        yield Made("latent", component, checkpoint.name, latents[-1])
    for name in OPERATING_POINTS:
        for component in (0, 1):
            checkpoint = read(synthesis_name(name, component, beta))
            if checkpoint is None:
                continue
            progress(checkpoint.name)
            network = network_of(SYNTHESIS[name, component](), checkpoint)
            facts = _provenance(checkpoint, source)
            chosen, readable = attentive if name == "hop" else how, latents[: component + 1]
            model = convert_synthesis(point, network, component, name, chosen, facts, readable)
            yield Made(name, component, checkpoint.name, model)


def policies(scheme: str, headroom: float, thorough: bool = False) -> tuple[Options, ...]:
    """How official networks are quantised: what to try, best first where there is no difference.

    With 16-bit weights every scale is a power of two and every weight is rounded by itself, so that the
    result hardly depends on the machine's floating point: with every activation filling its 16 bits and, if
    ``thorough``, also with scales planned against the weights' resolution, which takes minutes for a network
    and may find a little more precision. 8-bit weights need adaptive rounding.
    """
    if scheme != "w16a16":
        return (Options(headroom=headroom),)
    plain = Options(
        headroom=headroom, rounding="nearest", bias_correction=False, free_scales=False, plan_scales=False
    )
    return (plain, replace(plain, plan_scales=True)) if thorough else (plain,)


def _has_networks(common: Checkpoint) -> bool:
    """False for a file that was cut down to what the entropy stage needs."""
    return any(name.startswith("hyper_decoder.") for name in common.tensors)


def network_of(network: M, checkpoint: Checkpoint, prefix: str = "") -> M:
    """Fill a network from a checkpoint, by its tensor names behind a prefix.

    :raises ModelError: a tensor is absent, has another shape, or is not finite.
    """
    state = {}
    for name, wanted in network.state_dict().items():
        values = checkpoint.expect(prefix + name, tuple(wanted.shape), "float32")
        if not np.isfinite(values).all():
            raise ModelError(f"{checkpoint.name}: '{prefix}{name}' has values that are no numbers")
        state[name] = torch.from_numpy(np.array(values))
    network.load_state_dict(state)
    return network.eval()


def _provenance(checkpoint: Checkpoint, calibration: str) -> dict[str, Any]:
    return {
        "source": checkpoint.name,
        "source_sha256": checkpoint.sha256,
        "calibrated_on": calibration,
    }


def _encoder(
    read: Reader,
    beta: str,
    luma: Checkpoint,
    chroma: Checkpoint,
    hyper: tuple[HyperDecoder, HyperDecoder],
    context: ContextModel,
    models: tuple[EntropyModel, EntropyModel],
) -> FloatEncoder | None:
    """The float encoder, if the folder has all of it."""
    checkpoints = [read(analysis_name(component, beta)) for component in (0, 1)]
    if checkpoints[0] is None or checkpoints[1] is None:
        return None
    if any("hyper_encoder.conv1.weight" not in common.tensors for common in (luma, chroma)):
        return None
    analysis: list[Analysis] = [
        network_of(ANALYSIS["bop", c](), checkpoint)
        for c, checkpoint in enumerate(checkpoints)
        if checkpoint is not None
    ]
    return FloatEncoder(
        (analysis[0], analysis[1]),
        (
            network_of(HyperEncoder(CHANNELS[0]), luma, "hyper_encoder."),
            network_of(HyperEncoder(CHANNELS[1]), chroma, "hyper_encoder."),
        ),
        hyper,
        context,
        (models[0].gain_log, models[1].gain_log),
    )


def _any_synthesis(read: Reader, beta: str) -> list[Synthesis]:
    """The simplest synthesis there is: luma, or luma and chroma, or none."""
    networks: list[Synthesis] = []
    for name in OPERATING_POINTS:
        for component in range(len(networks), 2):
            checkpoint = read(synthesis_name(name, component, beta))
            if checkpoint is None:
                break
            networks.append(network_of(SYNTHESIS[name, component](), checkpoint))
    return networks


def _calibration(
    entropy: tuple[Model, Model],
    models: tuple[EntropyModel, EntropyModel],
    encoder: FloatEncoder | None,
    model_id: int,
    files: Sequence[Path],
) -> tuple[str, list[Coded]]:
    """Where the calibration latents come from, in a word, and the latents."""
    if files:
        return "files", _from_files(entropy, encoder, model_id, files)
    if encoder is None:
        return "drawn", list(draw(models))
    coded = [
        encode_picture(encoder, picture, displacement)
        for picture in generated_pictures()
        for displacement in DISPLACEMENTS
    ]
    return "generated", coded


def _from_files(
    entropy: tuple[Model, Model], encoder: FloatEncoder | None, model_id: int, files: Sequence[Path]
) -> list[Coded]:
    models = ModelSet(None, {(model_id, "entropy", c): model for c, model in enumerate(entropy)})
    coded: list[Coded | None] = []
    for number, path in enumerate(files):
        if path.suffix.lower() not in SUFFIXES:
            coded.append(from_stream(path, models, model_id))
        elif encoder is None:
            raise ModelError(f"{path} is a picture, and the folder has no analysis transform to code it with")
        else:
            picture = given_picture(path)
            coded.append(encode_picture(encoder, picture, DISPLACEMENTS[number % len(DISPLACEMENTS)]))
    usable = [picture for picture in coded if picture is not None]
    if not usable:
        raise ModelError(f"none of the calibration files is coded with model {model_id}")
    return usable
