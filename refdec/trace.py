"""Traces: what every named tensor of a decode was, as digests and optionally as values.

A trace is JSON Lines. The first line is a header object, every further line one tensor in decoding
order. The digest is SHA-256 over the tensor's bytes, little-endian, C order, in the declared dtype, so
any other implementation can produce the same lines with nothing but a hash library. Values go into a
``.npz`` beside it, under ``<point>.<component>``, with ``.r<k>`` behind it for the tensor of region k.
"""

from __future__ import annotations

import hashlib
import json
import platform
import zipfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from refdec import __version__
from refdec.atomic_file import atomic_file
from refdec.errors import RefdecError

FORMAT_VERSION = 1
MAX_BYTES = 256 << 20
"""Of a trace that is read; one of a large picture in many tiles has a few megabytes."""


class TraceError(RefdecError):
    """A trace file that cannot be read or compared."""

    exit_code = 2
    code = "trace"


@dataclass(frozen=True)
class Point:
    """A trace point: its fixed dtype (of ``picture``: 8 or 16 bits, as its depth needs), and where its value
    is defined."""

    dtype: str
    clause: str

    def dtype_of(self, tensor: npt.NDArray[Any]) -> str:
        """The dtype in which a tensor is hashed: of the alternatives in ``dtype``, its own, else the last."""
        alternatives = self.dtype.split("|")
        return tensor.dtype.name if tensor.dtype.name in alternatives else alternatives[-1]


POINTS: dict[str, Point] = {
    "z_hat": Point("int32", "docs/arithmetic.md AR-Z-01 to AR-Z-05 (T.840.1 SOZ)"),
    "log_sigma_raw": Point("int32", "docs/arithmetic.md AR-HSD-01, AR-HSD-02 (T.840.1 hyper scale decoder)"),
    "quality_map": Point("int32", "docs/arithmetic.md AR-QMAP-01 to AR-QMAP-04 (T.840.1 SOQ)"),
    "log_sigma_skip": Point("int32", "docs/arithmetic.md AR-LOG-03, AR-QMAP-05"),
    "skip_mask": Point("int32", "docs/arithmetic.md AR-SKIP-01 to AR-SKIP-03"),
    "log_sigma": Point("int32", "docs/arithmetic.md AR-LOG-05, AR-RVS-01 to AR-RVS-04"),
    "residual": Point("int32", "docs/arithmetic.md AR-RES-01, AR-TANS-01 to AR-TANS-12 (T.840.1 SORP, SORS)"),
    "residual_dequantised": Point("int32", "docs/arithmetic.md AR-DEQ-01 to AR-DEQ-03"),
    "psi": Point("int16", "docs/arithmetic-picture.md AR-LAT-02, AR-LAT-06 and the model's hyper_decoder"),
    "mu": Point("int16", "docs/arithmetic-picture.md AR-LAT-03 and the model's mcm"),
    "y_hat": Point("int16", "docs/arithmetic-picture.md AR-LAT-01, AR-LAT-03, AR-LAT-04, AR-LAT-06"),
    "y_hat_scaled": Point("int16", "docs/arithmetic-picture.md AR-LAT-05"),
    "y_hat_rectified": Point(
        "int16", "docs/arithmetic-picture.md AR-RECT-01 to AR-RECT-03 and the model's rectifier"
    ),
    "synthesis": Point("int16", "docs/arithmetic-picture.md AR-PIC-01 and the model's synthesis"),
    "plane": Point("uint16", "docs/arithmetic-picture.md AR-PIC-01, AR-PIC-03"),
    "filter": Point("int32", "docs/arithmetic-filters.md AR-FLT-01 to AR-FLT-03"),
    "picture": Point("uint8|uint16", "docs/arithmetic-picture.md AR-PIC-04 to AR-PIC-08"),
}


def point_of(name: str) -> Point | None:
    """What is known about a point; ``mu.2`` and ``synthesis.conv3`` are under ``mu`` and ``synthesis``."""
    return POINTS.get(name) or POINTS.get(name.split(".", 1)[0])


def key(point: str, component: str | None, region: int | None) -> str:
    """Name of a tensor, in the ``.npz`` and in messages: ``residual.Y``, ``residual.UV.r3``."""
    name = point if component is None else f"{point}.{component}"
    return name if region is None else f"{name}.r{region}"


def canonical(tensor: npt.NDArray[Any], dtype: str) -> npt.NDArray[Any]:
    """The tensor as it is hashed: little-endian, C order, in the point's dtype.

    :raises TraceError: a value does not fit the dtype.
    """
    target = np.dtype(dtype).newbyteorder("<")
    array = np.ascontiguousarray(tensor, dtype=target)
    if tensor.dtype.itemsize > array.dtype.itemsize and not np.array_equal(array, tensor):
        raise TraceError(f"a value does not fit {dtype}")
    return array


def digest(tensor: npt.NDArray[Any], dtype: str) -> str:
    """SHA-256 of the canonical bytes, in hex."""
    return hashlib.sha256(canonical(tensor, dtype).tobytes()).hexdigest()


