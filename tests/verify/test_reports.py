"""Reports of a run: lines, JSON, JUnit XML, HTML; exit codes; what is not run by default."""

from __future__ import annotations

import base64
import io
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from conformance.cli import app
from conformance.suite.records import PictureSuite
from conformance.verify import run
from conformance.verify.html_report import difference_map, write_html
from conformance.verify.outcome import Outcome
from conformance.verify.report import as_json_text, print_table, succeeded, write_junit
from refdec.models_io import ModelSet
from tests.cli.commands import call, command
from tests.verify.test_suite_format import edit

Capture = pytest.CaptureFixture[str]
OUTCOMES = [
    Outcome("first", "must-decode", "jit", "pass", "70 tensors", 0.5),
    Outcome("first", "must-decode", "golden", "mismatch", "first divergence: <z_hat>\x1b[31m", 1.5),
    Outcome("odd", "must-decode", "jit", "crash", "its process died"),
    Outcome("odd", "must-decode", "golden", "not run", "large"),
    Outcome("bad-cut", "must-reject", "jit", "timeout", "stopped"),
    Outcome("bad-cut", "must-reject", "golden", "error", "no"),
]


def test_success_means_that_something_passed_and_nothing_failed() -> None:
    assert succeeded(OUTCOMES[:1]) and succeeded([OUTCOMES[0], OUTCOMES[3]])
    assert not succeeded([]) and not succeeded([OUTCOMES[3]])
    assert not any(succeeded([OUTCOMES[0], bad]) for bad in OUTCOMES if bad.status not in ("pass", "not run"))


def test_lines_and_json(capsys: Capture) -> None:
    print_table(OUTCOMES, 2.0)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("must-decode\tfirst\tpass\tmismatch\tgolden: first divergence")
    assert lines[1] == "must-decode\todd\tcrash\tnot run\tjit: its process died"
    assert lines[-1] == (
        "3 vectors, 6 checks, FAILED (1 pass, 1 mismatch, 1 error, 1 crash, 1 timeout, 1 not run), 2.0 s"
    )
    report = json.loads(as_json_text(OUTCOMES))
    assert report["ok"] is False and report["counts"]["crash"] == 1 and len(report["verdicts"]) == 6


def test_junit(tmp_path: Path) -> None:
    write_junit(tmp_path / "r.xml", OUTCOMES)
    golden = ElementTree.parse(tmp_path / "r.xml").getroot().findall("testsuite")[1]
    assert {k: golden.get(k) for k in ("tests", "failures", "errors", "skipped")} == {
        "tests": "3", "failures": "1", "errors": "1", "skipped": "1",
    }  # fmt: skip
    assert golden.findall("testcase/failure")[0].get("type") == "mismatch"


