"""Mistakes around the synthesis transforms: tiles, operating points, the map to sample planes."""

from __future__ import annotations

from conformance.mutants.mutant import Module

_TILES = Module("refdec.networks.synthesis", "synthesis", ("synthesis", "picture"))
_PLANE = Module("refdec.networks.golden", "synthesis", ("synthesis", "picture"))
_STAGE = Module("refdec.synthesis_stage", "synthesis", ("synthesis", "picture"))
_POINT = Module("refdec.operating_point", "synthesis", ("synthesis", "picture"))
_TILING = Module("refdec.codestream.geometry", "synthesis", ("synthesis", "picture"))

MUTANTS = (
    _TILES(
        "tiles-not-cut-to-their-core",
        "A tile is copied from its own corner and not from its core's.",
        "tiles",
        "top, left = core.y - picture.y, core.x - picture.x",
        "top, left = 0, 0",
    ),
    _TILES(
        "tiles-averaged",
        "Where tiles overlap they are averaged with what is there, instead of copied.",
        "networks 13.22, tiles",
        "        out[:, core.y : core.y + core.h, core.x : core.x + core.w] = to_plane(kept)\n",
        "        whole = to_plane(signal).astype(np.int64)\n"
        "        place = out[:, picture.y : picture.y + picture.h, picture.x : picture.x + picture.w]\n"
        "        if index == 0:\n"
        "            out[:] = 0\n"
        "        place[:] = np.where(place == 0, whole, (place + whole) // 2)\n",
    ),
    _TILES(
        "tiles-copied-whole",
        "Every tile is copied whole, over what earlier tiles left.",
        "tiles",
        "kept = signal[:, top : top + core.h, left : left + core.w]\n"
        "        out[:, core.y : core.y + core.h, core.x : core.x + core.w] = to_plane(kept)\n",
        "kept = signal[:, top : top + core.h, left : left + core.w]\n"
        "        rows, columns = slice(picture.y, picture.y + picture.h), slice(picture.x, "
        "picture.x + picture.w)\n"
        "        out[:, rows, columns] = to_plane(signal)\n",
    ),
    _TILES(
        "tiles-in-reverse-order",
        "Tiles are made last one first.",
        "networks 13.20, order",
        "for index, (picture, latent, core) in enumerate(tiles):",
        "for index, (picture, latent, core) in reversed(list(enumerate(tiles))):",
        equivalent="The cores of the tiles partition the picture and no tile reads what another one writes: "
        "their order cannot be seen in any sample.",
    ),
    _TILES(
        "tiles-latent-one-right",
        "A tile reads its latent one sample too far right, if it can.",
        "tiles, off by one",
        "        rows, columns = latent.slices()\n",
        "        rows, columns = latent.slices()\n"
        "        if columns.stop < latents[0].shape[2]:\n"
        "            columns = slice(columns.start + 1, columns.stop + 1)\n",
    ),
    _TILES(
        "chroma-latents-swapped-in-scale",
        "Chroma's synthesis reads luma's latent halved.",
        "networks 13.10",
        "[y[:, rows, columns] for y in latents],",
        "[y[:, rows, columns] >> (len(latents) == 2 and k == 0) for k, y in enumerate(latents)],",
    ),
    _TILES(
        "chroma-without-luma",
        "Chroma's synthesis sees no luma latent.",
        "ignored",
        "[y[:, rows, columns] for y in latents],",
        "[y[:, rows, columns] * (len(latents) == 1 or k == 1) for k, y in enumerate(latents)],",
    ),
    _TILES(
        "u-and-v-swapped",
        "U and V change places.",
        "networks 13.11, order",
        "= to_plane(kept)",
        "= to_plane(kept[::-1])",
    ),
    _PLANE(
        "plane-offset-one-low",
        "The middle of the range is 32639.",
        "off by one",
        "return (value + SIGNAL_MAX).astype(np.uint16)",
        "return np.maximum(value + SIGNAL_MAX - 1, 0).astype(np.uint16)",
    ),
    _PLANE(
        "plane-offset-128",
        "The middle of the range is 128 instead of 127.5.",
        "off by one",
        "return (value + SIGNAL_MAX).astype(np.uint16)",
        "return np.minimum(value + 32768, 65280).astype(np.uint16)",
    ),
    _PLANE(
        "plane-clipped-to-254",
        "Planes are clipped to 0..254.",
        "clip, off by one",
        "return (value + SIGNAL_MAX).astype(np.uint16)",
        "return np.minimum(value + SIGNAL_MAX, 254 << 8).astype(np.uint16)",
    ),
    _PLANE(
        "plane-clipped-at-1",
        "Planes are clipped below at the smallest step above 0.",
        "clip, off by one",
        "return (value + SIGNAL_MAX).astype(np.uint16)",
        "return np.maximum(value + SIGNAL_MAX, 1).astype(np.uint16)",
    ),
    _PLANE(
        "plane-in-8-bits",
        "Planes are rounded to whole samples before colour conversion.",
        "rounding, width",
        "return (value + SIGNAL_MAX).astype(np.uint16)",
        "return ((value + SIGNAL_MAX + 128) >> 8 << 8).astype(np.uint16)",
    ),
    _PLANE(
        "plane-fraction-cut-off",
        "Planes lose their fraction before colour conversion.",
        "rounding, width",
        "return (value + SIGNAL_MAX).astype(np.uint16)",
        "return ((value + SIGNAL_MAX) >> 8 << 8).astype(np.uint16)",
    ),
    _POINT(
        "operating-point-is-the-last-listed",
        "The default operating point is the last of the list.",
        "order",
        "return chosen or listed[0]",
        "return chosen or listed[-1]",
    ),
    _STAGE(
        "chroma-from-unscaled-luma",
        "Chroma's synthesis reads luma's latent without its lowest bit.",
        "width",
        "            latents[: 1 + c],\n",
        "            latents[:1] if c == 0 else (latents[0] & ~1, latents[1]),\n",
    ),
    _TILING(
        "tile-overlap-on-one-side",
        "The overlap of tiles is kept by the earlier tile alone.",
        "tiles",
        "top = tile.y + (half if tile.y > 0 else 0)",
        "top = tile.y + (overlap if tile.y > 0 else 0)",
        "bottom = tile.y + tile.h - (half if tile.y + tile.h < picture.height else 0)",
        "bottom = tile.y + tile.h",
    ),
    _TILING(
        "tile-overlap-ignored",
        "Tiles do not overlap.",
        "tiles",
        "    size, overlap = tiling\n",
        "    size, overlap = tiling[0], 0\n",
    ),
    _TILING(
        "tile-size-ignored",
        "The picture is synthesised as one tile.",
        "tiles",
        "    if tiling is None:\n        whole",
        "    if True:\n        whole",
    ),
    _TILING(
        "tiles-of-independent-regions-overlap",
        "Tiles of independent regions are laid out like others.",
        "tiles",
        "    if picture.independent_regions:\n        regions",
        "    if False:\n        regions",
    ),
    _TILING(
        "tiles-grow-beyond-their-region",
        "Tiles grow over the borders of independent regions.",
        "tiles, regions",
        "        if tile.y > region.y:\n            top -= half\n",
        "        if tile.y > 0:\n            top -= half\n",
    ),
    _TILING(
        "tiles-do-not-grow",
        "Tiles of independent regions do not grow.",
        "tiles",
        "    half = overlap // 2\n    top, left, bottom, right = tile.y",
        "    half = 0\n    top, left, bottom, right = tile.y",
    ),
)
