"""Entropy-coded payloads of a picture, from its header, its hyper-latents and its symbols."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from conformance.encoder import decisions
from conformance.encoder.quantise import Float32, Steps, linear_gain, quality_factor, quantise
from refdec.codestream import PictureHeader, threaded_payload
from refdec.codestream.geometry import region_rectangles
from refdec.codestream.headers import cube_groups, thread_fields
from refdec.entropy import EntropyEngine, Rounding
from refdec.models_io import EntropyModel
from refdec.scales import Scales, component_scales
from refdec.tables import table

Int32 = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Payloads:
    """Payload bytes of a picture, thread tables included.

    :param z: hyper-latents of both components.
    :param residual: for luma and chroma, one payload a region; ``None`` for a region that is left out,
        which only independent regions can be.
    :param quality: quality map, or ``None``.
    """

    z: bytes
    residual: tuple[tuple[bytes | None, ...], tuple[bytes | None, ...]]
    quality: bytes | None


def steps_of(
    picture: PictureHeader,
    c: int,
    model: EntropyModel,
    scales: Scales,
    quality_map: npt.NDArray[np.int8] | None,
) -> Steps:
    """What scales the residuals of component ``c``."""
    return Steps(
        linear_gain(model.gain_log + picture.beta_displacement_log[c])[:, None, None],
        None if quality_map is None else quality_factor(quality_map),
        None if scales.scaling is None else scales.scaling.forward,
        None if scales.scaling is None else scales.scaling.inverse,
    )


def quantise_component(
    picture: PictureHeader,
    c: int,
    model: EntropyModel,
    z_hat: npt.NDArray[np.int8],
    difference: Float32,
    quality_map: npt.NDArray[np.int8] | None,
    engine: EntropyEngine,
    *,
    choose_cubes: bool = False,
    choose_gains: bool = False,
) -> tuple[PictureHeader, Int32]:
    """Symbols of ``y - mean``, and the header with the decisions that belong to them.

    :param difference: float32 ``[C, lh, lw]``.
    :param choose_cubes: choose the cube flags as the reference encoder does, instead of the header's.
    :param choose_gains: the same for the channel-wise gain flags.
    :returns: header, int32 ``[C, lh, lw]``.
    """
    header = picture.components[c]
    if choose_cubes:
        picture = with_cube_flags(picture, c, None)
    scales = component_scales(picture, c, model, z_hat, quality_map, engine)
    if choose_gains:
        flags = decisions.grfs_flags(scales.log_skip, c, picture.model_id, header.num_chs)
        picture = with_gain_flags(picture, c, flags)
        scales = component_scales(picture, c, model, z_hat, quality_map, engine)
    steps = steps_of(picture, c, model, scales, quality_map)
    if choose_cubes:
        flags = decisions.choose_cube_flags(difference, steps, scales.mask, header.num_chs, c)
        if not flags.all():
            picture = with_cube_flags(picture, c, flags)
            scales = component_scales(picture, c, model, z_hat, quality_map, engine)
    coded = scales.mask.copy()
    coded[header.num_chs :] = False
    return picture, quantise(difference, steps, coded)


def encode_payloads(
    picture: PictureHeader,
    models: tuple[EntropyModel, EntropyModel],
    z_hats: Sequence[npt.NDArray[np.int8]],
    symbols: Sequence[Int32],
    quality_map: npt.NDArray[np.int8] | None,
    engine: EntropyEngine,
    *,
    quality_rounding: Rounding = "floor",
    left_out: Sequence[frozenset[int]] = (frozenset(), frozenset()),
) -> Payloads:
    """All entropy-coded payloads of a picture.

    :param z_hats: int8 ``[C, hz, wz]`` each, -31..31.
    :param symbols: int32 ``[C, lh, lw]`` each; what the header's mask does not code is not written.
    :param left_out: for each component, independent regions to leave out of the stream.
    :raises ValueError: a symbol does not fit 16 bits.
    """
    quality = None
    if quality_map is not None:
        quality = encode_quality_map(picture, quality_map, engine, quality_rounding)
    residual = tuple(
        encode_regions(picture, c, models[c], z_hats[c], symbols[c], quality_map, engine, left_out[c])
        for c in (0, 1)
    )
    z = encode_z(models, z_hats, picture.num_threads_z, engine)
    return Payloads(z, (residual[0], residual[1]), quality)


def encode_regions(
    picture: PictureHeader,
    c: int,
    model: EntropyModel,
    z_hat: npt.NDArray[np.int8],
    symbols: Int32,
    quality_map: npt.NDArray[np.int8] | None,
    engine: EntropyEngine,
    left_out: frozenset[int] = frozenset(),
) -> tuple[bytes | None, ...]:
    """Residual payloads of one component, one a region in index order."""
    scales = component_scales(picture, c, model, z_hat, quality_map, engine)
    return region_payloads(picture, c, scales, symbols, engine, left_out)


def region_payloads(
    picture: PictureHeader,
    c: int,
    scales: Scales,
    symbols: Int32,
    engine: EntropyEngine,
    left_out: frozenset[int] = frozenset(),
) -> tuple[bytes | None, ...]:
    """The same where the scales are known."""
    header = picture.components[c]
    levels = engine.levels(scales.log)
    payloads: list[bytes | None] = []
    for index, rect in enumerate(region_rectangles(picture, c, depth=4, extended=False)):
        window = (
            slice(header.num_chs),
            slice(rect.y, rect.y + rect.h),
            slice(rect.x, rect.x + rect.w),
        )
        parts = (np.ascontiguousarray(t[window]).reshape(-1) for t in (symbols, levels, scales.mask))
        coded = engine.encode_residual(*parts, header.num_threads_r)
        payloads.append(None if index in left_out else _with_table(*coded))
    return tuple(payloads)


def encode_z(
    models: tuple[EntropyModel, EntropyModel],
    z_hats: Sequence[npt.NDArray[np.int8]],
    threads: int,
    engine: EntropyEngine,
) -> bytes:
    """The payload of the hyper-latents of both components."""
    return _with_table(*engine.encode_z(z_hats, [model.z_cdf for model in models], threads))


def encode_quality_map(
    picture: PictureHeader, quality_map: npt.NDArray[np.int8], engine: EntropyEngine, rounding: Rounding
) -> bytes:
    """The quality map's payload."""
    deltas = engine.quality_map_deltas(quality_map, rounding=rounding).reshape(-1)
    level = table("parameters", "quality_levels")[picture.quality_map_entropy_index]
    coded = engine.encode_residual(
        deltas, np.full(deltas.size, level, np.uint8), np.ones(deltas.size, np.bool_), picture.num_threads_q
    )
    return _with_table(*coded)


