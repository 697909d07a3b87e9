"""Targets of what comes as text: suites and their traces, forced decisions of the encoder."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np

from conformance.coverage.report import SCHEMA as COVERAGE
from conformance.coverage.universe import universe
from conformance.encoder.force_file import load_forced
from conformance.encoder.forced_elements import ForceError
from conformance.evidence.collect import DIGEST, STAGES
from conformance.evidence.compare import compare as compare_evidence
from conformance.evidence.record import SCHEMA
from conformance.evidence.record import read as read_evidence
from conformance.fuzz.json_mutator import mutate_json, mutate_lines
from conformance.fuzz.target import Finding, Target, answered, file_of
from conformance.mutants.report import SCHEMA as MUTANTS
from conformance.suite.contents import Contents, contents_of
from conformance.suite.measured import read_coverage, read_mutants
from conformance.suite.records import INDEX, PictureSuite, Record, checked_trace, open_pictures
from conformance.verify.suite import SuiteError, open_suite
from refdec.compare import compare
from refdec.trace import TraceError, read_trace

LINES = 6
OUTSIDE = b"what no manifest may name"
"""A file beside the streams of a suite of vectors."""


def suite_index(data: bytes) -> str:
    """``suite.json`` of a folder that holds nothing else; then every file that it names is asked for."""
    path = file_of(data, INDEX)

    def read() -> None:
        suite = open_pictures(path.parent)
        for record in suite.records:
            _ask(suite, record)
        contents_of(path.parent)

    return answered(read, SuiteError)


def _ask(suite: PictureSuite, record: Record) -> None:
    """Whatever a record names lies in the suite's folder, where nothing is but the index itself."""
    folder = suite.folder.resolve()
    with suppress(SuiteError):
        found = suite.models_folder(record)
        if found is not None and not found.resolve().is_relative_to(folder):
            raise Finding(f"the models' folder {found} is not in the suite")
    with suppress(SuiteError):
        suite.stream(record)
        raise Finding("a stream was read that is not there")
    if record.trace is not None:
        with suppress(SuiteError):
            suite.trace(record)
            raise Finding("a trace was read that is not there")


def manifest(data: bytes) -> str:
    """``manifest.json`` of a suite of vectors."""
    path = file_of(data, "manifest.json")
    file_of(b"{}", "payloads.json")
    file_of(OUTSIDE, "outside.jai")
    streams = path.parent / "streams"
    streams.mkdir(exist_ok=True)

    def read() -> None:
        for name in open_suite(path.parent).streams:
            if not (streams / name).resolve().is_relative_to(streams.resolve()):
                raise Finding(f"a stream was read that is not in the suite: {name}")
        (path.parent / INDEX).unlink(missing_ok=True)
        contents_of(path.parent)

    return answered(read, SuiteError)


def measured(data: bytes) -> str:
    """What was measured about a suite, for its page: coverage, or mutants."""
    path = file_of(data, "measured.json")
    first = answered(lambda: read_coverage(path, _suite()), SuiteError)
    second = answered(lambda: read_mutants(path, _suite()), SuiteError)
    return "ok" if "ok" in (first, second) else first


@cache
def _suite() -> Contents:
    return contents_of(_bundled("photos"))


def trace(data: bytes) -> str:
    """A trace: read, compared with itself and with a good one, and checked as one of a suite."""
    path, good = file_of(data, "trace.jsonl"), file_of(_good_trace(), "good.jsonl")

    def read() -> None:
        found, expected = read_trace(path), read_trace(good)
        if not all(isinstance(entry.get("region"), int | None) for entry in found.entries.values()):
            raise Finding("a trace with a region that is no integer")
        if found.entries and compare(found, found) is not None:
            raise Finding("a trace that differs from itself")
        str(compare(expected, found, common_only=True))
        str(compare(found, expected))

    first = answered(read, TraceError)
    second = answered(lambda: checked_trace(path), SuiteError)
    return "ok" if "ok" in (first, second) else first


def trace_values(data: bytes) -> str:
    """The archive of values beside a trace, asked for where the trace differs from a good one."""
    paths = []
    for name, digit, archive in (("left", "0", data), ("right", "1", _archive(1))):
        entry = {"point": "z_hat", "component": "Y", "region": None, "shape": [2, 3], "dtype": "int32"}
        lines = [{"refdec_trace": 1, "values": f"{name}.npz"}, entry | {"sha256": digit * 64}]
        file_of(archive, f"{name}.npz")
        paths.append(file_of("".join(json.dumps(line) + "\n" for line in lines).encode(), f"{name}.jsonl"))
    left, right = (read_trace(path) for path in paths)
    return answered(lambda: str(compare(left, right)), TraceError)


