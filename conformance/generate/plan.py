"""What a stream is to be: decisions of an encoder as data, and streams that are wrong on purpose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from conformance.verify.synthetic import Splitmix
from refdec.codestream import Dialect, RenderingInformation
from refdec.entropy import Rounding
from refdec.errors import BitstreamError

Int8 = npt.NDArray[np.int8]
Int32 = npt.NDArray[np.int32]
UInt8 = npt.NDArray[np.uint8]

DrawZ = Callable[[Splitmix, UInt8, tuple[int, int, int]], Int8]
"""Gets the distributions uint8 ``[C, 63]`` and the shape ``(C, hz, wz)``."""

DrawSymbols = Callable[[Splitmix, UInt8, npt.NDArray[np.bool_], int], Int32]
"""Gets the levels ``[C, lh, lw]``, the mask of what is coded, and the number of threads."""

DrawMap = Callable[[Splitmix, tuple[int, int]], Int8]
"""Gets rows and columns of the latent."""

Edit = Callable[[bytes], bytes]
"""Gets the finished codestream and gives another one, which decodes as well."""

Refine = Callable[[Any], "Plan"]
"""Gets the builder and gives the plan that is built instead, found by search."""

Solve = Callable[[Any, Any], "tuple[list[Int8], list[Int32]]"]
"""Gets the builder and the picture header: hyper-latents and symbols of both components, found by search."""


@dataclass(frozen=True)
class Part:
    """What one component does.

    :param channels: ``num_chs``, ``None`` for all.
    :param cubes: cube flags: ``None`` without, ``random``, or one value for all cubes.
    :param gains: flags of the channel-wise gain: ``None`` without, ``random``, or one value for all.
    :param beta: displacement.
    """

    threads: int = 1
    channels: int | None = None
    cubes: Literal["random", 0, 1] | None = None
    rvs: bool = False
    gains: Literal["random", 0, 1] | None = None
    lsbs: bool = False
    beta: int = 0


def both(**decisions: Any) -> tuple[Part, Part]:
    """The same for luma and chroma."""
    return Part(**decisions), Part(**decisions)


@dataclass(frozen=True)
class Plan:
    """A stream that decodes.

    :param size: luma height and width.
    :param model: rate point; a level that does not allow it gets one that it allows.
    :param point: default operating point, ``None``: one of those that the suite has, in turns.
    :param regions: rows and columns; ``overlaps``: the header's values for hyper-decoder and context model.
    :param left_out: for each component, independent regions without a substream.
    :param tiling: tile size and overlap in luma samples.
    :param quality: draws the quality map; ``quality_index``: entropy index of its payload.
    :param z: draws hyper-latents; ``symbols``: draws residuals; ``None``: from the models' distributions.
    :param solve: makes both by search instead.
    :param refine: changes the plan once its models are there.
    :param header: other fields of the picture header, ``tools``: of the tool header.
    :param tools_drawn: draw the tool header instead, see :func:`conformance.generate.headers.draw_header`.
    :param bare: no tool header, no rendering information, substreams in reverse order.
    :param strict: refuse to write what a conforming stream may not hold.
    :param edit: changes the finished codestream.
    :param long_escapes: write all escapes with 16 bits, those of small codes as well.
    :param keep: progressive decoding: channels that the decoder keeps.
    :param decode_at: operating point of the decode, ``None`` for the stream's default.
    """

    size: tuple[int, int] = (64, 64)
    model: int = 0
    point: str | None = None
    parts: tuple[Part, Part] = (Part(), Part())
    threads_z: int = 1
    threads_q: int = 1
    regions: tuple[int, int] = (1, 1)
    independent: bool = False
    overlaps: tuple[int, int] = (2, 8)
    left_out: tuple[frozenset[int], frozenset[int]] = (frozenset(), frozenset())
    tiling: tuple[int, int] | None = None
    quality: DrawMap | None = None
    quality_index: int | None = None
    rounding: Rounding = "floor"
    dialect: Dialect = Dialect.T840
    z: DrawZ | None = None
    symbols: DrawSymbols | None = None
    solve: Solve | None = None
    refine: Refine | None = None
    header: Mapping[str, Any] = field(default_factory=dict)
    tools: Mapping[str, Any] = field(default_factory=dict)
    tools_drawn: Mapping[str, Any] | None = None
    rendering: RenderingInformation | None = None
    user_data: Sequence[bytes] = ()
    bare: bool = False
    strict: bool = True
    edit: Edit | None = None
    long_escapes: bool = False
    keep: int | None = None
    decode_at: str | None = None


@dataclass(frozen=True)
class Base:
    """A good stream: its plan and its bytes."""

    plan: Plan
    data: bytes


@dataclass(frozen=True)
class Refused:
    """A stream that must be refused, and why.

    :param base: the good stream that it was made from: how it is to be read.
    :param error: class that must be raised, or one of its subclasses; ``element`` and ``bit_offset``: where,
        ``None`` if it is the reference decoder that says so.
    """

    data: bytes
    base: Base
    error: type[BitstreamError]
    element: str | None = None
    bit_offset: int | None = None
