"""Model files: integer graphs and constants in one ``.safetensors`` file, proved again at every load.

Metadata: ``refdec.format`` ("1"), ``refdec.kind``, ``refdec.graphs`` (JSON, name to graph),
``refdec.provenance`` (JSON object), ``refdec.sha256``. Tensors of graphs are named
``graph/<graph>/<node>/<role>``, others ``constant/<name>``. The digest (AN-FILE-01) is SHA-256 over the
canonical JSON (sorted keys, no spaces, UTF-8) of format, kind, graphs and provenance, and then, in
sorted order of their names, over each tensor's line ``name dtype d0,d1,...`` and its little-endian
C-order bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from safetensors import deserialize
from safetensors.numpy import save as format_tensors

from refdec.atomic_file import atomic_file
from refdec.errors import ModelError
from refdec.integer.graph import Graph
from refdec.integer.nodes import IntArray
from refdec.integer.proof import OverflowProofError, prove

FORMAT = "1"
MAX_FILE_BYTES = 256 << 20
MAX_HEADER_BYTES = 64 << 20
MAX_GRAPHS = 256
MAX_FILE_CHANNELS = 1 << 18
"""Channels of all tensors of all graphs."""
DTYPES = ("int8", "uint8", "int16", "int32")
STORED = {"I8": "<i1", "U8": "<u1", "I16": "<i2", "I32": "<i4"}
"""The byte order is part of the type: the library's own reader takes that of the machine."""


@dataclass(frozen=True, eq=False)
class Model:
    """Proved graphs and constant tensors of one model file.

    :param kind: what the file is for, e.g. ``entropy_Y`` or ``sop_UV``.
    :param constants: tensors that belong to no graph (int8, uint8, int16 or int32).
    :param provenance: where it comes from: any JSON object.
    :param digest: SHA-256 of all of the above in hexadecimal; computed.
    :raises ModelError: a graph that cannot be proved, or something that a file cannot carry.
    """

    kind: str
    graphs: Mapping[str, Graph] = field(default_factory=dict)
    constants: Mapping[str, IntArray] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    digest: str = field(init=False, default="")

    def __post_init__(self) -> None:
        if not isinstance(self.kind, str) or not self.kind:
            raise ModelError(f"model kind {self.kind!r} is not a name")
        constants = {}
        for name, value in self.constants.items():
            array = np.array(value, order="C", copy=True)
            if array.dtype.name not in DTYPES:
                raise ModelError(f"constant '{name}' is {array.dtype}, allowed are {', '.join(DTYPES)}")
            array.setflags(write=False)
            constants[name] = array
        object.__setattr__(self, "graphs", MappingProxyType(dict(self.graphs)))
        object.__setattr__(self, "constants", MappingProxyType(constants))
        object.__setattr__(self, "provenance", MappingProxyType(dict(self.provenance)))
        for name, graph in self.graphs.items():
            if "/" in name:
                raise ModelError(f"graph name {name!r} contains a slash")
            try:
                prove(graph)
            except OverflowProofError as error:
                raise error.within(f"graph '{name}'") from None
        object.__setattr__(self, "digest", digest_of(*self._parts()))

    def __reduce__(self) -> tuple[Any, tuple[bytes]]:
        # Pickled as its file, so that what is unpickled has been checked and proved like any other.
        return read_model, (model_bytes(self),)

    def _parts(self) -> tuple[dict[str, Any], dict[str, IntArray]]:
        graphs: dict[str, Any] = {}
        tensors: dict[str, IntArray] = {}
        for name, graph in self.graphs.items():
            graphs[name], own = graph.to_json(f"graph/{name}/")
            tensors |= own
        tensors |= {f"constant/{name}": value for name, value in self.constants.items()}
        header = {
            "format": FORMAT,
            "kind": self.kind,
            "graphs": graphs,
            "provenance": dict(self.provenance),
        }
        return header, tensors


def _canonical(value: object) -> str:
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ModelError(f"model metadata is not JSON: {error}") from error


def digest_of(header: Mapping[str, Any], tensors: Mapping[str, IntArray]) -> str:
    """SHA-256 over the parts of a file (AN-FILE-01)."""
    digest = hashlib.sha256(_canonical(header).encode())
    for name in sorted(tensors):
        array = tensors[name]
        shape = ",".join(map(str, array.shape))
        digest.update(f"\n{name} {array.dtype.name} {shape}\n".encode())
        digest.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
    return digest.hexdigest()


def model_bytes(model: Model) -> bytes:
    """A model as the bytes of its file."""
    return file_bytes(*model._parts(), model.digest)


def file_bytes(header: Mapping[str, Any], tensors: Mapping[str, IntArray], digest: str) -> bytes:
    """A file of these parts, whatever they are: it need not hold a model.

    :param header: ``format``, ``kind``, ``graphs`` and ``provenance``.
    :param digest: what the file states, see :func:`digest_of`.
    """
    metadata = {
        "refdec.format": header["format"],
        "refdec.kind": header["kind"],
        "refdec.graphs": _canonical(header["graphs"]),
        "refdec.provenance": _canonical(header["provenance"]),
        "refdec.sha256": digest,
    }
    return _ordered(format_tensors({name: np.ascontiguousarray(t) for name, t in tensors.items()}, metadata))


