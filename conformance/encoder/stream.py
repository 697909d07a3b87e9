"""A whole codestream from hyper-latents and from residuals that are not yet quantised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from conformance.encoder.decisions import quality_entropy_index
from conformance.encoder.payloads import encode_payloads, quantise_component
from conformance.encoder.quantise import Float32
from refdec.codestream import PictureHeader, RenderingInformation, ToolHeader, assemble
from refdec.codestream.headers import DEFAULT_TOOLS, thread_fields
from refdec.entropy import EntropyEngine, Rounding
from refdec.models_io import EntropyModel

NO_RENDERING = RenderingInformation()


def encode_stream(
    picture: PictureHeader,
    models: tuple[EntropyModel, EntropyModel],
    z_hats: Sequence[npt.NDArray[np.int8]],
    differences: Sequence[Float32],
    engine: EntropyEngine,
    *,
    quality_map: npt.NDArray[np.int8] | None = None,
    quality_rounding: Rounding = "floor",
    quality_threads: int = 1,
    choose_cubes: bool = True,
    choose_gains: tuple[bool, bool] = (False, False),
    tools: ToolHeader | None = DEFAULT_TOOLS,
    rendering: RenderingInformation | None = NO_RENDERING,
    user_data: Sequence[bytes] = (),
    left_out: Sequence[frozenset[int]] = (frozenset(), frozenset()),
) -> bytes:
    """Quantise under the header's tools, decide as the reference encoder does, and write.

    :param picture: header; what is decided here (cube flags, channel-wise gain flags, entropy index of
        the quality map) is replaced in it.
    :param z_hats: int8 ``[C, hz, wz]`` for luma and chroma, -31..31.
    :param differences: float32 ``[C, lh, lw]``: latent minus its predicted mean.
    :param choose_gains: for luma and chroma: switch channel-wise gain on and choose its flags.
    :raises HeaderValueError: a header cannot be written.
    """
    if quality_map is not None:
        picture = with_quality_map(picture, quality_map, engine, quality_rounding, quality_threads)
    symbols = []
    for c in (0, 1):
        picture, of_component = quantise_component(
            picture,
            c,
            models[c],
            z_hats[c],
            differences[c],
            quality_map,
            engine,
            choose_cubes=choose_cubes,
            choose_gains=choose_gains[c],
        )
        symbols.append(of_component)
    payloads = encode_payloads(
        picture,
        models,
        z_hats,
        symbols,
        quality_map,
        engine,
        quality_rounding=quality_rounding,
        left_out=left_out,
    )
    return assemble(
        picture,
        z=payloads.z,
        residuals=payloads.residual,
        quality=payloads.quality,
        tools=tools,
        rendering=rendering,
        user_data=user_data,
    )


def with_quality_map(
    picture: PictureHeader,
    quality_map: npt.NDArray[np.int8],
    engine: EntropyEngine,
    rounding: Rounding = "floor",
    threads: int = 1,
    entropy_index: int | None = None,
) -> PictureHeader:
    """The header with a quality map announced.

    :param entropy_index: 0..7; the reference encoder's choice by default.
    """
    if entropy_index is None:
        entropy_index = quality_entropy_index(engine.quality_map_deltas(quality_map, rounding=rounding))
    multi, log2 = thread_fields(threads)
    return replace(
        picture,
        gain_3D_enable_flag=1,
        multi_threading_q=multi,
        log2_num_threads_q_minus1=log2,
        quality_map_entropy_index=entropy_index,
    )
