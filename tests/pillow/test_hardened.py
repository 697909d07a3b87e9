"""What users of Pillow do to every format: cut files, pipes, the incremental parser, threads, pickles."""

from __future__ import annotations

import copy
import importlib
import io
import pickle
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile, UnidentifiedImageError

from refdec import models_io, pillow
from refdec.picture import Picture

SMALLEST = Path(str(files("conformance"))) / "photos/streams/smallest.jai"
DATA = SMALLEST.read_bytes()


@pytest.fixture(scope="module")
def samples() -> np.ndarray:
    with Image.open(SMALLEST) as picture:
        return np.asarray(picture)


@pytest.fixture
def decodes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for every decode; the pictures are grey ramps."""
    calls: list[int] = []

    def decode(*_: object) -> Picture:
        calls.append(1)
        plane = np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)
        return Picture((plane, plane, plane), "RGB", 8, (1, 1))

    monkeypatch.setattr(pillow, "decode_picture", decode)
    return calls


@pytest.mark.parametrize("size", [24, 30, 36, 500, len(DATA) - 2, len(DATA) - 1])
@pytest.mark.parametrize("tolerant", [False, True])
def test_a_cut_file_opens_and_does_not_load(
    size: int, tolerant: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", tolerant)
    with Image.open(io.BytesIO(DATA[:size])) as picture:
        assert (picture.size, picture.mode) == ((64, 64), "RGB")
        for _ in range(2):
            with pytest.raises(OSError, match=r"image file is truncated: \[truncated\]"):
                picture.load()


def test_bytes_behind_the_end_do_not_matter(samples: np.ndarray) -> None:
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(DATA + b"\0" * 100))), samples)


def test_verify_and_open_again(decodes: list[int]) -> None:
    picture = Image.open(SMALLEST)
    picture.verify()
    assert picture.fp is None and decodes == []
    with Image.open(io.BytesIO(DATA[:-9])) as cut:
        cut.verify()
    with pytest.raises(UnidentifiedImageError):
        Image.open(io.BytesIO(DATA[:9]))


def test_pillows_warning_about_bombs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64 * 64 - 1)
    with pytest.warns(Image.DecompressionBombWarning):
        Image.open(SMALLEST)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 64 * 32 - 1)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(SMALLEST)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    Image.open(SMALLEST)


class Pipe(io.RawIOBase):
    """A file that can only be read."""

    def __init__(self) -> None:
        self.rest = io.BytesIO(DATA)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self.rest.read(size)


def test_a_file_without_seek(decodes: list[int]) -> None:
    with Image.open(Pipe()) as picture:
        assert picture.size == (64, 64) and picture.filename == ""
        picture.load()


def test_the_callers_file_stays_open_and_ours_is_closed(decodes: list[int]) -> None:
    file = io.BytesIO(DATA)
    Image.open(file).load()
    assert not file.closed
    picture = Image.open(SMALLEST)
    ours = picture.fp
    picture.load()
    assert ours is not None and ours.closed and picture.fp is None
    picture.close()


def test_a_closed_picture_is_not_decoded(decodes: list[int]) -> None:
    for loaded in (False, True):
        picture = Image.open(SMALLEST)
        if loaded:
            picture.load()
        picture.close()
        picture.close()
        with pytest.raises(ValueError, match="Operation on closed image"):
            picture.load()
        with pytest.raises(ValueError, match="Operation on closed image"):
            np.asarray(picture)
    assert len(decodes) == 1
    assert Image.MIME.get(pillow.FORMAT) is None


@pytest.mark.parametrize("piece", [100, len(DATA)])
def test_the_incremental_parser(piece: int, decodes: list[int]) -> None:
    parser = ImageFile.Parser()
    for start in range(0, len(DATA), piece):
        parser.feed(DATA[start : start + piece])
    picture = parser.close()
    assert picture.size == (64, 64) and np.asarray(picture)[0, 9].tolist() == [9, 9, 9]


def test_drafts_thumbnails_and_conversions(decodes: list[int]) -> None:
    with Image.open(SMALLEST) as picture:
        assert picture.draft("L", (8, 8)) is None and picture.size == (64, 64) and decodes == []
        assert picture.getexif() == {} and picture.getbands() == ("R", "G", "B")
        assert getattr(picture, "n_frames", 1) == 1
        grey = picture.convert("L")
        picture.thumbnail((16, 32))
        assert picture.size == (16, 16) and grey.getpixel((9, 0)) == 9
    assert decodes == [1]


def test_many_threads_share_a_picture_and_decode_others(samples: np.ndarray) -> None:
    shared = Image.open(SMALLEST)

    def look(index: int) -> np.ndarray:
        picture = shared if index % 2 else Image.open(SMALLEST)
        picture.load()
        return np.asarray(picture.copy())

    with ThreadPoolExecutor(4) as pool:
        assert all(np.array_equal(found, samples) for found in pool.map(look, range(8)))


def test_a_picture_is_decoded_once_for_all_threads(decodes: list[int]) -> None:
    picture = Image.open(SMALLEST)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: picture.load(), range(16)))
    assert decodes == [1]


def test_pickles_and_copies(decodes: list[int]) -> None:
    with Image.open(SMALLEST) as picture:
        others = [pickle.loads(pickle.dumps(picture)), copy.copy(picture), copy.deepcopy(picture)]
        for other in [*others, picture.copy()]:
            assert other.info["model_id"] == 2 and other.size == (64, 64)
            other.load()
            assert other.tobytes() == picture.tobytes()
        others[0].putpixel((0, 0), (1, 2, 3))
        assert picture.getpixel((0, 0)) == (0, 0, 0)


def test_samples_can_be_changed(decodes: list[int]) -> None:
    with Image.open(SMALLEST) as picture:
        picture.putpixel((1, 0), (7, 8, 9))
        assert picture.getpixel((1, 0)) == (7, 8, 9)


def test_ten_bits_are_rounded_to_eight(monkeypatch: pytest.MonkeyPatch) -> None:
    planes = tuple(np.full((64, 64), value, np.uint16) for value in (0, 513, 1023))
    monkeypatch.setattr(pillow, "decode_picture", lambda *_: Picture(planes, "RGB", 10, (1, 1)))
    with Image.open(SMALLEST) as picture:
        assert picture.getpixel((5, 5)) == (0, 128, 255)


def test_registering_again_changes_nothing() -> None:
    importlib.reload(pillow)
    pillow.register()
    Image.init()
    assert Image.ID.count(pillow.FORMAT) == 1
    assert Image.registered_extensions()[".jai"] == pillow.FORMAT
    assert Image.open(SMALLEST, formats=[pillow.FORMAT]).format == pillow.FORMAT
    with pytest.raises(UnidentifiedImageError):
        Image.open(SMALLEST, formats=["PNG", "JPEG"])


def test_no_codestream_can_be_saved(decodes: list[int], tmp_path: Path) -> None:
    with Image.open(SMALLEST) as picture, pytest.raises((ValueError, KeyError, OSError)):
        picture.save(tmp_path / "out.jai")
    assert list(tmp_path.iterdir()) == []


def test_models_are_read_once(monkeypatch: pytest.MonkeyPatch, samples: np.ndarray) -> None:
    def read(*_: object) -> None:
        raise AssertionError("a model file was read again")

    with Image.open(SMALLEST) as picture:
        picture.load()
    monkeypatch.setattr(models_io, "_read", read)
    with Image.open(SMALLEST) as picture:
        assert np.array_equal(np.asarray(picture), samples)
