"""Our decoder as Fluster runs it: planes in the order of the pixel format, or the class of a refusal.

    python -m conformance.fluster.decode INPUT OUTPUT DIALECT ROUNDING POINT CHANNELS MODELS

``CHANNELS`` is ``all`` or a number, ``MODELS`` a folder or ``bundled``. A stream that is refused ends in the
line ``reject:CLASS`` on standard output and the exit code of the class.
"""

from __future__ import annotations

import sys
from pathlib import Path

from conformance.fluster.layout import ordered
from conformance.verify.outcome import planar_bytes
from refdec.codestream import Dialect, parse
from refdec.decoder import decode_picture
from refdec.errors import BitstreamError
from refdec.models_io import bundled_models, open_models
from refdec.settings import Settings


def main(
    source: str, target: str, dialect: str, rounding: str, point: str, channels: str, models: str
) -> int:
    """Exit code of the command."""
    settings = Settings(
        "jit",
        quality_rounding="truncate" if rounding == "truncate" else "floor",
        channels=None if channels == "all" else int(channels),
        operating_point=point,
    )
    try:
        stream = parse(Path(source).read_bytes(), Dialect(dialect))
        model_set = bundled_models() if models == "bundled" else open_models(Path(models))
        picture = decode_picture(stream, model_set, settings)
    except BitstreamError as error:
        print(f"reject:{type(error).__name__}")
        return error.exit_code
    Path(target).write_bytes(planar_bytes(ordered(picture.planes, picture.colour == "RGB")))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
