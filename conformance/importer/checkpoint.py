"""Official checkpoint files as plain arrays. Loading reads data only: no pickled code is ever executed."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from refdec.errors import ModelError

MAX_BYTES = 1 << 29
"""More than eight times the largest official file."""


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint file.

    :param name: path inside the checkpoint folder, e.g. ``VM_common_int/Y_0.002.pth``.
    :param sha256: digest of the file.
    :param tensors: every tensor by its official name, C-contiguous.
    """

    name: str
    sha256: str
    tensors: Mapping[str, npt.NDArray[Any]]

    def tensor(self, *names: str) -> npt.NDArray[Any]:
        """The tensor with the first of the names that is there.

        :raises ModelError: none of them is.
        """
        for name in names:
            if name in self.tensors:
                return self.tensors[name]
        raise ModelError(f"{self.name} has no tensor '{' or '.join(names)}'")

    def expect(self, name: str, shape: tuple[int, ...], dtype: str) -> npt.NDArray[Any]:
        """The tensor of that name, shape and dtype.

        :raises ModelError: it is absent or differs.
        """
        tensor = self.tensor(name)
        if tensor.shape != shape or tensor.dtype != np.dtype(dtype):
            raise ModelError(
                f"{self.name}: '{name}' is {tensor.dtype}{list(tensor.shape)}, expected {dtype}{list(shape)}"
            )
        return tensor


def read_checkpoint(path: Path, name: str) -> Checkpoint:
    """Read one ``.pth`` file.

    The root must be a flat dictionary; entries that are no tensors (``epoch``, ``optimizer`` ...) are
    left out.

    :raises ModelError: torch is not installed, or the file is no such checkpoint.
    """
    try:
        import torch
    except ImportError as error:
        raise ModelError(
            "reading .pth checkpoints needs torch; install it with: pip install 'refdec[encoder]'"
        ) from error
    _require_container(path)
    try:
        sha256 = _digest(path)
        root = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # Damaged files make the data-only unpickler raise whatever comes to hand, IndexError included.
        text = str(error).strip() or type(error).__name__
        raise ModelError(f"{path}: cannot be read as a checkpoint ({text.splitlines()[0]})") from error
    if not isinstance(root, Mapping):
        raise ModelError(f"{path}: the root is a {type(root).__name__}, expected a dictionary of tensors")
    return Checkpoint(name, sha256, _arrays(root, path))


def _require_container(path: Path) -> None:
    """Say of the likely wrong files what they are, and of a hostile one no before anything is unpacked.

    :raises ModelError: the file is no ZIP of the size that checkpoints have.
    """
    with path.open("rb") as file:
        start = file.read(64)
    if start.startswith(b"version https://git-lfs"):
        raise ModelError(
            f"{path} is a Git LFS pointer in place of the checkpoint; fetch it with: git lfs pull"
        )
    if not start.startswith(b"PK\x03\x04"):
        raise ModelError(f"{path}: cannot be read as a checkpoint (no ZIP container)")
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise ModelError(f"{path}: cannot be read as a checkpoint ({error})") from error
    if size > MAX_BYTES:
        raise ModelError(f"{path}: unpacks to {size} bytes, more than the {MAX_BYTES} of any checkpoint")


def _arrays(root: Mapping[Any, Any], path: Path) -> dict[str, npt.NDArray[Any]]:
    """The tensors of a root dictionary, C-contiguous."""
    import torch

    tensors: dict[str, npt.NDArray[Any]] = {}
    size = 0
    for key, value in root.items():
        if not isinstance(value, torch.Tensor):
            continue
        # a view of one stored number can claim any shape
        size += value.numel() * value.element_size()
        if size > MAX_BYTES:
            raise ModelError(f"{path}: '{key}' of shape {list(value.shape)} is larger than any checkpoint's")
        try:
            tensors[str(key)] = np.ascontiguousarray(value.detach().numpy())
        except (TypeError, RuntimeError) as error:
            raise ModelError(f"{path}: '{key}' is no plain tensor ({value.dtype}, {value.layout})") from error
    return tensors


def _digest(path: Path) -> str:
    state = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            state.update(block)
    return state.hexdigest()
