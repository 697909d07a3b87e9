"""Mistakes of eICCI: choice of networks, tiles."""

from __future__ import annotations

from conformance.mutants.mutant import Module

_STAGE = ("picture", "picture")
_AREA = "eICCI"
_CALL = Module("refdec.filters.eicci", _AREA, _STAGE)
_TILES = Module("refdec.filters.eicci_tiles", _AREA, _STAGE)
_LISTED = "luma, chroma = lists[0][model_id][luma], lists[1][model_id][chroma]"
_USED = "return luma if tile.icci_use[0] else None, chroma if any(tile.icci_use[1:]) else None"
_ENTRIES = "return icci.tiles[:1] * len(icci.tiles) if settings.eicci_first_tile else icci.tiles"
_BOTH = "((luma, 0, entry.icci_use[:1]), (chroma, 1, entry.icci_use[1:]))"
_TILE = "        filter_tile(planes, tile, entry, context)\n"
_APPEND = "corrections.append((planes[first + k], delta[channels], trunk.fraction[channels], part))"
_CHANNELS = "channels = slice(16 * k, 16 * k + 16)"
_SEEN = "seen = (planes[0][area], planes[1][area], planes[2][area])"
_LAST = "if before[1] - before[0] > SMALLEST_LAST and tiles[-1][0] >= SMALLEST_LAST:"
_STARTS = "for start in range(0, length - overlap, size - overlap)]"
_UNITS = "size, overlap = 16 * icci.icci_tile_size, 16 * icci.icci_tile_overlap"
_ORDER = "        for (y, h), (top, high) in rows\n        for (x, w), (left, wide) in columns\n"
_FIRST = "first = start + (half if start > 0 else 0)"
_TAKEN = "            before[1] -= SMALLEST_LAST\n            tiles[-1][0] -= SMALLEST_LAST\n"

