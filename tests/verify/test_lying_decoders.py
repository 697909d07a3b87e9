"""The harness against decoders that lie about processes, files and exit codes; each lie has its verdict."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.executors import Threads
from conformance.executors.interface import stopped_by
from conformance.suite.records import PictureSuite, Record, open_pictures
from conformance.verify import external, process
from conformance.verify.engines import settings_of
from conformance.verify.external import Command, judge_external
from conformance.verify.outcome import Outcome, planar_bytes
from conformance.verify.run import Options, verify_pictures
from refdec.codestream import parse
from refdec.decoder import decode_picture
from refdec.models_io import ModelSet, open_models
from tests.verify.test_suite_format import edit

LIARS = Path(__file__).with_name("liars.py")
PICTURE, OTHER, BAD = "odd", "first", "bad-byte"
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
NO_OUTPUT = "exit code 0, but no output was written"


@pytest.fixture(scope="module")
def answers(suite: PictureSuite, models: ModelSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the liars have beside them."""
    folder = tmp_path_factory.mktemp("answers")
    for name in (PICTURE, OTHER):
        record = record_of(suite, name)
        planes = decode_picture(parse(suite.stream(record)), models, settings_of(record, "golden")).planes
        (folder / f"{record.sha256}.raw").write_bytes(planar_bytes(planes))
    return folder


def record_of(suite: PictureSuite, name: str) -> Record:
    return next(r for r in suite.records if r.name == name)


def liar(lie: str, answers: Path, *more: object, kind: str = "raw") -> Command:
    words = (sys.executable, "-S", str(LIARS), lie, str(answers), "{input}", "{output}", *map(str, more))
    return Command(words, kind)


def ask(
    suite: PictureSuite,
    answers: Path,
    lie: str,
    *more: object,
    name: str = PICTURE,
    kind: str = "raw",
    timeout: float = 60,
    models: ModelSet | None = None,
) -> Outcome:
    return judge_external(
        suite, record_of(suite, name), liar(lie, answers, *more, kind=kind), timeout, models
    )


@pytest.mark.parametrize(
    ("lie", "status", "words"),
    [
        ("honest", "pass", "planar sha256"),
        ("late", "error", NO_OUTPUT),
        pytest.param("late_from_another_session", "error", NO_OUTPUT, marks=LINUX),
        ("aborts", "crash", "died of SIGABRT"),
        ("says_that_it_crashed", "crash", "died of SIGSEGV"),
        ("link", "error", "exit code 0, but what it wrote is a symbolic link, not a file"),
        ("link_to_a_device", "error", "what it wrote is a symbolic link"),
        ("link_to_itself", "error", "what it wrote is a symbolic link"),
        ("folder", "error", "what it wrote is a folder"),
        ("pipe", "error", "what it wrote is a pipe"),
        ("socket", "error", "what it wrote is a socket"),
        ("other_folder", "error", NO_OUTPUT),
        ("with_holes", "mismatch", "the output has 1099511627776 bytes, a picture of this size at most"),
        ("never_0", "error", "exit code 1"),
        ("always_0", "pass", "planar sha256"),
        ("writes_its_input", "error", "it changed the file that it was to read"),
        ("removes_its_input", "error", "it changed the file that it was to read"),
        ("replaces_its_input", "error", "it changed the file that it was to read"),
    ],
)
def test_a_lie_and_its_verdict(suite: PictureSuite, answers: Path, lie: str, status: str, words: str) -> None:
    verdict = ask(suite, answers, lie)
    assert verdict.status == status and words in verdict.detail, verdict


@pytest.mark.parametrize(
    ("lie", "status", "words"),
    [
        ("honest", "pass", "refused with exit code 3: I do not like it"),
        ("never_0", "pass", "refused with exit code 1"),
        ("always_0", "mismatch", "accepted a stream that must be rejected"),
        ("writes_its_input", "error", "it changed the file that it was to read"),
        ("aborts", "crash", "died of SIGABRT"),
        ("late", "mismatch", "accepted"),
    ],
)
def test_a_lie_about_a_bad_stream(
    suite: PictureSuite, answers: Path, lie: str, status: str, words: str
) -> None:
    verdict = ask(suite, answers, lie, name=BAD)
    assert verdict.status == status and words in verdict.detail, verdict


def test_a_device(suite: PictureSuite, answers: Path) -> None:
    verdict = ask(suite, answers, "device")
    if "exit code 77" in verdict.detail:
        pytest.skip("only root makes devices")
    assert verdict.status == "error" and "what it wrote is a device" in verdict.detail


