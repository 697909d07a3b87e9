"""Mistakes in the bits of a thread and in the residual coder."""

from __future__ import annotations

from conformance.mutants.mutant import Module

_BITS = Module("refdec.entropy.golden.bits", "me-tANS", ("entropy", "entropy"))
_RESIDUAL = Module("refdec.entropy.golden.residual", "me-tANS", ("entropy", "entropy"))

_BIT_MUTANTS = (
    _BITS(
        "terminator-is-data",
        "The terminator bit is read as the first bit of data.",
        "entropy 3.3",
        "significant[-1].bit_length() - 1",
        "significant[-1].bit_length()",
    ),
    _BITS(
        "top-byte-is-full",
        "Bits are read from the top of the last byte, whatever the terminator says.",
        "entropy 3.3",
        "self.position = 8 * (len(significant) - 1) + significant[-1].bit_length() - 1",
        "self.position = 8 * len(significant)",
    ),
    _BITS(
        "thread-is-big-endian",
        "The bytes of a thread are put together in the wrong order.",
        "order, entropy 3.3",
        'window = int.from_bytes(self._data[first : first + 3], "little")',
        'window = int.from_bytes(self._data[first : first + 3], "big")',
    ),
    _BITS(
        "window-of-two-bytes",
        "Bits are taken from a window of 16 bits: reads of more than 9 bits can lose their upper ones.",
        "width",
        "self._data[first : first + 3]",
        "self._data[first : first + 2]",
    ),
    _BITS(
        "bits-reversed",
        "The bits of one read come in the opposite order.",
        "order",
        "return (window >> (position & 7)) & ((1 << bits) - 1)",
        'return int("0" + f"{(window >> (position & 7)) & ((1 << bits) - 1):0{bits}b}"[:bits][::-1], 2)',
    ),
    _BITS(
        "end-position-not-checked",
        "Bits that are left over at the end of a thread are not noticed.",
        "rejection, entropy 3.4",
        "if any(states) or self.position:",
        "if any(states):",
    ),
    _BITS(
        "end-states-not-checked",
        "A final state other than 0 is not noticed.",
        "rejection, entropy 3.4",
        "if any(states) or self.position:",
        "if self.position:",
    ),
    _BITS(
        "end-not-checked",
        "The end of a thread is not checked at all, as in the reference software.",
        "rejection, entropy 3.4",
        "if any(states) or self.position:",
        "if False:",
    ),
    _BITS(
        "one-end-state-checked",
        "Of the two states of a single thread only the first is checked at the end.",
        "rejection, entropy 3.4",
        "if any(states) or self.position:",
        "if states[0] or self.position:",
    ),
    _BITS(
        "reads-before-buffer",
        "A thread that has no bits left is read on, before its first byte.",
        "entropy 8 A9, rejection",
        "if position < 0:",
        "if position < -(1 << 40):",
        "window = int.from_bytes(self._data[first : first + 3],",
        "window = int.from_bytes(self._data[max(first, 0) : max(first, 0) + 3],",
    ),
    _BITS(
        "all-zero-thread-accepted",
        "A thread without a terminator counts as an empty one.",
        "rejection, entropy 3.3",
        "if not significant:",
        'significant = significant or b"\\0\\0\\1"\n        if not significant:',
    ),
    _BITS(
        "last-thread-gets-nothing",
        "The last thread starts where the last but one starts.",
        "threads",
        "        begin += size\n",
        "        begin += size if len(threads) < len(sizes) - 1 else 0\n",
    ),
)

_GROUP = "yield range(base + thread, base + 4 * threads, threads)"
_TAIL = "tail = length // (4 * threads) * (4 * threads)"

