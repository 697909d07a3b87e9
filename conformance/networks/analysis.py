"""Analysis transforms, samples to latent, for BOP (which serves SOP too) and HOP. Encoder only.

The primary transform reads ``[N, 1, H, W]``, the secondary one ``[N, 12, ceil(H/2), ceil(W/2)]`` (four phases
of Y, U and V each), both in ``[0, 255]``. Odd maps are padded before every layer that halves them.
"""

from __future__ import annotations

from torch import Tensor, nn

from conformance.networks.primitives import (
    ConvolutionalAttention,
    ResAU,
    TransformerAttention,
    conv1,
    conv3,
    pad_to_even,
)

GROUPS = 4


class Analysis(nn.Module):
    """All four analysis transforms; the subclasses fix planes, depth and attention.

    :param planes: input channels (1 or 12).
    :param latent: channels of the latent.
    :param width: channels of the maps between.
    :param primary: the primary transform has one halving more than the secondary one.
    :param attention: the modules TAM and cab of the high operating point.
    """

    def __init__(self, planes: int, latent: int, width: int, *, primary: bool, attention: bool) -> None:
        super().__init__()
        self.conv1 = conv3(planes, width, stride=2)
        self.act1 = ResAU(width, GROUPS)
        self.TAM = TransformerAttention(width, resample=primary) if attention else None
        self.conv2 = conv3(width, width, stride=2)
        self.act2 = ResAU(width, GROUPS)
        self.cab = ConvolutionalAttention(width) if attention else None
        self.conv3 = conv3(width, width, stride=2)
        self.act3 = ResAU(width, GROUPS)
        self.conv4 = conv3(width, latent, stride=2) if primary else None
        self.conv5 = conv1(latent if primary else width, latent)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act1(self.conv1(pad_to_even((x - 127.5) / 128)))
        x = pad_to_even(x)
        if self.TAM is not None:
            x = self.TAM(x)
        x = pad_to_even(self.act2(self.conv2(x)))
        if self.cab is not None:
            x = self.cab(x)
        x = self.act3(self.conv3(x))
        if self.conv4 is not None:
            x = self.conv4(pad_to_even(x))
        return self.conv5(x)


class PrimaryAnalysisBOP(Analysis):
    """Luma, base operating point."""

    def __init__(self, latent: int = 160, width: int = 128) -> None:
        super().__init__(1, latent, width, primary=True, attention=False)


class SecondaryAnalysisBOP(Analysis):
    """Chroma, base operating point."""

    def __init__(self, latent: int = 96, width: int = 128) -> None:
        super().__init__(12, latent, width, primary=False, attention=False)


class PrimaryAnalysisHOP(Analysis):
    """Luma, high operating point."""

    def __init__(self, latent: int = 160, width: int = 128) -> None:
        super().__init__(1, latent, width, primary=True, attention=True)


class SecondaryAnalysisHOP(Analysis):
    """Chroma, high operating point."""

    def __init__(self, latent: int = 96, width: int = 128) -> None:
        super().__init__(12, latent, width, primary=False, attention=True)


ANALYSIS: dict[tuple[str, int], type[Analysis]] = {
    ("bop", 0): PrimaryAnalysisBOP,
    ("bop", 1): SecondaryAnalysisBOP,
    ("hop", 0): PrimaryAnalysisHOP,
    ("hop", 1): SecondaryAnalysisHOP,
}
"""Analysis transform by operating point and component (0 luma, 1 chroma); SOP uses BOP's."""
