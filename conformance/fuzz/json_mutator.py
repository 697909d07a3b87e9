"""Changes of JSON that keep it JSON: another value, a key less, two places exchanged, one too many levels."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from conformance.fuzz.target import MutateBytes

ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 8, 16, 255, 256, 1 << 31, 1 << 63, 1 << 64, -(1 << 63), 10**30, 0.5,
    1e308, float("inf"), float("nan"), "", "a", "0", "..", "/", "../../x", "\x00", "é", "\ud800", "a" * 300,
    [], {}, [None], [[]], [0, 0], {"a": 0},
)  # fmt: skip
DEEP = 3000


def mutate_json(data: bytes, random: Random, mutate_bytes: MutateBytes) -> bytes:
    """A changed document; bytes are changed blindly where it is none, and now and then anyway."""
    if random.randrange(8) == 0:
        return mutate_bytes(data, random)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return mutate_bytes(data, random)
    for _ in range(random.choice((1, 1, 1, 2, 5))):
        value = mutate_value(value, random, mutate_bytes)
    if random.randrange(200) == 0:
        return b"[" * DEEP + json.dumps(value).encode() + b"]" * DEEP
    return json.dumps(value).encode()


def mutate_lines(data: bytes, random: Random, mutate_bytes: MutateBytes) -> bytes:
    """JSON Lines: one line is changed, left out, repeated or moved."""
    lines = data.split(b"\n")
    i, j = random.randrange(len(lines)), random.randrange(len(lines))
    kind = random.randrange(8)
    if kind == 0:
        del lines[i]
    elif kind == 1:
        lines.insert(j, lines[i])
    elif kind == 2:
        lines[i], lines[j] = lines[j], lines[i]
    elif kind == 3:
        return mutate_bytes(data, random)
    else:
        lines[i] = mutate_json(lines[i], random, mutate_bytes)
    return b"\n".join(lines)


def mutate_value(value: Any, random: Random, mutate_bytes: MutateBytes) -> Any:
    """The value with one place in it changed."""
    places = _places(value)
    if not places:
        return _copy(random.choice(ODD_VALUES))
    holder, key = random.choice(places)
    kind = random.randrange(9)
    if kind == 0:
        del holder[key]
    elif kind == 1:
        other, name = random.choice(places)
        holder[key] = _copy(other[name])
    elif kind == 2 and isinstance(holder, dict):
        holder[str(random.choice(ODD_VALUES))] = _copy(holder[key])
    elif kind == 3 and isinstance(holder, list):
        holder.insert(random.randrange(len(holder) + 1), _copy(holder[key]))
    elif kind in (4, 5):
        holder[key] = _near(holder[key], random, mutate_bytes)
    else:
        holder[key] = _copy(random.choice(ODD_VALUES))
    return value


def _near(value: Any, random: Random, mutate_bytes: MutateBytes) -> Any:
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return random.choice((value + 1, value - 1, -value, 2 * value, value ^ 1 << random.randrange(32)))
    if isinstance(value, str):
        return mutate_bytes(value.encode(errors="replace"), random).decode(errors="replace")
    if isinstance(value, list):
        return _copy(value * 2) if random.randrange(2) else value[: len(value) // 2]
    return _copy(random.choice(ODD_VALUES))


def _places(value: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    stack = [value]
    while stack:
        item = stack.pop()
        keys = list(item) if isinstance(item, dict) else range(len(item)) if isinstance(item, list) else ()
        for key in keys:
            found.append((item, key))
            stack.append(item[key])
    return found


def _copy(value: Any) -> Any:
    return json.loads(json.dumps(value))
