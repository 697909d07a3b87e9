"""Mistakes of EFE linear: weights, phases, interpolation, rounding."""

from __future__ import annotations

from conformance.mutants.mutant import Module

_STAGE = ("picture", "picture")
_AREA = "EFE linear"
_HEADER = Module("refdec.filters.efe_parameters", _AREA, _STAGE)
_EFE = Module("refdec.filters.golden.efe", _AREA, _STAGE)
_ROUND = Module("refdec.filters.golden.efe", "EFE", _STAGE)
_CHROMA_CODES = "chroma[row, column] = np.array(chroma_codes[n]).reshape(-1, side, side)"
_LUMA_CODES = "luma[row, column] = np.array(luma_codes[n]).reshape(side, side)"
_ZERO = "CODE_ZERO = 32767"
_PHASE = "new = linear_phase(y, c, 2 * down + across, tool)"
_LUMA_PHASE = "phase(luma, down, across, (2, 2))"
_SPLITS = "splits = (3 - tool.subsampling[0], 3 - tool.subsampling[1])"
_CENTRED = "centred = 100 * c - (tool.mean << PLANE_BITS)"
_CHROMA_PART = "part = correlate(centred[rectangle], tool.chroma[i, j, p], origin)"
_LUMA_PART = "part += 100 * correlate(y[rectangle], tool.luma[i, j], origin)"
_ORIGIN = "origin = (side - 1) // 2"
_OUTER = 'return np.pad(whole[row :: splits[0], column :: splits[1]], 2, mode="edge")'
_INNER = '((0, height % splits[0]), (0, width % splits[1])), mode="edge")'
_BETWEEN = "total += 8 * correlate(centred, interpolation(p), 1)"
_LAST = "return saturated(total, LINEAR_UNIT)"
_SATURATED = "np.clip((2 * total + unit) // (2 * unit), -PLANE_LIMIT, PLANE_LIMIT)"

_WEIGHTS = (
    _HEADER(
        "efe-code-of-zero-32768", "The weight 0 has the code 32768.", "off by one", _ZERO, "CODE_ZERO = 32768"
    ),
    _HEADER(
        "efe-code-of-zero-32766", "The weight 0 has the code 32766.", "off by one", _ZERO, "CODE_ZERO = 32766"
    ),
    _HEADER(
        "efe-weights-of-one-phase",
        "All phases have the weights of the first.",
        "ignored",
        _CHROMA_CODES,
        "chroma[row, column] = np.array(chroma_codes[n]).reshape(-1, side, side)[:1]",
    ),
    _HEADER(
        "efe-chroma-weights-transposed",
        "The weights of chroma are read column by column.",
        "order",
        _CHROMA_CODES,
        "chroma[row, column] = np.array(chroma_codes[n]).reshape(-1, side, side).swapaxes(1, 2)",
    ),
    _HEADER(
        "efe-luma-weights-transposed",
        "The weights of luma are read column by column.",
        "order",
        _LUMA_CODES,
        "luma[row, column] = np.array(luma_codes[n]).reshape(side, side).T",
    ),
    _HEADER(
        "efe-weights-with-the-phase-last",
        "The phase is the innermost index of the weights.",
        "order",
        _CHROMA_CODES,
        "flat = np.array(chroma_codes[n])\n"
        "        phases = flat.size // (side * side) if side else 1\n"
        "        chroma[row, column] = flat.reshape(side, side, phases).transpose(2, 0, 1)",
    ),
    _EFE(
        "efe-weights-flipped",
        "The weights are turned by 180 degrees: a convolution instead of a correlation.",
        "order",
        "total += weights[a, b] * extended",
        "total += weights[-1 - a, -1 - b] * extended",
    ),
    _EFE(
        "efe-origin-to-the-lower-right",
        "An even filter lies half a sample further up and left.",
        "off by one",
        _ORIGIN,
        "origin = side // 2",
    ),
    _EFE("efe-origin-at-the-corner", "A filter begins at its sample.", "geometry", _ORIGIN, "origin = 0"),
    _EFE("efe-mean-ignored", "Chroma is filtered with its mean.", "ignored", _CENTRED, "centred = 100 * c"),
    _EFE(
        "efe-mean-in-whole-samples",
        "The mean is rounded to whole samples.",
        "rounding",
        _CENTRED,
        "centred = 100 * c - ((tool.mean + 50) // 100 * 100 << PLANE_BITS)",
    ),
    _EFE(
        "efe-mean-in-tenths",
        "The mean has one decimal.",
        "width",
        _CENTRED,
        "centred = 100 * c - (tool.mean // 10 * 10 << PLANE_BITS)",
    ),
    _HEADER("efe-mean-of-u", "The mean of U is that of V as well.", "order", "tool.B1[plane]", "tool.B1[0]"),
    _HEADER("efe-mean-of-v", "The mean of V is that of U as well.", "order", "tool.B1[plane]", "tool.B1[1]"),
    _EFE("efe-luma-ignored", "Luma is not filtered into chroma.", "ignored", _LUMA_PART, "part += 0"),
    _EFE(
        "efe-luma-less-its-centre",
        "Luma is filtered less 127.5.",
        "sign",
        "correlate(y[rectangle],",
        "correlate(y[rectangle] - (255 << PLANE_BITS - 1),",
    ),
    _EFE(
        "efe-chroma-ignored",
        "The weights of chroma are read and not used.",
        "ignored",
        _CHROMA_PART,
        "part = 0 * centred[rectangle][2:-2, 2:-2]",
    ),
)

