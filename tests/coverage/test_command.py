"""``refconf coverage`` on a small suite: table, JSON, HTML, exit codes."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from conformance.cli import app
from conformance.coverage.report import ranges, share, summed_up, write_statements
from conformance.coverage.suite import Coverage, Exercised
from conformance.coverage.universe import universe
from conformance.suite.records import INDEX
from tests.cli.commands import call
from tests.coverage.test_recording import VECTORS

KEPT = ("plain-64x64", "minimal", "no-soc")


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """Three vectors of the bundled suite as a suite of their own."""
    folder = tmp_path / "three"
    shutil.copytree(VECTORS, folder)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    for group in ("streams", "malformed"):
        manifest[group] = [entry for entry in manifest[group] if entry["name"] in KEPT]
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def test_reports(suite: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report, page = tmp_path / "report.json", tmp_path / "page.html"
    done = call(app, capsys, "coverage", suite, "--jobs", 0, "--json", report, "--html", page)
    assert done.code == 0
    facts = json.loads(report.read_text(encoding="utf-8"))
    assert [stream["name"] for stream in facts["streams"]] == list(KEPT)
    shortest = facts["groups"]["statements"]["shortest"]
    assert shortest["CS-CON-09"] == "minimal"
    assert shortest["AR-TANS-09"] == "minimal"
    assert facts["groups"]["refusals"]["shortest"] == {
        "codestream.container.split: this is no JPEG AI codestream": "no-soc"
    }
    for group, points in universe().items():
        found = facts["groups"][group]
        every = [*found["shortest"], *found["missing"], *found["unreachable"]]
        assert sorted(every) == sorted(points)
        assert found["covered"] == len(found["shortest"])
    assert re.search(r"^Statements of docs/ +\d+ +\d+ +\d+\.\d %", done.out, re.MULTILINE)
    html = page.read_text(encoding="utf-8")
    assert "AR-TANS-09" in html and "refdec/entropy/golden/residual.py:" in html
    assert not re.search(r"(?:src|href)=.(?!#)", html)


def test_json_to_standard_output(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = call(app, capsys, "coverage", suite, "--jobs", 0, "--only", "no-*", "--json", "-")
    assert [stream["points"] for stream in json.loads(done.out)["streams"]] == [2]


def test_a_misspelt_stream_is_told(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A table that says 0 % of everything would be taken for a result."""
    done = call(app, capsys, "coverage", suite, "--jobs", 0, "--only", "no-soc", "--only", "minimum")
    assert (done.code, done.err) == (2, "--only: the suite has no stream minimum\n")


def test_a_stream_that_ends_otherwise_fails(suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = json.loads((suite / "manifest.json").read_text(encoding="utf-8"))
    manifest["streams"].append({**manifest["streams"][0], **manifest["malformed"].pop()})
    manifest["streams"][-1].update(quality_rounding="floor", channels=None)
    (suite / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    done = call(app, capsys, "coverage", suite, "--jobs", 0, "--only", "no-soc")
    assert done.code == 1
    assert "no-soc: refused (CodestreamSyntaxError), and must decode" in done.out


def test_usage(tmp_path: Path, suite: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(app, capsys, "coverage", tmp_path / "absent").code == 2
    assert call(app, capsys, "coverage", suite, "--write").code == 2
    assert call(app, capsys, "coverage", suite, "--html", tmp_path / "no" / "page.html").code == 2


def test_statements_into_records(tmp_path: Path) -> None:
    entries: list[dict[str, Any]] = [{"name": "a"}, {"name": "b"}]
    (tmp_path / INDEX).write_text(json.dumps({"schema": 1, "streams": entries}), encoding="utf-8")
    points = frozenset({("statements", "AR-Z-02"), ("statements", "AR-Z-01"), ("headers", "x")})
    found = Coverage("s", (Exercised("a", 1, points, 0.0),), {})
    write_statements(tmp_path, found)
    index = json.loads((tmp_path / INDEX).read_text(encoding="utf-8"))
    assert index["streams"] == [{"name": "a", "statements": ["AR-Z-01", "AR-Z-02"]}, {"name": "b"}]
    assert index["schema"] == 1


def test_numbers_for_people() -> None:
    assert ranges([7, 1, 2, 3]) == "1..3, 7"
    assert summed_up("tans-states", ["3[1]", "3[2]", "4[9]"]) == ["3: 1..2", "4: 9"]
    assert summed_up("scaler-entries", ["L = -2", "L = -1", "L = 5"]) == ["L: -2..-1, 5"]
    assert share(8191, 8192) == "99.9 %"
    assert share(8192, 8192) == "100.0 %"
