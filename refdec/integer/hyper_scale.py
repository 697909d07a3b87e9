"""The hyper scale decoder as an integer graph: from z_hat to the Q7 index of log sigma, as T.840.1 has it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refdec.errors import ModelError
from refdec.integer.graph import Graph, GraphInput, Node
from refdec.integer.nodes import IntArray

SIGMA_INDEX_MAX = 31 * 128 - 1
UPSCALE = 4
LATENT_STRIDE = 16


@dataclass(frozen=True)
class ScaleLayer:
    """Tensors of one layer.

    :param weight: int8 ``[out, in, k, k]``.
    :param bias: int32 ``[out]``.
    :param shift: 0..31, ``out`` entries of any shape and integer dtype (the official
        ``per_channel_shifts`` are int8 ``[1, out, 1, 1]``).
    """

    weight: IntArray
    bias: IntArray
    shift: IntArray


def hyper_scale_decoder_graph(
    conv1: ScaleLayer, depthwise: ScaleLayer, pointwise: ScaleLayer, *, groups: int = 1
) -> Graph:
    """Graph ``hyper_scale_decoder``: input ``z_hat`` [C, h/64, w/64], output ``log_sigma`` [C, h/16, w/16].

    Every layer clips its input to int8, so the clip range of one layer is the input range of the next; z_hat
    may be anything in -128..127 although the entropy coder only makes -31..31.

    :param groups: 1 in the standard; with more, every layer's weights are ``[out, in / groups, k, k]``, for
        small models.

    :raises ModelError: tensors of wrong dtype or shape, or shifts outside 0..31.
    """
    channels = groups * int(conv1.weight.shape[1]) if conv1.weight.ndim == 4 else 0
    limit = SIGMA_INDEX_MAX
    return Graph(
        (GraphInput("z_hat", channels, -128, 127, 0),),
        (
            # AN-HSD-01: max(0, .) followed by the next layer's clip to -128..127 is a clip to 0..127.
            _layer("conv1", "z_hat", conv1, 1, 0, 127, groups),
            _layer("depthwise", "conv1", depthwise, 3, 0, 127, groups),
            # AN-HSD-02: |v| clipped to 3967 is the same for v clipped to -3967..3967.
            _layer("pointwise", "depthwise", pointwise, 1, -limit, limit, groups),
            Node("shuffle", "pixel_shuffle", ("pointwise",), {"factor": UPSCALE}),
            Node("crop", "crop", ("shuffle",), {"divisor": LATENT_STRIDE}),
            Node("log_sigma", "abs", ("crop",), lo=0, hi=limit, fraction=7),
        ),
        ("log_sigma",),
    )


def _layer(name: str, source: str, layer: ScaleLayer, kernel: int, lo: int, hi: int, groups: int) -> Node:
    weight, bias = np.asarray(layer.weight), np.asarray(layer.bias)
    shift = np.asarray(layer.shift).reshape(-1)
    if weight.dtype != np.int8 or weight.ndim != 4 or weight.shape[2:] != (kernel, kernel):
        raise ModelError(
            f"hyper scale decoder {name}: weight is {weight.dtype} {list(weight.shape)}, "
            f"expected int8 [out, in, {kernel}, {kernel}]"
        )
    if shift.dtype.kind not in "iu" or (shift.size and not 0 <= int(shift.min()) <= int(shift.max()) <= 31):
        raise ModelError(f"hyper scale decoder {name}: shifts must be integers in 0..31")
    tensors = {"weight": weight, "bias": bias, "shift": shift.astype(np.uint8)}
    pad = (kernel // 2,) * 4
    return Node(name, "conv", (source,), {"pad": pad, "rounding": "floor", "groups": groups}, tensors, lo, hi)
