"""Options of ``refconf encode`` beyond source and rate: what each writes, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from conformance.cli import app
from conformance.encode_headers import METADATA_MAX, parse_rendering
from refdec.codestream import parse
from refdec.command import UsageError
from refdec.decoder import decode
from refdec.models_io import ModelSet
from tests.cli.commands import Done, call
from tests.encoder.float_models import picture


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(picture(70, 90)).save(path)
    return path


def encode(
    photo: Path, models: ModelSet, capsys: pytest.CaptureFixture[str], *words: object
) -> tuple[Done, Path]:
    out = photo.with_suffix(".jai")
    done = call(app, capsys, "encode", photo, out, "--models", models.root, "--model", 1, *words)
    return done, out


def test_headers_and_metadata(
    photo: Path, float_models: ModelSet, capsys: pytest.CaptureFixture[str]
) -> None:
    note = photo.with_name("note.bin")
    note.write_bytes(b"\x00\xff\x80note")
    done, out = encode(
        photo, float_models, capsys, "--profile", "high", "--level", "4.2", "--operating-points", "sop,bop",
        "--threads-r", "8,2", "--user-data", note, "--user-data", note, "--cicp", "9,16,9,1",
        "--mastering-display", "1,2,3,4,5,6,7,8,4000000000,10", "--content-light", "1000,65535",
        "--metadata", f"200:{note}", "--force", "PIH.components[1].rvs_enable_flag=1",
        "--force", "PIH.beta_displacement_log_plus_2048[0]=0", "--check", "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert json.loads(done.out)["checked"] == ["sop", "bop"]
    stream = parse(out.read_bytes())
    header, shown = stream.picture, stream.rendering
    assert (header.decoder_profile_id, header.level_idc, header.synthesis_transform_id) == (2, 42, (0, 1))
    assert [c.num_threads_r for c in header.components] == [8, 2]
    assert [c.rvs_enable_flag for c in header.components] == [0, 1]
    assert header.beta_displacement_log == (-2048, -2048)
    assert stream.user_data == (note.read_bytes(),) * 2
    assert shown is not None and shown.cicp is not None and shown.mdcv is not None
    assert (shown.cicp.colour_primaries, shown.cicp.transfer_characteristics) == (9, 16)
    assert (shown.cicp.image_full_range_flag, shown.cicp.chroma420_sample_loc_type) == (1, 0)
    assert shown.mdcv.primaries[2].primaries_y == 6 and shown.mdcv.white_point_y == 8
    assert (shown.mdcv.maximum_luminance, shown.mdcv.minimum_luminance) == (4000000000, 10)
    assert shown.clli is not None and shown.clli.maximum_frame_average_light_level == 65535
    assert shown.dm is not None and (shown.dm.dm_type, shown.dm.data) == (200, note.read_bytes())


def test_region_overlaps(tmp_path: Path, float_models: ModelSet, capsys: pytest.CaptureFixture[str]) -> None:
    photo = tmp_path / "tall.png"
    Image.fromarray(picture(280, 64)).save(photo)
    done, out = encode(photo, float_models, capsys, "--regions", "2x1", "--region-overlap", "1,4", "--check")
    assert done.code == 0, done.err
    header = parse(out.read_bytes()).picture
    assert (header.hyper_decoder_overlap_in_latent_samples, header.mcm_overlap_in_latent_samples) == (1, 4)


def test_forced_decisions_from_a_file(
    photo: Path, float_models: ModelSet, capsys: pytest.CaptureFixture[str]
) -> None:
    path = photo.with_name("force.json")
    content = {
        "symbols": [{"component": "Y", "values": ["escape", "-largest"], "every": 11}],
        "trailing": "00",
    }
    path.write_text(json.dumps(content))
    done, out = encode(photo, float_models, capsys, "--force", path, "--check")
    assert done.code == 0 and "decodes as expected" in done.out, done.err
    forced = out.read_bytes()
    assert forced[-1:] == b"\x00"
    encode(photo, float_models, capsys)
    assert len(forced) > len(out.read_bytes()) + 100 and out.read_bytes()[-1:] != b"\x00"


def test_progressive_decoding_keeps_the_first_channels(
    photo: Path, float_models: ModelSet, capsys: pytest.CaptureFixture[str]
) -> None:
    done, out = encode(photo, float_models, capsys, "--threads-r", "4", "--num-chs", "120,60")
    assert done.code == 0, done.err
    whole = decode(out.read_bytes(), float_models)
    for channels in (0, 50, 120):
        jit, golden = (
            decode(out.read_bytes(), float_models, engine=e, channels=channels) for e in ("jit", "golden")
        )
        for a, b in zip(jit.planes, golden.planes, strict=True):
            np.testing.assert_array_equal(a, b)
        same = all(np.array_equal(a, b) for a, b in zip(jit.planes, whole.planes, strict=True))
        assert same == (channels == 120)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--threads-q", 2), "--threads-q means nothing without --quality-map or --roi"),
        (("--quality-rounding", "truncate"), "means nothing without --quality-map"),
        (("--independent-regions",), "means nothing without --regions"),
        (("--region-overlap", "1,4"), "means nothing without --regions"),
        (("--regions", "2x1", "--independent-regions", "--region-overlap", "1,4"), "means nothing without"),
        (("--regions", "1x2", "--region-overlap", "4,4"), "--region-overlap 4,4"),
        (("--chroma-offset", "3"), "--chroma-offset goes with --bpp"),
        (("--threads-r", "8,3"), "1, 2, 4, 8 or 16"),
        (("--threads-r", "8,2,1"), "two of them"),
        (("--profile", "main"), "expected simple, base, high"),
        (("--profile", "simple", "--operating-points", "bop,sop"), "CS-PRO-02"),
        (("--level", "6.1"), "expected A.B"),
        (("--level", "1.0"), "a model of level 10"),
        (("--operating-points", "sop,sop"), "--operating-points sop,sop"),
        (("--user-data", "absent"), "--user-data absent: cannot read it"),
        (("--cicp", "1,2"), "3 to 5 integers"),
        (("--cicp", "1,2,256"), "256 is above 255"),
        (("--mastering-display", "1,2,3"), "expected 10 integers"),
        (("--content-light", "1,x"), "expected 2 integers"),
        (("--metadata", "300:x"), "TYPE:FILE"),
        (("--force", "PIH.level_idc"), "ELEMENT=VALUE"),
        (("--force", "PIH.level=52"), "no element 'level'"),
        (("--force", "PIH.level_idc=99"), "CS-LVL-01"),
        (("--tiles", "64,64"), "below the size"),
        (("--roi", "0,0,9,9:1", "--quality-map", "x.npy"), "not both"),
        (("--source-format", "yuv420p12"), "8 and 10 bits alone"),
        (("--source-format", "yuv422p8", "--chroma", "420"), "a 422 source cannot be coded as 420"),
        (("--bit-depth", "12"), "decoders implement 8 and 10"),
        (("--coded-size", "300x70"), "up to 63 can be cut off"),
    ],
)
def test_wrong_combinations_are_refused_before_long_work(
    words: tuple[object, ...],
    message: str,
    photo: Path,
    float_models: ModelSet,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from conformance.encoder import encode as module

    def never(*_: object) -> None:
        raise AssertionError("networks were loaded")

    monkeypatch.setattr(module, "load_float_encoder", never)
    done, out = encode(photo, float_models, capsys, *words)
    assert done.code == 2 and message in done.err and done.err.count("\n") == 1, done.err
    assert not out.exists()


def test_metadata_of_more_bytes_than_can_be_said(tmp_path: Path) -> None:
    path = tmp_path / "m"
    path.write_bytes(bytes(METADATA_MAX + 1))
    with pytest.raises(UsageError, match="at most 65535 fit"):
        parse_rendering(None, None, None, f"1:{path}")
    path.write_bytes(bytes(METADATA_MAX))
    rendering = parse_rendering(None, None, None, f"1:{path}")
    assert rendering.dm is not None and rendering.dm.dm_size == METADATA_MAX


def test_help_shows_options_in_groups(capsys: pytest.CaptureFixture[str]) -> None:
    text = call(app, capsys, "encode", "--help").out
    titles = [line[:-1] for line in text.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert titles[:2] == ["Arguments", "Source picture"] and "Forced decisions" in titles
    assert titles[-1] == "Other options" and len(titles) == len(set(titles))
    rate = text[text.index("Rate and quality:") : text.index("Coding tools:")]
    assert "--roi" in rate and "--rvs" not in rate
