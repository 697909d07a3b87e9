"""The driver's journal and report, what tells findings apart, and a short run with atheris."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from conformance.fuzz import driver
from conformance.fuzz.__main__ import app
from conformance.fuzz.measure import Reached, measure, read_reached, write_reached
from conformance.fuzz.report import write_report
from conformance.fuzz.target import Finding, Target, execute, targets
from conformance.fuzz.worker import TOP, State, left_out, place_of
from refdec.errors import ModelError
from refdec.integer.model_file import read_model

LINE = {
    "target": "tables", "seconds": 2.0, "processor": 1.0, "executions": 1234, "results": {"ok": 3},
    "findings": {}, "new": [], "slowest": 0.1, "corpus": 7, "edges": 5, "exit": 0,
}  # fmt: skip


def failing(data: bytes) -> str:
    """A target with two mistakes."""
    if data.startswith(b"a"):
        raise KeyError(data)
    if data.startswith(b"b"):
        raise ValueError("b")
    return "ok"


def test_findings_are_kept_once_for_each_place_and_fuzzing_goes_on(tmp_path: Path) -> None:
    state = State(tmp_path / "state.json", tmp_path)
    target = Target("test", "", failing, tuple)
    for data in (b"a1", b"c", b"a2", b"b", b"c"):
        state.run(target, data, execute)
    kept = {path.read_bytes() for path in tmp_path.glob("*.bin")}
    assert kept == {b"a1", b"b"}
    assert state.executions == 5 and state.results == {"ok": 2}
    assert sorted(state.findings.values()) == [1, 2]
    assert json.loads((tmp_path / "state.json").read_text())["findings"]


def test_a_finding_is_named_by_the_reader_that_it_went_through() -> None:
    with pytest.raises(ModelError) as caught:
        read_model(b"")
    assert re.fullmatch(r"ModelError refdec/integer/model_file.py:\d+ _metadata", place_of(caught.value))
    with pytest.raises(Finding) as elsewhere:
        raise Finding("too slow")
    assert place_of(elsewhere.value).startswith("Finding test_driver.py:")


def test_an_execution_that_takes_too_long_is_a_finding() -> None:
    slow = Target("test", "", lambda data: str(sum(range(3_000_000))), tuple, seconds=0.001)
    with pytest.raises(Finding, match="allowed are"):
        execute(slow, b"")


def test_a_journal_that_was_cut_short_goes_on(tmp_path: Path) -> None:
    assert driver.read_journal(tmp_path) == []
    (tmp_path / driver.JOURNAL).write_text(json.dumps(LINE) + "\n" + json.dumps(LINE)[:20])
    assert driver.read_journal(tmp_path) == [LINE]


def test_the_report_says_what_the_journal_says(tmp_path: Path) -> None:
    (tmp_path / driver.JOURNAL).write_text((json.dumps(LINE) + "\n") * 2)
    regressions = tmp_path / "regressions"
    regressions.mkdir()
    finding = {"target": "tables", "file": "x", "found": "what", "fix": "how"}
    (regressions / "findings.json").write_text(json.dumps([finding]))
    (tmp_path / "findings" / "tables").mkdir(parents=True)
    (tmp_path / "findings" / "tables" / "0.bin").write_bytes(b"")
    write_reached(tmp_path, {"tables": Reached(5, 7, 3, 4, {"CS-THR-01"})})
    write_report(tmp_path, tmp_path / "page.md", read_reached(tmp_path), regressions)
    page = (tmp_path / "page.md").read_text()
    assert "**2,468 executions** of 1 targets" in page
    assert "| 2,468 | 100 % | 4 s | 7 | 3 of 4 | 1 | 1 |" in page
    assert "| tables | x | what | how |" in page


def test_lines_and_statements_of_a_corpus_are_measured(tmp_path: Path) -> None:
    target = targets()["tables"]
    for number, data in enumerate(target.seeds()):
        (tmp_path / str(number)).write_bytes(data)
    found = measure(target, tmp_path, 5)
    assert found.inputs == found.there > 50
    assert 50 < found.covered < found.lines
    assert "CS-THR-02" in found.ids and "CS-LIM-01" not in found.ids


def test_compiled_modules_and_mutators_are_not_instrumented() -> None:
    """What Numba compiles cannot be: a call of the instrumentation in it does not compile."""
    names = set(left_out())
    compiled = [
        path
        for path in (TOP / "refdec").rglob("*.py")
        if re.search(r"^(import|from) numba", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    modules = {".".join(path.relative_to(TOP).with_suffix("").parts) for path in compiled}
    assert len(modules) > 8
    assert modules - names == {"refdec.kernel_cache", "refdec.python_kernels"}
    assert {"refdec.integer.jit", "conformance.fuzz.valid_mutator"} <= names
    assert not {"refdec.entropy.golden.residual", "refdec.decoder"} & names


@pytest.mark.slow
def test_a_short_run_with_atheris(tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    # Time enough for a busy machine; it ends with the first stretch that has done so much.
    driver.fuzz(tmp_path, minutes=3, executions=100, names=["tables"], stretch=5)
    journal = driver.read_journal(tmp_path)
    assert all(line["exit"] == 0 and not line["findings"] for line in journal)
    assert sum(line["executions"] for line in journal) >= 100


@pytest.mark.parametrize("words", [("whole", "absent.bin"), ("nix", __file__)])
def test_replay_of_what_is_not_there_is_one_error(
    words: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        app(["replay", *words])
    said = capsys.readouterr().err
    assert stop.value.code == 2 and ("does not exist" in said or "no target 'nix'" in said)
