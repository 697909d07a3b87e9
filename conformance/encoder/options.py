"""What the caller of the encoder chooses, and the header that says it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from conformance.encoder.forced import NOTHING, Forced
from conformance.encoder.post_filters import NONE, PostFilters
from conformance.encoder.source import Source
from refdec.codestream import CHANNELS, Dialect, PictureHeader, RenderingInformation, ToolHeader
from refdec.codestream.assemble import NO_RENDERING
from refdec.codestream.geometry import ceil_div
from refdec.codestream.headers import BIT_DEPTHS, component_header, thread_fields
from refdec.codestream.profiles import (
    LEVEL_AREAS,
    LEVEL_MODELS,
    PROFILE_TRANSFORMS,
    TRANSFORM_NAMES,
)
from refdec.entropy import Rounding
from refdec.errors import ModelError
from refdec.models_io import ModelSet

DELTA_MIN, DELTA_MAX = -1069, 702
"""Displacements that the reference encoder can write."""
TILED_FROM = 1024 * 1024
"""Luma samples above which the reference encoder tiles the synthesis."""
TILE, OVERLAP = 1024, 64
INDEPENDENT_OVERLAP = 128
HYPER_OVERLAP, MCM_OVERLAP = 2, 8
"""Overlaps of dependent regions as the reference encoder codes them."""
RATE_WEIGHT = 0.05
"""What a bit is worth by default, in squared quantiser steps."""
Pair = tuple[bool, bool]
Tiling = Literal["auto", "off"] | tuple[int, int]


@dataclass(frozen=True)
class Tools:
    """The coding tools, luma first in pairs.

    :param threads_z: threads of the hyper-latent's payload; ``threads_r`` of each residual payload, of luma's
        and chroma's apart where it is a pair; ``threads_q`` of the quality map's.
    :param cube_flags: decide cube flags as the reference encoder does; without, sigma alone decides.
    :param rvs: residual variance scaling; ``grfs``: channel-wise gain; ``lsbs``: latent scaling.
    :param num_chs: latent channels to code, ``None`` for all.
    :param regions: rows and columns of regions. :param independent: code every region on its own.
    :param region_overlap: of dependent regions, as coded: half of that of hyper-latents, a quarter of that of
        the context model.
    :param tiling: synthesis tile size and overlap in luma samples; ``auto`` as the reference encoder.
    :param transforms: operating points to list, the default first; ``()`` for all that the models have.
    :param profile: decoder profile 0..2, ``None`` for the lowest that permits the default operating point.
    :param level: level_idc, ``None`` for the lowest that permits size and model.
    :param rendering: rendering information; ``None`` leaves it out. :param user_data: UDI segments.
    :param filters: post-filters to turn on.
    :param forced: decisions that are not up to the encoder.
    :param rate_weight: squared quantiser steps that a bit is worth when symbols are chosen; 0 rounds to the
        nearest, as the reference encoder does.
    """

    threads_z: int = 1
    threads_r: int | tuple[int, int] = 1
    threads_q: int = 1
    cube_flags: bool = True
    rvs: Pair = (False, False)
    grfs: Pair = (False, False)
    lsbs: Pair = (False, False)
    num_chs: tuple[int | None, int | None] = (None, None)
    regions: tuple[int, int] = (1, 1)
    independent: bool = False
    region_overlap: tuple[int, int] = (HYPER_OVERLAP, MCM_OVERLAP)
    tiling: Tiling = "auto"
    transforms: tuple[str, ...] = ()
    quality_rounding: Rounding = "floor"
    dialect: Dialect = Dialect.T840
    profile: int | None = None
    level: int | None = None
    rendering: RenderingInformation | None = NO_RENDERING
    user_data: tuple[bytes, ...] = ()
    filters: PostFilters = NONE
    forced: Forced = NOTHING
    rate_weight: float = RATE_WEIGHT

    def tool_header(self) -> ToolHeader:
        """TON."""
        return ToolHeader(lsbs_enable_flag=(int(self.lsbs[0]), int(self.lsbs[1])))


DEFAULT_TOOLS = Tools()


def picture_header(source: Source, model_id: int, tools: Tools, models: ModelSet) -> PictureHeader:
    """The header of a picture under a model, at the default rate and without what is decided later.

    :raises ModelError: the model set has no synthesis transform that the header could list.
    """
    height, width = source.size
    tiling = tile_layout(source.size, tools)
    listed = _transforms(tools, models, model_id)
    components = [
        component_header(
            c,
            height,
            width,
            num_chs=CHANNELS[c] if tools.num_chs[c] is None else tools.num_chs[c],
            threads=tools.threads_r if isinstance(tools.threads_r, int) else tools.threads_r[c],
            rvs=tools.rvs[c],
            tiling=tiling,
        )
        for c in (0, 1)
    ]
    multi_z, log2_z = thread_fields(tools.threads_z)
    split = tools.regions != (1, 1)
    overlap = split and not tools.independent
    return PictureHeader(
        decoder_profile_id=_profile(listed[0]) if tools.profile is None else tools.profile,
        num_synthesis_transforms_minus1=len(listed) - 1,
        synthesis_transform_id=listed,
        level_idc=level(height * width, model_id, tools.dialect) if tools.level is None else tools.level,
        img_width_minus64=width - 64,
        img_height_minus64=height - 64,
        diff_display_img_width=width - source.shown[1],
        diff_display_img_height=height - source.shown[0],
        model_id=model_id,
        components=(components[0], components[1]),
        dialect=tools.dialect,
        bit_depth_idc=BIT_DEPTHS.index(source.bit_depth),
        s_ver_minus1=source.subsampling[0] - 1,
        s_hor_minus1=source.subsampling[1] - 1,
        c_ver_minus1=source.coded[0] - 1,
        c_hor_minus1=source.coded[1] - 1,
        colour_transform_idx=int(source.colour == "RGB"),
        multi_threading_z=multi_z,
        log2_num_threads_z_minus1=log2_z,
        region_partitioning_flag=int(split),
        num_ver_splits_minus1=tools.regions[0] - 1,
        num_hor_splits_minus1=tools.regions[1] - 1,
        region_residual_in_its_own_substream_flag=int(split and tools.independent),
        hyper_decoder_overlap_in_latent_samples=tools.region_overlap[0] if overlap else 0,
        mcm_overlap_in_latent_samples=tools.region_overlap[1] if overlap else 0,
    )


def with_displacement(picture: PictureHeader, luma: int, chroma: int) -> PictureHeader:
    """The header at another rate."""
    return replace(
        picture,
        beta_displacement_log_plus_2048=(luma + 2048, chroma + 2048),
        independent_beta_uv=int(luma != chroma),
    )


def _profile(transform: int) -> int:
    return next(p for p, allowed in sorted(PROFILE_TRANSFORMS.items()) if transform in allowed)


def level(area: int, model_id: int, dialect: Dialect) -> int:
    """The lowest level that permits so many luma samples and this model; the highest for larger pictures."""
    first = next((a for a, limit in sorted(LEVEL_AREAS.items()) if area <= limit), max(LEVEL_AREAS))
    second = next(b for b, allowed in sorted(LEVEL_MODELS[dialect].items()) if model_id in allowed)
    return 10 * first + second


def tile_layout(size: tuple[int, int], tools: Tools) -> tuple[int, int] | None:
    """Synthesis tile size and overlap, or ``None`` for one tile."""
    height, width = size
    if tools.tiling == "off":
        return None
    if tools.tiling != "auto":
        return tools.tiling
    if height * width <= TILED_FROM:
        return None
    if tools.regions == (1, 1) or not tools.independent:
        return TILE, OVERLAP
    # tiles of independent regions must follow the regions' borders
    rows, columns = (ceil_div(n, 128) // k * 128 for n, k in zip(size, tools.regions, strict=True))
    side = math.gcd(rows, columns)
    while side > TILE and side % 32 == 0:
        side //= 2
    return side, INDEPENDENT_OVERLAP


def _transforms(tools: Tools, models: ModelSet, model_id: int) -> tuple[int, ...]:
    have = [name for name in TRANSFORM_NAMES if all(models.has(model_id, name.lower(), c) for c in (0, 1))]
    wanted = [name.upper() for name in tools.transforms] or have
    missing = [name for name in wanted if name not in have]
    if missing or not wanted:
        raise ModelError(
            f"the model set has no synthesis transform {' '.join(missing)} for model {model_id}".replace(
                "  ", " "
            )
        )
    return tuple(TRANSFORM_NAMES.index(name) for name in wanted)
