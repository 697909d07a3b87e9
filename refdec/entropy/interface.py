"""What an entropy engine can do: the one interface of ``golden`` and ``jit``.

Both engines implement :class:`EntropyEngine` and give the same integers, the same bytes and the same
errors for the same arguments. They share the integer tables (:mod:`refdec.tables`,
:mod:`refdec.entropy.tables`) and this file, and no arithmetic. The definitions are in
docs/arithmetic.md, whose statement ids (``AR-...``) are quoted here.

Conventions: tensors are ``[channel][row][column]``, arrays may come in with any strides and go out
C-contiguous. ``C`` is the number of channels, ``h`` x ``w`` the latent size, ``L`` a number of
positions in linear (channel-major, then raster) order.

Errors. An argument that no codestream can cause (a level above 31, a value beyond 16 bits given to
an encoder, a wrong shape) is a ``ValueError``. What a codestream can cause is a
:class:`~refdec.errors.BitstreamError` that carries ``element`` and a ``bit_offset`` of
``8 * (byte_offset + index of the first byte of the thread that failed)``. Threads are independent of
one another and are examined in order of their number: the error is that of the lowest-numbered
thread that fails, and of its first failure in reading order. The failures are

* the sizes add up to more than ``len(data)``: ``TruncatedStreamError``; to less: ``CorruptPayloadError``
  (both before any thread is looked at, with ``bit_offset = 8 * byte_offset``),
* a thread without a single set bit, thus without terminator: ``CorruptPayloadError``,
* a read of more bits than are left: ``TruncatedStreamError``,
* an escaped value outside -32768..32767: ``CorruptPayloadError`` (AR-TANS-12),
* the z symbol 63: ``CorruptPayloadError``,
* after the last symbol, a state byte that is not 0 or bits that are left: ``CorruptPayloadError``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

THREAD_COUNTS = (1, 2, 4, 8, 16)
"""Thread counts that a codestream can signal (AR-TANS-05)."""

RESIDUAL_FRACTION_BITS = 12
"""Fraction bits of a dequantised residual (AR-DEQ-01)."""

Rounding: TypeAlias = Literal["floor", "truncate"]
"""Rounding of a negative odd sum in the quality map's prediction (AR-QMAP-03)."""

Int32: TypeAlias = NDArray[np.int32]
UInt8: TypeAlias = NDArray[np.uint8]
Int8: TypeAlias = NDArray[np.int8]
Bool: TypeAlias = NDArray[np.bool_]
IntArray: TypeAlias = NDArray[np.integer]
"""An array of any integer dtype."""


class VarianceScaling(NamedTuple):
    """Residual and variance scaling of one component, each ``int32[C, h, w]`` (AR-RVS-02).

    ``log`` is added to the skip scale log, ``inverse`` (units of 1/65536) multiplies a decoded
    residual, ``forward`` (units of 1/128) multiplies a residual before it is quantised.
    """

    log: Int32
    inverse: Int32
    forward: Int32


