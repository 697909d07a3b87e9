"""Bare payload vectors: what goes into a coder, and the bytes that must come out of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from conformance.verify.build import draw_symbols, draw_z
from conformance.verify.synthetic import Splitmix, z_frequencies
from refdec.entropy import THREAD_COUNTS, EntropyEngine, Rounding

# Lengths around the borders of groups: below, at and beyond four positions a thread.
_LENGTHS = {1: (0, 1, 3, 4, 9), 2: (1, 8, 13), 4: (3, 16, 37), 8: (5, 32, 75), 16: (15, 64, 131)}
_ROUNDINGS: tuple[Rounding, ...] = ("floor", "truncate")


def make_payload_vectors(seed: int, engine: EntropyEngine) -> dict[str, list[dict[str, Any]]]:
    """All payload vectors; integers as lists, bytes as hex."""
    random = Splitmix(seed)
    residual = []
    for threads in THREAD_COUNTS:
        for length in _LENGTHS[threads]:
            levels = random.integers(0, 31, (length,)).astype(np.uint8)
            mask = random.integers(0, 4, (length,)) > 0
            values = np.where(mask, draw_symbols(random, levels, 96), 0)
            data, sizes = engine.encode_residual(values, levels, mask, threads)
            residual.append(
                {
                    "name": f"residual-{threads}t-{length}",
                    "levels": levels.tobytes().hex(),
                    "mask": mask.astype(np.uint8).tobytes().hex(),
                    "values": values.tolist(),
                    "sizes": list(sizes),
                    "payload": data.hex(),
                }
            )
    z = []
    for threads in THREAD_COUNTS:
        channels, (hz, wz) = (3, 2), (3, 1 + threads)
        freqs = [z_frequencies(random, count) for count in channels]
        cdfs = [engine.z_cdf(part) for part in freqs]
        zs = [draw_z(random, count, hz, wz) for count in channels]
        data, sizes = engine.encode_z(zs, cdfs, threads)
        z.append(
            {
                "name": f"z-{threads}t",
                "frequencies": [part.tolist() for part in freqs],
                "cdfs": [part.tolist() for part in cdfs],
                "values": [part.tolist() for part in zs],
                "sizes": list(sizes),
                "payload": data.hex(),
            }
        )
    quality = []
    for rounding in _ROUNDINGS:
        quality_map = random.integers(-8, 8, (5, 7)).astype(np.int8)
        deltas = engine.quality_map_deltas(quality_map, rounding=rounding)
        quality.append(
            {
                "name": f"quality-map-{rounding}",
                "rounding": rounding,
                "map": quality_map.tolist(),
                "deltas": deltas.tolist(),
            }
        )
    return {"residual": residual, "z": z, "quality_map": quality}


def check_payload_vectors(
    vectors: dict[str, list[dict[str, Any]]], engine: EntropyEngine
) -> Iterator[tuple[str, list[str]]]:
    """Each vector's name, and what differs: decoding, and encoding back to the same bytes."""
    for vector in vectors["residual"]:
        yield vector["name"], _check_residual(vector, engine)
    for vector in vectors["z"]:
        yield vector["name"], _check_z(vector, engine)
    for vector in vectors["quality_map"]:
        quality_map, deltas = (np.array(vector[key], np.int32) for key in ("map", "deltas"))
        rounding = vector["rounding"]
        wrong = []
        if not _same(engine.quality_map_from_deltas(deltas, rounding=rounding), quality_map):
            wrong.append("map")
        if not _same(engine.quality_map_deltas(quality_map, rounding=rounding), deltas):
            wrong.append("deltas")
        yield vector["name"], wrong


def _check_residual(vector: dict[str, Any], engine: EntropyEngine) -> list[str]:
    levels = np.frombuffer(bytes.fromhex(vector["levels"]), np.uint8)
    mask = np.frombuffer(bytes.fromhex(vector["mask"]), np.uint8) == 1
    payload, sizes = bytes.fromhex(vector["payload"]), tuple(vector["sizes"])
    values = np.array(vector["values"], np.int32)
    wrong = []
    if not _same(engine.decode_residual(payload, sizes, levels, mask), values):
        wrong.append("decoded values")
    if engine.encode_residual(values, levels, mask, len(sizes)) != (payload, sizes):
        wrong.append("encoded bytes")
    return wrong


def _check_z(vector: dict[str, Any], engine: EntropyEngine) -> list[str]:
    cdfs = tuple(np.array(part, np.uint8) for part in vector["cdfs"])
    zs = [np.array(part, np.int8) for part in vector["values"]]
    payload, sizes = bytes.fromhex(vector["payload"]), tuple(vector["sizes"])
    wrong = []
    made = [engine.z_cdf(np.array(part, np.int32)) for part in vector["frequencies"]]
    if not all(_same(a, b) for a, b in zip(made, cdfs, strict=True)):
        wrong.append("cumulative masses")
    decoded = engine.decode_z(payload, sizes, cdfs, *zs[0].shape[1:])
    if not all(_same(a, b) for a, b in zip(decoded, zs, strict=True)):
        wrong.append("decoded values")
    if engine.encode_z(zs, cdfs, len(sizes)) != (payload, sizes):
        wrong.append("encoded bytes")
    return wrong


def _same(found: npt.NDArray[np.generic], expected: npt.NDArray[np.generic]) -> bool:
    return found.shape == expected.shape and bool(np.array_equal(found, expected))
