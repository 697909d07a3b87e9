"""JPEG AI codestreams in Pillow: ``import refdec.pillow``, then ``PIL.Image.open("photo.jai")``.

Decoding only. Opening a file reads its headers; samples are decoded when Pillow first needs them. Errors are
what users of Pillow expect: what is no codestream that can be shown is not identified
(``PIL.UnidentifiedImageError``), a picture above the limits is a ``PIL.Image.DecompressionBombError``, damage
that shows while decoding an ``OSError``. A file that ends too early opens if its picture header is there, and
is an ``OSError`` when samples are asked for; ``ImageFile.LOAD_TRUNCATED_IMAGES`` does not change that, since
nothing of a picture can be shown without the whole of its first substreams.

Pictures are ``RGB``, or ``YCbCr`` with chroma repeated to full resolution where the stream converts no
colour. Samples above 8 bits are rounded to 8, since Pillow has no deeper colour;
:func:`refdec.decoder.decode` gives all bits. Different pictures may be decoded in different threads at once,
and one picture may be asked for by several.

No media type is registered: IANA's ``image/jaii`` is for files of ISO/IEC 6048-5, which hold codestreams as
items, and for a codestream alone none is known.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import IO, Any, cast

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

from refdec.codestream import Codestream, Dialect, parse
from refdec.codestream.container import whole_part
from refdec.decoder import decode_picture
from refdec.errors import BitstreamError, ModelError, ResourceLimitError, TruncatedStreamError
from refdec.input_file import read_codestream
from refdec.limits import DEFAULT_LIMITS, Limits
from refdec.models_io import ModelSet, bundled_models, open_models
from refdec.picture import Picture
from refdec.picture.planes import colour_of
from refdec.settings import DEFAULT_SETTINGS, Settings
from refdec.synthesis_stage import require_decodable

FORMAT = "JPEGAI"
EXTENSION = ".jai"
SIGNATURE = b"\xff\x80"
"""SOC, with which every codestream starts."""


@dataclass(frozen=True)
class Choices:
    """How files are read; see :func:`register`."""

    models: Path | None = None
    dialect: Dialect = Dialect.T840
    settings: Settings = DEFAULT_SETTINGS
    limits: Limits = DEFAULT_LIMITS


class JpegAiImageFile(ImageFile.ImageFile):
    """One codestream."""

    format = FORMAT
    format_description = "JPEG AI (ISO/IEC 6048-1)"

    _stream: Codestream | None = None
    _damage: BitstreamError | None = None
    _decoding = Lock()
    """Of what was unpickled, which has nothing left to decode; every file has its own."""

    def __init__(self, file: Any, filename: str | bytes | None = None, choices: Choices = Choices()) -> None:
        self.choices = choices
        self._decoding = Lock()
        super().__init__(file, filename)

    def _open(self) -> None:
        assert self.fp is not None
        limits = self.choices.limits
        with _errors_of_opening():
            self._stream = self._parse(read_codestream(self.fp, limits.max_input_bytes))
            picture = self._stream.picture
        self._size = (picture.display_width, picture.display_height)
        self._mode = "RGB" if colour_of(picture) == "RGB" else "YCbCr"
        self.info.update(
            dialect=self.choices.dialect.value,
            bit_depth=picture.bit_depth,
            model_id=picture.model_id,
            level=picture.level_idc,
        )
        # Older versions of Pillow have no name for the type of a tile, which only load() looks at.
        self.tile = cast("Any", [(FORMAT, (0, 0, *self.size), 0, self.mode)])

    def _parse(self, data: bytes) -> Codestream:
        dialect, limits = self.choices.dialect, self.choices.limits
        try:
            stream = parse(data, dialect, limits)
        except TruncatedStreamError as error:
            self._damage = error
            return parse(whole_part(data, limits), dialect, limits, check_conformance=False)
        require_decodable(stream, self.choices.settings)
        return stream

    def load(self) -> Any:
        """Decode, the first time that samples are asked for.

        :raises OSError: the stream is damaged or ends too early, or a model that it needs is missing.
        :raises ValueError: the picture was closed.
        :raises PIL.Image.DecompressionBombError: decoding would take more memory than the limits allow.
        """
        with self._decoding:
            if self._stream is not None:
                samples = samples_of(self._decode(self._stream))
                self.im = Image.frombytes(self.mode, self.size, samples.tobytes()).im
                self._stream, self.tile, self.readonly = None, [], 0
                if self.fp is not None and self._exclusive_fp:
                    self.fp.close()
                self.fp = None
        return super().load()

    def _decode(self, stream: Codestream) -> Picture:
        if self._damage is not None:
            raise OSError(f"image file is truncated: {self._damage}") from self._damage
        choices = self.choices
        try:
            return decode_picture(stream, _models(choices.models), choices.settings, choices.limits)
        except ResourceLimitError as error:
            raise Image.DecompressionBombError(str(error)) from error
        except (BitstreamError, ModelError) as error:
            raise OSError(str(error)) from error

    def close(self) -> None:
        """As Pillow's own: samples cannot be had any more. A decode in another thread is waited for."""
        with self._decoding:
            super().close()
            self._stream = None

    def load_seek(self, _position: int) -> None:
        """Nothing: that it is here tells :class:`PIL.ImageFile.Parser` to leave decoding to :meth:`load`."""


@contextmanager
def _errors_of_opening() -> Iterator[None]:
    try:
        yield
    except ResourceLimitError as error:
        raise Image.DecompressionBombError(str(error)) from error
    except BitstreamError as error:
        raise SyntaxError(str(error)) from error


def samples_of(picture: Picture) -> npt.NDArray[np.uint8]:
    """The picture as 8-bit samples ``[h, w, 3]``, chroma repeated to full resolution."""
    height, width = picture.size
    down, across = picture.subsampling
    factors = ((1, 1), (down, across), (down, across))
    planes = [
        plane.repeat(rows, 0).repeat(columns, 1)[:height, :width]
        for plane, (rows, columns) in zip(picture.planes, factors, strict=True)
    ]
    samples = np.stack(planes, axis=-1)
    if picture.bit_depth == 8:
        return samples.astype(np.uint8)
    top = (1 << picture.bit_depth) - 1
    return ((samples.astype(np.uint32) * 255 + top // 2) // top).astype(np.uint8)


def register(
    *,
    models: Path | None = None,
    dialect: Dialect = Dialect.T840,
    settings: Settings = DEFAULT_SETTINGS,
    limits: Limits = DEFAULT_LIMITS,
) -> None:
    """Teach Pillow the format, or teach it anew with other choices; files that are open keep theirs.

    :param models: folder of a model set, ``None`` for the bundled one.
    """
    choices = Choices(models, dialect, settings, limits)

    def open_file(file: IO[bytes], filename: str | bytes) -> JpegAiImageFile:
        return JpegAiImageFile(file, filename, choices)

    Image.register_open(FORMAT, open_file, _accept)
    Image.register_extension(FORMAT, EXTENSION)


def _accept(prefix: bytes) -> bool:
    return prefix.startswith(SIGNATURE)


_bundled = functools.cache(bundled_models)
"""Read and proved once for all pictures; what is in a folder may change, so it is read for each."""


def _models(folder: Path | None) -> ModelSet:
    return _bundled() if folder is None else open_models(folder)


register()
