"""JPEG AI codestreams in Pillow: ``import refdec.pillow``, then ``PIL.Image.open("photo.jai")``.

Decoding only. Opening a file reads its headers; samples are decoded when Pillow first needs them. Errors are
what users of Pillow expect: what is no codestream that can be shown is not identified
(``PIL.UnidentifiedImageError``), a picture above the limits is a ``PIL.Image.DecompressionBombError``, damage
that shows while decoding an ``OSError``.

Pictures are ``RGB``, or ``YCbCr`` with chroma repeated to full resolution where the stream converts no
colour. Samples above 8 bits are rounded to 8, since Pillow has no deeper colour;
:func:`refdec.decoder.decode` gives all bits.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

from refdec.codestream import Codestream, Dialect, parse
from refdec.decoder import decode_picture
from refdec.errors import BitstreamError, ModelError, ResourceLimitError
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


class JpegAiImageFile(ImageFile.ImageFile):
    """One codestream. The class attributes are the choices of :func:`register`."""

    format = FORMAT
    format_description = "JPEG AI (ISO/IEC 6048-1)"
    dialect: ClassVar[Dialect] = Dialect.T840
    settings: ClassVar[Settings] = DEFAULT_SETTINGS
    limits: ClassVar[Limits] = DEFAULT_LIMITS
    models: ClassVar[Path | None] = None

    _stream: Codestream | None = None

    def _open(self) -> None:
        assert self.fp is not None
        data = self.fp.read(self.limits.max_input_bytes + 1)
        try:
            stream = parse(data, self.dialect, self.limits)
            require_decodable(stream, self.settings)
        except ResourceLimitError as error:
            raise Image.DecompressionBombError(str(error)) from error
        except BitstreamError as error:
            raise SyntaxError(str(error)) from error
        picture = stream.picture
        self._stream = stream
        self._size = (picture.display_width, picture.display_height)
        self._mode = "RGB" if colour_of(picture) == "RGB" else "YCbCr"
        self.info.update(
            dialect=self.dialect.value,
            bit_depth=picture.bit_depth,
            model_id=picture.model_id,
            level=picture.level_idc,
        )
        self.tile = [ImageFile._Tile(FORMAT, (0, 0, *self.size), 0, self.mode)]

    def load(self) -> Any:
        """Decode, the first time that samples are asked for.

        :raises OSError: the stream is damaged, or a model that it needs is missing.
        :raises PIL.Image.DecompressionBombError: decoding would take more memory than the limits allow.
        """
        if self._stream is not None:
            try:
                picture = decode_picture(self._stream, _models(self.models), self.settings, self.limits)
            except ResourceLimitError as error:
                raise Image.DecompressionBombError(str(error)) from error
            except (BitstreamError, ModelError) as error:
                raise OSError(str(error)) from error
            self._stream = None
            if self.fp is not None and self._exclusive_fp:
                self.fp.close()
            self.fp = io.BytesIO(samples_of(picture).tobytes())
            self.tile = [ImageFile._Tile("raw", (0, 0, *self.size), 0, self.mode)]
        return super().load()


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
    choices = {"models": models, "dialect": dialect, "settings": settings, "limits": limits}
    plugin = type(JpegAiImageFile.__name__, (JpegAiImageFile,), choices)
    Image.register_open(FORMAT, plugin, _accept)
    Image.register_extension(FORMAT, EXTENSION)


def _accept(prefix: bytes) -> bool:
    return prefix.startswith(SIGNATURE)


def _models(folder: Path | None) -> ModelSet:
    return bundled_models() if folder is None else open_models(folder)


register()
