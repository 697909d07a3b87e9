"""Targets of the entropy coder: hostile bytes as a payload, in both engines, which must answer alike.

The first bytes of the input choose the surroundings (threads, sizes, scales), the others are the payload.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, wraps
from random import Random
from typing import Any

import numpy as np

from conformance.fuzz.target import Disagreement, Finding, MutateBytes, Mutator, Run, Target
from conformance.generate import draw
from conformance.verify.synthetic import Splitmix, z_frequencies
from refdec import entropy
from refdec.codestream.payloads import Payload, threaded_payload
from refdec.entropy import THREAD_COUNTS, EntropyEngine, Rounding
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
    calls = _calls(data)
    return alike(
        lambda engine: engine.decode_residual_calls(
            content, sizes, calls, byte_offset=offset, element=ELEMENT
        )
    )[1]


def _calls(head: bytes) -> list[tuple[Any, Any]]:
    return [
        _scales(LENGTHS[(head[1] + 5 * k) % len(LENGTHS)], (head[2] + 7 * k) % 40)
        for k in range(1 + head[3] % 3)
    ]


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
    rounding = _rounding(data)

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


Coder = Callable[[bytes, Splitmix, int], tuple[bytes, tuple[int, ...]]]
"""Gets the first bytes of an input, numbers, and a kind of values: gives what an encoder writes for such."""


def _symbols(kind: int, random: Splitmix, levels: Any, mask: Any) -> Any:
    """Small values, large ones, those around the bounds of their levels, or from their distributions."""
    if kind == 0:
        return random.integers(-999, 999, levels.shape).astype(np.int32)
    draws = (draw.ends_of_bounds, draw.ends_of_values, draw.model_symbols, draw.escapes(64), draw.no_symbols)
    if kind <= len(draws):
        return draws[kind - 1](random, levels, mask, 1)
    return random.integers(-3, 3, levels.shape).astype(np.int32)


def _code_residual(head: bytes, random: Splitmix, kind: int) -> tuple[bytes, tuple[int, ...]]:
    levels, mask = _scales(LENGTHS[head[1] % len(LENGTHS)], head[2] % 40)
    values = _symbols(kind, random, levels, mask)
    return entropy.engine("jit").encode_residual(values, levels, mask, _threads(head))


def _code_calls(head: bytes, random: Splitmix, kind: int) -> tuple[bytes, tuple[int, ...]]:
    calls = _calls(head)
    values = [_symbols(kind, random, *call) for call in calls]
    return entropy.engine("jit").encode_residual_calls(values, calls, _threads(head))


def _code_z(head: bytes, random: Splitmix, kind: int) -> tuple[bytes, tuple[int, ...]]:
    hz, wz = SHAPES[head[1] % len(SHAPES)]
    zs = [random.integers(-31, 31, (c, hz, wz)).astype(np.int8) // (1 + 4 * kind) for c in Z_CHANNELS]
    return entropy.engine("jit").encode_z(zs, _cdfs(head[2] % 8), _threads(head))


def _code_map(head: bytes, random: Splitmix, kind: int) -> tuple[bytes, tuple[int, ...]]:
    values = random.integers(-8, 8, SHAPES[head[1] % len(SHAPES)]) // (1 + kind)
    deltas = entropy.engine("jit").quality_map_deltas(values.astype(np.int8), rounding=_rounding(head))
    levels = table("parameters", "quality_levels")
    level = np.full(values.size, levels[head[2] % len(levels)], np.uint8)
    ones = np.ones(values.size, np.bool_)
    return entropy.engine("jit").encode_residual(deltas.reshape(-1), level, ones, _threads(head))


def _threads(head: bytes) -> int:
    return THREAD_COUNTS[head[0] % len(THREAD_COUNTS)]


def _rounding(head: bytes) -> Rounding:
    return "truncate" if head[3] & 1 else "floor"


def _coded_by(code: Coder) -> Callable[[], Iterator[bytes]]:
    """Payloads that an encoder wrote, for all that the first bytes can say."""

    def seeds() -> Iterator[bytes]:
        for number, head in enumerate(_heads()):
            yield head + threaded_payload(*code(head, Splitmix(number), number % 7))

    return seeds


def _mutator_by(code: Coder) -> Mutator:
    """Half of the time other values in other surroundings, coded; otherwise bytes."""

    def mutate(data: bytes, random: Random, mutate_bytes: MutateBytes) -> bytes:
        if random.randrange(2):
            return mutate_bytes(data, random)
        head = bytearray(data[:HEAD].ljust(HEAD, b"\x01"))
        head[random.randrange(HEAD)] = random.randrange(256)
        drawn = Splitmix(random.getrandbits(63))
        return bytes(head) + threaded_payload(*code(bytes(head), drawn, random.randrange(7)))

    return mutate


def _draws() -> Iterator[bytes]:
    random = Splitmix(5)
    for number in range(60):
        yield bytes(random.integers(0, 255, (40 + number,)).tolist())


MODULES = ("refdec/entropy/golden", "refdec/entropy/interface.py", "refdec/entropy/tables.py")
MAX_BYTES = 1024


def _target(name: str, purpose: str, run: Run, code: Coder, share: int) -> Target:
    return Target(
        name, purpose, run, _coded_by(code), _mutator_by(code), MAX_BYTES, share=share, modules=MODULES
    )


TARGETS = (
    _target(
        "residual", "Payload of a residual, golden and jit: same symbols or same error.", residual,
        _code_residual, 4,
    ),
    _target(
        "residual-calls", "A payload of several calls, golden and jit.", residual_calls, _code_calls, 2
    ),
    _target("z", "Payload of the hyper-latent, golden and jit.", z, _code_z, 3),
    _target(
        "quality-map", "Payload of the quality map and its prediction, golden and jit.", quality, _code_map, 3
    ),
    Target(
        "scales", "Scales, skip mask, RVS, GRFS, LSBS and dequantisation, golden and jit.", scales, _draws,
        None, 400, share=2, modules=MODULES,
    ),
)  # fmt: skip
