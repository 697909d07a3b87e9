"""The closed loop: symbols from latents with the decoder's own scales and means, in the decoder's integers.

What is predicted, and from what, is computed by the integer networks that every decoder runs; float only
decides which symbol codes the difference that is left. What the encoder believes about the decoder's
tensors is therefore what every decoder gets, and the trace of one equals the trace of the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from conformance.encoder import decisions
from conformance.encoder.analysis import Float32, Int8, Latents
from conformance.encoder.coded import Belief, Coded, Parts, Prepared
from conformance.encoder.forced import NOTHING, Forced
from conformance.encoder.forced_elements import ForceError
from conformance.encoder.machine import Machine
from conformance.encoder.payloads import (
    Int32,
    encode_z,
    region_payloads,
    steps_of,
    with_cube_flags,
    with_gain_flags,
)
from conformance.encoder.quantise import Steps, quantise
from refdec.codestream import PictureHeader, RenderingInformation, ToolHeader
from refdec.codestream.assemble import NO_RENDERING
from refdec.codestream.geometry import (
    HYPER_DEPTH,
    LATENT_DEPTH,
    PICTURE_DEPTH,
    PSI_DEPTH,
    Rect,
    cube_shape,
    latent_size,
    psi_size,
    region_rectangles,
)
from refdec.latent_stage import rectified
from refdec.networks import (
    PHASE_POSITIONS,
    LatentModel,
    hyper_decoder,
    picture_latent,
    picture_psi,
    run_phases,
    scale_latent,
)
from refdec.networks.latent import arithmetic
from refdec.scales import Scales, hyper_scale, scales_of
from refdec.settings import Settings

Int16 = npt.NDArray[np.int16]


def prepare(picture: PictureHeader, latents: Latents, machine: Machine) -> Prepared:
    """Everything that follows from the hyper-latent and does not depend on the rate."""
    size, engine, threads = (picture.height, picture.width), machine.engine, machine.threads
    entropy_models = machine.entropy_models(picture.model_id)
    raw, psi = [], []
    for c, model in enumerate(entropy_models):
        z_hat = latents.z_hat[c]
        raw.append(hyper_scale(model.graph, z_hat, size, machine.entropy.name, threads))
        sizes, hyper, rects = (
            region_rectangles(picture, c, depth, extended=True)
            for depth in (PICTURE_DEPTH, HYPER_DEPTH, PSI_DEPTH)
        )
        latent = machine.models.latent(picture.model_id, c)
        psi.append(picture_psi(latent, z_hat, sizes, hyper, rects, engine=engine, threads=threads))
    z_payload = encode_z(entropy_models, latents.z_hat, picture.num_threads_z, machine.entropy)
    return Prepared(picture, latents, (raw[0], raw[1]), (psi[0], psi[1]), z_payload)


def code(
    prepared: Prepared,
    picture: PictureHeader,
    tools: ToolHeader,
    machine: Machine,
    *,
    quality: tuple[Int8, bytes] | None = None,
    choose_cubes: bool = True,
    choose_gains: tuple[bool, bool] = (False, False),
    rendering: RenderingInformation | None = NO_RENDERING,
    user_data: Sequence[bytes] = (),
    forced: Forced = NOTHING,
    rate_weight: float = 0.0,
) -> Coded:
    """Code a prepared picture under a header.

    :param picture: header of ``prepared`` at the wanted rate, with the quality map announced if there is one.
    :param quality: quality map int8 ``[lh, lw]`` and its payload.
    :param rate_weight: squared steps that a bit is worth when symbols are chosen.
    :param forced: what is not up to the encoder. Elements of ``picture`` that are set before anything is
        coded are set in it already (:meth:`Forced.picture`, stage ``base``).
    :raises HeaderValueError: the header cannot be written.
    :raises ForceError: what is forced has no place, or cannot be.
    """
    quality_map, quality_payload = quality or (None, None)
    used: set[str] = set()
    tools, rendering = forced.tools(tools, picture, used), forced.rendering(rendering, used)
    left_out = forced.left_out(picture)
    beliefs, payloads = [], []
    for c in (0, 1):
        loop = _Loop(prepared, c, machine, quality_map, forced, left_out[c], used, rate_weight)
        picture, belief = loop.run(picture, choose_cubes, choose_gains[c])
        beliefs.append(belief)
        payloads.append(
            region_payloads(picture, c, belief.scales, belief.residual, machine.entropy, left_out[c])
        )
    forced.require_used(used, late=True)
    parts = Parts(
        picture,
        prepared.z_payload,
        (payloads[0], payloads[1]),
        quality_payload,
        rendering,
        tuple(user_data),
        forced,
    )
    data = parts.codestream(tools)
    return Coded(data, parts, tools, prepared, quality_map, (beliefs[0], beliefs[1]), rate_weight)


def latents_of(coded: Coded, machine: Machine) -> tuple[Int16, Int16]:
    """The latents that synthesis reads, luma and chroma."""
    out = []
    settings = Settings(machine.engine, machine.threads)
    for c, belief in enumerate(coded.beliefs):
        y_hat = belief.y_hat
        if coded.tools.lsbs_enable_flag[c]:
            model = machine.models.latent(coded.picture.model_id, c)
            segments = machine.entropy.lsbs_segments(belief.scales.likely)
            residual, model_id = belief.residual_dequantised, coded.picture.model_id
            y_hat = scale_latent(
                model, y_hat, residual, segments, model_id, machine.entropy, engine=machine.engine
            )
        better = rectified(coded.picture, c, y_hat, machine.models, settings)
        out.append(y_hat if better is None else better)
    return out[0], out[1]


@dataclass
class _Loop:
    """One component of one picture, phase by phase.

    :param left_out: regions without a substream. :param used: gains the names of forced elements.
    """

    prepared: Prepared
    c: int
    machine: Machine
    quality_map: Int8 | None
    forced: Forced = NOTHING
    left_out: frozenset[int] = frozenset()
    used: set[str] = field(default_factory=set)
    rate_weight: float = 0.0
    means: list[Int16] = field(default_factory=list)

    def run(
        self, picture: PictureHeader, choose_cubes: bool, choose_gains: bool
    ) -> tuple[PictureHeader, Belief]:
        """The header with its decisions, and what follows from it."""
        c, engine = self.c, self.machine.entropy
        model = self.machine.models.entropy(picture.model_id, c)
        if choose_cubes:
            picture = with_cube_flags(picture, c, None)
        scales = scales_of(picture, c, model, self.prepared.raw[c], self.quality_map, engine)
        if choose_gains:
            num_chs = picture.components[c].num_chs
            flags = decisions.grfs_flags(scales.log_skip, c, picture.model_id, num_chs)
            picture = with_gain_flags(picture, c, flags)
        chosen, picture = picture, self.forced.picture(picture, f"gains.{c}", self.used)
        if choose_gains or chosen != picture:
            scales = scales_of(picture, c, model, self.prepared.raw[c], self.quality_map, engine)
        residual, cubes, y_hat = self._code(picture, scales, choose_cubes)
        if cubes is not None and not cubes.all():
            picture = with_cube_flags(picture, c, cubes)
            scales = replace(scales, mask=engine.skip_mask(scales.log_skip, cubes))
        chosen, picture = picture, self.forced.picture(picture, f"cubes.{c}", self.used)
        if chosen != picture:
            mask = engine.skip_mask(scales.log_skip, picture.components[c].cube_flags)
            scales = replace(scales, mask=mask)
        # a cube may lie in two regions, and the first one was coded before the second one spoke
        if chosen != picture or (cubes is not None and not cubes.all() and picture.independent_regions):
            self.means.clear()
            residual, _, y_hat = self._code(picture, scales, False)
        dequantised = self._dequantise(picture, scales, residual, ())
        if picture.num_regions > 1 and not picture.independent_regions:
            y_hat = self._merged(picture, dequantised)
        means = tuple(self.means) if c == 0 and picture.num_regions == 1 else ()
        return picture, Belief(scales, residual, dequantised, y_hat, means)

    def _code(
        self, picture: PictureHeader, scales: Scales, choose_cubes: bool
    ) -> tuple[Int32, npt.NDArray[np.uint8] | None, Int16]:
        """Symbols, chosen cube flags, latent.

        Dependent regions are coded as the whole picture: their overlap is there to make a decoder see
        what it would see without regions.
        """
        c, latent = self.c, self.machine.models.latent(picture.model_id, self.c)
        size = latent_size(picture.height, picture.width)
        symbols = _ForcedSymbols(self.forced, c, self.machine.entropy.levels(scales.log), size)
        residual = np.zeros((latent.channels, *size), np.int32)
        cubes = np.ones(cube_shape(picture.height, picture.width), np.uint8) if choose_cubes else None
        entropy_model = self.machine.models.entropy(picture.model_id, c)
        steps = steps_of(picture, c, entropy_model, scales, self.quality_map)
        mean_scale = [np.exp2(-bits.astype(np.float32)) for bits in mean_fraction(latent)]
        to_latent = arithmetic(self.machine.engine).residual_to_latent

        y_hat = np.empty((latent.channels, *size), np.int16)
        for region, (rect, psi) in enumerate(self._parts(picture, latent)):

            def step(phase: int, mean: Int16, rect: Rect = rect, region: int = region) -> Int16:
                if c == 0:
                    self.means.append(mean)
                row, column = PHASE_POSITIONS[phase]
                at = (
                    slice(rect.y + row, rect.y + rect.h, 2),
                    slice(rect.x + column, rect.x + rect.w, 2),
                )
                rows, columns = (len(range(*s.indices(n))) for s, n in zip(at, size, strict=True))
                scale = mean_scale[phase][:, None, None]
                difference = self._y((slice(None), *at)) - mean[:, :rows, :columns] * scale
                values = self._symbols(
                    picture,
                    scales.mask[(slice(None), *at)],
                    scales.log[(slice(None), *at)],
                    difference,
                    _steps_at(steps, at),
                    phase,
                    at,
                    cubes,
                    None if region in self.left_out else symbols,
                )
                residual[(slice(None), *at)] = values
                dequantised = self._dequantise(picture, scales, values, at)
                out = np.zeros(mean.shape, np.int16)
                out[:, :rows, :columns] = to_latent(dequantised, latent.fraction)
                return out

            y_hat[(slice(None), *rect.slices())] = run_phases(
                latent, psi, (rect.h, rect.w), step, engine=self.machine.engine, threads=self.machine.threads
            )
        symbols.require_met()
        return residual, cubes, y_hat

    def _symbols(
        self,
        picture: PictureHeader,
        mask: npt.NDArray[np.bool_],
        log_sigma: Int32,
        difference: Float32,
        steps: Steps,
        phase: int,
        at: tuple[slice, slice],
        cubes: npt.NDArray[np.uint8] | None,
        forced: _ForcedSymbols | None,
    ) -> Int32:
        """Symbols of one phase of one part; with ``cubes``, its flags are decided and kept there.

        :param forced: ``None`` for a part that has no substream, and so no symbols.
        """
        num_chs = picture.components[self.c].num_chs
        coded = mask.copy()
        if cubes is not None:
            error = decisions.coding_error(difference, steps, mask, num_chs, self.c)
            # a part begins at a multiple of 8 latent samples, which need not be the corner of a cube
            padded = np.zeros(
                (1, *(s.start // 2 + n for s, n in zip(at, error.shape[1:], strict=True))), np.float32
            )
            padded[0, at[0].start // 2 :, at[1].start // 2 :] = error.max(axis=0, initial=0)
            row, column = PHASE_POSITIONS[phase]
            flags = decisions.phase_flags(padded, cubes.shape[1:])
            cubes[2 * row + column] &= flags
            spread = flags.repeat(decisions.CUBE, axis=0).repeat(decisions.CUBE, axis=1) == 0
            first = (at[0].start // 2, at[1].start // 2)
            coded |= spread[first[0] : first[0] + coded.shape[1], first[1] : first[1] + coded.shape[2]]
        coded[num_chs:] = False
        if forced is None:
            return np.zeros(difference.shape, np.int32)
        symbols = quantise(difference, steps, coded, rate_weight=self.rate_weight, log_sigma=log_sigma)
        forced.set(symbols, coded, at)
        return symbols

    def _dequantise(
        self, picture: PictureHeader, scales: Scales, symbols: Int32, at: tuple[slice, ...]
    ) -> Int32:
        """As the decoder does, for the whole latent or positions of it."""
        c = self.c
        model = self.machine.models.entropy(picture.model_id, c)
        index = model.gain_log + picture.beta_displacement_log[c]
        inverse = None if scales.scaling is None else scales.scaling.inverse
        quality_map = self.quality_map
        if at:
            inverse = None if inverse is None else np.ascontiguousarray(inverse[(slice(None), *at)])
            quality_map = None if quality_map is None else np.ascontiguousarray(quality_map[at])
        return self.machine.entropy.dequantise(symbols, index, quality_map, inverse)

    def _parts(self, picture: PictureHeader, latent: LatentModel) -> Iterator[tuple[Rect, Int16]]:
        """Rectangles of the latent that are coded one after another, and psi of each."""
        psi = self.prepared.psi[self.c]
        if picture.num_regions > 1 and picture.independent_regions:
            for rect, part in zip(
                region_rectangles(picture, self.c, LATENT_DEPTH, extended=False),
                region_rectangles(picture, self.c, PSI_DEPTH, extended=False),
                strict=True,
            ):
                yield rect, psi[(slice(None), *part.slices())]
            return
        size = (picture.height, picture.width)
        if picture.num_regions > 1:
            z_hat, machine = self.prepared.latents.z_hat[self.c], self.machine
            psi = hyper_decoder(latent, z_hat, size, engine=machine.engine, threads=machine.threads)
        assert psi.shape[1:] == psi_size(*size)
        yield Rect(0, 0, *latent_size(*size)), psi

    def _merged(self, picture: PictureHeader, dequantised: Int32) -> Int16:
        rects, psi_rects = (
            region_rectangles(picture, self.c, depth, extended=True) for depth in (LATENT_DEPTH, PSI_DEPTH)
        )
        latent = self.machine.models.latent(picture.model_id, self.c)
        return picture_latent(
            latent, self.prepared.psi[self.c], dequantised, rects, psi_rects,
            trim=True, engine=self.machine.engine, threads=self.machine.threads,
        )  # fmt: skip

    def _y(self, at: tuple[slice, ...]) -> Float32:
        return self.prepared.latents.y[self.c][at]


@dataclass
class _ForcedSymbols:
    """The rules for symbols of one component, and how many symbols each of them has set."""

    forced: Forced
    c: int
    levels: npt.NDArray[np.uint8]
    size: tuple[int, int]
    met: dict[int, int] = field(default_factory=dict)

    def set(self, symbols: Int32, coded: npt.NDArray[np.bool_], at: tuple[slice, slice]) -> None:
        for number, rule in enumerate(self.forced.symbols):
            if rule.component == self.c:
                levels = self.levels[(slice(None), *at)]
                met = rule.apply(symbols, coded, at, self.size, levels)
                self.met[number] = self.met.get(number, 0) + met

    def require_met(self) -> None:
        for number, met in self.met.items():
            if not met:
                raise ForceError(
                    f"{self.forced.symbols[number]}: no such position is coded (cube flags of 0 code all)"
                )


def mean_fraction(latent: LatentModel) -> tuple[Int32, ...]:
    """Fraction bits of each phase's mean, ``[C]``: what the sum of mean and residual takes it for."""
    out = []
    for total in latent.sums:
        tensors = total.node("y_hat").tensors
        finer = latent.fraction + tensors["shift"].astype(np.int32)
        out.append(finer - tensors["shift_a"].astype(np.int32))
    return tuple(out)


def _steps_at(steps: Steps, at: tuple[slice, slice]) -> Steps:
    """The same for some positions."""
    whole = (slice(None), *at)
    return Steps(
        steps.scaler,
        None if steps.quality is None else steps.quality[at],
        None if steps.forward is None else steps.forward[whole],
        None if steps.inverse is None else steps.inverse[whole],
    )
