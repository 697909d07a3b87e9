"""Mistakes in the log domain: scales, levels, skip mode, segments, variance scaling."""

from __future__ import annotations

from conformance.mutants.mutant import Module

_SCALES = Module("refdec.entropy.golden.scales", "scales", ("entropy", "latent"))
_SKIP = Module("refdec.entropy.golden.scales", "skip mode", ("entropy", "entropy"))
_FLOW = Module("refdec.scales", "scales", ("entropy", "latent"))
_STAGE = Module("refdec.entropy_stage", "scales", ("entropy", "latent"))

_LEVEL = "rounded = (np.asarray(scale_log).astype(np.int64) + 64) >> 7"
_LEVEL_CLIP = "np.clip(rounded, 0, MAX_LEVEL)"
_MEAN = "(sums + 32) >> 6"
_ADDEND = "np.broadcast_to((gain + delta_beta)[:, None, None], (channels, height, width))"
_TRUNCATION = "The value is clipped at 0 right afterwards; from 0 on both ways of shifting agree."

_LEVELS = (
    _SCALES(
        "level-floored",
        "The level is the scale divided by 128 and rounded down.",
        "entropy 8 C, rounding",
        _LEVEL,
        "rounded = np.asarray(scale_log).astype(np.int64) >> 7",
    ),
    _SCALES(
        "level-half-down",
        "A scale half-way between two levels takes the lower one.",
        "rounding",
        _LEVEL,
        "rounded = (np.asarray(scale_log).astype(np.int64) + 63) >> 7",
    ),
    _SCALES(
        "level-half-to-even",
        "A scale half-way between two levels takes the even one.",
        "rounding",
        _LEVEL,
        "rounded = np.rint(np.asarray(scale_log) / 128).astype(np.int64)",
    ),
    _SCALES(
        "level-truncated",
        "The shift that makes a level rounds towards 0.",
        "entropy 8 C, rounding",
        _LEVEL,
        "rounded = np.fix((np.asarray(scale_log).astype(np.int64) + 64) / 128).astype(np.int64)",
        equivalent=_TRUNCATION,
    ),
    _SCALES(
        "level-of-a-negative-scale-as-unsigned",
        "A negative scale is taken for a large one: 16 bits without a sign.",
        "entropy 8 C, width",
        "rounded = (np.asarray(scale_log).astype(np.int64)",
        "rounded = (np.asarray(scale_log).astype(np.uint16).astype(np.int64)",
    ),
    _SCALES(
        "level-at-most-30",
        "The level is clipped to 0..30.",
        "off by one, clip",
        _LEVEL_CLIP,
        "np.clip(rounded, 0, MAX_LEVEL - 1)",
    ),
    _SCALES(
        "level-at-least-1",
        "The level is clipped to 1..31.",
        "off by one, clip",
        _LEVEL_CLIP,
        "np.clip(rounded, 1, MAX_LEVEL)",
        equivalent="The distributions of levels 0, 1 and 2 are one and the same.",
    ),
    _SCALES(
        "level-wraps-at-32",
        "A level above 31 loses its upper bits instead of being clipped.",
        "width",
        _LEVEL_CLIP,
        "np.maximum(rounded, 0) & 31",
    ),
    _STAGE(
        "level-from-the-skip-scale",
        "The level is that of the scale before variance scaling.",
        "ignored",
        "engine.levels(scales.log), scales.mask",
        "engine.levels(scales.log_skip), scales.mask",
    ),
)

