"""Scales, masks, segments, latent scaling and dequantisation on values worked out by hand or exactly."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refdec.entropy import engine
from refdec.entropy.tables import parameters, scaler_table
from tests.entropy import vectors
from tools.measure_dequantisation import RESIDUALS, domains, measure

GOLDEN = engine("golden")


def one(value: int) -> np.ndarray:
    return np.full((1, 1, 1), value, np.int32)


@pytest.mark.parametrize(
    ("scale_log", "level"),
    list(
        zip(
            (-9000, -65, -64, 0, 63, 64, 191, 192, 382, 3903, 3904, 3967, 9000),
            (0, 0, 0, 0, 0, 1, 1, 2, 3, 30, 31, 31, 31),
            strict=True,
        )
    ),
)
def test_level(scale_log: int, level: int) -> None:
    assert GOLDEN.levels(one(scale_log)).ravel().tolist() == [level]


def test_skip_scale_log_adds_everything() -> None:
    quality = np.array([[-8, 0], [1, 8]])
    base = np.full((2, 2, 2), 1000)
    found = GOLDEN.skip_scale_log(base, np.array([10, -2048]), -2048, quality)
    offsets = np.array([[-886, 0], [111, 886]])
    assert np.array_equal(found[0], 1000 + 10 - 2048 + offsets)
    assert np.array_equal(found[1], 1000 - 2048 - 2048 + offsets)
    plain = GOLDEN.skip_scale_log(base, np.array([10, 2047]), 2047, None)
    assert plain[:, 0, 0].tolist() == [1000 + 10 + 2047, 1000 + 2047 + 2047]


@pytest.mark.parametrize(
    ("base", "gain", "beta", "quality"),
    [(-1, 0, 0, 0), (3968, 0, 0, 0), (0, 2048, 0, 0), (0, 0, -2049, 0), (0, 0, 0, 9), (0, 0, 0, -9)],
)
def test_skip_scale_log_refuses(base: int, gain: int, beta: int, quality: int) -> None:
    with pytest.raises(ValueError):
        GOLDEN.skip_scale_log(one(base), np.array([gain]), beta, np.array([[quality]]))


def test_skip_threshold_is_strict() -> None:
    assert GOLDEN.skip_mask(np.array([[[381, 382, 383]]]), None).ravel().tolist() == [False, False, True]


@pytest.mark.parametrize(("height", "width"), [(1, 1), (16, 16), (17, 33), (18, 40)])
def test_each_cube_flag_covers_its_positions(height: int, width: int) -> None:
    low = np.full((2, height, width), -5)
    rows, columns = (height + 15) // 16, (width + 15) // 16
    covered = np.zeros((height, width), int)
    for phase in range(4):
        for row in range(rows):
            for column in range(columns):
                flags = np.ones((4, rows, columns), np.uint8)
                flags[phase, row, column] = 0
                mask = GOLDEN.skip_mask(low, flags)
                expected = np.zeros((height, width), bool)
                top, left = 16 * row + phase // 2, 16 * column + phase % 2
                expected[top : 16 * row + 16 : 2, left : 16 * column + 16 : 2] = True
                assert np.array_equal(mask, np.stack([expected, expected]))
                covered += expected
    assert np.array_equal(covered, np.ones_like(covered))


def test_cube_flags_of_a_wrong_shape() -> None:
    with pytest.raises(ValueError):
        GOLDEN.skip_mask(np.zeros((1, 17, 8), int), np.ones((4, 1, 1), np.uint8))


def test_likely_pads_with_1411_and_rounds_half_up() -> None:
    assert GOLDEN.likely_map(one(1411)).ravel().tolist() == [1411]
    # 63 positions outside: (x + 63 * 1411 + 32) >> 6.
    assert GOLDEN.likely_map(one(1411 + 31)).ravel().tolist() == [1411]
    assert GOLDEN.likely_map(one(1411 + 32)).ravel().tolist() == [1412]
    assert GOLDEN.likely_map(one(1411 - 32)).ravel().tolist() == [1411]
    assert GOLDEN.likely_map(one(1411 - 33)).ravel().tolist() == [1410]


def test_likely_is_clipped_and_blockwise() -> None:
    scale = np.zeros((1, 8, 16), int)
    scale[0, :, :8] = -700
    scale[0, :, 8:] = 6000
    likely = GOLDEN.likely_map(scale)
    assert np.unique(likely[0, :, :8]).tolist() == [0] and np.unique(likely[0, :, 8:]).tolist() == [4351]


def test_segments_begin_above_their_bound() -> None:
    bounds = parameters()["scaling_bounds"]
    for model_id in range(4):
        for k, bound in enumerate(bounds[model_id].tolist()):
            scale = parameters()["scaling_forward"][1, 0, model_id]
            for likely, segment in ((bound, k), (bound + 1, k + 1)):
                found = GOLDEN.variance_scaling(one(likely), model_id, True, None)
                assert found.forward.item() == scale[segment]
    likely = np.array([[[1377, 1378, 1379, 1411, 1412]]])
    assert GOLDEN.lsbs_segments(likely).ravel().tolist() == [0, 0, 1, 1, 2]


def test_grfs_flags_and_channels_without_flag() -> None:
    likely = np.zeros((4, 1, 1), np.int32)
    alone = GOLDEN.variance_scaling(likely, 2, False, np.array([0, 1]))
    assert alone.forward.ravel().tolist() == [125, 136, 125, 125]
    assert alone.log.ravel().tolist() == [-15, 39, -15, -15]
    assert alone.inverse.ravel().tolist() == [67109, 61681, 67109, 67109]
    both = GOLDEN.variance_scaling(likely, 0, True, np.array([1]))
    assert both.forward.ravel().tolist() == [122, 113, 113, 113]
    assert both.log.ravel().tolist() == [-31, -80, -80, -80]
    none = GOLDEN.variance_scaling(likely, 1, False, None)
    assert [np.unique(a).tolist() for a in none] == [[0], [65536], [128]]


def test_variance_scaling_refuses() -> None:
    for arguments in (
        (one(0), 4, True, None),
        (one(0), 0, True, np.array([0, 1])),
        (one(4352), 0, True, None),
    ):
        with pytest.raises(ValueError):
            GOLDEN.variance_scaling(*arguments)


INT32 = st.integers(-(2**31) + 1, 2**31 - 1)


@settings(max_examples=100, deadline=None)
@given(INT32, INT32, st.integers(0, 2), st.integers(0, 3))
def test_lsbs(y: int, residual: int, segment: int, model_id: int) -> None:
    a = int(parameters()["lsbs_mean"][model_id][segment])
    b = int(parameters()["lsbs_residual"][model_id][segment])
    change = Fraction(a * (y - residual) + b * residual, 8192)
    nearest = (change + Fraction(1, 2)).__floor__()
    expected = min(max(y + nearest, -(2**31) + 1), 2**31 - 1)
    segments = np.full((1, 1, 1), segment, np.uint8)
    assert GOLDEN.lsbs(one(y), one(residual), segments, model_id).item() == expected


@pytest.mark.parametrize("name", vectors.stream_names())
def test_lsbs_of_a_stream(name: str) -> None:
    """Latents rounded to 12 fraction bits, scaled in integers, stay within one step of the reference."""
    for component in vectors.stream_components(name):
        if (after := component.get("y_hat")) is None:
            continue
        y = np.rint(component["y_hat_before_lsbs"].astype(np.float64) * 4096).astype(np.int64)
        residual = np.rint(component["residual_dequant"].astype(np.float64) * 4096).astype(np.int64)
        segments = GOLDEN.lsbs_segments(component["rvs_likely"])
        found = GOLDEN.lsbs(y, residual, segments, component.model_id)
        distance = np.abs(found - after.astype(np.float64) * 4096)
        # Half a step from rounding y, at most 56/8192 of that from the products, half from the result.
        assert distance.max() <= 1.01
        assert (found != y).any()


def exact(r: int, index: int, quality: int | None, inverse: int | None) -> int:
    value = Fraction(r * 4096) * 1024 / int(scaler_table()[index + 4096])
    if quality is not None:
        value = value * 16 / int(parameters()["quality_linear"][quality + 8])
    if inverse is not None:
        value = value * inverse / 65536
    return min(max((value + Fraction(1, 2)).__floor__(), -(2**31) + 1), 2**31 - 1)


@settings(max_examples=300, deadline=None)
@given(
    st.integers(-32768, 32767),
    st.integers(-4096, 4094),
    st.none() | st.integers(-8, 8),
    st.none() | st.sampled_from(parameters()["scaling_inverse"].ravel().tolist()),
)
def test_dequantise_is_the_rounded_rational(
    r: int, index: int, quality: int | None, inverse: int | None
) -> None:
    quality_map = None if quality is None else np.array([[quality]])
    multiplier = None if inverse is None else one(inverse)
    found = GOLDEN.dequantise(one(r), np.array([index]), quality_map, multiplier)
    assert found.item() == exact(r, index, quality, inverse)


def test_dequantise_known_values() -> None:
    assert GOLDEN.dequantise(one(1), np.array([0]), None, None).item() == 4096
    assert GOLDEN.dequantise(one(-3), np.array([-1069]), np.array([[0]]), None).item() == -16 * 4096
    assert GOLDEN.dequantise(one(5), np.array([0]), np.array([[-8]]), None).item() == 20 * 4096
    assert GOLDEN.dequantise(one(32767), np.array([-4096]), None, None).item() == 2**31 - 1
    assert GOLDEN.dequantise(one(-32768), np.array([-4096]), None, None).item() == -(2**31) + 1


def test_dequantise_rounds_halves_up() -> None:
    """8/65536 * 4096 is one half: odd values lie exactly between two integers."""
    values = np.array([[[1, 3, -1, -3]]])
    found = GOLDEN.dequantise(values, np.array([0]), None, np.full((1, 1, 4), 8))
    assert found.ravel().tolist() == [1, 2, 0, -1]


def test_dequantise_refuses() -> None:
    for arguments in (
        (one(32768), np.array([0]), None, None),
        (one(0), np.array([4095]), None, None),
        (one(0), np.array([-4097]), None, None),
        (one(0), np.array([0]), np.array([[9]]), None),
    ):
        with pytest.raises(ValueError):
            GOLDEN.dequantise(*arguments)


def test_distance_to_float32_on_a_part_of_the_domain() -> None:
    """A part of what tools/measure_dequantisation.py measures; the bounds are those of AR-DEQ-04."""
    gain = domains()["gain"][::64]
    inverses = [None, 52429, 72944]
    found = measure(gain, inverses, RESIDUALS[::3])
    assert found.cases == len(gain) * 17 * 3 * len(RESIDUALS[::3])
    assert found.relative < 2**-22.5
    assert found.largest_below_1024 <= 1.0


def test_float32_multipliers_differ_from_the_table_at_few_places() -> None:
    found = domains()
    assert len(found["gain"]) == 4096
    assert len(found["reachable, equal multiplier"]) + len(found["other multiplier"]) == 8191
    # Exponentials of float32 libraries differ in the last place; never inside the gain's own range.
    assert len(found["other multiplier"]) < 40
    assert not len(found["other multiplier"]) or int(np.abs(found["other multiplier"]).min()) > 2047
