"""Makes the bundled suite: the same seed gives the same bytes on every machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from conformance.verify import synthetic
from conformance.verify.build import build_stream
from conformance.verify.cases import CASES, Case
from conformance.verify.malformed import Malformed, make_malformed
from conformance.verify.payload_vectors import make_payload_vectors
from conformance.verify.suite import FORMAT_VERSION
from refdec import entropy, trace
from refdec.codestream import Dialect, parse
from refdec.decoder import Settings, decode_payloads
from refdec.errors import BitstreamError
from refdec.limits import DEFAULT_LIMITS
from refdec.models_io import MODEL_IDS, ModelSet

SEED = 20250
_REFERENCE = "golden"


def write_suite(
    folder: Path, seed: int = SEED, progress: Callable[[str], None] = lambda _name: None
) -> dict[str, Any]:
    """Write the suite into a folder; what else is there of earlier suites is removed.

    :returns: the manifest.
    """
    (folder / "streams").mkdir(parents=True, exist_ok=True)
    for old in (folder / "streams").glob("*.jai"):
        old.unlink()
    files = make_suite(seed, progress)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    manifest: dict[str, Any] = json.loads(files["manifest.json"])
    return manifest


def make_suite(seed: int, progress: Callable[[str], None] = lambda _name: None) -> dict[str, bytes]:
    """All files of the suite by path."""
    engine = entropy.engine(_REFERENCE)
    models = synthetic.model_set(seed)
    files: dict[str, bytes] = {}
    streams, built = [], {}
    for index, case in enumerate(CASES):
        progress(case.name)
        built[case.name] = build_stream(case, seed + 1 + index, models, engine)
        streams.append(_stream_entry(case, built[case.name], models))
    malformed = []
    for defect in make_malformed(built["plain-64x64"], built["threads-16"], built["dis"], engine):
        progress(defect.name)
        malformed.append(_malformed_entry(defect, models))
        files[f"streams/{malformed[-1]['file']}"] = defect.data
    files |= {f"streams/{case.name}.jai": built[case.name] for case in CASES}
    files["payloads.json"] = _json(make_payload_vectors(seed, engine))
    digests = {name: d for m in MODEL_IDS for name, d in models.entropy_digests(m).items()}
    files["manifest.json"] = _json(
        {
            "refconf_suite": FORMAT_VERSION,
            "seed": seed,
            "models": {"seed": seed, "sha256": digests},
            "payloads_sha256": hashlib.sha256(files["payloads.json"]).hexdigest(),
            "streams": streams,
            "malformed": malformed,
        }
    )
    return files


def _stream_entry(case: Case, data: bytes, models: ModelSet) -> dict[str, Any]:
    digests: dict[str, str] = {}

    def observe(point: str, component: str, region: int | None, tensor: npt.NDArray[np.generic]) -> None:
        digests[trace.key(point, component, region)] = trace.digest(tensor, trace.POINTS[point].dtype)

    settings = Settings(_REFERENCE, channels=case.keep, quality_rounding=case.rounding)
    decode_payloads(parse(data, Dialect(case.dialect)), models, settings, DEFAULT_LIMITS, observe)
    recipe = {k: v for k, v in asdict(case).items() if k not in ("name", "purpose", "left_out")}
    return {
        "name": case.name,
        "purpose": case.purpose,
        "file": f"{case.name}.jai",
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "dialect": case.dialect,
        "channels": case.keep,
        "quality_rounding": case.rounding,
        "recipe": {**recipe, "left_out": [sorted(regions) for regions in case.left_out]},
        "expect": digests,
    }


def _malformed_entry(defect: Malformed, models: ModelSet) -> dict[str, Any]:
    try:
        decode_payloads(parse(defect.data, defect.dialect), models, Settings(_REFERENCE))
    except BitstreamError as error:
        expect = {"error": type(error).__name__, "element": error.element, "bit_offset": error.bit_offset}
    else:
        raise ValueError(f"{defect.name} is not malformed: it decodes")
    return {
        "name": defect.name,
        "purpose": defect.purpose,
        "file": f"bad-{defect.name}.jai",
        "sha256": hashlib.sha256(defect.data).hexdigest(),
        "dialect": defect.dialect.value,
        "expect": expect,
    }


def _json(value: object) -> bytes:
    """JSON with one vector or record a line: small, and readable in a diff."""
    if isinstance(value, dict):
        lines = []
        for key, part in value.items():
            if isinstance(part, list) and part and isinstance(part[0], dict):
                rows = ",\n".join("  " + json.dumps(row) for row in part)
                lines.append(f" {json.dumps(key)}: [\n{rows}\n ]")
            else:
                lines.append(f" {json.dumps(key)}: {json.dumps(part)}")
        return ("{\n" + ",\n".join(lines) + "\n}\n").encode()
    return (json.dumps(value) + "\n").encode()