class Page(HTMLParser):
    """Sources of pictures and links of a page, and its balance of tags."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("img", "meta", "br"):
            self.open.append(tag)
        for name, value in attrs:
            if name == "src":
                self.sources.append(str(value))
            if name == "href":
                self.links.append(str(value))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_html(suite: PictureSuite, tmp_path: Path) -> None:
    """One file, pictures inside, markup of foreign text harmless."""
    random = np.random.default_rng(1)
    right = tuple(random.integers(0, 255, (64, 64)).astype(np.uint8) for _ in range(3))
    wrong = tuple(plane.copy() for plane in right)
    wrong[1][10, 20] ^= 1
    outcomes = [
        Outcome("first", "must-decode", "jit", "pass", "", planes=right),
        Outcome("first", "must-decode", "external", "mismatch", "<script>alert(1)</script>", planes=wrong),
        Outcome("bad-cut", "must-reject", "jit", "pass", "refused"),
    ]
    write_html(tmp_path / "r.html", suite, outcomes, 1.0)
    text = (tmp_path / "r.html").read_text()
    page = Page()
    page.feed(text)
    assert page.open == [] and "<script" not in text and "http" not in text
    assert set(page.links) == {"#first", "#bad-cut"} and len(page.sources) == 4
    pictures = []
    for source in page.sources:
        data = base64.b64decode(source.removeprefix("data:image/png;base64,"))
        pictures.append(np.asarray(Image.open(io.BytesIO(data))))
    np.testing.assert_array_equal(pictures[0], np.stack(right, axis=-1))
    # of the difference map only the one sample is lit
    assert np.argwhere(pictures[3]).tolist() == [[10, 20, 1]] and pictures[3].max() == 79
    assert re.search(r"luma residual</td><td class=\"number\">\d+ bytes", text)


def test_a_difference_map_made_smaller_loses_nothing() -> None:
    right = tuple(np.zeros((1025, 700), np.uint8) for _ in range(3))
    found = tuple(plane.copy() for plane in right)
    found[2][1024, 699] = 1
    shown = difference_map(right, found, 512)
    assert shown[0].shape == (342, 234) and np.argwhere(shown[2]).tolist() == [[341, 233]]


def test_difference_map_saturates() -> None:
    a = (np.array([[0, 255, 7]], np.uint16),)
    b = (np.array([[255, 0, 7]], np.uint16),)
    assert difference_map(a, b)[0].tolist() == [[255, 255, 0]]


def test_the_command_in_processes(suite_folder: Path, models_folder: Path, tmp_path: Path) -> None:
    """As a user runs it, reports and all."""
    done = command(
        "conformance", "verify", suite_folder, "--models", models_folder, "-j", 2,
        "--junit", tmp_path / "r.xml", "--html", tmp_path / "r.html",
    )  # fmt: skip
    assert done.code == 0, done.out + done.err
    assert "7 vectors, 14 checks, all passed (14 pass)" in done.out and done.err == ""
    assert (tmp_path / "r.html").stat().st_size > 10_000 and (tmp_path / "r.xml").exists()


def test_exit_codes(
    copied: Path, models_folder: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    common = ("verify", copied, "--models", models_folder, "-j", 0, "--engine", "golden")
    assert call(app, capsys, *common, "--only", "first").code == 0
    edit(copied, lambda index: index["streams"][0]["expect"].update(planar_sha256="1" * 64))
    assert call(app, capsys, *common, "--only", "first").code == 1
    assert call(app, capsys, *common, "--only", "nothing-of-the-kind").code == 2
    assert call(app, capsys, *common, "--only", "bad-*", "--only", "nothing-*").code == 2
    assert "2 vectors, 2 checks, all passed" in call(app, capsys, *common, "--only", "bad-[bc]*").out
    assert call(app, capsys, *common, "--html", tmp_path / "no/r.html").code == 2
    assert call(app, capsys, "verify", copied, "--models", tmp_path / "no").code == 2
    assert call(app, capsys, "verify", copied, "--decoder", "no-such-program {input} {output}").code == 2
    monkeypatch.setitem(sys.modules, "jinja2", None)
    done = call(app, capsys, *common, "--html", tmp_path / "r.html")
    assert done.code == 2 and "refdec[report]" in done.err
    monkeypatch.setitem(sys.modules, "torch", None)
    done = call(app, capsys, "verify", copied, "--models", models_folder, "--engine", "twin")
    assert done.code == 2 and "refdec[encoder]" in done.err


def test_large_pictures_are_not_run_in_golden_unless_asked(
    suite: PictureSuite, models: ModelSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "SLOW_PIXELS", 70 * 70)
    by_default = run.verify_pictures(suite, run.Options(jobs=0, models=models.root))
    skipped = {(o.name, o.decoder) for o in by_default if o.status == "not run"}
    assert skipped == {("odd", "golden"), ("map", "golden")}
    only = frozenset({"odd"})
    asked = run.Options(engines=("golden",), asked=True, jobs=0, models=models.root, only=only)
    assert [o.status for o in run.verify_pictures(suite, asked)] == ["pass"]


def test_an_engine_that_hangs_or_dies_is_a_verdict(suite: PictureSuite, models: ModelSet) -> None:
    """A time-out that nothing can meet stops every worker, and the run still ends."""
    options = run.Options(engines=("golden",), asked=True, jobs=2, models=models.root, timeout=0.001)
    outcomes = run.verify_pictures(suite, options)
    assert len(outcomes) == len(suite.records)
    assert "timeout" in {outcome.status for outcome in outcomes}


@pytest.mark.parametrize("words", [(), ("--decoder", "cat {input} {output}"), ("--only", "first")])
def test_a_folder_that_is_no_suite(words: tuple[str, ...], tmp_path: Path, capsys: Capture) -> None:
    """Whatever else is asked: it is the folder that is wrong."""
    absent = call(app, capsys, "verify", tmp_path / "no", *words)
    assert (absent.code, absent.err) == (2, f"{tmp_path / 'no'} is no folder\n")
    empty = call(app, capsys, "verify", tmp_path, *words)
    assert empty.code == 2 and f"{tmp_path} holds no suite: neither suite.json" in empty.err
