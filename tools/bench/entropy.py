"""me-tANS against constriction's range coder and ANS coder on the residual of a 768 x 512 picture.

The scales are synthetic: 160 channels whose mean scales fall off from few strong ones to many that
are skipped throughout, times a smooth field of local activity that all channels share, times noise.
That gives 41 % of the 245,760 luma positions coded and 0.58 bits per pixel in luma, as a picture has at
a middle rate. Values are Gaussian samples of just these scales, rounded.

*Symbols* are coded symbols. Constriction gets those alone, packed, with a quantised Gaussian for each
through its NumPy API; our time includes reading the mask and filling all positions. *Positions* counts
those as well. The range of constriction's alphabet is that of the values. A ratio takes the faster of
constriction's two coders; ``cpu`` ratios compare medians of processor time and ``best`` ratios the
fastest runs, which both say more on a busy machine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from refdec.entropy import engine
from refdec.entropy.jit import JitEngine
from tools.bench.timing import Timing, interleave

CHANNELS, HEIGHT, WIDTH = 160, 32, 48
PIXELS = 256 * HEIGHT * WIDTH
LEVEL_STEP = 0.20036548400207613
SMALLEST_SCALE = 0.11


@dataclass(frozen=True)
class Residual:
    """One call of the coder, and the scale that each level stands for."""

    levels: np.ndarray
    mask: np.ndarray
    values: np.ndarray

    @property
    def coded(self) -> int:
        return int(np.count_nonzero(self.mask))


def smooth(random: np.random.Generator, height: int, width: int, cell: int) -> np.ndarray:
    """A field of unit variance that varies over about ``cell`` positions (bilinear between nodes)."""
    rows, columns = height // cell + 2, width // cell + 2
    nodes = random.normal(0, 1, (rows, columns))
    y, x = np.arange(height) / cell, np.arange(width) / cell
    top, left = y.astype(int), x.astype(int)
    down, right = (y - top)[:, None], (x - left)[None, :]
    corners = [nodes[top + dy][:, left + dx] for dy in (0, 1) for dx in (0, 1)]
    weights = [(1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right]
    field = sum(c * w for c, w in zip(corners, weights, strict=True))
    return field / field.std()


def make_residual(
    seed: int, channels: int = CHANNELS, height: int = HEIGHT, width: int = WIDTH, offset: int = 0
) -> Residual:
    """Scales, mask and values as described above; ``offset`` (1/128 level) moves the rate."""
    random = np.random.default_rng(seed)
    engine_ = engine("jit")
    strength = 3700 - 4900 * (np.arange(channels) / channels) ** 0.45
    strength = random.permutation(strength)[:, None, None]
    activity = 280 * smooth(random, height, width, 8) + 180 * smooth(random, height, width, 3)
    noise = random.normal(0, 120, (channels, height, width))
    scale = np.rint(strength + activity[None] + noise + offset).astype(np.int32)
    sigma = SMALLEST_SCALE * np.exp(LEVEL_STEP * scale / 128)
    values = np.rint(random.normal(0, 1, scale.shape) * sigma).clip(-32768, 32767).astype(np.int32)
    mask = engine_.skip_mask(scale, None)
    levels = engine_.levels(scale)
    return Residual(levels.reshape(-1), mask.reshape(-1), np.where(mask, values, 0).reshape(-1))


def everything(residual: Residual) -> Residual:
    """The same levels with every position coded and values to go with them."""
    random = np.random.default_rng(0)
    sigma = SMALLEST_SCALE * np.exp(LEVEL_STEP * residual.levels)
    values = np.rint(random.normal(0, 1, sigma.size) * sigma).astype(np.int32)
    return Residual(residual.levels, np.ones_like(residual.mask), values)


def against_constriction(residual: Residual, rounds: int) -> tuple[dict[str, Timing], int]:
    """Timings of all coders on one residual, and the bytes of ours. Every result is compared."""
    import constriction

    coded = residual.values[residual.mask]
    scales = SMALLEST_SCALE * np.exp(LEVEL_STEP * residual.levels[residual.mask])
    means = np.zeros_like(scales)
    largest = int(np.abs(coded).max())
    gaussian = constriction.stream.model.QuantizedGaussian(-largest - 1, largest + 1)

    def range_encode() -> np.ndarray:
        encoder = constriction.stream.queue.RangeEncoder()
        encoder.encode(coded, gaussian, means, scales)
        return encoder.get_compressed()

    def ans_encode() -> np.ndarray:
        coder = constriction.stream.stack.AnsCoder()
        coder.encode_reverse(coded, gaussian, means, scales)
        return coder.get_compressed()

    range_words, ans_words = range_encode(), ans_encode()

    def range_decode() -> np.ndarray:
        return constriction.stream.queue.RangeDecoder(range_words).decode(gaussian, means, scales)

    def ans_decode() -> np.ndarray:
        return constriction.stream.stack.AnsCoder(ans_words).decode(gaussian, means, scales)

    assert np.array_equal(range_decode(), coded) and np.array_equal(ans_decode(), coded)
    candidates: dict[str, Callable[[], object]] = {
        "range.decode": range_decode,
        "ans.decode": ans_decode,
        "range.encode": range_encode,
        "ans.encode": ans_encode,
    }
    size = 0
    call = residual.levels, residual.mask
    for streams in (1, 2, 8):
        for workers in (1, 2):
            fast = JitEngine(workers)
            data, sizes = fast.encode_residual(residual.values, *call, streams)
            assert np.array_equal(fast.decode_residual(data, sizes, *call), residual.values)
            size = size or len(data)
            candidates[f"decode.{streams}.{workers}"] = lambda fast=fast, data=data, sizes=sizes: (
                fast.decode_residual(data, sizes, *call)
            )
            candidates[f"encode.{streams}.{workers}"] = lambda fast=fast, streams=streams: (
                fast.encode_residual(residual.values, *call, streams)
            )
    return interleave(candidates, rounds), size


def report(prefix: str, residual: Residual, rounds: int) -> dict[str, float]:
    """Rates and ratios of one residual; ``.1t``/``.2t`` are OS threads, ``.n8`` streams of a payload."""
    timings, size = against_constriction(residual, rounds)
    coded = residual.coded
    result = {
        f"{prefix}.coded_share": coded / residual.mask.size,
        f"{prefix}.bits_per_coded_symbol": 8 * size / coded,
        f"{prefix}.bits_per_pixel": 8 * size / PIXELS,
    }
    for action in ("decode", "encode"):
        base = f"{prefix}.{action}"
        both = timings[f"range.{action}"], timings[f"ans.{action}"]
        theirs, fastest = min(t.median for t in both), min(t.best for t in both)
        result[f"{base}.ratio_constriction_cpu.1t"] = min(t.cpu for t in both) / timings[f"{action}.1.1"].cpu
        result[f"{base}.constriction_range_symbols_per_s"] = coded / timings[f"range.{action}"].median
        result[f"{base}.constriction_ans_symbols_per_s"] = coded / timings[f"ans.{action}"].median
        # One OS thread on a payload of one stream; two on one of eight, as one stream has no parts.
        for threads, ours in (("1t", timings[f"{action}.1.1"]), ("2t", timings[f"{action}.8.2"])):
            result[f"{base}.symbols_per_s.{threads}"] = coded / ours.median
            result[f"{base}.positions_per_s.{threads}"] = residual.mask.size / ours.median
            result[f"{base}.ratio_constriction.{threads}"] = theirs / ours.median
            result[f"{base}.ratio_constriction_best.{threads}"] = fastest / ours.best
        for streams in (2, 8):
            for workers in (1, 2):
                ours = timings[f"{action}.{streams}.{workers}"]
                result[f"{base}.n{streams}.symbols_per_s.{workers}t"] = coded / ours.median
    return result


def scattered(residual: Residual, rounds: int) -> dict[str, float]:
    """The same positions in random order: the worst mask there is for a coder that works on groups."""
    order = np.random.default_rng(0).permutation(residual.mask.size)
    call = residual.levels[order], residual.mask[order]
    values = residual.values[order]
    fast = JitEngine()
    data, sizes = fast.encode_residual(values, *call, 1)
    timings = interleave(
        {
            "decode": lambda: fast.decode_residual(data, sizes, *call),
            "encode": lambda: fast.encode_residual(values, *call, 1),
        },
        rounds,
    )
    return {
        f"entropy.scattered.{name}.symbols_per_s.1t": residual.coded / t.median for name, t in timings.items()
    }


def hyper_latents(rounds: int) -> dict[str, float]:
    """z of both components of a 768 x 512 picture."""
    random = np.random.default_rng(5)
    fast = engine("jit")
    cdfs, zs = [], []
    for channels in (160, 96):
        spread = 0.4 + 3 * random.random((channels, 1))
        freqs = np.exp(-0.5 * (np.arange(-31, 32) / spread) ** 2) * (1 << 24)
        cdfs.append(fast.z_cdf(freqs.astype(np.int32) + 1))
        z = np.rint(random.normal(0, 1, (channels, 8, 12)) * spread[:, :, None]).clip(-31, 31)
        zs.append(z.astype(np.int8))
    data, sizes = fast.encode_z(zs, cdfs, 1)
    decoded = fast.decode_z(data, sizes, cdfs, 8, 12)
    assert all(np.array_equal(a, b) for a, b in zip(decoded, zs, strict=True))
    timings = interleave(
        {
            "decode": lambda: fast.decode_z(data, sizes, cdfs, 8, 12),
            "encode": lambda: fast.encode_z(zs, cdfs, 1),
        },
        rounds,
    )
    count = sum(z.size for z in zs)
    return {f"entropy.z.{name}.symbols_per_s.1t": count / t.median for name, t in timings.items()}


def tensors(rounds: int) -> dict[str, float]:
    """Milliseconds of the steps around the coder for the luma of a 768 x 512 picture, all tools on."""
    random = np.random.default_rng(9)
    fast = engine("jit")
    shape = CHANNELS, HEIGHT, WIDTH
    residual = make_residual(1)
    base = random.integers(0, 3968, shape, np.int32)
    gain = random.integers(-300, 300, CHANNELS)
    quality = random.integers(-8, 9, (HEIGHT, WIDTH)).astype(np.int8)
    cubes = random.integers(0, 2, (4, 2, 3), np.uint8)
    flags = random.integers(0, 2, CHANNELS, np.uint8)
    skip = fast.skip_scale_log(base, gain, 0, quality)
    likely = fast.likely_map(skip)
    scaling = fast.variance_scaling(likely, 1, True, flags)
    values = residual.values.reshape(shape)
    fixed = fast.dequantise(values, gain, quality, scaling.inverse)
    segments = fast.lsbs_segments(likely)
    steps: dict[str, Callable[[], object]] = {
        "skip_scale_log": lambda: fast.skip_scale_log(base, gain, 0, quality),
        "skip_mask": lambda: fast.skip_mask(skip, cubes),
        "likely_map": lambda: fast.likely_map(skip),
        "variance_scaling": lambda: fast.variance_scaling(likely, 1, True, flags),
        "levels": lambda: fast.levels(skip),
        "dequantise": lambda: fast.dequantise(values, gain, quality, scaling.inverse),
        "dequantise_plain": lambda: fast.dequantise(values, gain, None, None),
        "lsbs_segments": lambda: fast.lsbs_segments(likely),
        "lsbs": lambda: fast.lsbs(fixed, fixed, segments, 1),
    }
    return {f"entropy.{name}.ms.1t": 1e3 * t.median for name, t in interleave(steps, rounds).items()}


def run(rounds: int) -> dict[str, float]:
    """All numbers of the section."""
    picture = make_residual(1)
    return {
        **report("entropy", picture, rounds),
        **report("entropy.all_coded", everything(picture), rounds),
        **scattered(picture, rounds),
        **hyper_latents(rounds),
        **tensors(rounds),
    }
