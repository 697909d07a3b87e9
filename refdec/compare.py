"""The first difference between two traces, in decoding order, down to the element."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from refdec.array_file import read_array
from refdec.trace import Trace, TraceError, point_of

MAX_VALUES_BYTES = 1 << 30
COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True)
class Divergence:
    """Where two traces part.

    :param what: ``missing``, ``shape``, ``dtype`` or ``value``.
    :param index: position in the tensor, where both traces carry values.
    :param clause: where the value of this point is defined.
    """

    what: str
    point: str
    component: str | None
    region: int | None
    expected: object
    found: object
    index: tuple[int, ...] | None
    differing: int | None
    clause: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        place = [self.point]
        if self.component is not None:
            place.append(f"component {self.component}")
        if self.region is not None:
            place.append(f"region {self.region}")
        if self.index is not None:
            names = ("channel", "row", "column")[-len(self.index) :]
            place.append(", ".join(f"{name} {i}" for name, i in zip(names, self.index, strict=False)))
        tail = "" if self.differing is None else f"; {self.differing} elements of this tensor differ"
        return (
            f"first divergence: {', '.join(place)}: {self.what} expected {self.expected}, found {self.found}"
            f"{tail}; defined in {self.clause}"
        )


def compare(expected: Trace, found: Trace, *, common_only: bool = False) -> Divergence | None:
    """The first divergence of ``found`` from ``expected``, in the decoding order of ``expected``.

    :param common_only: skip points that only one of the traces has.
    :raises TraceError: the traces have no point in common, or a values file is damaged.
    """
    common = expected.entries.keys() & found.entries.keys()
    if not common:
        raise TraceError(f"{expected.path} and {found.path} have no trace point in common")
    for name, entry in expected.entries.items():
        if name not in common:
            if common_only:
                continue
            return _divergence(entry, "missing", "this tensor", "nothing")
        other = found.entries[name]
        for what in ("shape", "dtype"):
            if entry[what] != other[what]:
                return _divergence(entry, what, entry[what], other[what])
        if entry["sha256"] != other["sha256"]:
            return _locate(name, entry, other, expected, found)
    if not common_only:
        for name, entry in found.entries.items():
            if name not in common:
                return _divergence(entry, "missing", "nothing", "this tensor")
    return None


def _locate(
    name: str, entry: dict[str, Any], other: dict[str, Any], expected: Trace, found: Trace
) -> Divergence:
    pair = [_values(trace, name, of) for trace, of in ((expected, entry), (found, other))]
    if pair[0] is None or pair[1] is None:
        return _divergence(entry, "value", f"sha256 {entry['sha256']}", f"sha256 {other['sha256']}")
    if pair[0].shape != pair[1].shape or np.array_equal(pair[0], pair[1]):
        raise TraceError(f"the values of {name} do not belong to the digests of their traces")
    differs = pair[0] != pair[1]
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(differs)), differs.shape))
    return _divergence(
        entry, "value", int(pair[0][index]), int(pair[1][index]), index, int(np.count_nonzero(differs))
    )


def _values(trace: Trace, name: str, entry: dict[str, Any]) -> npt.NDArray[Any] | None:
    path = trace.values_path()
    if path is None:
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            member = f"{name}.npy"
            if member not in archive.namelist():
                return None
            if archive.getinfo(member).compress_type not in COMPRESSIONS:
                raise ValueError("neither stored nor deflated, as NumPy writes them")
            with archive.open(member) as file:
                values = read_array(file, MAX_VALUES_BYTES)
    except (
        OSError,
        ValueError,
        EOFError,
        NotImplementedError,
        RuntimeError,
        zlib.error,
        zipfile.BadZipFile,
    ) as error:
        raise TraceError(f"{path}: cannot read the values ({error})") from error
    if list(values.shape) != entry["shape"]:
        raise TraceError(f"the values of {name} in {path} are not of the shape that the trace states")
    return values


def _divergence(
    entry: dict[str, Any],
    what: str,
    expected: object,
    found: object,
    index: tuple[int, ...] | None = None,
    differing: int | None = None,
) -> Divergence:
    point = point_of(entry["point"])
    return Divergence(
        what,
        entry["point"],
        entry.get("component"),
        entry.get("region"),
        expected,
        found,
        index,
        differing,
        "a point that this version does not know" if point is None else point.clause,
    )