_SKIPPED = (
    _SKIP(
        "skip-threshold-not-strict",
        "A scale of exactly 382 is coded.",
        "entropy 8 C",
        "coded = scale > SKIP_THRESHOLD",
        "coded = scale >= SKIP_THRESHOLD",
    ),
    _SKIP(
        "skip-threshold-383",
        "A scale must exceed 383 to be coded.",
        "off by one",
        "coded = scale > SKIP_THRESHOLD",
        "coded = scale > SKIP_THRESHOLD + 1",
    ),
    _SKIP(
        "skip-threshold-384",
        "Whatever has level 3 or more is coded.",
        "entropy 8 C",
        "coded = scale > SKIP_THRESHOLD",
        "coded = scale >= 320",
    ),
    _SKIP(
        "skip-threshold-on-the-level",
        "A scale is coded if it exceeds 382 after rounding to a level.",
        "entropy 8 C",
        "coded = scale > SKIP_THRESHOLD",
        "coded = (scale + 64 >> 7 << 7) > SKIP_THRESHOLD",
    ),
    _FLOW(
        "skip-mask-from-the-coding-scale",
        "The mask is made from the scale after variance scaling.",
        "entropy 8 C",
        '    mask = engine.skip_mask(log_skip, header.cube_flags)\n    show("skip_mask", mask)\n',
        "",
        '    show("log_sigma", log)\n',
        '    mask = engine.skip_mask(log, header.cube_flags)\n    show("skip_mask", mask)\n'
        '    show("log_sigma", log)\n',
    ),
    _SKIP(
        "cube-flag-inverted",
        "A cube flag of 1 means that everything is coded.",
        "entropy 8 C",
        "(flag == 0)",
        "(flag == 1)",
    ),
    _SKIP(
        "cube-flags-replace-the-threshold",
        "Where there are cube flags the threshold does not count.",
        "entropy 4",
        "coded = coded | (flag == 0)[None]",
        "coded = np.broadcast_to((flag == 0)[None], coded.shape)",
    ),
    _SKIP(
        "cube-flags-ignored",
        "The cube flags are read and not used.",
        "ignored",
        "if cube_flags is not None:",
        "if False:",
    ),
    _SKIP(
        "cube-phases-with-row-and-column-swapped",
        "Phases 1 and 2 of the cube flags change places.",
        "order",
        "phase = 2 * (y & 1) + (x & 1)",
        "phase = (y & 1) + 2 * (x & 1)",
    ),
    _SKIP(
        "cube-phases-in-coding-order",
        "Cube flags are taken in the order of the context model's phases.",
        "entropy 8 C, networks 13.9",
        "phase = 2 * (y & 1) + (x & 1)",
        "phase = np.array([0, 2, 3, 1])[2 * (y & 1) + (x & 1)]",
    ),
    _SKIP(
        "cube-rows-and-columns-swapped",
        "Cube flags are numbered down the columns.",
        "order",
        "flag = flags[phase, (y >> 1) >> 3, (x >> 1) >> 3]",
        "flag = flags.swapaxes(1, 2).reshape(flags.shape)[phase, (y >> 1) >> 3, (x >> 1) >> 3]",
    ),
    _SKIP(
        "cubes-of-8-latent-samples",
        "A cube covers 8 x 8 positions of the latent and not of a phase.",
        "entropy 4",
        "(y >> 1) >> 3, (x >> 1) >> 3",
        "np.minimum(y >> 3, rows - 1), np.minimum(x >> 3, columns - 1)",
    ),
)

_SUMS = (
    _SCALES(
        "gain-of-the-next-channel",
        "Every channel has the gain of the channel before it.",
        "order",
        "(gain + delta_beta)[:, None, None]",
        "(np.roll(gain, 1) + delta_beta)[:, None, None]",
    ),
    _FLOW(
        "gain-of-luma-on-chroma",
        "Chroma is scaled with the gain of luma's first channels.",
        "entropy 8 C",
        "    log_skip = engine.skip_scale_log(raw, model.gain_log, picture",
        "    gain = model.gain_log if c == 0 else component_scales.__dict__.get('luma', model.gain_log)\n"
        "    component_scales.__dict__['luma'] = model.gain_log[: 96]\n"
        "    log_skip = engine.skip_scale_log(raw, gain, picture",
    ),
    _SCALES(
        "displacement-not-added",
        "The scale does not depend on the displacement.",
        "ignored",
        _ADDEND,
        _ADDEND.replace("gain + delta_beta", "gain + 0 * delta_beta"),
    ),
    _SCALES(
        "displacement-subtracted",
        "The displacement is subtracted from the scale.",
        "sign",
        _ADDEND,
        _ADDEND.replace("gain + delta_beta", "gain - delta_beta"),
    ),
    _SCALES(
        "displacement-clipped-as-an-encoder-does",
        "The decoder clips the displacement to -1069..702, as encoders do before they write it.",
        "entropy 1.3, clip",
        _ADDEND,
        _ADDEND.replace("gain + delta_beta", "gain + min(702, max(-1069, delta_beta))"),
    ),
    _SCALES(
        "addend-clipped-to-12-bits",
        "Gain and displacement together are clipped to -2048..2047.",
        "clip",
        _ADDEND,
        _ADDEND.replace("(gain + delta_beta)", "np.clip(gain + delta_beta, LOG_MIN, LOG_MAX)"),
    ),
    _SCALES(
        "scale-clipped-at-0",
        "The scale is clipped at 0 before anything looks at it.",
        "clip",
        "result = scale + addend",
        "result = np.maximum(scale + addend, 0)",
    ),
    _SCALES(
        "scale-clipped-at-3967",
        "The scale is clipped to 3967, the most that the hyper scale decoder gives.",
        "clip",
        "result = scale + addend",
        "result = np.minimum(scale + addend, BASE_MAX)",
    ),
    _SCALES(
        "scale-in-12-bits",
        "The scale is kept in 12 bits with a sign.",
        "width",
        "result = scale + addend",
        "result = (scale + addend + 2048) % 4096 - 2048",
    ),
    _SCALES(
        "map-on-no-scale",
        "The quality map changes the residual but not its scale.",
        "ignored",
        "[index + QUALITY_MAX]\n",
        "[0 * index + QUALITY_MAX]\n",
    ),
    _SCALES(
        "map-subtracted-from-the-scale",
        "The quality map's offset has the wrong sign.",
        "sign",
        "[index + QUALITY_MAX]\n",
        "[QUALITY_MAX - index]\n",
    ),
    _SCALES(
        "map-index-one-off",
        "The quality map's table is entered one place too high, and too low at its end.",
        "off by one",
        "[index + QUALITY_MAX]\n",
        "[np.minimum(index + 1, QUALITY_MAX) + QUALITY_MAX]\n",
    ),
    _FLOW(
        "chroma-displacement-is-luma's",
        "Chroma takes luma's displacement although it has one of its own.",
        "entropy 8 C",
        "model.gain_log, picture.beta_displacement_log[c], quality_map)",
        "model.gain_log, picture.beta_displacement_log[0], quality_map)",
    ),
)

