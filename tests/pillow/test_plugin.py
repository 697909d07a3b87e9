"""Pillow opens codestreams, decodes them to the decoder's samples, and fails as its users expect."""

from __future__ import annotations

import io
import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

from refdec import pillow
from refdec.codestream import Dialect
from refdec.decoder import decode
from refdec.limits import Limits
from refdec.models_io import bundled_models
from refdec.picture import Picture
from refdec.settings import Settings

SUITE = Path(str(files("conformance"))) / "photos"
SMALLEST = SUITE / "streams" / "smallest.jai"


@pytest.fixture(autouse=True)
def default_choices() -> object:
    pillow.register()
    yield
    pillow.register()


def test_samples_are_those_of_the_decoder() -> None:
    expected = np.stack(decode(SMALLEST.read_bytes(), bundled_models()).planes, axis=-1)
    with Image.open(SMALLEST) as picture:
        assert (picture.format, picture.mode, picture.size) == ("JPEGAI", "RGB", (64, 64))
        assert picture.info["bit_depth"] == 8 and picture.info["model_id"] == 2
        assert np.array_equal(np.asarray(picture), expected)


def test_opening_decodes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_args: object) -> Picture:
        raise AssertionError("decoded")

    monkeypatch.setattr(pillow, "decode_picture", never)
    with Image.open(SMALLEST) as picture:
        assert picture.size == (64, 64)
        with pytest.raises(AssertionError, match="decoded"):
            picture.load()


def test_what_users_do_with_pictures_works() -> None:
    with Image.open(io.BytesIO(SMALLEST.read_bytes())) as picture:
        whole = np.asarray(picture.copy())
        small = picture.resize((16, 16))
        cut = picture.crop((8, 4, 40, 36))
        out = io.BytesIO()
        picture.save(out, "PNG")
    assert small.size == (16, 16)
    assert np.array_equal(np.asarray(cut), whole[4:36, 8:40])
    assert np.array_equal(np.asarray(Image.open(out)), whole)


def test_the_draft_dialect_has_to_be_asked_for() -> None:
    path = SUITE / "streams" / "draft-dialect.jai"
    with pytest.raises(UnidentifiedImageError):
        Image.open(path)
    pillow.register(dialect=Dialect.DIS, settings=Settings(engine="golden"))
    with Image.open(path) as picture:
        assert picture.info["dialect"] == "dis"
        assert np.asarray(picture).shape == (80, 80, 3)


@pytest.mark.parametrize("size", [0, 1, 2, 12, 21])
def test_a_file_without_its_picture_header_is_not_identified(size: int) -> None:
    with pytest.raises(UnidentifiedImageError):
        Image.open(io.BytesIO(SMALLEST.read_bytes()[:size]))


def test_every_malformed_stream_of_the_suite_raises_what_pillow_users_expect() -> None:
    records = json.loads((SUITE / "suite.json").read_text())["streams"]
    bad = [record["name"] for record in records if record["group"] == "must-reject"]
    assert bad
    for name in bad:
        with pytest.raises((UnidentifiedImageError, OSError)):
            Image.open(SUITE / "streams" / f"{name}.jai").load()


def test_damage_in_a_payload_is_an_os_error_of_loading() -> None:
    path = SUITE / "streams" / "bad-byte-luma.jai"
    with Image.open(path) as picture:
        with pytest.raises(OSError, match="SORP"):
            picture.load()
        with pytest.raises(OSError, match="SORP"):
            picture.load()


def test_missing_models_are_an_os_error(tmp_path: Path) -> None:
    pillow.register(models=tmp_path)
    with Image.open(SMALLEST) as picture, pytest.raises(OSError, match="is missing"):
        picture.load()


@pytest.mark.parametrize("limits", [Limits(max_pixels=64 * 63), Limits(max_memory_bytes=1 << 12)])
def test_limits_are_decompression_bombs(limits: Limits) -> None:
    pillow.register(limits=limits)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(SMALLEST).load()


def test_pillows_own_limit_of_pixels_applies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(SMALLEST)


def test_other_pictures_are_left_to_other_plugins() -> None:
    out = io.BytesIO()
    Image.new("RGB", (4, 4)).save(out, "PNG")
    assert Image.open(out).format == "PNG"


def test_subsampled_and_deep_planes_become_eight_bit_samples() -> None:
    luma = np.arange(12, dtype=np.uint16).reshape(3, 4) * 93
    chroma = np.array([[0, 1023], [512, 2]], np.uint16)
    samples = pillow.samples_of(Picture((luma, chroma, chroma), "YCbCr", 10, (2, 2)))
    assert samples.dtype == np.uint8 and samples.shape == (3, 4, 3)
    assert samples[..., 1].tolist() == [[0, 0, 255, 255], [0, 0, 255, 255], [128, 128, 0, 0]]
    assert samples[2, 3, 0] == 255 and samples[0, 1, 0] == 23
