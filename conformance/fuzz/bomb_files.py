"""Writes files that claim much more than they hold, with our own writers."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from conformance.encoder.payloads import encode_payloads
from refdec import entropy
from refdec.codestream import Marker, PictureHeader, assemble, component_header
from refdec.codestream.assemble import write_picture_header
from refdec.codestream.bits import BitWriter
from refdec.codestream.container import EOC, SOC, join
from refdec.codestream.geometry import CHANNELS, hyper_size, latent_size
from refdec.integer.model_file import digest_of, file_bytes
from refdec.models_io import bundled_models

MEGA = 1_000_000
EMPTY = b"\x00\x00\x01"
"""A payload of three bytes: a state, and a terminator."""


def header(width: int, height: int, **fields: Any) -> PictureHeader:
    """A picture header in which nothing is special but the size."""
    parts = tuple(component_header(c, height, width, num_chs=CHANNELS[c]) for c in (0, 1))
    return PictureHeader(
        **{
            "decoder_profile_id": 0,
            "synthesis_transform_id": (0,),
            "level_idc": 52,
            "img_width_minus64": width - 64,
            "img_height_minus64": height - 64,
            "model_id": 0,
            "components": parts,
            **fields,
        }
    )


def announced(width: int, height: int, **fields: Any) -> bytes:
    """A header, and payloads of three bytes."""
    picture = write_picture_header(header(width, height, **fields), strict=False)
    return join([(Marker.PIH, picture), *((m, EMPTY) for m in (Marker.SORP, Marker.SORS, Marker.SOZ))])


def flat_picture(side: int, **changes: Any) -> bytes:
    """A whole picture of the likeliest hyper-latents and no residual: a legal stream of hardly any bytes."""
    models = bundled_models()
    picture = header(side, side, **changes)
    parts = tuple(component_header(c, side, side, num_chs=0) for c in (0, 1))
    picture = replace(picture, components=parts)
    known = (models.entropy(0, 0), models.entropy(0, 1))
    zs, symbols = [], []
    for c in (0, 1):
        masses = np.diff(known[c].z_cdf.astype(np.int64), prepend=0, axis=1)
        likeliest = (masses.argmax(axis=1) - 31).astype(np.int8)
        zs.append(np.broadcast_to(likeliest[:, None, None], (CHANNELS[c], *hyper_size(side, side))).copy())
        symbols.append(np.zeros((CHANNELS[c], *latent_size(side, side)), np.int32))
    coded = encode_payloads(picture, known, zs, symbols, None, entropy.engine("jit"))
    return assemble(picture, z=coded.z, residuals=coded.residual)


def size_field(size: int) -> bytes:
    writer = BitWriter()
    writer.write_ue(size)
    return (
        SOC.to_bytes(2, "big") + int(Marker.PIH).to_bytes(2, "big") + writer.bytes() + b"\x00" * 8
        + EOC.to_bytes(2, "big")
    )  # fmt: skip


def user_data(count: int, size: int) -> bytes:
    picture = write_picture_header(header(64, 64))
    parts = [(Marker.PIH, picture), *((m, EMPTY) for m in (Marker.SORP, Marker.SORS, Marker.SOZ))]
    return join([*parts, *[(Marker.UDI, bytes(size))] * count])


def overlapping_tiles(size: int, overlap: int, side: int) -> bytes:
    """Synthesis tiles that lie over each other nearly whole."""
    picture = header(side, side)
    parts = tuple(
        component_header(c, side, side, num_chs=CHANNELS[c], tiling=(size, overlap)) for c in (0, 1)
    )
    picture = replace(picture, components=parts)
    data = write_picture_header(picture, strict=False)
    return join([(Marker.PIH, data), *((m, EMPTY) for m in (Marker.SORP, Marker.SORS, Marker.SOZ))])


def many_regions(rows: int, columns: int) -> bytes:
    return announced(
        8192, 8192, region_partitioning_flag=1, num_ver_splits_minus1=rows - 1,
        num_hor_splits_minus1=columns - 1,
    )  # fmt: skip


def stream_file(make: Callable[..., bytes], *arguments: Any) -> Callable[[Path], Path]:
    return lambda folder: written(folder / "bomb.jai", make(*arguments))


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def sparse_file(path: Path, size: int, head: bytes = b"\xff\x80\xff\x82") -> Path:
    """A file with a hole: it takes no room on disk."""
    with path.open("wb") as file:
        file.write(head)
        file.truncate(size)
    return path


def sealed_model(graphs: Any, tensors: Any | None = None) -> bytes:
    content = {"format": "1", "kind": "bomb", "graphs": graphs, "provenance": {}}
    return file_bytes(content, tensors or {}, digest_of(content, tensors or {}))


def channels_model(count: int, graphs: int) -> bytes:
    """Nodes of 8192 channels: a range is kept for every channel, the file names it once."""
    nodes = [
        {"name": f"n{i}", "op": "clip", "inputs": [f"n{i - 1}" if i else "x"], "lo": -1, "hi": 1}
        | {"attributes": {}, "tensors": {}}
        for i in range(count)
    ]
    one = {
        "inputs": [{"name": "x", "channels": 8192, "lo": -2, "hi": 2}],
        "nodes": nodes,
        "outputs": [f"n{count - 1}"],
    }
    return sealed_model({f"g{i}": one for i in range(graphs)})


def tensor_claim(shape: list[int], end: int) -> bytes:
    """A safetensors header with one tensor, and eight bytes behind it."""
    entry = {
        "t": {"dtype": "I8", "shape": shape, "data_offsets": [0, end]},
        "__metadata__": {"refdec.format": "1"},
    }
    text = json.dumps(entry).encode()
    return len(text).to_bytes(8, "little") + text + bytes(8)


def png_of_zeros(width: int, height: int, bits: int, colour: int, rows: int | None = None) -> bytes:
    """A picture of zeros, with fewer rows than it says if asked; they are never all in memory."""
    row = bytes(1 + (width * bits * (3 if colour == 2 else 1) + 7) // 8)
    packer = zlib.compressobj(9)
    data = b"".join(packer.compress(row) for _ in range(height if rows is None else rows)) + packer.flush()
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)),
        (b"IDAT", data),
        (b"IEND", b""),
    ]
    chunks = [
        len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")
        for kind, body in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def npy_claim(descr: str, shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": False, "shape": shape})
    return buffer.getvalue() + bytes(16)


def values_archive(folder: Path) -> Path:
    """Two traces that differ, with values that unpack to gigabytes of zeros."""
    shape = [1 << 15, 1 << 15]
    for name, digest in (("a", "0" * 64), ("b", "1" * 64)):
        entry = {
            "point": "z_hat",
            "component": "Y",
            "region": None,
            "shape": shape,
            "dtype": "int32",
            "sha256": digest,
        }
        lines = [{"refdec_trace": 1, "values": f"{name}.npz"}, entry]
        (folder / f"{name}.jsonl").write_text(
            "".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8"
        )
        with (
            zipfile.ZipFile(folder / f"{name}.npz", "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open("z_hat.Y.npy", "w", force_zip64=True) as file,
        ):
            file.write(npy_claim("<i4", (1 << 15, 1 << 15))[:-16])
            for _ in range(64):
                file.write(bytes(1 << 20))
    return folder / "a.jsonl"


def nested_model(levels: int) -> bytes:
    deep = "[" * levels + "]" * levels
    entry = {"__metadata__": {"refdec.format": "1", "refdec.graphs": deep, "refdec.provenance": "{}"}}
    text = json.dumps(entry).encode()
    return len(text).to_bytes(8, "little") + text


def suite_of_nothing(records: int) -> bytes:
    head = {"schema": "refconf-pictures-1", "name": "bomb", "description": "", "streams": []}
    return json.dumps(head)[:-2].encode() + b"{}" + b",{}" * (records - 1) + b"]}"


def plain_file(name: str, data: bytes | Callable[[], bytes]) -> Callable[[Path], Path]:
    return lambda folder: written(folder / name, data() if callable(data) else data)
