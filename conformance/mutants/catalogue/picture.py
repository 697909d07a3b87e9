"""Mistakes between the planes and the picture: cropping, chroma format, colour, rounding."""

from __future__ import annotations

from conformance.mutants.mutant import Module

_STAGE = ("picture", "picture")
_PLANES = Module("refdec.picture.planes", "picture", _STAGE)
_COLOUR = Module("refdec.picture.golden", "picture", _STAGE)

_ROUND = "out = (2 * top * clipped + 255 * one) // (510 * one)"
_CHROMA = "out = (out + half) >> (2 * WEIGHT_BITS)"
_WEIGHT = "((2 * n << WEIGHT_BITS) + cube) // (2 * cube)"
_CUT_U = "np.ascontiguousarray(chroma[0, :height:down, :width:across]),"
_CUT_V = "np.ascontiguousarray(chroma[1, :height:down, :width:across]),"

_ROUNDING = (
    _COLOUR(
        "sample-floored",
        "Samples are rounded down.",
        "rounding",
        _ROUND,
        "out = top * clipped // (255 * one)",
    ),
    _COLOUR(
        "sample-rounded-up",
        "Samples are rounded up.",
        "rounding",
        _ROUND,
        "out = -(-top * clipped // (255 * one))",
    ),
    _COLOUR(
        "sample-halves-down",
        "A sample half-way between two integers is rounded down.",
        "rounding",
        _ROUND,
        "out = (2 * top * clipped + 255 * one - 1) // (510 * one)",
    ),
    _COLOUR(
        "sample-halves-to-even",
        "A sample half-way between two integers is rounded to the even one.",
        "rounding",
        _ROUND,
        "out = (2 * top * clipped + 255 * one) // (510 * one)\n"
        "    out = out - (((2 * top * clipped + 255 * one) % (510 * one) == 0) & (out & 1 == 1))",
    ),
    _COLOUR(
        "sample-rounded-to-8-bits-first",
        "Colour is converted between planes rounded to whole samples.",
        "rounding, width",
        "    y = luma.astype(np.int64) << COLOUR_BITS\n",
        "    luma = (luma.astype(np.int64) + 128) >> 8 << 8\n    y = luma.astype(np.int64) << COLOUR_BITS\n",
    ),
    _COLOUR(
        "sample-of-8-bits-shifted",
        "Samples of 10 bits are samples of 8 bits, shifted.",
        "width",
        "    out = (2 * top * clipped",
        "    clipped = ((2 * 255 * clipped + 255 * one) // (510 * one)) * one\n    out = (2 * top * clipped",
    ),
    _COLOUR(
        "sample-times-4",
        "Samples of 10 bits reach from 0 to 1020.",
        "width",
        "top = (1 << depth) - 1",
        "top = 255 << (depth - 8)",
    ),
    _COLOUR(
        "sample-clipped-to-254",
        "Samples are clipped to 0..254.",
        "clip, off by one",
        "clipped = np.clip(value, 0, 255 * one)",
        "clipped = np.clip(value, 0, 254 * one)",
    ),
    _COLOUR(
        "sample-clipped-at-1",
        "Samples are clipped to 1..255.",
        "clip, off by one",
        "clipped = np.clip(value, 0, 255 * one)",
        "clipped = np.clip(value, one, 255 * one)",
    ),
    _COLOUR(
        "sample-clipped-to-studio-range",
        "Samples are clipped to 16..235.",
        "clip",
        "clipped = np.clip(value, 0, 255 * one)",
        "clipped = np.clip(value, 16 * one, 235 * one)",
    ),
    _COLOUR(
        "sample-wraps",
        "Values beyond the range wrap around.",
        "clip, width",
        "clipped = np.clip(value, 0, 255 * one)",
        "clipped = value % (256 * one)",
    ),
    _COLOUR(
        "sample-not-clipped-below",
        "Negative values are made positive.",
        "clip",
        "clipped = np.clip(value, 0, 255 * one)",
        "clipped = np.minimum(np.abs(value), 255 * one)",
    ),
)

