"""Rate and distortion of a model set over a folder of pictures, beside the codecs that Pillow has.

    python tools/rate_distortion.py --pictures FOLDER --output FOLDER [--models DIR] [--float-checkpoints DIR]

Writes ``rate_distortion.md`` (tables), ``rate_distortion.png`` (plot, if matplotlib is there) and
``rate_distortion.json`` (every measurement). With float checkpoints, the codec with float networks stands
beside the integer one, in a closed loop of its own.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from conformance.encoder.closed_loop import Coded
from conformance.encoder.encode import Encoder, reconstruct
from conformance.encoder.machine import Machine
from conformance.encoder.options import DEFAULT_TOOLS, RATE_WEIGHT, Tools
from conformance.encoder.picture_files import load_rgb
from conformance.encoder.source import make_source
from conformance.training.evaluate import Codecs, bd_rate, float_codec, psnr, with_pillow
from conformance.training.pictures import find
from refdec.models_io import MODEL_IDS, bundled_models, open_models
from refdec.picture.files import interleaved

RATES = (0.12, 0.25, 0.5, 0.75, 1.0)
DELTAS = (-1069, -700, -440, -220, 0, 250, 500, 702)
INTEGER, FLOAT = "refdec (integer)", "refdec (float)"
SETTINGS = {
    "JPEG": (3, 6, 10, 16, 25, 38, 52, 66, 78, 87, 92, 95),
    "JPEG 2000": (0.06, 0.1, 0.17, 0.27, 0.4, 0.6, 0.85, 1.2, 1.7, 2.4),
    "WebP": (0, 4, 10, 20, 35, 52, 68, 80, 88, 93),
}
UInt8 = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Point:
    """One coded picture.

    :param setting: model and displacement, rate, or the codec's quality.
    """

    picture: str
    codec: str
    setting: str
    bpp: float
    y: float
    u: float
    v: float


@dataclass(frozen=True)
class Matched:
    """One run of rate control."""

    picture: str
    target: float
    bpp: float
    model: int
    delta: int
    trials: int
    reached: bool
    seconds: float
    naive_seconds: float


@dataclass
class Measurements:
    """Everything that was measured."""

    grid: list[Point]
    at_rates: list[Point]
    matched: list[Matched]
    others: list[Point]


class Sweep:
    """Codes one picture in all the ways that are asked for."""

    def __init__(
        self, path: Path, machine: Machine, floats: dict[int, Codecs], tools: Tools, out: Measurements
    ) -> None:
        self.name, self.machine, self.floats, self.out = path.stem, machine, floats, out
        self.rgb = load_rgb(path)
        self.encoder = Encoder(make_source(self.rgb), machine, tools)

    def grid(self, models: Sequence[int], deltas: Sequence[int]) -> None:
        """Every model at every displacement."""
        for model_id in models:
            for delta in deltas:
                coded = self.encoder.code(model_id, delta)
                self.out.grid += self._points(coded, f"model {model_id}, {delta}")

    def matched(self, models: Sequence[int], rates: Sequence[float]) -> None:
        """Rate control; every rate begins without anything known about the picture."""
        for rate in rates:
            encoder = Encoder(self.encoder.source, self.machine, self.encoder.tools)
            coded, match = encoder.code_at_rate(rate, tuple(models))
            bpp = match.bits / encoder.source.pixels
            run = Matched(
                self.name, rate, bpp, match.model_id, match.delta, len(match.trials), match.reached,
                encoder.spent_seconds, encoder.naive_seconds,
            )  # fmt: skip
            self.out.matched.append(run)
            self.out.at_rates += self._points(coded, f"{rate}")

    def pillow(self) -> None:
        """The other codecs."""
        for codec, settings in SETTINGS.items():
            for setting in settings:
                size, decoded = with_pillow(self.rgb, codec, setting)
                self.out.others.append(self._point(codec, f"{setting}", size, decoded))

    def _points(self, coded: Coded, setting: str) -> list[Point]:
        shown = interleaved(reconstruct(coded, self.machine))
        points = [self._point(INTEGER, setting, len(coded.data), shown)]
        codecs = self.floats.get(coded.picture.model_id)
        if codecs is not None:
            points.append(self._point(FLOAT, setting, *float_codec(coded, codecs, self.machine)))
        return points

    def _point(self, codec: str, setting: str, size: int, decoded: UInt8) -> Point:
        bpp = 8 * size / (self.rgb.shape[0] * self.rgb.shape[1])
        return Point(self.name, codec, setting, bpp, *psnr(decoded, self.rgb))


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean, not a number of nothing."""
    return sum(values) / len(values) if values else math.nan


def average(points: Sequence[Point], codec: str, setting: str) -> tuple[float, float, float, float] | None:
    """Mean bpp and PSNR of Y, U, V over pictures."""
    found = [p for p in points if (p.codec, p.setting) == (codec, setting)]
    if not found:
        return None
    bpp, y, u, v = (mean([getattr(p, name) for p in found]) for name in ("bpp", "y", "u", "v"))
    return bpp, y, u, v


