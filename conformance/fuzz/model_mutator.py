"""Changes of model files that stay sealed: graphs, tensors and shapes change, the digest follows.

Without that every change would end at the digest, and nothing behind it would ever see hostile data.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

from conformance.fuzz.bytes_mutator import odd_number
from conformance.fuzz.json_mutator import mutate_value
from conformance.fuzz.target import MutateBytes
from refdec.errors import ModelError
from refdec.integer.model_file import digest_of, file_bytes, file_parts

LARGE = 1 << 16


def mutate_model(data: bytes, random: Random, mutate_bytes: MutateBytes) -> bytes:
    """A changed model file; one in eight with its digest left wrong, one in eight changed blindly."""
    kind = random.randrange(8)
    if kind == 0:
        return mutate_bytes(data, random)
    try:
        metadata, tensors = file_parts(data)
        header = {key: json.loads(metadata[f"refdec.{key}"]) for key in ("graphs", "provenance")}
    except (ModelError, KeyError, ValueError, RecursionError):
        return mutate_bytes(data, random)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        if random.randrange(3) and tensors:
            _change_tensor(tensors, random)
        else:
            header["graphs"] = mutate_value(header["graphs"], random, mutate_bytes)
    if not isinstance(header["graphs"], dict):
        header["graphs"] = {}
    try:
        content = {"format": metadata["refdec.format"], "kind": metadata["refdec.kind"], **header}
        digest = metadata["refdec.sha256"] if kind == 1 else digest_of(content, tensors)
        return file_bytes(content, tensors, digest)
    except (ModelError, KeyError, ValueError, UnicodeError, RecursionError):
        return mutate_bytes(data, random)


def _change_tensor(tensors: dict[str, Any], random: Random) -> None:
    """A value, all values of a channel, the shape, the type, or the name."""
    name = random.choice(list(tensors))
    tensor = tensors[name].copy()
    low, high = -(1 << 8 * tensor.dtype.itemsize - 1), (1 << 8 * tensor.dtype.itemsize - 1) - 1
    if tensor.dtype.kind == "u":
        low, high = 0, (1 << 8 * tensor.dtype.itemsize) - 1
    kind = random.randrange(8)
    if kind < 4 and tensor.size:
        tensor.reshape(-1)[random.randrange(tensor.size)] = odd_number(random, low, high)
    elif kind == 4 and tensor.size:
        tensor[random.randrange(len(tensor)) if tensor.ndim else ...] = odd_number(random, low, high)
    elif kind == 5 and tensor.ndim:
        axis = random.randrange(tensor.ndim)
        longer = tensor.repeat(2, axis) if tensor.size < LARGE else tensor
        tensor = longer if random.randrange(2) else tensor.take(range(tensor.shape[axis] // 2), axis)
    elif kind == 6:
        tensor = tensor.astype(random.choice(("int8", "uint8", "int16", "int32")))
    else:
        del tensors[name]
        if random.randrange(2):
            name = random.choice((f"{name}2", "constant/x", random.choice([*tensors, name])))
        else:
            return
    tensors[name] = tensor
