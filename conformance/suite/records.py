"""A suite of pictures on disk: ``suite.json``, codestreams and traces.

::

    SUITE/suite.json             one record a stream
    SUITE/streams/<name>.jai     the codestreams
    SUITE/traces/<name>.jsonl    what every stage must give: lines as of ``refdec trace``
    SUITE/models/...             the model set, where it is part of the suite

Every digest is SHA-256. ``planar_sha256`` is over the planes behind each other (R, G, B or Y, U, V; rows
from top to bottom, bytes above 8 bits little-endian), ``pixels_sha256`` over the interleaved samples that a
PNG holds; docs/verify.md has both in words. A suite comes from anywhere: nothing in it is believed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from conformance.suite.fields import Fields, IncompleteSuiteError, inside, read_json, read_limited
from conformance.verify.suite import INDEX, SuiteError
from refdec import errors
from refdec.codestream import Dialect
from refdec.codestream.profiles import LEVELS, PROFILE_NAMES, TRANSFORM_NAMES
from refdec.errors import BitstreamError
from refdec.limits import DEFAULT_LIMITS
from refdec.trace import Trace, TraceError, read_trace

SCHEMA = "refconf-pictures-1"
GROUPS = ("must-decode", "may-reject", "must-reject")
MAX_INDEX_BYTES = 64 << 20
MAX_TRACE_BYTES = 64 << 20
MAX_STREAMS = 10_000
MAX_SIDE = 65_599

Group = Literal["must-decode", "may-reject", "must-reject"]


@dataclass(frozen=True)
class PictureFormat:
    """What a decoded picture is: size, planes, bits of a sample, subsampling (down, across)."""

    width: int
    height: int
    planes: tuple[str, ...]
    bit_depth: int
    subsampling: tuple[int, int]

    @property
    def bytes_per_sample(self) -> int:
        """1 at 8 bits, else 2."""
        return 1 if self.bit_depth == 8 else 2

    @property
    def plane_shapes(self) -> list[tuple[int, int]]:
        """Rows and columns of every plane."""
        down, across = self.subsampling
        small = (-(-self.height // down), -(-self.width // across))
        return [(self.height, self.width), small, small]

    @property
    def planar_bytes(self) -> int:
        """Bytes of all samples."""
        return self.bytes_per_sample * sum(h * w for h, w in self.plane_shapes)


@dataclass(frozen=True)
class Rejection:
    """How a malformed stream is refused: error class, syntax element, bit offset in the file."""

    error: str
    element: str | None
    bit_offset: int | None


@dataclass(frozen=True)
class Record:
    """One stream of a suite and all that is stated about it.

    :param models: SHA-256 by model file of what the stream is coded with.
    :param picture: ``None`` for a stream that must be rejected, or that the reference decoder does not
        support, like the digests and the trace; :attr:`rejection` is there instead.
    :param recipe: what made the stream, for the reader; nothing is run from it.
    :param channels: progressive decoding: residual channels that the decoder keeps, ``None`` for all.
    :param model_set: folder of the model set inside the suite; ``None``: it is not part of the suite.
    """

    name: str
    purpose: str
    group: Group
    features: tuple[str, ...]
    profile: str
    level: int | None
    dialect: Dialect
    quality_rounding: Literal["floor", "truncate"]
    operating_point: str
    file: str
    sha256: str
    bytes: int
    models: Mapping[str, str]
    picture: PictureFormat | None
    planar_sha256: str | None
    pixels_sha256: str | None
    trace: str | None
    trace_sha256: str | None
    rejection: Rejection | None
    recipe: Mapping[str, Any]
    channels: int | None = None
    model_set: str | None = None


@dataclass(frozen=True)
class PictureSuite:
    """A suite whose index has been read; streams and traces are read, and checked, one by one."""

    folder: Path
    name: str
    description: str
    records: tuple[Record, ...]

    def stream(self, record: Record) -> bytes:
        """:raises SuiteError: the file is absent or is not the one that the index means."""
        return _checked(self.folder, record.file, record.sha256, record.bytes)

    def trace(self, record: Record) -> Trace:
        """The trace that a decode must give.

        :raises SuiteError: the file is absent or is not the one that the index means.
        """
        assert record.trace is not None and record.trace_sha256 is not None
        _checked(self.folder, record.trace, record.trace_sha256, MAX_TRACE_BYTES)
        return checked_trace(self.folder / record.trace)

    def models_folder(self, record: Record) -> Path | None:
        """Where the suite keeps the models of a stream, ``None`` if it does not.

        :raises SuiteError: the folder leads out of the suite.
        """
        return None if record.model_set is None else inside(self.folder, record.model_set)

    def whole_models_folder(self, record: Record) -> Path | None:
        """The same, for whoever decodes with it.

        :raises IncompleteSuiteError: a model that the record names is not there.
        :raises SuiteError: the folder leads out of the suite.
        """
        folder = self.models_folder(record)
        if folder is None:
            return None
        for path in [folder / name for name in record.models] if folder.is_dir() else [folder]:
            if not path.exists():
                raise IncompleteSuiteError(
                    f"{path} is missing: the suite is incomplete, and its index names models by digest; make "
                    f"it again with the seed and profile that it had: refconf generate -o {self.folder}"
                )
        return folder


def checked_trace(path: Path) -> Trace:
    """A trace from outside, every line of the form that docs/verify.md gives.

    :raises SuiteError: it is no such trace.
    """
    try:
        trace = read_trace(path)
    except (TraceError, TypeError, ValueError, RecursionError) as error:
        raise SuiteError(f"{path}: {error}") from error
    for name, entry in trace.entries.items():
        fields = Fields(entry, f"{path.name} {name}")
        fields.text("point", r"[A-Za-z0-9_.]{1,100}")
        if "component" in fields:
            fields.text("component", r"[A-Z]{1,2}")
        if "region" in fields:
            fields.integer("region", 0, 1 << 20)
        fields.text("dtype", r"u?int(8|16|32)")
        fields.digest("sha256")
        shape = fields.any("shape")
        if not isinstance(shape, list) or not all(isinstance(n, int) and n >= 0 for n in shape):
            raise SuiteError(f"{fields.place}.shape: expected integers")
    return trace


def is_picture_suite(folder: Path) -> bool:
    """Whether a folder holds a suite of pictures."""
    return (folder / INDEX).is_file()


def open_pictures(folder: Path) -> PictureSuite:
    """Read the index of a suite.

    :raises SuiteError: it cannot be read, or something in it is not what it must be.
    """
    index = Fields(read_json(folder / INDEX, MAX_INDEX_BYTES), INDEX)
    if index.any("schema") != SCHEMA:
        raise SuiteError(f"{folder / INDEX}: schema {index.any('schema')!r}, this program reads {SCHEMA}")
    records = tuple(_record(fields) for fields in index.objects("streams", MAX_STREAMS))
    names = [record.name for record in records]
    if len(set(names)) < len(names):
        raise SuiteError(f"{folder / INDEX}: two streams of the same name")
    return PictureSuite(folder, index.text("name"), index.text("description"), records)


def _record(fields: Fields) -> Record:
    group = fields.choice("group", GROUPS)
    # What the reference decoder itself refuses, and another one may decode, has nothing to be compared with.
    rejected = group == "must-reject" or (group == "may-reject" and "error" in fields.object("expect"))
    dialect = Dialect(fields.choice("dialect", tuple(d.value for d in Dialect)))
    expect = fields.object("expect")
    models = fields.object("models")
    return Record(
        name=fields.text("name", r"[a-z0-9][a-z0-9._-]{0,79}"),
        purpose=fields.text("purpose"),
        group=group,  # type: ignore[arg-type]
        features=fields.strings("features"),
        profile=fields.choice("profile", (*PROFILE_NAMES[dialect], "none")),
        level=fields.integer("level", 0, LEVELS[-1]) if "level" in fields else None,
        dialect=dialect,
        quality_rounding=fields.choice("quality_rounding", ("floor", "truncate")),  # type: ignore[arg-type]
        operating_point=fields.choice("operating_point", tuple(n.lower() for n in TRANSFORM_NAMES)),
        file=fields.path("file", ".jai"),
        sha256=fields.digest("sha256"),
        bytes=fields.integer("bytes", 0, DEFAULT_LIMITS.max_input_bytes),
        models={name: models.digest(name) for name in models.names()},
        picture=None if rejected else _picture(fields.object("picture")),
        planar_sha256=None if rejected else expect.digest("planar_sha256"),
        pixels_sha256=expect.digest("pixels_sha256") if "pixels_sha256" in expect else None,
        trace=None if rejected else expect.path("trace", ".jsonl"),
        trace_sha256=None if rejected else expect.digest("trace_sha256"),
        rejection=_rejection(expect) if rejected else None,
        recipe=fields.any("recipe") if "recipe" in fields else {},
        channels=fields.integer("channels", 0, 255) if "channels" in fields else None,
        model_set=fields.folder("model_set") if "model_set" in fields else None,
    )


def _picture(fields: Fields) -> PictureFormat:
    planes = fields.strings("planes", 3)
    if planes not in (("R", "G", "B"), ("Y", "U", "V")):
        raise SuiteError(f"{fields.place}.planes: expected R, G, B or Y, U, V")
    subsampling = fields.any("subsampling")
    if subsampling not in ([1, 1], [1, 2], [2, 2]):
        raise SuiteError(f"{fields.place}.subsampling: expected [1, 1], [1, 2] or [2, 2]")
    width, height = (fields.integer(side, 1, MAX_SIDE) for side in ("width", "height"))
    if width * height > DEFAULT_LIMITS.max_pixels:
        raise SuiteError(f"{fields.place}: {width} x {height} is beyond {DEFAULT_LIMITS.max_pixels} pixels")
    depth = fields.integer("bit_depth", 8, 16)
    return PictureFormat(width, height, planes, depth, (subsampling[0], subsampling[1]))


def _rejection(fields: Fields) -> Rejection:
    classes = tuple(
        name
        for name, item in vars(errors).items()
        if isinstance(item, type) and issubclass(item, BitstreamError) and item is not BitstreamError
    )
    return Rejection(
        fields.choice("error", classes),
        fields.text("element", r".{1,200}") if "element" in fields else None,
        fields.integer("bit_offset", 0, 8 * DEFAULT_LIMITS.max_input_bytes)
        if "bit_offset" in fields
        else None,
    )


def _checked(folder: Path, name: str, sha256: str, max_bytes: int) -> bytes:
    path = inside(folder, name)
    data = read_limited(path, max_bytes)
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise SuiteError(f"{path} is not the file that the index means: sha256 {found}, expected {sha256}")
    return data
