"""The real Fluster on an exported suite: our decoder, and decoders that lie."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from hashlib import md5, sha256
from pathlib import Path

import numpy as np
import pytest

from conformance.executors import InProcess
from conformance.fluster.export import Foreign, export
from conformance.fluster.layout import output_format, pixel_format
from conformance.generate.entry import SuiteSpec
from conformance.generate.run import generate_suite
from conformance.suite.records import PictureFormat, PictureSuite, open_pictures
from conformance.verify.engines import settings_of
from refdec.codestream import parse
from refdec.decoder import decode_picture
from refdec.models_io import open_models

pytest.importorskip("fluster")
DUMMIES = Path(__file__).with_name("dummies.py")
LIES = ("none", "off-by-one", "wrong-order", "truncated", "nothing", "wrong-exit-code", "crash", "hang")
EXTREMES = ("rejects-all", "accepts-all")


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> PictureSuite:
    folder = tmp_path_factory.mktemp("suite")
    only = ("smallest", "planes-420", "draft", "file-short-2")
    generate_suite(folder, SuiteSpec(seed=3), InProcess(), only=only)
    return open_pictures(folder)


@pytest.fixture(scope="module")
def exported(suite: PictureSuite, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, answers = tmp_path_factory.mktemp("fluster"), tmp_path_factory.mktemp("answers")
    record = next(r for r in suite.records if r.name == "smallest")
    own = suite.models_folder(record)
    assert own is not None
    picture = decode_picture(parse(suite.stream(record)), open_models(own), settings_of(record, "golden"))
    np.save(answers / f"{record.sha256}.npy", np.stack(picture.planes))
    foreign = [
        Foreign(
            lie, (sys.executable, str(DUMMIES), lie, str(answers), "{input}", "{output}.raw"), (3,), "rgb"
        )
        for lie in (*LIES, *EXTREMES)
    ]
    # The dummies choose by the suffix, and Fluster's outputs end in .out.
    shell = 'f="$1"; shift; "$@"; c=$?; [ ! -e "$f.raw" ] || mv "$f.raw" "$f"; exit $c'
    wrapped = [
        Foreign(f.name, ("sh", "-c", shell, "sh", "{output}", *f.command), f.rejects, f.planes)
        for f in foreign
    ]
    export(suite, folder, wrapped)
    return folder


def results(folder: Path, timeout: int, group: str, *decoders: str, only: str = "") -> tuple[int, dict]:
    """Exit code; result by decoder and vector."""
    name = next(p.stem for p in (folder / "test_suites").glob(f"*-{group}.json"))
    words = [
        "-ne",
        "-o",
        str(folder / "output"),
        "run",
        "-ts",
        name,
        "-d",
        *decoders,
        "-t",
        str(timeout),
        "-j",
        "2",
    ]
    words += ["-tv", only] if only else []
    done = subprocess.run(
        [sys.executable, str(folder / "launch.py"), *words],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    found = re.findall(r"\] \(([^ )]+) *\) (\S+) +\.\.\. ([A-Z][A-Za-z ]+)$", done.stdout, re.M)
    return done.returncode, {(d, v): r.strip() for d, v, r in found if v != "TEST"}


def test_our_decoder_succeeds_everywhere(exported: Path) -> None:
    found = {}
    for group in ("must-decode", "may-reject", "must-reject"):
        code, some = results(exported, 120, group, "refdec")
        assert code == 0, some
        found |= some
    assert found == {
        ("refdec", name): "Success" for name in ("smallest", "planes-420", "draft", "file-short-2")
    }


def test_lies_have_their_outcomes(exported: Path) -> None:
    code, found = results(exported, 12, "must-decode", *LIES, *EXTREMES, only="smallest")
    assert code == 1
    assert {decoder: result for (decoder, _), result in found.items()} == {
        "none": "Success",
        "off-by-one": "Fail",
        "wrong-order": "Fail",
        "truncated": "Fail",
        "nothing": "Error",
        "wrong-exit-code": "Error",
        "crash": "Error",
        "hang": "Timeout",
        "rejects-all": "Error",
        "accepts-all": "Fail",
    }


def test_refusals_are_positive_vectors(exported: Path) -> None:
    """What Fluster's negative suites get wrong: a refusal is a success, an acceptance or a crash is not."""
    code, found = results(exported, 60, "must-reject", "rejects-all", "accepts-all", "crash")
    assert code == 1
    assert [found[d, "file-short-2"] for d in ("rejects-all", "accepts-all", "crash")] == [
        "Success", "Fail", "Error",
    ]  # fmt: skip
    # It is not told that the stream is the draft's, and is not judged by it.
    assert results(exported, 60, "may-reject", "rejects-all")[1] == {
        ("rejects-all", "draft"): "Not Supported"
    }


def test_what_is_written(suite: PictureSuite, exported: Path) -> None:
    digests = json.loads((exported / "manifest.json").read_text())["sha256"]
    assert all(sha256((exported / name).read_bytes()).hexdigest() == d for name, d in digests.items())
    vectors = {}
    for path in (exported / "test_suites").iterdir():
        index = json.loads(path.read_text())
        assert "negative_test" not in index
        vectors |= {v["name"]: (index["name"], v) for v in index["test_vectors"]}
    for record in suite.records:
        name, vector = vectors[record.name]
        data = exported / "resources" / name / record.name / vector["input_file"]
        assert sha256(data.read_bytes()).hexdigest() == record.sha256
    record = next(r for r in suite.records if r.name == "smallest")
    own = suite.models_folder(record)
    assert own is not None
    red, green, blue = decode_picture(
        parse(suite.stream(record)), open_models(own), settings_of(record, "golden")
    ).planes
    expected = md5(green.tobytes() + blue.tobytes() + red.tobytes(), usedforsecurity=False).hexdigest()
    assert vectors["smallest"][1]["result"] == expected
    assert vectors["smallest"][1]["output_format"] == "gbrp"
    assert vectors["planes-420"][1]["output_format"] == "yuv420p"


def test_formats_are_those_that_fluster_knows() -> None:
    from fluster.codec import OutputFormat

    for planes in (("R", "G", "B"), ("Y", "U", "V")):
        for depth in range(8, 17):
            form = PictureFormat(64, 64, planes, depth, (1, 1))
            known = pixel_format(form) in {f.value for f in OutputFormat}
            assert (output_format(form) == pixel_format(form)) == known
