"""Making and checking suites while processes are killed and disks fill up."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from conformance.child_process import ending
from conformance.executors import Done
from conformance.executors.local import InProcess
from conformance.executors.processes import Processes
from conformance.generate import run as generating
from conformance.generate.entry import GenerateError, Made, SuiteSpec, make_stream
from conformance.generate.run import INDEX, JOURNAL, generate_suite
from conformance.suite.records import open_pictures
from conformance.verify import run as verifying
from conformance.verify.external import parse_command
from conformance.verify.run import Options, verify_pictures
from refdec.atomic_file import PARTIAL
from tests.faults.conftest import SMALLEST, files_of_at_most, leftovers

SPEC = SuiteSpec(seed=3, profile=2)
FEW = ("smallest", "planes-420")


def tree(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("suite")
    generate_suite(folder, SPEC, InProcess(), only=FEW)
    return tree(folder)


def test_a_full_disk_leaves_no_part_of_a_file_and_the_next_run_goes_on(
    made: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = generating._Journal.add

    def add_to_a_full_disk(journal: Any, finished: Made) -> None:
        if finished.entry["name"] == FEW[1]:
            with files_of_at_most(100):
                add(journal, finished)
        add(journal, finished)

    monkeypatch.setattr(generating._Journal, "add", add_to_a_full_disk)
    (tmp_path / INDEX).write_text("of an older suite")
    with pytest.raises(OSError, match="large"):
        generate_suite(tmp_path, SPEC, InProcess(), only=FEW)
    assert not any(path.name.endswith(PARTIAL) for path in tmp_path.rglob("*"))
    assert not (tmp_path / INDEX).exists() and leftovers(tmp_path / "streams") == ["smallest.jai"]
    monkeypatch.undo()
    for name in (f".{INDEX}.0123456789ab{PARTIAL}", f"streams/.x.jai.0123456789ab{PARTIAL}"):
        (tmp_path / name).write_bytes(b"of a run that was killed")
    with (tmp_path / JOURNAL).open("a") as file:
        file.write('{"name": \n[]\n{}\n\0\0\0\n')
    summary = generate_suite(tmp_path, SPEC, InProcess(), only=FEW)
    assert (summary.made, summary.kept) == (1, 1) and tree(tmp_path) == made


def killed(folder: str, times: int, spec: SuiteSpec, name: str) -> Made:
    """Make a stream; the system takes the process away ``times`` times before."""
    marks = Path(folder)
    if name == FEW[1] and len(list(marks.iterdir())) < times:
        (marks / str(os.getpid())).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return make_stream(spec, name)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 99])
def test_a_worker_that_runs_out_of_memory(
    times: int, made: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks, folder = tmp_path / "marks", tmp_path / "suite"
    marks.mkdir()
    monkeypatch.setattr(generating, "make_stream", functools.partial(killed, str(marks), times))
    if times == 1:
        assert generate_suite(folder, SPEC, Processes(2), only=FEW).made == 2
        assert tree(folder) == made
        return
    with pytest.raises(GenerateError, match=r"^planes-420: .* died of SIGKILL.*3 times; fewer --jobs"):
        generate_suite(folder, SPEC, Processes(2), only=FEW)
    monkeypatch.undo()
    assert generate_suite(folder, SPEC, InProcess(), only=FEW).kept == 1
    assert tree(folder) == made


def doomed(*arguments: Any) -> Any:
    """Judge a stream, unless it is the one that takes all memory."""
    record, _engine = arguments[-1]
    if record.name == "plain":
        os.kill(os.getpid(), signal.SIGKILL)
    return verifying_judge(*arguments)


verifying_judge = verifying.judge_task


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_verify_judges_the_stream_whose_worker_was_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    suite = open_pictures(SMALLEST.parents[1])
    monkeypatch.setattr(verifying, "judge_task", doomed)
    names = frozenset({"plain", "smallest", "odd-65x79"})
    found = verify_pictures(suite, Options(("jit",), asked=True, only=names, jobs=2))
    verdicts = {outcome.name: (outcome.status, outcome.detail) for outcome in found}
    assert verdicts["smallest"][0] == verdicts["odd-65x79"][0] == "pass"
    assert (
        verdicts["plain"][0] == "crash" and "SIGKILL (the system does so when memory" in verdicts["plain"][1]
    )


def test_no_folder_for_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our own decoders need none; the harness of another one says which it cannot have."""
    nowhere = tmp_path / "nowhere"
    monkeypatch.setattr(tempfile, "tempdir", str(nowhere))
    command = parse_command(f"{sys.executable} {{input}} {{output}}", "png")
    suite, only = open_pictures(SMALLEST.parents[1]), frozenset({"smallest"})
    (found,) = verify_pictures(suite, Options((), command=command, jobs=0, only=only))
    assert found.status == "error" and str(nowhere) in found.detail
    (found,) = verify_pictures(suite, Options(("jit",), asked=True, jobs=0, only=only))
    assert found.status == "pass"


def test_time_is_measured_with_clocks_that_do_not_go_back() -> None:
    root = Path(__file__).parents[2]
    for path in [*(root / "refdec").rglob("*.py"), *(root / "conformance").rglob("*.py")]:
        assert not re.search(r"\btime\.time\(|\bdatetime\b", path.read_text(encoding="utf-8")), path


def test_endings_in_words() -> None:
    assert ending(3) == "its process died, exit code 3"
    assert ending(None) == "its process died, exit code unknown"
    assert ending(-11) == "its process died of SIGSEGV"
    assert ending(-200) == "its process died of signal 200"
    assert list(Processes(1).run(len, {"a": "xy"}, 60)) == [("a", Done(2))]