def save_model(path: str | os.PathLike[str], model: Model) -> str:
    """Write a model file (replacing ``path`` in one step) and return the model's digest."""
    data = model_bytes(model)
    with atomic_file(Path(path)) as file:
        file.write(data)
    return model.digest


def _ordered(data: bytes) -> bytes:
    """The same file with its header in sorted order: the library writes metadata in random order."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.dumps(json.loads(data[8:end]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + data[end:]


def load_model(path: str | os.PathLike[str], *, max_bytes: int = MAX_FILE_BYTES) -> Model:
    """Read a model file, check its digest, and prove every graph again.

    :raises ModelError: missing, too large, damaged or of another version; the message says which.
    :raises OverflowProofError: a graph that could overflow, with node, channel and bound.
    """
    target = Path(path)
    try:
        size = target.stat().st_size
        if size > max_bytes:
            raise ModelError(f"{target}: {size} bytes, the limit is {max_bytes}")
        data = target.read_bytes()
    except OSError as error:
        raise ModelError(f"{target}: cannot be read: {error.strerror}") from error
    try:
        return read_model(data)
    except OverflowProofError as error:
        raise error.within(str(target)) from None
    except ModelError as error:
        raise ModelError(f"{target}: {error}") from error


def read_model(data: bytes) -> Model:
    """:func:`load_model` for bytes in memory."""
    metadata = _metadata(data)
    if metadata.get("refdec.format") != FORMAT:
        raise ModelError(
            f"model format is {metadata.get('refdec.format')!r}, this version of refdec reads {FORMAT!r}: "
            "the file was made by another version; import its checkpoint with this one, or use that version"
        )
    tensors = _tensors(data)
    graphs, provenance = (_json(metadata, key) for key in ("refdec.graphs", "refdec.provenance"))
    if not isinstance(graphs, dict) or len(graphs) > MAX_GRAPHS or not isinstance(provenance, dict):
        raise ModelError("refdec.graphs and refdec.provenance must be JSON objects")
    kind = metadata.get("refdec.kind", "")
    header = {"format": FORMAT, "kind": kind, "graphs": graphs, "provenance": provenance}
    found, stated = digest_of(header, tensors), metadata.get("refdec.sha256")
    if found != stated:
        raise ModelError(f"digest of the content is {found}, the file states {stated!r}")
    constants = {n.removeprefix("constant/"): t for n, t in tensors.items() if n.startswith("constant/")}
    built, total = {}, 0
    for name, graph in graphs.items():
        built[name] = Graph.from_json(graph, tensors)
        total += sum(built[name].channels.values())
        if total > MAX_FILE_CHANNELS:
            raise ModelError(f"more than {MAX_FILE_CHANNELS} channels in the tensors of all graphs")
    model = Model(kind, built, constants, provenance)
    if model.digest != found:
        raise ModelError("the file is not in canonical form (surplus tensors, or other tensor names)")
    return model


def file_parts(data: bytes) -> tuple[dict[str, str], dict[str, IntArray]]:
    """Metadata and tensors of a file, as they are in it.

    :raises ModelError: it is no such file.
    """
    return _metadata(data), _tensors(data)


def _metadata(data: bytes) -> dict[str, str]:
    if len(data) < 8:
        raise ModelError(f"model file of {len(data)} bytes is truncated")
    length = int.from_bytes(data[:8], "little")
    if length > min(MAX_HEADER_BYTES, len(data) - 8):
        raise ModelError(f"model file header claims {length} bytes in a file of {len(data)}")
    try:
        header = json.loads(data[8 : 8 + length].decode())
    except (ValueError, RecursionError) as error:
        raise ModelError(f"model file header is not JSON: {error}") from error
    metadata = header.get("__metadata__") if isinstance(header, dict) else None
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise ModelError("model file has no refdec metadata")
    return metadata


def _tensors(data: bytes) -> dict[str, IntArray]:
    try:
        parsed: Any = deserialize(data)  # type: ignore[no-untyped-call]
        found = [(name, view["dtype"], view["shape"], view["data"]) for name, view in parsed]
    except Exception as error:
        # The parser has an exception type of its own.
        raise ModelError(f"model file is not valid safetensors: {error}") from error
    tensors: dict[str, IntArray] = {}
    for name, dtype, shape, content in found:
        if dtype not in STORED:
            raise ModelError(f"tensor '{name}' is {dtype}, allowed are {', '.join(STORED)}")
        stored = np.frombuffer(content, STORED[dtype]).reshape(shape)
        tensors[name] = stored.astype(stored.dtype.newbyteorder("="), copy=False)
    return tensors


def _json(metadata: Mapping[str, str], key: str) -> object:
    try:
        return json.loads(metadata[key])
    except KeyError as error:
        raise ModelError(f"model file has no {key}") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{key} is not JSON: {error}") from error