@pytest.mark.parametrize(
    ("lie", "kind", "words"),
    [
        ("big_png", "png", "the output is 60000x50000, expected 79x65"),
        ("big_ppm", "ppm", "the output is 60000x50000, expected 79x65"),
        ("big_npy", "npy", "the output is an array [3, 50000, 60000], expected [3, 65, 79]"),
        ("object_npy", "npy", "the output has samples of object"),
        ("inflating_png", "png", "planar sha256"),
        ("deep_png", "png", "the output is a PNG of 16 bits, expected 8-bit RGB"),
    ],
)
def test_a_picture_that_claims_to_be_another(
    suite: PictureSuite, answers: Path, lie: str, kind: str, words: str
) -> None:
    """Whatever a file claims, or inflates to, takes no memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    verdict = ask(suite, answers, lie, kind=kind)
    assert verdict.status == "mismatch" and words in verdict.detail, verdict
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10


def is_gone(number: int) -> bool:
    status = Path(f"/proc/{number}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@LINUX
@pytest.mark.parametrize(
    "lie", ["leaves_a_child", "leaves_a_child_in_another_session", "leaves_a_talking_child"]
)
def test_children_end_with_their_decoder(
    suite: PictureSuite, answers: Path, tmp_path: Path, lie: str
) -> None:
    """They hold its output open; nobody waits for them, and nobody of them is left."""
    start = time.monotonic()
    verdict = ask(suite, answers, lie, tmp_path / "child")
    assert verdict.status == "pass" and time.monotonic() - start < 30
    assert is_gone(int((tmp_path / "child").read_text()))


@LINUX
@pytest.mark.parametrize("lie", ["hangs", "stops"])
def test_a_decoder_that_does_not_listen_is_stopped(
    suite: PictureSuite, answers: Path, tmp_path: Path, lie: str
) -> None:
    start, child = time.monotonic(), tmp_path / "child"
    verdict = ask(suite, answers, lie, child, timeout=1.5)
    assert (verdict.status, verdict.detail) == ("timeout", "stopped after 1.5 s")
    assert time.monotonic() - start < 30
    # on a machine that is busy it may not have come as far as to have a child
    assert not child.exists() or is_gone(int(child.read_text()))


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        ("talks", "stopped: it said more than 1000000 bytes: "),
        ("writes", "stopped: it wrote more than"),
        ("writes_beside", "stopped: it wrote more than"),
        ("makes_files", "stopped: it made more than 1000 files"),
    ],
)
@pytest.mark.parametrize("name", [PICTURE, BAD])
def test_output_without_end_is_stopped(
    suite: PictureSuite, answers: Path, monkeypatch: pytest.MonkeyPatch, lie: str, words: str, name: str
) -> None:
    monkeypatch.setattr(external, "MOST_LOG_BYTES", 1_000_000)
    monkeypatch.setattr(external, "MOST_SPARE_BYTES", 4_000_000)
    verdict = ask(suite, answers, lie, name=name)
    assert verdict.status == "error" and verdict.detail.startswith(words), verdict


def test_a_trace_that_is_a_pipe(suite: PictureSuite, answers: Path) -> None:
    verdict = ask(suite, answers, "trace_is_a_pipe", "{trace}")
    assert verdict.status == "error" and verdict.detail.endswith(
        "its trace: what it wrote is a pipe, not a file"
    )


def test_the_picture_of_the_stream_before(suite: PictureSuite, models: ModelSet, answers: Path) -> None:
    """Nothing of one stream is there for the next: neither a file, nor a way to keep it."""
    assert ask(suite, answers, "previous", name=OTHER).status == "pass"
    verdict = ask(suite, answers, "previous")
    assert verdict.status == "mismatch" and "the output has 12288 bytes, expected 15405" in verdict.detail
    assert ask(suite, answers, "once", name=OTHER).status == "pass"
    for name in (OTHER, PICTURE):
        verdict = ask(suite, answers, "once", name=name)
        assert (verdict.status, verdict.detail) == ("error", NO_OUTPUT)


def test_a_suite_that_is_changed_meanwhile(copied: Path, models_folder: Path, answers: Path) -> None:
    """What is right was read before; what is read later is no longer what the index meant."""
    suite = open_pictures(copied)
    verdict = ask(suite, answers, "changes_the_suite", copied)
    assert verdict.status == "mismatch" and verdict.detail.startswith("planar sha256"), verdict
    options = Options(engines=(), command=liar("honest", answers), models=models_folder)
    verdicts = verify_pictures(suite, options)
    assert {v.status for v in verdicts if v.name in (OTHER, PICTURE)} == {"error"}
    assert all("is not the file that the index means" in v.detail for v in verdicts if v.name != "draft")


@pytest.mark.parametrize("name", [OTHER, BAD])
def test_the_suite_is_not_to_be_found(copied: Path, models_folder: Path, answers: Path, name: str) -> None:
    """What a decoder is told leads to copies: of the stream, under another name, and of the models."""
    shutil.copytree(models_folder, copied / "models")
    edit(copied, lambda index: [each.update(model_set="models") for each in index["streams"]])
    suite = open_pictures(copied)
    models = open_models(copied / "models")
    verdict = ask(suite, answers, "looks_it_up", "{models}", name=name, models=models)
    assert verdict.status == "mismatch", verdict
    # and it would have obeyed
    words = liar("looks_it_up", answers, copied / "suite.json").words
    there = judge_external(suite, record_of(suite, name), Command(words, "raw"), 60, models)
    assert there.status == "pass"


def test_models_that_are_lent_are_not_what_a_decoder_wrote(
    copied: Path, models_folder: Path, answers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(models_folder, copied / "models")
    edit(copied, lambda index: [each.update(model_set="models") for each in index["streams"]])
    size = sum(path.stat().st_size for path in models_folder.rglob("*") if path.is_file())
    monkeypatch.setattr(external, "MOST_SPARE_BYTES", size // 4)
    verdict = ask(open_pictures(copied), answers, "honest", models=open_models(copied / "models"))
    assert verdict.status == "pass", verdict


def test_a_command_that_cannot_be_started(suite: PictureSuite, answers: Path, tmp_path: Path) -> None:
    (tmp_path / "decoder").write_bytes(b"\x7fELF but not quite")
    (tmp_path / "decoder").chmod(0o755)
    command = Command((str(tmp_path / "decoder"), "{input}", "{output}"), "raw")
    options = Options(engines=(), command=command, only=frozenset({PICTURE}))
    (verdict,) = verify_pictures(suite, options)
    assert verdict.status == "error" and "decoder" in verdict.detail


def test_whoever_stops_asking_stops_the_decoders(suite: PictureSuite, answers: Path, tmp_path: Path) -> None:
    """An interrupted run leaves nothing running, and does not wait."""
    record = record_of(suite, PICTURE)
    notes = [tmp_path / f"child{number}" for number in range(2)]

    def work(note: Path) -> Outcome:
        command = liar("honest" if note.name == "first" else "hangs", answers, note)
        return judge_external(suite, record, command, 600, None)

    tasks = {path.name: path for path in (tmp_path / "first", *notes, tmp_path / "never")}
    start = time.monotonic()
    results = Threads(2).run(work, tasks, 600)
    assert next(results)[0] == "first"
    while not all(note.exists() and note.read_text() for note in notes):
        time.sleep(0.05)
    results.close()
    assert time.monotonic() - start < 30
    assert all(is_gone(int(note.read_text())) for note in notes) and not (tmp_path / "never").exists()


@LINUX
def test_a_harness_under_a_harness(suite: PictureSuite, answers: Path, tmp_path: Path) -> None:
    """What a decoder's own harness starts in sessions of its own is found as well."""
    inner = (
        "import sys; from pathlib import Path; from conformance.verify.process import Bounds, run_command; "
        "run_command(sys.argv[1:], Path('.'), Bounds(60, 1000, 1 << 40, 1 << 20))"
    )
    note, stop = tmp_path / "child", threading.Event()
    words = (sys.executable, "-c", inner, *liar("hangs", answers, note).words)
    record, verdicts = record_of(suite, PICTURE), []

    def judge() -> None:
        with stopped_by(stop):
            verdicts.append(judge_external(suite, record, Command(words, "raw"), 60.0, None))

    thread = threading.Thread(target=judge)
    thread.start()
    while thread.is_alive() and not (note.exists() and note.read_text()):
        time.sleep(0.02)
    stop.set()
    thread.join()
    assert verdicts[0].detail == "interrupted" and is_gone(int(note.read_text()))


def test_a_decoder_that_may_not_be_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under sudo a decoder is somebody else's: its verdict does not wait for it."""

    def refused(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(process.os, "killpg", refused)
    monkeypatch.setattr(process, "_kill_marked", lambda _mark: 0)
    monkeypatch.setattr(process, "_KILL_SECONDS", 0.2)
    note = tmp_path / "number"
    line = ("sh", "-c", f"echo $$ > '{note}'; exec sleep 300")
    try:
        start = time.monotonic()
        ended = process.run_command(line, tmp_path, process.Bounds(2.0, 1000, 1 << 20))
        assert ended.stopped == "time" and time.monotonic() - start < 60
    finally:
        os.kill(int(note.read_text()), signal.SIGKILL)


def test_honesty_of_a_stream_that_may_be_refused(suite: PictureSuite, answers: Path) -> None:
    record = replace(record_of(suite, PICTURE), group="may-reject")
    for lie, status in (("never_0", "pass"), ("honest", "pass"), ("writes_its_input", "error")):
        assert judge_external(suite, record, liar(lie, answers), 60, None).status == status
