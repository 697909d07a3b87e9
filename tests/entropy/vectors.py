"""The entropy vectors in one shape, for the tests of both engines.

Our own lie in tests/data/entropy, those of the reference software in the shared folder.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests.shared_vectors import REFERENCE, SHARED

OWN = Path(__file__).resolve().parents[1] / "data" / "entropy"
PAYLOADS = REFERENCE / "entropy"
STREAMS = REFERENCE / "codec"


@dataclass
class ResidualVector:
    name: str
    data: bytes
    sizes: tuple[int, ...]
    calls: list[tuple[np.ndarray, np.ndarray]]
    values: list[np.ndarray]
    """Of each call; 0 where nothing is coded."""

    @property
    def threads(self) -> int:
        return len(self.sizes)


@dataclass
class ZVector:
    name: str
    data: bytes
    sizes: tuple[int, ...]
    freqs: list[np.ndarray]
    cdfs: list[np.ndarray]
    zs: list[np.ndarray]

    @property
    def threads(self) -> int:
        return len(self.sizes)


@dataclass
class ScaleVector:
    name: str
    model_id: int
    base: np.ndarray
    gain_log: np.ndarray
    delta_beta: int
    quality_map: np.ndarray | None
    cube_flags: np.ndarray
    grfs_flags: np.ndarray | None
    residual: np.ndarray
    latent: np.ndarray
    expected: dict[str, np.ndarray] = field(default_factory=dict)


def read(name: str) -> list[dict[str, Any]]:
    return json.loads((OWN / name).read_text(encoding="ascii"))


def bits(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), np.uint8) == ord("1")


def own_residual() -> list[ResidualVector]:
    result = []
    for k, v in enumerate(read("residual.json")):
        calls = [(np.array(c["levels"], np.uint8), bits(c["mask"])) for c in v["calls"]]
        values = [np.array(c["values"], np.int32) for c in v["calls"]]
        name = f"own-{k:02d}-{v['threads']}t"
        result.append(ResidualVector(name, bytes.fromhex(v["payload"]), tuple(v["sizes"]), calls, values))
    return result


def own_z() -> list[ZVector]:
    result = []
    for k, v in enumerate(read("z.json")):
        zs = [np.array(z, np.int8).reshape(len(z), v["hz"], v["wz"]) for z in v["values"]]
        freqs = [np.array(f, np.int32) for f in v["freqs"]]
        cdfs = [np.array(c, np.uint8) for c in v["cdfs"]]
        name = f"own-{k}-{v['threads']}t"
        result.append(ZVector(name, bytes.fromhex(v["payload"]), tuple(v["sizes"]), freqs, cdfs, zs))
    return result


def own_scales() -> list[ScaleVector]:
    result = []
    for v in read("scales.json"):
        shape = tuple(v["shape"])
        height, width = shape[1:]

        def tensor(values: list[int] | str, shape: tuple[int, ...] = shape) -> np.ndarray:
            return (bits(values) if isinstance(values, str) else np.array(values, np.int32)).reshape(shape)

        quality = v["quality_map"]
        result.append(
            ScaleVector(
                f"own-model{v['model_id']}",
                v["model_id"],
                tensor(v["base"]),
                np.array(v["gain_log"], np.int32),
                v["delta_beta"],
                None if quality is None else np.array(quality, np.int8),
                np.array(v["cube_flags"], np.uint8).reshape(4, (height + 15) // 16, (width + 15) // 16),
                None if v["grfs_flags"] is None else np.array(v["grfs_flags"], np.uint8),
                tensor(v["residual"]),
                tensor(v["latent"]),
                {name: tensor(values) for name, values in v["expected"].items()},
            )
        )
    return result


def reference_names(pattern: str) -> list[str]:
    """Names of the reference payloads; empty where the shared folder is absent."""
    return sorted(path.stem for path in PAYLOADS.glob(pattern))


def reference_residual(name: str) -> ResidualVector:
    z = np.load(PAYLOADS / f"{name}.npz")
    groups = sorted(k[len("symbols") :] for k in z.files if k.startswith("symbols"))
    calls = [(z[f"sigma_idx{g}"].ravel(), z[f"mask{g}"].ravel()) for g in groups]
    values = [
        np.where(m, z[f"symbols{g}"].ravel(), 0).astype(np.int32)
        for g, (_, m) in zip(groups, calls, strict=True)
    ]
    return ResidualVector(name, z["payload"].tobytes(), tuple(z["thread_sizes"].tolist()), calls, values)


def reference_z(name: str) -> ZVector:
    z = np.load(PAYLOADS / f"{name}.npz")
    groups = sorted(k[len("symbols") :] for k in z.files if k.startswith("symbols"))
    zs = [(z[f"symbols{g}"][0].astype(np.int16) - 31).astype(np.int8) for g in groups]
    freqs = [z[f"freqs_int{g}"] for g in groups]
    cdfs = [z[f"cdf_u8{g}"] for g in groups]
    return ZVector(name, z["payload"].tobytes(), tuple(z["thread_sizes"].tolist()), freqs, cdfs, zs)


def page_vectors() -> dict[str, Any]:
    """The vectors that come with the description; empty lists where the shared folder is absent."""
    path = SHARED / "spec" / "entropy_vectors.json"
    return json.loads(path.read_text()) if path.exists() else {"residual": [], "z": [], "quality_map": []}


def strip_table(payload: bytes, sizes: list[int]) -> bytes:
    """The thread bytes of a payload, without the table of sizes in front."""
    return payload[len(payload) - sum(sizes) :]


def page_residual() -> list[ResidualVector]:
    result = []
    for k, v in enumerate(page_vectors()["residual"]):
        calls = [(np.array(c["sigma_level"], np.uint8), np.array(c["mask"], bool)) for c in v["calls"]]
        values = [np.array(c["value"], np.int32) for c in v["calls"]]
        data = strip_table(bytes.fromhex(v["payload_hex"]), v["thread_sizes"])
        result.append(ResidualVector(f"page-{k}", data, tuple(v["thread_sizes"]), calls, values))
    return result


def page_z() -> list[ZVector]:
    result = []
    for k, v in enumerate(page_vectors()["z"]):
        symbols = np.array(v["symbols"]) - 31
        freqs, cdfs = [np.array(v["frequencies"], np.int32)], [np.array(v["cdf"], np.uint8)]
        data = strip_table(bytes.fromhex(v["payload_hex"]), v["thread_sizes"])
        zs = [symbols.astype(np.int8)[:, None, :]]
        result.append(ZVector(f"page-{k}", data, tuple(v["thread_sizes"]), freqs, cdfs, zs))
    return result


@dataclass
class Component:
    """What the reference software wrote down of one component of a stream."""

    arrays: dict[str, np.ndarray]
    model_id: int
    quality_map: np.ndarray | None
    rvs: bool
    grfs_flags: np.ndarray | None

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    def get(self, name: str) -> np.ndarray | None:
        return self.arrays.get(name)

    @property
    def delta_beta(self) -> int:
        difference = np.unique(self["scaler_vec_log"] - self["gain_log"])
        assert len(difference) == 1
        return int(difference[0])

    @property
    def skip_scale_log(self) -> np.ndarray:
        return self.arrays.get("log_sigma_skip", self["log_sigma_final"])


def stream_names() -> list[str]:
    """Names of the reference streams; empty where the shared folder is absent."""
    return sorted(path.stem for path in STREAMS.glob("*.bits"))


def stream_components(name: str) -> list[Component]:
    """Luma and chroma of a reference stream."""
    fields = json.loads((STREAMS / f"{name}.json").read_text())["headers"]
    headers = {f["name"]: f["values"] for f in fields}
    z = np.load(STREAMS / f"{name}.npz")
    quality = z["qp_map"][0, 0] if headers["gain_3D_enable_flag"][0] else None
    result = []
    for c, prefix in enumerate(("Y.", "UV.")):
        arrays = {k[len(prefix) :]: z[k] for k in z.files if k.startswith(prefix)}
        arrays = {k: a[0] if a.ndim == 4 else a for k, a in arrays.items()}
        flags = None
        if headers[f"grfs_enable_flag[{c}]"][0]:
            flags = arrays["grfs_channel_flag"].ravel()[: headers[f"num_chs[{c}]"][0]].astype(np.uint8)
        rvs = bool(headers[f"rvs_enable_flag[{c}]"][0])
        result.append(Component(arrays, headers["model_id"][0], quality, rvs, flags))
    return result
