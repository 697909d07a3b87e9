"""Mistakes in the spatial quality map."""

from __future__ import annotations

from conformance.mutants.mutant import Module, also

_MAP = Module("refdec.entropy.golden.quality", "quality map", ("entropy", "entropy"))
_STAGE = Module("refdec.entropy_stage", "quality map", ("entropy", "entropy"))
_HALF = "        return total >> 1\n    if rounding"
_RANGE = "if not -QUALITY_MAX <= value <= QUALITY_MAX:"

MUTANTS = (
    _MAP(
        "map-negative-odd-sums-truncated",
        "Half of a negative odd sum is rounded towards 0, as an old version of a tensor library does.",
        "entropy 8 A11, rounding",
        _HALF,
        "        return int(total / 2)\n    if rounding",
    ),
    _MAP(
        "map-odd-sums-rounded-up",
        "Half of an odd sum is rounded up.",
        "rounding",
        _HALF,
        "        return (total + 1) >> 1\n    if rounding",
    ),
    _MAP(
        "map-odd-sums-rounded-to-even",
        "Half of an odd sum is rounded to the even neighbour.",
        "rounding",
        _HALF,
        "        return round(total / 2)\n    if rounding",
    ),
    _MAP(
        "map-sum-not-halved",
        "The prediction is the sum of both neighbours.",
        "prediction",
        "return half(rows[y][x - 1] + rows[y - 1][x], rounding)",
        "return max(-8, min(8, rows[y][x - 1] + rows[y - 1][x]))",
    ),
    _MAP(
        "map-first-row-from-0",
        "The first row is predicted from 0 and not from the left.",
        "prediction",
        "return rows[0][x - 1] if x else 0",
        "return 0",
    ),
    _MAP(
        "map-first-column-from-0",
        "The first column is predicted from 0 and not from above.",
        "prediction",
        "return rows[y - 1][0]",
        "return 0",
    ),
    _MAP(
        "map-first-column-from-the-row-end",
        "The first column is predicted from the end of the row above.",
        "prediction",
        "return rows[y - 1][0]",
        "return rows[y - 1][-1]",
    ),
    _MAP(
        "map-borders-from-half-of-one",
        "In the first row and column the missing neighbour counts as 0, and half of the other is taken.",
        "prediction",
        "return rows[0][x - 1] if x else 0",
        "return half(rows[0][x - 1], rounding) if x else 0",
        "return rows[y - 1][0]",
        "return half(rows[y - 1][0], rounding)",
    ),
    _MAP(
        "map-predicted-from-the-left",
        "Every index is predicted from its left neighbour alone.",
        "prediction",
        "return half(rows[y][x - 1] + rows[y - 1][x], rounding)",
        "return rows[y][x - 1]",
    ),
    _MAP(
        "map-predicted-from-above",
        "Every index is predicted from its upper neighbour alone.",
        "prediction",
        "return half(rows[y][x - 1] + rows[y - 1][x], rounding)",
        "return rows[y - 1][x]",
    ),
    _MAP(
        "map-predicted-from-above-left",
        "The upper left neighbour takes the place of the upper one.",
        "prediction",
        "rows[y][x - 1] + rows[y - 1][x]",
        "rows[y][x - 1] + rows[y - 1][x - 1]",
    ),
    _MAP(
        "map-not-predicted",
        "The coded differences are taken for the indices.",
        "prediction",
        "value = predict(rows, y, x, rounding) + d",
        "value = d",
    ),
    _MAP(
        "map-indices-of-9-accepted",
        "Indices of 9 and -9 are accepted and count as 0, as the reference software clips them.",
        "entropy 8 B1, rejection",
        _RANGE,
        "if not -QUALITY_MAX - 1 <= value <= QUALITY_MAX + 1:",
        "return np.array(rows, np.int8)",
        "rows = [[v if -QUALITY_MAX <= v <= QUALITY_MAX else 0 for v in row] for row in rows]\n"
        "    return np.array(rows, np.int8)",
    ),
    _MAP(
        "map-indices-clipped",
        "Indices out of range are clipped instead of refused.",
        "rejection, clip",
        _RANGE,
        "value = max(-QUALITY_MAX, min(QUALITY_MAX, value))\n            if False:",
    ),
    _MAP(
        "map-index-8-is-7",
        "Indices are clipped to -8..7.",
        "off by one, clip",
        "rows[y].append(value)",
        "rows[y].append(min(value, 7))",
    ),
    _MAP(
        "map-index-minus-8-is-minus-7",
        "Indices are clipped to -7..8.",
        "off by one, clip",
        "rows[y].append(value)",
        "rows[y].append(max(value, -7))",
    ),
    _STAGE(
        "map-cannot-be-read",
        "Every stream with a quality map makes the decoder fail.",
        "entropy 8 A2",
        "    coded = payload.threads(stream.picture.num_threads_q)\n",
        '    raise AttributeError("item")\n',
    ),
    _STAGE(
        "map-level-is-its-entropy-index",
        "The entropy index is itself taken for the level of the differences.",
        "table",
        'level = table("parameters", "quality_levels")[stream.picture.quality_map_entropy_index]',
        "level = stream.picture.quality_map_entropy_index",
    ),
    _STAGE(
        "map-threads-of-z",
        "The quality map is taken to have as many threads as the hyper-latent.",
        "threads",
        "coded = payload.threads(stream.picture.num_threads_q)",
        "coded = payload.threads(stream.picture.num_threads_z)",
    ),
    _STAGE(
        "map-columns-first",
        "The positions of the quality map are numbered down the columns.",
        "order",
        "deltas.reshape(lh, lw),",
        "np.ascontiguousarray(deltas.reshape(lw, lh).T),",
    ),
    _STAGE(
        "map-ignored",
        "The quality map is decoded and not used.",
        "ignored",
        "    quality_map = _decode_quality_map(stream, engine, settings)\n",
        "    _decode_quality_map(stream, engine, settings)\n    quality_map = None\n",
    ),
    _STAGE(
        "map-for-luma-only",
        "Chroma does not use the quality map.",
        "ignored",
        "engine, settings, c, model, z_hats[c], quality_map, observer)",
        "engine, settings, c, model, z_hats[c], None if c else quality_map, observer)",
    ),
    also(
        _STAGE(
            "map-threads-not-reset",
            "A stream whose quality map has one thread is read with the 8 threads of a decoder's settings.",
            "entropy 8 B4",
            "coded = payload.threads(stream.picture.num_threads_q)",
            "coded = payload.threads(stream.picture.num_threads_q if stream.picture.multi_threading_q "
            "else 8)",
        ),
        "refdec.codestream.headers",
        "return 2 << self.log2_num_threads_q_minus1 if self.multi_threading_q else 1",
        "return 2 << self.log2_num_threads_q_minus1 if self.multi_threading_q else 8",
    ),
)
