"""Making suites: reproducible, parallel, resumable; and verified by all voices."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

import pytest

from conformance.bounds import measure
from conformance.cli import app
from conformance.executors import Died, Done, InProcess, Result
from conformance.generate.entry import GenerateError, SuiteSpec
from conformance.generate.run import JOURNAL, Summary, generate_suite
from conformance.suite.records import open_pictures
from conformance.verify.engines import ENGINES
from conformance.verify.run import Options, verify_pictures
from tests.cli.commands import call, command

SPEC = SuiteSpec(seed=3, profile=2)
Capture = pytest.CaptureFixture[str]
FEW = ("smallest", "operating-point-hop", "progressive-5", "map-threads-2", "planes-420", "draft")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary]:
    folder = tmp_path_factory.mktemp("suite")
    return folder, generate_suite(folder, SPEC, InProcess(), only=FEW)


def tree(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_two_processes_make_the_same(made: tuple[Path, Summary], tmp_path: Path) -> None:
    folder, summary = made
    arguments = [part for name in FEW for part in ("--only", name)]
    done = command(
        "conformance", "generate", "-o", str(tmp_path / "two"), "--seed", "3", "--profile", "high",
        "--jobs", "2", "--json", *arguments,
    )  # fmt: skip
    assert done.code == 0, done.err
    facts = json.loads(done.out)
    assert facts["suite_sha256"] == summary.digest and facts["made"] == len(FEW)
    assert tree(tmp_path / "two") == tree(folder)


class Careless:
    """An executor that ends last what it began first, and loses every second task once."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def run(
        self, work: Callable[[str], Any], tasks: Mapping[str, str], timeout: float
    ) -> Generator[tuple[str, Result], None, None]:
        for number, name in enumerate(reversed(tasks)):
            self.asked.append(name)
            lost = number % 2 and self.asked.count(name) == 1
            yield name, Died(-9) if lost else Done(work(tasks[name]))


def test_order_of_completion_and_losses_have_no_influence(made: tuple[Path, Summary], tmp_path: Path) -> None:
    executor = Careless()
    assert generate_suite(tmp_path, SPEC, executor, only=FEW).digest == made[1].digest
    assert len(executor.asked) == len(FEW) + len(FEW) // 2
    assert tree(tmp_path) == tree(made[0])


class Losing:
    """An executor whose every process dies."""

    def run(
        self, work: Callable[[str], Any], tasks: Mapping[str, str], timeout: float
    ) -> Generator[tuple[str, Result], None, None]:
        for name in tasks:
            yield name, Died(-9)


def test_a_stream_that_is_lost_again_and_again(tmp_path: Path) -> None:
    with pytest.raises(GenerateError, match="smallest: its process died of SIGKILL"):
        generate_suite(tmp_path, SPEC, Losing(), only=["smallest"])
    assert not (tmp_path / "suite.json").exists()


def test_a_killed_run_goes_on_where_it_was(made: tuple[Path, Summary], tmp_path: Path) -> None:
    arguments = [part for name in FEW for part in ("--only", name)]
    line = [sys.executable, "-m", "conformance", "generate", "-o", str(tmp_path), "--seed", "3"]
    process = subprocess.Popen(
        [*line, "--profile", "high", "--jobs", "1", *arguments],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for _ in range(2):
        assert "/6 " in process.stderr.readline()
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "suite.json").exists()
    with (tmp_path / JOURNAL).open("a") as file:
        file.write('{"name": "half a li')
    summary = generate_suite(tmp_path, SPEC, InProcess(), only=FEW)
    assert summary.kept >= 2 and summary.digest == made[1].digest
    assert tree(tmp_path) == tree(made[0])


def test_what_is_damaged_or_foreign_is_made_again(made: tuple[Path, Summary], tmp_path: Path) -> None:
    few = FEW[:2]
    generate_suite(tmp_path, SPEC, InProcess(), only=few)
    before = tree(tmp_path)
    (tmp_path / "streams/smallest.jai").write_bytes(b"")
    (tmp_path / "streams/other.jai").write_bytes(b"")
    summary = generate_suite(tmp_path, SPEC, InProcess(), only=few)
    assert (summary.made, summary.kept) == (1, 1) and tree(tmp_path) == before
    head, *rest = (tmp_path / JOURNAL).read_text().splitlines(keepends=True)
    (tmp_path / JOURNAL).write_text(head.replace('"made_by": "', '"made_by": "0') + "".join(rest))
    assert generate_suite(tmp_path, SPEC, InProcess(), only=few).kept == 0
    assert tree(tmp_path) == before


