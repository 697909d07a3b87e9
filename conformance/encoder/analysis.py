"""The float half of the encoder: weights from a file, picture to latents, in strips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from conformance.encoder.source import Source
from conformance.networks.analysis import ANALYSIS
from conformance.networks.hyper import HyperEncoder, quantise_z
from conformance.training.light import BLOCKS, REACH, LightAnalysis, LightHyperEncoder
from refdec.codestream.geometry import CHANNELS, Rect, ceil_div, hyper_size, latent_size
from refdec.errors import ModelError
from refdec.models_io import COMPONENT_NAMES, ModelSet

Float32 = npt.NDArray[np.float32]
Int8 = npt.NDArray[np.int8]
BUNDLED = Path(__file__).parent.parent / "models"
WEIGHTS = {"bop": "encoder.safetensors", "hop": "encoder_hop.safetensors"}
"""Files of the encoder's weights: what serves every operating point, and the analysis transform of HOP."""
STRIP = 32
"""Latent rows that are analysed at a time."""
LATENT_STEP = 16
TILE, TILE_OVERLAP = 1024, 64
"""Luma samples of a tile of the standard's analysis transforms, and of what two tiles share."""
TILED_FROM = TILE * TILE


@dataclass(frozen=True)
class Latents:
    """What the float networks make of a picture, luma and chroma. It does not depend on the rate.

    :param y: float32 ``[C, lh, lw]`` each.
    :param z_hat: int8 ``[C, hz, wz]`` each, -31..31.
    """

    y: tuple[Float32, Float32]
    z_hat: tuple[Int8, Int8]


