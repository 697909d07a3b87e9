"""Writes a suite of pictures as Fluster's: one JSON file a group, input files, models, a launcher.

MD5 is what Fluster compares; ``manifest.json`` has the SHA-256 of every file. A stream that must be refused
is an ordinary vector whose result is ``reject:CLASS``: Fluster's own negative suites count a proper refusal
as an error and an acceptance as a success.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import unittest
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from conformance.fluster.layout import ordered, output_format, pixel_format
from conformance.suite.records import GROUPS, PictureSuite, Record
from conformance.verify.engines import settings_of
from conformance.verify.outcome import planar_bytes, planar_digest
from conformance.verify.suite import SuiteError
from refdec.codestream import parse
from refdec.decoder import decode_picture
from refdec.models_io import bundled_models, open_models

OURS = {
    "name": "refdec",
    "description": "refdec, exact integer reference decoder for JPEG AI",
    "command": [
        "{python}", "-m", "conformance.fluster.decode",
        "{input}", "{output}", "{dialect}", "{rounding}", "{point}", "{channels}", "{models}",
    ],
    "rejects": [3, 4, 5],
    "planes": "gbr",
}  # fmt: skip


@dataclass(frozen=True)
class Foreign:
    """Another decoder for the launcher.

    :param command: words with ``{input}`` and ``{output}`` in them.
    :param rejects: exit codes by which it refuses a stream; every other one but 0 is an error.
    :param planes: order in which it writes RGB: ``gbr`` as the pixel format says, or ``rgb``.
    """

    name: str
    command: tuple[str, ...]
    rejects: tuple[int, ...]
    planes: str = "gbr"


def export(suite: PictureSuite, folder: Path, foreign: Sequence[Foreign] = ()) -> dict[str, int]:
    """Write everything into a folder; what an earlier export left there is replaced.

    :returns: number of vectors by the name of their suite.
    :raises SuiteError: a stream is not what its record says, or does not decode to it.
    """
    for part in ("test_suites", "resources", "models"):
        shutil.rmtree(folder / part, ignore_errors=True)
    (folder / "test_suites").mkdir(parents=True)
    counts = {}
    slug = re.sub(r"[^a-z0-9]+", "-", suite.name.lower()).strip("-")
    for group in GROUPS:
        records = [record for record in suite.records if record.group == group]
        if not records:
            continue
        name = f"{slug}-{group}"
        vectors = [_vector(suite, record, folder, folder / "resources" / name) for record in records]
        index = {
            "name": name,
            "codec": "Dummy",
            "description": f"JPEG AI, {group}: {suite.description}",
            "test_method": "md5",
            "test_vectors": vectors,
        }
        _write_json(folder / "test_suites" / f"{name}.json", index)
        counts[name] = len(vectors)
    decoders: list[dict[str, Any]] = [OURS]
    for each in foreign:
        facts = {"command": list(each.command), "rejects": list(each.rejects), "planes": each.planes}
        decoders.append({"name": each.name, "description": "given to refconf fluster", **facts})
    _write_json(folder / "decoders.json", decoders)
    source = files("conformance").joinpath("fluster/launch.py").read_text(encoding="utf-8")
    (folder / "launch.py").write_text(source, encoding="utf-8")
    _write_manifest(folder)
    return counts


def _vector(suite: PictureSuite, record: Record, folder: Path, resources: Path) -> dict[str, Any]:
    # Fluster makes the name an attribute of a unittest case.
    name = f"{record.name}-stream" if hasattr(unittest.TestCase, record.name) else record.name
    data = suite.stream(record)
    target = resources / name / f"{record.name}.jai"
    target.parent.mkdir(parents=True)
    target.write_bytes(data)
    facts: dict[str, Any] = {
        "group": record.group,
        "dialect": record.dialect.value,
        "rounding": record.quality_rounding,
        "point": record.operating_point,
    }
    if record.channels is not None:
        facts["channels"] = record.channels
    if record.model_set is not None:
        facts["models"] = f"models/{record.model_set}"
        copy, own = folder / facts["models"], suite.whole_models_folder(record)
        if own is not None and not copy.exists():
            shutil.copytree(own, copy)
    vector = {"name": name, "source": "", "source_checksum": "__skip__", "input_file": target.name}
    if record.picture is None:
        assert record.rejection is not None
        facts["reject"] = f"reject:{record.rejection.error}"
        return {**vector, "output_format": "None", "result": facts["reject"], "optional_params": facts}
    facts["pixel_format"] = pixel_format(record.picture)
    facts["bytes"] = record.picture.planar_bytes
    return {
        **vector,
        "output_format": output_format(record.picture),
        "result": _md5(suite, record, data),
        "optional_params": facts,
    }


def _md5(suite: PictureSuite, record: Record, data: bytes) -> str:
    """MD5 of the picture that the record states by its SHA-256."""
    assert record.picture is not None
    own = suite.whole_models_folder(record)
    models = bundled_models() if own is None else open_models(own)
    planes = decode_picture(parse(data, record.dialect), models, settings_of(record, "jit")).planes
    if planar_digest(planes) != record.planar_sha256:
        raise SuiteError(f"{record.name} does not decode to the picture that its record states")
    rgb = record.picture.planes == ("R", "G", "B")
    return hashlib.md5(planar_bytes(ordered(planes, rgb)), usedforsecurity=False).hexdigest()


def _write_manifest(folder: Path) -> None:
    names = [folder / "launch.py", folder / "decoders.json"]
    for part in ("test_suites", "resources", "models"):
        names += sorted(path for path in (folder / part).rglob("*") if path.is_file())
    digests = {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in names}
    _write_json(folder / "manifest.json", {"sha256": digests})


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
