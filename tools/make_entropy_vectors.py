"""Write tests/data/entropy: small vectors of the entropy stage, made by the golden engine from a seed.

``python tools/make_entropy_vectors.py`` rewrites them, ``--check`` compares and exits 1 on a difference.
Their worth is that they do not move: the engine that made them agrees with every vector of the
reference software that the tests know.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from refdec.entropy import THREAD_COUNTS, engine
from refdec.entropy.tables import coder_tables, parameters

DATA = Path(__file__).resolve().parents[1] / "tests" / "data" / "entropy"
SEED = 6048
GOLDEN = engine("golden")
BOUNDS = coder_tables().bounds.tolist()
EXTREMES = (-32768, 32767, -32767, 1000, -129)


def residual_value(random: Random, level: int) -> int:
    """Mostly what the level expects, sometimes short and long escapes, sometimes the extremes."""
    bound = BOUNDS[level]
    kind = random.random()
    if kind < 0.7:
        return random.randint(-bound + 1, bound - 1)
    if kind < 0.9:
        return random.choice((-1, 1)) * (bound + random.randint(0, 5))
    return random.choice(EXTREMES)


def residual_call(random: Random, length: int, density: float) -> dict[str, Any]:
    levels = [random.randint(0, 31) for _ in range(length)]
    mask = [random.random() < density for _ in range(length)]
    values = [residual_value(random, level) if m else 0 for level, m in zip(levels, mask, strict=True)]
    return {"levels": levels, "mask": "".join("01"[m] for m in mask), "values": values}


def residual_vector(random: Random, threads: int, shapes: list[tuple[int, float]]) -> dict[str, Any]:
    calls = [residual_call(random, length, density) for length, density in shapes]
    arrays = [(np.array(c["levels"], np.uint8), np.array([m == "1" for m in c["mask"]], bool)) for c in calls]
    data, sizes = GOLDEN.encode_residual_calls(
        [np.array(c["values"], np.int32) for c in calls], arrays, threads
    )
    return {"threads": threads, "calls": calls, "sizes": list(sizes), "payload": data.hex()}


def residual_vectors(random: Random) -> list[dict[str, Any]]:
    vectors = []
    for n in THREAD_COUNTS:
        for length, density in ((0, 1.0), (1, 1.0), (4 * n, 0.0), (8 * n + 2 * n + 1, 0.8), (4 * n - 1, 0.9)):
            vectors.append(residual_vector(random, n, [(length, density)]))
    for n in (1, 2, 4):
        vectors.append(residual_vector(random, n, [(8 * n + 3, 0.9), (5, 1.0), (12 * n, 0.5)]))
    return vectors


def z_vector(
    random: Random, threads: int, channels: tuple[int, int], size: tuple[int, int]
) -> dict[str, Any]:
    freqs, zs, cdfs = [], [], []
    for count in channels:
        rows = []
        for _ in range(count):
            centre, spread = random.randint(5, 57), random.choice((1, 3, 9))
            rows.append([1 + (1 << max(0, 24 - abs(k - centre) * 8 // spread)) for k in range(63)])
        freqs.append(rows)
        cdfs.append(GOLDEN.z_cdf(np.array(rows, np.int32)))
        shape = (count, *size)
        cells = count * size[0] * size[1]
        z = [min(31, max(-31, round(random.gauss(0, random.choice((2, 12)))))) for _ in range(cells)]
        zs.append(np.array(z, np.int8).reshape(shape))
    data, sizes = GOLDEN.encode_z(zs, cdfs, threads)
    return {
        "threads": threads,
        "hz": size[0],
        "wz": size[1],
        "freqs": freqs,
        "cdfs": [c.tolist() for c in cdfs],
        "values": [z.reshape(len(z), -1).tolist() for z in zs],
        "sizes": list(sizes),
        "payload": data.hex(),
    }


def quality_vector(random: Random, threads: int, size: tuple[int, int], index: int) -> dict[str, Any]:
    quality = np.array([random.randint(-8, 8) for _ in range(size[0] * size[1])], np.int8).reshape(size)
    floor = GOLDEN.quality_map_deltas(quality, rounding="floor")
    level = np.full(floor.size, parameters()["quality_levels"][index], np.uint8)
    data, sizes = GOLDEN.encode_residual(floor.ravel(), level, np.ones(floor.size, bool), threads)
    return {
        "threads": threads,
        "entropy_index": index,
        "index": quality.tolist(),
        "floor": floor.tolist(),
        "truncate": GOLDEN.quality_map_deltas(quality, rounding="truncate").tolist(),
        "sizes": list(sizes),
        "payload": data.hex(),
    }


def scale_vector(random: Random, model_id: int, size: tuple[int, int]) -> dict[str, Any]:
    """The chain from the hyper scale decoder's output to the dequantised residual."""
    channels, (height, width) = 3, size
    cells = channels * height * width

    def tensor(draw: Any) -> np.ndarray:
        return np.array([draw() for _ in range(cells)], np.int32).reshape(channels, height, width)

    # Most blocks lie around a segment bound, most positions of one channel around the skip threshold.
    centres = [random.choice((382, 1003, 1270, 1352, 1378, 1411, 1908, 1937)) for _ in range(cells)]
    gain = np.array([random.randint(-300, 300), random.randint(-2048, 2047), 0], np.int32)
    beta = random.choice((0, -184, 702, -1069))
    with_map = model_id % 2 == 0
    quality = np.array([random.randint(-8, 8) for _ in range(height * width)], np.int8).reshape(size)
    centre = random.choice((1003, 1352, 1908))
    base = tensor(lambda: centres.pop() + random.randint(-2, 2))
    base[1] = np.clip(base[1] - 500, 0, 3967)
    base[2] = np.clip(centre + base[2] % 5, 0, 3967)
    base[2, :8, :8] = centre - beta if 0 <= centre - beta <= 3967 else centre
    flags = np.array([random.randint(0, 1) for _ in range(4 * cubes(height) * cubes(width))], np.uint8)
    flags = flags.reshape(4, cubes(height), cubes(width))
    grfs = None if model_id == 0 else np.array([1, 0], np.uint8)[:model_id]
    quality_map = quality if with_map else None
    skip = GOLDEN.skip_scale_log(base, gain, beta, quality_map)
    likely = GOLDEN.likely_map(skip)
    scaling = GOLDEN.variance_scaling(likely, model_id, True, grfs)
    levels = GOLDEN.levels(skip + scaling.log)
    residual = tensor(lambda: random.choice((0, 1, -1, 2, -3, 9, -40, 511, 32767, -32768)))
    dequantised = GOLDEN.dequantise(residual, gain + beta, quality_map, scaling.inverse)
    segments = GOLDEN.lsbs_segments(likely)
    latent = tensor(lambda: random.randint(-(1 << 22), 1 << 22))
    small = np.clip(dequantised, -(1 << 22), 1 << 22)
    return {
        "model_id": model_id,
        "shape": [channels, height, width],
        "base": base.ravel().tolist(),
        "gain_log": gain.tolist(),
        "delta_beta": beta,
        "quality_map": quality.tolist() if with_map else None,
        "cube_flags": flags.ravel().tolist(),
        "grfs_flags": None if grfs is None else grfs.tolist(),
        "residual": residual.ravel().tolist(),
        "latent": latent.ravel().tolist(),
        "expected": {
            "skip_scale_log": skip.ravel().tolist(),
            "threshold_mask": "".join("01"[int(m)] for m in GOLDEN.skip_mask(skip, None).ravel()),
            "skip_mask": "".join("01"[int(m)] for m in GOLDEN.skip_mask(skip, flags).ravel()),
            "likely": likely.ravel().tolist(),
            "log": scaling.log.ravel().tolist(),
            "inverse": scaling.inverse.ravel().tolist(),
            "forward": scaling.forward.ravel().tolist(),
            "levels": levels.ravel().tolist(),
            "dequantised": dequantised.ravel().tolist(),
            "lsbs_segments": segments.ravel().tolist(),
            "lsbs": GOLDEN.lsbs(latent, small, segments, model_id).ravel().tolist(),
        },
    }


