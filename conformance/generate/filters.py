"""What the tool header says about post-filters, as ranges to draw from (by statement id of its elements)."""

from __future__ import annotations

from typing import Any

Chosen = dict[str, Any]

LSBS = {"CS-TON-03": 0, "CS-TON-04": 0}
OFF: Chosen = {**LSBS, "CS-TON-05": 0, "CS-TON-06": 0, "CS-TON-07": 0, "CS-TON-08": 0}
# A weight is its code less 32767, in 2048ths; the code is what is coded plus the least code.
CODES = (32_500, 600)
_SHADES = {"CS-TON-11": range(8000, 18000), "CS-TON-12": range(8000, 18000)}


def efe_linear(
    splits: tuple[int, int] = (1, 1),
    sides: tuple[int, int] = (2, 2),
    codes: tuple[int, int] = CODES,
) -> Chosen:
    """EFE linear.

    :param splits: 0..8 for U and V; with 0 a plane has no weights.
    :param sides: of the filters.
    :param codes: least code and bound of what is coded.
    """
    return {
        **OFF,
        **_SHADES,
        "CS-TON-05": 1,
        "CS-TON-13": splits[0],
        "CS-TON-14": splits[1],
        "CS-TON-15": sides[0],
        "CS-TON-16": sides[1],
        "CS-TON-17": codes[0],
        "CS-TON-18": codes[1],
    }


def efe_nonlinear(
    masks: tuple[int, int] = (0, 0),
    corrected: tuple[int, int] = (1, 1),
    block: int = 16,
    tile: tuple[int, int] = (32, 40),
    codes: tuple[int, int] = CODES,
    luma: tuple[range, range] = (range(9000), range(12000, 25501)),
) -> Chosen:
    """EFE non-linear, without EFE linear.

    :param masks: whether U and V have one; ``block``: side of its blocks.
    :param corrected: whether U and V are; ``tile``: rows and columns; ``luma``: least and largest of a tile.
    """
    return {
        **OFF,
        "CS-TON-07": 1,
        "CS-TON-31": codes[0],
        "CS-TON-32": codes[1],
        "CS-TON-33": masks[0],
        "CS-TON-34": masks[1],
        "CS-TON-35": block,
        "CS-TON-40": corrected[0],
        "CS-TON-41": corrected[1],
        "CS-TON-42": tile[1],
        "CS-TON-43": tile[0],
        "CS-TON-45": luma[0],
        "CS-TON-46": luma[1],
    }


def with_linear(others: Chosen, *linear: Any) -> Chosen:
    """Other filters, and EFE linear in front of them."""
    mine = {k: v for k, v in efe_linear(*linear).items() if k not in OFF}
    return {**others, **mine, "CS-TON-05": 1}


def both_filters(**nonlinear: Any) -> Chosen:
    """EFE linear with an alternative picture, and EFE non-linear on top."""
    return with_linear(efe_nonlinear(**nonlinear))


def icci(
    use: tuple[int, int, int] | None = (1, 1, 1),
    networks: tuple[int, int] | None = None,
    short: int | None = 0,
    tile: tuple[int, int] | None = None,
) -> Chosen:
    """eICCI; what is ``None`` is drawn for every tile.

    :param use: whether Y, U and V are filtered.
    :param networks: entries of the list for luma and for chroma; ``short``: which list.
    :param tile: size and overlap in units of 16 samples; ``None``: one tile.
    """
    chosen: Chosen = {**OFF, "CS-TON-06": 1, "CS-TON-21": int(tile is not None)}
    if tile is not None:
        chosen |= {"CS-TON-22": tile[0], "CS-TON-23": tile[1]}
    if use is not None:
        chosen["CS-TON-24"] = use
    if short is not None:
        chosen["CS-TON-25"] = short
    if networks is not None:
        chosen |= {"CS-TON-26": networks[0], "CS-TON-27": networks[1]}
    return chosen


LEF: Chosen = {**OFF, "CS-TON-08": 1, "CS-TON-09": 7}

ICCI: Chosen = {
    **OFF,
    "CS-TON-06": 1,
    "CS-TON-21": 1,
    "CS-TON-22": 3,
    "CS-TON-23": 1,
    "CS-TON-24": 1,
    "CS-TON-25": 0,
}
EVERY_FILTER: Chosen = {
    **ICCI,
    **both_filters(masks=(1, 1)),
    **LSBS,
    "CS-TON-06": 1,
    "CS-TON-08": 1,
    "CS-TON-09": range(160),
}
"""All four, with every element that they can have."""
