"""Mistakes that implementations of the entropy stage make or could make, as changes of golden text.

Each entry names the module, the check of ``test_golden_mutations`` that must notice it, and what is
to be replaced by what. Several of them were found in real software.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    name: str
    module: str
    check: str
    changes: tuple[tuple[str, str], ...] = ()
    appended: str = ""


ONE_CALL_Z = """
def decode_thread(reader, threads, thread, channels, output):
    count, length = state_count(threads), output.shape[1]
    states = [reader.read(8) for _ in range(count)]
    flat = output.reshape(-1)
    for group in thread_groups(flat.size, threads, thread):
        symbols = []
        for i in group:
            symbol, bits, base = channels[i // length][states[i % count]]
            states[i % count] = base | reader.read(bits)
            symbols.append(symbol)
        for i, symbol in zip(group, symbols, strict=True):
            flat[i] = (reader.read(ESCAPE_BITS) if symbol == Z_ESCAPE else symbol) - Z_OFFSET
    reader.check_end(states)
"""


def group(module: str, check: str, changes: dict[str, tuple[str, ...]]) -> list[Mutation]:
    """Mutations of one module by name; each is old text, new text, and more such pairs."""
    return [
        Mutation(name, module, check, tuple(zip(texts[::2], texts[1::2], strict=True)))
        for name, texts in changes.items()
    ]


MUTATIONS = [
    *group(
        "bits",
        "check_bits",
        {
            "terminator is data": (
                "significant[-1].bit_length() - 1",
                "significant[-1].bit_length()",
            ),
            "end position not checked": (
                "if any(states) or self.position:",
                "if any(states):",
            ),
            "end states not checked": (
                "if any(states) or self.position:",
                "if self.position:",
            ),
            "underflow not checked": (
                "if position < 0:",
                "if position < -64:",
            ),
        },
    ),
    *group(
        "dequantise",
        "check_dequantise",
        {
            "no RVS": (
                "if inverse is not None:",
                "if False:",
            ),
            "no quality map": (
                "if quality_map is not None:",
                "if False:",
            ),
            "rounded down": (
                "2 * numerator + denominator",
                "2 * numerator",
            ),
            "halves away from zero": (
                "nearest = (2 * numerator + denominator) // (2 * denominator)",
                "nearest = np.sign(numerator) * ((2 * np.abs(numerator) + denominator) // (2 * denominator))",
            ),
            "saturated to the lowest integer": (
                "np.clip(nearest, -INT32_MAX, INT32_MAX)",
                "np.clip(nearest, -INT32_MAX - 1, INT32_MAX)",
            ),
            "RVS shifted to an integer first": (
                "numerator = (value * multiplier) << shift",
                "numerator = ((value * multiplier) >> 16) << (shift + 16)",
            ),
        },
    ),
    *group(
        "quality",
        "check_quality",
        {
            "negative odd sums rounded the other way": (
                'rounding == "floor"',
                'rounding != "floor"',
                'rounding == "truncate"',
                'rounding != "truncate"',
            ),
            "indices of nine accepted": (
                "<= value <= QUALITY_MAX:",
                "- 1 <= value <= QUALITY_MAX + 1:",
            ),
            "first row predicted from 0": (
                "rows[0][x - 1] if x else 0",
                "0",
            ),
            "first column predicted from the end of the row above": (
                "return rows[y - 1][0]",
                "return rows[y - 1][-1]",
            ),
        },
    ),
    *group(
        "residual",
        "check_residual_decoder",
        {
            "one state in a single thread": (
                "2 if threads == 1 else 1",
                "1",
            ),
            "two states in every thread": (
                "2 if threads == 1 else 1",
                "2",
            ),
            "parity over coded symbols only": (
                "level = levels[i]\n                    turn = i % count",
                "level = levels[i]\n                    turn = sum(mask[:i]) % count",
            ),
            "parity goes on across calls": (
                "for (levels, mask), output in zip(calls, outputs, strict=True):\n",
                "done = -len(calls[0][0])\n"
                "    for (levels, mask), output in zip(calls, outputs, strict=True):\n"
                "        done += len(levels)\n",
                "level = levels[i]\n                    turn = i % count",
                "level = levels[i]\n                    turn = (i + done) % count",
            ),
            "escape read with its symbol": (
                "escaped.append(i)",
                "output[i] = read_escape(reader, bounds[level])",
            ),
            "escapes read in descending order": (
                "for i in escaped:",
                "for i in reversed(escaped):",
            ),
            "tail grouped by four": (
                "tail = length // (4 * threads) * (4 * threads)",
                "tail = -(-length // (4 * threads)) * (4 * threads)",
                "range(base + thread, base + 4 * threads, threads)",
                "range(base + thread, min(length, base + 4 * threads), threads)",
            ),
            "no groups at all": (
                "tail = length // (4 * threads) * (4 * threads)",
                "tail = 0",
            ),
            "group of four neighbours in one thread": (
                "range(base + thread, base + 4 * threads, threads)",
                "range(base + 4 * thread, base + 4 * thread + 4)",
            ),
            "escape flag inverted": (
                "reader.read(3) if reader.read(1) else reader.read(16)",
                "reader.read(16) if reader.read(1) else reader.read(3)",
            ),
            "escape sign inverted": (
                "-magnitude if code & 1 else magnitude",
                "magnitude if code & 1 else -magnitude",
            ),
            "escape magnitude one off": (
                "bound + (code >> 1)",
                "bound + 1 + (code >> 1)",
            ),
            "states in the order B, A": (
                "turn = i % count\n                    symbol",
                "turn = (i + 1) % count\n                    symbol",
            ),
        },
    ),
    *group(
        "residual",
        "check_residual_encoder",
        {
            "short escape one code further": (
                "SHORT_ESCAPE_LIMIT = 8",
                "SHORT_ESCAPE_LIMIT = 7",
            ),
            "escape from the bound plus one": (
                "if -bound < value < bound",
                "if -bound < value <= bound",
            ),
            "calls encoded in order of decoding": (
                "zip(reversed(calls), reversed(values), strict=True)",
                "zip(calls, values, strict=True)",
            ),
            "groups encoded in order of decoding": (
                "in reversed(list(thread_groups(len(levels), threads, thread)))",
                "in thread_groups(len(levels), threads, thread)",
            ),
            "states closed in the order A, B": (
                "for state in reversed(states)",
                "for state in states",
            ),
            "bits of a state chosen with >": (
                "if x < mass << bits",
                "if x <= mass << bits",
            ),
        },
    ),
    *group(
        "residual",
        "check_stop",
        {
            "prefix loses a group": (
                "group.start >= stop",
                "group.stop > stop",
            ),
            "prefix not cleared behind its end": (
                "outputs[0][stop:] = 0",
                "pass",
            ),
        },
    ),
    *group(
        "scales",
        "check_scales",
        {
            "threshold not strict": (
                "coded = scale > SKIP",
                "coded = scale >= SKIP",
            ),
            "cube flag of the wrong sense": (
                "(flag == 0)",
                "(flag == 1)",
            ),
            "cube flags replace the threshold": (
                "coded = coded | (flag == 0)[None]",
                "coded = coded & (flag == 0)[None]",
            ),
            "phases with row and column swapped": (
                "2 * (y & 1) + (x & 1)",
                "2 * (x & 1) + (y & 1)",
            ),
            "phases in the order of the encoder's passes": (
                "phase = 2 * (y & 1) + (x & 1)",
                "phase = np.array([0, 2, 3, 1])[2 * (y & 1) + (x & 1)]",
            ),
            "cubes of 8 in full resolution": (
                "(y >> 1) >> 3, (x >> 1) >> 3",
                "np.minimum(y >> 3, flags.shape[1] - 1), np.minimum(x >> 3, flags.shape[2] - 1)",
            ),
            "level without rounding": (
                "+ 64) >> 7",
                ") >> 7",
            ),
            "negative scale as unsigned": (
                "rounded = (np.asarray(scale_log).astype(np.int64)",
                "rounded = (np.asarray(scale_log).astype(np.uint16).astype(np.int64)",
            ),
            "level not clipped above": (
                "np.clip(rounded, 0, MAX_LEVEL)",
                "np.clip(rounded, 0, 255)",
            ),
            "35 levels": (
                "np.clip(rounded, 0, MAX_LEVEL)",
                "np.clip(rounded, 0, 34)",
            ),
            "padded with 0": (
                "* BLOCK), LIKELY_PAD,",
                "* BLOCK), 0,",
            ),
            "mean without rounding": (
                "(sums + 32) >> 6",
                "sums >> 6",
            ),
            "likely not clipped below": (
                "np.clip((sums + 32) >> 6, 0, LIKELY_MAX)",
                "np.minimum((sums + 32) >> 6, LIKELY_MAX)",
            ),
            "segments begin at their bound": (
                "count += likely > bound",
                "count += likely >= bound",
            ),
            "GRFS flags swapped": (
                "state[: flags.size] += flags",
                "state[: flags.size] += 1 - flags",
            ),
            "no scaling without a flag": (
                "state[:] = 1\n",
                "state[: flags.size] = 1\n",
            ),
            "quality map on no scale": (
                "[index + QUALITY_MAX]\n",
                "[index * 0 + QUALITY_MAX]\n",
            ),
            "gain of the next channel": (
                "(gain + delta_beta)[:",
                "(np.roll(gain, 1) + delta_beta)[:",
            ),
            "displacement not added": (
                "(gain + delta_beta)[:",
                "(gain + 0 * delta_beta)[:",
            ),
            "LSBS on the mean alone": (
                "mean_weight * (latent - part) + residual_weight * part",
                "mean_weight * (latent - part)",
            ),
            "LSBS weights swapped": (
                "mean_weight * (latent - part) + residual_weight * part",
                "residual_weight * (latent - part) + mean_weight * part",
            ),
            "LSBS without rounding": (
                " + 4096) >> 13",
                ") >> 13",
            ),
        },
    ),
    *group(
        "z",
        "check_z_cdf",
        {
            "z masses rounded down": (
                "+ (total >> 1)",
                "",
            ),
            "z masses in 32 bits": (
                "dtype=np.int64",
                "dtype=np.int32",
            ),
        },
    ),
    *group(
        "z",
        "check_z_decoder",
        {
            "chroma before luma": (
                "for cdf in cdfs:\n",
                "for cdf in reversed(cdfs):\n",
            ),
            "z escape of seven bits": (
                "ESCAPE_BITS = 6",
                "ESCAPE_BITS = 7",
            ),
            "z escape state is 254": (
                "[*cdf, STATES]):\n        mass",
                "[*cdf[:-1], 254, STATES]):\n        mass",
            ),
        },
    ),
    *group(
        "z",
        "check_z_encoder",
        {
            "channels of chroma first when encoding": (
                "zip(reversed(cdfs), reversed(symbols), strict=True)",
                "zip(cdfs, symbols, strict=True)",
            ),
            "z escape without its bits": (
                "writer.write(channel[i], ESCAPE_BITS)",
                "pass",
            ),
        },
    ),
    Mutation("groups go on across channels", "z", "check_z_decoder", appended=ONE_CALL_Z),
]
