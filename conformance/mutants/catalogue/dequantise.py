"""Mistakes between the residual symbols and their values in fixed point."""

from __future__ import annotations

from conformance.mutants.mutant import Module

_VALUE = Module("refdec.entropy.golden.dequantise", "dequantisation", ("entropy", "entropy"))
_STAGE = Module("refdec.entropy_stage", "dequantisation", ("entropy", "entropy"))
_NEAREST = "nearest = (2 * numerator + denominator) // (2 * denominator)"
_CLIP = "np.clip(nearest, -INT32_MAX, INT32_MAX)"

MUTANTS = (
    _VALUE(
        "residual-floored",
        "The quotient is rounded down.",
        "rounding",
        _NEAREST,
        "nearest = numerator // denominator",
    ),
    _VALUE(
        "residual-truncated",
        "The quotient is rounded towards 0.",
        "rounding",
        _NEAREST,
        "nearest = np.sign(numerator) * (np.abs(numerator) // denominator)",
    ),
    _VALUE(
        "residual-halves-away-from-0",
        "A quotient half-way between two integers is rounded away from 0.",
        "rounding",
        _NEAREST,
        "nearest = np.sign(numerator) * ((2 * np.abs(numerator) + denominator) // (2 * denominator))",
    ),
    _VALUE(
        "residual-halves-down",
        "A quotient half-way between two integers is rounded down.",
        "rounding",
        _NEAREST,
        "nearest = -((denominator - 2 * numerator) // (2 * denominator))",
    ),
    _VALUE(
        "residual-halves-to-even",
        "A quotient half-way between two integers is rounded to the even one.",
        "rounding",
        _NEAREST,
        "nearest = (2 * numerator + denominator) // (2 * denominator)\n"
        "    half = (2 * numerator + denominator) % (2 * denominator) == 0\n"
        "    nearest = nearest - (half & (nearest & 1 == 1))",
    ),
    _VALUE(
        "residual-rounded-twice",
        "The variance scaling's product is shifted to an integer before the division.",
        "rounding, reference 3",
        "numerator = (value * multiplier) << shift",
        "numerator = ((value * multiplier) >> 16) << (shift + 16)",
    ),
    _VALUE(
        "residual-in-float32",
        "The quotient is computed in 24 bits of mantissa.",
        "width",
        _NEAREST,
        "nearest = np.floor(numerator.astype(np.float32) / denominator.astype(np.float32) + np.float32(0.5))",
    ),
    _VALUE(
        "residual-of-eleven-fraction-bits",
        "The dequantised residual has 11 fraction bits where it should have 12.",
        "width",
        _NEAREST,
        "nearest = (2 * (numerator >> 1) + denominator) // (2 * denominator) * 2",
    ),
    _VALUE(
        "residual-saturated-to-the-lowest-integer",
        "Saturation goes down to -2^31.",
        "off by one, clip",
        _CLIP,
        "np.clip(nearest, -INT32_MAX - 1, INT32_MAX)",
    ),
    _VALUE(
        "residual-saturated-one-low",
        "Saturation goes up to 2^31 - 2.",
        "off by one, clip",
        _CLIP,
        "np.clip(nearest, -INT32_MAX, INT32_MAX - 1)",
    ),
    _VALUE(
        "residual-wraps",
        "A value beyond 32 bits wraps around instead of being saturated.",
        "width, clip",
        _CLIP,
        "((nearest + (1 << 31)) % (1 << 32) - (1 << 31))",
    ),
    _VALUE(
        "residual-in-24-bits",
        "A value beyond 24 bits is saturated.",
        "width, clip",
        _CLIP,
        "np.clip(nearest, -(1 << 23) + 1, (1 << 23) - 1)",
    ),
    _VALUE(
        "residual-without-gain",
        "The residual is not divided by the channel's multiplier.",
        "ignored",
        "scaler = scaler_table().astype(np.int64)[index - SCALE_INDEX_MIN]",
        "scaler = scaler_table().astype(np.int64)[0 * index - SCALE_INDEX_MIN]",
    ),
    _VALUE(
        "residual-multiplied-by-the-gain",
        "The residual is multiplied by the channel's multiplier instead of divided.",
        "order",
        "scaler = scaler_table().astype(np.int64)[index - SCALE_INDEX_MIN]",
        "scaler = scaler_table().astype(np.int64)[np.maximum(-index, -4096) - SCALE_INDEX_MIN]",
    ),
    _VALUE(
        "multiplier-of-the-next-index",
        "The table of multipliers is entered one place too high.",
        "off by one",
        "scaler = scaler_table().astype(np.int64)[index - SCALE_INDEX_MIN]",
        "scaler = scaler_table().astype(np.int64)[np.minimum(index + 1, 4094) - SCALE_INDEX_MIN]",
    ),
    _VALUE(
        "residual-without-quality-map",
        "The quality map does not change the residual.",
        "ignored",
        "if quality_map is not None:",
        "if False:",
    ),
    _VALUE(
        "residual-with-the-exact-power",
        "The quality map's factor is 2^(Q/4) instead of the table's value.",
        "table",
        'linear = parameters()["quality_linear"].astype(np.int64)[quality + QUALITY_MAX]',
        "linear = np.rint(16 * 2 ** (quality / 4)).astype(np.int64)",
    ),
    _VALUE(
        "residual-scaled-by-128ths",
        "The variance scaling's factor is taken in units of 2^-15.",
        "width",
        "INVERSE_BITS = 16",
        "INVERSE_BITS = 15",
    ),
    _STAGE(
        "residual-with-luma-displacement",
        "The multiplier of chroma is that of luma's displacement.",
        "entropy 8 C",
        "model.gain_log + picture.beta_displacement_log[c],",
        "model.gain_log + picture.beta_displacement_log[0],",
    ),
    _STAGE(
        "residual-without-displacement",
        "The multiplier does not depend on the displacement.",
        "ignored",
        "model.gain_log + picture.beta_displacement_log[c],",
        "model.gain_log,",
    ),
    _STAGE(
        "residual-with-clipped-displacement",
        "The multiplier takes the displacement clipped to -1069..702.",
        "clip, entropy 1.3",
        "model.gain_log + picture.beta_displacement_log[c],",
        "model.gain_log + min(702, max(-1069, picture.beta_displacement_log[c])),",
    ),
)
