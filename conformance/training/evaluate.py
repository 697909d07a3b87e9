"""Judging a trained set: signal-to-noise ratios, the codec in float, Bjontegaard's rate difference."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from conformance.encoder.closed_loop import Coded
from conformance.encoder.machine import Machine
from conformance.encoder.payloads import region_payloads, steps_of
from conformance.encoder.quantise import Steps, dequantise, quantise
from conformance.networks.context import PHASES, chroma_mean
from conformance.training.codec import ComponentCodec
from conformance.training.pictures import to_yuv
from refdec.codestream import assemble
from refdec.codestream.geometry import latent_size

UInt8 = npt.NDArray[np.uint8]
Float64 = npt.NDArray[np.float64]
Codecs = tuple[ComponentCodec, ComponentCodec]


def psnr(found: UInt8, expected: UInt8) -> tuple[float, float, float]:
    """PSNR of Y, U and V (BT.709) of two RGB pictures ``[H, W, 3]``, in dB, at most 99."""
    error = (to_yuv(found).double() - to_yuv(expected).double()).square().mean((1, 2))
    values = 10 * torch.log10(255.0**2 / error.clamp(min=255.0**2 * 10**-9.9))
    return float(values[0]), float(values[1]), float(values[2])


@torch.no_grad()
def float_codec(coded: Coded, codecs: Codecs, machine: Machine) -> tuple[int, UInt8]:
    """Bytes and picture of the same codec with float networks, in a closed loop of its own.

    Hyper-latents, scales, masks and headers are those of ``coded`` (4:4:4, one region, no map): the integer
    stage is part of both. Means, latents and samples are float, so symbols may differ.

    :returns: size of the codestream, RGB ``[h, w, 3]``.
    """
    picture, prepared = coded.picture, coded.prepared
    size, grid = (picture.height, picture.width), latent_size(picture.height, picture.width)
    y_hats, payloads = [], []
    for c, codec in enumerate(codecs):
        scales = coded.beliefs[c].scales
        steps = steps_of(picture, c, machine.models.entropy(picture.model_id, c), scales, None)
        mask = scales.mask.copy()
        mask[picture.components[c].num_chs :] = False
        symbols = np.zeros(mask.shape, np.int32)
        psi = codec.hyper_decoder(torch.from_numpy(prepared.latents.z_hat[c].astype(np.float32))[None], size)
        y = torch.from_numpy(prepared.latents.y[c])[None]

        def code(
            difference: Tensor,
            at: tuple[slice, ...],
            steps: Steps = steps,
            mask: npt.NDArray[np.bool_] = mask,
            log_sigma: npt.NDArray[np.int32] = scales.log,
            symbols: npt.NDArray[np.int32] = symbols,
        ) -> Tensor:
            rows, columns = mask[at].shape[1:]
            part = Steps(
                steps.scaler,
                None,
                *(None if t is None else t[at] for t in (steps.forward, steps.inverse)),
            )
            values = quantise(
                difference[0, :, :rows, :columns].numpy(), part, mask[at],
                rate_weight=coded.rate_weight, log_sigma=log_sigma[at],
            )  # fmt: skip
            symbols[at] = values
            out = torch.zeros_like(difference)
            out[0, :, :rows, :columns] = torch.from_numpy(dequantise(values, part))
            return out

        if codec.context is None:
            mean = chroma_mean(psi, grid)
            y_hat = mean + code(y - mean, (slice(None),) * 3)
        else:
            windows = [(slice(None), slice(row, None, 2), slice(column, None, 2)) for row, column in PHASES]
            y_hat = codec.context.encode(y, psi, lambda phase, d, w=windows: code(d, w[phase]))
        y_hats.append(y_hat)
        payloads.append(region_payloads(picture, c, scales, symbols, machine.entropy))
    luma = codecs[0].synthesis.signal(y_hats[0], size)
    chroma = codecs[1].synthesis.signal(torch.cat(y_hats, dim=1), size)
    samples = (torch.cat((luma, chroma), dim=1)[0] * 128 + 127.5).clamp(0, 255)
    data = assemble(picture, z=prepared.z_payload, residuals=(payloads[0], payloads[1]), tools=coded.tools)
    return len(data), to_rgb(samples[:, : picture.display_height, : picture.display_width])


def to_rgb(yuv: Tensor) -> UInt8:
    """Y, U, V ``[3, h, w]``, 0..255, BT.709 full range, to RGB ``[h, w, 3]``."""
    y, u, v = yuv.double()
    u, v = u - 127.5, v - 127.5
    red, blue = y + 1.5748 * v, y + 1.8556 * u
    green = (y - 0.2126 * red - 0.0722 * blue) / 0.7152
    return torch.stack((red, green, blue), dim=-1).round().clamp(0, 255).to(torch.uint8).numpy()


def with_pillow(rgb: UInt8, codec: str, setting: float) -> tuple[int, UInt8]:
    """A picture through a codec of Pillow's: bytes and the decoded picture.

    :param codec: ``JPEG`` or ``WebP`` (setting: quality), ``JPEG 2000`` (setting: bits per pixel).
    """
    options: dict[str, object] = {"quality": round(setting)}
    if codec == "JPEG":
        options |= {"optimize": True}
    elif codec == "WebP":
        options |= {"method": 6}
    else:
        options = {"quality_mode": "rates", "quality_layers": [24 / setting]}
        options |= {"irreversible": True, "mct": 1}
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, codec.replace(" ", ""), **options)  # type: ignore[arg-type]
    size = buffer.tell()
    with Image.open(buffer) as decoded:
        return size, np.asarray(decoded.convert("RGB"))


def bd_rate(anchor: Sequence[tuple[float, float]], tested: Sequence[tuple[float, float]]) -> float | None:
    """Bjontegaard's rate difference of two curves of (rate, PSNR): the mean of the rate's logarithm over the
    common range of PSNR, as a ratio less 1; negative where ``tested`` needs less.

    The curves are monotone cubic interpolants. ``None`` without a common range or monotone curves.
    """
    curves = []
    for points in (anchor, tested):
        ordered = sorted(points, key=lambda p: p[1])
        quality = np.array([p[1] for p in ordered])
        rate = np.log([p[0] for p in ordered])
        if len(ordered) < 3 or bool((np.diff(quality) <= 0).any()) or bool((np.diff(rate) <= 0).any()):
            return None
        curves.append((quality, rate))
    low = max(quality[0] for quality, _ in curves)
    high = min(quality[-1] for quality, _ in curves)
    if high <= low:
        return None
    at = np.linspace(low, high, 2001)
    first, second = (monotone_cubic(quality, rate, at) for quality, rate in curves)
    gap = second - first
    mean = (gap[0] / 2 + gap[1:-1].sum() + gap[-1] / 2) / (len(at) - 1)
    return float(np.expm1(mean))


def monotone_cubic(x: Float64, y: Float64, at: Float64) -> Float64:
    """Fritsch and Carlson's interpolant (harmonic means inside, one-sided slopes at the ends)."""
    width, slope = np.diff(x), np.diff(y) / np.diff(x)
    tangent = np.empty_like(x)
    tangent[0], tangent[-1] = slope[0], slope[-1]
    left, right = 2 * width[1:] + width[:-1], width[1:] + 2 * width[:-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        inner = (left + right) / (left / slope[:-1] + right / slope[1:])
    tangent[1:-1] = np.where(slope[:-1] * slope[1:] > 0, inner, 0)
    k = np.clip(np.searchsorted(x, at, side="right") - 1, 0, len(x) - 2)
    t, h = (at - x[k]) / width[k], width[k]
    return np.asarray(
        y[k] * (1 + 2 * t) * (1 - t) ** 2
        + h * tangent[k] * t * (1 - t) ** 2
        + y[k + 1] * t * t * (3 - 2 * t)
        - h * tangent[k + 1] * t * t * (1 - t)
    )
