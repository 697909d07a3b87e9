"""From a picture to a codestream: at a given displacement, or at a given rate."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from conformance.encoder.analysis import FloatEncoder, has_weights, load_float_encoder
from conformance.encoder.closed_loop import Coded, Prepared, code, prepare
from conformance.encoder.forced_elements import ForceError
from conformance.encoder.machine import Machine
from conformance.encoder.options import (
    DEFAULT_TOOLS,
    DELTA_MAX,
    DELTA_MIN,
    Tools,
    picture_header,
    with_displacement,
)
from conformance.encoder.payloads import encode_quality_map, with_quality_map
from conformance.encoder.post_filters import choose_filters
from conformance.encoder.rate import TOLERANCE, Match, match_rate
from conformance.encoder.reconstruction import decodes_as_expected, reconstruct
from conformance.encoder.source import Source
from refdec.codestream import PictureHeader
from refdec.codestream.assemble import write_picture_header, write_rendering, write_tool_header
from refdec.codestream.profiles import TRANSFORM_NAMES
from refdec.errors import ModelError
from refdec.models_io import MODEL_IDS

__all__ = ["Encoder", "Trial", "decodes_as_expected", "reconstruct"]

Int8 = npt.NDArray[np.int8]
Log = Callable[[str], None]


@dataclass
class Trial:
    """One codestream that was made: model, displacement of luma, bytes, seconds."""

    model_id: int
    delta: int
    size: int
    seconds: float


@dataclass
class Encoder:
    """A picture being coded; what does not depend on the rate is computed once per model.

    :param chroma_offset: displacement of chroma less that of luma.
    :param seconds: of analysis and preparation, by model.
    """

    source: Source
    machine: Machine
    tools: Tools = DEFAULT_TOOLS
    quality_map: Int8 | None = None
    device: str = "cpu"
    chroma_offset: int = 0
    log: Log = lambda _line: None
    trials: list[Trial] = field(default_factory=list)
    seconds: dict[int, float] = field(default_factory=dict)
    _prepared: dict[int, Prepared] = field(default_factory=dict)
    _networks: dict[int, FloatEncoder] = field(default_factory=dict)
    _best: Coded | None = None

    def prepared(self, model_id: int) -> Prepared:
        """The picture under a model.

        :raises ModelError: the encoder's weights or a decoder model are missing.
        """
        if model_id not in self._prepared:
            header = self.header(model_id, 0, 0)
            point = TRANSFORM_NAMES[header.synthesis_transform_id[0]].lower()
            networks = self._networks.get(model_id) or load_float_encoder(
                self.machine.models, model_id, self.device, point
            )
            start = time.perf_counter()
            latents = networks.analyse(self.source)
            latents = replace(latents, z_hat=self.tools.forced.z(latents.z_hat))
            self._prepared[model_id] = prepare(header, latents, self.machine)
            self.seconds[model_id] = time.perf_counter() - start
        return self._prepared[model_id]

    def header(self, model_id: int, luma: int, chroma: int) -> PictureHeader:
        """The picture header before anything is coded.

        :raises HeaderValueError: no codestream can say this.
        :raises ForceError: a decision that cannot be forced.
        :raises ModelError: the model set lacks an operating point.
        """
        tools, used = self.tools, set[str]()
        picture = picture_header(self.source, model_id, tools, self.machine.models)
        picture = with_displacement(picture, luma, chroma)
        if self.quality_map is not None:
            rounding, threads = tools.quality_rounding, tools.threads_q
            picture = with_quality_map(picture, self.quality_map, self.machine.entropy, rounding, threads)
        picture = tools.forced.picture(picture, "base", used)
        tools.filters.require_possible(picture, self.machine.models)
        header = tools.forced.tools(tools.tool_header(), picture, used)
        rendering = tools.forced.rendering(tools.rendering, used)
        tools.forced.require_used(used, late=False)
        if bool(picture.gain_3D_enable_flag) != (self.quality_map is not None):
            raise ForceError("gain_3D_enable_flag goes with a quality map: give one, or leave it out")
        write_picture_header(picture, strict=not tools.forced)
        write_tool_header(header, picture, strict=not tools.forced)
        if rendering is not None:
            write_rendering(rendering)
        return picture

    def code(self, model_id: int, delta: int, delta_uv: int | None = None) -> Coded:
        """The codestream of one model and displacement; chroma follows luma unless it has its own.

        :raises ValueError: a displacement outside -1069..702.
        """
        return self._filtered(self._coded(model_id, delta, delta_uv))

    def _coded(self, model_id: int, delta: int, delta_uv: int | None = None) -> Coded:
        """The same before post-filters are chosen."""
        chroma = delta + self.chroma_offset if delta_uv is None else delta_uv
        chroma = min(max(chroma, DELTA_MIN), DELTA_MAX) if delta_uv is None else chroma
        for value in (delta, chroma):
            if not DELTA_MIN <= value <= DELTA_MAX:
                raise ValueError(f"displacement {value} outside {DELTA_MIN}..{DELTA_MAX}")
        prepared, engine, tools = self.prepared(model_id), self.machine.entropy, self.tools
        start = time.perf_counter()
        picture = self.header(model_id, delta, chroma)
        quality = None
        if self.quality_map is not None:
            payload = encode_quality_map(picture, self.quality_map, engine, tools.quality_rounding)
            quality = (self.quality_map, payload)
        coded = code(
            prepared,
            picture,
            tools.tool_header(),
            self.machine,
            quality=quality,
            choose_cubes=tools.cube_flags,
            choose_gains=tools.grfs,
            rendering=tools.rendering,
            user_data=tools.user_data,
            forced=tools.forced,
            rate_weight=tools.rate_weight,
        )
        seconds = time.perf_counter() - start
        self.trials.append(Trial(model_id, delta, len(coded.data), seconds))
        bpp = 8 * len(coded.data) / self.source.pixels
        self.log(f"model {model_id} displacement {delta}: {len(coded.data)} bytes, {bpp:.4f} bpp")
        return coded

    def code_at_rate(
        self, bpp: float, models: tuple[int, ...] | None = None, tolerance: float = TOLERANCE
    ) -> tuple[Coded, Match]:
        """The codestream whose size is nearest to a rate in bits per pixel of the picture.

        Post-filters are chosen for it in the end; what they add to the tool header is not searched for.

        :param models: models to choose from; all that can be used by default.
        :raises ModelError: there is none.
        """
        usable = (
            tuple(m for m in MODEL_IDS if has_weights(self.machine.models, m)) if models is None else models
        )
        if not usable:
            raise ModelError("the model set has no encoder weights for any of its models")
        best: tuple[float, Coded] | None = None
        target = bpp * self.source.pixels

        def trial(model_id: int, delta: int) -> int:
            nonlocal best
            coded = self._coded(model_id, delta)
            bits = 8 * len(coded.data)
            if best is None or abs(bits - target) < best[0]:
                best = (abs(bits - target), coded)
            return bits

        match = match_rate(target, trial, self.source.pixels, usable, tolerance=tolerance)
        assert best is not None
        return self._filtered(best[1]), match

    def _filtered(self, coded: Coded) -> Coded:
        """The codestream with the post-filters that were asked for."""
        tools = self.tools
        chosen = choose_filters(tools.filters, tools.tool_header(), coded, self.source, self.machine)
        chosen = tools.forced.tools(chosen, coded.picture, set())
        return coded if chosen == coded.tools else coded.with_tools(chosen)

    @property
    def naive_seconds(self) -> float:
        """What the trials would have taken with everything computed anew each time."""
        return sum(trial.seconds + self.seconds[trial.model_id] for trial in self.trials)

    @property
    def spent_seconds(self) -> float:
        """What they took: analysis and preparation once per model."""
        return sum(trial.seconds for trial in self.trials) + sum(self.seconds.values())
