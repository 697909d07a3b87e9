"""The page of a suite: complete, self-contained, and honest about what was not measured."""

from __future__ import annotations

import json
import re
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from conformance.cli import app
from conformance.coverage.report import json_text
from conformance.coverage.suite import cover
from conformance.executors import InProcess
from conformance.generate.entry import SuiteSpec
from conformance.generate.registry import RECIPES
from conformance.generate.run import generate_suite
from conformance.mutants.catalogue import CATALOGUE
from conformance.mutants.report import as_json
from conformance.mutants.run import Result, Run
from conformance.suite.contents import contents_of
from conformance.suite.page import command, paragraphs
from conformance.suite.records import open_pictures
from conformance.verify.suite import SuiteError
from conformance.verify_command import bundled_folder
from tests.cli.commands import call

ONLY = ("smallest", "progressive-5", "map-noise-truncate", "planes-420", "file-short-2")
VECTORS = bundled_folder().with_name("vectors")
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("suite")
    generate_suite(folder, SuiteSpec(seed=3), InProcess(), only=ONLY)
    return folder


@pytest.fixture
def suite(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "suite"))


class Page(HTMLParser):
    """Text of a page by its headings, its links, its balance of tags."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.names: set[str] = set()
        self.sections: dict[str, str] = {"": ""}
        self._title = ""
        self.feed(path.read_text(encoding="utf-8"))
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br"):
            self.open.append(tag)
        self.names |= {str(value) for name, value in attrs if name == "id"}
        self.links += [str(value) for name, value in attrs if name in ("href", "src")]
        if tag in ("h1", "h2", "h3"):
            self._title = ""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag in ("td", "th", "li", "p"):
            self.sections[self._title] += " "

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("h1", "h2", "h3"):
            self._title += data
            self.sections.setdefault(self._title, "")
        else:
            self.sections[self._title] += data

    def text(self, title: str) -> str:
        return " ".join(self.sections[title].split())


def page_of(suite: Path, capsys: Capture, *words: object) -> Page:
    done = call(app, capsys, "suite-page", suite, *words)
    assert done.code == 0, done.err
    return Page(Path(done.out.strip()))


def test_a_generated_suite(suite: Path, capsys: Capture) -> None:
    page = page_of(suite, capsys)
    assert (suite / "index.html").is_file()
    assert set(page.links) == {f"#{name}" for name in page.names if name != "promises"}
    for name in ("smallest", "progressive", "map-noise", "planes", "file-short"):
        assert page.text(name).startswith(" ".join(RECIPES[name].page.replace("`", "").split()))
    assert "planes-420" in page.text("planes") and "YUV 4:2:0, 8 bits" in page.text("planes")
    assert "refused: " in page.text("file-short")
    run = page.text("Your decoder, in five minutes")
    options = "--rounding {rounding} --channels {channels} --models {models} --point {point}"
    assert sorted(command(contents_of(suite)).split()) == sorted(
        f"mydec {{input}} {{output}} {options}".split()
    )
    assert f"--decoder '{command(contents_of(suite))}' --decoder-output raw" in run
    assert "1 of the streams has a picture" in run
    assert {"{rounding}", "{channels}", "{models}", "{point}"} <= set(re.findall(r"\{\w+\}", run))
    assert "{dialect}" not in run
    absent = page.text("What it does not test")
    points_there = {record.operating_point for record in open_pictures(suite).records if record.picture}
    points_absent = [point for point in ("SOP", "BOP", "HOP") if point.lower() not in points_there]
    assert points_absent and f"the operating point {', '.join(points_absent)} " in f"{absent} "
    assert "the header dialect dis" in absent and "regions, independent-regions, tiles" in absent
    assert "pictures of the format YUV 4:4:4, YUV 4:2:2" in absent
    points = page.text("Statements, table entries, states, clips, branches")
    assert points.startswith("Not measured: there is no coverage.json in the suite.")
    assert "refconf coverage SUITE --json SUITE/coverage.json" in points
    assert page.text("Mistakes that a decoder could make").startswith(
        "Not measured: there is no mutants.json"
    )


def test_what_was_measured(suite: Path, capsys: Capture) -> None:
    """Everything that the reports call missing, unreachable or surviving is on the page."""
    text = json_text(cover(suite, only=frozenset({"smallest", "file-short-2"})))
    (suite / "coverage.json").write_text(text)
    first, second, third = CATALOGUE[:3]
    results = (Result(first, "killed"), Result(second, "survived"), Result(third, "killed"))
    (suite / "mutants.json").write_text(as_json(Run(results, ())))
    page = page_of(suite, capsys)
    points = page.text("Statements, table entries, states, clips, branches")
    assert "2 of 5 streams" in points and "Not measured" not in points
    for facts in json.loads(text)["groups"].values():
        within = facts["covered"] + len(facts["missing"])
        assert f"{facts['title']} {facts['covered']} {within} " in points
    for point in json.loads(text)["groups"]["statements"]["missing"]:
        assert point in points
    for why in json.loads(text)["groups"]["statements"]["unreachable"].values():
        assert " ".join(why.replace("`", "").split()) in points
    mistakes = page.text("Mistakes that a decoder could make")
    assert "2 killed, 1 survived" in mistakes and second.name in mistakes
    assert first.name not in mistakes


def test_reports_about_another_suite(suite: Path, made: Path, capsys: Capture) -> None:
    """One that lies in the suite is named as of no use, one that is asked for is an error."""
    facts = json.loads(json_text(cover(made, only=frozenset({"file-short-2"}))))
    facts["streams"][0]["bytes"] += 1
    (suite / "coverage.json").write_text(json.dumps(facts))
    (suite / "mutants.json").write_text('{"schema": "something"}')
    page = page_of(suite, capsys)
    points = page.text("Statements, table entries, states, clips, branches")
    assert points.startswith("Not measured: the coverage.json in the suite cannot be used (coverage.json is")
    assert "schema 'something'" in page.text("Mistakes that a decoder could make")
    for name in ("coverage", "mutants"):
        done = call(app, capsys, "suite-page", suite, f"--{name}", suite / f"{name}.json")
        assert done.code == 2 and f"{name}.json" in done.err
        assert call(app, capsys, "suite-page", suite, f"--{name}", suite / "absent").code == 2


def test_reports_of_any_form(suite: Path) -> None:
    """Whatever JSON there is, it is a report or a SuiteError."""
    from conformance.suite.measured import read_coverage

    contents, path = contents_of(suite), suite / "x.json"
    good = json.loads(json_text(cover(suite, only=frozenset({"file-short-2"}))))
    path.write_text(json.dumps(good))
    assert read_coverage(path, contents).streams == 1
    states = {**good["groups"]["tans-states"], "missing": ["no state"]}
    for change in (
        {"streams": 3},
        {"groups": []},
        {"groups": {"statements": {"missing": [1], "unreachable": {}, "covered": 0}}},
        {"groups": {"statements": {"missing": [], "unreachable": {}, "covered": -1}}},
        {"groups": {"tans-states": states}},
    ):
        path.write_text(json.dumps({**good, **change}))
        with pytest.raises(SuiteError):
            read_coverage(path, contents)


def test_foreign_text_is_harmless(suite: Path, capsys: Capture) -> None:
    index = json.loads((suite / "suite.json").read_text())
    index["name"] = "<script>alert(1)</script>"
    index["streams"][0].update(purpose="<b>bold</b>", recipe={"name": "<i>"})
    (suite / "suite.json").write_text(json.dumps(index))
    page = page_of(suite, capsys)
    assert "<script" not in (suite / "index.html").read_text()
    # a recipe that this program does not know leaves what the index says
    assert page.text("smallest").startswith("<b>bold</b>")


@pytest.mark.parametrize("folder", [bundled_folder(), VECTORS])
def test_bundled_suites(folder: Path, tmp_path: Path, capsys: Capture) -> None:
    page = page_of(folder, capsys, "-o", tmp_path / "page.html")
    for stream in contents_of(folder).streams:
        assert stream.purpose in page.text(stream.name)
    assert "models that come with refdec" in page.text("Your decoder, in five minutes") or folder == VECTORS
    assert not (folder / "index.html").exists()


def test_usage(suite: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    assert call(app, capsys, "suite-page").code == 2
    assert call(app, capsys, "suite-page", tmp_path / "absent", "-o", tmp_path / "x.html").code == 2
    assert call(app, capsys, "suite-page", suite, "-o", tmp_path / "x.txt").code == 2
    monkeypatch.setitem(sys.modules, "jinja2", None)
    done = call(app, capsys, "suite-page", suite)
    assert done.code == 2 and "refdec[report]" in done.err


def test_paragraphs() -> None:
    assert paragraphs("One `x`\ntwo.\n\n``y z`` three") == (
        ((False, "One "), (True, "x"), (False, " two.")),
        ((True, "y z"), (False, " three")),
    )
