"""Layer norm and channel attention of the float32 path (AN-NORM, AN-ATT): matrix products in float32, the
rest in integers."""

from __future__ import annotations

import torch
from torch.nn import functional

from conformance.twin.checks import Checks, positions
from conformance.twin.exact import InexactError
from conformance.twin.integers import bit_length, floor_divide, floor_sqrt, scale
from conformance.twin.products import cut
from conformance.twin.split import LIMIT, WHOLE, Part, parts
from refdec.integer import exp2
from refdec.integer.proof import attention_weight_sum

MIN_CHUNK = 256
"""With fewer positions at a time, cutting q and k in two is cheaper than adding up the chunks."""
BATCH = 1 << 24
"""Elements of the sums of all chunks that are held at once."""


def layer_norm(a: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, epsilon: int) -> torch.Tensor:
    """Accumulator, int64 [C, H, W], of a layer norm: ``a`` int32 [C, H, W], parameters int64 [C, 1, 1].

    All intermediates are below 2^53 by AN-PROOF-05.
    """
    a = a.to(torch.int64)
    channels = a.shape[0]
    total = a.sum(dim=0, keepdim=True)
    energy = channels * (a * a).sum(dim=0, keepdim=True) - total * total + epsilon
    j = torch.bitwise_right_shift(48 - bit_length(energy), torch.ones_like(energy))
    root = floor_sqrt(scale(energy, 2 * j), 24)
    inverse = floor_divide(torch.full_like(root, 1 << 47), root)
    product = scale(channels * a - total, j.expand_as(a)) * inverse
    normalised = torch.bitwise_right_shift(product + (1 << 32), torch.full_like(product, 33))
    return normalised * weight + bias


def channel_attention(
    name: str,
    a: torch.Tensor,
    heads: int,
    temperature: torch.Tensor,
    largest: tuple[int, int],
    checks: Checks,
) -> torch.Tensor:
    """Accumulator, int64 [C, H, W], of a channel attention.

    :param a: int32 [3C, H, W].
    :param temperature: int64 [heads, 1, 1].
    :param largest: proved magnitudes of q and k, and of v.
    """
    third = a.shape[0] // 3
    q, k, v = (part.reshape(heads, third // heads, -1) for part in a.split(third))
    products = gram(name, q, k, largest[0])
    checks.compare(name, products.diagonal(dim1=1, dim2=2), (q * k).sum(dim=2, dtype=torch.int64))
    weights = _attention_weights(q, k, products, temperature)
    mixed = _mix(name, weights, v, largest[1])
    at = positions(v.shape[2], v.device)
    expected = weights.sum(dim=1)[:, :, None] * v.index_select(2, at).to(torch.int64)
    checks.compare(name, mixed.index_select(2, at).sum(dim=1), expected.sum(dim=1))
    return mixed.reshape(third, *a.shape[1:])


def norm(squares: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Exponent and 26-bit norm for int64 sums of squares; 0 is treated as 1 and masked by the caller."""
    safe = squares.clamp(min=1)
    exponent = torch.bitwise_right_shift(52 - bit_length(safe), torch.ones_like(safe))
    return exponent, floor_sqrt(scale(safe, 2 * exponent), 26)


def gram(name: str, q: torch.Tensor, k: torch.Tensor, largest: int) -> torch.Tensor:
    """``sum_n q_in k_jn``, int64 [heads, c, c], for ``q`` and ``k`` int32 [heads, c, N]."""
    pieces = WHOLE if positions_at_once(largest, WHOLE) >= MIN_CHUNK else parts(8)
    count = min(positions_at_once(largest, pieces), q.shape[2])
    if count < 1:
        raise InexactError(f"{name}: values up to {largest}, float32 is not exact even in parts")
    padded = [functional.pad(x, (0, -x.shape[2] % count)) for x in (q, k)]
    heads, width, length = padded[0].shape
    cuts = [[cut(x, piece).reshape(heads, width, -1, count) for piece in pieces] for x in padded]
    total = torch.zeros((heads, width, width), dtype=torch.int64, device=q.device)
    step = max(1, BATCH // (heads * width * width))
    for first in range(0, length // count, step):
        for left, a in zip(pieces, cuts[0], strict=True):
            for right, b in zip(pieces, cuts[1], strict=True):
                x, y = (t[:, :, first : first + step].transpose(1, 2).flatten(0, 1) for t in (a, b))
                sums = torch.bmm(x, y.transpose(1, 2)).to(torch.int64).reshape(heads, -1, width, width)
                total += sums.sum(dim=1) * (1 << (left.shift + right.shift))
    return total


def positions_at_once(largest: int, pieces: tuple[Part, ...]) -> int:
    """How many positions one product in float32 may add up, for q and k of a magnitude."""
    return LIMIT // max(1, max(piece.largest(largest) for piece in pieces) ** 2)


def _mix(name: str, weights: torch.Tensor, v: torch.Tensor, largest: int) -> torch.Tensor:
    """``sum_j P_ij v_j``: the weights are not negative and a row of them has a proved sum (AN-PROOF-04)."""
    row = attention_weight_sum(v.shape[1])
    pieces = WHOLE if row * largest <= LIMIT else parts(8)
    bound = row * max(piece.largest(largest) for piece in pieces)
    if bound > LIMIT:
        raise InexactError(f"{name}: a sum of products may reach {bound}, float32 is exact up to {LIMIT}")
    left = weights.to(torch.float32)
    out = torch.zeros(v.shape, dtype=torch.int64, device=v.device)
    for piece in pieces:
        out += torch.bmm(left, cut(v, piece)).to(torch.int64) * (1 << piece.shift)
    return out


def _attention_weights(
    q: torch.Tensor, k: torch.Tensor, products: torch.Tensor, temperature: torch.Tensor
) -> torch.Tensor:
    """Weights with 15 fraction bits, int64 [heads, c, c], for ``q`` and ``k`` int32 [heads, c, N]."""
    q_squares, k_squares = ((x * x).sum(dim=2, dtype=torch.int64) for x in (q, k))
    q_squares, k_squares = q_squares[:, :, None], k_squares[:, None, :]
    (q_exponent, q_norm), (k_exponent, k_norm) = norm(q_squares), norm(k_squares)
    g = scale(products, q_exponent + k_exponent)
    u = floor_divide(g, q_norm.expand_as(g)) * (1 << 24)
    half = torch.bitwise_right_shift(k_norm, torch.ones_like(k_norm))
    r = floor_divide(u + half, k_norm.expand_as(u))
    r = torch.where((q_squares > 0) & (k_squares > 0), r, torch.zeros_like(r))
    logits = r * temperature
    distance = logits.amax(dim=2, keepdim=True) - logits
    d = scale(distance + (1 << 23), torch.full_like(distance, -24))
    whole = scale(d, torch.full_like(d, -16))
    part = d - whole * 65536
    high, low = (torch.tensor(t, dtype=torch.int64, device=q.device) for t in (exp2.HIGH, exp2.LOW))
    coarse = scale(part, torch.full_like(part, -8))
    e = scale(high[coarse] * low[part - coarse * 256], torch.full_like(part, -26))
    e = torch.bitwise_right_shift(e, whole.clamp(max=60))
    z = e.sum(dim=2, keepdim=True)
    half = torch.bitwise_right_shift(z, torch.ones_like(z))
    weights = floor_divide(e * (1 << 15) + half, z.expand_as(e))
    return weights.clamp(max=32767)
