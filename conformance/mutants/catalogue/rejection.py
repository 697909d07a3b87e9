"""Decoders that accept what must be refused, or refuse it in another way: one for each rule."""

from __future__ import annotations

from conformance.mutants.mutant import Module

_ALL = ("codestream", "picture")
_CUT = Module("refdec.codestream.container", "refusals", _ALL)
_BITS = Module("refdec.codestream.bits", "refusals", _ALL)
_TABLES = Module("refdec.codestream.payloads", "refusals", _ALL)
_STREAM = Module("refdec.codestream.stream", "refusals", _ALL)
_READER = Module("refdec.codestream.reader", "refusals", _ALL)
_PIH = Module("refdec.codestream.picture_syntax", "refusals", _ALL)
_PART = Module("refdec.codestream.component_syntax", "refusals", _ALL)
_TOOLS = Module("refdec.codestream.tool_syntax", "refusals", _ALL)
_LEVELS = Module("refdec.codestream.profiles", "refusals", _ALL)
_PLANES = Module("refdec.picture.planes", "refusals", _ALL)
_RESIDUAL = Module("refdec.entropy.golden.residual", "refusals", ("entropy", "entropy"))
_ANY = "allowed=lambda s: range(1 << 16),"

MUTANTS = (
    _CUT(
        "accepts-another-start",
        "Whatever the first two bytes are, they count as SOC.",
        "rejection",
        "if first != SOC:",
        "if False:",
    ),
    _CUT(
        "accepts-no-end",
        "A stream that ends without EOC is complete.",
        "rejection",
        '        value = _marker(data, position, "EOC" if substreams else "PIH")\n',
        '        value = _marker(data, position, "EOC") if position + 2 <= len(data) or not '
        "substreams else EOC\n",
    ),
    _CUT(
        "accepts-unassigned-markers",
        "A substream with a marker that means nothing is skipped.",
        "rejection",
        "        if marker is None:\n            raise",
        "        if marker is None and value != SOC:\n"
        "            skipped = _substream(data, position, Marker.UDI)\n"
        "            position = skipped.payload_offset + len(skipped.payload)\n"
        "            continue\n"
        "        if marker is None:\n            raise",
    ),
    _CUT(
        "accepts-a-second-start",
        "A second SOC is skipped.",
        "rejection",
        "        if marker is None:\n            raise",
        "        if value == SOC:\n            position += 2\n            continue\n"
        "        if marker is None:\n            raise",
    ),
    _CUT(
        "accepts-nothing-between-start-and-end",
        "A stream without any substream is refused for lack of a header only later.",
        "rejection",
        "    if not substreams:\n",
        "    if False:\n",
    ),
    _CUT(
        "accepts-cut-payloads",
        "A payload that is shorter than its size is taken as it is.",
        "rejection",
        "    if size > len(data) - start:\n",
        "    if False:\n",
    ),
    _CUT(
        "accepts-any-number-of-substreams",
        "The number of substreams has no limit.",
        "rejection, limits",
        "if len(substreams) >= limits.max_substreams:",
        "if False:",
    ),
    _CUT(
        "accepts-any-size-of-stream",
        "The size of a codestream has no limit.",
        "rejection, limits",
        "if len(data) > limits.max_input_bytes:",
        "if False:",
    ),
    _BITS(
        "accepts-headers-that-end-early",
        "Beyond its end a header consists of zeros.",
        "rejection",
        "        if stop > self.end:\n            self.require(width, element)\n        first",
        "        if stop > self.end:\n            self.position = stop\n            return 0\n        first",
    ),
    _BITS(
        "accepts-tables-that-end-early",
        "Beyond its end a table consists of zeros.",
        "rejection",
        "self.require(width if bits else self.remaining + 1, element)\n",
        "self.position = min(self.position, self.end)\n",
    ),
    _BITS(
        "accepts-endless-golomb-codes",
        "A code of more than 32 zeros is read.",
        "rejection",
        "if zeros > MAX_EXP_GOLOMB_PREFIX and self.remaining > MAX_EXP_GOLOMB_PREFIX:",
        "if False:",
    ),
    _STREAM(
        "accepts-a-late-header",
        "The picture header may come behind other substreams.",
        "rejection",
        "    if first.marker is not Marker.PIH:\n        raise",
        "    if first.marker is not Marker.PIH and any(s.marker is Marker.PIH for s in rest):\n"
        "        head = next(s for s in rest if s.marker is Marker.PIH)\n"
        "        return (head, *(s for s in container.substreams if s is not head))\n"
        "    if first.marker is not Marker.PIH:\n        raise",
    ),
    _STREAM(
        "accepts-headers-twice",
        "Of two headers of a kind the last one counts.",
        "rejection",
        "if substream.marker in _ONCE and substream.marker in seen:",
        "if False:",
    ),
    _STREAM(
        "accepts-payloads-twice",
        "Of two payloads of a kind the first one counts.",
        "rejection",
        "        if len(found) == 1:\n",
        "        if len(found) >= 1:\n",
    ),
    _STREAM(
        "accepts-a-second-map",
        "Of two quality maps the first one counts where none is announced.",
        "rejection",
        "if len(stream.substreams_of(Marker.SOQ)) > 1:",
        "if False:",
    ),
    _STREAM(
        "accepts-a-missing-hyper-latent",
        "Without SOZ there is an empty payload.",
        "rejection",
        'return _payload(self._one(Marker.SOZ, "the hyper-latent"))',
        "found = self.substreams_of(Marker.SOZ)\n"
        '        return _payload(found[0]) if len(found) == 1 else Payload(b"", self._end, "SOZ")',
    ),
    _STREAM(
        "accepts-a-missing-map",
        "A quality map that is announced and missing counts as absent.",
        "rejection",
        "        if not self.picture.gain_3D_enable_flag:\n            return None\n",
        "        if not self.picture.gain_3D_enable_flag or not self.substreams_of(Marker.SOQ):\n"
        "            return None\n",
    ),
    _STREAM(
        "accepts-broken-rules",
        "Rules that the header's values must obey are not applied.",
        "rejection",
        "if violations and check_conformance:",
        "if False:",
    ),
    _STREAM(
        "accepts-any-number-of-pixels",
        "The size of a picture has no limit.",
        "rejection, limits",
        "if width * height > limits.max_pixels:",
        "if False:",
    ),
    _TABLES(
        "accepts-negative-thread-sizes",
        "A thread of negative size is empty.",
        "rejection",
        "            if not 0 <= size <= left:\n",
        "            size = max(0, size)\n            if size > left:\n",
    ),
    _TABLES(
        "accepts-threads-beyond-the-payload",
        "A thread that is larger than what is left gets what is left.",
        "rejection",
        "            if not 0 <= size <= left:\n",
        "            size = min(left, size)\n            if size < 0:\n",
    ),
    _TABLES(
        "accepts-regions-beyond-the-payload",
        "A region that is larger than what is left gets what is left.",
        "rejection, regions",
        "        if size > left:\n            raise",
        "        if False:\n            raise",
    ),
    _TABLES(
        "accepts-regions-twice",
        "Of two payloads of a region the last one counts.",
        "rejection, regions",
        "if index >= regions or payloads[index] is not None:",
        "if index >= regions:",
    ),
    _TABLES(
        "accepts-regions-that-do-not-exist",
        "A payload for a region that does not exist is skipped.",
        "rejection, regions",
        "        if index >= regions or payloads[index] is not None:\n",
        "        if index >= regions:\n            continue\n        if payloads[index] is not None:\n",
    ),
    _TABLES(
        "accepts-regions-without-index",
        "An independent region without any byte is skipped.",
        "rejection, regions",
        "        if not substream.payload:\n            raise",
        "        if not substream.payload:\n            continue\n        if False:\n            raise",
    ),
    _READER(
        "accepts-values-above-their-bound",
        "A bounded value above its bound is taken as it is.",
        "rejection",
        "        if worst is not None:\n            raise",
        "        if False:\n            raise",
    ),
    _READER(
        "refuses-nothing-structural",
        "Values that make the rest unreadable are only noted.",
        "rejection",
        "        if rule.structural:\n",
        "        if False:\n",
    ),
    _READER(
        "refuses-padding-that-is-not-zero",
        "Padding bits that are not zero make a stream malformed.",
        "refuses",
        "    if reader.align():\n",
        '    if reader.align():\n        raise CodestreamSyntaxError("padding")\n    if False:\n',
    ),
    _READER(
        "refuses-bytes-behind-a-header",
        "Bytes behind a header's last element make a stream malformed.",
        "refuses",
        "    if reader.remaining:\n",
        '    if reader.remaining:\n        raise CodestreamSyntaxError("left over")\n    if False:\n',
    ),
    _PIH(
        "accepts-any-stream-profile",
        "Every stream profile is decoded.",
        "rejection",
        '                allowed=lambda s: (0,),\n                expected=lambda s: "the only stream',
        f'                {_ANY}\n                expected=lambda s: "the only stream',
    ),
    _PIH(
        "accepts-any-decoder-profile",
        "Every decoder profile is decoded.",
        "rejection",
        'allowed=lambda s: range(3),\n                expected=lambda s: "a decoder profile',
        f'{_ANY}\n                expected=lambda s: "a decoder profile',
    ),
    _PIH(
        "accepts-any-transform-number",
        "A synthesis transform that is not defined is taken for another one.",
        "rejection",
        'allowed=lambda s: range(3),\n                expected=lambda s: "a synthesis transform',
        f'{_ANY}\n                expected=lambda s: "a synthesis transform',
    ),
    _PIH(
        "accepts-transforms-beyond-the-profile",
        "A profile permits every transform.",
        "rejection",
        "return PROFILE_TRANSFORMS.get(s.decoder_profile_id, (0, 1, 2))",
        "return (0, 1, 2)",
    ),
    _PIH(
        "accepts-any-level",
        "Every level number is decoded.",
        "rejection",
        "                allowed=lambda s: LEVELS,",
        f"                {_ANY}",
    ),
    _PIH(
        "accepts-wide-pictures-beyond-the-level",
        "A level does not limit the width.",
        "rejection",
        "allowed=_area_allows_width,",
        _ANY,
        equivalent="The widest picture that the field can say has 65,599 columns: with the least height, 64, "
        "that is 4.2 million samples, and level 1 allows 6.2 million.",
    ),
    _PIH(
        "accepts-high-pictures-beyond-the-level",
        "A level does not limit the height.",
        "rejection",
        "allowed=_area_allows_height,",
        _ANY,
    ),
    _PIH(
        "accepts-any-bit-depth",
        "Depths of 12 bits and more are taken for 8.",
        "rejection",
        '                allowed=lambda s: (0, 1),\n                expected=lambda s: "8 or 10',
        f'                {_ANY}\n                expected=lambda s: "8 or 10',
    ),
    _PIH(
        "accepts-4:4:0-sources",
        "A source whose rows alone are subsampled is decoded.",
        "rejection",
        "allowed=lambda s: _columns_given_rows(s.s_ver_minus1),",
        _ANY,
    ),
    _PIH(
        "accepts-4:2:2-coded-as-4:2:0",
        "A 4:2:2 source that is coded as 4:2:0 is decoded.",
        "rejection",
        "allowed=_coded_rows_allowed,",
        _ANY,
    ),
    _PIH(
        "accepts-planes-coded-as-4:4:0",
        "Planes whose rows alone are subsampled are decoded.",
        "rejection",
        "allowed=lambda s: _columns_given_rows(s.c_ver_minus1),",
        _ANY,
    ),
    _PIH(
        "accepts-a-custom-colour-transform",
        "A user-defined colour transform counts as none.",
        "rejection, reference 8",
        "                allowed=lambda s: (0, 1),\n"
        '                expected=lambda s: (\n                    "no colour',
        f'                {_ANY}\n                expected=lambda s: (\n                    "no colour',
    ),
    _PIH(
        "accepts-models-beyond-the-level",
        "A level permits every model.",
        "rejection",
        "allowed=lambda s: level_models(s.level_idc, s.dialect),",
        _ANY,
    ),
    _PIH(
        "accepts-too-many-region-rows",
        "The number of region rows is not limited by the height.",
        "rejection, regions",
        "allowed=lambda s: _limited_splits(s, coded_height(s), 256),",
        _ANY,
    ),
    _PIH(
        "accepts-too-many-region-columns",
        "The number of region columns is not limited by the width.",
        "rejection, regions",
        "allowed=lambda s: _limited_splits(s, coded_width(s), 512),",
        _ANY,
    ),
    _PIH(
        "refuses-regions-in-the-draft",
        "The published limit of region rows is applied to the draft dialect.",
        "refuses, dialect",
        "limit = 128 if s.dialect is Dialect.DIS else min(128, ceil_div(length, unit))",
        "limit = min(128, ceil_div(length, unit))",
    ),
    _PART(
        "accepts-tiles-of-size-0",
        "A tile size of 0 is decoded.",
        "rejection, tiles",
        "                allowed=lambda s: range(1, 256),\n",
        f"                {_ANY}\n",
    ),
    _PART(
        "accepts-overlaps-beyond-the-tile",
        "An overlap that is not below the tile size is decoded.",
        "rejection, tiles",
        "allowed=_overlap_allowed,",
        _ANY.rstrip(",") + ",",
    ),
    _PART(
        "accepts-odd-overlaps-in-regions",
        "Odd overlaps of tiles inside regions are decoded.",
        "rejection, tiles",
        "allowed=_aligned_overlaps,",
        _ANY,
    ),
    _PART(
        "accepts-another-tiling-of-chroma",
        "A tiling of chroma that is not luma's is ignored.",
        "rejection, tiles",
        "        if luma is None or",
        "        if True or luma is None or",
    ),
    _PART(
        "refuses-too-many-channels",
        "num_chs above the channels that there are is refused.",
        "refuses",
        "                tolerated=True,\n",
        "",
    ),
    _LEVELS(
        "models-of-the-draft-levels",
        "The levels of the published dialect permit the draft's models.",
        "dialect",
        "Dialect.T840: {0: (2,), 1: (2, 3), 2: (0, 1, 2, 3)},",
        "Dialect.T840: {0: (3,), 1: (2, 3), 2: (0, 1, 2, 3)},",
    ),
    _LEVELS(
        "models-of-the-published-levels",
        "The levels of the draft permit the published dialect's models.",
        "dialect",
        "Dialect.DIS: {0: (3,), 1: (2, 3), 2: (0, 1, 2, 3)},",
        "Dialect.DIS: {0: (2,), 1: (2, 3), 2: (0, 1, 2, 3)},",
    ),
    _LEVELS(
        "area-of-level-1-one-low",
        "The largest picture of level 1 is refused.",
        "off by one",
        "1: 6_220_800,",
        "1: 6_220_799,",
    ),
    _LEVELS(
        "area-of-level-1-doubled",
        "A picture of twice the area is accepted at level 1.",
        "rejection",
        "1: 6_220_800,",
        "1: 12_441_600,",
    ),
    _PLANES(
        "accepts-rgb-with-subsampled-planes",
        "An RGB picture whose source is subsampled is decoded.",
        "rejection",
        "if picture.colour_transform_idx == BT709 and picture.source_subsampling != (1, 1):",
        "if False:",
    ),
    _TOOLS(
        "accepts-filter-splits-beyond-8",
        "The number of an EFE split above 8 is taken as it is.",
        "rejection",
        "allowed=lambda s: range(9),",
        "allowed=lambda s: range(1 << 15),",
    ),
    _TOOLS(
        "accepts-filter-sides-of-0",
        "An EFE filter without a tap is accepted.",
        "rejection",
        "allowed=lambda s: range(1, 5),",
        "allowed=lambda s: range(1 << 16),",
    ),
    _TOOLS(
        "accepts-lef-channels-beyond-160",
        "A LEF channel that does not exist is accepted.",
        "rejection",
        "allowed=lambda s: range(CHANNELS[0]),",
        "allowed=lambda s: range(1 << 16),",
    ),
    _RESIDUAL(
        "accepts-escapes-beyond-16-bits",
        "An escaped residual beyond 16 bits wraps around.",
        "rejection, width",
        "    if not VALUE_MIN <= value <= VALUE_MAX:\n",
        "    value = (value + 32768) % 65536 - 32768\n    if False:\n",
    ),
)
