"""eICCI, the inter-component filter: two-level Haar bands of a picture to corrections of them.

The modules carry the tensor names of the official checkpoints; the normalisations there are those of
inference, with running statistics. Values are samples divided by 255; of ``U`` and ``V``, 0.5 is grey.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from conformance.quantize.float_graph import FloatGraph, as_array

Array = npt.NDArray[np.float64]
BANDS = 16
"""Bands of a plane: ``4 * band of the first level + band of the second``."""
WIDTH = 48
LUMA_BLOCKS, CHROMA_BLOCKS = 2, 4
NETWORKS = tuple(f"{loss}{rate}" for loss in ("mse", "mss") for rate in ("012", "025", "050", "075", "100"))
"""The ten networks of a bank, in the order of their indices."""
SIGNS = torch.tensor([[1.0, 1, 1, 1], [-1, -1, 1, 1], [-1, 1, -1, 1], [1, -1, -1, 1]])
"""Rows LL, HL, LH, HH; columns top left, bottom left, top right, bottom right."""


def haar(plane: Tensor) -> Tensor:
    """``[N, C, H, W]``, even sides, to ``[N, 4C, H/2, W/2]``, the four bands of a channel together."""
    n, c, h, w = plane.shape
    h, w = h // 2, w // 2
    parts = plane.reshape(n, c, h, 2, w, 2).permute(0, 1, 5, 3, 2, 4).reshape(n, c, 4, h, w)
    return torch.einsum("bk,nckhw->ncbhw", SIGNS.to(plane) / 2, parts).reshape(n, 4 * c, h, w)


def inverse_haar(bands: Tensor) -> Tensor:
    """The inverse of :func:`haar`."""
    n, c, h, w = bands.shape
    parts = torch.einsum("bk,ncbhw->nckhw", SIGNS.to(bands) / 2, bands.reshape(n, c // 4, 4, h, w))
    return parts.reshape(n, c // 4, 2, 2, h, w).permute(0, 1, 4, 3, 5, 2).reshape(n, c // 4, 2 * h, 2 * w)


def picture_bands(planes: Tensor) -> Tensor:
    """``[N, 3, H, W]``, sides multiples of 4, to ``[N, 48, H/4, W/4]``: the bands of Y, U, V."""
    return haar(haar(planes))


def planes_of_bands(bands: Tensor) -> Tensor:
    """The inverse of :func:`picture_bands`, any number of planes."""
    return inverse_haar(inverse_haar(bands))


class _Block(nn.Module):
    """Residual block: a row and a column of three taps, each normalised, and a scale."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(WIDTH, WIDTH, (1, 3), padding=(0, 1))
        self.conv2 = nn.Conv2d(WIDTH, WIDTH, (3, 1), padding=(1, 0))
        self.BN1 = nn.BatchNorm2d(WIDTH)
        self.BN2 = nn.BatchNorm2d(WIDTH)
        self.scale = nn.Parameter(torch.full((1,), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.scale * self.BN2(self.conv2(F.relu(self.BN1(self.conv1(x)))))


class Eicci(nn.Module):
    """One network of the bank: a trunk for luma, and one for both chroma planes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_first_Y = nn.Conv2d(3 * BANDS, WIDTH, 3, padding=1)
        self.BNY = nn.BatchNorm2d(WIDTH)
        self.hidden_layer_Y = nn.Sequential(*(_Block() for _ in range(LUMA_BLOCKS)))
        self.conv_last_Y = nn.Conv2d(WIDTH, BANDS, 3, padding=1)
        self.scaleY = nn.Parameter(torch.full((1,), 0.1))
        self.conv_firstUV = nn.Conv2d(3 * BANDS, WIDTH, 3, padding=1)
        self.BNUV = nn.BatchNorm2d(WIDTH)
        self.hidden_layer_UV = nn.Sequential(*(_Block() for _ in range(CHROMA_BLOCKS)))
        self.conv_last_u = nn.Conv2d(WIDTH, BANDS, 3, padding=1)
        self.conv_last_v = nn.Conv2d(WIDTH, BANDS, 3, padding=1)
        self.scaleU = nn.Parameter(torch.full((1,), 0.1))
        self.scaleV = nn.Parameter(torch.full((1,), 0.1))
        self.eval()

    def luma(self, bands: Tensor) -> Tensor:
        """``[N, 48, h, w]`` to what is added to luma's bands, ``[N, 16, h, w]``."""
        trunk = self.hidden_layer_Y(F.relu(self.BNY(self.conv_first_Y(bands))))
        return self.conv_last_Y(trunk) * self.scaleY

    def chroma(self, bands: Tensor) -> Tensor:
        """The same for the bands of U and V, ``[N, 32, h, w]``."""
        trunk = self.hidden_layer_UV(F.relu(self.BNUV(self.conv_firstUV(bands))))
        return torch.cat((self.conv_last_u(trunk) * self.scaleU, self.conv_last_v(trunk) * self.scaleV), 1)

    def forward(self, planes: Tensor) -> Tensor:
        """All planes ``[N, 3, H, W]`` filtered; last row and column are repeated to multiples of 4."""
        h, w = planes.shape[-2:]
        bands = picture_bands(F.pad(planes, (0, -w % 4, 0, -h % 4), mode="replicate"))
        corrected = bands + torch.cat((self.luma(bands), self.chroma(bands)), 1)
        return planes_of_bands(corrected)[..., :h, :w]


def eicci_graphs(module: Eicci) -> dict[str, FloatGraph]:
    """Both trunks as float graphs ``bands`` -> ``delta``, normalisations and scales folded into convolutions.

    There a value 1 stands for 256 sample steps, not 255, so that bands are sums of samples, shifted.
    """
    trunks = {
        "luma": (
            (module.conv_first_Y, module.BNY),
            module.hidden_layer_Y,
            ((module.conv_last_Y, module.scaleY),),
        ),
        "chroma": (
            (module.conv_firstUV, module.BNUV),
            module.hidden_layer_UV,
            ((module.conv_last_u, module.scaleU), (module.conv_last_v, module.scaleV)),
        ),
    }
    graphs = {}
    for name, ((first, norm), blocks, lasts) in trunks.items():
        graph = FloatGraph(f"eicci.{name}")
        x = graph.input("bands", 3 * BANDS)
        weight, bias = _normalised(first, norm)
        x = graph.relu("first.relu", _conv(graph, "first", x, first, weight * (256 / 255), bias))
        for k, block in enumerate(blocks):
            assert isinstance(block, _Block)
            t = _conv(graph, f"block{k}.row", x, block.conv1, *_normalised(block.conv1, block.BN1))
            t = graph.relu(f"block{k}.relu", t)
            weight, bias = (v * as_array(block.scale) for v in _normalised(block.conv2, block.BN2))
            x = graph.add(f"block{k}", x, _conv(graph, f"block{k}.column", t, block.conv2, weight, bias))
        scaled = [(as_array(c.weight) * as_array(s), as_array(c.bias) * as_array(s)) for c, s in lasts]
        weight, bias = (torch.cat([torch.from_numpy(part[i]) for part in scaled]).numpy() for i in (0, 1))
        graph.output(_conv(graph, "delta", x, lasts[0][0], weight * (255 / 256), bias * (255 / 256)))
        graphs[name] = graph
    return graphs


def _normalised(layer: nn.Conv2d, norm: nn.BatchNorm2d) -> tuple[Array, Array]:
    """Weight and bias of a convolution with the normalisation behind it."""
    assert norm.running_mean is not None and norm.running_var is not None
    gain = as_array(norm.weight) / (as_array(norm.running_var) + norm.eps) ** 0.5
    bias = (as_array(layer.bias) - as_array(norm.running_mean)) * gain + as_array(norm.bias)
    return as_array(layer.weight) * gain[:, None, None, None], bias


def _conv(graph: FloatGraph, name: str, x: str, layer: nn.Conv2d, weight: Array, bias: Array) -> str:
    pad = (int(layer.padding[0]), int(layer.padding[1])) * 2
    return graph.conv(name, x, weight, bias, pad=pad)
