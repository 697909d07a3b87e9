"""Targets of the entropy coder: hostile bytes as a payload, in both engines, which must answer alike.

The first bytes of the input choose the surroundings (threads, sizes, scales), the others are the payload.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, wraps
from typing import Any

import numpy as np

from conformance.fuzz.target import Disagreement, Finding, Target
from conformance.verify.synthetic import Splitmix, z_frequencies
from refdec import entropy
from refdec.codestream.payloads import Payload, threaded_payload
from refdec.entropy import THREAD_COUNTS, EntropyEngine
from refdec.errors import BitstreamError
from refdec.tables import table

HEAD = 4
LENGTHS = (1, 2, 3, 4, 5, 16, 31, 64, 65, 128, 200, 333)
SHAPES = ((1, 1), (1, 5), (4, 4), (5, 7), (8, 8), (16, 9))
Z_CHANNELS = (3, 2)
ELEMENT = "fuzz"
Coded = tuple[bytes, tuple[int, ...], int]
"""Coded bytes of all threads, their sizes, and the offset of the first byte."""


def alike(call: Callable[[EntropyEngine], Any]) -> tuple[Any, str]:
    """What both engines give: the result, or ``None`` and the class of the error.

    :raises Disagreement: they differ, in values, or in class, element or bit offset of the error.
    """
    found = []
    for name in entropy.ENGINES:
        try:
            value = call(entropy.engine(name))
            found.append((value, "ok", None))
        except BitstreamError as error:
            found.append((None, type(error).__name__, (error.element, error.bit_offset)))
    (golden, first, where), (jit, second, there) = found
    if (first, where) != (second, there):
        raise Disagreement(f"golden: {first} at {where}, jit: {second} at {there}")
    if golden is not None and not _equal(golden, jit):
        raise Disagreement("golden and jit decode other values")
    return golden, first


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(_equal(x, y) for x, y in zip(a, b, strict=True))
    if a is None:
        return b is None
    return bool(a.dtype == b.dtype and np.array_equal(a, b))


def coded(call: Callable[[bytes, Coded], str]) -> Callable[[bytes], str]:
    """A target of the whole data and of the payload behind its first bytes, whose thread table is read: coded
    bytes, sizes of the threads, offset. Data that have none end in the error's name."""

    @wraps(call)
    def target(data: bytes) -> str:
        if len(data) < HEAD:
            return "empty"
        count = THREAD_COUNTS[data[0] % len(THREAD_COUNTS)]
        try:
            found = Payload(data[HEAD:], HEAD, ELEMENT).threads(count)
        except BitstreamError as error:
            return type(error).__name__
        return call(data, (found.data, found.sizes, found.byte_offset))

    return target


@cache
def _scales(length: int, kind: int) -> tuple[Any, Any]:
    """Levels and mask of a call: one level, all levels, or drawn ones."""
    random = Splitmix(1 + kind)
    levels = random.integers(0, 31, (length,)).astype(np.uint8)
    if kind < 32:
        levels[:] = kind
    mask = random.integers(0, 3, (length,)) > 0 if kind & 1 else np.ones(length, np.bool_)
    return levels, mask


@coded
def residual(data: bytes, payload: Coded) -> str:
    """One call of the residual coder."""
    content, sizes, offset = payload
    length = LENGTHS[data[1] % len(LENGTHS)]
    levels, mask = _scales(length, data[2] % 40)
    stop = None if data[3] & 7 else (data[3] >> 3) * length // 31
    value, result = alike(
        lambda engine: engine.decode_residual(
            content, sizes, levels, mask, stop=stop, byte_offset=offset, element=ELEMENT
        )
    )
    if value is not None and (value.shape != (length,) or bool(value[~mask].any())):
        raise Finding("symbols where none is coded")
    if value is not None and stop is None:
        _encoded_again(value, levels, mask, len(sizes))
    return result


