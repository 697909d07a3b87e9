"""Mistakes in the sizes and rectangles that follow from the picture header."""

from __future__ import annotations

from conformance.mutants.mutant import Module

_ALL = ("codestream", "picture")
_GEO = Module("refdec.codestream.geometry", "geometry", _ALL)

_GROWN = "top, bottom = max(rows[row] - grow, 0), min(rows[row + 1] + grow, rows[-1])"

MUTANTS = (
    _GEO(
        "latent-size-rounded-down",
        "The latent's size is rounded down.",
        "geometry",
        "return ceil_div(height, 16), ceil_div(width, 16)\n\n\ndef psi",
        "return height // 16, width // 16\n\n\ndef psi",
    ),
    _GEO(
        "latent-rows-and-columns-swapped",
        "Rows and columns of the latent are exchanged.",
        "order",
        "return ceil_div(height, 16), ceil_div(width, 16)\n\n\ndef psi",
        "return ceil_div(width, 16), ceil_div(height, 16)\n\n\ndef psi",
    ),
    _GEO(
        "hyper-size-rounded-down",
        "The hyper-latent's size is rounded down.",
        "geometry, networks 13.23",
        "return ceil_div(height, 64), ceil_div(width, 64)",
        "return max(1, height // 64), max(1, width // 64)",
    ),
    _GEO(
        "hyper-size-of-128",
        "The hyper-latent of chroma is counted from half the picture with luma's divisor.",
        "networks 13.14, geometry",
        "return ceil_div(height, 64), ceil_div(width, 64)",
        "return ceil_div(height, 128), ceil_div(width, 128)",
    ),
    _GEO(
        "cube-rows-of-16",
        "Cube flags cover 16 x 16 positions of a phase.",
        "geometry, entropy 4",
        "return 4, ceil_div(ceil_div(rows, 2), 8), ceil_div(ceil_div(columns, 2), 8)",
        "return 4, ceil_div(ceil_div(rows, 2), 16), ceil_div(ceil_div(columns, 2), 16)",
    ),
    _GEO(
        "cube-rows-rounded-down",
        "The phases of an odd latent are taken to be rounded down.",
        "geometry",
        "return 4, ceil_div(ceil_div(rows, 2), 8), ceil_div(ceil_div(columns, 2), 8)",
        "return 4, max(1, ceil_div(rows // 2, 8)), max(1, ceil_div(columns // 2, 8))",
    ),
    _GEO(
        "regions-in-equal-parts",
        "Regions are as equal as possible in units of 64 samples.",
        "regions, geometry",
        "step = ceil_div(length, 128) // regions * 128",
        "step = ceil_div(length, 64) // regions * 64",
    ),
    _GEO(
        "regions-step-rounded-up",
        "The step of the regions is rounded up.",
        "regions, rounding",
        "step = ceil_div(length, 128) // regions * 128",
        "step = ceil_div(ceil_div(length, 128), regions) * 128",
    ),
    _GEO(
        "regions-step-floored",
        "The picture's last 128 samples do not count for the step of the regions.",
        "regions, rounding",
        "step = ceil_div(length, 128) // regions * 128",
        "step = max(1, length // 128 // regions) * 128",
    ),
    _GEO(
        "regions-last-border-rounded-down",
        "The last region ends at a whole latent sample.",
        "regions, rounding",
        "for i in range(regions)), ceil_div(length, 1 << depth))",
        "for i in range(regions)), length >> depth)",
    ),
    _GEO(
        "regions-down-the-columns-in-geometry",
        "Regions are numbered down the columns.",
        "regions, order",
        "            rectangles.append(Rect(top, left, bottom - top, right - left))\n"
        "    return rectangles\n\n\ndef region_ext",
        "            rectangles.append(Rect(top, left, bottom - top, right - left))\n"
        "    rectangles.sort(key=lambda r: (r.x, r.y))\n    return rectangles\n\n\ndef region_ext",
    ),
    _GEO(
        "regions-grow-below-only",
        "Dependent regions grow below and to the right only.",
        "regions",
        _GROWN,
        _GROWN.replace("- grow", "- 0"),
        "left, right = max(columns[column] - grow, 0)",
        "left, right = max(columns[column], 0)",
    ),
    _GEO(
        "regions-grow-above-only",
        "Dependent regions grow above and to the left only.",
        "regions",
        _GROWN,
        _GROWN.replace("+ grow", "+ 0"),
        "min(columns[column + 1] + grow, columns[-1])",
        "columns[column + 1]",
    ),
    _GEO(
        "regions-grow-beyond-the-picture",
        "Dependent regions grow one sample beyond what is signalled.",
        "regions, off by one",
        "grow = region_extension(picture, depth) if extended else 0",
        "grow = region_extension(picture, depth) + (depth == LATENT_DEPTH) * 2 if extended else 0",
    ),
    _GEO(
        "regions-overlap-of-the-context-halved",
        "The context model's overlap is half as large.",
        "regions",
        "LATENT_DEPTH: 2 * mcm, PSI_DEPTH: mcm,",
        "LATENT_DEPTH: mcm, PSI_DEPTH: mcm // 2,",
    ),
    _GEO(
        "regions-overlap-of-the-hyper-decoder-halved",
        "The hyper decoder's overlap is half as large.",
        "regions",
        "{PICTURE_DEPTH: 128 * hyper,",
        "{PICTURE_DEPTH: 64 * hyper,",
        "HYPER_DEPTH: 2 * hyper}",
        "HYPER_DEPTH: hyper}",
    ),
    _GEO(
        "regions-independent-extended",
        "Independent regions grow as dependent ones do.",
        "regions",
        "    if picture.independent_regions:\n        return 0\n    mcm",
        "    mcm",
        "mcm = picture.mcm_overlap_in_latent_samples",
        "mcm = picture.mcm_overlap_in_latent_samples or 2",
        "hyper = picture.hyper_decoder_overlap_in_latent_samples",
        "hyper = picture.hyper_decoder_overlap_in_latent_samples or 1",
    ),
    _GEO(
        "regions-of-chroma-not-even",
        "The regions of chroma follow the picture's odd size.",
        "regions, networks 13.14",
        "height, width = height + height % 2, width + width % 2",
        "pass",
        equivalent="A picture's size enters every grid through a division by 16 or more that is rounded up; "
        "making it even before changes none of them.",
    ),
    _GEO(
        "tiles-latent-rounded-up",
        "A tile's first latent sample is rounded up.",
        "tiles, rounding",
        "return Rect(tile.y // 16, tile.x // 16,",
        "return Rect(ceil_div(tile.y, 16), ceil_div(tile.x, 16),",
        equivalent="Every tile starts at a multiple of 16: sizes and overlaps are multiples, and "
        "half an overlap is where tiles grow.",
    ),
    _GEO(
        "tiles-step-without-overlap",
        "Tiles follow each other at their own size.",
        "tiles",
        "for y in range(0, height - overlap, tile_h - overlap)",
        "for y in range(0, height, tile_h)",
        "for x in range(0, width - overlap, tile_w - overlap)",
        "for x in range(0, width, tile_w)",
    ),
)