_RESIDUAL_MUTANTS = (
    _RESIDUAL(
        "one-state-in-a-single-thread",
        "A single thread has one state instead of two.",
        "entropy 8 C",
        "return 2 if threads == 1 else 1",
        "return 1",
    ),
    _RESIDUAL(
        "two-states-in-every-thread",
        "Every thread has two states, not only a single one.",
        "entropy 8 C",
        "return 2 if threads == 1 else 1",
        "return 2",
    ),
    _RESIDUAL(
        "states-read-in-order-b-a",
        "The initial states of a single thread are exchanged.",
        "order, entropy 3.4",
        "states = [read(8) for _ in range(count)]",
        "states = [read(8) for _ in range(count)][::-1]",
    ),
    _RESIDUAL(
        "parity-over-coded-symbols",
        "The two states take turns over coded symbols; skipped positions do not count.",
        "entropy 8 C",
        "turn = i % count",
        "turn = sum(mask[:i]) % count",
    ),
    _RESIDUAL(
        "escape-read-with-its-symbol",
        "An escape's magnitude is read at once, not after the symbols of its group.",
        "entropy 8 C",
        "escaped.append(i)",
        "output[i] = read_escape(reader, bounds[level])",
    ),
    _RESIDUAL(
        "escapes-in-descending-order",
        "The escapes of a group are read last one first.",
        "order",
        "for i in escaped:",
        "for i in reversed(escaped):",
    ),
    _RESIDUAL(
        "tail-grouped-by-four",
        "The last positions of a call form a group as well, instead of standing alone.",
        "entropy 8 C",
        _TAIL,
        "tail = -(-length // (4 * threads)) * (4 * threads)",
        _GROUP,
        "yield range(base + thread, min(length, base + 4 * threads), threads)",
    ),
    _RESIDUAL(
        "no-groups",
        "Every position stands alone: escapes follow their symbols.",
        "entropy 3.5",
        _TAIL,
        "tail = 0",
    ),
    _RESIDUAL(
        "groups-of-two",
        "Two positions form a group instead of four.",
        "entropy 3.5",
        _TAIL,
        "tail = length // (2 * threads) * (2 * threads)",
        "for base in range(0, tail, 4 * threads):",
        "for base in range(0, tail, 2 * threads):",
        _GROUP,
        "yield range(base + thread, base + 2 * threads, threads)",
    ),
    _RESIDUAL(
        "four-neighbours-in-one-thread",
        "A thread takes four neighbours and the next thread the next four.",
        "threads",
        _GROUP,
        "yield range(base + 4 * thread, base + 4 * thread + 4)",
    ),
    _RESIDUAL(
        "threads-in-contiguous-blocks",
        "Every thread codes one contiguous part of the positions.",
        "threads",
        _TAIL,
        "tail = 0\n"
        "    if threads > 1:\n"
        "        part = -(-length // threads)\n"
        "        for position in range(min(length, thread * part), min(length, (thread + 1) * part)):\n"
        "            yield range(position, position + 1)\n"
        "        return",
    ),
    _RESIDUAL(
        "threads-in-reverse-order",
        "The first thread's bytes are taken for the last thread's.",
        "threads",
        "decode_thread(reader, len(sizes), thread, checked, outputs, stop)",
        "decode_thread(reader, len(sizes), len(sizes) - 1 - thread, checked, outputs, stop)",
    ),
    _RESIDUAL(
        "threads-beyond-two-left-out",
        "Only two threads are at work, and what the others should decode stays 0.",
        "entropy 8 B2, threads",
        "        reader = BitReader(part, bit_offset, element)\n",
        "        if thread >= 2:\n"
        "            continue\n        reader = BitReader(part, bit_offset, element)\n",
    ),
    _RESIDUAL(
        "escape-flag-inverted",
        "The flag of an escape means a long code where it should mean a short one.",
        "entropy 8 C",
        "reader.read(3) if reader.read(1) else reader.read(16)",
        "reader.read(16) if reader.read(1) else reader.read(3)",
    ),
    _RESIDUAL(
        "escape-sign-inverted",
        "An odd code of an escape means a positive value.",
        "entropy 8 C",
        "value = -magnitude if code & 1 else magnitude",
        "value = magnitude if code & 1 else -magnitude",
    ),
    _RESIDUAL(
        "escape-sign-in-the-top-bit",
        "The sign of an escape is looked for above its magnitude.",
        "order",
        "code = reader.read(3) if reader.read(1) else reader.read(16)\n",
        "short = reader.read(1)\n"
        "    code = reader.read(3 if short else 16)\n"
        "    code = (code << 1 | code >> (2 if short else 15)) & (7 if short else 0xFFFF)\n",
    ),
    _RESIDUAL(
        "escape-magnitude-one-high",
        "An escape starts at the bound plus one.",
        "off by one",
        "magnitude = bound + (code >> 1)",
        "magnitude = bound + 1 + (code >> 1)",
    ),
    _RESIDUAL(
        "long-escape-of-15-bits",
        "A long escape has 15 bits.",
        "width",
        "else reader.read(16)",
        "else reader.read(15)",
    ),
    _RESIDUAL(
        "short-escape-of-4-bits",
        "A short escape has 4 bits.",
        "width",
        "reader.read(3) if",
        "reader.read(4) if",
    ),
    _RESIDUAL(
        "escape-clipped-to-15-bits",
        "Escaped values are clipped to +-16383.",
        "clip",
        "value = -magnitude if code & 1 else magnitude",
        "value = max(-16383, min(16383, -magnitude if code & 1 else magnitude))",
    ),
    _RESIDUAL(
        "escape-symbol-is-positive",
        "The symbol +bound is taken for the escape instead of -bound.",
        "order",
        "if symbol == -bounds[level]:",
        "if symbol == bounds[level]:",
    ),
    _RESIDUAL(
        "residual-in-eight-bits",
        "Residuals are kept in 8 bits.",
        "width",
        "output[i] = read_escape(reader, bounds[levels[i]])",
        "output[i] = (read_escape(reader, bounds[levels[i]]) + 128) % 256 - 128",
    ),
    _RESIDUAL(
        "symbol-from-the-upper-half",
        "The symbol is taken from bits 16 to 31 of a table entry, as in a published export of the tables.",
        "entropy 8 B8",
        "symbols = ((packed & 0xFFFF) ^ 0x8000) - 0x8000",
        "symbols = ((packed >> 16 & 0xFFFF) ^ 0x8000) - 0x8000",
    ),
    _RESIDUAL(
        "symbols-not-sign-extended",
        "Symbols are read from the tables without their sign.",
        "width",
        "symbols = ((packed & 0xFFFF) ^ 0x8000) - 0x8000",
        "symbols = packed & 0x7F",
    ),
    _RESIDUAL(
        "state-added-not-joined",
        "The new bits of a state are added to 255 less than its base.",
        "off by one",
        "state = base | read(bits)",
        "state = (base + read(bits) + 1) & 255",
    ),
    _RESIDUAL(
        "skipped-positions-are-coded",
        "Nothing is skipped: a symbol is read at every position.",
        "entropy 8 B5",
        "                if mask[i]:\n",
        "                if True:\n",
    ),
    _RESIDUAL(
        "prefix-loses-its-last-group",
        "Progressive decoding stops before the group that straddles the last channel.",
        "entropy 8 B3",
        "group.start >= stop",
        "group.stop > stop",
    ),
    _RESIDUAL(
        "prefix-not-cleared",
        "Progressive decoding keeps what the last group brings of channels that were not asked for.",
        "entropy 8 B3",
        "        outputs[0][stop:] = 0\n",
        "        pass\n",
    ),
    _RESIDUAL(
        "prefix-in-chunks",
        "Progressive decoding forms groups as if the stream ended with the last channel that is kept.",
        "entropy 8 B3",
        "for group in thread_groups(len(levels), threads, thread):\n            if stop",
        "for group in thread_groups(len(levels) if stop is None else stop, threads, thread):\n"
        "            if stop",
    ),
)

MUTANTS = (*_BIT_MUTANTS, *_RESIDUAL_MUTANTS)