def _with_table(data: bytes, sizes: tuple[int, ...]) -> bytes:
    return threaded_payload(data, sizes)


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
        entropy_index = decisions.quality_entropy_index(
            engine.quality_map_deltas(quality_map, rounding=rounding)
        )
    multi, log2 = thread_fields(threads)
    return replace(
        picture,
        gain_3D_enable_flag=1,
        multi_threading_q=multi,
        log2_num_threads_q_minus1=log2,
        quality_map_entropy_index=entropy_index,
    )


def with_cube_flags(picture: PictureHeader, c: int, flags: npt.NDArray[np.uint8] | None) -> PictureHeader:
    """The header with other cube flags ``[4, n_y, n_x]`` for component ``c``, in canonical form."""
    groups = () if flags is None else cube_groups(flags)
    return _with_component(picture, c, use_cube_flags=int(bool(groups)), cube_groups=groups)


def with_gain_flags(picture: PictureHeader, c: int, flags: npt.NDArray[np.uint8]) -> PictureHeader:
    """The header with channel-wise gain on, and these flags, for component ``c``."""
    return _with_component(picture, c, grfs_enable_flag=1, grfs_channel_flag=tuple(flags.tolist()))


def _with_component(picture: PictureHeader, c: int, **changes: Any) -> PictureHeader:
    luma, chroma = picture.components
    if c == 0:
        return replace(picture, components=(replace(luma, **changes), chroma))
    return replace(picture, components=(luma, replace(chroma, **changes)))
