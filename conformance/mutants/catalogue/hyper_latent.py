"""Mistakes in the hyper-latent's coder."""

from __future__ import annotations

from conformance.mutants.mutant import Module

_Z = Module("refdec.entropy.golden.z", "hyper-latent", ("entropy", "entropy"))
_STAGE = Module("refdec.entropy_stage", "hyper-latent", ("entropy", "latent"))

_ONE_CALL = """
    flat = output.reshape(-1)
    for group in thread_groups(flat.size, threads, thread):
        symbols = []
        for i in group:
            symbol, bits, base = channels[i // output.shape[1]][states[i % count]]
            states[i % count] = base | reader.read(bits)
            symbols.append(symbol)
        for i, symbol in zip(group, symbols, strict=True):
            flat[i] = (reader.read(ESCAPE_BITS) if symbol == Z_ESCAPE else symbol) - Z_OFFSET
    reader.check_end(states)
    return
"""

MUTANTS = (
    _Z(
        "z-groups-go-on-across-channels",
        "All channels are one call: groups and parity do not start anew in each.",
        "entropy 8 C",
        "    states = [reader.read(8) for _ in range(count)]\n",
        f"    states = [reader.read(8) for _ in range(count)]{_ONE_CALL}",
    ),
    _Z(
        "z-chroma-before-luma",
        "The hyper-latent of chroma is decoded before that of luma.",
        "entropy 8 C",
        "    ends = np.cumsum([len(cdf) for cdf in cdfs])\n"
        "    return [part.reshape(-1, hz, wz) for part in np.split(output, ends[:-1])]",
        "    return [output[len(cdfs[1]) :].reshape(-1, hz, wz), output[: len(cdfs[1])].reshape(-1, hz, wz)]",
        "    rows = check_cdfs(cdfs)\n    channels",
        "    rows = check_cdfs(cdfs[::-1])\n    channels",
    ),
    _Z(
        "z-channels-backwards",
        "The channels of the hyper-latent are decoded from the last to the first, as they were encoded.",
        "order",
        "in zip(channels, output, strict=True):\n        for group",
        "in zip(channels[::-1], output[::-1], strict=True):\n        for group",
    ),
    _Z(
        "z-columns-first",
        "The positions of a channel are numbered down the columns.",
        "order",
        "return [part.reshape(-1, hz, wz) for part in",
        "return [part.reshape(-1, wz, hz).swapaxes(1, 2) for part in",
    ),
    _Z(
        "z-escape-of-seven-bits",
        "The escape of the hyper-latent carries 7 bits.",
        "width",
        "ESCAPE_BITS = 6",
        "ESCAPE_BITS = 7",
    ),
    _Z(
        "z-escape-read-with-its-symbol",
        "An escaped hyper-latent symbol is read at once, not after the symbols of its group.",
        "entropy 8 C",
        "                symbols.append(symbol)\n",
        "                symbols.append(reader.read(ESCAPE_BITS) if symbol == Z_ESCAPE else symbol)\n",
        "value = reader.read(ESCAPE_BITS) if symbol == Z_ESCAPE else symbol",
        "value = symbol",
    ),
    _Z(
        "z-escape-not-read",
        "The escape symbol has no bits behind it and means 31.",
        "entropy 8 B10",
        "value = reader.read(ESCAPE_BITS) if symbol == Z_ESCAPE else symbol",
        "value = Z_ESCAPE - 1 if symbol == Z_ESCAPE else symbol",
    ),
    _Z(
        "z-symbol-63-accepted",
        "An escaped symbol 63, which no encoder writes, counts as 32.",
        "rejection, entropy 8 B10",
        "if value == Z_ESCAPE:",
        "if value > Z_ESCAPE:",
    ),
    _Z(
        "z-offset-32",
        "Symbol 32 means 0 instead of symbol 31.",
        "off by one",
        "channel[i] = value - Z_OFFSET",
        "channel[i] = value - Z_OFFSET - 1",
    ),
    _Z(
        "z-63-states",
        "The distributions are read as if they had 63 entries of a state each.",
        "entropy 3.8",
        "for state in range(start, end):\n            value = mass + state - start",
        "for state in range(start, end):\n            value = mass + min(state - start, 62)",
    ),
    _Z(
        "z-slot-goes-through-a-state-map",
        "The states of a symbol are split over both halves, as those of a residual symbol are.",
        "entropy 3.8",
        "    assert len(entries) == STATES",
        "    entries = entries[::2] + entries[1::2]\n    assert len(entries) == STATES",
    ),
    _Z(
        "z-state-count-from-threads",
        "Two states in every thread of the hyper-latent.",
        "entropy 8 C",
        "count = state_count(threads)\n    states = [reader",
        "count = 2\n    states = [reader",
    ),
    _Z(
        "z-threads-beyond-two-left-out",
        "Only two threads of the hyper-latent are at work.",
        "entropy 8 B2, threads",
        "        decode_thread(BitReader(part, bit_offset, element), len(sizes), thread, channels, output)",
        "        if thread < 2:\n"
        "            reader = BitReader(part, bit_offset, element)\n"
        "            decode_thread(reader, len(sizes), thread, channels, output)",
    ),
    _Z(
        "z-threads-in-reverse-order",
        "The first thread's bytes of the hyper-latent are taken for the last thread's.",
        "threads",
        "decode_thread(BitReader(part, bit_offset, element), len(sizes), thread, channels, output)",
        "decode_thread(\n"
        "            BitReader(part, bit_offset, element), len(sizes), len(sizes) - 1 - thread, "
        "channels, output\n"
        "        )",
    ),
    _STAGE(
        "z-rows-from-the-latent",
        "The hyper-latent has a quarter of the latent's rows and columns, rounded down.",
        "geometry, networks 13.13",
        "hz, wz = hyper_size(stream.picture.height, stream.picture.width)",
        "hz, wz = (max(1, n // 4) for n in latent_size(stream.picture.height, stream.picture.width))",
    ),
    _STAGE(
        "z-tables-of-chroma-from-luma",
        "The distributions of luma serve the first 96 channels of chroma as well.",
        "order",
        "cdfs = tuple(model.z_cdf for model in models)",
        "cdfs = (models[0].z_cdf, models[0].z_cdf[:96])",
    ),
    _STAGE(
        "z-threads-of-the-luma-residual",
        "The hyper-latent is taken to have as many threads as the luma residual.",
        "threads",
        "coded = payload.threads(stream.picture.num_threads_z)",
        "coded = payload.threads(stream.picture.components[0].num_threads_r)",
    ),
)
