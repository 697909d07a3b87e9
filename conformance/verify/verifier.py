"""Runs a suite through the engines and says, for every vector, whether it gives what it must."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from conformance.encoder.payloads import encode_payloads
from conformance.verify import payload_vectors, synthetic
from conformance.verify.outcome import Outcome, Status
from conformance.verify.suite import Suite
from refdec import entropy, trace
from refdec.codestream import Codestream, Dialect, parse
from refdec.decoder import EntropyResult, Settings, decode_payloads
from refdec.entropy import EntropyEngine
from refdec.entropy.tables import (
    DECODE_DIGEST,
    ENCODE_DIGEST,
    STATE_MAP_DIGEST,
    coder_tables,
    fnv1a64,
)
from refdec.errors import BitstreamError
from refdec.limits import DEFAULT_LIMITS
from refdec.models_io import MODEL_IDS, ModelSet

ENGINES = ("golden", "jit")


def verify_suite(
    suite: Suite, engines: Sequence[str] = ENGINES, progress: Callable[[str], None] = lambda _name: None
) -> list[Outcome]:
    """One verdict for every vector and engine; a check that raises is a check that failed."""
    verdicts: list[Outcome] = []

    def check(name: str, group: str, engine: str, body: Callable[[], str]) -> None:
        progress(f"{group} {name} {engine}")
        start = time.perf_counter()
        status: Status = "pass"
        try:
            detail = body()
        except Mismatch as mismatch:
            detail, status = str(mismatch), "mismatch"
        except Exception as error:
            # A verifier reports whatever an engine does; nothing may hide the other verdicts.
            detail, status = f"{type(error).__name__}: {' '.join(str(error).split())}", "error"
        verdicts.append(Outcome(name, group, engine, status, detail, time.perf_counter() - start))

    models = _models(suite)
    for engine in engines:
        check("coder-tables", "tables", engine, _check_tables)
        check("model-digests", "models", engine, lambda: _check_models(suite, models))
        for entry in payload_names(suite.payloads):
            check(entry, "payload", engine, lambda e=engine, n=entry: _check_payload(suite, e, n))
        for entry in suite.manifest["streams"]:
            check(
                entry["name"], "stream", engine, lambda e=engine, v=entry: check_stream(v, suite, models, e)
            )
        for entry in suite.manifest["malformed"]:
            check(
                entry["name"],
                "malformed",
                engine,
                lambda e=engine, v=entry: check_malformed(v, suite, models, e),
            )
    return verdicts


class Mismatch(Exception):
    """A vector that does not give what it must."""


def _models(suite: Suite) -> ModelSet:
    return synthetic.model_set(int(suite.manifest["models"]["seed"]))


def _check_tables() -> str:
    tables = coder_tables()
    for what, array, expected in (
        ("decode", tables.decode.astype("<u4"), DECODE_DIGEST),
        ("state map", tables.state_map, STATE_MAP_DIGEST),
        ("encode", tables.encode.astype("<u4"), ENCODE_DIGEST),
    ):
        found = fnv1a64(array.tobytes())
        if found != expected:
            raise Mismatch(f"{what} table: FNV-1a {found:016x}, expected {expected:016x}")
    return "the three published digests of the coder tables"


def _check_models(suite: Suite, models: ModelSet) -> str:
    stated = suite.manifest["models"]["sha256"]
    found = {name: d for m in MODEL_IDS for name, d in models.entropy_digests(m).items()}
    wrong = [name for name in stated if stated[name] != found.get(name)]
    if wrong:
        raise Mismatch(f"the seeded model differs from the manifest's: {', '.join(wrong)}")
    return "digests of the seeded models"


def payload_names(payloads: Mapping[str, Any]) -> list[str]:
    """Names of all payload vectors."""
    return [vector["name"] for kind in ("residual", "z", "quality_map") for vector in payloads[kind]]


def _check_payload(suite: Suite, engine: str, name: str) -> str:
    chosen = {
        kind: [vector for vector in vectors if vector["name"] == name]
        for kind, vectors in suite.payloads.items()
    }
    for _, wrong in payload_vectors.check_payload_vectors(chosen, entropy.engine(engine)):
        if wrong:
            raise Mismatch(f"{', '.join(wrong)} differ")
    return "decoded values, encoded bytes"


def check_stream(entry: Mapping[str, Any], suite: Suite, models: ModelSet, engine: str) -> str:
    """Decode a stream and compare every tensor; encode what was decoded and compare every payload.

    :raises Mismatch: something differs; the first tensor in decoding order is named.
    """
    data = suite.streams[entry["file"]]
    found: dict[str, str] = {}

    def observe(point: str, component: str, region: int | None, tensor: npt.NDArray[np.generic]) -> None:
        found[trace.key(point, component, region)] = trace.digest(tensor, trace.POINTS[point].dtype)

    stream = parse(data, Dialect(entry["dialect"]))
    settings = Settings(engine, channels=entry.get("channels"), quality_rounding=entry["quality_rounding"])
    result = decode_payloads(stream, models, settings, DEFAULT_LIMITS, observe)
    expected = entry["expect"]
    for name, digest in expected.items():
        if found.get(name) != digest:
            raise Mismatch(f"{name}: sha256 {found.get(name, 'absent')}, expected {digest}")
    if found.keys() != expected.keys():
        raise Mismatch(f"tensors that the manifest does not know: {sorted(found.keys() - expected.keys())}")
    if entry.get("channels") is None:
        check_encoding(stream, result, models, entropy.engine(engine), entry["quality_rounding"])
        return f"{len(found)} tensors, all payloads re-encoded: {entry['purpose']}"
    return f"{len(found)} tensors: {entry['purpose']}"


def check_encoding(
    stream: Codestream,
    result: EntropyResult,
    models: ModelSet,
    engine: EntropyEngine,
    quality_rounding: entropy.Rounding,
) -> int:
    """Encode decoded symbols and compare with the stream's payloads, thread tables included.

    :returns: number of payloads.
    :raises Mismatch: a payload differs.
    """
    picture = stream.picture
    coded = [stream.residual_payloads(c) for c in (0, 1)]
    left_out = [frozenset(i for i, p in enumerate(part) if p is None) for part in coded]
    made = encode_payloads(
        picture,
        (models.entropy(picture.model_id, 0), models.entropy(picture.model_id, 1)),
        [component.z_hat for component in result.components],
        [component.residual for component in result.components],
        result.quality_map,
        engine,
        quality_rounding=quality_rounding,
        left_out=left_out,
    )
    pairs = [(stream.z_payload(), made.z), (stream.quality_payload(), made.quality)]
    pairs += [pair for c in (0, 1) for pair in zip(coded[c], made.residual[c], strict=True)]
    count = 0
    for payload, data in pairs:
        if payload is None:
            continue
        count += 1
        if payload.data != data:
            raise Mismatch(f"{payload.element}: encoding the decoded symbols gives other bytes")
    return count


def check_malformed(entry: Mapping[str, Any], suite: Suite, models: ModelSet, engine: str) -> str:
    """Decode a stream that must be rejected.

    :raises Mismatch: it is not rejected, or for another reason or at another place than stated.
    """
    try:
        stream = parse(suite.streams[entry["file"]], Dialect(entry["dialect"]))
        decode_payloads(stream, models, Settings(engine))
    except BitstreamError as error:
        found = {"error": type(error).__name__, "element": error.element, "bit_offset": error.bit_offset}
        if found != entry["expect"]:
            raise Mismatch(f"rejected as {found}, expected {entry['expect']}") from error
        return f"{entry['expect']['error']}: {entry['purpose']}"
    raise Mismatch(f"accepted, expected {entry['expect']['error']}")