_MATRIX = (
    *(
        _COLOUR(
            f"matrix-{name.lower().replace('_', '-')}-one-{word}",
            f"The coefficient {name} of the colour conversion is one too {word}.",
            "table, off by one",
            "V_TO_R, U_TO_G, V_TO_G, U_TO_B = 103206, 12276, 30679, 121609",
            "V_TO_R, U_TO_G, V_TO_G, U_TO_B = "
            + ", ".join(
                str(v + (change if n == name else 0))
                for n, v in (("V_TO_R", 103206), ("U_TO_G", 12276), ("V_TO_G", 30679), ("U_TO_B", 121609))
            ),
        )
        for name, word, change in (
            ("V_TO_R", "high", 1),
            ("U_TO_G", "low", -1),
            ("V_TO_G", "high", 1),
            ("U_TO_B", "low", -1),
        )
    ),
    _COLOUR(
        "matrix-of-bt601",
        "The colour conversion is that of BT.601.",
        "table",
        "V_TO_R, U_TO_G, V_TO_G, U_TO_B = 103206, 12276, 30679, 121609",
        "V_TO_R, U_TO_G, V_TO_G, U_TO_B = 91881, 22554, 46802, 116130",
    ),
    _COLOUR(
        "matrix-of-four-decimals",
        "The colour conversion has the coefficients 1.5748, 0.1873, 0.4681, 1.8556 in 10 bits.",
        "width",
        "V_TO_R, U_TO_G, V_TO_G, U_TO_B = 103206, 12276, 30679, 121609",
        "V_TO_R, U_TO_G, V_TO_G, U_TO_B = 1613 << 6, 192 << 6, 479 << 6, 1900 << 6",
    ),
    _COLOUR(
        "matrix-exact-in-20-bits",
        "The colour conversion has four more bits than it should.",
        "width",
        "COLOUR_BITS = 16\nV_TO_R, U_TO_G, V_TO_G, U_TO_B = 103206, 12276, 30679, 121609",
        "COLOUR_BITS = 20\nV_TO_R, U_TO_G, V_TO_G, U_TO_B = 1651301, 196423, 490863, 1945738",
    ),
    _COLOUR(
        "green-with-the-wrong-sign",
        "U and V are added to green.",
        "sign",
        "green = y - U_TO_G * u - V_TO_G * v",
        "green = y + U_TO_G * u + V_TO_G * v",
    ),
    _COLOUR(
        "red-and-blue-swapped",
        "Red and blue change places.",
        "order",
        "for plane in (red, green, blue)]",
        "for plane in (blue, green, red)]",
    ),
    _COLOUR(
        "planes-in-the-order-gbr",
        "The planes come as G, B, R.",
        "order",
        "for plane in (red, green, blue)]",
        "for plane in (green, blue, red)]",
    ),
    _COLOUR(
        "u-and-v-swapped-in-the-matrix",
        "U and V are exchanged before colour conversion.",
        "order",
        "u, v = u.astype(np.int64) - (CENTRE << spare), v.astype(np.int64) - (CENTRE << spare)",
        "v, u = u.astype(np.int64) - (CENTRE << spare), v.astype(np.int64) - (CENTRE << spare)",
    ),
    _COLOUR(
        "chroma-centre-128",
        "The centre of chroma is 128 instead of 127.5.",
        "off by one",
        "u, v = u.astype(np.int64) - (CENTRE << spare), v.astype(np.int64) - (CENTRE << spare)",
        "u, v = u.astype(np.int64) - (32768 << spare), v.astype(np.int64) - (32768 << spare)",
    ),
    _COLOUR(
        "chroma-centre-one-high",
        "The centre of chroma is one step of a plane too high.",
        "off by one",
        "u, v = u.astype(np.int64) - (CENTRE << spare), v.astype(np.int64) - (CENTRE << spare)",
        "u, v = u.astype(np.int64) - (CENTRE << spare) - 1, v.astype(np.int64) - (CENTRE << spare) - 1",
    ),
    _COLOUR(
        "products-rounded-one-by-one",
        "Each product of the colour conversion is rounded on its own.",
        "rounding",
        "red = y + V_TO_R * v",
        "red = y + ((V_TO_R * v + 32768) >> 16 << 16)",
    ),
    _COLOUR(
        "products-floored",
        "The sum of the products of green is rounded down to the planes' fraction.",
        "rounding",
        "green = y - U_TO_G * u - V_TO_G * v",
        "green = y + (-(U_TO_G * u + V_TO_G * v) >> 16 << 16)",
    ),
    _PLANES(
        "colour-not-converted",
        "The planes of an RGB picture are Y, U and V.",
        "ignored",
        'if colour == "RGB":',
        'if colour == "none":',
    ),
    _PLANES(
        "colour-always-converted",
        "Colour is converted although the stream says that it is not.",
        "ignored",
        'return "RGB" if picture.colour_transform_idx == BT709 else "YCbCr"',
        'return "RGB" if picture.source_subsampling == (1, 1) else "YCbCr"',
    ),
)

