"""The harness against decoders that lie: each kind of lie gets its own verdict."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conformance.cli import app
from conformance.suite.records import PictureSuite
from conformance.verify.engines import settings_of
from conformance.verify.external import Command, judge_external, parse_command
from conformance.verify.outcome import Outcome
from refdec.codestream import Dialect, parse
from refdec.command import UsageError
from refdec.decoder import decode_picture
from refdec.models_io import ModelSet
from tests.cli.commands import call

DUMMIES = Path(__file__).with_name("dummies.py")
PICTURE, BAD = "odd", "bad-byte"


@pytest.fixture(scope="module")
def answers(suite: PictureSuite, models: ModelSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the dummies have beside them, for every stream of the published dialect."""
    folder = tmp_path_factory.mktemp("answers")
    for record in suite.records:
        if record.picture is not None and record.dialect is Dialect.T840:
            planes = decode_picture(parse(suite.stream(record)), models, settings_of(record, "golden")).planes
            np.save(folder / f"{record.sha256}.npy", np.stack(planes))
            assert record.trace is not None
            shutil.copy(suite.folder / record.trace, folder / f"{record.sha256}.jsonl")
    return folder


def dummy(lie: str, answers: Path, *more: str, kind: str = "png") -> Command:
    words = (sys.executable, str(DUMMIES), lie, str(answers), "{input}", "{output}", *more)
    return Command(words, kind)


def ask(
    suite: PictureSuite,
    models: ModelSet,
    answers: Path,
    lie: str,
    name: str = PICTURE,
    *more: str,
    kind: str = "png",
    timeout: float = 120,
) -> Outcome:
    record = next(r for r in suite.records if r.name == name)
    return judge_external(suite, record, dummy(lie, answers, *more, kind=kind), timeout, models)


@pytest.mark.parametrize(
    ("lie", "kind", "status", "words"),
    [
        ("none", "png", "pass", "planar sha256"),
        ("none", "raw", "pass", "planar sha256"),
        ("off-by-one", "ppm", "mismatch", "plane G, row 5, column 7"),
        ("off-by-one", "npy", "mismatch", "1 of 15405 samples differ, by at most 1"),
        ("truncated", "raw", "mismatch", "the output has 15305 bytes, expected 15405"),
        ("truncated", "png", "mismatch", "cannot be read as PNG"),
        ("truncated", "ppm", "mismatch", "too few or too many"),
        ("too-long", "raw", "mismatch", "a picture of this size at most"),
        ("wrong-size", "ppm", "mismatch", "78x65, expected 79x65"),
        ("wrong-order", "png", "mismatch", "the planes stand in the order B, G, R"),
        ("interleaved", "raw", "mismatch", "pixel by pixel"),
        ("wrong-exit-code", "png", "error", "exit code 1"),
        ("nothing", "png", "error", "no output was written"),
        ("crash", "png", "crash", "SIGSEGV"),
        ("accepts-all", "png", "mismatch", "cannot be read as PNG"),
        ("rejects-all", "png", "error", "exit code 3: I do not like it"),
    ],
)
def test_a_lie_and_its_verdict(
    suite: PictureSuite, models: ModelSet, answers: Path, lie: str, kind: str, status: str, words: str
) -> None:
    verdict = ask(suite, models, answers, lie, kind=kind)
    assert verdict.status == status and words in verdict.detail, verdict


def test_a_decoder_that_hangs_is_stopped_with_all_that_it_started(
    suite: PictureSuite, models: ModelSet, tmp_path: Path
) -> None:
    record = next(r for r in suite.records if r.name == PICTURE)
    child = tmp_path / "child"
    words = ("sh", "-c", f"sleep 600 & echo $! > '{child}'; wait", "{input}", "{output}")
    start = time.monotonic()
    verdict = judge_external(suite, record, Command(words, "png"), 1.0, models)
    assert verdict.status == "timeout" and time.monotonic() - start < 60
    status = Path(f"/proc/{int(child.read_text())}/stat")
    if Path("/proc/self").exists():
        deadline = time.monotonic() + 10
        while status.exists() and status.read_text().split()[2] != "Z" and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not status.exists() or status.read_text().split()[2] == "Z"


