"""Runs suites on one engine and keeps a digest of every stage of every stream."""

from __future__ import annotations

import fnmatch
import functools
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from conformance.suite.records import INDEX, PictureSuite, Record, is_picture_suite, open_pictures
from conformance.verify import synthetic
from conformance.verify.engines import settings_of
from conformance.verify.outcome import planar_digest
from conformance.verify.run import model_folder, model_set
from conformance.verify.suite import Suite, bundled_suite, open_suite
from conformance.verify.verifier import Mismatch, check_encoding
from refdec import entropy, trace
from refdec.codestream import Dialect, parse
from refdec.decoder import decode_payloads, decode_picture
from refdec.errors import BitstreamError, RefdecError
from refdec.integer import graphs_run_by
from refdec.limits import DEFAULT_LIMITS
from refdec.models_io import ModelSet
from refdec.settings import Settings

DIGEST = 16
"""Hexadecimal digits kept of the digest of one stage of one stream."""
ENCODED, PLANES, REFUSAL = "encoded", "planes", "refusal"
STAGES = (*trace.POINTS, ENCODED, PLANES, REFUSAL)
"""In decoding order; then what encoding the decoded symbols gives, the picture as a decode without a trace
gives it, and class and place of a refusal."""

SOURCES = {".py", ".json", ".safetensors"}

Progress = Callable[[str], None]


class EvidenceError(RefdecError):
    """What ran is not what was asked for."""

    exit_code = 1
    code = "evidence"


@dataclass(frozen=True)
class Voice:
    """The engine that is asked for, and how it runs.

    :param layout: memory layout of the twin: ``contiguous`` or ``channels_last``.
    :param device, precision: of the twin; see :func:`conformance.twin.run`.
    """

    engine: str
    threads: int = 1
    layout: str = "contiguous"
    device: str = "cpu"
    precision: str = "float64"


@dataclass
class StreamDigests:
    """Stages of one stream, and whether they are what the suite states."""

    suite: str
    name: str
    stages: dict[str, str] = field(default_factory=dict)
    agrees: bool = True


class _Stages:
    """Takes tensors as a decoder's observer; one running digest for each stage."""

    def __init__(self) -> None:
        self._running: dict[str, Any] = {}
        self.entries: dict[str, str] = {}

    def add(self, stage: str, name: str, digest: str) -> None:
        self._running.setdefault(stage, hashlib.sha256()).update(f"{name} {digest}\n".encode())

    def observe(
        self, point: str, component: str, region: int | None, tensor: npt.NDArray[np.generic]
    ) -> None:
        entry, _ = trace.entry_of(point, component, region, tensor)
        name = trace.key(point, component, region)
        self.entries[name] = entry["sha256"]
        self.add(point if point in trace.POINTS else point.split(".", 1)[0], name, entry["sha256"])

    def digests(self) -> dict[str, str]:
        return {stage: self._running[stage].hexdigest() for stage in STAGES if stage in self._running}


@contextmanager
def speaking(voice: Voice) -> Iterator[str]:
    """The decoder's engine name for a voice."""
    if voice.engine != "twin":
        yield voice.engine
        return
    from conformance import twin

    run = functools.partial(
        twin.run,
        device=voice.device,
        precision=voice.precision,
        layout=voice.layout,
        threads=voice.threads,
    )
    with graphs_run_by(run):
        yield "golden"


def suites(folder: Path | None) -> list[Suite | PictureSuite]:
    """The suites to run: that of a folder, or all that come with the package."""
    if folder is None:
        return [bundled_suite(), open_pictures(Path(str(files("conformance").joinpath("photos"))))]
    return [open_pictures(folder) if is_picture_suite(folder) else open_suite(folder)]


def identity(suite: Suite | PictureSuite) -> dict[str, str]:
    """Name and digest of what a suite consists of."""
    if isinstance(suite, PictureSuite):
        return {"name": suite.name, "sha256": hashlib.sha256((suite.folder / INDEX).read_bytes()).hexdigest()}
    text = json.dumps(suite.manifest, sort_keys=True).encode()
    return {"name": "entropy vectors", "sha256": hashlib.sha256(text).hexdigest()}


def collect(
    suite: Suite | PictureSuite,
    voice: Voice,
    only: Sequence[str],
    max_pixels: int | None,
    models: Path | None,
    progress: Progress,
) -> list[StreamDigests]:
    """Digests of the streams that are wanted, in the suite's order.

    :param only: patterns of stream names; empty: all.
    :param max_pixels: leave larger pictures out.
    :raises SuiteError: the suite's files are not what its index says.
    """

    def wanted(name: str) -> bool:
        return not only or any(fnmatch.fnmatchcase(name, pattern) for pattern in only)

    out = []
    if isinstance(suite, Suite):
        seeded = synthetic.model_set(int(suite.manifest["models"]["seed"]))
        for entry in (*suite.manifest["streams"], *suite.manifest["malformed"]):
            if wanted(entry["name"]):
                progress(entry["name"])
                out.append(_entropy_stream(suite, entry, seeded, voice))
        return out
    for record in suite.records:
        size = record.picture
        large = max_pixels is not None and size is not None and size.width * size.height > max_pixels
        if wanted(record.name) and not large:
            progress(record.name)
            out.append(_picture_stream(suite, record, voice, models))
    return out