class EntropyEngine(Protocol):
    """Decoding and encoding of the entropy stage in integers."""

    @property
    def name(self) -> str:
        """``golden`` or ``jit``."""
        ...

    def with_threads(self, threads: int) -> EntropyEngine:
        """This engine with up to so many OS threads at work on one payload; no result depends on it.

        :raises ValueError: fewer than one.
        """
        ...

    # ---- me-tANS payloads -------------------------------------------------------------------

    def decode_residual(
        self,
        data: bytes,
        sizes: Sequence[int],
        levels: IntArray,
        mask: Bool,
        *,
        stop: int | None = None,
        byte_offset: int = 0,
        element: str = "",
    ) -> Int32:
        """Decode a payload that holds one call (AR-TANS-04..12).

        :param data: the bytes of all threads one after another, without the table of their sizes.
        :param sizes: bytes per thread; their number is the number of threads (1, 2, 4, 8 or 16).
        :param levels: ``[L]``, 0..31.
        :param mask: ``bool[L]``, true where a symbol is coded.
        :param stop: progressive decoding (AR-PROG-01): every group whose first position lies below
            ``stop`` is decoded, positions from ``stop`` on are 0, and the end of the threads is
            not checked (AR-PROG-02). ``None`` decodes and checks everything. 0 <= stop <= L.
        :param byte_offset: place of ``data[0]`` in the codestream, for errors.
        :param element: name of the payload, for errors.
        :return: ``int32[L]``; 0 where ``mask`` is false.
        :raises TruncatedStreamError, CorruptPayloadError: as listed at the top of this module.
        """
        ...

    def decode_residual_calls(
        self,
        data: bytes,
        sizes: Sequence[int],
        calls: Sequence[tuple[IntArray, Bool]],
        *,
        byte_offset: int = 0,
        element: str = "",
    ) -> list[Int32]:
        """Decode a payload that holds several calls in a row: one ``(levels, mask)`` per call.

        The states go on from call to call; groups, the numbering of positions and (with one thread)
        the parity start anew in each (AR-TANS-08). The end is checked after the last call.
        """
        ...

    def encode_residual(
        self, values: IntArray, levels: IntArray, mask: Bool, threads: int
    ) -> tuple[bytes, tuple[int, ...]]:
        """Encode one call: the exact inverse of :meth:`decode_residual`.

        :param values: ``[L]``, -32768..32767; ignored where ``mask`` is false.
        :return: the bytes of all threads one after another, and the bytes per thread.
        :raises ValueError: a coded value does not fit 16 bits, or an argument is out of range.
        """
        ...

    def encode_residual_calls(
        self, values: Sequence[IntArray], calls: Sequence[tuple[IntArray, Bool]], threads: int
    ) -> tuple[bytes, tuple[int, ...]]:
        """Encode several calls into one payload; calls are given in the order of decoding."""
        ...

    def z_cdf(self, freqs: IntArray) -> UInt8:
        """Cumulative 8-bit masses of the z symbols from a model's frequencies (AR-Z-02).

        :param freqs: ``int[C, 63]``, not negative, at least one positive per channel.
        :return: ``uint8[C, 63]``, not decreasing, the last one 255.
        :raises ModelError: frequencies as above are not given.
        """
        ...

    def decode_z(
        self,
        data: bytes,
        sizes: Sequence[int],
        cdfs: Sequence[UInt8],
        hz: int,
        wz: int,
        *,
        byte_offset: int = 0,
        element: str = "SOZ",
    ) -> list[Int8]:
        """Decode the hyper latents of all components from one payload (AR-Z-01..05).

        :param cdfs: one ``uint8[C, 63]`` per component, luma first.
        :return: one ``int8[C, hz, wz]`` per component, values -31..31.
        :raises TruncatedStreamError, CorruptPayloadError: as listed at the top of this module.
        """
        ...

    def encode_z(
        self, zs: Sequence[IntArray], cdfs: Sequence[UInt8], threads: int
    ) -> tuple[bytes, tuple[int, ...]]:
        """Encode hyper latents (``int[C, hz, wz]`` in -31..31 each): the inverse of :meth:`decode_z`.

        :raises ValueError: a value outside -31..31, or components of different hz x wz.
        """
        ...

    # ---- spatial quality map ----------------------------------------------------------------

    def quality_map_from_deltas(
        self, delta: IntArray, *, rounding: Rounding = "floor", byte_offset: int = 0, element: str = "SOQ"
    ) -> Int8:
        """Quality indices from decoded deltas (AR-QMAP-01..04).

        :param delta: ``int[h, w]``.
        :return: ``int8[h, w]``, -8..8.
        :raises CorruptPayloadError: an index outside -8..8 (``bit_offset = 8 * byte_offset``).
        """
        ...

    def quality_map_deltas(self, quality_map: IntArray, *, rounding: Rounding = "floor") -> Int32:
        """Deltas ``int32[h, w]`` of a quality map ``int[h, w]`` in -8..8; the inverse of the above."""
        ...

    # ---- scales, masks, segments ------------------------------------------------------------

    def skip_scale_log(
        self, base: IntArray, gain_log: IntArray, delta_beta: int, quality_map: IntArray | None
    ) -> Int32:
        """Scale before RVS/GRFS (AR-LOG-03): ``base + gain_log[c] + delta_beta + qlog[quality_map]``.

        :param base: ``int[C, h, w]``, 0..3967, output of the hyper scale decoder.
        :param gain_log: ``int[C]``, -2048..2047 (AR-LOG-02).
        :param delta_beta: -2048..2047 (AR-LOG-04).
        :param quality_map: ``int[h, w]`` in -8..8, or ``None``.
        :return: ``int32[C, h, w]``, units of 1/128 level.
        :raises ValueError: an argument is out of range; in range, what is added to ``base`` stays
            inside -8192..8191 by construction.
        """
        ...

    def levels(self, scale_log: IntArray) -> UInt8:
        """Distribution numbers: ``clip((scale_log + 64) >> 7, 0, 31)``, same shape (AR-LOG-05)."""
        ...

    def skip_mask(self, skip_scale_log: IntArray, cube_flags: UInt8 | None) -> Bool:
        """Which symbols are coded (AR-SKIP-01..03).

        :param skip_scale_log: ``int[C, h, w]``.
        :param cube_flags: ``uint8[4, ceil(ceil(h/2)/8), ceil(ceil(w/2)/8)]`` of 0 and 1, or ``None``
            where no flags are sent (all 1).
        :return: ``bool[C, h, w]``, true where a symbol is coded.
        """
        ...

    def likely_map(self, skip_scale_log: IntArray) -> Int32:
        """Rounded mean of each 8 x 8 block, 0..4351, at every position of the block (AR-RVS-01)."""
        ...

    def variance_scaling(
        self, likely: IntArray, model_id: int, rvs: bool, grfs_flags: IntArray | None
    ) -> VarianceScaling:
        """Integers of RVS and GRFS (AR-RVS-02..04).

        :param likely: ``int[C, h, w]``, result of :meth:`likely_map`.
        :param model_id: 0..3.
        :param rvs: ``rvs_enable_flag`` of the component.
        :param grfs_flags: ``[N]`` of 0 and 1, N <= C (flag 0 for channels from N on), or ``None``
            where GRFS is off. With RVS and GRFS off all three results are neutral (0, 65536, 128).
        """
        ...

    def lsbs_segments(self, likely: IntArray) -> UInt8:
        """LSBS segment 0, 1 or 2 of each position, same shape (AR-LSBS-01)."""
        ...

    def lsbs(self, y: IntArray, residual: IntArray, segments: UInt8, model_id: int) -> Int32:
        """Latent scaling before synthesis (AR-LSBS-02).

        ``y + ((a * (y - residual) + b * residual + 4096) >> 13)``, saturated to 32 bits.

        :param y: ``int[C, h, w]``, the reconstructed latent in some fixed point (32 bits).
        :param residual: ``int[C, h, w]``, the dequantised residual in the same fixed point.
        :param segments: ``uint8[C, h, w]``, result of :meth:`lsbs_segments`.
        """
        ...

    # ---- dequantisation ---------------------------------------------------------------------

    def dequantise(
        self,
        residual: IntArray,
        scale_index: IntArray,
        quality_map: IntArray | None,
        inverse: IntArray | None,
    ) -> Int32:
        """Fixed-point value of a decoded residual (AR-DEQ-01..03).

        ``residual * inverse/65536 * 16/qlin * 1024/scaler``, exact, times 4096, rounded once to the
        nearest integer (halves towards plus infinity), saturated to -(2**31 - 1)..2**31 - 1.

        :param residual: ``int[C, h, w]``, -32768..32767.
        :param scale_index: ``int[C]``, ``gain_log + delta_beta``, -4096..4094.
        :param quality_map: ``int[h, w]`` in -8..8, or ``None``.
        :param inverse: ``int[C, h, w]`` from :meth:`variance_scaling`, or ``None``.
        :return: ``int32[C, h, w]``, ``RESIDUAL_FRACTION_BITS`` fraction bits.
        """
        ...
