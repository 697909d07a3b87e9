"""Mistakes of EFE non-linear: tiles, knots, the mask, rounding."""

from __future__ import annotations

from conformance.mutants.mutant import Module

_STAGE = ("picture", "picture")
_AREA = "EFE non-linear"
_CALL = Module("refdec.filters.efe_nonlinear", _AREA, _STAGE)
_HEADER = Module("refdec.filters.efe_parameters", _AREA, _STAGE)
_EFE = Module("refdec.filters.golden.efe", _AREA, _STAGE)

_RESULT = "return FilterPlanes((luma, filtered(0), filtered(1)), state.alternative)"
_TILE = "tile = (tool.nonlinearH, tool.nonlinearW)"
_GRID = "grid = (ceil_div(height, tile[0]), ceil_div(width, tile[1]))"
_CODES = "codes.reshape(*grid, KNOTS)"
_LUMA = "decimated = luma[:: tool.subsampling[0], :: tool.subsampling[1]].astype(np.int64)"
_KNOT = "return 25 * luma - ((KNOTS - k) * least + k * largest) * 2048"
_LIMITS = "least, largest = int(limits[0]), int(limits[1])"
_FIRST = "part = np.maximum(0, total[rows, columns] + weights[0] * above[0])"
_OTHERS = "part += sum(weights[k] * np.maximum(0, above[k]) for k in range(1, KNOTS))"
_MIXED = "mixed = mask * NONLINEAR_UNIT * alternative.astype(np.int64) + (2 - mask) * total"
_SHAPED = "reshape(tool.len_mask_y, tool.len_mask_x)"
_REPEATED = "np.repeat(np.repeat(tool.mask, tool.block, 0), tool.block, 1)"
_DONE = "return saturated(total, NONLINEAR_UNIT).astype(np.int32)"
_BLOCK = "max(tool.bS, 1), mask"

_TILES = (
    _CALL("efe-nonlinear-ignored", "EFE non-linear changes nothing.", "ignored", _RESULT, "return state"),
    _CALL(
        "efe-nonlinear-planes-swapped",
        "U has the correction of V, and V that of U.",
        "order",
        "nonlinear_filter(context.picture, tool, plane)",
        "nonlinear_filter(context.picture, tool, 1 - plane)",
    ),
    _HEADER(
        "efe-tile-transposed",
        "The rows of a tile are its columns.",
        "order",
        _TILE,
        "tile = (tool.nonlinearW, tool.nonlinearH)",
    ),
    _HEADER(
        "efe-last-tiles-missing",
        "A part of a tile at the end belongs to the tile before it.",
        "geometry",
        _GRID,
        "grid = (max(height // tile[0], 1), max(width // tile[1], 1))",
    ),
    _HEADER(
        "efe-tiles-of-the-coded-size",
        "Tiles are laid over the coded picture.",
        "geometry",
        "height, width = ceil_div(picture.display_height, down), ceil_div(picture.display_width, across)",
        "height, width = ceil_div(picture.height, down), ceil_div(picture.width, across)",
    ),
    _HEADER(
        "efe-tiles-by-columns",
        "The weights of the tiles go by columns.",
        "order",
        _CODES,
        "codes.reshape(grid[1], grid[0], KNOTS).swapaxes(0, 1)",
    ),
    _HEADER(
        "efe-knots-outside",
        "The weights go knot by knot, not tile by tile.",
        "order",
        _CODES,
        "codes.reshape(KNOTS, *grid).transpose(1, 2, 0)",
    ),
    _HEADER(
        "efe-knots-in-reverse",
        "The weights of a tile begin with the highest knot.",
        "order",
        _CODES,
        "codes.reshape(*grid, KNOTS)[..., ::-1]",
    ),
    _HEADER(
        "efe-least-code-ignored",
        "The least code is not added to what is coded.",
        "ignored",
        "(tool.minSymbol - CODE_ZERO)",
        "(0 - CODE_ZERO)",
    ),
    _HEADER(
        "efe-codes-of-the-other-plane",
        "U has the weights of V, and V those of U.",
        "order",
        "tool.A1[plane]",
        "tool.A1[1 - plane]",
    ),
    _HEADER(
        "efe-v-corrected-as-u",
        "V is corrected where U is.",
        "ignored",
        "(tool.nonLinear_enabled_U_flag, tool.nonLinear_enabled_V_flag)[plane]",
        "(tool.nonLinear_enabled_U_flag, tool.nonLinear_enabled_V_flag)[0]",
    ),
    _HEADER(
        "efe-range-of-the-first-tile",
        "All tiles have the range of luma of the first.",
        "ignored",
        "luma = np.array([tool.minLuma[:count], tool.maxLuma[:count]], np.int64)",
        "luma = np.array([tool.minLuma[:1] * count, tool.maxLuma[:1] * count], np.int64)",
    ),
    _EFE(
        "efe-weights-of-the-first-tile",
        "All tiles have the weights of the first.",
        "ignored",
        "weights = tool.weights[i, j]",
        "weights = tool.weights[0, 0]",
    ),
)

