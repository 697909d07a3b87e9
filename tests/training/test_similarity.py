"""MS-SSIM against its definition, computed sample by sample."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from conformance.training.similarity import SCALE_WEIGHTS, SMALLEST_SIDE, ms_ssim


def plain(x: np.ndarray, y: np.ndarray) -> float:
    """As defined, with windows cut out one by one."""
    at = np.arange(11) - 5
    line = np.exp(-(at**2) / (2 * 1.5**2))
    window = np.outer(line, line) / line.sum() ** 2
    result = 1.0
    for scale, weight in enumerate(SCALE_WEIGHTS):
        a, b = (np.lib.stride_tricks.sliding_window_view(p, (11, 11)) for p in (x, y))
        mean_a, mean_b = ((p * window).sum((-1, -2)) for p in (a, b))
        var_a, var_b = ((p * p * window).sum((-1, -2)) - m * m for p, m in ((a, mean_a), (b, mean_b)))
        covariance = (a * b * window).sum((-1, -2)) - mean_a * mean_b
        factor = (2 * covariance + 58.5225) / (var_a + var_b + 58.5225)
        if scale == 4:
            factor = factor * (2 * mean_a * mean_b + 6.5025) / (mean_a**2 + mean_b**2 + 6.5025)
        result *= factor.mean() ** weight
        x, y = (p.reshape(p.shape[0] // 2, 2, p.shape[1] // 2, 2).mean((1, 3)) for p in (x, y))
    return float(result)


def test_as_defined() -> None:
    random = np.random.default_rng(3)
    expected = np.cumsum(random.normal(0, 9, (2, 192, 224)), axis=1) % 256
    found = np.clip(expected + random.normal(0, 12, expected.shape), 0, 255)
    values = ms_ssim(torch.from_numpy(found)[:, None], torch.from_numpy(expected)[:, None])
    for n in range(2):
        assert float(values[n]) == pytest.approx(plain(found[n], expected[n]), abs=1e-9)
    assert 0 < float(values[0]) < 1


def test_equal_pictures_are_the_maximum_and_it_has_a_slope() -> None:
    x = torch.rand(1, 1, SMALLEST_SIDE, SMALLEST_SIDE, dtype=torch.float64) * 255
    assert float(ms_ssim(x, x)) == pytest.approx(1)
    noisy = (x + torch.randn_like(x) * 20).requires_grad_()
    ms_ssim(noisy, x).sum().backward()
    assert noisy.grad is not None and bool(noisy.grad.isfinite().all()) and bool(noisy.grad.any())


def test_too_small() -> None:
    x = torch.zeros(1, 1, SMALLEST_SIDE - 1, 300)
    with pytest.raises(ValueError, match="176"):
        ms_ssim(x, x)
