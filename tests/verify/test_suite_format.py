"""Suites from outside: nothing in them is believed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance.cli import app
from conformance.suite.records import PictureSuite, open_pictures
from conformance.verify.suite import SuiteError
from refdec.models_io import ModelSet
from tests.cli.commands import call

Change = Callable[[Any], Any]


def edit(folder: Path, change: Change) -> None:
    """Change the index of a suite."""
    path = folder / "suite.json"
    index = json.loads(path.read_text())
    change(index)
    path.write_text(json.dumps(index))


def first(**changes: Any) -> Change:
    """Other values in the first record."""
    return lambda index: index["streams"][0].update(changes)


def inner(key: str, **changes: Any) -> Change:
    """Other values in an object of the first record."""
    return lambda index: index["streams"][0][key].update(changes)


def test_a_record_says_all_that_it_should(suite: PictureSuite) -> None:
    record = next(r for r in suite.records if r.name == "odd")
    assert record.picture is not None
    assert (record.picture.width, record.picture.height, record.picture.planes) == (79, 65, ("R", "G", "B"))
    assert record.profile == "base" and record.level == 52
    assert {"model-1", "threads-r-4", "rvs", "lsbs", "odd-size"} <= set(record.features)
    assert set(record.models) == {
        f"model1/{kind}_{part}.safetensors" for kind in ("entropy", "latent", "sop") for part in ("Y", "UV")
    }
    assert len(suite.trace(record).entries) > 20
    assert [r.group for r in suite.records].count("must-reject") == 3


@pytest.mark.parametrize(
    "change",
    [
        first(name="../../etc"),
        first(name="Has Spaces"),
        first(name="odd"),
        first(group="perhaps"),
        first(dialect="jpeg"),
        first(quality_rounding="up"),
        first(operating_point="vop"),
        first(file="/etc/passwd.jai"),
        first(file="../outside.jai"),
        first(file="streams/.hidden.jai"),
        first(file="streams/first.png"),
        first(file=7),
        first(sha256="0" * 63),
        first(sha256=None),
        first(bytes=-1),
        first(bytes=True),
        first(bytes=1 << 40),
        first(level="52"),
        first(features="all"),
        first(features=["x" * 1000]),
        first(features=[1]),
        first(models={"model0/entropy_Y.safetensors": "no"}),
        first(models=[]),
        first(picture=None),
        first(purpose="a\x00b"),
        inner("picture", width=0),
        inner("picture", width=60_000, height=60_000),
        inner("picture", width=1.5),
        inner("picture", bit_depth=64),
        inner("picture", planes=["B", "G", "R"]),
        inner("picture", planes="RGB"),
        inner("picture", subsampling=[3, 1]),
        inner("expect", planar_sha256="x"),
        inner("expect", trace="../trace.jsonl"),
        inner("expect", trace_sha256=0),
        lambda index: index.update(schema="refconf-pictures-99"),
        lambda index: index.pop("schema"),
        lambda index: index.update(streams={}),
        lambda index: index.update(streams=[[]]),
        lambda index: index["streams"][-1]["expect"].update(error="SystemExit"),
        lambda index: index["streams"][-1]["expect"].update(error="BitstreamError"),
        lambda index: index["streams"][-1]["expect"].update(bit_offset=-5),
    ],
)
def test_an_index_that_is_wrong_is_refused(copied: Path, change: Change) -> None:
    edit(copied, change)
    with pytest.raises(SuiteError):
        open_pictures(copied)


@pytest.mark.parametrize(
    "text", ["", "[]", "7", "{" * 100_000, '{"schema": NaN}', "\ud83d", '{"schema": "refconf-pictures-1"}']
)
def test_an_index_that_is_no_index_is_refused(copied: Path, text: str) -> None:
    (copied / "suite.json").write_text(text, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(SuiteError):
        open_pictures(copied)


def test_a_link_out_of_the_suite_is_refused(copied: Path, tmp_path: Path) -> None:
    target = copied / "streams/first.jai"
    outside = tmp_path / "elsewhere.jai"
    outside.write_bytes(target.read_bytes())
    target.unlink()
    target.symlink_to(outside)
    suite = open_pictures(copied)
    with pytest.raises(SuiteError, match="out of the suite"):
        suite.stream(suite.records[0])


def test_a_link_that_is_no_file_is_refused(copied: Path) -> None:
    """A pipe must not make the verifier wait for ever."""
    target = copied / "streams/first.jai"
    target.unlink()
    os.mkfifo(target)
    suite = open_pictures(copied)
    with pytest.raises(SuiteError, match="no such file"):
        suite.stream(suite.records[0])


@pytest.mark.parametrize(
    "changes",
    [
        {"point": ["x"]},
        {"component": "../Y"},
        {"region": "0"},
        {"shape": 1},
        {"shape": [-1]},
        {"dtype": "O"},
        {"sha256": "up"},
    ],
)
def test_a_trace_that_is_no_trace_is_refused(copied: Path, changes: dict[str, Any]) -> None:
    path = copied / "traces/first.jsonl"
    header, line = path.read_text().splitlines()[:2]
    path.write_text(header + "\n" + json.dumps({**json.loads(line), **changes}) + "\n")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    edit(copied, inner("expect", trace_sha256=digest))
    suite = open_pictures(copied)
    with pytest.raises(SuiteError):
        suite.trace(suite.records[0])


def test_the_command_line_refuses_in_one_line(
    copied: Path, models: ModelSet, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(copied, first(file="../outside.jai"))
    done = call(app, capsys, "verify", copied, "--models", models.root)
    assert done.code == 2 and done.err.count("\n") == 1 and "streams[0].file" in done.err
