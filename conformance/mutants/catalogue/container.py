"""Mistakes in markers, sizes, and the tables in front of payloads."""

from __future__ import annotations

from conformance.mutants.mutant import Module

_ALL = ("codestream", "picture")
_BITS = Module("refdec.codestream.bits", "container", _ALL)
_CUT = Module("refdec.codestream.container", "container", _ALL)
_TABLES = Module("refdec.codestream.payloads", "container", _ALL)
_STREAM = Module("refdec.codestream.stream", "container", _ALL)

MUTANTS = (
    _BITS(
        "bits-least-significant-first",
        "Header bits are read from the least significant end of a byte.",
        "order",
        '        chunk = int.from_bytes(self.data[first:last], "big")\n        self.position = stop\n',
        '        chunk = int.from_bytes(self.data[first:last], "big")\n        self.position = stop\n'
        '        chunk = int(f"{chunk:b}"[::-1], 2) if width > 1 else chunk\n',
    ),
    _BITS(
        "golomb-one-high",
        "An exponential-Golomb code is read without taking 1 off.",
        "off by one",
        "return (bits >> (size - width)) - 1",
        "return bits >> (size - width)",
    ),
    _BITS(
        "golomb-signs-exchanged",
        "Odd numbers of a signed code mean negative values.",
        "sign, entropy 3.9",
        "return magnitude if number & 1 else -magnitude",
        "return -magnitude if number & 1 else magnitude",
    ),
    _BITS(
        "golomb-magnitude-floored",
        "The magnitude of a signed code is rounded down.",
        "rounding",
        "magnitude = (number + 1) >> 1",
        "magnitude = number >> 1",
    ),
    _BITS(
        "bound-as-count",
        "A bounded field has the bits of its number of values, not of its largest value.",
        "off by one, fields",
        "return maximum.bit_length()",
        "return (maximum + 1).bit_length()",
    ),
    _BITS(
        "list-read-backwards",
        "Long lists of header fields are read last value first.",
        "order",
        "return tuple((bits.astype(np.int64) @ weights).tolist())",
        "return tuple((bits.astype(np.int64) @ weights).tolist()[::-1])",
    ),
    _BITS(
        "padding-not-skipped",
        "A table is not followed by padding up to the next byte.",
        "padding",
        "width = -self.position % 8\n",
        "width = 0\n",
    ),
    _CUT(
        "size-in-whole-bytes",
        "The size of a substream is taken to be followed by a whole byte of padding.",
        "padding",
        "    start = position + 2 + reader.position // 8\n",
        "    start = position + 2 + reader.position // 8 + (bits % 8 == 0)\n",
        equivalent="An exponential-Golomb code has an odd number of bits: a size never ends with a byte.",
    ),
    _CUT(
        "size-includes-the-marker",
        "The size of a substream counts its marker.",
        "off by one",
        '    size = reader.read_ue(f"size of {marker.name}")\n',
        '    size = max(0, reader.read_ue(f"size of {marker.name}") - 2)\n',
    ),
    _CUT(
        "substreams-limited-to-six",
        "Substreams beyond the sixth are not read.",
        "ignored",
        "        if value == EOC:\n",
        "        if value == EOC or len(substreams) == 6:\n",
    ),
    _TABLES(
        "thread-mean-includes-the-header",
        "The mean size of a thread counts the table in front of the threads.",
        "entropy 8 C",
        "mean = length // count",
        "mean = len(self.data) // count",
    ),
    _TABLES(
        "thread-mean-rounded-up",
        "The mean size of a thread is rounded up.",
        "rounding",
        "mean = length // count",
        "mean = -(-length // count)",
    ),
    _TABLES(
        "thread-mean-rounded-to-nearest",
        "The mean size of a thread is rounded to nearest.",
        "rounding",
        "mean = length // count",
        "mean = (2 * length + count) // (2 * count)",
    ),
    _TABLES(
        "thread-delta-added",
        "A thread's delta is added to the mean.",
        "sign",
        "size = mean - delta",
        "size = mean + delta",
    ),
    _TABLES(
        "thread-delta-from-the-thread-before",
        "A thread's delta is counted from the size before it.",
        "order",
        "            sizes.append(size)\n            left -= size\n",
        "            sizes.append(size)\n            left -= size\n            mean = size\n",
    ),
    _TABLES(
        "thread-table-for-the-last-too",
        "The last thread has a delta as well.",
        "off by one",
        "reader.require(count - 1, table)\n"
        "        deltas = tuple([reader.read_se(table) for _ in range(count - 1)])",
        "reader.require(count - 1, table)\n"
        "        deltas = tuple([reader.read_se(table) for _ in range(count - (count == 1))])[: count - 1]",
    ),
    _TABLES(
        "thread-table-not-padded",
        "The threads start at the byte in which their table ends.",
        "padding",
        "start = (reader.position + 7) // 8",
        "start = reader.position // 8",
    ),
    _TABLES(
        "thread-sizes-reversed",
        "The table gives the sizes from the last thread to the first.",
        "order, threads",
        "            data, tuple(sizes), self",
        "            data, tuple(sizes[::-1]), self",
    ),
    _TABLES(
        "region-table-for-the-last-too",
        "The last dependent region has a size as well.",
        "off by one, regions",
        "    reader.align()\n    start = reader.position // 8\n    left",
        "    reader.read_ue(segment)\n    reader.align()\n    start = reader.position // 8\n    left",
    ),
    _TABLES(
        "region-table-not-padded",
        "Dependent regions start at the byte in which their table ends.",
        "padding",
        "    reader.align()\n    start = reader.position // 8\n    left",
        "    start = reader.position // 8\n    left",
    ),
    _TABLES(
        "region-sizes-signed",
        "Sizes of dependent regions are signed codes.",
        "fields, regions",
        'sizes.append(reader.read_ue(f"{segment}.{name}"))',
        'sizes.append(reader.read_se(f"{segment}.{name}"))',
    ),
    _TABLES(
        "region-sizes-in-reverse",
        "Sizes of dependent regions are given from the last to the first.",
        "order, regions",
        "    for region, size in enumerate([*sizes, left]):",
        "    for region, size in enumerate([left, *sizes[::-1]]):",
    ),
    _TABLES(
        "region-index-not-read",
        "An independent region's payload starts at its index.",
        "regions, ignored",
        "payloads[index] = Payload(substream.payload[1:], substream.payload_offset + 1, label)",
        "payloads[index] = Payload(substream.payload, substream.payload_offset, label)",
    ),
    _STREAM(
        "tool-header-ignored",
        "The tool header is read and not used.",
        "ignored",
        "            tools = content.header\n",
        "",
    ),
    _STREAM(
        "tool-header-required",
        "A stream without a tool header is refused.",
        "refuses",
        "    tools = DEFAULT_TOOLS\n    rendering = None\n",
        "    tools = DEFAULT_TOOLS\n    rendering = None\n"
        "    if all(s.marker is not Marker.TON for s in found):\n"
        '        raise CodestreamSyntaxError("no tool header")\n',
    ),
    _STREAM(
        "order-of-substreams-fixed",
        "A stream whose hyper-latent comes before the residuals is refused.",
        "refuses",
        "    tools = DEFAULT_TOOLS\n    rendering = None\n",
        "    tools = DEFAULT_TOOLS\n    rendering = None\n"
        "    names = [s.marker.name for s in found]\n"
        '    if "SOZ" in names and "SORS" in names[names.index("SOZ") :]:\n'
        '        raise CodestreamSyntaxError("order")\n',
    ),
)
