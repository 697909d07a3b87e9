"""Every known defect of public JPEG AI software and specifications, and what shows that it is not ours.

``python -m tests.mutants.known_defects > docs/defects.md`` writes the page; a test compares it.
"""

from __future__ import annotations

from dataclasses import dataclass

from conformance.mutants.catalogue import CATALOGUE
from conformance.mutants.mutant import Mutant
from tests.mutants.own_mutants import OWN

MUTANTS: dict[str, Mutant] = {mutant.name: mutant for mutant in (*CATALOGUE, *OWN)}

REJECTED = ("map-out-of-range-above", "z-too-large", "cut-in-front-soz")
"""Streams of the table that must be refused."""


@dataclass(frozen=True)
class Row:
    """One known defect.

    :param row: the list's section and row.
    :param defect: what goes wrong there.
    :param shown: a decoder, encoder or table with that defect, by its name in ``conformance/mutants/catalogue``
        or :mod:`tests.mutants.own_mutants`, and what it fails on: a stream of ``refconf generate --profile
        high --seed 1``, or a function of :mod:`tests.mutants.defect_checks`.
    """

    row: str
    defect: str
    shown: tuple[tuple[str, str], ...]


def _row(row: str, defect: str, *words: str) -> Row:
    """``words``: a stream or check, then the mutants that it shows, once or several times: ``-`` in front of
    streams and checks."""
    shown, place = [], ""
    for word in words:
        if word.startswith("-"):
            place = word[1:]
        else:
            shown.append((word, place))
    return Row(row, defect, tuple(shown))


