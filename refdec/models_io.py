"""Model sets on disk: which file holds what, read only when a stream asks for it.

A set is a folder with one folder a rate point::

    DIR/model<m>/entropy_Y.safetensors    hyper scale decoder, gain vector, z distribution
    DIR/model<m>/entropy_UV.safetensors
    DIR/model<m>/latent_Y.safetensors     hyper-decoder and context model
    DIR/model<m>/latent_UV.safetensors    hyper-decoder
    DIR/model<m>/{sop,bop,hop}_{Y,UV}.safetensors   synthesis transforms
    DIR/model<m>/rectifier_{Y,UV}.safetensors       quantisation rectifiers, which the standard has not

and, for all rate points together, the networks of the post-filter eICCI, ten in each of two banks::

    DIR/eicci_{bop,hop}_<k>.safetensors

Any subset may be there: a missing file is an error only for the stream that needs it, and the error
names the file and the command that makes it. No stream needs a rectifier: without the file none runs. These
files may also lie in a folder of their own (:func:`with_rectifiers`), so that the set stays what it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from refdec.codestream import CHANNELS
from refdec.errors import ModelError
from refdec.integer.graph import Graph
from refdec.integer.model_file import Model, load_model
from refdec.networks.eicci import EicciModel, eicci_model
from refdec.networks.models import (
    RECTIFIER,
    LatentModel,
    RectifierModel,
    SynthesisModel,
    latent_model,
    rectifier_model,
    synthesis_model,
)
from refdec.official_files import checkpoint_name

COMPONENT_NAMES = ("Y", "UV")
MODEL_IDS = (0, 1, 2, 3)
KINDS = ("entropy", "latent", "sop", "bop", "hop")
BUNDLED = "models/lite"
BUNDLED_RECTIFIERS = "models/lite-rectifier"
EICCI_BANKS = ("bop", "hop")
EICCI_NETWORKS = 10
HYPER_SCALE_DECODER = "hyper_scale_decoder"
GAIN_LOG_MIN, GAIN_LOG_MAX = -2048, 2047
Z_SYMBOLS = 63


@dataclass(frozen=True)
class EntropyModel:
    """What the entropy stage of one component needs.

    :param graph: the integer hyper scale decoder, input ``z_hat``, output the scale index in Q7.
    :param gain_log: int32 ``[C]``, gain of a channel in Q7 log units.
    :param z_cdf: uint8 ``[C, 63]``, cumulative distribution of the hyper-latent's symbols.
    :param digest: SHA-256 of the model file's canonical content.
    """

    graph: Graph
    gain_log: npt.NDArray[np.int32]
    z_cdf: npt.NDArray[np.uint8]
    digest: str


@dataclass
class ModelSet:
    """The models that a decoder may draw on.

    :param root: folder of the set; ``None`` for a set that exists in memory only.
    :param loaded: models by ``(model_id, kind, component)``, filled on demand.
    :param rectifiers: folder of the rectifiers; ``None``: those in ``root``.
    """

    root: Path | None
    loaded: dict[tuple[int, str, int], Model] = field(default_factory=dict)
    rectifiers: Path | None = None
    _entropy: dict[tuple[int, int], EntropyModel] = field(default_factory=dict)
    _latent: dict[tuple[int, int], LatentModel] = field(default_factory=dict)
    _synthesis: dict[tuple[int, str, int], SynthesisModel] = field(default_factory=dict)
    _rectifier: dict[tuple[int, int], RectifierModel] = field(default_factory=dict)
    loaded_eicci: dict[tuple[str, int], Model] = field(default_factory=dict)
    _eicci: dict[tuple[str, int], EicciModel] = field(default_factory=dict)

    def __getstate__(self) -> dict[str, object]:
        # Other processes get the models, and derive from them again what is kept beside them.
        derived = ("_entropy", "_latent", "_synthesis", "_rectifier", "_eicci")
        return {**self.__dict__, **{name: {} for name in derived}}

    def has(self, model_id: int, kind: str, component: int) -> bool:
        """Whether there is such a model or model file; a file may still turn out to be damaged."""
        if (model_id, kind, component) in self.loaded:
            return True
        folder = self._folder(kind)
        return folder is not None and (folder / file_name(model_id, kind, component)).is_file()

    def _folder(self, kind: str) -> Path | None:
        return self.rectifiers if kind == RECTIFIER and self.rectifiers is not None else self.root

    def load(self, model_id: int, kind: str, component: int) -> Model:
        """The model of one file, read, digest-checked and proved at its first use.

        :raises ModelError: no such file, or the file is damaged, or its bounds cannot be proved.
        """
        key = (model_id, kind, component)
        if key not in self.loaded:
            name, folder = file_name(model_id, kind, component), self._folder(kind)
            if folder is None or not (folder / name).is_file():
                raise ModelError(self._absent(*key))
            self.loaded[key] = _read(folder / name, kind_of(kind, component))
        return self.loaded[key]

    def entropy(self, model_id: int, component: int) -> EntropyModel:
        """The entropy-stage parameters of one component, shapes and ranges checked.

        :raises ModelError: as :meth:`load`, or a tensor is absent, misshapen or out of range.
        """
        key = (model_id, component)
        if key not in self._entropy:
            model = self.load(model_id, "entropy", component)
            self._entropy[key] = entropy_model(model, component, file_name(model_id, "entropy", component))
        return self._entropy[key]

    def latent(self, model_id: int, component: int) -> LatentModel:
        """Hyper-decoder and context model of one component.

        :raises ModelError: as :meth:`load`, or its graphs do not fit together.
        """
        key = (model_id, component)
        if key not in self._latent:
            model = self.load(model_id, "latent", component)
            self._latent[key] = latent_model(model, component, file_name(model_id, "latent", component))
        return self._latent[key]

    def synthesis(self, model_id: int, operating_point: str, component: int) -> SynthesisModel:
        """Synthesis transform of one component.

        :param operating_point: ``sop``, ``bop`` or ``hop``.
        :raises ModelError: as :meth:`load`, or the transform does not fit the set's latents.
        """
        key = (model_id, operating_point, component)
        if key not in self._synthesis:
            model = self.load(*key)
            latents = [self.latent(model_id, c) for c in range(1 + component)]
            self._synthesis[key] = synthesis_model(model, component, latents, file_name(*key))
        return self._synthesis[key]

    def rectifier(self, model_id: int, component: int) -> RectifierModel:
        """Quantisation rectifier of one component; ask :meth:`has` first whether there is one.

        :raises ModelError: as :meth:`load`, or it does not fit the set's latents.
        """
        key = (model_id, component)
        if key not in self._rectifier:
            model, latent = self.load(model_id, RECTIFIER, component), self.latent(model_id, component)
            name = file_name(model_id, RECTIFIER, component)
            self._rectifier[key] = rectifier_model(model, latent, name)
        return self._rectifier[key]

    def has_eicci(self, bank: str, index: int) -> bool:
        """Whether there is such a network of eICCI; a file may still turn out to be damaged."""
        if (bank, index) in self.loaded_eicci:
            return True
        return self.root is not None and (self.root / eicci_file_name(bank, index)).is_file()

    def eicci(self, bank: str, index: int) -> EicciModel:
        """One network of the post-filter eICCI, read and checked at its first use.

        :param bank: ``bop`` or ``hop``; ``index``: 0..9.
        :raises ModelError: as :meth:`load`, or its graphs do not fit together.
        """
        key = (bank, index)
        if key not in self._eicci:
            name = eicci_file_name(bank, index)
            if key not in self.loaded_eicci:
                if self.root is None or not (self.root / name).is_file():
                    raise ModelError(self._absent_eicci(name))
                self.loaded_eicci[key] = _read(self.root / name, eicci_kind(bank, index))
            self._eicci[key] = eicci_model(self.loaded_eicci[key], name)
        return self._eicci[key]

    def eicci_files(self) -> Iterator[tuple[str, int, Path]]:
        """Every file of an eICCI network that the folder holds: bank, index, path."""
        if self.root is None:
            return
        for bank in EICCI_BANKS:
            for index in range(EICCI_NETWORKS):
                path = self.root / eicci_file_name(bank, index)
                if path.is_file():
                    yield bank, index, path

    def digests(self, model_id: int, kinds: Sequence[str], *, rectifier: bool = True) -> dict[str, str]:
        """Digest by file name of all models of these kinds, both components.

        :param rectifier: with the latent models, list the rectifiers that there are.
        :raises ModelError: as :meth:`load`.
        """
        files = [(kind, c) for kind in kinds for c in (0, 1)]
        if rectifier and "latent" in kinds:
            files += [(RECTIFIER, c) for c in (0, 1) if self.has(model_id, RECTIFIER, c)]
        return {file_name(model_id, kind, c): self.load(model_id, kind, c).digest for kind, c in files}

    def entropy_digests(self, model_id: int) -> dict[str, str]:
        """Digest by file name of what the entropy stage of a rate point uses."""
        return self.digests(model_id, ("entropy",))

    def files(self) -> Iterator[tuple[int, str, int, Path]]:
        """Every model file that the folder holds: model id, kind, component, path."""
        for model_id in MODEL_IDS:
            for kind in (*KINDS, RECTIFIER):
                folder = self._folder(kind)
                for component in (0, 1):
                    path = folder and folder / file_name(model_id, kind, component)
                    if path is not None and path.is_file():
                        yield model_id, kind, component, path

    def _absent_eicci(self, name: str) -> str:
        if self.root is None:
            return f"this model set has no {name}"
        have = ", ".join(f"{bank} {index}" for bank, index, _ in self.eicci_files())
        return (
            f"{self.root / name} is missing, and the stream's post-filter eICCI uses it "
            f"(the folder holds {have or 'no network of that filter'}); "
            f"make it with: refconf import CHECKPOINTS -o {self.root}"
        )

    def _absent(self, model_id: int, kind: str, component: int) -> str:
        name = file_name(model_id, kind, component)
        if self.root is None or kind == RECTIFIER:
            return f"this model set has no {name}"
        have = sorted({m for m, *_ in self.files()})
        holds = f"models {', '.join(map(str, have))}" if have else "no model at all"
        source = checkpoint_name(kind, model_id, component)
        return (
            f"{self.root / name} is missing, and the stream is coded with model {model_id} "
            f"(the folder holds {holds}); make it with: refconf import CHECKPOINTS -o {self.root}"
            + (f" (from CHECKPOINTS/{source})" if source else "")
        )


def open_models(root: str | Path) -> ModelSet:
    """The model set in a folder. Nothing is read yet.

    :raises ModelError: there is no such folder.
    """
    path = Path(root)
    if not path.is_dir():
        raise ModelError(f"{path} is no folder; make a model set with: refconf import CHECKPOINTS -o {path}")
    return ModelSet(path)


def bundled_models() -> ModelSet:
    """The model set that comes with the package.

    :raises ModelError: this installation has none.
    """
    path = Path(__file__).parent / BUNDLED
    if not path.is_dir():
        raise ModelError(
            "this installation has no bundled model set; name the folder of one (refconf import makes it)"
        )
    return ModelSet(path)


def with_rectifiers(models: ModelSet, folder: str | Path) -> ModelSet:
    """The same model set, used with the rectifiers of another folder instead of its own.

    :raises ModelError: there is no such folder, or none is in it.
    """
    path = Path(folder)
    names = [file_name(m, RECTIFIER, c) for m in MODEL_IDS for c in (0, 1)]
    if not any((path / name).is_file() for name in names):
        raise ModelError(f"{path} holds no rectifier (model<m>/rectifier_Y.safetensors or _UV)")
    loaded = {key: model for key, model in models.loaded.items() if key[1] != RECTIFIER}
    return ModelSet(models.root, loaded, path, loaded_eicci=dict(models.loaded_eicci))


def bundled_rectifiers() -> Path:
    """The folder of the rectifiers that come with the package, for :func:`bundled_models`."""
    return Path(__file__).parent / BUNDLED_RECTIFIERS


def kind_of(kind: str, component: int) -> str:
    """What a model file says it holds, e.g. ``entropy_UV``."""
    return f"{kind}_{COMPONENT_NAMES[component]}"


def file_name(model_id: int, kind: str, component: int) -> str:
    """Path of a model file inside its set, e.g. ``model2/entropy_UV.safetensors``."""
    return f"model{model_id}/{kind_of(kind, component)}.safetensors"


def eicci_kind(bank: str, index: int) -> str:
    """What the file of an eICCI network says it holds, e.g. ``eicci_bop_3``."""
    return f"eicci_{bank}_{index}"


def eicci_file_name(bank: str, index: int) -> str:
    """Path of an eICCI network inside its set, e.g. ``eicci_bop_3.safetensors``."""
    return f"{eicci_kind(bank, index)}.safetensors"


def entropy_model(model: Model, component: int, name: str = "the model") -> EntropyModel:
    """Pick and check the entropy-stage parts of a loaded model.

    :raises ModelError: a part is absent, misshapen or out of range.
    """
    channels = CHANNELS[component]
    graph = model.graphs.get(HYPER_SCALE_DECODER)
    if graph is None:
        raise ModelError(f"{name} has no graph '{HYPER_SCALE_DECODER}'")
    if len(graph.inputs) != 1 or graph.inputs[0].channels != channels:
        raise ModelError(f"{name}: '{HYPER_SCALE_DECODER}' does not take one tensor of {channels} channels")
    gain_log = _constant(model, "gain_log", (channels,), name)
    if gain_log.min() < GAIN_LOG_MIN or gain_log.max() > GAIN_LOG_MAX:
        raise ModelError(f"{name}: gain_log leaves {GAIN_LOG_MIN}..{GAIN_LOG_MAX}")
    z_cdf = _constant(model, "z_cdf", (channels, Z_SYMBOLS), name)
    rising = np.all(np.diff(z_cdf.astype(np.int32), axis=1) >= 0) and np.all(z_cdf[:, -1] == 255)
    if z_cdf.dtype != np.uint8 or not rising:
        raise ModelError(f"{name}: z_cdf is no set of 8-bit cumulative distributions that end at 255")
    return EntropyModel(graph, gain_log.astype(np.int32), np.ascontiguousarray(z_cdf), model.digest)


def _read(path: Path, kind: str) -> Model:
    try:
        model = load_model(path)
    except ModelError as error:
        text = str(error)
        raise ModelError(text if str(path) in text else f"{path}: {text}") from error
    if model.kind != kind:
        raise ModelError(f"{path} holds a model of kind '{model.kind}', expected '{kind}'")
    return model


def _constant(model: Model, key: str, shape: tuple[int, ...], name: str) -> npt.NDArray[np.generic]:
    tensor = model.constants.get(key)
    if tensor is None:
        raise ModelError(f"{name} has no tensor '{key}'")
    if tensor.shape != shape:
        raise ModelError(f"{name}: '{key}' has shape {list(tensor.shape)}, expected {list(shape)}")
    return tensor
