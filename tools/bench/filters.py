"""Post-filters: megapixels per second of each, one and two threads; eICCI beside the same layers in float32.

Planes are those of a decoded 4:4:4 picture. Parameters are drawn where a stream would carry them: EFE
linear with six rectangles and filters of 3 x 3, also where it interpolates chroma coded as 4:2:0; EFE
non-linear with tiles of 512 x 512; eICCI for all planes, synthetic weights of the standard's shapes.
PyTorch's eICCI is the float module, Haar transforms included, in the faster of contiguous and channels-last.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from tools.bench.decode import stream
from tools.bench.timing import interleave

SIZE = (512, 768)
FILTERS = ("efe_linear", "efe_linear_interpolating", "eicci", "efe_nonlinear", "lef")
NETWORKS = (3, 6)
"""Of eICCI, for luma and for chroma."""


def tool_header(name: str, picture: Any) -> Any:
    """A tool header with one filter on.

    :param name: one of :data:`FILTERS`. :param picture: the picture header.
    """
    from conformance.generate import filters as drawn
    from conformance.generate.headers import draw_header
    from conformance.verify.synthetic import Splitmix
    from refdec.codestream import ToolHeader
    from refdec.codestream.headers import Icci, IcciTile
    from refdec.codestream.tool_syntax import TON

    if name == "lef":
        return ToolHeader(LEF_enabled_flag=1, LEF_chIdx=0)
    if name == "eicci":
        from conformance.encoder.eicci import tile_layout
        from refdec.filters.eicci_tiles import filter_tiles

        layout = tile_layout(picture, "auto")
        empty = Icci((), int(layout is not None), *(n // 16 for n in layout or (0, 0)))
        tile = IcciTile((1, 1, 1), 0, *NETWORKS)
        return ToolHeader(
            icci_enable_flag=1, icci=replace(empty, tiles=(tile,) * len(filter_tiles(picture, empty)))
        )
    chosen = {
        "efe_linear": drawn.efe_linear((7, 7), (3, 3)),
        "efe_nonlinear": drawn.efe_nonlinear(tile=(512, 512)),
    }[name.removesuffix("_interpolating")]
    return draw_header(TON, Splitmix(1), picture, chosen)


def with_networks(models: Any) -> Any:
    """A model set with the networks that :func:`tool_header` names for eICCI, changed and given back."""
    from conformance.verify.synthetic_eicci import eicci_model

    for index in NETWORKS:
        models.loaded_eicci["bop", index] = eicci_model(1, "bop", index)
    return models


def _calls(threads: int) -> dict[str, Callable[[], object]]:
    """Each filter on the planes of a decoded picture."""
    from refdec.codestream import parse
    from refdec.entropy_stage import decode_payloads
    from refdec.filters import FilterContext, apply_filters
    from refdec.latent_stage import decode_latents
    from refdec.models_io import bundled_models
    from refdec.picture import coded_planes, source_planes
    from refdec.settings import Settings
    from refdec.synthesis_stage import Steps, synthesis_models, synthesise_planes

    models, settings = with_networks(bundled_models()), Settings(threads=threads)
    parsed = parse(stream(SIZE))
    header = parsed.picture
    coded = decode_payloads(parsed, models, settings)
    log = np.ascontiguousarray(coded.components[0].log_sigma[0], np.int32)
    transforms, latents = (
        synthesis_models(header, models, settings),
        decode_latents(coded, models, settings, None),
    )
    planes = synthesise_planes(header, transforms, latents, settings, None, Steps(header, None))
    out: dict[str, Callable[[], object]] = {}
    for name in FILTERS:
        coarse = int(name.endswith("_interpolating"))
        picture = replace(header, c_ver_minus1=coarse, c_hor_minus1=coarse)
        seen = source_planes(picture, coded_planes(picture, *planes), engine=settings.engine)
        context = FilterContext(picture, tool_header(name, picture), log, models, settings)
        out[name] = lambda seen=seen, context=context: apply_filters(seen, context)
    return out


def _in_float(threads: int) -> dict[str, Callable[[], object]]:
    """eICCI as PyTorch has it."""
    import torch

    from conformance.networks.eicci import Eicci
    from conformance.networks.synthetic import fill_synthetic

    module = fill_synthetic(Eicci()).float().eval()
    planes = torch.rand(1, 3, *SIZE)
    turned = fill_synthetic(Eicci()).float().eval().to(memory_format=torch.channels_last)
    turned_planes = planes.contiguous(memory_format=torch.channels_last)

    def call(network: Any, inputs: Any) -> None:
        torch.set_num_threads(threads)
        with torch.inference_mode():
            network(inputs)

    return {
        "torch_contiguous": lambda: call(module, planes),
        "torch_channels_last": lambda: call(turned, turned_planes),
    }


def run(rounds: int) -> dict[str, float]:
    """All numbers of the section."""
    out: dict[str, float] = {}
    pixels = SIZE[0] * SIZE[1] / 1e6
    for threads in (1, 2) if (os.cpu_count() or 1) > 1 else (1,):
        candidates: Mapping[str, Callable[[], object]] = {**_calls(threads), **_in_float(threads)}
        timings = interleave(candidates, rounds)
        for name in FILTERS:
            key = f"filters.{name}"
            out[f"{key}.mpixels_per_s.{threads}t"] = pixels / timings[name].median
            out[f"{key}.mpixels_per_s_best.{threads}t"] = pixels / timings[name].best
        layouts = [timings["torch_contiguous"], timings["torch_channels_last"]]
        ours = timings["eicci"]
        out[f"filters.eicci.torch_mpixels_per_s.{threads}t"] = pixels / min(t.median for t in layouts)
        out[f"filters.eicci.ratio_torch.{threads}t"] = min(t.median for t in layouts) / ours.median
        out[f"filters.eicci.ratio_torch_best.{threads}t"] = min(t.best for t in layouts) / ours.best
    return out