_CURVE = (
    _EFE(
        "efe-luma-averaged",
        "Luma is averaged to chroma's size.",
        "networks 10.3",
        _LUMA,
        "decimated = luma[:: tool.subsampling[0], :: tool.subsampling[1]].astype(np.int64)\n"
        "    if tool.subsampling[1] == 2:\n"
        "        after = luma[:: tool.subsampling[0], 1::2].astype(np.int64)\n"
        "        wide = np.concatenate((after, decimated[:, after.shape[1] :]), axis=1)\n"
        "        decimated = (decimated + wide) // 2",
    ),
    _EFE(
        "efe-nonlinear-luma-transposed",
        "The factors of rows and columns are exchanged where luma is decimated.",
        "order",
        _LUMA,
        "decimated = luma[:: tool.subsampling[1], :: tool.subsampling[0]].astype(np.int64)",
    ),
    _EFE(
        "efe-nonlinear-on-whole-luma",
        "Luma is rounded to whole samples first.",
        "width",
        _LUMA,
        f"{_LUMA} + 32768 >> 16 << 16",
    ),
    _EFE(
        "efe-knots-to-the-largest",
        "The last knot lies at the largest luma of the tile.",
        "off by one",
        _KNOT,
        "return 25 * luma - ((KNOTS - 1 - k) * least + k * largest) * 2048 * 8 // 7",
    ),
    _EFE(
        "efe-knots-half-a-step-up",
        "Knots lie in the middle of their part of the range.",
        "geometry",
        _KNOT,
        "return 25 * luma - ((2 * KNOTS - 2 * k - 1) * least + (2 * k + 1) * largest) * 1024",
    ),
    _EFE(
        "efe-least-and-largest-exchanged",
        "Knots go down from the largest luma.",
        "order",
        _LIMITS,
        "least, largest = int(limits[1]), int(limits[0])",
    ),
    _EFE(
        "efe-range-in-whole-samples",
        "The range of luma is cut to whole samples.",
        "width",
        _LIMITS,
        "least, largest = int(limits[0]) // 100 * 100, int(limits[1]) // 100 * 100",
    ),
    _EFE(
        "efe-first-knot-not-cut",
        "Chroma with the first correction may be negative.",
        "clip",
        _FIRST,
        "part = total[rows, columns] + weights[0] * above[0]",
    ),
    _EFE(
        "efe-first-knot-like-the-others",
        "Below the first knot there is no correction.",
        "clip",
        _FIRST,
        "part = total[rows, columns] + weights[0] * np.maximum(0, above[0])",
    ),
    _EFE(
        "efe-first-knot-cut-both-ways",
        "Below the first knot there is no correction, and chroma with it is not negative.",
        "clip",
        _FIRST,
        "part = np.maximum(0, total[rows, columns] + weights[0] * np.maximum(0, above[0]))",
    ),
    _EFE(
        "efe-cut-at-the-end",
        "Chroma is cut at 0 after all knots instead of after the first.",
        "order, clip",
        _FIRST,
        "part = total[rows, columns] + weights[0] * above[0]",
        _OTHERS,
        f"{_OTHERS}\n        part = np.maximum(0, part)",
    ),
    _EFE(
        "efe-knots-not-cut",
        "The other knots act below them too.",
        "clip",
        _OTHERS,
        "part += sum(weights[k] * above[k] for k in range(1, KNOTS))",
    ),
    _EFE(
        "efe-knots-on-both-sides",
        "The other knots act by the distance from them.",
        "sign",
        _OTHERS,
        "part += sum(weights[k] * np.abs(above[k]) for k in range(1, KNOTS))",
    ),
    _EFE(
        "efe-last-knot-missing",
        "The last knot is left out.",
        "off by one",
        _OTHERS,
        "part += sum(weights[k] * np.maximum(0, above[k]) for k in range(1, KNOTS - 1))",
    ),
    _EFE(
        "efe-second-knot-missing",
        "The second knot is left out.",
        "off by one",
        _OTHERS,
        "part += sum(weights[k] * np.maximum(0, above[k]) for k in range(2, KNOTS))",
    ),
)