def _encoded_again(value: Any, levels: Any, mask: Any, threads: int) -> None:
    """What an encoder writes for these symbols decodes to them, be it what was decoded or not."""
    again, parts = entropy.engine("jit").encode_residual(value, levels, mask, threads)
    back = entropy.engine("jit").decode_residual(again, parts, levels, mask)
    if not np.array_equal(back, value):
        raise Disagreement("symbols that are encoded and decoded again are others")


@coded
def residual_calls(data: bytes, payload: Coded) -> str:
    """Several calls in one payload."""
    content, sizes, offset = payload
    calls = [
        _scales(LENGTHS[(data[1] + 5 * k) % len(LENGTHS)], (data[2] + 7 * k) % 40)
        for k in range(1 + data[3] % 3)
    ]
    return alike(
        lambda engine: engine.decode_residual_calls(
            content, sizes, calls, byte_offset=offset, element=ELEMENT
        )
    )[1]


@cache
def _cdfs(kind: int) -> list[Any]:
    random = Splitmix(kind)
    return [entropy.engine("golden").z_cdf(z_frequencies(random, channels)) for channels in Z_CHANNELS]


@coded
def z(data: bytes, payload: Coded) -> str:
    """The hyper-latent's payload."""
    content, sizes, offset = payload
    hz, wz = SHAPES[data[1] % len(SHAPES)]
    cdfs = _cdfs(data[2] % 8)
    value, result = alike(
        lambda engine: engine.decode_z(content, sizes, cdfs, hz, wz, byte_offset=offset, element=ELEMENT)
    )
    if value is not None and max(int(np.abs(part.astype(int)).max()) for part in value) > 31:
        raise Finding("a hyper-latent beyond 31")
    return result


@coded
def quality(data: bytes, payload: Coded) -> str:
    """The quality map: its payload, then the prediction."""
    content, sizes, offset = payload
    h, w = SHAPES[data[1] % len(SHAPES)]
    levels = table("parameters", "quality_levels")
    level = np.full(h * w, levels[data[2] % len(levels)], np.uint8)
    rounding = "truncate" if data[3] & 1 else "floor"

    def decode(engine: EntropyEngine) -> Any:
        deltas = engine.decode_residual(
            content, sizes, level, np.ones(h * w, np.bool_), byte_offset=offset, element=ELEMENT
        )
        return engine.quality_map_from_deltas(
            deltas.reshape(h, w), rounding=rounding, byte_offset=offset, element=ELEMENT
        )

    value, result = alike(decode)
    if value is not None:
        deltas = entropy.engine("golden").quality_map_deltas(value, rounding=rounding)
        if not np.array_equal(
            entropy.engine("golden").quality_map_from_deltas(deltas, rounding=rounding), value
        ):
            raise Disagreement("a quality map that is content and decoded again is another")
    return result


