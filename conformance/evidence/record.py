"""Evidence on disk: one JSON object, every value of it checked when it is read.

A file comes from somebody else's machine: nothing in it is believed but that it has this form.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.evidence.collect import DIGEST, STAGES, StreamDigests, by_stage
from conformance.suite.fields import Fields, read_json
from conformance.verify.suite import SuiteError
from refdec.atomic_file import atomic_file

SCHEMA = "refconf-evidence-1"
MAX_BYTES = 16 << 20
MAX_STREAMS = 10_000
SHORT = r"[^\x00-\x1f\x7f-\x9f]{0,200}"
NAME = r"[A-Za-z0-9][A-Za-z0-9 ._,+()/-]{0,99}"
ENGINES = ("jit", "golden", "twin")
LAYOUTS = ("contiguous", "channels_last")
PRECISIONS = ("float64", "float32")
KINDS = ("native", "emulated")
CELL = re.compile(rf"(?:[0-9a-f]{{{DIGEST}}})?")
SOFTWARE = ("python", "numpy", "numba", "llvm", "torch")


@dataclass(frozen=True)
class Evidence:
    """One run on one machine.

    :param engine: ``asked``, ``ran`` (engines by part of the decoder), ``compiled``, threads, layout, device,
        precision.
    :param suites: digest by name of the suite.
    :param stages: SHA-256 by stage over all streams.
    :param streams: by suite and name, :data:`conformance.evidence.collect.DIGEST` digits by stage.
    :param disagreeing: streams that gave something else than their suite states.
    """

    target: str
    refdec: str
    sources: str
    machine: Mapping[str, Any]
    execution: Mapping[str, Any]
    software: Mapping[str, str | None]
    engine: Mapping[str, Any]
    instructions: Mapping[str, Any] | None
    suites: Mapping[str, str]
    seconds: float
    stages: Mapping[str, str]
    streams: Mapping[tuple[str, str], Mapping[str, str]]
    disagreeing: tuple[str, ...]


def digests_of(streams: Sequence[StreamDigests]) -> dict[str, Any]:
    """The parts of the file that hold digests."""
    table: dict[str, dict[str, list[str]]] = {}
    for s in streams:
        row = [s.stages.get(stage, "")[:DIGEST] for stage in STAGES]
        table.setdefault(s.suite, {})[s.name] = row
    return {
        "stages": by_stage(streams),
        "columns": list(STAGES),
        "streams": table,
        "disagreeing": [f"{s.suite}/{s.name}" for s in streams if not s.agrees],
    }


def write(path: Path, facts: Mapping[str, Any]) -> None:
    """One stream a line, so that two files can be compared by eye."""
    rest = dict(facts)
    streams = rest.pop("streams")
    text = json.dumps(rest, indent=1)[:-2]
    blocks = []
    for suite, rows in streams.items():
        lines = [f"   {json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items()]
        blocks.append(f"  {json.dumps(suite)}: {{\n" + ",\n".join(lines) + "\n  }")
    text += ',\n "streams": {\n' + ",\n".join(blocks) + "\n }\n}\n"
    with atomic_file(path) as file:
        file.write(text.encode())


def read(path: Path) -> Evidence:
    """:raises SuiteError: the file cannot be read, is too large, or is no evidence of this format."""
    fields = Fields(read_json(path, MAX_BYTES), path.name)
    if fields.any("schema") != SCHEMA:
        raise SuiteError(f"{path}: no evidence of format {SCHEMA}")
    seconds = fields.any("seconds")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds < 1e9:
        raise SuiteError(f"{path.name}.seconds: expected a number of seconds")
    return Evidence(
        target=fields.text("target", NAME),
        refdec=fields.text("refdec", SHORT),
        sources=fields.digest("sources"),
        machine=_machine(fields.object("machine")),
        execution=_execution(fields.object("execution")),
        software=_software(fields.object("software")),
        engine=_engine(fields.object("engine")),
        instructions=_instructions(fields.object("instructions")) if "instructions" in fields else None,
        suites=_named_digests(fields.object("suites"), 8),
        seconds=float(seconds),
        stages=_named_digests(fields.object("stages"), len(STAGES)),
        streams=_streams(fields),
        disagreeing=fields.strings("disagreeing", MAX_STREAMS),
    )


def _machine(fields: Fields) -> dict[str, Any]:
    return {
        "architecture": fields.text("architecture", r"[a-z0-9_]{1,20}"),
        "cpu": fields.text("cpu", SHORT),
        "byte_order": fields.choice("byte_order", ("little", "big")),
        "pointer_bits": fields.integer("pointer_bits", 32, 64),
        "processors": fields.integer("processors", 0, 1 << 16),
        "operating_system": fields.text("operating_system", SHORT),
    }


def _execution(fields: Fields) -> dict[str, Any]:
    return {"kind": fields.choice("kind", KINDS), "signs": fields.strings("signs", 8)}


def _software(fields: Fields) -> dict[str, str | None]:
    return {name: fields.text(name, SHORT) if name in fields else None for name in SOFTWARE}


def _engine(fields: Fields) -> dict[str, Any]:
    ran = fields.object("ran")
    compiled = fields.any("compiled")
    if compiled not in (True, False, None):
        raise SuiteError(f"{fields.place}.compiled: expected true, false or null")
    return {
        "asked": fields.choice("asked", ENGINES),
        "ran": {_name(ran, part): ran.strings(part, 3) for part in ran.names()},
        "compiled": compiled,
        "threads": fields.integer("threads", 1, 1024),
        "layout": fields.choice("layout", LAYOUTS),
        "device": fields.text("device", r"[a-z0-9:]{1,20}"),
        # Files from before there was a choice do not name it.
        "precision": fields.choice("precision", PRECISIONS) if "precision" in fields else PRECISIONS[0],
    }


def _instructions(fields: Fields) -> dict[str, Any]:
    counts = fields.object("counts")
    return {
        "target_cpu": fields.text("target_cpu", SHORT),
        "form": fields.choice("form", ("pairs", "single")),
        "main_tile": fields.integer("main_tile", 1, 64),
        "counts": {_name(counts, name): counts.integer(name, 0, 1 << 40) for name in counts.names()},
    }


def _named_digests(fields: Fields, most: int) -> dict[str, str]:
    if len(fields.names()) > most:
        raise SuiteError(f"{fields.place}: more than {most} entries")
    return {_name(fields, name): fields.digest(name) for name in fields.names()}


def _streams(fields: Fields) -> dict[tuple[str, str], dict[str, str]]:
    columns = fields.strings("columns", len(STAGES))
    if len(set(columns)) != len(columns) or not set(columns) <= set(STAGES):
        raise SuiteError(f"{fields.place}.columns: expected stages of a decoder, once each")
    suites = fields.object("streams")
    if not set(suites.names()) <= set(fields.object("suites").names()):
        raise SuiteError(f"{fields.place}.streams: of a suite without a digest")
    out: dict[tuple[str, str], dict[str, str]] = {}
    for suite in suites.names():
        rows = suites.object(_name(suites, suite))
        for name in rows.names():
            row = rows.strings(_name(rows, name), len(columns))
            if len(row) != len(columns) or not all(map(CELL.fullmatch, row)):
                raise SuiteError(f"{rows.place}.{name}: expected {len(columns)} digests of {DIGEST} digits")
            out[suite, name] = {stage: d for stage, d in zip(columns, row, strict=True) if d}
            if not out[suite, name]:  # nothing would be equal to nothing
                raise SuiteError(f"{rows.place}.{name}: a stream without a digest")
    if not 0 < len(out) <= MAX_STREAMS:
        raise SuiteError(f"{fields.place}.streams: expected 1 to {MAX_STREAMS} streams")
    return out


def _name(fields: Fields, name: str) -> str:
    if re.fullmatch(SHORT, name) is None:
        raise SuiteError(f"{fields.place}: a key that is no short name")
    return name
