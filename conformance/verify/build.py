"""Streams of the bundled suite from their recipes, seeded, in integers alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from conformance.encoder.payloads import encode_payloads, with_quality_map
from conformance.verify.cases import Case
from conformance.verify.synthetic import Splitmix
from refdec.codestream import CHANNELS, Dialect, PictureHeader, ToolHeader, assemble
from refdec.codestream.assemble import NO_RENDERING
from refdec.codestream.container import join, split
from refdec.codestream.geometry import cube_shape, hyper_size, latent_size
from refdec.codestream.headers import component_header, thread_fields
from refdec.entropy import EntropyEngine
from refdec.entropy.tables import coder_tables
from refdec.limits import DEFAULT_LIMITS
from refdec.models_io import ModelSet
from refdec.scales import component_scales

Int32 = npt.NDArray[np.int32]
BASE_PROFILE, BASE_TRANSFORMS, TOP_LEVEL = 1, (1, 0), 52


def build_stream(case: Case, seed: int, models: ModelSet, engine: EntropyEngine) -> bytes:
    """The codestream of a case: random hyper-latents and symbols under random decisions."""
    random = Splitmix(seed)
    height, width = case.size
    quality_map = draw_quality_map(case, random)
    picture = picture_header(case, random)
    if quality_map is not None:
        picture = with_quality_map(
            picture, quality_map, engine, case.rounding, case.threads_q, case.quality_index
        )
    entropy_models = (models.entropy(case.model, 0), models.entropy(case.model, 1))
    hz, wz = hyper_size(height, width)
    z_hats = [draw_z(random, CHANNELS[c], hz, wz) for c in (0, 1)]
    symbols = []
    for c in (0, 1):
        scales = component_scales(picture, c, entropy_models[c], z_hats[c], quality_map, engine)
        symbols.append(draw_symbols(random, engine.levels(scales.log), case.escapes))
    payloads = encode_payloads(
        picture,
        entropy_models,
        z_hats,
        symbols,
        quality_map,
        engine,
        quality_rounding=case.rounding,
        left_out=case.left_out,
    )
    tools = ToolHeader(lsbs_enable_flag=(int(case.parts[0].lsbs), int(case.parts[1].lsbs)))
    data = assemble(
        picture,
        z=payloads.z,
        residuals=payloads.residual,
        quality=payloads.quality,
        tools=None if case.minimal else tools,
        rendering=None if case.minimal else NO_RENDERING,
    )
    return reordered(data) if case.minimal else data


def reordered(data: bytes) -> bytes:
    """The same stream with the substreams behind the picture header in reverse order."""
    first, *rest = split(data, DEFAULT_LIMITS).substreams
    return join((substream.marker, substream.payload) for substream in (first, *reversed(rest)))


def picture_header(case: Case, random: Splitmix) -> PictureHeader:
    """The header of a case, without what the quality map decides."""
    height, width = case.size
    components = []
    for c, part in enumerate(case.parts):
        channels = CHANNELS[c] if part.channels is None else part.channels
        components.append(
            component_header(
                c,
                height,
                width,
                num_chs=channels,
                threads=part.threads,
                cube_flags=random.integers(0, 1, cube_shape(height, width)) if part.cubes else None,
                rvs=part.rvs,
                grfs_channel_flags=random.integers(0, 1, (channels,)).tolist() if part.grfs else None,
            )
        )
    multi_z, log2_z = thread_fields(case.threads_z)
    rows, columns = case.regions
    split = rows * columns > 1
    betas = (case.parts[0].beta + 2048, case.parts[1].beta + 2048)
    return PictureHeader(
        decoder_profile_id=BASE_PROFILE,
        num_synthesis_transforms_minus1=len(BASE_TRANSFORMS) - 1,
        synthesis_transform_id=BASE_TRANSFORMS,
        level_idc=TOP_LEVEL,
        img_width_minus64=width - 64,
        img_height_minus64=height - 64,
        model_id=case.model,
        components=(components[0], components[1]),
        dialect=Dialect(case.dialect),
        multi_threading_z=multi_z,
        log2_num_threads_z_minus1=log2_z,
        beta_displacement_log_plus_2048=betas,
        independent_beta_uv=int(betas[0] != betas[1]),
        region_partitioning_flag=int(split),
        num_ver_splits_minus1=rows - 1,
        num_hor_splits_minus1=columns - 1,
        region_residual_in_its_own_substream_flag=int(case.independent),
        hyper_decoder_overlap_in_latent_samples=2 if split and not case.independent else 0,
        mcm_overlap_in_latent_samples=8 if split and not case.independent else 0,
    )


def draw_z(random: Splitmix, channels: int, hz: int, wz: int) -> npt.NDArray[np.int8]:
    """Hyper-latents: small values, and now and then any value of -31..31."""
    shape = (channels, hz, wz)
    near = random.integers(-3, 3, shape) + random.integers(-3, 3, shape)
    far = random.integers(-31, 31, shape)
    return np.where(random.integers(0, 15, shape) == 0, far, near).astype(np.int8)


def draw_quality_map(case: Case, random: Splitmix) -> npt.NDArray[np.int8] | None:
    """A quality map, or ``None``: even indices, a rough surface of any indices, or noise over all of them."""
    shape = latent_size(*case.size)
    if case.quality == "none":
        return None
    if case.quality == "even":
        return (2 * random.integers(-3, 3, shape)).astype(np.int8)
    if case.quality == "steep":
        return random.integers(-8, 8, shape).astype(np.int8)
    slope = (np.arange(shape[0])[:, None] - np.arange(shape[1])) // 2
    return np.clip(slope + random.integers(-2, 1, shape), -8, 8).astype(np.int8)


def draw_symbols(random: Splitmix, levels: npt.NDArray[np.uint8], escapes: int) -> Int32:
    """Symbols that suit their levels; ``escapes`` of 256 lie outside the level's table."""
    bounds = coder_tables().bounds.astype(np.int64)[levels]
    shape = levels.shape
    # The product of two uniform draws is peaked at zero, as residuals are.
    spread = random.integers(0, 255, shape) * random.integers(0, 255, shape) * bounds >> 16
    kind = random.integers(0, 255, shape)
    short = bounds + random.integers(0, 5, shape)
    # One long escape in sixteen lies at the very end of 16 bits.
    long = np.where(random.integers(0, 15, shape) == 0, 32768, random.integers(0, 32767, shape))
    size = np.where(kind < escapes, np.where(kind & 1 == 0, short, long), spread)
    signs = 1 - 2 * random.integers(0, 1, shape)
    return np.clip(size * signs, -32768, 32767).astype(np.int32)