def scales(data: bytes) -> str:
    """Scales, masks, RVS, GRFS, LSBS and dequantisation from values that the bytes give."""
    if len(data) < HEAD + 8:
        return "empty"
    h, w = SHAPES[data[0] % len(SHAPES)]
    channels = 1 + data[1] % 4
    draw = np.frombuffer(data[HEAD:] * (1 + 4 * channels * h * w * 4 // len(data[HEAD:])), np.uint8)
    wide = draw[: 2 * channels * h * w].reshape(channels, h, w, 2).astype(np.int64)
    number = wide[..., 0] * 256 + wide[..., 1]
    base = (number % 3968).astype(np.int32)
    symbols = (number - 32768).astype(np.int32)
    gain = ((number[:, 0, 0] * 31) % 4096 - 2048).astype(np.int32)
    beta = int(data[2]) * 16 - 2048 + data[3] % 16
    small = (draw[: h * w].reshape(h, w) % 17).astype(np.int8) - 8
    quality_map = None if data[0] & 64 else small
    flags = None if data[1] & 64 else (draw[:channels] & 1).astype(np.uint8)
    cubes = None
    if not data[0] & 128:
        rows, columns = ((side + 15) // 16 for side in (h, w))
        cubes = (draw[: 4 * rows * columns] & 1).reshape(4, rows, columns).astype(np.uint8)

    def compute(engine: EntropyEngine) -> Any:
        log = engine.skip_scale_log(base, gain, beta, quality_map)
        mask = engine.skip_mask(log, cubes)
        likely = engine.likely_map(log)
        scaling = engine.variance_scaling(likely, data[1] & 3, bool(data[1] & 32), flags)
        value = engine.dequantise(symbols, gain + beta, quality_map, scaling.inverse)
        segments = engine.lsbs_segments(likely)
        scaled = engine.lsbs(symbols, value >> 12, segments, data[1] & 3)
        levels = engine.levels(log + scaling.log)
        return (log, mask, likely, *scaling, value, segments, scaled, levels)

    return alike(compute)[1]


def _heads() -> Iterator[bytes]:
    for threads in range(len(THREAD_COUNTS)):
        for size in (3, 5, 7):
            for kind in (3, 12, 33, 38):
                yield bytes([threads, size, kind, 1])


def _residuals() -> Iterator[bytes]:
    """Payloads that an encoder wrote, for all that the first bytes can say."""
    for number, head in enumerate(_heads()):
        random = Splitmix(number)
        length = LENGTHS[head[1] % len(LENGTHS)]
        levels, mask = _scales(length, head[2] % 40)
        values = random.integers(-3, 3, (length,)) if number % 3 else random.integers(-999, 999, (length,))
        threads = THREAD_COUNTS[head[0]]
        yield head + threaded_payload(
            *entropy.engine("golden").encode_residual(values.astype(np.int32), levels, mask, threads)
        )


def _zs() -> Iterator[bytes]:
    for number, head in enumerate(_heads()):
        hz, wz = SHAPES[head[1] % len(SHAPES)]
        random = Splitmix(number)
        zs = [random.integers(-31, 31, (c, hz, wz)).astype(np.int8) // (1 + number % 9) for c in Z_CHANNELS]
        threads = THREAD_COUNTS[head[0]]
        yield head + threaded_payload(*entropy.engine("golden").encode_z(zs, _cdfs(head[2] % 8), threads))


def _maps() -> Iterator[bytes]:
    levels = table("parameters", "quality_levels")
    for number, head in enumerate(_heads()):
        shape = SHAPES[head[1] % len(SHAPES)]
        random = Splitmix(number)
        values = random.integers(-8, 8, shape) // (1 + number % 5)
        rounding = "truncate" if head[3] & 1 else "floor"
        deltas = entropy.engine("golden").quality_map_deltas(values.astype(np.int8), rounding=rounding)
        level = np.full(values.size, levels[head[2] % len(levels)], np.uint8)
        threads = THREAD_COUNTS[head[0]]
        ones = np.ones(values.size, np.bool_)
        coded = entropy.engine("golden").encode_residual(deltas.reshape(-1), level, ones, threads)
        yield head + threaded_payload(*coded)


def _draws() -> Iterator[bytes]:
    random = Splitmix(5)
    for number in range(60):
        yield bytes(random.integers(0, 255, (40 + number,)).tolist())


MODULES = ("refdec/entropy/golden", "refdec/entropy/interface.py", "refdec/entropy/tables.py")
TARGETS = (
    Target(
        "residual", "Payload of a residual, golden and jit: same symbols or same error.", residual,
        _residuals, None, 1024, share=4, modules=MODULES,
    ),
    Target(
        "residual-calls", "A payload of several calls, golden and jit.", residual_calls, _residuals, None,
        1024, share=2, modules=MODULES,
    ),
    Target(
        "z", "Payload of the hyper-latent, golden and jit.", z, _zs, None, 1024, share=3, modules=MODULES,
    ),
    Target(
        "quality-map", "Payload of the quality map and its prediction, golden and jit.", quality, _maps, None,
        1024, share=3, modules=MODULES,
    ),
    Target(
        "scales", "Scales, skip mask, RVS, GRFS, LSBS and dequantisation, golden and jit.", scales, _draws,
        None, 400, share=2, modules=MODULES,
    ),
)  # fmt: skip