_LIKELY = (
    _SCALES(
        "likely-padded-with-0",
        "Positions beyond the latent count as 0 in a block's mean.",
        "entropy 8 C",
        "columns * BLOCK), LIKELY_PAD, np.int64)",
        "columns * BLOCK), 0, np.int64)",
    ),
    _SCALES(
        "likely-padded-with-1410",
        "Positions beyond the latent count as 1410 instead of 1411.",
        "off by one",
        "columns * BLOCK), LIKELY_PAD, np.int64)",
        "columns * BLOCK), LIKELY_PAD - 1, np.int64)",
    ),
    _SCALES(
        "likely-over-what-there-is",
        "The mean of a block at the border is taken over its positions inside the latent.",
        "entropy 6.2",
        "    means = np.clip((sums + 32) >> 6, 0, LIKELY_MAX)\n",
        "    inside = np.zeros((1, rows * BLOCK, columns * BLOCK), np.int64)\n"
        "    inside[:, :height, :width] = 1\n"
        "    count = inside.reshape(1, rows, BLOCK, columns, BLOCK).sum(axis=(2, 4))\n"
        "    sums = (padded * inside).reshape(channels, rows, BLOCK, columns, BLOCK).sum(axis=(2, 4))\n"
        "    means = np.clip((sums + count // 2) // count, 0, LIKELY_MAX)\n",
    ),
    _SCALES(
        "likely-floored",
        "The mean of a block is rounded down.",
        "rounding",
        _MEAN,
        "sums >> 6",
    ),
    _SCALES(
        "likely-half-down",
        "A mean half-way between two integers is rounded down.",
        "rounding",
        _MEAN,
        "(sums + 31) >> 6",
    ),
    _SCALES(
        "likely-half-to-even",
        "A mean half-way between two integers is rounded to the even one.",
        "rounding",
        _MEAN,
        "np.rint(sums / 64).astype(np.int64)",
    ),
    _SCALES(
        "likely-truncated",
        "The shift of a block's sum rounds towards 0.",
        "rounding",
        _MEAN,
        "np.fix((sums + 32) / 64).astype(np.int64)",
        equivalent=_TRUNCATION,
    ),
    _SCALES(
        "likely-in-blocks-of-16",
        "Blocks have 16 x 16 positions.",
        "entropy 6.2",
        "means = np.clip((sums + 32) >> 6, 0, LIKELY_MAX)",
        "means = np.clip((sums + 32) >> 6, 0, LIKELY_MAX)\n"
        "    means = means[:, np.arange(rows) // 2 * 2][:, :, np.arange(columns) // 2 * 2]",
    ),
    _SCALES(
        "likely-not-clipped-below",
        "The mean of a block may be negative.",
        "clip",
        "np.clip((sums + 32) >> 6, 0, LIKELY_MAX)",
        "np.minimum((sums + 32) >> 6, LIKELY_MAX)",
        'likely = require_range(likely, 0, LIKELY_MAX, "likely")\n    channels',
        "likely = np.asarray(likely)\n    channels",
        'likely = require_range(likely, 0, LIKELY_MAX, "likely")\n    return',
        "likely = np.asarray(likely)\n    return",
        equivalent="All bounds of the segments lie above 0, so a negative mean has the segment of 0.",
    ),
    _SCALES(
        "likely-clipped-at-3967",
        "The mean of a block is clipped at 3967.",
        "clip",
        "np.clip((sums + 32) >> 6, 0, LIKELY_MAX)",
        "np.clip((sums + 32) >> 6, 0, BASE_MAX)",
        equivalent="All bounds of the segments lie below 3967, so what exceeds it has the segment of 3967.",
    ),
    _FLOW(
        "likely-from-the-raw-scale",
        "The blocks' means are taken before gain and displacement.",
        "entropy 6.2",
        "likely = engine.likely_map(log_skip)",
        "likely = engine.likely_map(raw)",
    ),
    _FLOW(
        "likely-after-variance-scaling",
        "The blocks' means of the latent scaling are taken from the scale with its variance scaling.",
        "entropy 8 C",
        "        log = log_skip + scaling.log\n",
        "        log = log_skip + scaling.log\n        likely = engine.likely_map(log)\n",
    ),
)