def _entropy_stream(suite: Suite, entry: Any, models: ModelSet, voice: Voice) -> StreamDigests:
    data, stages = suite.streams[entry["file"]], _Stages()
    out = StreamDigests(identity(suite)["name"], entry["name"])
    refused = "purpose" in entry and "error" in entry["expect"]
    with speaking(voice) as engine:
        settings = Settings(
            engine, channels=entry.get("channels"), quality_rounding=entry.get("quality_rounding", "floor")
        )
        try:
            stream = parse(data, Dialect(entry["dialect"]))
            result = decode_payloads(stream, models, settings, DEFAULT_LIMITS, stages.observe)
        except BitstreamError as error:
            out.stages, out.agrees = _refused(error), refused and entry["expect"] == _facts(error)
            return out
        if entry.get("channels") is None and not refused:
            try:
                chosen = entropy.engine(engine)
                check_encoding(stream, result, models, chosen, settings.quality_rounding)
                stages.add(ENCODED, "payloads", "as in the stream")
            except Mismatch as mismatch:
                stages.add(ENCODED, "payloads", str(mismatch))
                out.agrees = False
    out.stages = stages.digests()
    out.agrees &= not refused and stages.entries == entry["expect"]
    return out


def _picture_stream(suite: PictureSuite, record: Record, voice: Voice, folder: Path | None) -> StreamDigests:
    data, stages = suite.stream(record), _Stages()
    out = StreamDigests(suite.name, record.name)
    models = model_set(model_folder(suite, record, folder))
    with speaking(voice) as engine:
        settings = _threaded(settings_of(record, engine), voice)
        try:
            stream = parse(data, record.dialect)
            picture = decode_picture(stream, models, settings, observer=stages.observe)
            planes = picture.planes
            if voice.engine == "jit":
                # The fast engine fuses what nobody observes: that is the product too.
                planes = decode_picture(stream, models, settings).planes
        except BitstreamError as error:
            out.stages = _refused(error)
            if record.rejection is None:
                out.agrees = record.group == "may-reject" and error.exit_code in (4, 5)
            else:
                out.agrees = _facts(error) == vars(record.rejection)
            return out
    digest = planar_digest(planes)
    stages.add(PLANES, "planes", digest)
    out.stages = stages.digests()
    stated = {} if record.trace is None else suite.trace(record).entries
    expected = {name: entry["sha256"] for name, entry in stated.items()}
    out.agrees = stages.entries == expected and digest == record.planar_sha256
    return out


def _threaded(settings: Settings, voice: Voice) -> Settings:
    return replace(settings, threads=voice.threads if voice.engine == "jit" else 1)


def _refused(error: BitstreamError) -> dict[str, str]:
    stages = _Stages()
    stages.add(REFUSAL, "refusal", json.dumps(_facts(error), sort_keys=True))
    return stages.digests()


def _facts(error: BitstreamError) -> dict[str, Any]:
    return {"error": type(error).__name__, "element": error.element, "bit_offset": error.bit_offset}


def require_engine(voice: Voice, ran: dict[str, set[str]]) -> None:
    """:raises EvidenceError: a part was computed by another engine than asked for, or none by it."""
    for part, engines in ran.items():
        own = voice.engine if voice.engine != "twin" or part == "networks" else "golden"
        if engines != {own}:
            raise EvidenceError(f"asked for {voice.engine}, but {part} ran on {', '.join(sorted(engines))}")
    if all(voice.engine not in engines for engines in ran.values()):
        raise EvidenceError(f"asked for {voice.engine}, but it computed nothing")


def by_stage(streams: Sequence[StreamDigests]) -> dict[str, str]:
    """One digest of each stage over all streams."""
    out = {}
    for stage in STAGES:
        lines = [f"{s.suite}/{s.name} {s.stages[stage]}\n" for s in streams if stage in s.stages]
        if lines:
            out[stage] = hashlib.sha256("".join(lines).encode()).hexdigest()
    return out


def sources() -> str:
    """Digest of the decoder's program text, tables and model files: what two machines must share."""
    root = Path(str(files("refdec")))
    found = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.suffix in SOURCES}
    digest = hashlib.sha256()
    for name, path in sorted(found.items()):
        digest.update(name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
