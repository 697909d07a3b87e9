"""Mistakes in what the picture header says about each component."""

from __future__ import annotations

from conformance.mutants.mutant import Module

_ALL = ("codestream", "picture")
_PART = Module("refdec.codestream.component_syntax", "component header", _ALL)
_VALUES = Module("refdec.codestream.headers", "component header", _ALL)

_GROUPS = "    return ceil_div(phases * rows * columns, 8)\n"

MUTANTS = (
    _PART(
        "residual-threads-of-one-bit",
        "log2_num_threads_r_minus1 has 1 bit.",
        "fields",
        '        name="log2_num_threads_r_minus1",\n        coding=U(2),',
        '        name="log2_num_threads_r_minus1",\n        coding=U(1),',
    ),
    _VALUES(
        "residual-threads-one-power-low",
        "Threads of a residual are one power of two too few.",
        "off by one, threads",
        "return 2 << self.log2_num_threads_r_minus1 if self.multi_threading_r else 1",
        "return 1 << self.log2_num_threads_r_minus1 if self.multi_threading_r else 1",
    ),
    _PART(
        "channels-of-seven-bits",
        "num_chs has 7 bits.",
        "fields",
        '        title="num_chs",\n        coding=U(8),',
        '        title="num_chs",\n        coding=U(7),',
    ),
    _VALUES(
        "channels-without-the-last",
        "A component has one channel less than num_chs says.",
        "off by one",
        "return min(self.num_chs_coded, CHANNELS[self.component])",
        "return max(0, min(self.num_chs_coded, CHANNELS[self.component]) - 1)",
    ),
    _VALUES(
        "channels-not-clamped",
        "num_chs is not clamped to the channels that there are.",
        "clip",
        "return min(self.num_chs_coded, CHANNELS[self.component])",
        "return self.num_chs_coded",
    ),
    _VALUES(
        "channels-clamped-to-chroma's",
        "num_chs is clamped to 96 for luma too.",
        "clip",
        "return min(self.num_chs_coded, CHANNELS[self.component])",
        "return min(self.num_chs_coded, CHANNELS[1])",
    ),
    _PART(
        "cube-flags-always-there",
        "There is no use_cube_flags bit: the groups always follow.",
        "entropy 8 B12, fields",
        'Field(id="CS-PIH-33", name="use_cube_flags", coding=U(1)',
        'Field(id="CS-PIH-33", name="use_cube_flags", coding=U(0)',
        'when=When("use_cube_flags = 1", lambda s: s.use_cube_flags == 1),',
        'when=When("always", lambda s: True),',
    ),
    _PART(
        "cube-group-flag-inverted",
        "The flags of a group are there where its flag is 0.",
        "fields",
        'when=When("cube_group_flag = 1", lambda s: s.cube_group_flag == 1),',
        'when=When("cube_group_flag = 0", lambda s: s.cube_group_flag == 0),',
    ),
    _PART(
        "cube-group-default-0",
        "Where the flags of a group are absent they are 0.",
        "fields, entropy 4",
        "default=lambda s: (1,) * _flags_in_group(s),",
        "default=lambda s: (0,) * _flags_in_group(s),",
    ),
    _PART(
        "cube-groups-always-of-eight",
        "The last group of cube flags has eight flags as well.",
        "off by one, fields",
        "return min(8, phases * rows * columns - 8 * s.index)",
        "return 8",
    ),
    _PART(
        "cube-groups-rounded-down",
        "What is left behind whole groups of cube flags is not read.",
        "off by one, fields",
        _GROUPS,
        "    return max(1, phases * rows * columns // 8)\n",
    ),
    _VALUES(
        "cube-flags-position-first",
        "Cube flags are ordered by cube first and by phase last.",
        "order, networks 13.9",
        "np.array(flags, np.uint8).reshape(self.cube_flag_shape)",
        "np.moveaxis(np.array(flags, np.uint8).reshape(*self.cube_flag_shape[1:], 4), 2, 0).copy()",
    ),
    _PART(
        "rvs-and-grfs-swapped",
        "The flag of the channel-wise gain comes before that of variance scaling.",
        "order, fields",
        'Field(id="CS-PIH-36", name="rvs_enable_flag"',
        'Field(id="CS-PIH-36", name="grfs_enable_flag"',
        'Field(id="CS-PIH-37", name="grfs_enable_flag"',
        'Field(id="CS-PIH-37", name="rvs_enable_flag"',
    ),
    _PART(
        "grfs-flags-of-all-channels",
        "There is a gain flag for all channels of the component, not only those present.",
        "entropy 8 B12, fields",
        "count=_channels_present,",
        "count=_component_channels,",
    ),
    _VALUES(
        "grfs-flags-of-absent-channels-are-1",
        "Channels without a gain flag count as 1.",
        "entropy 6.3",
        "flags = np.zeros(CHANNELS[self.component], np.uint8)",
        "flags = np.ones(CHANNELS[self.component], np.uint8)",
    ),
    _VALUES(
        "grfs-flags-backwards",
        "Gain flags are listed from the last channel to the first.",
        "order",
        "flags[: len(self.grfs_channel_flag)] = self.grfs_channel_flag",
        "flags[: len(self.grfs_channel_flag)] = self.grfs_channel_flag[::-1]",
    ),
    _PART(
        "tile-size-of-seven-bits",
        "The size of a synthesis tile has 7 bits.",
        "fields, tiles",
        '        name="synthesis_tile_size",\n        coding=U(8),',
        '        name="synthesis_tile_size",\n        coding=U(7),',
    ),
    _PART(
        "tile-overlap-of-four-bits",
        "The overlap of synthesis tiles has 4 bits.",
        "fields, tiles",
        '        name="synthesis_tile_overlap",\n        coding=U(5),',
        '        name="synthesis_tile_overlap",\n        coding=U(4),',
    ),
    _VALUES(
        "tile-size-in-units-of-8",
        "Synthesis tiles are given in units of 8 samples.",
        "width, tiles",
        "return 16 * self.synthesis_tile_size, 16 * self.synthesis_tile_overlap",
        "return 8 * self.synthesis_tile_size, 8 * self.synthesis_tile_overlap",
    ),
    _PART(
        "tile-fields-always-there",
        "Size and overlap of tiles are there without tiling too.",
        "fields, tiles",
        '_TILED = When("synthesis_tile_enable = 1", lambda s: s.synthesis_tile_enable == 1)',
        '_TILED = When("always", lambda s: True)',
    ),
)
