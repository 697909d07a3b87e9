"""What decoding a picture will allocate, known from its header before anything is allocated."""

from __future__ import annotations

from refdec.codestream import CHANNELS, PictureHeader
from refdec.codestream.geometry import hyper_size, latent_size
from refdec.errors import ResourceLimitError
from refdec.limits import Limits

# Bytes per latent element at the entropy stage's peak. Kept to its end for both components: log-sigma,
# residual and dequantised residual (int32 each), two uint8 maps. While a component runs, on top of that:
# its raw and skip scale logs, likely map, three tensors of the residual variance scaling and a 64-bit
# intermediate of the integer engines.
_KEPT = 3 * 4 + 2
_WORKING = 6 * 4 + 2 * 8
# Bytes per hyper-latent element: z_hat, and the activations of the hyper scale decoder's narrow layers.
_HYPER = 24


def entropy_memory(picture: PictureHeader) -> int:
    """Upper estimate, in bytes, of what the entropy stage of this picture allocates."""
    lh, lw = latent_size(picture.height, picture.width)
    hz, wz = hyper_size(picture.height, picture.width)
    # The hyper scale decoder works on whole 4x4 blocks, before the crop to the latent size.
    blocks = max(lh * lw, 16 * hz * wz)
    kept = sum(CHANNELS) * blocks * _KEPT
    working = max(CHANNELS) * (blocks * _WORKING + hz * wz * _HYPER)
    return kept + working


def require_memory(needed: int, limits: Limits) -> None:
    """:raises ResourceLimitError: ``needed`` bytes are more than the caller allows."""
    if needed > limits.max_memory_bytes:
        raise ResourceLimitError(
            "decoding this picture would need more memory than allowed",
            element="PIH",
            expected=f"at most {limits.max_memory_bytes} bytes",
            found=f"about {needed} bytes",
        )
