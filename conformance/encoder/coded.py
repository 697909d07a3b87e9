"""A coded picture as its encoder knows it: the codestream, its parts, and what decoders will compute."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from conformance.encoder.analysis import Int8, Latents
from conformance.encoder.forced import Forced
from conformance.encoder.forced_elements import ForceError
from refdec.codestream import PictureHeader, RenderingInformation, ToolHeader, assemble
from refdec.codestream.headers import DEFAULT_TOOLS
from refdec.models_io import COMPONENT_NAMES
from refdec.scales import Scales

Int16 = npt.NDArray[np.int16]
Int32 = npt.NDArray[np.int32]
Tensor = npt.NDArray[np.generic]


@dataclass(frozen=True)
class Prepared:
    """A picture under one model and one region layout, ready to be coded at any rate.

    :param picture: header at the default rate.
    :param raw: luma and chroma: the hyper scale decoder's output, int32 ``[C, lh, lw]``.
    :param psi: luma and chroma: the hyper-decoder's output that a decoder will have, int16 ``[4 C, ., .]``.
    :param z_payload: the coded hyper-latents.
    """

    picture: PictureHeader
    latents: Latents
    raw: tuple[Int32, Int32]
    psi: tuple[Int16, Int16]
    z_payload: bytes


@dataclass(frozen=True)
class Belief:
    """What the encoder knows about one component of the decoder's state; ``[C, lh, lw]`` each.

    :param scales: of the coded header.
    :param residual: int32, symbols. :param residual_dequantised: int32, 12 fraction bits.
    :param y_hat: int16, the latent before any scaling of it.
    :param means: int16 by phase, ``[C, ceil(lh/2), ceil(lw/2)]``: of luma with one region, else empty.
    """

    scales: Scales
    residual: Int32
    residual_dequantised: Int32
    y_hat: Int16
    means: tuple[Int16, ...]


@dataclass(frozen=True)
class Parts:
    """Everything of a codestream but the tool header.

    :param residuals: luma and chroma, one payload a region. :param quality: of the quality map.
    """

    picture: PictureHeader
    z: bytes
    residuals: tuple[tuple[bytes | None, ...], tuple[bytes | None, ...]]
    quality: bytes | None
    rendering: RenderingInformation | None
    user_data: tuple[bytes, ...]
    forced: Forced

    def codestream(self, tools: ToolHeader) -> bytes:
        """The codestream with a tool header.

        :raises HeaderValueError: a header cannot be written.
        :raises ForceError: what is forced has no place.
        """
        forced = self.forced
        if "TON" in forced.leave_out and tools != DEFAULT_TOOLS:
            raise ForceError("TON cannot be left out: it turns a tool on")
        data = assemble(
            self.picture,
            z=self.z,
            residuals=self.residuals,
            quality=self.quality,
            tools=tools,
            rendering=self.rendering,
            user_data=self.user_data,
            strict=not forced,
        )
        if not forced:
            return data
        told = forced.mislabelled(self.picture, tools, self.rendering)
        return forced.finish(data, self.picture, told)

    def bits_of(self, component: int) -> int:
        """Bits of a component's residual."""
        return 8 * sum(len(payload) for payload in self.residuals[component] if payload is not None)


@dataclass(frozen=True)
class Coded:
    """A codestream and what its encoder believes.

    :param parts: what the codestream is made of, apart from ``tools``.
    :param quality_map: int8 ``[lh, lw]`` or ``None``.
    :param rate_weight: with which symbols were chosen.
    """

    data: bytes
    parts: Parts
    tools: ToolHeader
    prepared: Prepared
    quality_map: Int8 | None
    beliefs: tuple[Belief, Belief]
    rate_weight: float = 0.0

    @property
    def picture(self) -> PictureHeader:
        """The header as coded."""
        return self.parts.picture

    def with_tools(self, tools: ToolHeader) -> Coded:
        """The same with another tool header, which must not touch the latents.

        :raises HeaderValueError: it cannot be written.
        """
        return replace(self, data=self.parts.codestream(tools), tools=tools)

    def tensors(self) -> Iterator[tuple[str, str, Tensor]]:
        """Trace point, component and tensor of all that is believed, in decoding order."""
        for c, belief in enumerate(self.beliefs):
            name, scales = COMPONENT_NAMES[c], belief.scales
            yield "z_hat", name, self.prepared.latents.z_hat[c]
            yield "log_sigma_raw", name, self.prepared.raw[c]
            if self.quality_map is not None:
                yield "quality_map", name, self.quality_map
            yield "log_sigma_skip", name, scales.log_skip
            yield "skip_mask", name, scales.mask
            yield "log_sigma", name, scales.log
            yield "residual", name, belief.residual
            yield "residual_dequantised", name, belief.residual_dequantised
        for c, belief in enumerate(self.beliefs):
            name = COMPONENT_NAMES[c]
            yield "psi", name, self.prepared.psi[c]
            for phase, mean in enumerate(belief.means):
                yield f"mu.{phase}", name, mean
            yield "y_hat", name, belief.y_hat
