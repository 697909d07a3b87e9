"""How far the integer decoder is from the reference software's float decoder: latents, planes, pictures.

    python tools/measure_distance.py VECTORS [--models MODELS | --calibrate] [--output PAGE]

``VECTORS`` holds whole streams of the reference software with its tensors (``codec/``) and the networks
they were made with (``weights/``). The networks are imported first, which takes a minute; ``--models`` names
a folder where that is done already. ``--calibrate`` takes activation ranges from three streams of each model
instead of from latents drawn from the model, and leaves those streams out of the tables.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from conformance.importer.folder import Options, import_folder  # noqa: E402
from refdec.codestream import Codestream, Dialect, parse  # noqa: E402
from refdec.codestream.profiles import TRANSFORM_NAMES  # noqa: E402
from refdec.decoder import decode_picture, post_filters  # noqa: E402
from refdec.models_io import ModelSet, open_models  # noqa: E402

Array = npt.NDArray[Any]
BOUNDARY = 128
"""Half of a plane's step at 8 bits, in its 8 fraction bits."""


@dataclass
class Difference:
    """Of integers from those that the float decoder gives, or of values from floats.

    :param samples: how many were compared. :param different: how many are another integer.
    :param more: how many are off by more than 1. :param largest: distance; :param total: sum of distances.
    """

    samples: int = 0
    different: int = 0
    more: int = 0
    largest: float = 0.0
    total: float = 0.0

    @classmethod
    def integers(cls, found: Array, expected: Array) -> Difference:
        distance = np.abs(found.astype(np.int64) - expected.astype(np.int64))
        return cls(
            distance.size,
            int(np.count_nonzero(distance)),
            int(np.count_nonzero(distance > 1)),
            float(distance.max(initial=0)),
            float(distance.sum()),
        )

    @classmethod
    def values(cls, found: Array, expected: Array) -> Difference:
        distance = np.abs(found.astype(np.float64) - expected.astype(np.float64))
        return cls(distance.size, 0, 0, float(distance.max(initial=0)), float(distance.sum()))

    def __iadd__(self, other: Difference) -> Difference:
        self.samples += other.samples
        self.different += other.different
        self.more += other.more
        self.largest = max(self.largest, other.largest)
        self.total += other.total
        return self

    @property
    def share(self) -> str:
        """Share of samples that differ."""
        return f"{100 * self.different / self.samples:.2f} %"

    @property
    def share_more(self) -> str:
        """Share of samples off by more than 1, in parts of ten thousand."""
        return f"{1e4 * self.more / self.samples:.2f}" if self.more else "0"

    @property
    def mean(self) -> str:
        return f"{self.total / self.samples:.5f}"


@dataclass
class Measured:
    """One stream: its tools and the differences by tensor (``latent``, ``planes``, ``picture``)."""

    name: str
    tools: list[str]
    differences: dict[str, Difference] = field(default_factory=lambda: defaultdict(Difference))


def tools_of(stream: Codestream) -> list[str]:
    """Names of everything that a stream uses beyond the plainest one."""
    picture, components = stream.picture, stream.picture.components
    out = [TRANSFORM_NAMES[picture.synthesis_transform_id[0]]]
    out += ["regions, independent" if picture.independent_regions else "regions, dependent"] * (
        picture.num_regions > 1
    )
    flags = {
        "RVS": any(c.rvs_enable_flag for c in components),
        "GRFS": any(c.grfs_enable_flag for c in components),
        "LSBS": any(stream.tools.lsbs_enable_flag),
        "quality map": picture.gain_3D_enable_flag,
        "threads": max(picture.num_threads_z, *(c.num_threads_r for c in components)) > 1,
        "cube flags": any(c.cube_flags is not None for c in components),
        "synthesis tiles": any(c.tiling is not None for c in components),
        "fewer channels": any(c.num_chs < n for c, n in zip(components, (160, 96), strict=True)),
        "display crop": (picture.display_height, picture.display_width) != (picture.height, picture.width),
        "coded 4:2:0": picture.coded_subsampling == (2, 2),
        "coded 4:2:2": picture.coded_subsampling == (1, 2),
        "YUV source": picture.colour_transform_idx == 0,
        "10 bit": picture.bit_depth == 10,
    }
    return [*out, *(name for name, on in flags.items() if on), *post_filters(stream.tools)]