_PHASES = (
    _EFE(
        "efe-phases-transposed",
        "The second phase is the one below.",
        "order",
        _PHASE,
        "new = linear_phase(y, c, 2 * across + down, tool)",
    ),
    _EFE(
        "efe-phases-in-reverse",
        "The weights of the phases are in the opposite order.",
        "order",
        "tool.chroma[i, j, p]",
        "tool.chroma[i, j, 3 - p]",
    ),
    _EFE(
        "efe-luma-of-another-phase",
        "Luma's first phase is filtered into all of chroma.",
        "order",
        _LUMA_PHASE,
        "phase(luma, 0, 0, (2, 2))",
    ),
    _EFE(
        "efe-luma-at-odd-samples",
        "Of a subsampled axis the odd samples of luma count.",
        "off by one",
        _LUMA_PHASE,
        "phase(luma, down + 2 - splits[0], across + 2 - splits[1], (2, 2))",
    ),
    _EFE(
        "efe-phases-of-rows-only",
        "Chroma that is subsampled across is treated as if it were so both ways.",
        "geometry",
        _SPLITS,
        "splits = (3 - tool.subsampling[1], 3 - tool.subsampling[1])",
    ),
    _EFE(
        "efe-subsampling-transposed",
        "The factors of rows and columns are exchanged.",
        "order",
        _SPLITS,
        "splits = (3 - tool.subsampling[1], 3 - tool.subsampling[0])",
    ),
    _EFE(
        "efe-phases-continued-with-zeros",
        "A phase continues with zeros.",
        "borders",
        _OUTER,
        _OUTER.replace("edge", "constant"),
    ),
    _EFE(
        "efe-phases-mirrored",
        "A phase is mirrored at its ends.",
        "borders",
        _OUTER,
        _OUTER.replace("edge", "symmetric"),
    ),
    _EFE(
        "efe-odd-picture-with-zeros",
        "An odd picture is made even with zeros.",
        "borders",
        _INNER,
        _INNER.replace("edge", "constant"),
    ),
    _EFE(
        "efe-whole-picture-continued",
        "The picture is continued before it is cut into phases.",
        "borders",
        _OUTER,
        'wide = np.pad(whole, 4, mode="edge")\n'
        "    return np.ascontiguousarray(\n"
        "        wide[row + (4 - 2 * splits[0]) :: splits[0], column + (4 - 2 * splits[1]) :: splits[1]][\n"
        "            : whole.shape[0] // splits[0] + 4, : whole.shape[1] // splits[1] + 4\n"
        "        ]\n"
        "    )",
    ),
)

