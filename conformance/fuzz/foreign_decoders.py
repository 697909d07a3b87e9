"""Target of the pictures that foreign decoders write, which are judged by sample."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from conformance.fuzz.pictures import PICTURES, quietly, small_pictures
from conformance.fuzz.target import Finding, Target, answered
from conformance.suite.records import PictureFormat
from conformance.verify.outcome import planar_digest
from conformance.verify.samples import FORMATS, SamplesError, difference, likely_cause, read_samples

WIDTH, HEIGHT = 7, 11
RGB, YUV = ("R", "G", "B"), ("Y", "U", "V")
FORMS = (
    PictureFormat(WIDTH, HEIGHT, RGB, 8, (1, 1)),
    PictureFormat(WIDTH, HEIGHT, RGB, 10, (1, 1)),
    PictureFormat(WIDTH, HEIGHT, YUV, 8, (1, 2)),
    PictureFormat(WIDTH, HEIGHT, YUV, 10, (2, 2)),
)


def samples(data: bytes) -> str:
    """A file that a decoder wrote; the first byte chooses its format, and what the picture should be."""
    if not data:
        return "empty"
    kind, form = FORMATS[(data[0] & 15) % len(FORMATS)], FORMS[data[0] >> 4 & 3]

    def read() -> None:
        found = read_samples(data[1:], kind, form)
        if [plane.shape for plane in found] != form.plane_shapes:
            raise Finding(f"planes of {[plane.shape for plane in found]} for {form}")
        expected = tuple(
            np.zeros(shape, plane.dtype) for shape, plane in zip(form.plane_shapes, found, strict=True)
        )
        difference(expected, found, form.planes)
        likely_cause(planar_digest(expected), found, form.planes)

    return answered(lambda: quietly(read), SamplesError)


def _written() -> Iterator[bytes]:
    for data in small_pictures(PICTURES):
        suffix = PICTURES[data[0]][1:]
        if suffix in FORMATS:
            for form in range(len(FORMS)):
                yield bytes([FORMATS.index(suffix) | form << 4]) + data[1:]
    for number, form in enumerate(FORMS):
        yield bytes([FORMATS.index("yuv") | number << 4]) + bytes(i % 251 for i in range(form.planar_bytes))


TARGETS = (
    Target(
        "samples", "Pictures that foreign decoders write: PNG, PPM, NumPy, planes.", samples, _written, None,
        2048, share=2, modules=("conformance/verify/samples.py",),
    ),
)  # fmt: skip
