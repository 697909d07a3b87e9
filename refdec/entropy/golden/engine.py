"""The golden engine: :class:`refdec.entropy.interface.EntropyEngine` over the modules beside this one."""

from __future__ import annotations

from collections.abc import Sequence

from refdec.engine_record import ran
from refdec.entropy.golden import dequantise, quality, residual, scales, z
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


class GoldenEngine:
    """Every method is documented in :class:`refdec.entropy.interface.EntropyEngine`."""

    name = "golden"

    def with_threads(self, threads: int) -> EntropyEngine:
        if threads < 1:
            raise ValueError(f"{threads} OS threads")
        return self

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
        ran("entropy", "golden")
        return residual.decode_calls(data, sizes, [(levels, mask)], stop, byte_offset, element)[0]

    def decode_residual_calls(
        self,
        data: bytes,
        sizes: Sequence[int],
        calls: Sequence[tuple[IntArray, Bool]],
        *,
        byte_offset: int = 0,
        element: str = "",
    ) -> list[Int32]:
        ran("entropy", "golden")
        return residual.decode_calls(data, sizes, calls, None, byte_offset, element)

    def encode_residual(
        self, values: IntArray, levels: IntArray, mask: Bool, threads: int
    ) -> tuple[bytes, tuple[int, ...]]:
        return residual.encode_calls([values], [(levels, mask)], threads)

    def encode_residual_calls(
        self, values: Sequence[IntArray], calls: Sequence[tuple[IntArray, Bool]], threads: int
    ) -> tuple[bytes, tuple[int, ...]]:
        return residual.encode_calls(values, calls, threads)

    def z_cdf(self, freqs: IntArray) -> UInt8:
        return z.z_cdf(freqs)

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
        ran("entropy", "golden")
        return z.decode_z(data, sizes, cdfs, hz, wz, byte_offset, element)

    def encode_z(
        self, zs: Sequence[IntArray], cdfs: Sequence[UInt8], threads: int
    ) -> tuple[bytes, tuple[int, ...]]:
        return z.encode_z(zs, cdfs, threads)

    def quality_map_from_deltas(
        self, delta: IntArray, *, rounding: Rounding = "floor", byte_offset: int = 0, element: str = "SOQ"
    ) -> Int8:
        return quality.quality_map_from_deltas(delta, rounding, byte_offset, element)

    def quality_map_deltas(self, quality_map: IntArray, *, rounding: Rounding = "floor") -> Int32:
        return quality.quality_map_deltas(quality_map, rounding)

    def skip_scale_log(
        self, base: IntArray, gain_log: IntArray, delta_beta: int, quality_map: IntArray | None
    ) -> Int32:
        ran("entropy", "golden")
        return scales.skip_scale_log(base, gain_log, delta_beta, quality_map)

    def levels(self, scale_log: IntArray) -> UInt8:
        return scales.levels(scale_log)

    def skip_mask(self, skip_scale_log: IntArray, cube_flags: UInt8 | None) -> Bool:
        return scales.skip_mask(skip_scale_log, cube_flags)

    def likely_map(self, skip_scale_log: IntArray) -> Int32:
        return scales.likely_map(skip_scale_log)

    def variance_scaling(
        self, likely: IntArray, model_id: int, rvs: bool, grfs_flags: IntArray | None
    ) -> VarianceScaling:
        return scales.variance_scaling(likely, model_id, rvs, grfs_flags)

    def lsbs_segments(self, likely: IntArray) -> UInt8:
        return scales.lsbs_segments(likely)

    def lsbs(self, y: IntArray, residual: IntArray, segments: UInt8, model_id: int) -> Int32:
        return scales.lsbs(y, residual, segments, model_id)

    def dequantise(
        self,
        residual: IntArray,
        scale_index: IntArray,
        quality_map: IntArray | None,
        inverse: IntArray | None,
    ) -> Int32:
        ran("entropy", "golden")
        return dequantise.dequantise(residual, scale_index, quality_map, inverse)


ENGINE: EntropyEngine = GoldenEngine()
