"""Mistakes of eICCI: choice of networks, tiles, bands, chroma of another size, rounding."""

from __future__ import annotations

from conformance.mutants.mutant import Module

_STAGE = ("picture", "picture")
_AREA = "eICCI"
_CALL = Module("refdec.filters.eicci", _AREA, _STAGE)
_TILES = Module("refdec.filters.eicci_tiles", _AREA, _STAGE)
_BANDS = Module("refdec.filters.golden.eicci", _AREA, _STAGE)

_LISTED = "luma, chroma = lists[0][model_id][luma], lists[1][model_id][chroma]"
_USED = "return luma if tile.icci_use[0] else None, chroma if any(tile.icci_use[1:]) else None"
_ENTRIES = "return icci.tiles[:1] * len(icci.tiles) if settings.eicci_first_tile else icci.tiles"
_BOTH = "((luma, 0, entry.icci_use[:1]), (chroma, 1, entry.icci_use[1:]))"
_TILE = "        _filter_tile(planes, tile, entry, context)\n"
_APPEND = "corrections.append((planes[first + k], delta[channels], trunk.fraction[channels], part))"
_CHANNELS = "channels = slice(16 * k, 16 * k + 16)"
_SEEN = "seen = (planes[0][area], planes[1][area], planes[2][area])"
_CLIPPED = "luma, *chroma = (engine.clipped(plane, threads) for plane in planes)"
_LAST = "if before[1] - before[0] > SMALLEST_LAST and tiles[-1][0] >= SMALLEST_LAST:"
_STARTS = "for start in range(0, length - overlap, size - overlap)]"
_UNITS = "size, overlap = 16 * icci.icci_tile_size, 16 * icci.icci_tile_overlap"
_ORDER = "        for (y, h), (top, high) in rows\n        for (x, w), (left, wide) in columns\n"
_FIRST = "first = start + (half if start > 0 else 0)"
_TAKEN = "            before[1] -= SMALLEST_LAST\n            tiles[-1][0] -= SMALLEST_LAST\n"
_LARGER = "saturated((out + (1 << 29)) >> 30,"
_WIDE = "wide[:, x] += weight * plane[:, min(max(first + j, 0), width - 1)].astype(np.int64)"
_SPLIT = "parts += [second for first in _split(whole) for second in _split(first)]"
_EVEN = '((0, -h % 4), (0, -w % 4)), mode="edge")'
_ROUNDED = "rounded = (total + (1 << shift - 1)) >> shift"
_BAND = "np.clip(rounded, *limits).astype(np.int16)"
_SIGNS = "SIGNS = ((1, 1, 1, 1), (-1, -1, 1, 1), (-1, 1, -1, 1), (1, -1, -1, 1))"
_JOINED = "_joined([_joined(scaled[4 * first : 4 * first + 4]) for first in range(4)])"
_CORRECTED = 'saturated(plane[target] + change[part], "corrected plane (AR-ICC-06)")'
_WEIGHT = "((r << LINEAR_BITS + 1) + scale) // (2 * scale)"
_COLUMNS = "[value[:, a] + ((value[:, b] - value[:, a]) * w + half >> LINEAR_BITS) for a, b, w in across]"
_ROWS = "[value[a] + ((value[b] - value[a]) * w + half >> LINEAR_BITS) for a, b, w in down]"

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
        "        _filter_tile(planes, tile, entry, context, seen)\n",
        "entry: IcciTile, context: FilterContext) -> None:",
        "entry: IcciTile, context: FilterContext, before: Planes) -> None:",
        "_correction(planes, area.slices(),",
        "_correction(before, area.slices(),",
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