def test_every_voice_agrees(made: tuple[Path, Summary]) -> None:
    suite = open_pictures(made[0])
    assert sorted(r.name for r in suite.records) == sorted(FEW)
    outcomes = verify_pictures(suite, Options(engines=ENGINES, asked=True, jobs=0))
    assert [(o.name, o.decoder, o.detail) for o in outcomes if o.status != "pass"] == []


def test_a_foreign_decoder_is_told_what_it_cannot_know(made: tuple[Path, Summary]) -> None:
    words = "decode {input} {output} --dialect {dialect} --operating-point {point} --models {models}"
    done = command(
        "conformance", "verify", str(made[0]), "--decoder", f"{sys.executable} -m refdec {words}",
        "--decoder-output", "yuv", "--jobs", "1", "--json", "--only", "planes-420", "--only", "draft",
        "--only", "progressive-5",
    )  # fmt: skip
    assert done.code == 0, done.out + done.err
    found = {o["name"]: o["status"] for o in json.loads(done.out)["verdicts"]}
    assert found == {"planes-420": "pass", "draft": "pass", "progressive-5": "not run"}


def test_nothing_of_the_machine_is_in_it(made: tuple[Path, Summary]) -> None:
    for path in [*made[0].rglob("*.json*"), made[0] / "README.md"]:
        text = path.read_text()
        assert not any(word in text for word in ("/home", "/tmp", "/root", "numpy", "python"))


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--profile", "huge"], "--profile huge"),
        (["--level", "53"], "--level 53"),
        (["--models", "nowhere"], "--models nowhere"),
        (["--only", "no-such-*"], "no stream of this suite is called 'no-such-*'"),
    ],
)
def test_usage(arguments: list[str], message: str, tmp_path: Path, capsys: Capture) -> None:
    done = call(app, capsys, "generate", "-o", tmp_path / "x", *arguments)
    assert done.code == 2 and message in done.err and not (tmp_path / "x").exists()


def test_listing(tmp_path: Path, capsys: Capture) -> None:
    done = call(app, capsys, "generate", "-o", tmp_path / "x", "--list", "--only", "threads-*")
    assert done.code == 0 and "must-decode\tthreads-16\t" in done.out and not (tmp_path / "x").exists()


def test_bounds_hold_and_say_who_reached_them(made: tuple[Path, Summary], capsys: Capture) -> None:
    rows = measure(open_pictures(made[0]), only=["smallest", "operating-point-hop"])
    assert {row.op for row in rows} >= {"conv", "transposed_conv", "add", "mul", "channel_attention"}
    for row in rows:
        assert row.proved[0] <= row.reached[0] <= row.reached[1] <= row.proved[1], row
        assert 0 <= row.percent <= 100 and set(row.streams) <= {"smallest", "operating-point-hop"}
    assert max(row.percent for row in rows) > 20
    both = measure(open_pictures(made[0]), only=["smallest", "operating-point-hop"], apart="operating-*")
    alone = {(r.model, r.node): r.percent for r in measure(open_pictures(made[0]), only=["smallest"])}
    assert {(r.model, r.node): r.rest for r in both if r.rest is not None} == alone
    assert [r.percent for r in both] == [r.percent for r in rows] and any(r.rest is None for r in both)
    done = call(app, capsys, "bounds", made[0], "--only", "smallest")
    assert done.code == 0 and "hyper_scale_decoder\tconv1\tconv\t" in done.out, done.err


def test_a_suite_without_its_models_is_incomplete(
    made: tuple[Path, Summary], tmp_path: Path, capsys: Capture
) -> None:
    folder = shutil.copytree(made[0], tmp_path / "suite")
    name = next(record.name for record in open_pictures(folder).records if record.models)
    for pattern in ("entropy_Y.*", "*"):
        for path in (folder / "models").rglob(pattern):
            path.unlink() if path.is_file() else None
        if pattern == "*":
            shutil.rmtree(folder / "models")
        for words in (["verify", folder, "-j", 0], ["bounds", folder, "--only", name], ["coverage", folder]):
            done = call(app, capsys, *words)
            assert done.code == 2 and done.err.count("\n") == 1, done
            assert "is incomplete" in done.err and "refconf generate -o" in done.err
    # somebody else's decoder has models of its own
    done = call(app, capsys, "verify", folder, "-j", 0, "--only", name, "--decoder", "false {input} {output}")
    assert done.code == 1 and "incomplete" not in done.err + done.out


def test_a_witness_comes_near_to_the_bound(tmp_path: Path) -> None:
    generate_suite(tmp_path, SPEC, InProcess(), only=["bound-sop"])
    rows = [
        row for row in measure(open_pictures(tmp_path)) if row.node == "mixed" and row.graph == "synthesis"
    ]
    assert len(rows) == 2 and all(row.percent >= 85 for row in rows)
    assert all(row.reached[0] < -(1 << 30) and row.reached[1] > 1 << 30 for row in rows)