_NETWORKS = (
    _CALL(
        "eicci-ignored",
        "eICCI changes nothing.",
        "ignored",
        "return replace(state, planes=(luma, chroma[0], chroma[1]))",
        "return state",
    ),
    _CALL(
        "eicci-short-list-ignored",
        "An index into the short list is taken for that of a network.",
        "networks 10.2",
        "if tile.icci_use_shortList:",
        "if False:",
    ),
    _CALL(
        "eicci-short-list-always",
        "Every index goes through the short list.",
        "networks 10.2",
        "if tile.icci_use_shortList:",
        "if (luma or 0) < 2 and (chroma or 0) < 2:",
    ),
    _CALL(
        "eicci-short-list-of-model-0",
        "The short list is that of the first model.",
        "table",
        _LISTED,
        "luma, chroma = lists[0][0][luma], lists[1][0][chroma]",
    ),
    _CALL(
        "eicci-short-list-of-the-next-model",
        "The short list is that of the next model.",
        "table",
        _LISTED,
        f"model_id = (model_id + 1) % 4\n        {_LISTED}",
    ),
    _CALL(
        "eicci-short-list-of-sop",
        "The short list is that of SOP at every operating point.",
        "table",
        "lists = SHORT_LISTS[point]",
        'lists = SHORT_LISTS["sop"]',
    ),
    _CALL(
        "eicci-short-list-in-reverse",
        "The entries of the short list are exchanged.",
        "order",
        _LISTED,
        "luma, chroma = lists[0][model_id][1 - luma], lists[1][model_id][1 - chroma]",
    ),
    _CALL(
        "eicci-networks-exchanged",
        "Luma has the network of chroma's index, and chroma that of luma's.",
        "order",
        _USED,
        "return chroma if tile.icci_use[0] else None, luma if any(tile.icci_use[1:]) else None",
    ),
    _CALL(
        "eicci-one-network",
        "Luma's network corrects chroma too.",
        "ignored",
        _USED,
        "return luma if tile.icci_use[0] else None, luma if any(tile.icci_use[1:]) else None",
    ),
    _CALL(
        "eicci-chroma-of-u",
        "Chroma is corrected only where U is.",
        "ignored",
        _USED,
        "return luma if tile.icci_use[0] else None, chroma if tile.icci_use[1] else None",
    ),
    _CALL(
        "eicci-first-tile-for-all",
        "What the header says about the first tile holds for all.",
        "networks 10.2",
        _ENTRIES,
        "return icci.tiles[:1] * len(icci.tiles)",
    ),
    _CALL(
        "eicci-tiles-in-reverse",
        "The last tile has what the header says about the first.",
        "order",
        _ENTRIES,
        "return icci.tiles[::-1]",
    ),
    _CALL(
        "eicci-always-luma",
        "Luma is corrected wherever chroma is.",
        "ignored",
        _BOTH,
        "((chroma if luma is None else luma, 0, (1,)), (chroma, 1, entry.icci_use[1:]))",
    ),
    _CALL(
        "eicci-v-as-u",
        "V is corrected where U is.",
        "ignored",
        _BOTH,
        "((luma, 0, entry.icci_use[:1]), (chroma, 1, entry.icci_use[1:2] * 2))",
    ),
    _CALL(
        "eicci-both-chroma-planes",
        "Both chroma planes are corrected if one is.",
        "ignored",
        _BOTH,
        "((luma, 0, entry.icci_use[:1]), (chroma, 1, (1, 1)))",
    ),
    _CALL(
        "eicci-u-and-v-exchanged",
        "The correction of U is added to V, and that of V to U.",
        "order",
        _CHANNELS,
        "other = len(used) - 1 - k\n            channels = slice(16 * other, 16 * other + 16)",
    ),
    _CALL(
        "eicci-one-after-the-other",
        "Chroma's network reads luma that is corrected already.",
        "order",
        _APPEND,
        "engine.correct(\n"
        "                    planes[first + k],\n"
        "                    delta[channels],\n"
        "                    trunk.fraction[channels],\n"
        "                    part,\n"
        "                    tile.core.slices(),\n"
        "                )",
    ),
    _CALL(
        "eicci-planes-in-the-order-yvu",
        "The networks read V before U.",
        "order",
        _SEEN,
        "seen = (planes[0][area], planes[2][area], planes[1][area])",
    ),
)

