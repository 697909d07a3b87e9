"""Layer norm and channel attention of the twin (AN-NORM, AN-ATT)."""

from __future__ import annotations

import torch

from conformance.twin.exact import binary_exponent, floor_divide, floor_sqrt, power_of_two, require_exact
from refdec.integer import exp2


def layer_norm(
    name: str, a: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, epsilon: int
) -> torch.Tensor:
    """Accumulator of a layer norm: ``a`` [1, C, H, W], ``weight`` and ``bias`` [1, C, 1, 1]."""
    channels = a.shape[1]
    # C * sum (v - mean)^2 * C, written as a sum over pairs of moments that stay below 2^53.
    squares = channels * a.square().sum(dim=1, keepdim=True)
    require_exact(name, "sum of squares", squares)
    total = a.sum(dim=1, keepdim=True)
    energy = squares - total.square() + epsilon
    j = torch.floor((48 - binary_exponent(energy)) / 2)
    root = floor_sqrt(energy * power_of_two(2 * j))
    inverse = floor_divide(torch.full_like(root, 2.0**47), root)
    product = (channels * a - total) * power_of_two(j) * inverse
    require_exact(name, "normalised value", product.abs() + 2.0**32)
    normalised = torch.floor((product + 2.0**32) / 2.0**33)
    require_exact(name, "scaled value", (normalised * weight).abs() + bias.abs())
    return normalised * weight + bias


def channel_attention(name: str, a: torch.Tensor, heads: int, temperature: torch.Tensor) -> torch.Tensor:
    """Accumulator of a channel attention: ``a`` [1, 3C, H, W], ``temperature`` [heads] -> [1, C, H, W]."""
    third = a.shape[1] // 3
    rows, columns = a.shape[2:]
    q, k, v = (part.reshape(heads, third // heads, -1) for part in a[0].split(third))
    positions = rows * columns
    require_exact(name, "sum over positions", a.abs().amax().square() * positions)
    weights = _attention_weights(name, q, k, temperature[:, None, None])
    mixed = torch.matmul(weights, v)
    return mixed.reshape(1, third, rows, columns)


def norm(squares: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Exponent and 26-bit norm for sums of squares; 0 is treated as 1 and masked by the caller."""
    safe = torch.clamp(squares, min=1.0)
    exponent = torch.floor((52 - binary_exponent(safe)) / 2)
    return exponent, floor_sqrt(torch.floor(safe * power_of_two(2 * exponent)))


def _attention_weights(
    name: str, q: torch.Tensor, k: torch.Tensor, temperature: torch.Tensor
) -> torch.Tensor:
    """Weights with 15 fraction bits, [heads, c, c], for ``q`` and ``k`` [heads, c, N]."""
    gram = torch.matmul(q, k.transpose(1, 2))
    q_squares = q.square().sum(dim=2)[:, :, None]
    k_squares = k.square().sum(dim=2)[:, None, :]
    (q_exponent, q_norm), (k_exponent, k_norm) = norm(q_squares), norm(k_squares)
    g = torch.floor(gram * power_of_two(q_exponent + k_exponent))
    u = floor_divide(g, q_norm.expand_as(g)) * 2.0**24
    require_exact(name, "scaled cosine", u.abs() + k_norm)
    r = floor_divide(u + torch.floor(k_norm / 2), k_norm.expand_as(u))
    r = torch.where((q_squares > 0) & (k_squares > 0), r, torch.zeros_like(r))
    logits = r * temperature
    distance = logits.amax(dim=2, keepdim=True) - logits
    d = torch.floor((distance + 2.0**23) / 2.0**24)
    whole = torch.floor(d / 65536)
    part = (d - whole * 65536).to(torch.int64)
    high = torch.tensor(exp2.HIGH, dtype=torch.float64, device=q.device)[part // 256]
    low = torch.tensor(exp2.LOW, dtype=torch.float64, device=q.device)[part % 256]
    e = torch.floor(torch.floor(high * low / 2.0**26) / power_of_two(torch.clamp(whole, max=60.0)))
    z = e.sum(dim=2, keepdim=True)
    weights = floor_divide(e * 2.0**15 + torch.floor(z / 2), z.expand_as(e))
    return torch.clamp(weights, max=32767.0)