_BETWEEN_SAMPLES = (
    _EFE(
        "efe-not-interpolated",
        "Chroma that was coded smaller stays as it is.",
        "ignored",
        "if tool.interpolates:",
        "if False:",
    ),
    _EFE(
        "efe-always-interpolated",
        "Chroma is interpolated whatever it was coded as.",
        "ignored",
        "if tool.interpolates:",
        "if True:",
    ),
    _HEADER(
        "efe-interpolates-the-wrong-pictures",
        "Chroma is interpolated where it was coded in full.",
        "sign",
        "not picture.same_chroma",
        "picture.same_chroma",
    ),
    _EFE(
        "efe-interpolation-linear",
        "A sample between two is their mean.",
        "table",
        "(0, 16, 0, 0), (-1, 9, 9, -1)",
        "(0, 16, 0, 0), (0, 8, 8, 0)",
    ),
    _EFE(
        "efe-interpolation-mirrored",
        "Interpolation looks one sample back.",
        "off by one",
        "interpolation(p), 1)",
        "interpolation(p), 2)",
    ),
    _EFE(
        "efe-interpolation-transposed",
        "Interpolated rows are columns.",
        "order",
        "[[down, across]]",
        "[[across, down]]",
    ),
    _EFE(
        "efe-interpolation-before-the-mean",
        "The mean is not taken off what is interpolated.",
        "order",
        "correlate(centred, interpolation(p), 1)",
        "correlate(100 * c, interpolation(p), 1)",
        equivalent="The weights of what interpolation adds to a sample have the sum 0: the mean cancels.",
    ),
    _EFE(
        "efe-interpolation-rounded-first",
        "Interpolated chroma is rounded before it is filtered.",
        "rounding",
        _BETWEEN,
        f"{_BETWEEN}\n        total = (2 * total + LINEAR_UNIT) // (2 * LINEAR_UNIT) * LINEAR_UNIT",
        equivalent="EFE linear is the first filter: its chroma has 8 fraction bits of 16, all samples are "
        "multiples of 256. Interpolation adds 256ths of them with weights of the sum 0: whole numbers.",
    ),
)

_ROUNDING = (
    _EFE(
        "efe-linear-in-binary32",
        "The sums of EFE linear are kept in 24 bits of mantissa.",
        "width",
        _LAST,
        "return saturated(total.astype(np.float32).astype(np.int64), LINEAR_UNIT)",
    ),
    _EFE(
        "efe-linear-sums-rounded-one-by-one",
        "What luma adds is rounded on its own.",
        "rounding",
        _LUMA_PART,
        "part += (200 * correlate(y[rectangle], tool.luma[i, j], origin) + LINEAR_UNIT) "
        "// (2 * LINEAR_UNIT) * LINEAR_UNIT",
    ),
    _EFE(
        "efe-linear-on-whole-samples",
        "Filtered chroma is rounded to whole samples.",
        "width",
        _LAST,
        "return saturated(total, LINEAR_UNIT << PLANE_BITS) << PLANE_BITS",
    ),
    _EFE(
        "efe-linear-clipped-to-samples",
        "Chroma is clipped to 0..255 after EFE linear.",
        "clip",
        _LAST,
        "return np.clip(saturated(total, LINEAR_UNIT), 0, WHITE)",
    ),
    _ROUND(
        "efe-floored",
        "Filtered chroma is rounded down.",
        "rounding",
        _SATURATED,
        "np.clip(total // unit, -PLANE_LIMIT, PLANE_LIMIT)",
    ),
    _ROUND(
        "efe-half-down",
        "Filtered chroma half-way between two integers is rounded down.",
        "rounding",
        _SATURATED,
        "np.clip((2 * total + unit - 1) // (2 * unit), -PLANE_LIMIT, PLANE_LIMIT)",
    ),
    _ROUND(
        "efe-truncated",
        "Negative chroma is rounded towards 0.",
        "rounding",
        _SATURATED,
        "np.clip(np.sign(total) * ((2 * np.abs(total) + unit) // (2 * unit)), -PLANE_LIMIT, PLANE_LIMIT)",
    ),
    _ROUND(
        "efe-wraps-at-32-bits",
        "Filtered chroma wraps around at 32 bits instead of being saturated.",
        "width, clip",
        _SATURATED,
        "((2 * total + unit) // (2 * unit)).astype(np.int32).astype(np.int64)",
    ),
    _ROUND(
        "efe-saturated-one-high",
        "Saturation goes up to 2^30.",
        "off by one, clip",
        _SATURATED,
        "np.clip((2 * total + unit) // (2 * unit), -PLANE_LIMIT, PLANE_LIMIT + 1)",
    ),
    _ROUND(
        "efe-saturated-one-low",
        "Saturation goes down to -2^30.",
        "off by one, clip",
        _SATURATED,
        "np.clip((2 * total + unit) // (2 * unit), -PLANE_LIMIT - 1, PLANE_LIMIT)",
    ),
)

MUTANTS = (*_WEIGHTS, *_PHASES, *_BETWEEN_SAMPLES, *_ROUNDING)
