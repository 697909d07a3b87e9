"""Mistakes of eICCI: bands, corrections, chroma of another size, rounding."""

from __future__ import annotations

from conformance.mutants.mutant import Module

_STAGE = ("picture", "picture")
_AREA = "eICCI"
_CALL = Module("refdec.filters.eicci", _AREA, _STAGE)
_BANDS = Module("refdec.filters.golden.eicci", _AREA, _STAGE)
_CLIPPED = "luma, *chroma = (engine.clipped(plane, threads) for plane in planes)"
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

# CS-PIH-R03, CS-TON-02: sources are 4:4:4, 4:2:2 or 4:2:0, and for the last there is no eICCI.
_ROWS_STAY = "eICCI resizes chroma of 4:2:2 sources alone, in columns: rows stay as they are"

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
        equivalent=f"{_ROWS_STAY}, times 2^15.",
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
        equivalent=f"{_ROWS_STAY}, and the second of two has the weight 0.",
    ),
    _BANDS(
        "eicci-smaller-rows-first",
        "Chroma is interpolated down before it is across.",
        "order",
        "value = plane.astype(np.int64)\n",
        "value = plane.T.astype(np.int64)\n    size = size[::-1]\n",
        "    return value.astype(np.int32)",
        "    return np.ascontiguousarray(value.T).astype(np.int32)",
        equivalent=f"{_ROWS_STAY}, before or behind.",
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

MUTANTS = (*_TRANSFORM, *_CHROMA)
