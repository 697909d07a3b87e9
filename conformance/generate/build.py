"""From a plan to a codestream: header, draws, payloads. Integers alone, so that a seed means bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from conformance.encoder.payloads import encode_payloads, with_quality_map
from conformance.generate import draw
from conformance.generate.headers import draw_header
from conformance.generate.plan import Int8, Int32, Part, Plan
from conformance.verify.build import reordered
from conformance.verify.synthetic import Splitmix
from refdec import entropy
from refdec.codestream import CHANNELS, ComponentHeader, PictureHeader, ToolHeader, assemble
from refdec.codestream.assemble import NO_RENDERING
from refdec.codestream.geometry import cube_shape, hyper_size
from refdec.codestream.headers import component_header, thread_fields
from refdec.codestream.profiles import PROFILE_TRANSFORMS, TRANSFORM_NAMES, level_models
from refdec.codestream.tool_syntax import TON
from refdec.entropy.golden import residual
from refdec.models_io import EICCI_BANKS, EICCI_NETWORKS, EntropyModel, ModelSet
from refdec.scales import Scales, component_scales

ENGINE = "golden"


@dataclass
class Context:
    """What recipes are made for.

    :param seed: of the suite.
    :param profile: 0 simple, 1 base, 2 high: what the headers claim.
    :param level: ``level_idc``.
    :param models: where symbols are drawn from.
    :param name: of the stream; every stream has a source of numbers of its own.
    """

    seed: int
    profile: int
    level: int
    models: ModelSet
    name: str = ""

    def random(self, purpose: str = "") -> Splitmix:
        """Numbers that depend on the suite's seed, the stream's name and a purpose, on nothing else."""
        digest = hashlib.sha256(f"{self.seed}/{self.name}/{purpose}".encode()).digest()
        return Splitmix(int.from_bytes(digest[:8], "big"))

    def model(self, wanted: int, plan: Plan | None = None) -> int:
        """The rate point, or one that the level allows instead."""
        allowed = level_models(self.level, (plan or Plan()).dialect)
        return wanted if wanted in allowed else allowed[wanted % len(allowed)]

    @cached_property
    def points(self) -> tuple[int, ...]:
        """Transforms that profile and model set both have, the simplest first."""
        allowed = [m for m in level_models(self.level, Plan().dialect) if self.models.has(m, "entropy", 0)]
        return tuple(
            t
            for t in PROFILE_TRANSFORMS[self.profile]
            if all(self.models.has(m, TRANSFORM_NAMES[t].lower(), c) for m in allowed for c in (0, 1))
        )

    @cached_property
    def eicci(self) -> bool:
        """Whether the model set has all networks of the inter-component filter."""
        return all(self.models.has_eicci(bank, k) for bank in EICCI_BANKS for k in range(EICCI_NETWORKS))

    def build(self, plan: Plan) -> bytes:
        """The codestream of a plan."""
        builder = Builder(self, plan)
        return (builder if plan.refine is None else Builder(self, plan.refine(builder))).data


class Builder:
    """One stream in the making; every stage is an attribute, computed when it is asked for."""

    def __init__(self, context: Context, plan: Plan) -> None:
        self.context, self.plan = context, plan
        self.engine = entropy.engine(ENGINE)
        self.model_id = context.model(plan.model, plan)

    @cached_property
    def models(self) -> tuple[EntropyModel, EntropyModel]:
        """The entropy models of both components."""
        models = self.context.models
        return models.entropy(self.model_id, 0), models.entropy(self.model_id, 1)

    @cached_property
    def quality_map(self) -> Int8 | None:
        """int8 ``[lh, lw]``, or ``None``."""
        if self.plan.quality is None:
            return None
        height, width = self.plan.size
        return self.plan.quality(self.context.random("quality"), (-(-height // 16), -(-width // 16)))

    @cached_property
    def picture(self) -> PictureHeader:
        """The header, quality map and all."""
        plan, (height, width) = self.plan, self.plan.size
        multi_z, log2_z = thread_fields(plan.threads_z)
        rows, columns = plan.regions
        split = rows * columns > 1
        grown = split and not plan.independent
        betas = (plan.parts[0].beta + 2048, plan.parts[1].beta + 2048)
        fields: dict[str, Any] = {
            "decoder_profile_id": self.context.profile,
            "level_idc": self.context.level,
            "img_width_minus64": width - 64,
            "img_height_minus64": height - 64,
            "model_id": self.model_id,
            "components": (self._component(0), self._component(1)),
            "dialect": plan.dialect,
            "multi_threading_z": multi_z,
            "log2_num_threads_z_minus1": log2_z,
            "beta_displacement_log_plus_2048": betas,
            "independent_beta_uv": int(betas[0] != betas[1]),
            "region_partitioning_flag": int(split),
            "num_ver_splits_minus1": rows - 1,
            "num_hor_splits_minus1": columns - 1,
            "region_residual_in_its_own_substream_flag": int(plan.independent),
            "hyper_decoder_overlap_in_latent_samples": plan.overlaps[0] if grown else 0,
            "mcm_overlap_in_latent_samples": plan.overlaps[1] if grown else 0,
            **self._transforms(),
            **plan.header,
        }
        picture = PictureHeader(**fields)
        if self.quality_map is None:
            return picture
        return with_quality_map(
            picture, self.quality_map, self.engine, plan.rounding, plan.threads_q, plan.quality_index
        )

    def _transforms(self) -> dict[str, Any]:
        points = self.context.points
        if self.plan.point is not None:
            default = TRANSFORM_NAMES.index(self.plan.point.upper())
        else:
            turn = self.context.random("point").integers(0, len(points) - 1, (1,))
            default = points[int(turn[0])]
        listed = (default, *(p for p in points if p != default))
        return {"synthesis_transform_id": listed, "num_synthesis_transforms_minus1": len(listed) - 1}

    def _component(self, c: int) -> ComponentHeader:
        plan, part = self.plan, self.plan.parts[c]
        random = self.context.random(f"component {c}")
        channels = CHANNELS[c] if part.channels is None else part.channels
        cubes = gains = None
        shape = cube_shape(*plan.size)
        if part.cubes is not None:
            cubes = random.integers(0, 1, shape) if part.cubes == "random" else np.full(shape, part.cubes)
        if part.gains is not None:
            count = min(channels, CHANNELS[c])
            drawn = random.integers(0, 1, (count,)).tolist()
            gains = drawn if part.gains == "random" else [part.gains] * count
        return component_header(
            c,
            *plan.size,
            num_chs=channels,
            threads=part.threads,
            cube_flags=cubes,
            rvs=part.rvs,
            grfs_channel_flags=gains,
            tiling=plan.tiling,
        )

    @cached_property
    def hyper_latents(self) -> list[Int8]:
        """Of both components."""
        size = hyper_size(*self.plan.size)
        pick = self.plan.z or draw.model_z
        return [
            pick(self.context.random(f"z {c}"), self.models[c].z_cdf, (CHANNELS[c], *size)) for c in (0, 1)
        ]

    @cached_property
    def drawn(self) -> tuple[list[Int8], list[Int32]]:
        """Hyper-latents and symbols of both components."""
        if self.plan.solve is not None:
            return self.plan.solve(self, self.picture)
        z_hats = self.hyper_latents
        symbols = []
        for c in (0, 1):
            scales = self.scales(c, z_hats[c])
            levels = self.engine.levels(scales.log)
            choose = self.plan.symbols or draw.model_symbols
            random = self.context.random(f"symbols {c}")
            header = self.picture.components[c]
            mask = scales.mask.copy()
            mask[header.num_chs :] = False
            symbols.append(choose(random, levels, mask, header.num_threads_r))
        return z_hats, symbols

    @cached_property
    def tools(self) -> ToolHeader:
        """The tool header."""
        plan = self.plan
        if plan.tools_drawn is not None:
            random = self.context.random("tools")
            drawn: ToolHeader = draw_header(TON, random, self.picture, plan.tools_drawn)
            return drawn
        lsbs = (int(plan.parts[0].lsbs), int(plan.parts[1].lsbs))
        return ToolHeader(**{"lsbs_enable_flag": lsbs, **plan.tools})

    def scales(self, c: int, z_hat: Int8) -> Scales:
        """What hyper-latent and header say about a component's symbols."""
        return component_scales(self.picture, c, self.models[c], z_hat, self.quality_map, self.engine)

    @cached_property
    def data(self) -> bytes:
        """The codestream."""
        plan = self.plan
        z_hats, symbols = self.drawn
        with _escapes_of(plan):
            payloads = encode_payloads(
                self.picture,
                self.models,
                z_hats,
                symbols,
                self.quality_map,
                self.engine,
                quality_rounding=plan.rounding,
                left_out=plan.left_out,
            )
        data = assemble(
            self.picture,
            z=payloads.z,
            residuals=payloads.residual,
            quality=payloads.quality,
            tools=None if plan.bare else self.tools,
            rendering=None if plan.bare else plan.rendering or NO_RENDERING,
            user_data=plan.user_data,
            strict=plan.strict,
        )
        data = reordered(data) if plan.bare else data
        return data if plan.edit is None else plan.edit(data)


@contextmanager
def _escapes_of(plan: Plan) -> Iterator[None]:
    """Our encoder never spends 16 bits on a small code (AR-TANS-10); every decoder must read it."""
    usual = residual.SHORT_ESCAPE_LIMIT
    residual.SHORT_ESCAPE_LIMIT = 0 if plan.long_escapes else usual
    try:
        yield
    finally:
        residual.SHORT_ESCAPE_LIMIT = usual


def changed(plan: Plan, **changes: Any) -> Plan:
    """The plan with something else."""
    return replace(plan, **changes)


__all__ = ["Builder", "Context", "Part", "Plan", "changed"]