_VARIANCE = (
    _SCALES(
        "segment-begins-at-its-bound",
        "A mean equal to a bound belongs to the segment above it.",
        "entropy 8 C",
        "count += likely > bound",
        "count += likely >= bound",
    ),
    _SCALES(
        "segments-of-the-next-model",
        "The bounds of the segments are those of the next model.",
        "table",
        'tables["scaling_bounds"][model_id]',
        'tables["scaling_bounds"][(model_id + 1) % 4]',
    ),
    _SCALES(
        "scaling-of-the-next-model",
        "Variance scaling uses the next model's factors.",
        "table",
        "state[:, None, None], model_id, segment]",
        "state[:, None, None], (model_id + 1) % 4, segment]",
    ),
    _SCALES(
        "grfs-flags-inverted",
        "A channel flag of 0 means the larger gain.",
        "entropy 8 C",
        "state[: flags.size] += flags",
        "state[: flags.size] += 1 - flags",
    ),
    _SCALES(
        "grfs-off-without-a-flag",
        "Channels that have no flag of their own are not scaled.",
        "entropy 6.3",
        "        state[:] = 1\n        state[: flags.size] += flags",
        "        state[: flags.size] = 1 + flags",
        equivalent="The header pads the flags to all channels, and channels without a flag have no residual "
        "symbols; their scale is traced but equal because the padding gives them flag 0.",
    ),
    _FLOW(
        "grfs-off-beyond-num-chs",
        "Channels beyond num_chs are not scaled: they have no flag.",
        "entropy 6.3",
        "scaling = engine.variance_scaling(likely, picture.model_id, rvs, header.grfs_channel_flags)\n"
        "        log = log_skip + scaling.log\n",
        "scaling = engine.variance_scaling(likely, picture.model_id, rvs, header.grfs_channel_flags)\n"
        "        plain = engine.variance_scaling(likely, picture.model_id, rvs, None)\n"
        "        log = log_skip + scaling.log\n"
        "        log[header.num_chs :] = (log_skip + plain.log)[header.num_chs :]\n",
    ),
    _FLOW(
        "rvs-ignored",
        "Residual variance scaling is read and not applied.",
        "ignored",
        "rvs = bool(header.rvs_enable_flag)",
        "rvs = False",
    ),
    _FLOW(
        "grfs-only-with-rvs",
        "The channel-wise gain is applied only where variance scaling is on.",
        "entropy 6.3",
        "if header.rvs_enable_flag or header.grfs_channel_flags is not None:",
        "if header.rvs_enable_flag:",
    ),
    _FLOW(
        "scaling-not-on-the-scale",
        "Variance scaling changes the residual but not the scale that it is coded with.",
        "ignored",
        "log = log_skip + scaling.log",
        "log = log_skip + 0 * scaling.log",
    ),
    _FLOW(
        "scaling-subtracted",
        "The variance scaling's offset is subtracted from the scale.",
        "sign",
        "log = log_skip + scaling.log",
        "log = log_skip - scaling.log",
    ),
    _STAGE(
        "scaling-not-on-the-residual",
        "Variance scaling changes the scale but not the residual.",
        "ignored",
        "None if scales.scaling is None else scales.scaling.inverse,",
        "None,",
    ),
    _STAGE(
        "residual-scaled-forwards",
        "The residual is multiplied by the factor of the encoder.",
        "order",
        "None if scales.scaling is None else scales.scaling.inverse,",
        "None if scales.scaling is None else scales.scaling.forward << 9,",
    ),
)

MUTANTS = (*_SUMS, *_LEVELS, *_SKIPPED, *_LIKELY, *_VARIANCE)
