"""The mutators that know a syntax: what they make is of that syntax, and changes what it should."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from conformance.fuzz import checkpoints
from conformance.fuzz.bytes_mutator import mutate_bytes
from conformance.fuzz.checkpoint_mutator import mutate_checkpoint
from conformance.fuzz.json_mutator import mutate_json, mutate_lines
from conformance.fuzz.model_mutator import mutate_model
from conformance.fuzz.models import small_graphs
from conformance.fuzz.seeds import base_streams
from conformance.fuzz.syntax_mutator import mutate_container, mutate_stream
from conformance.fuzz.target import Finding, targets
from conformance.importer.checkpoint import Checkpoint, read_checkpoint
from refdec.codestream import parse
from refdec.codestream.container import split
from refdec.errors import BitstreamError, ModelError
from refdec.integer import Model
from refdec.integer.model_file import model_bytes, read_model
from refdec.limits import DEFAULT_LIMITS


def changed_elements(before: bytes, after: bytes) -> set[str]:
    """Ids of header elements whose values differ; nothing where the headers cannot be read."""
    try:
        old, new = (parse(data, check_conformance=False).header_fields for data in (before, after))
    except BitstreamError:
        return set()
    values = {(record.segment, record.name): record.value for record in old}
    return {r.id for r in new if values.get((r.segment, r.name), r.value) != r.value}


def test_streams_stay_streams_and_every_kind_of_element_changes() -> None:
    random = Random(1)
    streams = list(base_streams(2500))
    ids: set[str] = set()
    sound = tried = 0
    # Which elements a change meets depends on the suite's streams: some are met late.
    while tried < 300 or (tried < 3000 and not ({"CS-PIH-06", "CS-PIH-30"} <= ids)):
        data = random.choice(streams)
        after = mutate_stream(data, random, mutate_bytes)
        ids |= changed_elements(data, after)
        tried += 1
        try:
            split(after, DEFAULT_LIMITS)
        except BitstreamError:
            continue
        sound += 1
    assert sound > 0.7 * tried
    assert len(ids) > 40, sorted(ids)
    assert {"CS-PIH-06", "CS-PIH-30"} <= ids and any(name.startswith("CS-TON") for name in ids)


def test_equal_random_numbers_give_equal_changes() -> None:
    for data in base_streams(2500):
        for mutate in (mutate_stream, mutate_container):
            first, second = (mutate(data, Random(7), mutate_bytes) for _ in range(2))
            assert first == second


@pytest.mark.parametrize("name", ["residual", "residual-calls", "z", "quality-map"])
def test_half_of_the_payloads_are_whole(name: str) -> None:
    target, random = targets()[name], Random(6)
    assert target.mutator is not None
    data = [b"", b"\x00" * 9, *list(target.seeds())[::20]]
    results = Counter(target.run(target.mutator(data[i % 5], random, mutate_bytes)) for i in range(100))
    assert results["ok"] > 35, results


def test_what_is_no_stream_is_changed_too() -> None:
    random = Random(2)
    for data in (b"", b"\xff\x80", b"\xff\x80\xff\x81", bytes(40)):
        for _ in range(20):
            assert isinstance(mutate_stream(data, random, mutate_bytes), bytes)


def test_models_are_sealed_again() -> None:
    """Most changes get past the digest; some are still models, others are refused for what they are."""
    random = Random(3)
    graphs = dict(small_graphs())
    reasons: Counter[str] = Counter()
    for _ in range(300):
        name = random.choice(list(graphs))
        data = mutate_model(model_bytes(Model("graph", {name: graphs[name]})), random, mutate_bytes)
        try:
            read_model(data)
            reasons["model"] += 1
        except ModelError as error:
            reasons["digest" if "digest of the content" in str(error) else "other"] += 1
    assert reasons["model"] > 30 and reasons["other"] > 100 and reasons["digest"] < 100, reasons


def test_json_stays_json() -> None:
    random = Random(4)
    data = json.dumps({"a": [1, {"b": "c"}], "d": None, "e": [[0.5]]}).encode()
    kept = 0
    for _ in range(200):
        try:
            json.loads(mutate_json(data, random, mutate_bytes))
            kept += 1
        except (ValueError, RecursionError):
            continue
    assert kept > 150
    assert all(isinstance(mutate_lines(data + b"\n" + data, random, mutate_bytes), bytes) for _ in range(50))


def test_checkpoints_stay_archives_and_call_what_must_not_be_called() -> None:
    """Changed checkpoints hold pickles that call our function, were they ever executed; none is."""
    random = Random(5)
    data = list(checkpoints.TARGETS[0].seeds())[1]
    archives = calls = 0
    for _ in range(200):
        after = mutate_checkpoint(data, random, mutate_bytes)
        calls += b"called_by_a_pickle" in after
        try:
            with zipfile.ZipFile(io.BytesIO(after)) as archive:
                archives += bool(archive.namelist())
        except (zipfile.BadZipFile, ValueError, NotImplementedError):
            continue
        checkpoints.checkpoint(after)
    assert archives > 150 and calls > 5, (archives, calls)


def test_damaged_archives_are_changed_too() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", bytes(range(200)))
    whole = buffer.getvalue()
    random = Random(7)
    for place in range(0, len(whole), 3):
        damaged = whole[:place] + bytes([whole[place] ^ 0x5A]) + whole[place + 1 :]
        assert isinstance(mutate_checkpoint(damaged, random, mutate_bytes), bytes)


def test_a_call_from_a_pickle_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(path: Path, name: str) -> Checkpoint:
        pickle.loads(b"cconformance.fuzz.checkpoints\ncalled_by_a_pickle\n(tR.")
        return read_checkpoint(path, name)

    data = list(checkpoints.TARGETS[0].seeds())[1]
    assert checkpoints.checkpoint(data) == "ok"
    monkeypatch.setattr(checkpoints, "read_checkpoint", careless)
    with pytest.raises(Finding, match="called"):
        checkpoints.checkpoint(data)