def at_rate(points: Sequence[Point], rate: float) -> tuple[float, float, float] | None:
    """PSNR of Y, U, V of one picture's curve at a rate, linear in the logarithm of the rate."""
    ordered = sorted(points, key=lambda p: p.bpp)
    if not ordered or not ordered[0].bpp <= rate <= ordered[-1].bpp:
        return None
    logs = [math.log(p.bpp) for p in ordered]
    y, u, v = (float(np.interp(math.log(rate), logs, [getattr(p, k) for p in ordered])) for k in "yuv")
    return y, u, v


def mean_bd_rate(anchor: Sequence[Point], tested: Sequence[Point]) -> tuple[float, int] | None:
    """Mean over pictures of the rate difference at equal PSNR-Y, and the number of pictures."""
    found = []
    for name in sorted({p.picture for p in tested}):
        curves = [[(p.bpp, p.y) for p in points if p.picture == name] for points in (anchor, tested)]
        value = bd_rate(*curves)
        if value is not None:
            found.append(value)
    return (mean(found), len(found)) if found else None


def dense(points: Sequence[Point]) -> list[Point]:
    """The points of a picture that nothing else beats in both rate and PSNR-Y: a curve across models."""
    kept = []
    for p in points:
        rivals = (q for q in points if q.picture == p.picture and q is not p)
        if not any(q.bpp <= p.bpp and q.y >= p.y for q in rivals):
            kept.append(p)
    return kept


def row(cells: Sequence[object]) -> str:
    """One line of a table."""
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def grid_table(data: Measurements, models: Sequence[int], deltas: Sequence[int]) -> list[str]:
    """Means over pictures for every model and displacement."""
    lines = [
        row(
            (
                "model",
                "delta_beta",
                "bpp",
                "Y dB",
                "U dB",
                "V dB",
                "float bpp",
                "float Y",
                "float U",
                "float V",
            )
        ),
        row(["---"] * 10),
    ]
    for model_id in models:
        for delta in deltas:
            cells: list[object] = [model_id, delta]
            for codec in (INTEGER, FLOAT):
                value = average(data.grid, codec, f"model {model_id}, {delta}")
                if value is not None:
                    cells += [f"{value[0]:.4f}", *(f"{v:.2f}" for v in value[1:])]
            lines.append(row([*cells, *[""] * (10 - len(cells))]))
    return lines


def matched_table(data: Measurements, rates: Sequence[float]) -> list[str]:
    """PSNR at the target rates: ours at the rate that was reached, others interpolated to it."""
    ours = [codec for codec in (INTEGER, FLOAT) if any(p.codec == codec for p in data.at_rates)]
    lines = [
        row(("target bpp", "bpp", *(f"{c} Y / U / V" for c in (*ours, *SETTINGS)), "pictures", "trials")),
        row(["---"] * (4 + len(ours) + len(SETTINGS))),
    ]
    for rate in rates:
        cells: list[object] = [rate]
        runs = [m for m in data.matched if m.target == rate]
        cells.append(f"{mean([m.bpp for m in runs]):.4f}")
        for codec in ours:
            value = average(data.at_rates, codec, f"{rate}")
            cells.append("" if value is None else " / ".join(f"{v:.2f}" for v in value[1:]))
        for codec in SETTINGS:
            found = [
                at_rate([p for p in data.others if (p.codec, p.picture) == (codec, m.picture)], m.bpp)
                for m in runs
            ]
            known = [f for f in found if f is not None]
            text = " / ".join(f"{mean([f[k] for f in known]):.2f}" for k in range(3)) if known else "-"
            cells.append(text + ("" if len(known) == len(runs) else f" ({len(known)} of {len(runs)})"))
        lines.append(row([*cells, len(runs), f"{mean([m.trials for m in runs]):.2f}"]))
    return lines


def bd_table(data: Measurements, models: Sequence[int]) -> list[str]:
    """Rate differences at equal PSNR-Y."""
    lines = [row(("tested", "against", "BD-rate (Y)", "pictures")), row(["---"] * 4)]
    ours = dense([p for p in data.grid if p.codec == INTEGER])
    for codec in SETTINGS:
        value = mean_bd_rate([p for p in data.others if p.codec == codec], ours)
        if value is not None:
            lines.append(row((INTEGER, codec, f"{value[0]:+.2%}", value[1])))
    for model_id in models:
        curves = [
            [p for p in data.grid if p.codec == codec and p.setting.startswith(f"model {model_id},")]
            for codec in (FLOAT, INTEGER)
        ]
        value = mean_bd_rate(*curves) if curves[0] else None
        if value is not None:
            name = f"model {model_id}"
            lines.append(row((f"{name}, integer", f"{name}, float", f"{value[0]:+.3%}", value[1])))
    return lines