_MASK = (
    _HEADER(
        "efe-mask-of-u",
        "The mask of U is that of V as well.",
        "order",
        "np.array(tool.W5[plane], np.int64)",
        "np.array(tool.W5[0], np.int64)",
    ),
    _HEADER(
        "efe-mask-by-columns",
        "The mask goes by columns.",
        "order",
        _SHAPED,
        "reshape(tool.len_mask_x, tool.len_mask_y).T",
    ),
    _HEADER(
        "efe-mask-in-luma-samples",
        "The side of a block counts luma samples.",
        "geometry",
        _BLOCK,
        "max(tool.bS // picture.source_subsampling[1], 1), mask",
    ),
    _HEADER(
        "efe-mask-ignored",
        "Nothing is taken from the alternative picture.",
        "ignored",
        "if tool.mask1_enabled_flag and tool.W5[plane]:",
        "if False:",
    ),
    _HEADER(
        "efe-mask-of-corrected-planes",
        "A mask counts only for a plane that is corrected.",
        "ignored",
        "if tool.mask1_enabled_flag and tool.W5[plane]:",
        "corrected = (tool.nonLinear_enabled_U_flag, tool.nonLinear_enabled_V_flag)[plane]\n"
        "    if tool.mask1_enabled_flag and tool.W5[plane] and corrected:",
    ),
    _HEADER(
        "efe-plane-with-a-mask-copied",
        "A plane that is not corrected stays as it is, whatever its mask.",
        "ignored",
        "return self.weights.size == 0 and self.mask is None",
        "return self.weights.size == 0",
    ),
    _CALL(
        "efe-alternative-of-the-other-plane",
        "The blocks of U come from V, and those of V from U.",
        "order",
        "state.alternative[plane]",
        "state.alternative[1 - plane]",
    ),
    _EFE(
        "efe-mask-inverted",
        "The mask says what stays.",
        "sign",
        _MIXED,
        "mixed = (2 - mask) * NONLINEAR_UNIT * alternative.astype(np.int64) + mask * total",
    ),
    _EFE(
        "efe-mask-all-or-nothing",
        "Half of a block is all of it.",
        "width",
        _MIXED,
        f"mask = 2 * (mask > 0)\n    {_MIXED}",
    ),
    _EFE(
        "efe-mask-half-is-nothing",
        "Half of a block is none of it.",
        "width",
        _MIXED,
        f"mask = mask // 2 * 2\n    {_MIXED}",
    ),
    _EFE(
        "efe-mask-shifted",
        "Blocks begin one sample late.",
        "off by one",
        _REPEATED,
        f'np.pad({_REPEATED}, ((1, 0), (1, 0)), mode="edge")',
    ),
    _EFE(
        "efe-rounded-before-mixing",
        "Corrected chroma is rounded before it is mixed.",
        "rounding",
        _MIXED,
        "total = NONLINEAR_UNIT * saturated(total, NONLINEAR_UNIT)\n    " + _MIXED,
    ),
    _EFE(
        "efe-alternative-corrected",
        "The alternative picture is corrected too.",
        "order",
        _MIXED,
        "change = saturated(total - NONLINEAR_UNIT * chroma.astype(np.int64), NONLINEAR_UNIT)\n"
        "    alternative = alternative + change\n"
        "    " + _MIXED,
    ),
)

_ROUNDING = (
    _EFE(
        "efe-nonlinear-in-binary32",
        "The sums of EFE non-linear are kept in 24 bits of mantissa.",
        "width",
        "    if tool.mask is None:\n",
        "    total = total.astype(np.float32).astype(np.int64)\n    if tool.mask is None:\n",
    ),
    _EFE(
        "efe-nonlinear-clipped-to-samples",
        "Chroma is clipped to 0..255 after EFE non-linear.",
        "clip",
        _DONE,
        "return np.clip(saturated(total, NONLINEAR_UNIT), 0, WHITE).astype(np.int32)",
    ),
    _EFE(
        "efe-nonlinear-on-whole-samples",
        "Corrected chroma is rounded to whole samples.",
        "width",
        _DONE,
        "return (saturated(total, NONLINEAR_UNIT << PLANE_BITS) << PLANE_BITS).astype(np.int32)",
    ),
    _EFE(
        "efe-correction-rounded-by-knot",
        "The correction of each knot is rounded on its own.",
        "rounding",
        _OTHERS,
        "part += sum(\n"
        "            (2 * weights[k] * np.maximum(0, above[k]) + NONLINEAR_UNIT) // (2 * NONLINEAR_UNIT) "
        "* NONLINEAR_UNIT\n"
        "            for k in range(1, KNOTS)\n"
        "        )",
    ),
)

MUTANTS = (*_TILES, *_CURVE, *_MASK, *_ROUNDING)
