"""Our own engines as judged by the suite; and what tampering looks like, in `verify` and in `compare`."""

from __future__ import annotations

import hashlib
import json
import shutil
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conformance import twin
from conformance.cli import app
from conformance.suite.records import PictureSuite, Record, open_pictures
from conformance.verify.engines import judge, settings_of, voice
from conformance.verify.outcome import Outcome
from conformance.verify.suite import SuiteError
from refdec import cli
from refdec.codestream import Marker, parse
from refdec.decoder import OperatingPointError, decode_picture
from refdec.entropy.golden import dequantise
from refdec.entropy.tables import SCALE_INDEX_MIN
from refdec.errors import BitstreamError
from refdec.integer import Model, load_model, save_model
from refdec.integer.golden import convolution
from refdec.models_io import ModelSet, open_models
from tests.cli.commands import Done, call
from tests.verify.test_suite_format import edit

Capture = pytest.CaptureFixture[str]


def record_of(suite: PictureSuite, name: str) -> Record:
    return next(record for record in suite.records if record.name == name)


def judged(suite: PictureSuite, models: ModelSet, engine: str, name: str) -> Outcome:
    return judge(suite, record_of(suite, name), engine, models)


@pytest.mark.parametrize("engine", ["jit", "golden", "twin"])
def test_three_voices_agree_on_every_tensor(suite: PictureSuite, models: ModelSet, engine: str) -> None:
    for record in suite.records:
        verdict = judge(suite, record, engine, models)
        assert verdict.status == "pass", verdict
        if record.group != "must-reject":
            assert verdict.detail == f"{len(suite.trace(record).entries)} tensors"


