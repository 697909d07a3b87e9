"""Mistakes of LEF, the sharpening of luma, and of the order of the post-filters."""

from __future__ import annotations

from conformance.mutants.mutant import Module, Mutant

_STAGE = ("picture", "picture")
_ORDER = Module("refdec.filters.stage", "filters", _STAGE)
_LEF = Module("refdec.filters.golden.lef", "LEF", _STAGE)
_CALL = Module("refdec.filters.lef", "LEF", _STAGE)
_DECODER = Module("refdec.decoder", "LEF", ("codestream", "picture"))

_ALL = "return tuple(item for item in FILTERS if item.enabled(tools))"
_THRESHOLDS = ((600, 1200, 2000), (800, 1400, 2400), (1000, 1600, 2800), (1200, 2000, 3200))
_GAINS = ((100, 110, 113, 116), (100, 107, 109, 111), (100, 103, 104, 105), (100, 101, 102, 103))
_INDEX = "out.append(min((whole << spare) >> e, length - 1))"
_WEIGHT = "weight = 24 if dy == dx == 1 else 5"
_INNER = "        blurred[1:-1, 1:-1] = inner\n"
_ROUNDED = "rounded = (wanted + 3200) // 6400"
_WANTED = "    wanted = 100 * blurred + gain * (64 * x - blurred)\n"


def _blurred(pad: str) -> str:
    return (
        f"{_INNER}"
        f"        wide = np.pad(x, 1, {pad})\n"
        "        blurred = 24 * x\n"
        "        for dy, dx in ((0, 0), (0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1), (2, 2)):\n"
        "            blurred = blurred + 5 * wide[dy : dy + height, dx : dx + width]\n"
    )


def _entry(name: str, table: tuple[tuple[int, ...], ...], what: str, m: int, k: int, change: int) -> Mutant:
    row = list(table[m])
    row[k] += change
    changed = tuple(tuple(row) if i == m else r for i, r in enumerate(table))
    word = "high" if change > 0 else "low"
    return _CALL(
        f"lef-{what}-{m}-{k}-one-{word}",
        f"The {what} {k} of model {m} is one too {word}.",
        "table, off by one",
        f"{name} = {table}",
        f"{name} = {changed}",
    )


_SEQUENCE = (
    _ORDER(
        "filters-ignored",
        "No post-filter is applied.",
        "ignored",
        _ALL,
        "return ()",
    ),
    _ORDER(
        "filters-in-reverse-order",
        "The post-filters are applied from the last to the first.",
        "order",
        _ALL,
        "return tuple(item for item in FILTERS[::-1] if item.enabled(tools))",
    ),
    _ORDER(
        "filters-lef-first",
        "LEF is applied before the others.",
        "order",
        _ALL,
        "return tuple(item for item in FILTERS[3:] + FILTERS[:3] if item.enabled(tools))",
    ),
    _ORDER(
        "filters-eicci-first",
        "eICCI is applied before EFE linear.",
        "order",
        _ALL,
        "return tuple(FILTERS[k] for k in (1, 0, 2, 3) if FILTERS[k].enabled(tools))",
    ),
    _ORDER(
        "filters-eicci-behind-efe",
        "eICCI is applied after both EFE filters.",
        "order",
        _ALL,
        "return tuple(FILTERS[k] for k in (0, 2, 1, 3) if FILTERS[k].enabled(tools))",
    ),
    _ORDER(
        "filters-only-one",
        "Of several post-filters the first one is applied.",
        "ignored",
        _ALL,
        "return tuple(item for item in FILTERS if item.enabled(tools))[:1]",
    ),
    _ORDER(
        "filters-see-the-decoded-picture",
        "Each post-filter reads what the networks made, not what the filter before it made.",
        "order",
        "before, state = state, item.apply(state, context)",
        "before, state = state, item.apply(FilterPlanes(planes, state.alternative), context)",
    ),
)

