"""``refdec decode``: one codestream to one picture file."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from refdec.atomic_file import atomic_file
from refdec.codestream import Dialect, PictureHeader, parse
from refdec.command import binary_stdout, note, read_input, somebody_watches
from refdec.decoder import decode_picture, post_filters
from refdec.limits import Limits
from refdec.models_io import ModelSet
from refdec.operating_point import operating_point
from refdec.picture import Picture, colour_of, require_format, write
from refdec.settings import Progress, Settings

LONG_PIXELS = 1 << 20
LONG_PIXELS_GOLDEN = 1 << 14


@dataclass(frozen=True)
class DecodeJob:
    """What to decode, with what, and where to.

    :param stream: path of the codestream, ``-`` for stdin.
    :param output: ``None`` for stdout.
    :param kind: picture format; ``None``: the suffix of ``output``, on stdout PPM or YUV.
    """

    stream: str
    output: Path | None
    kind: str | None
    models: ModelSet
    dialect: Dialect
    settings: Settings
    limits: Limits


@dataclass(frozen=True)
class Decoded:
    """What there is to say about a decoded picture."""

    output: str
    format: str
    width: int
    height: int
    colour: str
    bit_depth: int
    subsampling: tuple[int, int]
    model_id: int
    operating_point: str
    ignored_post_filters: tuple[str, ...]
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"{self.output}: {self.width}x{self.height} {self.colour}, {self.bit_depth} bits, "
            f"model {self.model_id}, {self.operating_point}, {self.seconds:.2f} s"
        )


def decode_file(job: DecodeJob) -> Decoded:
    """Decode and write.

    :raises RefdecError: what :func:`refdec.decoder.decode` raises, a stream that cannot be read, or a format
        that cannot hold the picture.
    """
    data = read_input(job.stream, job.limits.max_input_bytes)
    stream = parse(data, job.dialect, job.limits)
    header = stream.picture
    kind = _kind(job, header)
    require_format(kind, colour_of(header), header.source_subsampling)
    ignored = post_filters(stream.tools) if job.settings.ignore_post_filters else ()
    if ignored:
        note(f"warning: decoding without the stream's post-filters: {', '.join(ignored)}")
    for warning in stream.warnings:
        note(f"warning: {warning}")
    start = time.perf_counter()
    with _progress(header, job.settings) as progress:
        picture = decode_picture(stream, job.models, job.settings, job.limits, progress=progress)
    seconds = time.perf_counter() - start
    _write(picture, job.output, kind)
    return Decoded(
        str(job.output or "-"),
        kind,
        header.display_width,
        header.display_height,
        picture.colour,
        picture.bit_depth,
        picture.subsampling,
        header.model_id,
        operating_point(header, job.settings),
        ignored,
        round(seconds, 4),
    )


def _kind(job: DecodeJob, header: PictureHeader) -> str:
    if job.kind is not None:
        return job.kind
    if job.output is None:
        return "ppm" if colour_of(header) == "RGB" else "yuv"
    return job.output.suffix.lstrip(".").lower()


def _write(picture: Picture, output: Path | None, kind: str) -> None:
    if output is None:
        file = binary_stdout()
        write(picture, file, kind)
        file.flush()
        return
    with atomic_file(output) as file:
        write(picture, file, kind)


@contextmanager
def _progress(header: PictureHeader, settings: Settings) -> Iterator[Progress | None]:
    """A bar on stderr, where somebody watches and has to wait."""
    long = LONG_PIXELS_GOLDEN if settings.engine == "golden" else LONG_PIXELS
    if not somebody_watches() or header.width * header.height < long:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("decoding"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("decoding", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
