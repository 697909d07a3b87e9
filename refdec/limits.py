"""What a stream from outside may make the decoder spend. Checked before anything is allocated."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper limits for one decode.

    :param max_input_bytes: length of the codestream in bytes.
    :param max_pixels: coded luma samples (``img_width * img_height``); all synthesis tiles together may have
        twice as many (CS-LIM-03).
    :param max_memory_bytes: working memory that the decoder may plan to allocate.
    :param max_substreams: substreams in the container.
    """

    max_input_bytes: int = 1 << 30
    max_pixels: int = 120_000_000
    max_memory_bytes: int = 4 << 30
    max_substreams: int = 4096


DEFAULT_LIMITS = Limits()