def test_the_twin_in_float32_agrees_on_every_tensor(
    suite: PictureSuite, models: ModelSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(twin, "run", partial(twin.run, precision="float32"))
    for record in suite.records:
        verdict = judge(suite, record, "twin", models)
        assert verdict.status == "pass", verdict


def test_the_twin_is_really_asked(
    suite: PictureSuite, models: ModelSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every graph of a decode goes through it, and a twin that is wrong is found out."""
    graphs: list[int] = []
    right = twin.run

    def wrong(graph: Any, inputs: Any, size: Any, **options: Any) -> Any:
        graphs.append(id(graph))
        out = right(graph, inputs, size, **options)
        if "mu" in out:
            out["mu"][3, 0, 0] += 1
        return out

    monkeypatch.setattr(twin, "run", wrong)
    verdict = judged(suite, models, "twin", "first")
    assert verdict.status == "mismatch" and verdict.divergence is not None
    found = verdict.divergence
    assert (found["point"], found["component"], found["index"]) == ("mu.0", "Y", (3, 0, 0))
    assert found["found"] == found["expected"] + 1
    # scale decoder and hyper-decoder of both components, four means, eight sums, two syntheses
    assert len(set(graphs)) == 2 + 2 + 4 + 8 + 2


def test_outside_of_its_block_the_twin_is_not_asked(suite: PictureSuite, models: ModelSet) -> None:
    with voice("twin"), voice("golden") as name:
        assert name == "golden"
    with voice("jit") as name:
        assert name == "jit"
    assert judged(suite, models, "golden", "first").status == "pass"


def trace_pair(stream: Path, models: tuple[Path, Path], capsys: Capture, folder: Path, *words: str) -> Done:
    """Two traces with values, and what `refdec compare` says of them."""
    for name, root in zip(("right", "found"), models, strict=True):
        done = call(
            cli.app, capsys, "trace", stream, "--models", root, "-o", folder / f"{name}.jsonl",
            "--values", folder / f"{name}.npz", "--engine", "golden", "--operating-point", "sop", *words,
        )  # fmt: skip
        assert done.code == 0, done.err
    return call(cli.app, capsys, "compare", folder / "right.jsonl", folder / "found.jsonl")


def test_one_weight(
    suite: PictureSuite, suite_folder: Path, models_folder: Path, tmp_path: Path, capsys: Capture
) -> None:
    """A model with one other weight and a digest of its own that is right: the suite knows the model."""
    folder = Path(shutil.copytree(models_folder, tmp_path / "models"))
    file = folder / "model0/latent_Y.safetensors"
    model = load_model(file)
    weight = model.graphs["mcm.0"].node("mu").tensors["weight"]
    weight.flags.writeable = True
    weight[np.unravel_index(int(np.argmax(np.abs(weight))), weight.shape)] *= -1
    save_model(file, Model(model.kind, model.graphs, model.constants, model.provenance))

    done = call(
        app, capsys, "verify", suite_folder, "--models", folder, "--engine", "golden", "--only", "first",
        "-j", 0,
    )  # fmt: skip
    assert done.code == 1 and "\tmismatch\t" in done.out
    assert "first divergence: mu.0, component Y" in done.out
    assert "other model than the suite's: model0/latent_Y.safetensors" in done.out

    stream = suite_folder / record_of(suite, "first").file
    done = trace_pair(stream, (models_folder, folder), capsys, tmp_path)
    assert done.code == 1 and "first divergence: mu.0, component Y, channel" in done.out
    assert "AR-LAT-03" in done.out


def test_one_byte_of_a_model_file(
    suite_folder: Path, models_folder: Path, tmp_path: Path, capsys: Capture
) -> None:
    """The file's own digest is wrong: it is not even loaded."""
    folder = Path(shutil.copytree(models_folder, tmp_path / "models"))
    file = folder / "model0/sop_Y.safetensors"
    data = bytearray(file.read_bytes())
    data[-9] ^= 1
    file.write_bytes(data)
    done = call(
        app, capsys, "verify", suite_folder, "--models", folder, "--engine", "jit", "--only", "first", "-j", 0
    )
    assert done.code == 1 and "\terror\t" in done.out and "digest" in done.out


def test_one_table_entry(suite: PictureSuite, models: ModelSet, monkeypatch: pytest.MonkeyPatch) -> None:
    """One entry of the gain table that the golden dequantisation uses is off by one."""
    gain = models.entropy(0, 0).gain_log
    wrong = np.array(dequantise.scaler_table())
    channel = 5
    wrong[int(gain[channel]) - SCALE_INDEX_MIN] += 1
    monkeypatch.setattr(dequantise, "scaler_table", lambda: wrong)
    verdict = judged(suite, models, "golden", "first")
    assert verdict.status == "mismatch" and verdict.divergence is not None
    found = verdict.divergence
    assert (found["point"], found["component"]) == ("residual_dequantised", "Y")
    # the fast engine still has the right table, and so the first wrong element is known
    assert found["index"] is not None and gain[found["index"][0]] == gain[channel]
    assert "AR-DEQ" in found["clause"]


def test_one_byte_of_a_stream(suite: PictureSuite, models: ModelSet, copied: Path) -> None:
    """The file is not the one that the index means; and if the index is changed too, a stage is wrong."""
    record = record_of(suite, "odd")
    data = silent_change(suite.stream(record), record, models)
    (copied / record.file).write_bytes(data)
    with pytest.raises(SuiteError, match="is not the file that the index means"):
        judged(open_pictures(copied), models, "golden", "odd")
    digest = hashlib.sha256(data).hexdigest()
    edit(copied, lambda index: index["streams"][1].update(sha256=digest))
    verdict = judged(open_pictures(copied), models, "golden", "odd")
    assert verdict.status == "mismatch" and "first divergence: " in verdict.detail


def silent_change(data: bytes, record: Record, models: ModelSet) -> bytes:
    """The stream with one bit of a header changed, such that it decodes to another picture of the same size.

    Payloads have no such bits: every change of one of them is noticed at its end.
    """
    settings = settings_of(record, "jit")
    stream = parse(data)
    right = decode_picture(stream, models, settings).planes
    for part in (stream.substreams_of(Marker.TON)[0], stream.substreams_of(Marker.PIH)[0]):
        for bit in range(8 * part.payload_offset, 8 * (part.payload_offset + len(part.payload))):
            other = bytearray(data)
            other[bit // 8] ^= 128 >> bit % 8
            with suppress(BitstreamError, OperatingPointError):
                found = decode_picture(parse(bytes(other)), models, settings).planes
                same_size = [a.shape for a in right] == [b.shape for b in found]
                if same_size and not all(map(np.array_equal, right, found)):
                    return bytes(other)
    raise AssertionError("no such bit")


def test_one_rounding(
    suite: PictureSuite,
    suite_folder: Path,
    models: ModelSet,
    models_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    """Halves down instead of up in the shift behind one engine's convolutions."""
    right = convolution.finish

    def halves_down(acc: Any, node: Any, *more: Any) -> Any:
        return right(acc - 1, node, *more) if node.name == "psi" else right(acc, node, *more)

    stream = suite_folder / record_of(suite, "first").file
    command = ("trace", stream, "--models", models_folder, "--engine", "golden", "--operating-point", "sop")
    for name in ("a", "b"):
        if name == "b":
            monkeypatch.setattr(convolution, "finish", halves_down)
        files = ("-o", tmp_path / f"{name}.jsonl", "--values", tmp_path / f"{name}.npz")
        assert call(cli.app, capsys, *command, *files).code == 0
    verdict = judged(suite, models, "golden", "first")
    assert verdict.status == "mismatch" and verdict.divergence is not None
    found = verdict.divergence
    assert (found["point"], found["component"]) == ("psi", "Y")
    assert found["found"] == found["expected"] - 1 and found["index"] is not None

    done = call(cli.app, capsys, "compare", tmp_path / "a.jsonl", tmp_path / "b.jsonl")
    # the command says of the two traces what the verifier said of the engine
    assert done.code == 1 and done.out.strip() in verdict.detail


def test_another_expected_digest(suite: PictureSuite, models: ModelSet, copied: Path) -> None:
    """A suite whose statements about a stream contradict each other is found out, whichever is wrong."""
    edit(copied, lambda index: index["streams"][0]["expect"].update(planar_sha256="0" * 64))
    edit(copied, lambda index: index["streams"][1]["expect"].update(pixels_sha256="0" * 64))
    edit(copied, lambda index: index["streams"][-1]["expect"].update(bit_offset=7))
    edit(copied, lambda index: index["streams"][-2]["expect"].update(error="ConformanceError"))
    changed = open_pictures(copied)
    found = {r.name: judge(changed, r, "jit", models).status for r in changed.records}
    assert found == {
        "first": "mismatch", "odd": "mismatch", "map": "pass", "draft": "pass",
        "bad-cut": "pass", "bad-byte": "mismatch", "bad-start": "mismatch",
    }  # fmt: skip


def test_good_among_the_malformed_and_malformed_among_the_good(suite: PictureSuite, models: ModelSet) -> None:
    good, bad = record_of(suite, "first"), record_of(suite, "bad-cut")
    swapped = replace(bad, file=good.file, sha256=good.sha256, bytes=good.bytes)
    verdict = judge(suite, swapped, "jit", models)
    assert verdict.status == "mismatch" and verdict.detail.startswith("accepted, expected")
    swapped = replace(good, file=bad.file, sha256=bad.sha256, bytes=bad.bytes)
    assert judge(suite, swapped, "jit", models).status == "error"
    # a stream that may be rejected, may be for what it uses, not for being malformed
    assert judge(suite, replace(swapped, group="may-reject"), "jit", models).status == "error"


def test_a_model_that_is_missing(suite: PictureSuite, tmp_path: Path) -> None:
    verdict = judged(suite, open_models(tmp_path), "golden", "first")
    assert verdict.status == "error" and "entropy_Y.safetensors is missing" in verdict.detail


def test_a_missing_tensor_is_a_divergence(suite: PictureSuite, models: ModelSet, copied: Path) -> None:
    path = copied / "traces/first.jsonl"
    lines = path.read_text().splitlines()
    more = json.loads(lines[4]) | {"point": "synthesis.extra"}
    path.write_text("\n".join([*lines, json.dumps(more)]) + "\n")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    edit(copied, lambda index: index["streams"][0]["expect"].update(trace_sha256=digest))
    verdict = judged(open_pictures(copied), models, "golden", "first")
    assert (
        verdict.status == "mismatch" and "synthesis.extra" in verdict.detail and "nothing" in verdict.detail
    )