ROWS = (
    _row(
        "entropy 8 A1",
        "The mask of a region is read as if its rows followed one another in memory.",
        "-regions-rows",
        "region-mask-read-linearly",
    ),
    _row(
        "entropy 8 A2",
        "A stream with a quality map makes the decoder fail.",
        "-map-17",
        "map-cannot-be-read",
    ),
    _row(
        "entropy 8 A3",
        "The threads of the quality map are written with two bits and read with one.",
        "-map-threads-2",
        "map-threads-of-one-bit",
    ),
    _row(
        "entropy 8 A4",
        "35 levels and a largest scale of 100, which a configuration names and nothing reads.",
        "-smallest",
        "levels-35-as-configured",
        "levels-counted-as-35",
    ),
    _row(
        "entropy 8 A5",
        "Cubes are skipped up to an error of 1 instead of 3.",
        "-cubes_are_skipped_up_to_an_error_of_3",
        "cube-threshold-of-1",
    ),
    _row(
        "entropy 8 A6",
        "Generators of quality maps scale a size twice.",
        "-maps_have_the_latents_size",
        "map-shape-scaled-twice",
    ),
    _row(
        "entropy 8 A7",
        "The first delta counts as 0 for the choice of the entropy index: kept, so that streams are the same.",
        "-entropy_index_counts_the_first_delta_as_zero",
        "entropy-index-from-all-deltas",
    ),
    _row(
        "entropy 8 A8",
        "Channels of equal means are sorted one way or the other.",
        "-gain_flags_of_equal_means_go_to_the_lower_channel",
        "ties-to-the-higher-channel",
    ),
    _row(
        "entropy 8 A9",
        "A damaged thread is read on in front of its first byte.",
        "-cut-in-front-soz",
        "reads-before-buffer",
    ),
    _row("entropy 8 A10", "Streams with latent scaling are refused.", "-size-79x81", "lsbs-refused"),
    _row(
        "entropy 8 A11",
        "Negative odd sums of the quality map are rounded as a library's version has it.",
        "-map-17",
        "map-negative-odd-sums-truncated",
    ),
    _row(
        "entropy 8 B1",
        "Indices of -9 and 9 pass, and divide by almost nothing.",
        "-map-out-of-range-above",
        "map-indices-of-9-accepted",
    ),
    _row(
        "entropy 8 B2",
        "Threads beyond those that the machine grants are not decoded.",
        "-threads-4",
        "threads-beyond-two-left-out",
        "-everything-16",
        "z-threads-beyond-two-left-out",
    ),
    _row(
        "entropy 8 B3",
        "Progressive decoding forms groups as if the stream ended with the last channel that is kept.",
        "-progressive-16",
        "prefix-in-chunks",
        "prefix-loses-its-last-group",
        "prefix-not-cleared",
    ),
    _row(
        "entropy 8 B4",
        "The number of threads of the quality map stays what a configuration says.",
        "-map-17",
        "map-threads-not-reset",
    ),
    _row(
        "entropy 8 B5",
        "Skipping is turned off in a way that streams do not signal.",
        "-smallest",
        "skipped-positions-are-coded",
    ),
    _row(
        "entropy 8 B6",
        "The distribution of the hyper-latent overflows 32 bits.",
        "-z_distribution_is_exact",
        "z-distribution-in-32-bits",
    ),
    _row(
        "entropy 8 B7",
        "Tables are kept although the distributions are others.",
        "-models_do_not_share_tables",
        "tables-kept-from-the-first-model",
    ),
    _row(
        "entropy 8 B8",
        "Symbols are taken from the wrong half of a table entry.",
        "-smallest",
        "symbol-from-the-upper-half",
    ),
    _row(
        "entropy 8 B9",
        "An encoder's buffer of a thread is its equal share.",
        "-a_thread_may_need_all_the_room",
        "equal-room-for-every-thread",
    ),
    _row(
        "entropy 8 B10",
        "The hyper-latent symbol 63 is written without the bits that belong to it.",
        "-z_beyond_31_is_not_coded",
        "z-of-32-coded",
        "-z-too-large",
        "z-symbol-63-accepted",
        "-smallest",
        "z-escape-not-read",
    ),
    _row(
        "entropy 8 B11",
        "The encoder takes the number of levels from a configuration, the decoder does not.",
        "-encoder_and_decoder_have_the_same_levels",
        "encoder-with-35-levels",
    ),
    _row(
        "entropy 8 B12",
        "Older headers: no use_cube_flags, and gain flags of all channels.",
        "-cubes-random",
        "cube-flags-always-there",
        "-channels-15-17",
        "grfs-flags-of-all-channels",
    ),
    _row(
        "entropy 8 B13",
        "A largest scale of 54.85 for 54.82.",
        "-map-17",
        "largest-scale-of-54.85",
    ),
    _row(
        "entropy 8 C, skip test", "A scale of exactly 382 is coded.", "-smallest", "skip-threshold-not-strict"
    ),
    _row(
        "entropy 8 C, skip mask",
        "The mask is made from the scale behind variance scaling.",
        "-channels-15-17",
        "skip-mask-from-the-coding-scale",
    ),
    _row(
        "entropy 8 C, level",
        "The level is not rounded. (Truncation instead of floor cannot be told: both end at level 0.)",
        "-smallest",
        "level-floored",
    ),
    _row(
        "entropy 8 C, negative scale",
        "A negative scale is taken for something else than level 0.",
        "-cubes-random",
        "level-of-a-negative-scale-as-unsigned",
    ),
    _row(
        "entropy 8 C, hyper scale shift",
        "The shift of the hyper scale decoder rounds.",
        "-smallest",
        "scale-rounded-to-nearest",
    ),
    _row(
        "entropy 8 C, hyper scale activation",
        "An activation behind the last layer. (In front of the other layers' shift instead of behind it, it "
        "cannot be told: `activation_in_front_of_the_shift_is_the_same`.)",
        "-smallest",
        "scale-activation-on-the-last-layer",
    ),
    _row(
        "entropy 8 C, absolute value",
        "The clip comes in front of the absolute value, or there is none.",
        "-smallest",
        "scale-clipped-before-the-absolute-value",
        "scale-not-made-positive",
    ),
    _row(
        "entropy 8 C, pixel shuffle",
        "A pixel shuffle exchanges rows and columns.",
        "-smallest",
        "shuffle-rows-and-columns-swapped",
    ),
    _row(
        "entropy 8 C, states",
        "Two states in each of several threads, or one state in a single thread.",
        "-threads-4",
        "two-states-in-every-thread",
        "z-state-count-from-threads",
        "-smallest",
        "one-state-in-a-single-thread",
    ),
    _row(
        "entropy 8 C, parity",
        "The two states take turns over coded symbols only.",
        "-smallest",
        "parity-over-coded-symbols",
    ),
    _row(
        "entropy 8 C, escapes of a group",
        "An escape's magnitude is read with its symbol instead of behind the group.",
        "-smallest",
        "escape-read-with-its-symbol",
        "-size-79x81",
        "z-escape-read-with-its-symbol",
    ),
    _row("entropy 8 C, tail", "The tail of a call forms a group.", "-cubes-random", "tail-grouped-by-four"),
    _row(
        "entropy 8 C, escape flag", "The flag of an escape is inverted.", "-smallest", "escape-flag-inverted"
    ),
    _row(
        "entropy 8 C, escape sign", "The sign of an escape is inverted.", "-smallest", "escape-sign-inverted"
    ),
    _row(
        "entropy 8 C, mean size",
        "The mean size of a thread counts the table in front.",
        "-threads-4",
        "thread-mean-includes-the-header",
    ),
    _row(
        "entropy 8 C, z groups",
        "Groups of the hyper-latent go on across channels.",
        "-smallest",
        "z-groups-go-on-across-channels",
    ),
    _row(
        "entropy 8 C, z order",
        "The hyper-latent of chroma comes in front of luma's.",
        "-smallest",
        "z-chroma-before-luma",
    ),
    _row("entropy 8 C, gain", "Chroma has the gain of luma.", "-smallest", "gain-of-luma-on-chroma"),
    _row(
        "entropy 8 C, beta",
        "Chroma has luma's displacement although it has its own.",
        "-displacement-chroma-high",
        "displacement-of-chroma-ignored",
        "chroma-displacement-is-luma's",
        "residual-with-luma-displacement",
    ),
    _row(
        "entropy 8 C, likely map",
        "The means are taken behind variance scaling.",
        "-everything-1",
        "likely-after-variance-scaling",
    ),
    _row(
        "entropy 8 C, segments",
        "A mean on a bound belongs to the other segment.",
        "-size-79x81",
        "segment-begins-at-its-bound",
    ),
    _row(
        "entropy 8 C, padding",
        "Positions beyond the latent count as 0 in a mean.",
        "-size-79x81",
        "likely-padded-with-0",
    ),
    _row(
        "entropy 8 C, flags",
        "Flags of cubes, of groups of cubes, of gains mean the opposite.",
        "-cubes-random",
        "cube-flag-inverted",
        "cube-group-flag-inverted",
        "-channels-15-17",
        "grfs-flags-inverted",
    ),
    _row(
        "entropy 8 C, phases of cubes",
        "Cube flags are in the order of the context model's phases.",
        "-cubes-random",
        "cube-phases-in-coding-order",
    ),
    _row(
        "networks 13.1",
        "Sums or factors in fewer bits.",
        "-size-79x81",
        "sum-in-float32",
        "-smallest",
        "sum-in-tf32",
        "sum-in-float16-products",
    ),
    _row(
        "networks 13.2",
        "Encoder and decoder may differ in the mean, never in the scale: a sum of float32 moves it.",
        "-hyper_scale_sums_need_all_their_bits",
        "scale-in-float32",
    ),
    _row("networks 13.3", "A gate multiplies what it has clamped.", "-smallest", "gate-of-the-clamped-input"),
    _row(
        "networks 13.4",
        "Groups of a convolution read other inputs.",
        "-smallest",
        "groups-reversed",
        "groups-interleaved",
    ),
    _row(
        "networks 13.5",
        "A map is cut at another side, or at another place of a transform.",
        "-size-79x81",
        "crop-from-the-bottom-right",
        "-attention_runs_on_what_is_not_yet_cut",
        "attention-behind-the-crop",
    ),
    _row(
        "networks 13.6",
        "A 2 x 2 convolution is padded at the top and left.",
        "-smallest",
        "padding-one-up-and-left",
    ),
    _row(
        "networks 13.7",
        "The weight of a transposed convolution is read as (out, in).",
        "-smallest",
        "transposed-layout-out-in",
    ),
    _row(
        "networks 13.8",
        "The hyper scale decoder: depthwise, without its clips, with another shift, another order, fewer bits.",
        "-smallest",
        "scale-depthwise-as-its-name-says",
        "scale-without-input-clip",
        "scale-rounded-to-nearest",
        "scale-truncated",
        "scale-clipped-before-the-absolute-value",
        "-hyper_scale_sums_need_all_their_bits",
        "scale-in-float32",
    ),
    _row(
        "networks 13.9",
        "Phases in another order: of coding, of psi, of the context, of cube flags.",
        "-smallest",
        "phases-in-raster-order",
        "psi-blocks-in-raster-order",
        "psi-shuffled-in-space",
        "context-phases-swapped",
        "-cubes-random",
        "cube-flags-position-first",
        "cube-phases-in-coding-order",
    ),
    _row(
        "networks 13.10",
        "Inputs are joined the other way round, or chroma reads the wrong latent.",
        "-smallest",
        "concatenated-in-reverse",
        "chroma-latents-swapped-in-scale",
    ),
    _row(
        "networks 13.11",
        "The pixel shuffle of chroma mixes U and V.",
        "-smallest",
        "shuffle-channels-last",
        "u-and-v-swapped",
    ),
    _row(
        "networks 13.12",
        "Chroma is decimated at other samples, or filtered first.",
        "-planes-420",
        "decimated-at-odd-samples",
        "decimated-by-averaging",
    ),
    _row(
        "networks 13.13",
        "Odd sizes: rows from another grid, a cut at the other end, no context beyond the latent.",
        "-size-79x81",
        "z-rows-from-the-latent",
        "crop-from-the-bottom-right",
        "odd-latent-without-its-last-context",
    ),
    _row(
        "networks 13.14",
        "Chroma's hyper networks with luma's divisors on half the plane.",
        "-size-79x81",
        "hyper-size-of-128",
    ),
    _row(
        "networks 13.15",
        "Levels and largest scale from a configuration that does not reach the codec.",
        "-smallest",
        "levels-35-as-configured",
    ),
    _row(
        "networks 13.16",
        "A cube threshold of 1.",
        "-cubes_are_skipped_up_to_an_error_of_3",
        "cube-threshold-of-1",
    ),
    _row(
        "networks 13.17",
        "Products of an attention over many positions are summed in float32.",
        "-attention_sums_need_all_their_bits",
        "attention-sum-in-float32",
    ),
    _row(
        "networks 13.18",
        "Attention blocks on maps of odd size.",
        "-attention_blocks_want_even_maps",
        "odd-maps-halved",
        "-attention_runs_on_what_is_not_yet_cut",
        "attention-behind-the-crop",
    ),
    _row(
        "networks 13.19",
        "An encoder's luma transform is neither given an even picture nor pads it.",
        "-luma_is_padded_by_its_network",
        "luma-not-padded-by-its-network",
    ),
    _row(
        "networks 13.20",
        "Tiles of eICCI in another order, or not in place. (The order of synthesis tiles cannot be told: their "
        "cores do not meet.)",
        "-eicci_tiles_in_raster_order_and_in_place",
        "eicci-tiles-in-reverse-order",
        "eicci-tiles-of-the-unfiltered-picture",
    ),
    _row(
        "networks 13.21",
        "Masks of regions, as in A1.",
        "-regions-rows",
        "region-mask-read-linearly",
    ),
    _row(
        "networks 13.22", "Synthesis tiles are blended where they overlap.", "-tiles-64-48", "tiles-averaged"
    ),
    _row(
        "networks 13.23",
        "Grids whose size is rounded down.",
        "-size-79x81",
        "hyper-size-rounded-down",
    ),
)

_HEAD = """# Known defects of JPEG AI software, and what shows that they are not ours

<!-- written by: python -m tests.mutants.known_defects > docs/defects.md -->

Defects that were recorded publicly, found by reading public code, or are likely in a new decoder. The first column names
their lists: *entropy 8* (A: recorded publicly; B: found by reading; C: likely mistakes) and *networks 13* (numerics and
pitfalls). `tests/mutants/test_known_defects.py` has one test a row: everything passes as the decoder is, and the decoder,
encoder or table with the mistake fails on the stream or check named beside it. Mistakes are those of
`conformance/mutants/catalogue` and `tests/mutants/own_mutants.py`, each with a sentence that says what it does; streams those
of `refconf generate --profile high --seed 1`; checks, with underscores, functions of `tests/mutants/defect_checks.py`.

| row | defect | mistake → what it fails on |
|---|---|---|
"""


def page() -> str:
    """The text of docs/defects.md."""
    lines = []
    for row in ROWS:
        shown = "<br>".join(f"`{mutant}` → `{place}`" for mutant, place in row.shown)
        lines.append(f"| {row.row} | {row.defect} | {shown} |\n")
    return _HEAD + "".join(lines)


if __name__ == "__main__":
    print(page(), end="")