_STEERING = (
    _CALL("lef-ignored", "LEF changes nothing.", "ignored", "planes=(luma, *", "planes=(state.planes[0], *"),
    _CALL(
        "lef-gains-of-the-next-model",
        "The gains are those of the next model.",
        "table",
        "THRESHOLDS[model_id], GAINS[model_id]",
        "THRESHOLDS[model_id], GAINS[(model_id + 1) % 4]",
    ),
    _CALL(
        "lef-thresholds-of-the-next-model",
        "The thresholds are those of the next model.",
        "table",
        "THRESHOLDS[model_id], GAINS[model_id]",
        "THRESHOLDS[(model_id + 1) % 4], GAINS[model_id]",
    ),
    *(
        _entry("THRESHOLDS", _THRESHOLDS, "threshold", m, k, s)
        for m, k, s in ((0, 0, 1), (0, 2, -1), (1, 1, 1), (2, 0, -1), (2, 2, 1), (3, 1, -1))
    ),
    *(
        _entry("GAINS", _GAINS, "gain", m, k, s)
        for m, k, s in (
            (0, 0, 1),
            (0, 1, 1),
            (0, 3, -1),
            (1, 2, 1),
            (2, 1, -1),
            (2, 3, 1),
            (3, 1, 1),
            (3, 2, -1),
        )
    ),
    _LEF(
        "lef-threshold-strict",
        "A scale equal to a threshold keeps the gain below it.",
        "off by one",
        "out[steering >= threshold] = gain",
        "out[steering > threshold] = gain",
    ),
    _LEF(
        "lef-steered-by-levels",
        "The scale is rounded to a level before it is compared.",
        "rounding",
        "steering = scale_log[np.ix_(rows, columns)]",
        "steering = (scale_log + 64 >> 7 << 7)[np.ix_(rows, columns)]",
    ),
    _LEF(
        "lef-gains-in-reverse",
        "The gain falls where the scale grows.",
        "order",
        "zip(thresholds, gains[1:], strict=True)",
        "zip(thresholds, gains[2::-1], strict=True)",
    ),
    _LEF(
        "lef-steering-of-one-sample",
        "The first scale steers the whole picture.",
        "geometry",
        "steering = scale_log[np.ix_(rows, columns)]",
        "steering = np.full(size, scale_log[0, 0])",
    ),
    _DECODER(
        "lef-steered-by-the-next-channel",
        "The channel that steers is the one after the one that the header names.",
        "off by one",
        "stream.tools.LEF_chIdx",
        "(stream.tools.LEF_chIdx + 1) % 160",
    ),
    _DECODER(
        "lef-steered-by-channel-0",
        "The first channel steers.",
        "ignored",
        "stream.tools.LEF_chIdx",
        "0 * stream.tools.LEF_chIdx",
    ),
)

_GRID = (
    _LEF(
        "lef-nearest-by-whole-numbers",
        "The nearest scale is found without the rounding of binary32.",
        "width",
        _INDEX,
        "out.append(i * length // target)",
    ),
    _LEF(
        "lef-nearest-by-sixteens",
        "A scale holds for 16 samples, whatever the picture's size.",
        "geometry",
        _INDEX,
        "out.append(min(i >> 4, length - 1))",
    ),
    _LEF(
        "lef-nearest-rounded",
        "The position of a sample among the scales is rounded to the nearest.",
        "rounding",
        _INDEX,
        "out.append(min((2 * i * length + target) // (2 * target), length - 1))",
    ),
    _LEF(
        "lef-nearest-by-centres",
        "Scales and samples are matched by their centres.",
        "geometry",
        _INDEX,
        "out.append((2 * i + 1) * length // (2 * target))",
    ),
    _LEF(
        "lef-ratio-truncated",
        "The ratio of the sizes is cut to 24 bits.",
        "rounding",
        "        m += 1\n",
        "        m += 0\n",
    ),
    _LEF(
        "lef-position-truncated",
        "The position is cut to 24 bits.",
        "rounding",
        "            whole += 1\n",
        "            whole += 0\n",
    ),
    _LEF(
        "lef-ratio-in-53-bits",
        "The ratio and the position have the bits of binary64.",
        "width",
        "FLOAT_BITS = 24",
        "FLOAT_BITS = 53",
    ),
)