@pytest.mark.parametrize(
    ("lie", "status"),
    [("none", "pass"), ("rejects-all", "pass"), ("accepts-all", "mismatch"), ("crash", "crash")],
)
def test_malformed_streams(
    suite: PictureSuite, models: ModelSet, answers: Path, lie: str, status: str
) -> None:
    """A decoder that rejects passes; one that accepts, or dies, does not."""
    assert ask(suite, models, answers, lie, BAD).status == status


def test_a_stream_that_may_be_rejected(suite: PictureSuite, models: ModelSet, answers: Path) -> None:
    assert ask(suite, models, answers, "rejects-all", "draft", "{dialect}").status == "pass"
    assert ask(suite, models, answers, "accepts-all", "draft", "{dialect}").status == "mismatch"


def test_a_decoder_is_not_judged_by_what_it_cannot_know(
    suite: PictureSuite, models: ModelSet, answers: Path
) -> None:
    verdict = ask(suite, models, answers, "accepts-all", "draft")
    assert verdict.status == "not run" and "{dialect}" in verdict.detail
    record = next(r for r in suite.records if r.name == PICTURE)
    other = replace(record, quality_rounding="truncate")
    verdict = judge_external(suite, other, dummy("none", answers), 120, models)
    assert verdict.status == "not run" and "{rounding}" in verdict.detail
    command = Command(("x", "{input}{output}", "--a={dialect},{rounding}", "{point}"), "png")
    line = command.line(other, Path("{output}"), Path("b"), Path("c"))
    # what is put in is not looked at again
    assert line == ["x", "{output}b", "--a=t840,truncate", "sop"]


def test_a_trace_names_the_first_stage(suite: PictureSuite, models: ModelSet, answers: Path) -> None:
    """Points that the decoder does not trace are no divergence."""
    good = ask(suite, models, answers, "none", PICTURE, "{trace}")
    assert good.status == "pass"
    verdict = ask(suite, models, answers, "wrong-trace", PICTURE, "{trace}")
    assert verdict.status == "mismatch" and verdict.divergence is not None
    assert (verdict.divergence["point"], verdict.divergence["component"]) == ("residual", "UV")
    assert "first divergence: residual, component UV" in verdict.detail
    missing = ask(suite, models, answers, "no-trace", PICTURE, "{trace}")
    assert missing.status == "error" and "its trace" in missing.detail


def test_without_models_the_digest_is_all_there_is(suite: PictureSuite, answers: Path) -> None:
    record = next(r for r in suite.records if r.name == PICTURE)
    verdict = judge_external(suite, record, dummy("off-by-one", answers), 120, None)
    assert verdict.status == "mismatch" and f"expected {record.planar_sha256}" in verdict.detail


def test_the_command_line(
    suite_folder: Path, models_folder: Path, answers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    template = f"'{sys.executable}' '{DUMMIES}' LIE '{answers}' {{input}} {{output}}"
    common = ("verify", suite_folder, "--models", models_folder, "-j", 2, "--json", "--decoder-output", "raw")
    done = call(app, capsys, *common, "--decoder", template.replace("LIE", "none"))
    report = json.loads(done.out)
    assert done.code == 0 and report["ok"]
    assert report["counts"]["pass"] == 6 and report["counts"]["not run"] == 1
    done = call(
        app, capsys, *common, "--decoder", template.replace("LIE", "wrong-order"), "--only", "first",
        "--only", "bad-start",
    )  # fmt: skip
    report = json.loads(done.out)
    assert done.code == 1 and not report["ok"]
    assert [v["status"] for v in report["verdicts"]] == ["mismatch", "pass"]


@pytest.mark.parametrize(
    ("template", "kind", "word"),
    [
        ("true {input}", "png", "{output}"),
        ("true {output}", "png", "{input}"),
        ("no-such-program-anywhere {input} {output}", "png", "no-such-program-anywhere"),
        ("true '{input} {output}", "png", "quotation"),
        ("true {input} {output}", "jpeg", "jpeg"),
    ],
)
def test_commands_that_cannot_be_used(template: str, kind: str, word: str) -> None:
    with pytest.raises(UsageError, match=word):
        parse_command(template, kind)


def test_systems_without_process_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    parse_command("cp {input} {output}", "raw")
    monkeypatch.delattr(os, "killpg")
    with pytest.raises(UsageError, match="POSIX"):
        parse_command("cp {input} {output}", "raw")