def entry_of(
    point: str, component: str | None, region: int | None, tensor: npt.NDArray[Any]
) -> tuple[dict[str, Any], npt.NDArray[Any]]:
    """The line of a tensor, and the tensor as it was hashed; its dtype is the one that :data:`POINTS` fixes.

    :raises TraceError: there is no such point.
    """
    known = point_of(point)
    if known is None:
        raise TraceError(f"no trace point '{point}'")
    dtype = known.dtype_of(tensor)
    array = canonical(tensor, dtype)
    entry = {
        "point": point,
        "component": component,
        "region": region,
        "shape": list(array.shape),
        "dtype": dtype,
        "sha256": hashlib.sha256(array.tobytes()).hexdigest(),
        "min": int(array.min()) if array.size else None,
        "max": int(array.max()) if array.size else None,
    }
    return entry, array


class TraceWriter:
    """Writes a trace, and its values if asked, as a decoder's observer. A context manager: the files
    appear when the block ends without an exception, and only then.

    :param output: path of the JSON Lines file.
    :param values: path of the ``.npz``, or ``None``.
    """

    def __init__(self, output: Path, header: Mapping[str, object], values: Path | None = None) -> None:
        self._output, self._values_path = output, values
        self._header = dict(header)
        self._stack = ExitStack()
        self._lines: IO[bytes] | None = None
        self._values: IO[bytes] | None = None
        self._archive: zipfile.ZipFile | None = None
        self.count = 0

    def __enter__(self) -> TraceWriter:
        with ExitStack() as stack:
            if self._values_path is not None:
                self._values = stack.enter_context(atomic_file(self._values_path))
                self._archive = zipfile.ZipFile(self._values, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
            self._lines = stack.enter_context(atomic_file(self._output))
            values = None if self._values_path is None else self._values_path.name
            stack.push(self._finish)
            self._write({"refdec_trace": FORMAT_VERSION, **self._header, "values": values})
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, where)

    def _finish(self, _kind: object, error: BaseException | None, _where: object) -> None:
        """Write all that is left of both files before the first of them appears."""
        assert self._lines is not None
        try:
            if error is None:
                if self._archive is not None and self._values is not None:
                    self._archive.close()
                    self._values.flush()
                self._lines.flush()
        finally:
            if self._archive is not None:
                # An archive that is not whole must not be completed when it is forgotten.
                self._archive.fp = None

    def __call__(self, point: str, component: str, region: int | None, tensor: npt.NDArray[Any]) -> None:
        """Record one tensor; its dtype is the one that :data:`POINTS` fixes."""
        entry, array = entry_of(point, component, region, tensor)
        self.count += 1
        self._write(entry)
        if self._archive is not None:
            # A ZipInfo made from a name alone carries a fixed date: the same tensors give the same file.
            member = zipfile.ZipInfo(key(point, component, region) + ".npy")
            member.compress_type = zipfile.ZIP_DEFLATED
            with self._archive.open(member, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)

    def _write(self, entry: Mapping[str, object]) -> None:
        assert self._lines is not None
        self._lines.write((json.dumps(entry) + "\n").encode())


def header(data: bytes, models: Mapping[str, str], **settings: object) -> dict[str, object]:
    """The header object of a trace.

    :param data: the codestream.
    :param models: digest by model file.
    :param settings: dialect, engine and whatever else determined the decode.
    """
    return {
        "stream_sha256": hashlib.sha256(data).hexdigest(),
        "stream_bytes": len(data),
        "models": dict(models),
        **settings,
        "versions": {"refdec": __version__, "numpy": np.__version__, "python": platform.python_version()},
    }


@dataclass(frozen=True)
class Trace:
    """A trace read back: header, then the entries by key, in file order."""

    path: Path
    header: dict[str, Any]
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)

    def values_path(self) -> Path | None:
        """The ``.npz`` beside the trace, if it is there."""
        name = self.header.get("values") or self.path.with_suffix(".npz").name
        path = self.path.parent / Path(str(name)).name
        return path if path.is_file() else None


def read_trace(path: Path) -> Trace:
    """:raises TraceError: the file is no trace, or of another format version."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise TraceError(f"{path}: more than {MAX_BYTES} bytes")
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TraceError(f"{path}: cannot read the trace ({error})") from error
    objects: list[dict[str, Any]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise TraceError(f"{path}:{number}: no JSON object on this line") from error
        if not isinstance(entry, dict):
            raise TraceError(f"{path}:{number}: no JSON object on this line")
        objects.append(entry)
    if not objects or "refdec_trace" not in objects[0]:
        raise TraceError(f"{path}: the first line is no trace header (no 'refdec_trace')")
    if objects[0]["refdec_trace"] != FORMAT_VERSION:
        raise TraceError(
            f"{path}: trace format {objects[0]['refdec_trace']!r}, this program reads {FORMAT_VERSION}"
        )
    trace = Trace(path, objects[0])
    for entry in objects[1:]:
        missing = {"point", "shape", "dtype", "sha256"} - entry.keys()
        if missing:
            raise TraceError(f"{path}: an entry lacks {', '.join(sorted(missing))}")
        _require_names(path, entry)
        trace.entries[key(entry["point"], entry.get("component"), entry.get("region"))] = entry
    return trace


def _require_names(path: Path, entry: Mapping[str, Any]) -> None:
    """:raises TraceError: what tells one tensor from another is not of the types that it must be."""
    point, component, region = entry["point"], entry.get("component"), entry.get("region")
    if not isinstance(point, str) or not isinstance(component, str | None):
        raise TraceError(f"{path}: point and component of an entry must be names")
    if isinstance(region, bool) or not isinstance(region, int | None):
        raise TraceError(f"{path}: the region of {point} is no integer")


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
