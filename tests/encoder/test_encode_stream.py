"""Whole streams from residuals: what is written decodes to what was quantised, and decisions hold."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.encoder import decisions
from conformance.encoder.payloads import (
    encode_payloads,
    quantise_component,
    with_cube_flags,
    with_quality_map,
)
from conformance.encoder.quantise import Steps, dequantise, linear_gain, quality_factor, quantise
from conformance.verify.build import draw_quality_map, draw_z, picture_header
from conformance.verify.cases import Case, Part
from conformance.verify.synthetic import Splitmix
from refdec import entropy
from refdec.codestream import CHANNELS, Dialect, assemble, parse
from refdec.codestream.geometry import hyper_size, latent_size
from refdec.decoder import Settings, decode_payloads
from refdec.entropy import THREAD_COUNTS
from refdec.models_io import ModelSet

GOLDEN = entropy.engine("golden")
SIZES = st.tuples(st.integers(64, 150), st.integers(64, 150))


def parts(c: int) -> st.SearchStrategy[Part]:
    """What one component does."""
    return st.builds(
        Part,
        threads=st.sampled_from(THREAD_COUNTS),
        channels=st.integers(0, 24) | st.just(CHANNELS[c]),
        rvs=st.booleans(),
        grfs=st.booleans(),
        lsbs=st.booleans(),
        beta=st.integers(-1069, 702),
    )


CASES = st.builds(
    Case,
    name=st.just("drawn"),
    purpose=st.just(""),
    size=SIZES,
    model=st.integers(0, 3),
    parts=st.tuples(parts(0), parts(1)),
    threads_z=st.sampled_from(THREAD_COUNTS),
    threads_q=st.sampled_from(THREAD_COUNTS),
    quality=st.sampled_from(["none", "even", "odd", "steep"]),
    rounding=st.sampled_from(["floor", "truncate"]),
    dialect=st.sampled_from(["t840", "dis"]),
)


def draw_difference(random: Splitmix, c: int, size: tuple[int, int]) -> npt.NDArray[np.float32]:
    """``y - mean``: mostly small, some large."""
    shape = (CHANNELS[c], *latent_size(*size))
    small = random.integers(-400, 400, shape).astype(np.float32) / np.float32(256)
    large = random.integers(-6000, 6000, shape).astype(np.float32) / np.float32(256)
    return np.where(random.integers(0, 40, shape) == 0, large, small)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=CASES, seed=st.integers(0, 1 << 32), cubes=st.booleans())
def test_what_is_encoded_is_decoded(case: Case, seed: int, cubes: bool, synthetic_models: ModelSet) -> None:
    random = Splitmix(seed)
    picture = picture_header(case, random)
    quality_map = draw_quality_map(case, random)
    models = (synthetic_models.entropy(case.model, 0), synthetic_models.entropy(case.model, 1))
    z_hats = [draw_z(random, CHANNELS[c], *hyper_size(*case.size)) for c in (0, 1)]
    differences = [draw_difference(random, c, case.size) for c in (0, 1)]
    gains = (case.parts[0].grfs, case.parts[1].grfs)
    if quality_map is not None:
        picture = with_quality_map(picture, quality_map, GOLDEN, case.rounding, case.threads_q)
    symbols = []
    for c in (0, 1):
        picture, of_component = quantise_component(
            picture, c, models[c], z_hats[c], differences[c], quality_map, GOLDEN,
            choose_cubes=cubes, choose_gains=gains[c],
        )  # fmt: skip
        symbols.append(of_component)
    payloads = encode_payloads(
        picture, models, z_hats, symbols, quality_map, GOLDEN, quality_rounding=case.rounding
    )
    data = assemble(picture, z=payloads.z, residuals=payloads.residual, quality=payloads.quality)
    stream = parse(data, Dialect(case.dialect))
    result = decode_payloads(stream, synthetic_models, Settings("golden", quality_rounding=case.rounding))
    if quality_map is None:
        assert result.quality_map is None
    else:
        np.testing.assert_array_equal(result.quality_map, quality_map)
    for c in (0, 1):
        np.testing.assert_array_equal(result.components[c].z_hat, z_hats[c])
        assert stream.picture.components[c] == picture.components[c]
        np.testing.assert_array_equal(result.components[c].residual, symbols[c])


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 40)), seed=st.integers(0, 1 << 32)
)
def test_cube_flags_are_what_their_definition_says(shape: tuple[int, int, int], seed: int) -> None:
    error = np.zeros(shape, np.float32)
    random = Splitmix(seed)
    for _ in range(4):
        c, y, x = (int(random.integers(0, n - 1, ())) for n in shape)
        error[c, y, x] = float(random.integers(1, 5, ()))
    flags = decisions.cube_flags(error)
    expected = np.ones_like(flags)
    for c, y, x in zip(*np.nonzero(error > 3), strict=True):
        assert 0 <= c < shape[0]
        expected[2 * (y & 1) + (x & 1), (y >> 1) >> 3, (x >> 1) >> 3] = 0
    np.testing.assert_array_equal(flags, expected)


def test_cube_threshold_is_three_and_strict() -> None:
    error = np.zeros((1, 16, 16), np.float32)
    error[0, 4, 6] = 3.0
    assert decisions.cube_flags(error).all()
    error[0, 4, 6] = np.nextafter(np.float32(3), np.float32(4))
    flags = decisions.cube_flags(error)
    assert flags[0, 0, 0] == 0 and flags.sum() == 3


def test_channels_beyond_the_coded_ones_count_in_chroma_only() -> None:
    difference = np.zeros((96, 4, 4), np.float32)
    difference[90] = 50
    steps = Steps(linear_gain(np.zeros(96, np.int64))[:, None, None], None, None, None)
    mask = np.ones(difference.shape, np.bool_)
    assert decisions.choose_cube_flags(difference, steps, mask, 96, 1).all()
    assert not decisions.choose_cube_flags(difference, steps, mask, 40, 1).any()
    assert decisions.choose_cube_flags(difference, steps, mask, 40, 0).all()


def test_chosen_cubes_hold_the_error_down(synthetic_models: ModelSet) -> None:
    """At a displacement at which nearly all is skipped, cubes with large differences are coded after all."""
    case = Case("low", "", (96, 96), parts=(Part(beta=-1069), Part(beta=-1069)))
    random = Splitmix(7)
    picture, model = picture_header(case, random), synthetic_models.entropy(0, 0)
    z_hat = draw_z(random, 160, *hyper_size(*case.size))
    difference = draw_difference(random, 0, case.size)
    reached = []
    for choose in (False, True):
        decided, symbols = quantise_component(
            picture, 0, model, z_hat, difference, None, GOLDEN, choose_cubes=choose
        )
        steps = Steps(linear_gain(model.gain_log - 1069)[:, None, None], None, None, None)
        reached.append(float(np.abs(dequantise(symbols, steps) - difference).max()))
        assert bool(decided.components[0].use_cube_flags) == choose
    assert reached[0] > 3 > 0 and reached[1] < reached[0]


def test_gain_flags_break_ties_by_the_lower_channel() -> None:
    log_skip = np.zeros((96, 2, 2), np.int32)
    log_skip[50] = 4
    assert np.flatnonzero(decisions.grfs_flags(log_skip, 1, 0, 96)).tolist() == [*range(9), 50]
    assert len(decisions.grfs_flags(log_skip, 1, 0, 30)) == 30


@pytest.mark.parametrize(
    ("zeros", "index"), [(0, 7), (24, 7), (25, 6), (50, 5), (70, 4), (80, 3), (90, 2), (95, 1), (99, 0)]
)
def test_entropy_index_thresholds(zeros: int, index: int) -> None:
    deltas = np.ones((10, 10), np.int32)
    deltas.reshape(-1)[100 - zeros :] = 0
    deltas[0, 0] = 0
    if zeros:
        deltas.reshape(-1)[100 - zeros] = 1
    assert decisions.quality_entropy_index(deltas) == (index if zeros else 7)


def test_quantiser_order_is_one_operation_at_a_time() -> None:
    """Gain, then map, then variance scaling, each rounded to float32."""
    random = Splitmix(3)
    difference = random.integers(-(1 << 20), 1 << 20, (4, 3, 5)).astype(np.float32) / np.float32(1000)
    scaler = linear_gain(np.array([-1069, 0, 100, 702]))
    assert scaler.tolist() == [0.1875, 1.0, 1.169921875, 3.0009765625]
    quality_map = random.integers(-8, 8, (3, 5))
    forward = random.integers(110, 190, (4, 3, 5)).astype(np.int32)
    inverse = ((1 << 23) // forward).astype(np.int32)
    steps = Steps(scaler[:, None, None], quality_factor(quality_map), forward, inverse)
    coded = random.integers(0, 3, (4, 3, 5)) > 0
    found = quantise(difference, steps, coded)
    for position in np.ndindex(difference.shape):
        value = np.float32(difference[position] * scaler[position[0]])
        value = np.float32(value * steps.quality[position[1:]])
        value = np.float32(np.float32(value * np.float32(forward[position])) / np.float32(128))
        assert found[position] == (int(np.rint(np.clip(value, -32768, 32767))) if coded[position] else 0)


def test_removing_cube_flags_gives_a_header_without_them() -> None:
    picture = picture_header(Case("x", "", (64, 64), parts=(Part(cubes=True), Part())), Splitmix(1))
    assert picture.components[0].use_cube_flags == 1
    bare = with_cube_flags(picture, 0, None)
    assert bare.components[0].cube_flags is None and bare.components[0].cube_groups == ()
