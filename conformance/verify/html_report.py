"""The HTML report: one file without links to others, with pictures, difference maps and rates inside."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from conformance.suite.records import PictureSuite, Record
from conformance.verify.outcome import Outcome, Planes
from conformance.verify.report import counts, succeeded
from refdec import __version__
from refdec.atomic_file import atomic_file
from refdec.codestream import parse
from refdec.command import UsageError
from refdec.errors import RefdecError

SHOWN_SIDE = 256
COMPARED_SIDE = 512
STAGES = {
    "headers": "headers",
    "SOZ": "hyper-latent",
    "SOQ": "quality map",
    "SORP": "luma residual",
    "SORS": "chroma residual",
}
"""Where the bytes of a stream go, by marker."""


def require_jinja() -> None:
    """:raises UsageError: Jinja2 is not installed; how it is."""
    try:
        import jinja2  # noqa: F401
    except ImportError as error:
        raise UsageError(f"pages of HTML need Jinja2: pip install 'refdec[report]' ({error})") from error


def write_html(path: Path, suite: PictureSuite, outcomes: Sequence[Outcome], seconds: float) -> None:
    """Write the report.

    :param outcomes: with their planes, where the decoders gave any.
    """
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    source = files("conformance").joinpath("verify/report.html").read_text(encoding="utf-8")
    records = {record.name: record for record in suite.records}
    rows: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        rows.setdefault(outcome.name, []).append(outcome)
    text = environment.from_string(source).render(
        suite=suite,
        version=__version__,
        ok=succeeded(outcomes),
        counts=counts(outcomes),
        seconds=seconds,
        decoders=list(dict.fromkeys(outcome.decoder for outcome in outcomes)),
        streams=[_stream(suite, records[name], row) for name, row in rows.items()],
    )
    with atomic_file(path) as file:
        file.write(text.encode())


def _stream(suite: PictureSuite, record: Record, row: Sequence[Outcome]) -> dict[str, Any]:
    """What the page says about one stream."""
    shown = next((o.planes for o in row if o.status == "pass" and o.planes is not None), None)
    rights = [o.expected for o in row if o.expected is not None]
    right = rights[0] if rights else shown
    wrong = []
    for outcome in row:
        if outcome.status == "mismatch" and outcome.planes is not None and right is not None:
            wrong.append(_comparison(outcome, right, record))
    return {
        "record": record,
        "outcomes": {outcome.decoder: outcome for outcome in row},
        "failed": any(outcome.failed for outcome in row),
        "picture": None if right is None else png(right, record, SHOWN_SIDE),
        "wrong": wrong,
        "rate": _rate(suite, record),
    }


def _comparison(outcome: Outcome, right: Planes, record: Record) -> Mapping[str, str]:
    assert outcome.planes is not None
    return {
        "decoder": outcome.decoder,
        "expected": png(right, record, COMPARED_SIDE),
        "found": png(outcome.planes, record, COMPARED_SIDE),
        "difference": png(difference_map(right, outcome.planes), record, COMPARED_SIDE),
    }


def _rate(suite: PictureSuite, record: Record) -> list[dict[str, Any]]:
    """Bytes and bits a pixel of every stage; nothing for a stream that cannot be taken apart."""
    if record.picture is None:
        return []
    try:
        stream = parse(suite.stream(record), record.dialect)
    except RefdecError:
        return []
    sizes = dict.fromkeys(STAGES, 0)
    for part in stream.substreams:
        sizes[part.marker.name if part.marker.name in STAGES else "headers"] += len(part.payload)
    pixels, total = record.picture.width * record.picture.height, max(1, sum(sizes.values()))
    return [
        {"stage": STAGES[name], "bytes": size, "bpp": 8 * size / pixels, "percent": 100 * size / total}
        for name, size in sizes.items()
    ]


def difference_map(right: Planes, found: Planes, side: int = COMPARED_SIDE) -> Planes:
    """Magnitude of the difference of every sample: black where there is none, brighter the larger it is.

    Larger pictures are made smaller so that a single sample stays visible.
    """
    shown = []
    for a, b in zip(right, found, strict=True):
        away = np.abs(a.astype(np.int64) - b.astype(np.int64))
        bright = np.where(away == 0, 0, np.minimum(63 + 16 * away, 255)).astype(np.uint8)
        shown.append(_brightest(bright, -(-max(right[0].shape) // side)))
    return tuple(shown)


def _brightest(plane: npt.NDArray[np.uint8], step: int) -> npt.NDArray[np.uint8]:
    """A plane made smaller by keeping the largest sample of every ``step x step`` block."""
    rows, columns = (-(-n // step) for n in plane.shape)
    padded = np.zeros((rows * step, columns * step), np.uint8)
    padded[: plane.shape[0], : plane.shape[1]] = plane
    return np.ascontiguousarray(padded.reshape(rows, step, columns, step).max(axis=(1, 3)))


def png(planes: Planes, record: Record, side: int) -> str:
    """A picture as a data URI, made smaller where it is larger than ``side``."""
    assert record.picture is not None
    depth = record.picture.bit_depth
    flat = [p if p.dtype == np.uint8 else (p >> (depth - 8)).astype(np.uint8) for p in planes]
    height, width = flat[0].shape
    full = [_stretched(plane, height, width) for plane in flat]
    mode = "RGB" if record.picture.planes == ("R", "G", "B") else "YCbCr"
    image = Image.merge(mode, [Image.fromarray(np.ascontiguousarray(plane)) for plane in full]).convert("RGB")
    if max(image.size) > side:
        image.thumbnail((side, side))
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _stretched(plane: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    """A subsampled plane on the grid of the first one."""
    rows = np.arange(height) * plane.shape[0] // height
    columns = np.arange(width) * plane.shape[1] // width
    return plane[np.ix_(rows, columns)]