def _archive(first: int, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer, array = io.BytesIO(), io.BytesIO()
    np.save(array, np.arange(first, first + 6, dtype="<i4").reshape(2, 3))
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr(zipfile.ZipInfo("z_hat.Y.npy"), array.getvalue(), compression)
    return buffer.getvalue()


def _archives() -> Iterator[bytes]:
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        yield _archive(0, compression)


def evidence(data: bytes) -> str:
    """Evidence of what a machine decodes, and a comparison with itself."""
    path = file_of(data, "evidence.json")

    def read() -> None:
        found = read_evidence(path)
        if not compare_evidence(found, found).equal:
            raise Finding("evidence that differs from itself")

    return answered(read, SuiteError)


def forced(data: bytes) -> str:
    """A file of forced decisions for the encoder."""
    path = file_of(data, "force.json")
    return answered(lambda: load_forced(path), ForceError)


def _bundled(folder: str) -> Path:
    return Path(str(files("conformance").joinpath(folder)))


def _good_trace() -> bytes:
    return next(_traces())


def _traces() -> Iterator[bytes]:
    for path in sorted(_bundled("photos/traces").glob("*.jsonl"))[:6]:
        yield b"\n".join(path.read_bytes().split(b"\n")[:LINES]) + b"\n"


def _indices() -> Iterator[bytes]:
    index = json.loads((_bundled("photos") / INDEX).read_bytes())
    for part in range(0, len(index["streams"]), 4):
        yield json.dumps(index | {"streams": index["streams"][part : part + 2]}).encode()


def _manifests() -> Iterator[bytes]:
    whole = json.loads((_bundled("vectors") / "manifest.json").read_bytes())
    digest = hashlib.sha256(b"{}").hexdigest()
    short = {key: value[:2] if isinstance(value, list) else value for key, value in whole.items()}
    yield json.dumps(short | {"payloads_sha256": digest}).encode()
    yield json.dumps(short | {"payloads_sha256": digest, "streams": [], "malformed": []}).encode()


def _evidence() -> Iterator[bytes]:
    digest = hashlib.sha256(b"").hexdigest()
    columns = list(STAGES)
    yield json.dumps(
        {
            "schema": SCHEMA,
            "target": "x86-64 jit",
            "refdec": "0.1",
            "sources": digest,
            "machine": {
                "architecture": "x86_64", "cpu": "any", "byte_order": "little", "pointer_bits": 64,
                "processors": 2, "operating_system": "Linux",
            },
            "execution": {"kind": "native", "signs": []},
            "software": {"python": "3.11", "numpy": "2", "numba": None},
            "engine": {
                "asked": "jit", "ran": {"entropy": ["jit"]}, "compiled": True, "threads": 1,
                "layout": "contiguous", "device": "cpu",
            },
            "instructions": {"target_cpu": "a", "form": "pairs", "main_tile": 8, "counts": {"vpaddd": 3}},
            "suites": {"vectors": digest},
            "seconds": 1.5,
            "stages": {columns[0]: digest},
            "columns": columns,
            "streams": {"vectors": {"plain": [digest[:DIGEST]] + [""] * (len(columns) - 1)}},
            "disagreeing": [],
        }
    ).encode()  # fmt: skip


def _measured() -> Iterator[bytes]:
    streams, points = _suite().streams[:2], universe()
    groups = {
        name: {
            "covered": 3,
            "missing": points[name][:2],
            "unreachable": dict.fromkeys(points[name][2:3], "why"),
        }
        for name in list(points)[:4]
    }
    sizes = [{"name": stream.name, "bytes": stream.bytes} for stream in streams]
    yield json.dumps({"schema": COVERAGE, "refdec": "0", "streams": sizes, "groups": groups}).encode()
    mutants = [{"name": "a", "description": "b", "verdict": verdict} for verdict in ("killed", "survived")]
    names = [stream.name for stream in streams]
    yield json.dumps({"schema": MUTANTS, "refdec": "0", "streams": names, "mutants": mutants}).encode()


def _forced() -> Iterator[bytes]:
    yield json.dumps(
        {
            "elements": {"PIH.level_idc": 52, "cube_flag": "random", "fL": [1, 2, 3]},
            "header_only": {"model_id": 3},
            "symbols": [{"component": "Y", "values": [1, -2, "escape"], "every": 3, "first": 1}],
            "hyper_latent": [{"component": "UV", "values": [31], "at": [1, 0, 0]}],
            "order": ["PIH", "SOZ"],
            "leave_out": "RDI",
            "surplus": {"SOZ": "00ff"},
            "padding": 3,
            "trailing": "0102",
        }
    ).encode()
    yield b"{}"


TARGETS = (
    Target(
        "suite", "suite.json, the files that it names, and what its page says.", suite_index, _indices,
        mutate_json, 16384, share=2,
        modules=tuple(f"conformance/suite/{name}.py" for name in ("records", "fields", "contents")),
    ),
    Target(
        "manifest", "manifest.json of a suite of vectors.", manifest, _manifests, mutate_json, 8192,
        share=1, modules=("conformance/verify/suite.py",),
    ),
    Target(
        "trace", "A trace, read and compared.", trace, _traces, mutate_lines, 8192, share=2,
        modules=("refdec/trace.py", "refdec/compare.py", "conformance/suite/records.py"),
    ),
    Target(
        "trace-values", "The values beside a trace.", trace_values, _archives, None, 2048, share=1,
        modules=("refdec/compare.py", "refdec/array_file.py"),
    ),
    Target(
        "evidence", "Evidence of what another machine decodes, read and compared.", evidence, _evidence,
        mutate_json, 4096, share=1,
        modules=("conformance/evidence/record.py", "conformance/suite/fields.py"),
    ),
    Target(
        "measured", "What was measured about a suite: coverage, mutants.", measured, _measured, mutate_json,
        4096, share=1, modules=("conformance/suite/measured.py", "conformance/suite/fields.py"),
    ),
    Target(
        "force", "A file of forced decisions of the encoder.", forced, _forced, mutate_json, 4096, share=1,
        modules=("conformance/encoder/force_file.py", "conformance/encoder/forced_elements.py"),
    ),
)  # fmt: skip