_PLACES = (
    _CALL(
        "eicci-tiles-see-the-unfiltered",
        "Tiles read the picture as it was, not what the tiles before them made.",
        "order",
        "    tiles = filter_tiles(context.picture, icci)\n",
        "    tiles = filter_tiles(context.picture, icci)\n"
        "    seen = tuple(plane.copy() for plane in planes)\n",
        _TILE,
        "        filter_tile(planes, tile, entry, context, seen)\n",
        "entry: IcciTile, context: FilterContext) -> None:",
        "entry: IcciTile, context: FilterContext, before: Planes) -> None:",
        "delta = correction(planes, area.slices(),",
        "delta = correction(before, area.slices(),",
    ),
    _CALL(
        "eicci-halo-one-block-short",
        "A tile is computed from one block of samples less than it depends on.",
        "borders",
        "area = computed(tile, trunk.reach)",
        "area = computed(tile, (max(trunk.reach[0] - 1, 0), max(trunk.reach[1] - 1, 0)))",
    ),
    _CALL(
        "eicci-tiles-without-a-halo",
        "A tile is computed from its own samples.",
        "borders",
        "area = computed(tile, trunk.reach)",
        "area = computed(tile, (0, 0))",
    ),
    _CALL(
        "eicci-part-one-sample-off",
        "A tile's corrections are written one row too low.",
        "off by one",
        "part = slice(top, top + tile.core.h)",
        "top = max(top - 1, 0)\n        part = slice(top, top + tile.core.h)",
    ),
    _TILES(
        "eicci-tiles-ignored",
        "The whole picture is one tile.",
        "ignored",
        "if not icci.icci_tile_enable:",
        "if len(icci.tiles) > 0:",
    ),
    _TILES(
        "eicci-tile-size-in-eighths",
        "The size of a tile is coded in units of 8.",
        "geometry",
        _UNITS,
        "size, overlap = 8 * icci.icci_tile_size, 16 * icci.icci_tile_overlap",
    ),
    _TILES(
        "eicci-overlap-in-eighths",
        "The overlap is coded in units of 8.",
        "geometry",
        _UNITS,
        "size, overlap = 16 * icci.icci_tile_size, 8 * icci.icci_tile_overlap",
    ),
    _TILES(
        "eicci-overlap-ignored",
        "Tiles do not overlap.",
        "ignored",
        _UNITS,
        "size, overlap = 16 * icci.icci_tile_size, 0",
    ),
    _TILES(
        "eicci-tiles-of-the-shown-size",
        "Tiles are laid over the displayed picture.",
        "geometry",
        "rows = _spans(picture.height, picture.display_height, size, overlap)",
        "rows = _spans(picture.display_height, picture.display_height, size, overlap)",
        "columns = _spans(picture.width, picture.display_width, size, overlap)",
        "columns = _spans(picture.display_width, picture.display_width, size, overlap)",
    ),
    _TILES(
        "eicci-tiles-by-columns",
        "Tiles go column by column.",
        "order",
        _ORDER,
        "        for (x, w), (left, wide) in columns\n        for (y, h), (top, high) in rows\n",
    ),
    _TILES(
        "eicci-one-tile-more",
        "Tiles begin up to the end of the picture.",
        "off by one",
        _STARTS,
        "for start in range(0, length, size - overlap)]",
    ),
    _TILES(
        "eicci-tiles-side-by-side",
        "A tile begins where the one before it ends.",
        "geometry",
        _STARTS,
        "for start in range(0, length - overlap, size)]",
    ),
    _TILES(
        "eicci-last-tile-175",
        "A last tile of 175 stays.",
        "off by one",
        "SMALLEST_LAST = 176",
        "SMALLEST_LAST = 175",
    ),
    _TILES(
        "eicci-last-tile-177",
        "A last tile of 176 is made larger.",
        "off by one",
        "SMALLEST_LAST = 176",
        "SMALLEST_LAST = 177",
    ),
    _TILES(
        "eicci-last-tile-not-made-larger", "A small last tile stays small.", "ignored", _LAST, "if False:"
    ),
    _TILES(
        "eicci-last-tile-made-larger-always",
        "A small last tile takes from its neighbour even where nothing would be left.",
        "networks 10.2",
        _LAST,
        "if tiles[-1][0] >= SMALLEST_LAST:",
    ),
    _TILES(
        "eicci-neighbour-of-176",
        "A neighbour of exactly 176 gives all that it has.",
        "off by one",
        "before[1] - before[0] > SMALLEST_LAST",
        "before[1] - before[0] >= SMALLEST_LAST",
    ),
    _TILES(
        "eicci-neighbour-keeps-its-samples",
        "The neighbour of a small last tile is not cut.",
        "geometry",
        _TAKEN,
        "            tiles[-1][0] -= SMALLEST_LAST\n",
    ),
    _TILES(
        "eicci-core-takes-the-overlap",
        "A tile keeps all that it overlaps its predecessor by.",
        "geometry",
        _FIRST,
        "first = start",
    ),
    _TILES(
        "eicci-core-leaves-the-overlap",
        "A tile keeps nothing of its overlap.",
        "geometry",
        _FIRST,
        "first = start + (overlap if start > 0 else 0)",
    ),
    _TILES(
        "eicci-core-one-sample-late",
        "A tile begins one sample late.",
        "off by one",
        _FIRST,
        "first = start + (half + 1 if start > 0 else 0)",
    ),
)

MUTANTS = (*_NETWORKS, *_PLACES)
