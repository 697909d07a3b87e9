"""What a device must do for float32 to be exact: full products, and integers that are integers."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from math import isqrt

import numpy as np
import torch

from conformance.twin.exact import InexactError
from conformance.twin.integers import bit_length, floor_divide, floor_sqrt, scale
from conformance.twin.products import sum_of_taps
from conformance.twin.split import LIMIT

ENVIRONMENT = ("NVIDIA_TF32_OVERRIDE", "CUBLAS_EMULATE_SINGLE_PRECISION", "ONEDNN_DEFAULT_FPMATH_MODE")
"""Variables that make libraries round whatever PyTorch asks for; ``0`` and ``STRICT`` are harmless."""
KINDS = ("cpu", "cuda", "mps")
_checked: set[str] = set()


def unusable(device: str, precision: str) -> str | None:
    """Why the twin cannot run on a PyTorch device of this machine; ``None`` if it can.

    :param device: ``cpu``, ``cuda`` or ``mps``, perhaps with a number (``cuda:1``).
    :param precision: ``float64`` or ``float32``.
    """
    kind, _, number = device.partition(":")
    if kind not in KINDS or (number and not number.isdecimal()):
        return f"expected {', '.join(KINDS)}, or one of several, as in cuda:1"
    if kind == "mps" and precision == "float64":
        return "Apple's processors have no float64; float32 is exact too"
    counts = {"cpu": 1, "cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if int(number or 0) >= counts[kind]:
        return f"PyTorch finds no device {device} here"
    return None


@contextlib.contextmanager
def full_products(device: torch.device) -> Iterator[None]:
    """Within the block no matrix product of float32 is computed with less: no TF32, no bfloat16, no autocast.

    :raises InexactError: PyTorch does not take it, or the environment forces something else.
    """
    for name in ENVIRONMENT:
        if os.environ.get(name, "").upper() not in ("", "0", "STRICT"):
            raise InexactError(f"{name}={os.environ[name]} has libraries round products of float32")
    settings = (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)
    before = [setting.fp32_precision for setting in settings]
    try:
        for setting in settings:
            setting.fp32_precision = "ieee"
            if setting.fp32_precision != "ieee":
                raise InexactError("PyTorch keeps products of reduced precision")
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        for setting, value in zip(settings, before, strict=True):
            setting.fp32_precision = value


def require_exact_device(device: torch.device) -> None:
    """Have a device compute what it can only get right without rounding; once for each in a process.

    To be called inside :func:`full_products`.

    :raises InexactError: it rounds.
    """
    name = str(device)
    if name not in _checked:
        check(device)
        _checked.add(name)


def check(device: torch.device) -> None:
    """The check itself.

    :raises InexactError: the device rounds.
    """
    for groups, outputs, inputs, length in ((1, 48, 96, 260), (1, 7, 5, 33), (3, 32, 64, 300), (2, 3, 2, 5)):
        for turned in (False, True):
            _check_products(device, groups, outputs, inputs, length, turned)
    _check_sums(device)
    _check_integers(device)


def extreme_factors(groups: int, outputs: int, inputs: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights [2, groups, outputs, inputs] and activations [groups, inputs, length + 1] with sums of 24 bits.

    They are 4095 * 4095 + 2 * 4095 = 4097 * 4095 = 2^24 - 1: factors of 12 and 13 bits, beyond TF32 (11) and
    bfloat16 (8), and a product of their low halves that sums of products of halves leave out.
    """
    rng = np.random.default_rng(outputs)
    weight = np.zeros((2, groups, outputs, inputs), np.int64)
    for g in range(groups):
        for o in range(outputs):
            sign = 1 - 2 * (o % 2)
            first, second = rng.permutation(inputs)[:2]
            if o % 3 == 2:
                weight[1, g, o, first] = sign * 4097
            else:
                weight[0, g, o, first], weight[1, g, o, second] = sign * 4095, sign * 2
    activations = rng.choice(np.array([-4095, 4095, 1, -1, 0]), (groups, inputs, length + 1))
    return weight, activations


