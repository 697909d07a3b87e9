"""Mistakes of EFE linear: filter sets and rectangles."""

from __future__ import annotations

from conformance.mutants.mutant import Module

_STAGE = ("picture", "picture")
_AREA = "EFE linear"
_CALL = Module("refdec.filters.efe_linear", _AREA, _STAGE)
_HEADER = Module("refdec.filters.efe_parameters", _AREA, _STAGE)
_EFE = Module("refdec.filters.golden.efe", _AREA, _STAGE)
_RESULT = "return FilterPlanes((luma, filtered(1, 0), filtered(1, 1)), alternative)"
_OTHER = "alternative = (filtered(0, 0), filtered(0, 1)) if"
_BORDER = "up = rest > 1600 or (rest == 1600 and whole % 2 == 1)"
_HALVES = "height, width = ceil_div(picture.display_height, 2), ceil_div(picture.display_width, 2)"

_SETS = (
    _CALL(
        "efe-linear-ignored",
        "EFE linear changes nothing.",
        "ignored",
        _RESULT,
        "return FilterPlanes(state.planes, alternative)",
    ),
    _CALL(
        "efe-linear-first-set",
        "The filter set of the alternative picture is applied.",
        "order",
        _RESULT,
        "return FilterPlanes((luma, filtered(0, 0), filtered(0, 1)), alternative)",
    ),
    _CALL(
        "efe-linear-planes-swapped",
        "U has the filter of V, and V that of U.",
        "order",
        "linear_filter(context.picture, tool, which, plane)",
        "linear_filter(context.picture, tool, which, 1 - plane)",
    ),
    _CALL(
        "efe-alternative-of-the-second-set",
        "The alternative picture is made with the filter set that is applied.",
        "order",
        _OTHER,
        "alternative = (filtered(1, 0), filtered(1, 1)) if",
    ),
    _CALL(
        "efe-alternative-unfiltered",
        "The alternative picture is the one before EFE linear.",
        "ignored",
        _OTHER,
        "alternative = state.planes[1:] if",
    ),
    _CALL(
        "efe-alternative-on-top",
        "The applied filter set filters the alternative picture.",
        "order",
        _RESULT,
        "u, v = (linear_filter(context.picture, tool, 1, k) for k in (0, 1))\n"
        "    base = state.planes[1:] if alternative is None else alternative\n"
        "    made = [\n"
        "        b if f.changes_nothing else engine.linear(luma, b, f, threads)\n"
        "        for b, f in zip(base, (u, v))\n"
        "    ]\n"
        "    return FilterPlanes((luma, *made), alternative)",
    ),
    _HEADER(
        "efe-alternative-wants-both-planes",
        "There is an alternative picture only if the first set filters both planes.",
        "geometry",
        "return any(linear.filter_sets[0].best_cand_idx)",
        "return all(linear.filter_sets[0].best_cand_idx)",
    ),
    _HEADER(
        "efe-alternative-wants-the-second-set",
        "There is an alternative picture if the second set filters a plane.",
        "order",
        "return any(linear.filter_sets[0].best_cand_idx)",
        "return any(linear.filter_sets[1].best_cand_idx)",
    ),
    _HEADER(
        "efe-plane-without-weights-not-interpolated",
        "A plane that has no weights is copied though chroma was coded at half its size.",
        "ignored",
        "return self.chroma.size == 0 and not self.interpolates",
        "return self.chroma.size == 0",
    ),
)

