"""What a suite holds, in one form for suites of pictures and of entropy vectors: for pages about it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from conformance.suite.fields import Fields, read_json, read_limited
from conformance.suite.records import (
    INDEX,
    MAX_INDEX_BYTES,
    MAX_STREAMS,
    Record,
    is_picture_suite,
    open_pictures,
)
from conformance.suite.write import header_features
from conformance.verify.suite import open_suite
from refdec.codestream import Dialect, parse
from refdec.codestream.profiles import TRANSFORM_NAMES
from refdec.errors import RefdecError

VECTORS_INDEX = "manifest.json"
RATE_POINTS = tuple(f"model-{number}" for number in range(4))
FORMATS = ("RGB", "YUV 4:4:4", "YUV 4:2:2", "YUV 4:2:0")
SUBSAMPLINGS = {(1, 1): "4:4:4", (1, 2): "4:2:2", (2, 2): "4:2:0"}


@dataclass(frozen=True)
class Listed:
    """One stream.

    :param told: what a decoder cannot know from the stream, by placeholder of its command.
    :param recipe: name of what made it, empty where that has no name.
    :param outcome: what its decoding must give, in words.
    """

    name: str
    group: str
    purpose: str
    bytes: int
    features: tuple[str, ...]
    told: tuple[tuple[str, str], ...]
    recipe: str
    outcome: str


@dataclass(frozen=True)
class Contents:
    """A suite.

    :param pictures: whether it holds pictures, or payloads and vectors of the entropy stage.
    :param digest: SHA-256 of the index, in which every other file has its own.
    :param own_models: whether the models are part of it.
    :param absent: what could be in a suite and is not in this one, in words.
    :param raw_only: streams whose pictures PNG cannot hold.
    """

    folder: Path
    pictures: bool
    name: str
    description: str
    version: str
    seed: int | None
    digest: str
    streams: tuple[Listed, ...]
    own_models: bool
    absent: tuple[str, ...]
    raw_only: int

    def of_group(self, group: str) -> list[Listed]:
        """The streams of a group, in the suite's order."""
        return [stream for stream in self.streams if stream.group == group]

    def placeholders(self) -> dict[str, int]:
        """How many streams need which placeholder of a decoder's command."""
        found: dict[str, int] = {}
        for stream in self.streams:
            for mark, _ in stream.told:
                found[mark] = found.get(mark, 0) + 1
        return found


def contents_of(folder: Path) -> Contents:
    """Read the index of a suite of either kind.

    :raises SuiteError: it cannot be read.
    """
    return _pictures(folder) if is_picture_suite(folder) else _vectors(folder)


def _pictures(folder: Path) -> Contents:
    suite = open_pictures(folder)
    index = Fields(read_json(folder / INDEX, MAX_INDEX_BYTES), INDEX)
    own = any(record.model_set is not None for record in suite.records)
    return Contents(
        folder,
        True,
        suite.name,
        suite.description,
        index.text("refdec") if "refdec" in index else "unknown",
        index.integer("seed", 0, (1 << 63) - 1) if "seed" in index else None,
        _digest(folder / INDEX),
        tuple(_listed(record) for record in suite.records),
        own,
        tuple(_absent(folder, suite.records)),
        sum(_needs_raw(record) for record in suite.records),
    )


def _listed(record: Record) -> Listed:
    told: list[tuple[str, str]] = []
    if record.dialect is not Dialect.T840:
        told.append(("{dialect}", record.dialect.value))
    if record.quality_rounding != "floor":
        told.append(("{rounding}", record.quality_rounding))
    if record.channels is not None:
        told.append(("{channels}", str(record.channels)))
    name = record.recipe.get("name")
    return Listed(
        record.name,
        record.group,
        record.purpose,
        record.bytes,
        record.features,
        tuple(told),
        name if isinstance(name, str) else "",
        _outcome(record),
    )


def _outcome(record: Record) -> str:
    if record.rejection is not None:
        bit = record.rejection.bit_offset
        return f"refused: {record.rejection.error}{'' if bit is None else f' at bit {bit}'}"
    picture = record.picture
    assert picture is not None
    return f"{picture.width}x{picture.height}, {_format(record)}, {picture.bit_depth} bits"


def _format(record: Record) -> str:
    assert record.picture is not None
    if record.picture.planes == ("R", "G", "B"):
        return "RGB"
    return f"YUV {SUBSAMPLINGS[record.picture.subsampling]}"


def _needs_raw(record: Record) -> bool:
    return record.picture is not None and (record.picture.bit_depth != 8 or _format(record) != "RGB")


def _absent(folder: Path, records: tuple[Record, ...]) -> Iterator[str]:
    decoded = [record for record in records if record.picture is not None]
    features = {feature for record in decoded for feature in record.features}
    for what, possible, there in (
        ("the operating point", TRANSFORM_NAMES, {r.operating_point.upper() for r in decoded}),
        ("the rate point", RATE_POINTS, features),
        ("pictures of the format", FORMATS, {_format(r) for r in decoded}),
        ("the header dialect", [d.value for d in Dialect], {r.dialect.value for r in decoded}),
        ("what the index calls", _vocabulary(folder, decoded), features),
    ):
        missing = [name for name in possible if name not in there]
        if missing:
            yield f"{what} {', '.join(missing)}"


def _vocabulary(folder: Path, decoded: list[Record]) -> list[str]:
    """Names of features that any stream of a suite could have: those of one stream, used or not."""
    for record in sorted(decoded, key=lambda record: record.bytes):
        try:
            stream = parse(read_limited(folder / record.file, record.bytes), record.dialect)
        except RefdecError:
            continue
        varying = ("model-", "threads-", "filter-")
        return [name for name in header_features(stream) if not name.startswith(varying)]
    return []


def _vectors(folder: Path) -> Contents:
    suite = open_suite(folder)
    index = Fields(suite.manifest, VECTORS_INDEX)
    streams = [
        _vector(entry, group, suite.streams)
        for key, group in (("streams", "must-decode"), ("malformed", "must-reject"))
        for entry in index.objects(key, MAX_STREAMS)
    ]
    payloads = sum(len(vectors) for vectors in suite.payloads.values() if isinstance(vectors, list))
    return Contents(
        folder,
        False,
        folder.name,
        f"Streams and {payloads} payloads of the entropy stage, coded with models made from a seed.",
        "unknown",
        index.integer("seed", 0, (1 << 63) - 1) if "seed" in index else None,
        _digest(folder / VECTORS_INDEX),
        tuple(streams),
        False,
        ("anything behind the residual: latents, synthesis, colour, post-filters",),
        0,
    )


def _vector(entry: Fields, group: str, files: Mapping[str, bytes]) -> Listed:
    expect = entry.object("expect")
    refused = group == "must-reject"
    return Listed(
        entry.text("name"),
        group,
        entry.text("purpose"),
        len(files[entry.text("file")]),
        (),
        (),
        "",
        f"refused: {expect.text('error')}" if refused else f"{len(expect.names())} tensors",
    )


def _digest(path: Path) -> str:
    return hashlib.sha256(read_limited(path, MAX_INDEX_BYTES)).hexdigest()