def _check_products(
    device: torch.device, groups: int, outputs: int, inputs: int, length: int, turned: bool
) -> None:
    weight, activations = extreme_factors(groups, outputs, inputs, length)
    expected = weight[0] @ activations[:, :, :length] + weight[1] @ activations[:, :, 1:]
    assert int(np.abs(expected).max()) == LIMIT - 1
    w, x = (torch.from_numpy(v.astype(np.float32)).to(device) for v in (weight, activations))
    out = torch.full((groups, outputs, length + 3), 0.5, dtype=torch.float32, device=device)
    if turned:
        x, out = (v.transpose(1, 2).contiguous().transpose(1, 2) for v in (x, out))
    found = out[:, :, :length]
    sum_of_taps(w, [x, x], [0, 1], found)
    _require(device, "products of 12 bits", found, expected)


def _check_sums(device: torch.device) -> None:
    """1024 products of 14 bits add up to 2^24; every second partial sum is odd."""
    rng = np.random.default_rng(1)
    a = rng.choice(np.array([127, -127, 128, -128]), (2, 40, 1024))
    b = rng.choice(np.array([127, -127, 128, -128]), (2, 1024, 64))
    a[:, 0], b[:, :, 0] = 128, 128
    a[:, 1], b[:, :, 1] = 127, -127
    x, y = (torch.from_numpy(v.astype(np.float32)).to(device) for v in (a, b))
    _require(device, "sums of 1024 products", torch.bmm(x, y), a @ b)
    _require(device, "sums of 1024 products", torch.mm(x[0], y[0]), a[0] @ b[0])
    ones = rng.integers(-1, 2, (40, 64))
    left, right = np.eye(64, 40, dtype=np.int64) * (LIMIT - 1), ones
    x, y = (torch.from_numpy(v.astype(np.float32)).to(device) for v in (left, right))
    _require(device, "factors of 24 bits", torch.mm(x, y), left @ right)


def _check_integers(device: torch.device) -> None:
    """Int64 beyond 2^24 and 2^31, with both signs, by the operations that the path uses."""
    values = [2**52 - 1, 2**47, 2**31 + 1, 2**24 + 1, 1000003, 4, 3, 1]
    both = torch.tensor(values + [-v for v in values], dtype=torch.int64)
    there = both.to(device)
    plain = [int(v) for v in both]

    def require(what: str, found: torch.Tensor, expected: list[int]) -> None:
        _require(device, what, found, np.array(expected, np.int64))

    require("division", floor_divide(there, torch.full_like(there, 4097)), [v // 4097 for v in plain])
    require("shift", torch.bitwise_right_shift(there, torch.full_like(there, 3)), [v >> 3 for v in plain])
    require("scaling", scale(there, torch.full_like(there, 5)), [v << 5 for v in plain])
    require("product", there * 511 + 7, [v * 511 + 7 for v in plain])
    require("sum", there.cumsum(0)[-1:] + there.abs().sum(), [sum(map(abs, plain))])
    require("largest", (there + 1).amax(dim=0, keepdim=True), [max(plain) + 1])
    require("square root", floor_sqrt(there[:8], 26), [isqrt(v) for v in plain[:8]])
    require("bits", bit_length(there[:8]), [v.bit_length() for v in plain[:8]])
    require("range", there.clamp(-32767, 32767), [max(-32767, min(32767, v)) for v in plain])
    ends = [2**31 - 1, -(2**31), 2**30 + 1, -(2**24) - 1, 77, -77]
    narrow = torch.tensor(ends, dtype=torch.int32).to(device)
    shift = torch.tensor([1, 31, 7, 3, 0, 5], dtype=torch.int32).to(device)
    require(
        "shift of 32 bits",
        torch.bitwise_right_shift(narrow, shift),
        [v >> s for v, s in zip(ends, shift.tolist(), strict=True)],
    )
    floats = torch.tensor([LIMIT, -LIMIT, LIMIT - 1, 1 - LIMIT], dtype=torch.float32).to(device)
    total = torch.full((4,), 5, dtype=torch.int32).to(device).add_(floats.to(torch.int32), alpha=64)
    require("parts put together", total, [5 + 64 * int(v) for v in floats.tolist()])


def _require(device: torch.device, what: str, found: torch.Tensor, expected: np.ndarray) -> None:
    values = found.cpu()
    # Floating results may have any type here, integers must not be rounded by the comparison.
    values = (values.to(torch.float64) if values.is_floating_point() else values).numpy()
    wrong = values != expected
    if bool(wrong.any()):
        first = tuple(int(i) for i in np.argwhere(wrong)[0])
        raise InexactError(f"{device}: {what} are not exact: {values[first]} instead of {expected[first]}")