def cubes(length: int) -> int:
    return (length + 15) // 16


def vectors() -> dict[str, Any]:
    """Every file's content by name."""
    random = Random(SEED)
    return {
        "residual.json": residual_vectors(random),
        "z.json": [z_vector(random, n, (2, 3), (3, 2 * n + 1)) for n in (1, 2, 4)]
        + [z_vector(random, n, (2, 1), (5, 7)) for n in (8, 16)],
        "quality.json": [
            quality_vector(random, 1, (5, 7), 4),
            quality_vector(random, 2, (1, 9), 7),
            quality_vector(random, 4, (6, 3), 0),
        ],
        "scales.json": [
            scale_vector(random, m, size) for m, size in enumerate(((9, 11), (8, 17), (17, 5), (4, 6)))
        ],
    }


def render(entries: list[dict[str, Any]]) -> str:
    """One vector a line: short, and a difference shows which one moved."""
    return "[\n" + ",\n".join(json.dumps(entry, separators=(",", ":")) for entry in entries) + "\n]\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the files, write nothing")
    arguments = parser.parse_args()
    different = 0
    for name, entries in vectors().items():
        path, text = DATA / name, render(entries)
        if arguments.check:
            same = path.exists() and path.read_text(encoding="ascii") == text
            print(f"{name}: {'equal' if same else 'DIFFERENT'}")
            different += not same
        else:
            path.write_text(text, encoding="ascii")
            print(f"wrote {name}: {len(entries)} vectors, {len(text)} bytes")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
