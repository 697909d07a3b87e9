"""The fast engine: :class:`refdec.entropy.interface.EntropyEngine` over compiled kernels.

Modules with kernels are imported when a method first needs them, so that a decoder does not wait for
the kernels of the encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from refdec.engine_record import ran
from refdec.entropy.interface import (
    Bool,
    EntropyEngine,
    Int8,
    Int32,
    IntArray,
    Rounding,
    UInt8,
    VarianceScaling,
)


@dataclass(frozen=True)
class JitEngine:
    """Every method is documented in :class:`refdec.entropy.interface.EntropyEngine`.

    :param threads: OS threads among which the threads of one payload are shared out at most; results do
        not depend on it.
    :param share: positions that are worth an OS thread of their own: about 0.1 ms of work.
    """

    threads: int = 1
    share: int = 1 << 16

    @property
    def name(self) -> str:
        return "jit"

    def with_threads(self, threads: int) -> JitEngine:
        """This engine with another number of OS threads.

        :raises ValueError: fewer than one.
        """
        if threads < 1:
            raise ValueError(f"{threads} OS threads")
        return replace(self, threads=threads)

    def _workers(self, positions: int) -> int:
        return min(self.threads, max(1, positions // self.share))

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
        ran("entropy", "jit")
        from refdec.entropy.jit import coders

        workers = self._workers(np.size(levels))
        return coders.decode_calls(data, sizes, [(levels, mask)], stop, byte_offset, element, workers)[0]

    def decode_residual_calls(
        self,
        data: bytes,
        sizes: Sequence[int],
        calls: Sequence[tuple[IntArray, Bool]],
        *,
        byte_offset: int = 0,
        element: str = "",
    ) -> list[Int32]:
        ran("entropy", "jit")
        from refdec.entropy.jit import coders

        workers = self._workers(sum(np.size(levels) for levels, _ in calls))
        return coders.decode_calls(data, sizes, calls, None, byte_offset, element, workers)

    def encode_residual(
        self, values: IntArray, levels: IntArray, mask: Bool, threads: int
    ) -> tuple[bytes, tuple[int, ...]]:
        from refdec.entropy.jit import coders

        workers = self._workers(np.size(levels))
        return coders.encode_calls([values], [(levels, mask)], threads, workers)

    def encode_residual_calls(
        self, values: Sequence[IntArray], calls: Sequence[tuple[IntArray, Bool]], threads: int
    ) -> tuple[bytes, tuple[int, ...]]:
        from refdec.entropy.jit import coders

        workers = self._workers(sum(np.size(levels) for levels, _ in calls))
        return coders.encode_calls(values, calls, threads, workers)

    def z_cdf(self, freqs: IntArray) -> UInt8:
        from refdec.entropy.jit import fields

        return fields.z_cdf(freqs)

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
        ran("entropy", "jit")
        from refdec.entropy.jit import coders

        workers = self._workers(sum(map(len, cdfs)) * hz * wz)
        return coders.decode_z(data, sizes, cdfs, hz, wz, byte_offset, element, workers)

    def encode_z(
        self, zs: Sequence[IntArray], cdfs: Sequence[UInt8], threads: int
    ) -> tuple[bytes, tuple[int, ...]]:
        from refdec.entropy.jit import coders

        return coders.encode_z(zs, cdfs, threads)

    def quality_map_from_deltas(
        self, delta: IntArray, *, rounding: Rounding = "floor", byte_offset: int = 0, element: str = "SOQ"
    ) -> Int8:
        from refdec.entropy.jit import fields

        return fields.quality_map_from_deltas(delta, rounding, byte_offset, element)

    def quality_map_deltas(self, quality_map: IntArray, *, rounding: Rounding = "floor") -> Int32:
        from refdec.entropy.jit import fields

        return fields.quality_map_deltas(quality_map, rounding)

    def skip_scale_log(
        self, base: IntArray, gain_log: IntArray, delta_beta: int, quality_map: IntArray | None
    ) -> Int32:
        ran("entropy", "jit")
        from refdec.entropy.jit import fields

        return fields.skip_scale_log(base, gain_log, delta_beta, quality_map)

    def levels(self, scale_log: IntArray) -> UInt8:
        from refdec.entropy.jit import fields

        return fields.levels(scale_log)

    def skip_mask(self, skip_scale_log: IntArray, cube_flags: UInt8 | None) -> Bool:
        from refdec.entropy.jit import fields

        return fields.skip_mask(skip_scale_log, cube_flags)

    def likely_map(self, skip_scale_log: IntArray) -> Int32:
        from refdec.entropy.jit import fields

        return fields.likely_map(skip_scale_log)

    def variance_scaling(
        self, likely: IntArray, model_id: int, rvs: bool, grfs_flags: IntArray | None
    ) -> VarianceScaling:
        from refdec.entropy.jit import fields

        return fields.variance_scaling(likely, model_id, rvs, grfs_flags)

    def lsbs_segments(self, likely: IntArray) -> UInt8:
        from refdec.entropy.jit import fields

        return fields.lsbs_segments(likely)

    def lsbs(self, y: IntArray, residual: IntArray, segments: UInt8, model_id: int) -> Int32:
        from refdec.entropy.jit import fields

        return fields.lsbs(y, residual, segments, model_id)

    def dequantise(
        self,
        residual: IntArray,
        scale_index: IntArray,
        quality_map: IntArray | None,
        inverse: IntArray | None,
    ) -> Int32:
        ran("entropy", "jit")
        from refdec.entropy.jit import fields

        return fields.dequantise(residual, scale_index, quality_map, inverse)


ENGINE: EntropyEngine = JitEngine()
