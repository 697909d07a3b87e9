"""Small files that claim much: each is made by our own writers, and read by the reader that it is for.

What must not happen is that memory or time follow the claim. ``tools/bombs.py`` measures what does happen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from conformance.fuzz.bomb_files import (
    MEGA,
    announced,
    channels_model,
    flat_picture,
    many_regions,
    nested_model,
    npy_claim,
    overlapping_tiles,
    plain_file,
    png_of_zeros,
    size_field,
    sparse_file,
    stream_file,
    suite_of_nothing,
    tensor_claim,
    user_data,
    values_archive,
)
from refdec.models_io import bundled_models


@dataclass(frozen=True)
class Bomb:
    """One file.

    :param reader: what reads it: a word of :func:`read`.
    :param claim: what the file says of itself.
    :param make: writes the file, and what belongs to it, into a folder; gives its path.
    :param ends: class of the error, or ``a result``.
    :param heavy: takes seconds to make or to read; left out of the default tests.
    """

    name: str
    reader: str
    claim: str
    make: Callable[[Path], Path]
    ends: str
    heavy: bool = False


BOMBS = (
    Bomb(
        "largest-picture",
        "stream",
        "65,599 x 65,599 samples",
        stream_file(announced, 65_599, 65_599),
        "ResourceLimitError",
    ),
    Bomb(
        "just-allowed",
        "stream",
        "10,900 x 11,000 samples",
        stream_file(announced, 10_900, 11_000),
        "ResourceLimitError",
    ),
    Bomb(
        "picture-of-nothing",
        "stream",
        "4,096 x 4,096 samples",
        stream_file(announced, 4096, 4096),
        "TruncatedStreamError",
    ),
    Bomb(
        "flat-2k",
        "stream",
        "2,048 x 2,048 samples, and it is a picture",
        stream_file(flat_picture, 2048),
        "a result",
        True,
    ),
    Bomb(
        "size-field",
        "stream",
        "a substream of 8,589,934,590 bytes",
        stream_file(size_field, (1 << 33) - 2),
        "TruncatedStreamError",
    ),
    Bomb(
        "many-segments",
        "stream",
        "100,000 segments of user data",
        stream_file(user_data, 100_000, 0),
        "ResourceLimitError",
    ),
    Bomb(
        "user-data",
        "stream",
        "64 segments of a megabyte of user data",
        stream_file(user_data, 64, MEGA),
        "TruncatedStreamError",
        True,
    ),
    Bomb(
        "many-regions",
        "stream",
        "128 x 128 regions in three bytes",
        stream_file(many_regions, 128, 128),
        "CodestreamSyntaxError",
    ),
    Bomb(
        "tiles",
        "stream",
        "tiles of 512 samples, each 16 further than the one before",
        stream_file(overlapping_tiles, 512, 496, 8192),
        "ResourceLimitError",
    ),
    Bomb(
        "long-file",
        "stream",
        "a file of two gigabytes (a hole)",
        lambda folder: sparse_file(folder / "bomb.jai", 2 << 30),
        "ResourceLimitError",
    ),
    Bomb(
        "model-header",
        "model",
        "a header of 2^62 bytes",
        plain_file("bomb.safetensors", (1 << 62).to_bytes(8, "little") + b"{}"),
        "ModelError",
    ),
    Bomb(
        "model-tensor",
        "model",
        "a tensor of 2^60 values",
        plain_file("bomb.safetensors", lambda: tensor_claim([1 << 30, 1 << 30], 1 << 60)),
        "ModelError",
    ),
    Bomb(
        "model-nesting",
        "model",
        "100,000 levels of JSON",
        plain_file("bomb.safetensors", lambda: nested_model(100_000)),
        "ModelError",
    ),
    Bomb(
        "model-channels",
        "model",
        "256 graphs of 500 nodes of 8,192 channels",
        plain_file("bomb.safetensors", lambda: channels_model(500, 256)),
        "ModelError",
        True,
    ),
    Bomb(
        "model-channels-small",
        "model",
        "a graph of 200 nodes of 8,192 channels",
        plain_file("bomb.safetensors", lambda: channels_model(200, 1)),
        "ModelError",
    ),
    Bomb(
        "model-long-file",
        "model",
        "a file of two gigabytes (a hole)",
        lambda folder: sparse_file(folder / "bomb.safetensors", 2 << 30),
        "ModelError",
    ),
    Bomb(
        "suite-nesting",
        "suite",
        "a million levels of JSON",
        plain_file("suite.json", b"[" * MEGA),
        "SuiteError",
    ),
    Bomb(
        "suite-records",
        "suite",
        "a million streams",
        plain_file("suite.json", lambda: suite_of_nothing(MEGA)),
        "SuiteError",
        True,
    ),
    Bomb(
        "suite-long-file",
        "suite",
        "a file of two gigabytes (a hole)",
        lambda folder: sparse_file(folder / "suite.json", 2 << 30, b"{"),
        "SuiteError",
    ),
    Bomb(
        "manifest-nesting",
        "manifest",
        "a million levels of JSON",
        plain_file("manifest.json", b"[" * MEGA),
        "SuiteError",
    ),
    Bomb(
        "trace-nesting", "trace", "a million levels of JSON", plain_file("a.jsonl", b"[" * MEGA), "TraceError"
    ),
    Bomb("trace-values", "trace", "values of 4 gigabytes in an archive", values_archive, "TraceError", True),
    Bomb(
        "png-largest",
        "picture",
        "65,000 x 65,000 samples",
        plain_file(
            "bomb.png",
            lambda: png_of_zeros(65_000, 65_000, 1, 0, 1),
        ),
        "PictureFileError",
    ),
    Bomb(
        "png-zeros",
        "picture",
        "12,000 x 12,000 samples of zeros",
        plain_file("bomb.png", lambda: png_of_zeros(12_000, 12_000, 8, 2)),
        "PictureFileError",
        True,
    ),
    Bomb(
        "png-16-bits",
        "picture",
        "12,000 x 9,900 samples of zeros, 16 bits",
        plain_file("bomb.png", lambda: png_of_zeros(12_000, 9_900, 16, 0)),
        "a result",
        True,
    ),
    Bomb(
        "ppm-claim",
        "picture",
        "65,000 x 1,800 samples of 16 bits",
        plain_file("bomb.ppm", b"P6 65000 1800 1023\n" + bytes(9)),
        "PictureFileError",
    ),
    Bomb(
        "npy-claim",
        "picture",
        "3 x 10^6 x 10^6 samples",
        plain_file("bomb.npy", lambda: npy_claim("|u1", (3, MEGA, MEGA))),
        "PictureFileError",
    ),
    Bomb(
        "map-png",
        "map",
        "65,000 x 2,000 entries",
        plain_file("bomb.png", lambda: png_of_zeros(65_000, 2_000, 1, 0)),
        "QualityMapError",
    ),
    Bomb(
        "map-npy",
        "map",
        "10^6 x 10^6 entries",
        plain_file("bomb.npy", lambda: npy_claim("|i1", (MEGA, MEGA))),
        "QualityMapError",
    ),
)


def read(bomb: Bomb, path: Path) -> str:
    """Give a file to its reader: the class of the declared error, or ``a result``; others propagate."""
    from conformance.fuzz.target import answered

    call, errors = _reader(bomb.reader, path)
    result = answered(call, *errors)
    return "a result" if result == "ok" else result


def _reader(kind: str, path: Path) -> tuple[Callable[[], object], tuple[type[BaseException], ...]]:
    from conformance.encoder.picture_files import read_picture
    from conformance.encoder.quality import QualityMapError, load_map
    from conformance.encoder.source import PictureFileError
    from conformance.suite.fields import SuiteError
    from conformance.suite.records import open_pictures
    from conformance.verify.suite import open_suite
    from refdec.compare import compare
    from refdec.decoder import decode
    from refdec.errors import BitstreamError, ModelError
    from refdec.input_file import read_codestream
    from refdec.integer import load_model
    from refdec.limits import DEFAULT_LIMITS
    from refdec.trace import TraceError, read_trace

    def stream() -> object:
        with path.open("rb") as file:
            data = read_codestream(file, DEFAULT_LIMITS.max_input_bytes)
        return decode(data, bundled_models())

    def trace() -> object:
        return compare(read_trace(path), read_trace(path.with_name("b.jsonl")))

    readers: dict[str, tuple[Callable[[], object], tuple[type[BaseException], ...]]] = {
        "stream": (stream, (BitstreamError,)),
        "model": (lambda: load_model(path), (ModelError,)),
        "suite": (lambda: open_pictures(path.parent), (SuiteError,)),
        "manifest": (lambda: open_suite(path.parent), (SuiteError,)),
        "trace": (trace, (TraceError,)),
        "picture": (lambda: read_picture(path), (PictureFileError,)),
        "map": (lambda: load_map(path, (64, 64)), (QualityMapError,)),
    }
    return readers[kind]


def import_readers() -> None:
    """Load the modules of every reader, so that nothing of it counts as reading."""
    _reader("stream", Path())