def measure(name: str, folder: Path, models: ModelSet) -> Measured:
    """Decode one stream and compare with what the reference kept of it."""
    from tests.stage.reference_streams import written_samples

    stream = parse((folder / f"{name}.bits").read_bytes(), Dialect.DIS)
    seen: dict[tuple[str, str], Array] = {}

    def observe(point: str, component: str, region: int | None, tensor: Array) -> None:
        if region is None and point in ("psi", "y_hat", "y_hat_scaled", "plane"):
            seen[point, component] = tensor.copy()

    picture = decode_picture(stream, models, observer=observe)
    out = Measured(name, tools_of(stream))
    with np.load(folder / f"{name}.npz") as dump:
        for c, part in enumerate(("Y", "UV")):
            model = models.latent(stream.picture.model_id, c)
            step = np.exp2(-model.fraction.astype(np.float64))[:, None, None]
            for point, key in (("y_hat", "y_hat_before_lsbs"), ("y_hat_scaled", "y_hat")):
                if (point, part) in seen and f"{part}.{key}" in dump.files:
                    found = seen[point, part] * step
                    out.differences["latent"] += Difference.values(found, dump[f"{part}.{key}"][0])
        for plane, key, index in (("Y", "synth_Y", 0), ("U", "synth_UV", 0), ("V", "synth_UV", 1)):
            if key in dump.files:
                expected = np.rint(dump[key][0, index])
                found = (seen["plane", plane].astype(np.int64) + BOUNDARY) >> 8
                out.differences["planes"] += Difference.integers(found, expected)
        out.differences["picture"] += Difference.integers(*written_samples(picture, dump))
    return out


def rows(results: Sequence[Measured]) -> Iterable[str]:
    """Tables by tool and by stream."""
    head = (
        "| {} | latent: largest, mean | planes: share, off by more than 1 in 10,000, largest "
        "| picture: share, off by more than 1 in 10,000, largest |"
    )
    yield from (head.format("tool (streams)"), "|---|---|---|---|")
    tools = dict.fromkeys(tool for result in results for tool in result.tools)
    groups = {
        f"{tool} ({sum(tool in r.tools for r in results)})": [r for r in results if tool in r.tools]
        for tool in tools
    }
    for label, members in (*groups.items(), (f"**all** ({len(results)})", list(results))):
        yield _row(label, members)
    yield ""
    yield from (head.format("stream"), "|---|---|---|---|")
    for result in results:
        yield _row(f"`{result.name}`: {', '.join(result.tools)}", [result])


def _row(label: str, results: Sequence[Measured]) -> str:
    sums: dict[str, Difference] = defaultdict(Difference)
    for result in results:
        for name, difference in result.differences.items():
            sums[name] += difference
    latent = sums["latent"]
    cells = [f"{latent.largest:.4f}, {latent.mean}"]
    for name in ("planes", "picture"):
        one = sums[name]
        cells.append(f"{one.share}, {one.share_more}, {one.largest:.0f}" if one.samples else "")
    return f"| {label} | {' | '.join(cells)} |"


def imported(vectors: Path, calibrate: bool, folder: Path) -> tuple[ModelSet, set[str]]:
    """The networks of the vectors as models, and the streams that calibrated them."""
    from tests.decode.reference_models import write_all_checkpoints
    from tests.networks.test_reference_distance import CALIBRATION

    write_all_checkpoints(folder / "checkpoints")
    names = [name for group in CALIBRATION.values() for name in group] if calibrate else []
    files = tuple(vectors / "codec" / f"{name}.bits" for name in names)
    import_folder(folder / "checkpoints", folder / "models", Options(calibrate=files))
    return open_models(folder / "models"), set(names)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("vectors", type=Path)
    parser.add_argument("--models", type=Path)
    parser.add_argument("--calibrate", action="store_true")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    os.environ["REFDEC_SHARED"] = str(options.vectors.resolve().parents[1])
    with tempfile.TemporaryDirectory() as scratch:
        if options.models:
            models, left_out = open_models(options.models), set[str]()
        else:
            models, left_out = imported(options.vectors, options.calibrate, Path(scratch))
        names = sorted(path.stem for path in (options.vectors / "codec").glob("*.bits"))
        results = [measure(name, options.vectors / "codec", models) for name in names if name not in left_out]
    text = "\n".join(rows(results)) + "\n"
    if options.output is None:
        print(text)
        return
    before, marker, _ = options.output.read_text(encoding="utf-8").partition("<!-- measured -->\n")
    if not marker:
        raise SystemExit(f"{options.output} has no line '<!-- measured -->' to write behind")
    options.output.write_text(before + marker + text, encoding="utf-8")


if __name__ == "__main__":
    main()
