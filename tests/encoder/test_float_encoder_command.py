"""``refconf encode``: arguments, files, reports, and streams that ``refdec`` decodes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from conformance.cli import app
from conformance.encoder.picture_files import load_rgb
from conformance.encoder.quality import (
    QualityMapError,
    interest_map,
    load_map,
    parse_interest,
)
from conformance.encoder.source import PictureFileError
from refdec.codestream import Dialect, parse
from refdec.decoder import decode, decode_entropy
from refdec.models_io import ModelSet
from tests.cli.commands import call
from tests.encoder.float_models import picture


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(picture(75, 101)).save(path)
    return path


def test_options_reach_the_stream(
    photo: Path, tmp_path: Path, float_models: ModelSet, capsys: pytest.CaptureFixture[str]
) -> None:
    out, shown = tmp_path / "o.jai", tmp_path / "shown.png"
    done = call(
        app, capsys, "encode", photo, out, "--models", float_models.root, "--model", 2,
        "--delta-beta", -300, "--delta-beta-uv", 55, "--roi", "30,0,20,33:5", "--threads-z", 4,
        "--threads-r", 2, "--threads-q", 8, "--rvs", "uv", "--grfs", "y", "--lsbs", "both",
        "--num-chs", "100,50", "--tiles", "64,16", "--chroma", "420", "--transforms", "bop,sop",
        "--dialect", "dis", "--cube-flags", "off", "--reconstruction", shown, "--check", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    facts = json.loads(done.out)
    data = out.read_bytes()
    assert facts["bytes"] == len(data) and facts["checked"] == ["bop", "sop"]
    assert facts["bpp"] == pytest.approx(8 * len(data) / (75 * 101), abs=1e-6)
    header = parse(data, Dialect.DIS).picture
    luma, chroma = header.components
    assert (header.model_id, header.beta_displacement_log) == (2, (-300, 55))
    assert (header.num_threads_z, header.num_threads_q, luma.num_threads_r) == (4, 8, 2)
    assert (luma.rvs_enable_flag, chroma.rvs_enable_flag) == (0, 1)
    assert (luma.grfs_enable_flag, chroma.grfs_enable_flag) == (1, 0)
    assert (luma.num_chs, chroma.num_chs, luma.tiling) == (100, 50, (64, 16))
    assert header.coded_subsampling == (2, 2) and header.synthesis_transform_id == (1, 0)
    assert luma.cube_flags is None
    decoded = decode_entropy(data, float_models, dialect=Dialect.DIS)
    assert decoded.codestream.tools.lsbs_enable_flag == (1, 1)
    assert decoded.quality_map is not None
    expected = np.zeros((5, 7), np.int8)
    expected[0:3, 1:4] = 5
    np.testing.assert_array_equal(decoded.quality_map, expected)
    planes = decode(data, float_models, dialect=Dialect.DIS).planes
    np.testing.assert_array_equal(np.asarray(Image.open(shown)), np.stack(planes, axis=-1))


def test_rate(
    photo: Path, tmp_path: Path, float_models: ModelSet, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("encode", photo, tmp_path / "o.jai", "--models", float_models.root, "--json")
    done = call(app, capsys, *arguments, "--model", 1)
    default = json.loads(done.out)["bpp"]
    done = call(app, capsys, *arguments, "--bpp", 1.02 * default, "--model", 1)
    assert done.code == 0, done.err
    facts = json.loads(done.out)
    assert facts["reached"] and facts["bpp"] == pytest.approx(1.02 * default, rel=0.01)
    assert facts["model"] == 1 and facts["trials"][0]["delta_beta"] == 0
    assert done.err.count("displacement") == len(facts["trials"])
    assert facts["naive_seconds"] >= facts["coding_seconds"]
    done = call(app, capsys, *arguments, "--bpp", 90)
    assert done.code == 0 and not json.loads(done.out)["reached"] and "out of reach" in done.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "say --bpp RATE"),
        (("--bpp", "0.5", "--delta-beta", "3"), "--bpp finds the displacement"),
        (("--bpp", "-1"), "a rate above 0"),
        (("--model", "1", "--delta-beta", "703"), "-1069..702"),
        (("--model", "1", "--threads-r", "3"), "1, 2, 4, 8 or 16"),
        (("--model", "1", "--rvs", "luma"), "none or y or uv or both"),
        (("--model", "1", "--regions", "2"), "ROWSxCOLUMNS"),
        (("--model", "1", "--regions", "2x1"), "columns|rows"),
        (("--model", "1", "--tiles", "100,10"), "multiples of 16"),
        (("--model", "1", "--num-chs", "161,3"), "at most"),
        (("--model", "1", "--transforms", "hop"), "no synthesis transform HOP"),
        (("--model", "1", "--transforms", "sop,sop"), "a list of"),
        (("--model", "1", "--roi", "1,2,3:4"), "x,y,w,h:q"),
        (("--model", "1", "--roi", "500,2,3,9:4"), "outside of the picture"),
        (("--model", "1", "--engine", "fast"), "jit or golden or twin"),
        (("--model", "1", "--chroma", "411"), "444 or 422 or 420"),
        (("--model", "1", "--quality-map", "absent.npy"), "cannot read"),
        (("--model", "1", "--reconstruction", "a.tif"), "expected .png"),
        (("--model", "1", "--reconstruction", "a.yuv"), "choose png, ppm or npy"),
    ],
)
def test_wrong_arguments(
    words: tuple[str, ...],
    message: str,
    photo: Path,
    tmp_path: Path,
    float_models: ModelSet,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "o.jai"
    done = call(app, capsys, "encode", photo, out, "--models", float_models.root, *words)
    assert done.code == 2 and not out.exists()
    assert re.search(message, done.err), done.err


def test_files_that_are_no_pictures(tmp_path: Path) -> None:
    text = tmp_path / "a.png"
    text.write_text("no picture")
    for path in (text, tmp_path / "absent.png"):
        with pytest.raises(PictureFileError, match="cannot read the picture"):
            load_rgb(path)


def test_pictures_of_any_kind(tmp_path: Path) -> None:
    rgb = picture(20, 30)
    expected = {"a.png": rgb, "a.ppm": rgb, "a.bmp": rgb}
    for name, value in expected.items():
        Image.fromarray(rgb).save(tmp_path / name)
        np.testing.assert_array_equal(load_rgb(tmp_path / name), value)
    Image.fromarray(rgb).save(tmp_path / "a.jpg", quality=95)
    assert np.abs(load_rgb(tmp_path / "a.jpg").astype(int) - rgb).mean() < 10
    grey = rgb[..., 0]
    Image.fromarray(grey).save(tmp_path / "g.png")
    np.testing.assert_array_equal(load_rgb(tmp_path / "g.png"), np.stack((grey,) * 3, -1))
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "g16.png")
    np.testing.assert_array_equal(load_rgb(tmp_path / "g16.png"), np.stack((grey,) * 3, -1))
    rgba = np.dstack((rgb, np.full(grey.shape, 100, np.uint8)))
    Image.fromarray(rgba).save(tmp_path / "alpha.png")
    np.testing.assert_array_equal(load_rgb(tmp_path / "alpha.png"), rgb)
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(rgb).save(tmp_path / "turned.png", exif=turned)
    np.testing.assert_array_equal(load_rgb(tmp_path / "turned.png"), np.rot90(rgb, -1))


def test_quality_maps_from_files(tmp_path: Path) -> None:
    values = np.arange(12).reshape(3, 4) - 6
    np.save(tmp_path / "m.npy", values)
    (tmp_path / "m.txt").write_text("\n".join(" ".join(map(str, row)) for row in values))
    (tmp_path / "m.csv").write_text("\n".join(",".join(map(str, row)) for row in values) + "\n\n")
    Image.fromarray((128 + 16 * values).astype(np.uint8)).save(tmp_path / "m.png")
    for name in ("m.npy", "m.txt", "m.csv", "m.png"):
        np.testing.assert_array_equal(load_map(tmp_path / name, (48, 64)), values)
        doubled = values.repeat(2, 0).repeat(2, 1)
        np.testing.assert_array_equal(load_map(tmp_path / name, (90, 128)), doubled)
    np.testing.assert_array_equal(load_map(tmp_path / "m.npy", (16, 16)), [[values[1, 2]]])
    Image.fromarray(np.array([[0, 255]], np.uint8)).save(tmp_path / "ends.png")
    np.testing.assert_array_equal(load_map(tmp_path / "ends.png", (16, 32)), [[-8, 8]])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "1 2\n3", "different length"),
        ("a.txt", "1 x", "cannot read"),
        ("a.txt", "9 1", r"indices 1\.\.9"),
        ("a.txt", "", "expected rows"),
        ("a.png", "zzz", "cannot read"),
    ],
)
def test_quality_maps_that_are_refused(name: str, content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(QualityMapError, match=message):
        load_map(tmp_path / name, (64, 64))


def test_a_map_of_floats_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 2)))
    with pytest.raises(QualityMapError, match="expected integers"):
        load_map(tmp_path / "a.npy", (64, 64))


def test_rectangles_cover_every_block_they_touch() -> None:
    found = interest_map([parse_interest("15,16,2,1:-3"), parse_interest("0,0,16,16:8")], (64, 64))
    expected = np.zeros((4, 4), np.int8)
    expected[1, 0:2] = -3
    expected[0, 0] = 8
    np.testing.assert_array_equal(found, expected)
    for wrong in ("0,0,1,1:9", "0,0,0,1:3", "-1,0,1,1:3", "0,0,1,1"):
        with pytest.raises(QualityMapError):
            parse_interest(wrong)


def test_rectangles_are_cut_at_the_picture_and_must_touch_it() -> None:
    beyond, whole = parse_interest("64,64,256,256:4"), parse_interest("64,64,136,86:4")
    np.testing.assert_array_equal(interest_map([beyond], (150, 200)), interest_map([whole], (150, 200)))
    for outside in ("200,0,1,1:4", "0,150,9,9:4"):
        with pytest.raises(QualityMapError, match="outside of the picture of 200 x 150"):
            interest_map([parse_interest(outside)], (150, 200))
    # 40 x 30 samples are coded as 64 x 64
    with pytest.raises(QualityMapError, match="outside of the picture of 40 x 30"):
        interest_map([parse_interest("45,0,9,9:4")], (64, 64), (30, 40))