class FloatEncoder:
    """Analysis transform and hyper-encoder of both components of one model.

    The light transform works in strips that change nothing; the standard's in the tiles of the reference
    encoder, each of which makes its own hyper-latents.
    """

    def __init__(self, networks: Sequence[tuple[nn.Module, nn.Module]], device: str = "cpu") -> None:
        self.device = torch.device(device)
        self.networks = [
            (analysis.eval().to(self.device), hyper.eval().to(self.device)) for analysis, hyper in networks
        ]

    @torch.no_grad()
    def analyse(self, source: Source) -> Latents:
        """Picture to latents; memory beyond them does not grow with the picture's height.

        :raises ModelError: a latent is no finite number.
        """
        y, z_hat = [], []
        for component, (analysis, hyper_encoder) in enumerate(self.networks):
            if isinstance(analysis, LightAnalysis):
                latent = self._latent(source, component, analysis)
                z = quantise_z(hyper_encoder(latent))
            else:
                latent, z = self._tiled(source, component, analysis, hyper_encoder)
            if not (torch.isfinite(latent).all() and torch.isfinite(z).all()):
                raise ModelError("the encoder's weights make latents that are no numbers: they are damaged")
            y.append(latent[0].cpu().numpy())
            z_hat.append(z[0].cpu().numpy().astype(np.int8))
        return Latents((y[0], y[1]), (z_hat[0], z_hat[1]))

    def _tiled(
        self, source: Source, component: int, analysis: nn.Module, hyper_encoder: nn.Module
    ) -> tuple[Tensor, Tensor]:
        """Latent and hyper-latent, tile by tile: later tiles replace the earlier ones' where they meet."""
        height, width = source.size
        y = torch.zeros(1, CHANNELS[component], *latent_size(height, width))
        z = torch.zeros(1, CHANNELS[component], *hyper_size(height, width))
        for tile in analysis_tiles(source.size):
            if component == 0:
                planes = source.luma(tile.y, tile.y + tile.h)[..., tile.x : tile.x + tile.w]
            else:
                columns = slice(tile.x // 2, ceil_div(tile.x + tile.w, 2))
                planes = source.chroma_planes(tile.y, tile.y + tile.h)[..., columns]
            part = analysis(planes.to(self.device))
            hyper = quantise_z(hyper_encoder(part)).cpu()
            top, left = tile.y // 64, tile.x // 64
            z[..., top : top + hyper.shape[-2], left : left + hyper.shape[-1]] = hyper
            # the rows and columns next to another tile were made without what lies behind them
            skip = [(TILE_OVERLAP // 2 // LATENT_STEP) * (start > 0) for start in (tile.y, tile.x)]
            core = part[..., skip[0] :, skip[1] :].cpu()
            top, left = tile.y // LATENT_STEP + skip[0], tile.x // LATENT_STEP + skip[1]
            y[..., top : top + core.shape[-2], left : left + core.shape[-1]] = core
        return y, z

    def _latent(self, source: Source, component: int, analysis: LightAnalysis) -> Tensor:
        height = source.size[0]
        rows = ceil_div(height, LATENT_STEP)
        planes = source.luma if component == 0 else source.chroma_planes
        parts = []
        for first in range(0, rows, STRIP):
            last = min(first + STRIP, rows)
            above, below = min(first, REACH), min(rows - last, REACH)
            start, stop = (first - above) * LATENT_STEP, min((last + below) * LATENT_STEP, height)
            part = analysis(planes(start, stop).to(self.device))
            parts.append(part[:, :, above : above + last - first])
        return torch.cat(parts, dim=2)


def analysis_tiles(size: tuple[int, int]) -> list[Rect]:
    """Tiles of the reference encoder's analysis, row by row: one below a megapixel."""
    height, width = size
    if height * width <= TILED_FROM:
        return [Rect(0, 0, height, width)]
    steps = [min(TILE, n) - TILE_OVERLAP for n in size]
    return [
        Rect(y, x, min(TILE, height - y), min(TILE, width - x))
        for y in range(0, height - TILE_OVERLAP, steps[0])
        for x in range(0, width - TILE_OVERLAP, steps[1])
    ]


def weights_path(models: ModelSet, model_id: int, point: str = "bop") -> Path:
    """Where the encoder's weights of one model lie: beside its decoder files, or with this package.

    :param point: ``hop`` for the analysis transform of the high operating point, where there is one.
    :raises ModelError: nowhere.
    """
    name = Path(f"model{model_id}") / WEIGHTS["bop"]
    if point == "hop" and models.root is not None:
        high = models.root / f"model{model_id}" / WEIGHTS["hop"]
        if high.is_file():
            return high
    folders = [] if models.root is None else [models.root, BUNDLED / models.root.name]
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    places = " or ".join(str(folder / name) for folder in folders) or "a folder"
    raise ModelError(f"no encoder weights for model {model_id}: expected them in {places}")


def has_weights(models: ModelSet, model_id: int) -> bool:
    """Whether pictures can be coded with a model."""
    try:
        weights_path(models, model_id)
    except ModelError:
        return False
    return True


def load_float_encoder(
    models: ModelSet, model_id: int, device: str = "cpu", point: str = "bop"
) -> FloatEncoder:
    """The float networks of one model: light ones, or the standard's of BOP or HOP, as the file has them.

    :param point: default operating point of the stream to make, ``sop``, ``bop`` or ``hop``.
    :raises ModelError: no weights, or weights of other networks.
    """
    path = weights_path(models, model_id, point)
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{path}: cannot read the encoder's weights ({error})") from error
    networks: list[tuple[nn.Module, nn.Module]] = []
    for component, part in enumerate(COMPONENT_NAMES):
        analysis, hyper_encoder = _networks(component, f"{part}.analysis.", tensors)
        for name, network in (("analysis", analysis), ("hyper_encoder", hyper_encoder)):
            _fill(network, tensors, f"{part}.{name}.", path)
        networks.append((analysis, hyper_encoder))
    return FloatEncoder(networks, device)


def _networks(component: int, prefix: str, tensors: dict[str, Tensor]) -> tuple[nn.Module, nn.Module]:
    if f"{prefix}conv5.weight" not in tensors:
        return LightAnalysis(component), LightHyperEncoder(component)
    attentive = any(name.startswith(f"{prefix}TAM.") for name in tensors)
    return ANALYSIS["hop" if attentive else "bop", component](), HyperEncoder(CHANNELS[component])


def _fill(network: nn.Module, tensors: dict[str, Tensor], prefix: str, path: Path) -> None:
    state = {name[len(prefix) :]: value.float() for name, value in tensors.items() if name.startswith(prefix)}
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in state.items()}
    if found != expected:
        wrong = sorted(n for n in expected.keys() | found.keys() if expected.get(n) != found.get(n))
        raise ModelError(f"{path}: '{prefix}{wrong[0]}' is absent, unknown or misshapen")
    for name, value in state.items():
        if not torch.isfinite(value).all():
            raise ModelError(f"{path}: '{prefix}{name}' has values that are no numbers")
    network.load_state_dict(state)


def choose_device(name: str) -> str:
    """``cpu`` or ``cuda``; ``auto`` takes CUDA where there is one.

    :raises ModelError: CUDA is asked for and not there.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise ModelError("this machine has no CUDA device that PyTorch can use")
    return name


assert tuple(LATENT_STEP // block for block in BLOCKS) == (1, 2)
