"""The operating point of a decode: what the stream offers, and what the caller chooses of it."""

from __future__ import annotations

from refdec.codestream import PictureHeader
from refdec.codestream.profiles import TRANSFORM_NAMES
from refdec.errors import RefdecError
from refdec.settings import Settings


class OperatingPointError(RefdecError):
    """The caller asked for an operating point that the stream does not list."""

    exit_code = 2
    code = "operating-point"


def listed_points(picture: PictureHeader) -> list[str]:
    """The operating points that a stream offers, its default first."""
    return [TRANSFORM_NAMES[i].lower() for i in picture.synthesis_transform_id]


def operating_point(picture: PictureHeader, settings: Settings) -> str:
    """``sop``, ``bop`` or ``hop``: the caller's choice, else the stream's default.

    :raises OperatingPointError: the stream does not list what the caller chose.
    """
    listed = listed_points(picture)
    chosen = settings.operating_point
    if chosen is not None and chosen not in listed:
        raise OperatingPointError(
            f"the stream does not offer operating point '{chosen}'; it lists {', '.join(listed)}"
        )
    return chosen or listed[0]