_FORMAT = (
    _PLANES(
        "display-crop-ignored",
        "The coded size is shown.",
        "ignored",
        "height, width = picture.display_height, picture.display_width",
        "height, width = picture.height, picture.width",
    ),
    _PLANES(
        "display-crop-at-the-top-left",
        "Rows and columns are cut off at the top and left.",
        "order",
        "    height, width = picture.display_height, picture.display_width\n",
        "    height, width = picture.display_height, picture.display_width\n"
        "    luma = luma[:, luma.shape[1] - height :, luma.shape[2] - width :]\n"
        "    chroma = chroma[:, chroma.shape[1] - height :, chroma.shape[2] - width :]\n",
    ),
    _PLANES(
        "display-crop-swapped",
        "The columns to cut off are taken for the rows.",
        "order",
        "height, width = picture.display_height, picture.display_width",
        "height = picture.height - picture.diff_display_img_width\n"
        "    width = picture.width - picture.diff_display_img_height",
    ),
    _PLANES(
        "decimated-at-odd-samples",
        "Chroma is decimated to its odd rows and columns.",
        "networks 13.12",
        _CUT_U,
        "np.ascontiguousarray(chroma[0, down - 1 : height : down, across - 1 : width : across]),",
        _CUT_V,
        "np.ascontiguousarray(chroma[1, down - 1 : height : down, across - 1 : width : across]),",
    ),
    _PLANES(
        "decimated-by-averaging",
        "Chroma is averaged when it is decimated.",
        "networks 13.12",
        "    down, across = picture.coded_subsampling\n",
        "    down, across = picture.coded_subsampling\n"
        "    if across == 2:\n"
        "        right = np.concatenate((chroma[..., 1:], chroma[..., -1:]), axis=2)\n"
        "        chroma = ((chroma.astype(np.int64) + right) // 2).astype(np.uint16)\n",
    ),
    _PLANES(
        "decimated-with-rows-and-columns-swapped",
        "The factors of rows and columns are exchanged.",
        "order",
        "down, across = picture.coded_subsampling",
        "across, down = picture.coded_subsampling",
    ),
    _PLANES(
        "decimated-size-rounded-down",
        "A subsampled plane of an odd picture lacks its last row and column.",
        "geometry",
        _CUT_U,
        "np.ascontiguousarray(chroma[0, : height // down * down : down, : width // across * across "
        ": across]),",
        _CUT_V,
        "np.ascontiguousarray(chroma[1, : height // down * down : down, : width // across * across "
        ": across]),",
    ),
    _PLANES(
        "source-format-ignored",
        "Chroma stays in the coded format.",
        "ignored",
        "            if plane.shape == chroma_size\n",
        "            if True\n",
    ),
    _PLANES(
        "output-in-8-bits",
        "A picture of 10 bits comes out in 8.",
        "width",
        "    depth = picture.bit_depth\n",
        "    depth = 8\n",
    ),
)