_RECTANGLES = (
    _HEADER(
        "efe-border-half-up",
        "A border half-way between two is rounded up.",
        "rounding",
        _BORDER,
        "up = rest >= 1600",
    ),
    _HEADER(
        "efe-border-half-down",
        "A border half-way between two is rounded down.",
        "rounding",
        _BORDER,
        "up = rest > 1600",
    ),
    _HEADER("efe-border-floored", "Borders are rounded down.", "rounding", _BORDER, "up = 0"),
    _HEADER("efe-border-rounded-up", "Borders are rounded up.", "rounding", _BORDER, "up = rest > 0"),
    _HEADER(
        "efe-border-without-31",
        "Borders are percentages of the length itself.",
        "off by one",
        "percent * (length + 31), 3200",
        "percent * length, 3200",
    ),
    _HEADER(
        "efe-border-beyond-the-end",
        "Borders may lie behind the end of the picture.",
        "clip",
        "return min(32 * (whole + up), length)",
        "return 32 * (whole + up)",
    ),
    _HEADER(
        "efe-borders-of-16",
        "Borders are multiples of 16.",
        "geometry",
        "return min(32 * (whole + up), length)",
        "return min(16 * ((percent * (length + 15) + 800) // 1600), length)",
    ),
    _HEADER(
        "efe-border-not-aligned",
        "Borders are exact percentages.",
        "geometry",
        "return min(32 * (whole + up), length)",
        "return percent * length // 100",
    ),
    _HEADER(
        "efe-thirds-34-67",
        "Thirds are 34 and 67 per cent.",
        "off by one, table",
        "divmod(percent * (length + 31), 3200)",
        "divmod((percent + (percent in (33, 66))) * (length + 31), 3200)",
    ),
    _HEADER(
        "efe-borders-of-the-coded-size",
        "Rectangles are cut out of the coded picture.",
        "geometry",
        _HALVES,
        "height, width = ceil_div(picture.height, 2), ceil_div(picture.width, 2)",
    ),
    _HEADER(
        "efe-borders-of-an-odd-picture",
        "Half of an odd size is rounded down.",
        "geometry",
        _HALVES,
        "height, width = picture.display_height // 2, picture.display_width // 2",
    ),
    _HEADER(
        "efe-split-8-by-rows",
        "The weights of the last split go by rows.",
        "order",
        "_THIRDS, True)",
        "_THIRDS, False)",
    ),
    _HEADER(
        "efe-splits-by-columns",
        "The weights of every split go by columns.",
        "order",
        "if by_column else",
        "if len(luma_codes) > 0 else",
    ),
    _HEADER(
        "efe-split-2-and-3-exchanged",
        "Split 2 halves the columns, split 3 the rows.",
        "table, order",
        "    (_HALVES, _ALL, False),\n    (_ALL, _HALVES, False),\n",
        "    (_ALL, _HALVES, False),\n    (_HALVES, _ALL, False),\n",
    ),
    _HEADER(
        "efe-split-4-and-5-exchanged",
        "Split 4 cuts the rows in three, split 5 the columns.",
        "table, order",
        "    (_ALL, _THIRDS, False),\n    (_THIRDS, _ALL, False),\n",
        "    (_THIRDS, _ALL, False),\n    (_ALL, _THIRDS, False),\n",
    ),
    _HEADER(
        "efe-split-7-and-8-exchanged",
        "Split 7 has two rows of three rectangles.",
        "table, order",
        "    (_THIRDS, _HALVES, False),\n",
        "    (_HALVES, _THIRDS, False),\n",
    ),
    _EFE(
        "efe-rectangles-see-no-neighbour",
        "The weights of a rectangle read copies of its outermost samples instead of its neighbours.",
        "borders",
        "correlate(centred[rectangle],",
        'correlate(np.pad(centred[rectangle][2:-2, 2:-2], 2, mode="edge"),',
    ),
    _EFE(
        "efe-first-rectangle-everywhere",
        "The weights of chroma are those of the first rectangle.",
        "ignored",
        "tool.chroma[i, j, p]",
        "tool.chroma[0, 0, p]",
    ),
    _EFE(
        "efe-luma-of-the-first-rectangle",
        "The weights of luma are those of the first rectangle.",
        "ignored",
        "tool.luma[i, j], origin",
        "tool.luma[0, 0], origin",
    ),
)

MUTANTS = (*_SETS, *_RECTANGLES)
