"""Rate-distortion measurements: known curves, and the float codec beside the integer one."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from conformance.encoder.encode import Encoder
from conformance.encoder.machine import Machine
from conformance.encoder.options import Tools
from conformance.encoder.source import make_source
from conformance.networks.pictures import generated_pictures
from conformance.training.codec import ComponentCodec
from conformance.training.evaluate import bd_rate, float_codec, monotone_cubic, psnr, to_rgb, with_pillow
from conformance.training.export import CALIBRATION_PICTURES, CALIBRATION_SIZE, calibration_pictures
from conformance.training.pictures import to_yuv
from refdec.models_io import ModelSet
from tests.encoder.float_models import picture


def test_psnr_of_known_errors() -> None:
    rgb = np.full((16, 16, 3), 100, np.uint8)
    assert psnr(rgb, rgb) == (99.0, 99.0, 99.0)
    other = rgb.copy()
    other[..., :] = 105
    y, u, v = psnr(other, rgb)
    assert y == pytest.approx(20 * math.log10(255 / 5), abs=1e-3) and u > 90 and v > 90
    blue = rgb.copy()
    blue[..., 2] = 110
    y, u, v = psnr(blue, rgb)
    assert y == pytest.approx(20 * math.log10(255 / 0.722), abs=1e-2)
    assert u == pytest.approx(20 * math.log10(255 * 1.8556 / 9.278), abs=1e-2)


def test_colour_goes_there_and_back() -> None:
    rgb = picture(40, 50)
    np.testing.assert_array_equal(to_rgb(to_yuv(rgb)), rgb)


def test_rate_difference_of_shifted_curves() -> None:
    curve = [(0.1 * 1.7**k, 28 + 2.2 * k - 0.07 * k * k) for k in range(7)]
    assert bd_rate(curve, curve) == pytest.approx(0, abs=1e-12)
    more = [(1.1 * rate, quality) for rate, quality in curve]
    assert bd_rate(curve, more) == pytest.approx(0.1, abs=1e-9)
    assert bd_rate(more, curve) == pytest.approx(1 / 1.1 - 1, abs=1e-9)
    assert bd_rate(curve, [(r, q + 40) for r, q in curve]) is None
    assert bd_rate(curve[:2], curve) is None
    assert bd_rate([*curve, (9.0, 20.0)], curve) is None


def test_the_interpolant_meets_its_points_and_is_monotone() -> None:
    x = np.array([0.0, 1, 1.5, 4, 9])
    y = np.array([0.0, 0.1, 3, 3.2, 10])
    np.testing.assert_allclose(monotone_cubic(x, y, x), y)
    fine = monotone_cubic(x, y, np.linspace(0, 9, 5000))
    assert (np.diff(fine) >= -1e-12).all() and fine.max() == pytest.approx(10)


@pytest.mark.parametrize(
    ("codec", "low", "high"), [("JPEG", 10, 90), ("WebP", 5, 90), ("JPEG 2000", 0.5, 3.0)]
)
def test_other_codecs(codec: str, low: float, high: float) -> None:
    rgb = picture(96, 128)
    sizes, qualities = [], []
    for setting in (low, high):
        size, decoded = with_pillow(rgb, codec, setting)
        sizes.append(size)
        qualities.append(psnr(decoded, rgb)[0])
    assert sizes[0] < sizes[1] and 15 < qualities[0] < qualities[1]
    if codec == "JPEG 2000":
        assert 8 * sizes[1] / (96 * 128) == pytest.approx(3.0, rel=0.05)


def test_the_float_codec_codes_under_the_same_headers(float_models: ModelSet) -> None:
    """With other networks its symbols differ, and so its size; nothing is coded where the mask is false."""
    torch.manual_seed(1)
    codecs = (ComponentCodec(0).eval(), ComponentCodec(1).eval())
    rgb = picture(72, 90)
    encoder = Encoder(make_source(rgb), Machine(float_models), Tools(rvs=(True, True)))
    sizes = []
    for delta in (-300, 300):
        coded = encoder.code(0, delta)
        size, shown = float_codec(coded, codecs, encoder.machine)
        assert shown.shape == rgb.shape and shown.dtype == np.uint8
        sizes.append((size, len(coded.data)))
    assert sizes[0][0] < sizes[1][0] and all(ours != theirs for ours, theirs in sizes)


def test_calibration_sees_photographs_and_extremes() -> None:
    pictures = [picture(300 + k, 400, k) for k in range(20)]
    found = calibration_pictures(pictures)
    assert len(found) == CALIBRATION_PICTURES + len(generated_pictures())
    assert all(rgb.shape[:2] == CALIBRATION_SIZE for rgb in found)
    np.testing.assert_array_equal(found[0], pictures[0][22:278, 40:360])
    assert len(calibration_pictures(pictures[:3])) == 3 + len(generated_pictures())
    colours = {tuple(c) for c in np.unique(found[-1].reshape(-1, 3), axis=0).tolist()}
    assert colours >= {(0, 0, 0), (255, 255, 255), (255, 0, 0)}