_SHARPENED = (
    _LEF(
        "lef-blur-flat",
        "The nine weights of the blur are nearly alike.",
        "table",
        _WEIGHT,
        "weight = 8 if dy == dx == 1 else 7",
    ),
    _LEF(
        "lef-blur-of-a-cross",
        "The blur leaves the diagonal neighbours out.",
        "table",
        _WEIGHT,
        "weight = 24 if dy == dx == 1 else 10 * (dy == 1 or dx == 1)",
    ),
    _LEF(
        "lef-borders-blurred-with-copies",
        "The outermost samples are blurred as if they continued.",
        "borders",
        _INNER,
        _blurred('mode="edge"'),
    ),
    _LEF(
        "lef-borders-blurred-with-zeros",
        "The outermost samples are blurred with zeros around the picture.",
        "borders",
        _INNER,
        _blurred('mode="constant"'),
    ),
    _LEF(
        "lef-blur-rounded",
        "The blurred picture is rounded to planes.",
        "rounding",
        _WANTED,
        f"    blurred = blurred + 32 >> 6 << 6\n{_WANTED}",
    ),
    _LEF(
        "lef-on-whole-samples",
        "Luma is rounded to whole samples first.",
        "width",
        "x = luma.astype(np.int64)",
        "x = luma.astype(np.int64) + 32768 >> 16 << 16",
    ),
    _LEF(
        "lef-gain-in-128ths",
        "The gain is rounded to 7 bits.",
        "width",
        _ROUNDED,
        "rounded = (128 * blurred + (128 * gain + 50) // 100 * (64 * x - blurred) + 4096) // 8192",
    ),
    _LEF("lef-floored", "Sharpened luma is rounded down.", "rounding", _ROUNDED, "rounded = wanted // 6400"),
    _LEF(
        "lef-half-down",
        "A sharpened half is rounded down.",
        "rounding",
        _ROUNDED,
        "rounded = (wanted + 3199) // 6400",
    ),
    _LEF(
        "lef-truncated",
        "The division rounds towards 0.",
        "rounding",
        _ROUNDED,
        "rounded = np.sign(wanted + 3200) * (np.abs(wanted + 3200) // 6400)",
        equivalent="What is negative is clipped to 0 right afterwards; from 0 on both divisions agree.",
    ),
    _LEF(
        "lef-in-32-bits",
        "The amplified sums wrap around at 32 bits.",
        "width",
        _WANTED,
        f"{_WANTED}    wanted = wanted.astype(np.int32).astype(np.int64)\n",
    ),
    _LEF(
        "lef-in-binary32",
        "The amplified sums are kept in 24 bits of mantissa.",
        "width",
        _WANTED,
        f"{_WANTED}    wanted = wanted.astype(np.float32).astype(np.int64)\n",
    ),
    _LEF(
        "lef-not-clipped",
        "Sharpened luma may leave 0..255.",
        "clip",
        "return np.clip(rounded, 0, WHITE)",
        "return rounded",
    ),
    _LEF(
        "lef-clipped-at-256",
        "Sharpened luma is clipped just below 256.",
        "clip",
        "return np.clip(rounded, 0, WHITE)",
        "return np.clip(rounded, 0, (256 << 16) - 1)",
    ),
    _LEF(
        "lef-amplifies-the-blurred",
        "The gain multiplies the blurred picture.",
        "order",
        _WANTED,
        "    wanted = gain * blurred + 100 * (64 * x - blurred)\n",
    ),
)

MUTANTS = (*_SEQUENCE, *_STEERING, *_GRID, *_SHARPENED)