_CUBIC = (
    _COLOUR(
        "interpolation-rounded-down",
        "Interpolated chroma is rounded down.",
        "rounding",
        _CHROMA,
        "out = out >> (2 * WEIGHT_BITS)",
    ),
    _COLOUR(
        "interpolation-truncated",
        "Interpolated chroma is rounded towards 0.",
        "rounding",
        _CHROMA,
        "out = np.sign(out) * (np.abs(out) >> (2 * WEIGHT_BITS))",
    ),
    _COLOUR(
        "interpolation-halves-down",
        "Interpolated chroma is rounded half down.",
        "rounding",
        _CHROMA,
        "out = (out + half - 1) >> (2 * WEIGHT_BITS)",
    ),
    _COLOUR(
        "interpolation-halves-away-from-0",
        "Interpolated chroma is rounded half away from 0.",
        "rounding",
        _CHROMA,
        "out = (out + half - (out < 0)) >> (2 * WEIGHT_BITS)",
    ),
    _COLOUR(
        "interpolation-rounded-twice",
        "Interpolated chroma is rounded after each direction.",
        "rounding",
        "    out = np.zeros((rows[1] - rows[0], size[1]), np.int64)\n",
        "    wide = ((wide + (1 << 14)) >> 15) << 15\n"
        "    out = np.zeros((rows[1] - rows[0], size[1]), np.int64)\n",
    ),
    _COLOUR(
        "interpolation-weights-floored",
        "The weights of the interpolation are rounded down.",
        "rounding",
        _WEIGHT,
        "(n << WEIGHT_BITS) // cube",
    ),
    _COLOUR(
        "interpolation-weights-halves-down",
        "The weights of the interpolation are rounded half down.",
        "rounding",
        _WEIGHT,
        "((2 * n << WEIGHT_BITS) + cube - 1) // (2 * cube)",
        equivalent="Where the size is odd, chroma of half the size lies half-way between samples, and its "
        "weights are sixteenths; where it is even, they are divided by the cube of an odd number, and none "
        "lies half-way between two multiples of 2^-15.",
    ),
    _COLOUR(
        "interpolation-weights-not-normalised",
        "The weights of the interpolation need not add up to 1.",
        "ignored",
        "    weights[nearest] += (1 << WEIGHT_BITS) - sum(weights)\n",
        "",
    ),
    _COLOUR(
        "interpolation-correction-on-the-left",
        "What the weights lack is always added to the left one.",
        "order",
        "nearest = 1 if 2 * r <= scale else 2",
        "nearest = 1",
    ),
    _COLOUR(
        "interpolation-correction-on-a-tie-right",
        "On a tie what the weights lack goes to the right one.",
        "order",
        "nearest = 1 if 2 * r <= scale else 2",
        "nearest = 1 if 2 * r < scale else 2",
        equivalent="On a tie the four weights are exact multiples of 2^-15 and lack nothing.",
    ),
    _COLOUR(
        "interpolation-clipped",
        "Interpolated chroma is clipped to its range before colour conversion.",
        "clip",
        "return (out + CENTRE).astype(np.int32)",
        "return np.clip(out + CENTRE, 0, PLANE_MAX).astype(np.int32)",
    ),
    _COLOUR(
        "interpolation-linear",
        "Chroma is interpolated with two taps.",
        "networks 9",
        "    cube = 4 * scale**3\n",
        "    cube = 4 * scale**3\n"
        "    if target > 1:\n"
        "        low = (s << WEIGHT_BITS) // scale\n"
        "        return whole - 1, (0, low, (1 << WEIGHT_BITS) - low, 0)\n",
    ),
    _COLOUR(
        "interpolation-nearest",
        "Chroma samples are repeated.",
        "networks 9",
        "    cube = 4 * scale**3\n",
        "    cube = 4 * scale**3\n"
        "    if target > 1:\n"
        "        one = 1 << WEIGHT_BITS\n"
        "        return whole - 1, ((0, one, 0, 0) if 2 * r <= scale else (0, 0, one, 0))\n",
    ),
    _COLOUR(
        "interpolation-with-aligned-edges",
        "The outer edges of the grids coincide instead of the outer samples.",
        "off by one",
        "whole, r = divmod(index * (length - 1), scale)",
        "whole, r = divmod(index * length, target)\n    scale = target",
    ),
    _COLOUR(
        "interpolation-zero-outside",
        "Taps outside of the plane count as grey.",
        "padding",
        "            wide[:, x] += weight * centred[:, min(max(first + j, 0), width - 1)]\n",
        "            if 0 <= first + j < width:\n"
        "                wide[:, x] += weight * centred[:, first + j]\n",
    ),
    _COLOUR(
        "interpolation-reflects-outside",
        "Taps outside of the plane are mirrored.",
        "padding",
        "centred[:, min(max(first + j, 0), width - 1)]",
        "centred[:, min(abs(first + j), 2 * (width - 1) - (first + j), width - 1)]",
    ),
    _COLOUR(
        "interpolation-of-columns-only",
        "Rows are not interpolated but taken as they are.",
        "order",
        "first, weights = cubic_taps(height, size[0], y)",
        "first, weights = y * height // size[0], (1 << WEIGHT_BITS, 0, 0, 0)",
    ),
    _COLOUR(
        "interpolation-sharper",
        "The cubic has the parameter -0.5 instead of -0.75.",
        "table",
        "-3 * r * s * s,",
        "-2 * r * s * s,",
        "-3 * s * r * r,",
        "-2 * s * r * r,",
        "5 * r**3 - 9 * r * r * scale + cube,",
        "6 * r**3 - 10 * r * r * scale + cube,",
        "5 * s**3 - 9 * s * s * scale + cube,",
        "6 * s**3 - 10 * s * s * scale + cube,",
    ),
)

MUTANTS = (*_FORMAT, *_CUBIC, *_MATRIX, *_ROUNDING)