_TRANSFORM = (
    _BANDS(
        "eicci-vertical-and-horizontal-exchanged",
        "The bands HL and LH are exchanged.",
        "order",
        _SIGNS,
        "SIGNS = ((1, 1, 1, 1), (-1, 1, -1, 1), (-1, -1, 1, 1), (1, -1, -1, 1))",
    ),
    _BANDS(
        "eicci-signs-of-differences",
        "Differences are taken the other way round.",
        "sign",
        _SIGNS,
        "SIGNS = ((1, 1, 1, 1), (1, 1, -1, -1), (1, -1, 1, -1), (1, -1, -1, 1))",
    ),
    _BANDS(
        "eicci-sign-of-the-diagonal",
        "The diagonal band has the other sign.",
        "sign",
        _SIGNS,
        "SIGNS = ((1, 1, 1, 1), (-1, -1, 1, 1), (-1, 1, -1, 1), (-1, 1, 1, -1))",
    ),
    _BANDS(
        "eicci-bands-of-bands-transposed",
        "Bands are sorted by the second level first.",
        "order",
        _SPLIT,
        "made = [list(_split(first)) for first in _split(whole)]\n"
        "        parts += [made[a][b] for b in range(4) for a in range(4)]",
    ),
    _BANDS(
        "eicci-inverse-transposed",
        "The inverse transform takes the second level for the first.",
        "order",
        _JOINED,
        "_joined([_joined(scaled[first::4]) for first in range(4)])",
    ),
    _BANDS(
        "eicci-planes-in-reverse",
        "The bands of V come first.",
        "order",
        "for plane in planes:",
        "for plane in planes[::-1]:",
    ),
    _BANDS(
        "eicci-continued-with-zeros",
        "A tile is made a multiple of 4 with zeros.",
        "borders",
        _EVEN,
        _EVEN.replace("edge", "constant"),
    ),
    _BANDS(
        "eicci-mirrored",
        "A tile is made a multiple of 4 by mirroring.",
        "borders",
        _EVEN,
        _EVEN.replace("edge", "symmetric"),
    ),
    _BANDS(
        "eicci-bands-twice-as-large",
        "The bands are not halved twice.",
        "width",
        "BAND_SHIFT = 26",
        "BAND_SHIFT = 25",
    ),
    _BANDS(
        "eicci-bands-half-as-large",
        "The bands are halved once too often.",
        "width",
        "BAND_SHIFT = 26",
        "BAND_SHIFT = 27",
    ),
    _BANDS(
        "eicci-corrections-half-as-large",
        "Corrections are halved once too often.",
        "width",
        "DELTA_SHIFT = 22",
        "DELTA_SHIFT = 21",
    ),
    _BANDS(
        "eicci-bands-floored", "Bands are rounded down.", "rounding", _ROUNDED, "rounded = total >> shift"
    ),
    _BANDS(
        "eicci-bands-half-down",
        "A band half-way between two integers is rounded down.",
        "rounding",
        _ROUNDED,
        "rounded = (total + (1 << shift - 1) - 1) >> shift",
    ),
    _BANDS(
        "eicci-bands-half-to-even",
        "A band half-way between two integers is rounded to the even one.",
        "rounding",
        _ROUNDED,
        "rounded = (total + (1 << shift - 1) - 1 + (total >> shift & 1)) >> shift",
    ),
    _BANDS(
        "eicci-bands-half-away",
        "A negative half is rounded away from 0.",
        "rounding",
        _ROUNDED,
        "rounded = np.sign(total) * ((np.abs(total) + (1 << shift - 1)) >> shift)",
    ),
    _BANDS(
        "eicci-bands-wrap",
        "Bands wrap around at 16 bits instead of being clipped.",
        "clip, width",
        _BAND,
        "rounded.astype(np.int16)",
    ),
    _BANDS(
        "eicci-bands-clipped-like-the-first",
        "All bands are clipped to the bounds of the first.",
        "clip",
        _BAND,
        "np.clip(rounded, limits[0][:1], limits[1][:1]).astype(np.int16)",
    ),
    _BANDS(
        "eicci-bands-of-one-fraction",
        "All bands have the fraction bits of the first.",
        "width",
        "shift = (BAND_SHIFT - fraction.astype(np.int64))[:, None, None]",
        "shift = (BAND_SHIFT - np.repeat(fraction[:1], fraction.size).astype(np.int64))[:, None, None]",
    ),
    _BANDS(
        "eicci-corrections-of-one-fraction",
        "All corrections have the fraction bits of the first.",
        "width",
        "for d, f in zip(delta, fraction, strict=True)]",
        "for d, f in zip(delta, [fraction[0]] * len(delta), strict=True)]",
    ),
    _BANDS(
        "eicci-corrections-rounded",
        "Corrections are rounded to whole samples.",
        "width",
        _CORRECTED,
        'saturated(plane[target] + (change[part] + 32768 >> 16 << 16), "corrected")',
    ),
    _BANDS(
        "eicci-corrections-subtracted",
        "Corrections are subtracted.",
        "sign",
        _CORRECTED,
        'saturated(plane[target] - change[part], "corrected")',
    ),
    _BANDS(
        "eicci-tiles-clipped",
        "Samples are clipped after every tile.",
        "order, clip",
        _CORRECTED,
        "np.clip(plane[target] + change[part], 0, WHITE).astype(np.int32)",
    ),
    _BANDS(
        "eicci-corrections-wrap",
        "A corrected sample wraps around at 32 bits instead of being saturated.",
        "clip, width",
        _CORRECTED,
        "(plane[target] + change[part]).astype(np.int32)",
    ),
    _BANDS(
        "eicci-not-clipped",
        "The corrected planes may leave 0..255.",
        "clip",
        "return np.clip(plane, 0, WHITE)",
        "return plane.copy()",
    ),
    _CALL(
        "eicci-only-luma-clipped",
        "Chroma may leave 0..255.",
        "clip",
        _CLIPPED,
        "luma, *chroma = (engine.clipped(planes[0], threads), *planes[1:])",
    ),
)