def report(data: Measurements, options: argparse.Namespace) -> str:
    """The tables as Markdown."""
    names = sorted({p.picture for p in data.grid + data.at_rates})
    runs = data.matched
    lines = [
        "# Rate and distortion",
        "",
        f"{len(names)} pictures ({', '.join(names)}). PSNR of Y, U and V (BT.709) of the 8-bit RGB picture "
        "that is shown, means over pictures. Sizes are whole files.",
        "",
        "## At the same rate",
        "",
        "Our rates by rate control; the other codecs' PSNR is interpolated to the rate that was reached, "
        "picture by picture.",
        "",
        *matched_table(data, options.rates),
        "",
    ]
    if runs:
        reached = sum(m.reached for m in runs)
        spent, naive = sum(m.seconds for m in runs), sum(m.naive_seconds for m in runs)
        lines += [
            f"Rate control reached {reached} of {len(runs)} targets within 1 %, with "
            f"{mean([m.trials for m in runs]):.2f} trial encodes on average (at most "
            f"{max(m.trials for m in runs)}), in {spent / len(runs):.2f} s a picture; the same trials "
            f"without reuse take {naive / len(runs):.2f} s.",
            "",
        ]
    lines += ["## Models and displacements", "", *grid_table(data, options.model_ids, options.deltas), ""]
    lines += ["## Rate at equal PSNR-Y", "", *bd_table(data, options.model_ids), ""]
    return "\n".join(lines)


def plot(data: Measurements, options: argparse.Namespace, path: Path) -> None:
    """PSNR-Y over rate, means over pictures."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 5.5))
    for codec, settings in SETTINGS.items():
        values = [average(data.others, codec, f"{s}") for s in settings]
        _line(axes, values, codec, "--")
    for model_id in options.model_ids:
        for codec, style in ((INTEGER, "-"), (FLOAT, ":")):
            values = [average(data.grid, codec, f"model {model_id}, {delta}") for delta in options.deltas]
            _line(axes, values, f"model {model_id}, {codec[8:-1]}", style)
    values = [average(data.at_rates, INTEGER, f"{rate}") for rate in options.rates]
    _line(axes, values, "matched rates", "ks")
    axes.set(xlabel="bits per pixel", ylabel="PSNR-Y, dB", xlim=(0, 2))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def _line(axes: object, values: Sequence[tuple[float, ...] | None], label: str, style: str) -> None:
    known = [v for v in values if v is not None]
    if known:
        axes.plot([v[0] for v in known], [v[1] for v in known], style, label=label, markersize=4)  # type: ignore[attr-defined]


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--models", type=Path, help="model set; the bundled one by default")
    parser.add_argument("--float-checkpoints", type=Path)
    parser.add_argument("--limit", type=int, help="take that many of the pictures, evenly spread")
    parser.add_argument("--model-ids", type=int, nargs="+", default=list(MODEL_IDS))
    parser.add_argument("--deltas", type=int, nargs="*", default=list(DELTAS))
    parser.add_argument("--rates", type=float, nargs="*", default=list(RATES))
    parser.add_argument(
        "--rate-weight", type=float, default=RATE_WEIGHT, help="of a bit when symbols are chosen; 0: nearest"
    )
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def load_floats(folder: Path | None, models: Sequence[int]) -> dict[int, Codecs]:
    """Float codecs by model."""
    from conformance.training.export import load_trained

    return {} if folder is None else {m: load_trained(folder, m).codecs for m in models}


def main() -> None:
    """Measure, then write."""
    options = parse_arguments()
    machine = Machine(
        bundled_models() if options.models is None else open_models(options.models), threads=options.threads
    )
    floats = load_floats(options.float_checkpoints, options.model_ids)
    paths = find([options.pictures])
    if options.limit and options.limit < len(paths):
        paths = [paths[i * len(paths) // options.limit] for i in range(options.limit)]
    tools = replace(DEFAULT_TOOLS, rate_weight=options.rate_weight)
    data = Measurements([], [], [], [])
    options.output.mkdir(parents=True, exist_ok=True)
    for path in paths:
        start = time.perf_counter()
        sweep = Sweep(path, machine, floats, tools, data)
        sweep.grid(options.model_ids, options.deltas)
        sweep.matched(options.model_ids, options.rates)
        sweep.pillow()
        print(f"{path.name}: {time.perf_counter() - start:.1f} s", flush=True)
    target = options.output / "rate_distortion.md"
    target.write_text(report(data, options), encoding="utf-8")
    target.with_suffix(".json").write_text(json.dumps(asdict(data), indent=0), encoding="utf-8")
    try:
        plot(data, options, target.with_suffix(".png"))
    except ImportError:
        print("no plot: matplotlib is not installed")
    print(target.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
