"""Rate control on made-up curves, and on pictures."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("torch")

from conformance.encoder.encode import Encoder
from conformance.encoder.machine import Machine
from conformance.encoder.rate import DELTA_RANGE, FULL_RANGE, TYPICAL_BPP, match_rate
from conformance.encoder.source import make_source
from refdec.models_io import ModelSet
from tests.encoder.float_models import picture

PIXELS = 400_000


class Curve:
    """Sizes of a codec: exponential in the displacement, bent, with a floor; counts what is asked."""

    def __init__(
        self, level: float = 1.0, slope: float = 0.0014, bend: float = 0.0, floor: int = 200
    ) -> None:
        self.level, self.slope, self.bend, self.floor = level, slope, bend, floor
        self.asked: list[tuple[int, int]] = []

    def __call__(self, model_id: int, delta: int) -> int:
        assert (model_id, delta) not in self.asked, "coded twice"
        self.asked.append((model_id, delta))
        low, high = FULL_RANGE
        assert low <= delta <= high
        return self.size(model_id, delta)

    def size(self, model_id: int, delta: int) -> int:
        growth = self.slope * delta + self.bend * (delta / 500) ** 3
        bits = self.level * TYPICAL_BPP[model_id] * PIXELS * math.exp(growth)
        return self.floor + 8 * round(bits / 8)


@settings(max_examples=300, deadline=None)
@given(
    level=st.floats(0.3, 3),
    slope=st.floats(0.0009, 0.0022),
    bend=st.floats(-0.02, 0.1),
    bpp=st.floats(0.1, 2.5),
)
def test_the_target_is_met_wherever_it_can_be(level: float, slope: float, bend: float, bpp: float) -> None:
    curve = Curve(level, slope, bend)
    target = bpp * PIXELS
    match = match_rate(target, curve, PIXELS, (0, 1, 2, 3))
    assert len(match.trials) == len(curve.asked)
    assert match.bits == curve.size(match.model_id, match.delta)
    ends = [curve.size(0, FULL_RANGE[0]), curve.size(3, FULL_RANGE[1])]
    if 1.01 * ends[0] < target < 0.99 * ends[1]:
        assert match.reached and abs(match.bits / target - 1) <= 0.01
        assert len(match.trials) <= 12
    elif not match.reached:
        assert match.bits == min(ends, key=lambda bits: abs(bits - target))


def test_few_trials_on_usual_curves() -> None:
    counts = []
    for level in (0.5, 0.7, 1.0, 1.25, 1.5):
        for bend in (0.0, 0.05):
            for bpp in (0.12, 0.25, 0.5, 0.75, 1.0):
                match = match_rate(bpp * PIXELS, Curve(level, 0.0013, bend), PIXELS, (0, 1, 2, 3))
                assert match.reached
                counts.append(len(match.trials))
    assert sum(counts) / len(counts) < 4
    assert max(counts) <= 6


def test_the_model_is_the_nearest_at_displacement_zero() -> None:
    for bpp in (0.15, 0.3, 0.45, 0.7, 1.2, 1.7):
        curve = Curve(level=1.3)
        match = match_rate(bpp * PIXELS, curve, PIXELS, (0, 1, 2, 3))
        ratio = {m: math.log(curve.size(m, 0) / (bpp * PIXELS)) for m in range(4)}
        near = [m for m in ratio if DELTA_RANGE[m][0] <= -ratio[m] / 0.0014 <= DELTA_RANGE[m][1]]
        assert match.model_id == min(near, key=lambda m: abs(ratio[m]))
        assert match.delta == pytest.approx(-ratio[match.model_id] / 0.0014, abs=10)


def test_one_model_alone_goes_to_its_end_and_says_so() -> None:
    match = match_rate(5.0 * PIXELS, Curve(), PIXELS, (1,))
    assert (match.model_id, match.delta, match.reached) == (1, 702, False)
    match = match_rate(0.01 * PIXELS, Curve(), PIXELS, (1,))
    assert (match.model_id, match.delta, match.reached) == (1, -1069, False)


def test_steps_that_are_too_coarse_end_with_the_nearest() -> None:
    """Nothing between two neighbouring displacements: the search ends there."""

    def steps(_model: int, delta: int) -> int:
        return 1000 if delta < 37 else 2000

    match = match_rate(1400, steps, PIXELS, (2,))
    assert not match.reached and match.bits == 1000 and match.delta < 37
    assert len(match.trials) <= 16


def test_sizes_that_wobble_are_survived() -> None:
    def wobbling(_model: int, delta: int) -> int:
        return int(100_000 * math.exp(0.0014 * delta) * (1 + 0.008 * (delta % 3 - 1)))

    assert match_rate(123_456, wobbling, PIXELS, (2,)).reached


def test_a_picture_is_coded_at_its_rate_and_analysed_once(float_models: ModelSet) -> None:
    encoder = Encoder(make_source(picture(160, 192)), Machine(float_models))
    middle = 8 * len(encoder.code(2, 100).data) / encoder.source.pixels
    encoder.trials.clear()
    coded, match = encoder.code_at_rate(middle * 1.07, (2,))
    assert match.reached and abs(8 * len(coded.data) / encoder.source.pixels / (middle * 1.07) - 1) <= 0.01
    assert match.bits == 8 * len(coded.data) and coded.picture.beta_displacement_log[0] == match.delta
    assert [t.size * 8 for t in encoder.trials] == [bits for _, _, bits in match.trials]
    assert list(encoder.seconds) == [2]
    assert encoder.naive_seconds == pytest.approx(
        encoder.spent_seconds + (len(encoder.trials) - 1) * encoder.seconds[2]
    )


def test_chroma_keeps_its_offset(float_models: ModelSet) -> None:
    encoder = Encoder(make_source(picture(64, 64)), Machine(float_models), chroma_offset=-150)
    assert encoder.code(1, 40).picture.beta_displacement_log == (40, -110)
    assert encoder.code(1, -1000).picture.beta_displacement_log == (-1000, -1069)
    assert encoder.code(1, -1000, 300).picture.beta_displacement_log == (-1000, 300)
    for wrong in ((-1070, 0), (0, 703)):
        with pytest.raises(ValueError, match=r"outside -1069\.\.702"):
            encoder.code(1, *wrong)
