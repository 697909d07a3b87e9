"""Mistakes of encoders, importers, filters and tables, which the catalogue of wrong decoders does not have.

They are shown by checks of :mod:`tests.mutants.defect_checks` or by streams, like those of the catalogue.
"""

from __future__ import annotations

from conformance.mutants.mutant import Cell, Module, Mutant, catalogue_of

_ALL = ("codestream", "picture")
_DECISIONS = Module("conformance.encoder.decisions", "encoder", _ALL)
_QUALITY = Module("conformance.encoder.quality", "encoder", _ALL)
_QUANTISE = Module("conformance.encoder.quantise", "encoder", _ALL)
_WRITER = Module("refdec.entropy.jit.coders", "encoder", _ALL)
_Z = Module("refdec.entropy.golden.z", "hyper-latent", ("entropy", "entropy"))
_ANALYSIS = Module("conformance.networks.analysis", "encoder", _ALL)
_BLOCKS = Module("conformance.networks.primitives", "float networks", _ALL)
_HOP = Module("conformance.networks.synthesis", "float networks", _ALL)
_EICCI = Module("refdec.filters.eicci", "post-filters", ("picture", "picture"))

_EACH_TILE = (
    "zip(tiles, entries(icci, settings), strict=True):\n        filter_tile(planes, tile, entry, context)"
)

OWN = catalogue_of(
    [
        _DECISIONS(
            "cube-threshold-of-1",
            "An encoder skips cubes whose largest error is at most 1 instead of 3.",
            "entropy 8 A5, networks 13.16",
            "peak <= np.float32(threshold)",
            "peak <= np.float32(1)",
        ),
        _QUALITY(
            "map-shape-scaled-twice",
            "An encoder's quality map has a sixteenth of the latent's rows and columns.",
            "entropy 8 A6",
            "out = np.zeros(latent_size(*size), np.int8)",
            "out = np.zeros(latent_size(*latent_size(*size)), np.int8)",
            "target = latent_size(*size)",
            "target = latent_size(*latent_size(*size))",
        ),
        _DECISIONS(
            "entropy-index-from-all-deltas",
            "An encoder counts the first delta of the quality map as it is.",
            "entropy 8 A7",
            "    zero[0] = True\n",
            "    zero[0] = zero[0]\n",
        ),
        _DECISIONS(
            "ties-to-the-higher-channel",
            "An encoder's choice between channels of one mean depends on how its sort works.",
            "entropy 8 A8",
            'flags[np.argsort(-sums, kind="stable")[:count]] = 1',
            'flags[np.argsort(sums, kind="stable")[::-1][:count]] = 1',
        ),
        _Z(
            "z-distribution-in-32-bits",
            "The cumulative distribution of the hyper-latent is computed in 32 bits.",
            "entropy 8 B6, width",
            "np.cumsum(freqs, axis=1, dtype=np.int64)",
            "np.cumsum(freqs, axis=1, dtype=np.int32)",
        ),
        _Z(
            "tables-kept-from-the-first-model",
            "A channel's table is kept when another model's distribution follows.",
            "entropy 8 B7",
            "channels = [decode_entries(cdf) for cdf in rows]",
            "kept = decode_z.__dict__\n"
            "    channels = [kept.setdefault(f'{c}', decode_entries(cdf)) for c, cdf in enumerate(rows)]",
        ),
        _WRITER(
            "equal-room-for-every-thread",
            "An encoder gives every thread an equal share of what one thread may need.",
            "entropy 8 B9",
            "np.arange(threads, dtype=np.int64) * room",
            "np.arange(threads, dtype=np.int64) * (room // threads)",
        ),
        _Z(
            "z-of-32-coded",
            "An encoder writes the symbol 63, which stands for the escape.",
            "entropy 8 B10",
            "np.abs(values).max() > Z_OFFSET:",
            "np.abs(values).max() > Z_OFFSET + 1:",
        ),
        _QUANTISE(
            "encoder-with-35-levels",
            "An encoder takes levels and largest scale from a configuration that decoders do not read.",
            "entropy 8 B11",
            "SIGMA_MIN, SIGMA_MAX, LEVELS = 0.11, 54.82, 32",
            "SIGMA_MIN, SIGMA_MAX, LEVELS = 0.11, 100, 35",
        ),
        Mutant(
            "largest-scale-of-54.85",
            "tables",
            "Offsets of the scale are computed with a largest scale of 54.85 instead of 54.82.",
            ("entropy 8 B13",),
            cells=(Cell("parameters.quality_log", (3,), 1), Cell("parameters.quality_log", (13,), -1)),
            stages=("entropy", "latent"),
        ),
        _BLOCKS(
            "odd-maps-halved",
            "An attention block takes a map of odd size without a word.",
            "networks 13.18",
            "if x.shape[-2] % 2 or x.shape[-1] % 2:\n        raise",
            "if False:\n        raise",
        ),
        _HOP(
            "attention-behind-the-crop",
            "A map is cut in front of the attention block instead of behind it.",
            "networks 13.5, networks 13.18",
            "x = self.iact2(crop(self.CAB(self.conv2_t(x)), size, 4))\n        x = self.TAM(",
            "x = self.iact2(self.CAB(crop(self.conv2_t(x), size, 4)))\n        x = self.TAM(",
        ),
        _ANALYSIS(
            "luma-not-padded-by-its-network",
            "Luma's analysis transform reads zeros behind a last odd row or column.",
            "networks 13.19",
            "self.conv1(pad_to_even((x - 127.5) / 128))",
            "self.conv1((x - 127.5) / 128)",
        ),
        _EICCI(
            "eicci-tiles-in-reverse-order",
            "The tiles of eICCI are filtered last one first.",
            "networks 13.20, order",
            f"for tile, entry in {_EACH_TILE}",
            "for tile, entry in reversed(list(zip(tiles, entries(icci, settings), strict=True))):\n"
            "        filter_tile(planes, tile, entry, context)",
        ),
        _EICCI(
            "eicci-tiles-of-the-unfiltered-picture",
            "A tile of eICCI does not see what the tiles before it have made.",
            "networks 13.20",
            _EACH_TILE,
            "zip(tiles, entries(icci, settings), strict=True):\n"
            "        fresh = tuple(plane.copy() for plane in state.planes)\n"
            "        filter_tile(fresh, tile, entry, context)\n"
            "        for old, new in zip(planes, fresh, strict=True):\n"
            "            old[tile.core.slices()] = new[tile.core.slices()]",
        ),
    ]
)