_CHROMA = (
    _BANDS(
        "eicci-larger-floored",
        "Chroma made larger is rounded down.",
        "rounding",
        _LARGER,
        "saturated(out >> 30,",
    ),
    _BANDS(
        "eicci-larger-half-down",
        "Chroma made larger: a half is rounded down.",
        "rounding",
        _LARGER,
        "saturated((out + (1 << 29) - 1) >> 30,",
    ),
    _BANDS(
        "eicci-larger-rounded-twice",
        "Chroma is rounded after it is made wider.",
        "rounding",
        _WIDE,
        f"{_WIDE}\n        wide[:, x] = (wide[:, x] + (1 << 14)) >> 15 << 15",
    ),
    _BANDS(
        "eicci-larger-with-zeros",
        "Chroma continues with zeros when it is made larger.",
        "borders",
        _WIDE,
        "if 0 <= first + j < width:\n"
        "                wide[:, x] += weight * plane[:, min(max(first + j, 0), width - 1)].astype(np.int64)",
    ),
    _BANDS(
        "eicci-smaller-at-fixed-steps",
        "Chroma in its source's size is sampled at even positions.",
        "geometry",
        "whole, r = divmod(index * (length - 1), scale)",
        "whole, r = divmod(min(index * length * scale // target, (length - 1) * scale), scale)",
    ),
    _BANDS(
        "eicci-smaller-nearest",
        "Chroma in its source's size takes the sample before each position.",
        "ignored",
        _WEIGHT,
        "0",
    ),
    _BANDS(
        "eicci-smaller-weights-floored",
        "The weights of the linear interpolation are rounded down.",
        "rounding",
        _WEIGHT,
        "(r << LINEAR_BITS) // scale",
    ),
    _BANDS(
        "eicci-smaller-weights-of-16-bits",
        "The weights of the linear interpolation have 16 bits.",
        "width",
        _WEIGHT,
        "((r << 17) + scale) // (2 * scale) << LINEAR_BITS - 16",
    ),
    _BANDS(
        "eicci-smaller-columns-floored",
        "Columns between two are rounded down.",
        "rounding",
        _COLUMNS,
        _COLUMNS.replace(" + half", ""),
    ),
    _BANDS(
        "eicci-smaller-rows-floored",
        "Rows between two are rounded down.",
        "rounding",
        _ROWS,
        _ROWS.replace(" + half", ""),
    ),
    _BANDS(
        "eicci-smaller-rows-first",
        "Chroma is interpolated down before it is across.",
        "order",
        "value = plane.astype(np.int64)\n",
        "value = plane.T.astype(np.int64)\n    size = size[::-1]\n",
        "    return value.astype(np.int32)",
        "    return np.ascontiguousarray(value.T).astype(np.int32)",
    ),
    _CALL(
        "eicci-chroma-stays-large",
        "Chroma that was made larger is decimated, not interpolated, afterwards.",
        "networks 10.2",
        "chroma = [engine.reduced(plane, subsampled, threads) for plane in chroma]",
        "down, across = (-(-n // m) for n, m in zip(size, subsampled))\n"
        "        chroma = [np.ascontiguousarray(plane[::down, ::across]) for plane in chroma]",
    ),
)

MUTANTS = (*_NETWORKS, *_PLACES, *_TRANSFORM, *_CHROMA)
