"""Words of the ``refconf encode`` command to profile, level, rendering information and user data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from refdec.codestream import Dialect, RenderingInformation
from refdec.codestream.headers import Cicp, Clli, DynamicMetadata, MasteringPrimary, Mdcv
from refdec.codestream.profiles import LEVELS, PROFILE_NAMES
from refdec.command import UsageError

METADATA_MAX = 65535
"""Bytes whose number ``dm_size`` can say."""


def parse_profile(text: str | None, dialect: Dialect) -> int | None:
    """A decoder profile by name.

    :raises UsageError: there is none of that name.
    """
    names = PROFILE_NAMES[dialect]
    if text is not None and text not in names:
        raise UsageError(f"--profile {text}: expected {', '.join(names)}")
    return None if text is None else names.index(text)


def parse_level(text: str | None) -> int | None:
    """``5.2`` or ``52`` as level_idc.

    :raises UsageError: there is no such level.
    """
    if text is None:
        return None
    found = re.fullmatch(r"(\d)\.?(\d)", text)
    level = 10 * int(found[1]) + int(found[2]) if found else 0
    if level not in LEVELS:
        raise UsageError(f"--level {text}: expected A.B with A in 1..5 and B in 0..2")
    return level


def parse_rendering(
    cicp: str | None, mastering: str | None, light: str | None, metadata: str | None
) -> RenderingInformation:
    """Rendering information from the words of its four parts.

    :raises UsageError: numbers that are not as many, or beyond their elements.
    """
    points = _integers("--cicp", cicp, (255, 255, 255, 1, 7), 3)
    display = _integers("--mastering-display", mastering, (65535,) * 8 + ((1 << 32) - 1,) * 2, 10)
    level = _integers("--content-light", light, (65535, 65535), 2)
    dynamic = _metadata(metadata)
    primaries = [MasteringPrimary(display[2 * k], display[2 * k + 1]) for k in range(3)] if display else []
    return RenderingInformation(
        cicp_info_present_flag=int(bool(points)),
        mdcv_info_present_flag=int(bool(display)),
        clli_info_present_flag=int(bool(level)),
        dm_present_flag=int(dynamic is not None),
        cicp=Cicp(*points) if points else None,
        mdcv=Mdcv((primaries[0], primaries[1], primaries[2]), *display[6:]) if display else None,
        clli=Clli(*level) if level else None,
        dm=dynamic,
    )


def read_user_data(paths: Sequence[Path]) -> tuple[bytes, ...]:
    """Contents of the files.

    :raises UsageError: one cannot be read.
    """
    return tuple(_read("--user-data", path) for path in paths)


def _metadata(text: str | None) -> DynamicMetadata | None:
    if text is None:
        return None
    kind, colon, name = text.partition(":")
    if not colon or re.fullmatch(r"\d{1,3}", kind) is None or int(kind) > 255:
        raise UsageError(f"--metadata {text}: expected TYPE:FILE with a type of 0..255")
    data = _read("--metadata", Path(name))
    if len(data) > METADATA_MAX:
        raise UsageError(f"--metadata {text}: {len(data)} bytes, at most {METADATA_MAX} fit")
    return DynamicMetadata(int(kind), len(data), tuple(data))


def _integers(name: str, text: str | None, top: Sequence[int], least: int) -> list[int]:
    if text is None:
        return []
    words = text.split(",")
    whole = all(re.fullmatch(r"\d{1,10}", word) for word in words)
    if not whole or not least <= len(words) <= len(top):
        count = str(least) if least == len(top) else f"{least} to {len(top)}"
        raise UsageError(f"{name} {text}: expected {count} integers with commas between them")
    values = [int(word) for word in words]
    for value, limit in zip(values, top, strict=False):
        if value > limit:
            raise UsageError(f"{name} {text}: {value} is above {limit}")
    return values


def _read(name: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{name} {path}: cannot read it ({error.strerror or error})") from error
