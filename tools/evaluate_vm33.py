"""What integers cost on real trained networks: the public JPEG AI verification model 3.3 in ONNX.

Float analysis and synthesis run in PyTorch; the compiled integer synthesis and hyper decoders are compared
with the float ones, scheme by scheme, on pictures that had no part in the calibration. Latents are quantised
with ``round(gain * y) / gain``. The pictures are cut to multiples of 64 samples.

    python tools/evaluate_vm33.py --networks DIR --pictures DIR --calibration DIR [-o table.md] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from conformance import twin
from conformance.quantize import CompilationReport, FloatGraph, Format, Options, collect, compile_graph
from conformance.quantize.onnx_import import load_onnx
from conformance.quantize.report import signal_to_noise
from refdec.integer import Graph
from refdec.integer import run as run_graph

# The project's own signal format: 128 steps of a sample are 2^15, and the output map cuts at 127.5 steps.
SIGNAL = Format(fraction=15, lo=-32640, hi=32640)
EXPLAIN_ABOVE = 8
Planes = np.ndarray


@dataclass(frozen=True)
class Picture:
    """Sample planes ``[1, H, W]`` and ``[2, H/2, W/2]``, float latents ``[128, ..]`` and ``[64, ..]``."""

    name: str
    luma: Planes
    chroma: Planes
    y: np.ndarray
    uv: np.ndarray


@dataclass
class Measure:
    """One picture, component, gain and scheme."""

    picture: str
    psnr_float: float
    psnr_change: float
    fidelity: float
    largest: int
    mean: float
    saturated: dict[str, int] = field(default_factory=dict)
    explanation: str = ""


def planes_of(path: Path) -> tuple[Planes, Planes]:
    """BT.601 full-range luma, and chroma averaged over 2x2, as 8-bit values in float32."""
    with Image.open(path) as image:
        rgb = np.asarray(image.convert("RGB"), np.float64)
    rgb = rgb[: rgb.shape[0] // 64 * 64, : rgb.shape[1] // 64 * 64]
    red, green, blue = np.moveaxis(rgb, 2, 0)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    chroma = np.stack([(blue - luma) / 1.772, (red - luma) / 1.402]) + 128
    h, w = luma.shape
    chroma = chroma.reshape(2, h // 2, 2, w // 2, 2).mean((2, 4))
    rounded = (np.clip(np.rint(p), 0, 255).astype(np.float32) for p in (luma[None], chroma))
    return next(rounded), next(rounded)


def only_output(graph: FloatGraph, x: np.ndarray) -> np.ndarray:
    return graph.run({graph.inputs[0].name: x})[graph.outputs[0]]


class Networks:
    """The verification model's float networks."""

    def __init__(self, folder: Path) -> None:
        def load(name: str) -> FloatGraph:
            return load_onnx(folder / f"{name}.onnx", input_names=("x",))

        self.analysis = {"Y": load("single_encode_y"), "UV": load("single_encode_uv")}
        self.synthesis = {"Y": load("decoder_y"), "UV": load("decoder_uv")}
        self.hyper_encoder = {"Y": load("hyper_encoder_y"), "UV": load("hyper_encoder_uv")}
        self.hyper = {
            f"{kind}_{c.lower()}": load(f"{kind}_{c.lower()}")
            for kind in ("hyper_decoder", "hyper_scale_decoder")
            for c in ("Y", "UV")
        }
        for graph in self.hyper.values():
            graph.inputs[0] = replace(graph.inputs[0], step=1.0)

    def analyse(self, path: Path) -> Picture:
        luma, chroma = planes_of(path)
        y = only_output(self.analysis["Y"], luma)
        uv = only_output(self.analysis["UV"], np.concatenate([luma[:, ::2, ::2], chroma]))
        return Picture(path.stem, luma, chroma, y, uv)

    def hyper_latent(self, component: str, picture: Picture) -> np.ndarray:
        return np.rint(
            only_output(self.hyper_encoder[component], picture.y if component == "Y" else picture.uv)
        )


def latents(component: str, picture: Picture, gain: float) -> np.ndarray:
    """Input of the synthesis: quantised latents, for chroma luma's at half its resolution in front."""
    y, uv = (np.rint(gain * v) / gain for v in (picture.y, picture.uv))
    return (y if component == "Y" else np.concatenate([y[:, ::2, ::2], uv])).astype(np.float32)


def samples(signal: np.ndarray) -> np.ndarray:
    """Sample planes before clamping from the networks' output ``[16 n, h, w]``."""
    c, h, w = signal.shape
    shuffled = signal.reshape(c // 16, 4, 4, h, w).transpose(0, 3, 1, 4, 2)
    return shuffled.reshape(c // 16, 4 * h, 4 * w).astype(np.float64) * 128 + 127.5


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    error = float(np.square(a - b).mean())
    return float("inf") if error == 0 else 10 * float(np.log10(255**2 / error))


@dataclass(frozen=True)
class Compiled:
    """An integer network and how to feed it."""

    graph: Graph
    report: CompilationReport
    engine: str

    def feed(self, x: np.ndarray) -> np.ndarray:
        lo, hi = self.graph.clip_range("x")
        scaled = np.rint(x * self.report.scales["x"][:, None, None])
        return np.clip(scaled, lo[:, None, None], hi[:, None, None]).astype(np.int16)

    def run(self, x: np.ndarray, observe: Callable[[str, np.ndarray], None] | None = None) -> np.ndarray:
        """Real output for a real input."""
        if self.engine == "twin":
            out = twin.run(self.graph, {"x": self.feed(x)}, (1, 1), observe=observe)
        else:
            out = run_graph(self.graph, {"x": self.feed(x)}, (1, 1), engine=self.engine, observe=observe)
        name = self.graph.outputs[0]
        return out[name] / self.report.scales[name][:, None, None]


def saturations(
    net: Compiled, x: np.ndarray, real: FloatGraph
) -> dict[str, list[tuple[int, int, float, float]]]:
    """Values at a range's end by node: (row, column, value, float value).

    Ends that are the operation's meaning do not count: the zero of a ReLU, the output's own limits.
    """
    cut: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def note(name: str, value: np.ndarray) -> None:
        if name not in net.graph.clips or name in net.graph.outputs:
            return
        lo, hi = net.graph.clip_range(name)
        at = (value >= hi[:, None, None]) & (hi > 0)[:, None, None]
        at |= (value <= lo[:, None, None]) & (lo < 0)[:, None, None]
        if at.any():
            cut[name] = (np.argwhere(at), value[at] / net.report.scales[name][np.nonzero(at)[0]])

    note("x", net.feed(x))
    net.run(x, note)
    found: dict[str, list[tuple[int, int, float, float]]] = {}

    def compare(name: str, value: np.ndarray) -> None:
        if name in cut:
            found[name] = [
                (int(row), int(column), float(got), float(value[c, row, column]))
                for (c, row, column), got in zip(*cut[name], strict=True)
            ]

    if cut:
        real.run({"x": x}, observe=compare)
    return found


def explain(
    net: Compiled, x: np.ndarray, real: FloatGraph, wanted: np.ndarray, got: np.ndarray
) -> tuple[dict[str, int], str]:
    """Saturation counts, and where and why the 8-bit output is furthest from the float network's."""
    cut = saturations(net, x, real)
    counts = {name: len(entries) for name, entries in cut.items()}
    difference = np.abs(np.rint(np.clip(wanted, 0, 255)) - np.rint(np.clip(got, 0, 255)))
    if difference.max() <= EXPLAIN_ABOVE:
        return counts, ""
    plane, row, column = np.unravel_index(int(difference.argmax()), difference.shape)
    around = wanted[:, max(0, row - 16) : row + 17, max(0, column - 16) : column + 17]
    where = (
        f"{int((difference > EXPLAIN_ABOVE).sum())} samples above {EXPLAIN_ABOVE}; the worst in plane "
        f"{plane} at ({row}, {column}): float network {wanted[plane, row, column]:.1f}, integer "
        f"{got[plane, row, column]:.1f}; within 16 samples the float network makes "
        f"{around.min():.0f}..{around.max():.0f}"
    )
    near = []
    widths = {n: shape[2] for n, shape in net.graph.shapes({"x": x.shape[1:]}, (1, 1)).items()}
    for name, entries in cut.items():
        width = widths[name]
        step = wanted.shape[2] / width
        for y, z, value, meant in entries:
            if abs(y * step - row) <= 40 and abs(z * step - column) <= 40:
                near.append(f"{name} {meant:.2f} cut to {value:.2f}")
    return counts, where + ("; " + ", ".join(near[:3]) if near else "; nothing is cut off near it")


def measure(component: str, picture: Picture, gain: float, real: FloatGraph, net: Compiled) -> Measure:
    """The integer synthesis of one picture against the float one."""
    x = latents(component, picture, gain)
    original = (picture.luma if component == "Y" else picture.chroma).astype(np.float64)
    wanted, got = samples(only_output(real, x)), samples(net.run(x))
    float_clamped, clamped = np.clip(wanted, 0, 255), np.clip(got, 0, 255)
    float_bytes, found = np.rint(float_clamped), np.rint(clamped)
    reference = psnr(float_bytes, original)
    difference = np.abs(float_bytes - found)
    counts, explanation = explain(net, x, real, wanted, got)
    return Measure(
        picture.name,
        reference,
        psnr(found, original) - reference,
        psnr(float_clamped, clamped),
        int(difference.max()),
        float(difference.mean()),
        counts,
        explanation,
    )


def table(results: dict[tuple[str, str, float], list[Measure]]) -> list[str]:
    lines = [
        "| scheme | component | gain | PSNR float | mean change | mean abs change | largest abs change "
        "| fidelity mean | fidelity least | largest 8-bit difference | mean | values cut off |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (scheme, component, gain), rows in results.items():
        change = np.array([m.psnr_change for m in rows])
        fidelity = np.array([m.fidelity for m in rows])
        lines.append(
            f"| {scheme} | {component} | {gain:g} | {np.mean([m.psnr_float for m in rows]):.2f} dB "
            f"| {change.mean():+.4f} dB | {np.abs(change).mean():.4f} dB | {np.abs(change).max():.4f} dB "
            f"| {fidelity.mean():.1f} dB | {fidelity.min():.1f} dB | {max(m.largest for m in rows)} "
            f"| {np.mean([m.mean for m in rows]):.3f} | {sum(sum(m.saturated.values()) for m in rows)} |"
        )
    return lines


def per_picture(results: dict[tuple[str, str, float], list[Measure]]) -> list[str]:
    lines = []
    for (scheme, component, gain), rows in results.items():
        above = [m for m in rows if m.largest > EXPLAIN_ABOVE]
        if above:
            lines += ["", f"{scheme}, {component}, gain {gain:g}: differences above {EXPLAIN_ABOVE}", ""]
            lines += [f"- {m.picture}: {m.largest}. {m.explanation}." for m in above]
    return lines


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def spread(items: Sequence[Picture], most: int) -> list[Picture]:
    return [items[i * len(items) // min(most, len(items))] for i in range(min(most, len(items)))]


def hyper_rows(
    nets: Networks, test: Sequence[Picture], learn: Sequence[Picture], schemes: Sequence[str], engine: str
) -> list[str]:
    lines = ["| network | scheme | SNR mean | SNR least |", "|---|---|---|---|"]
    for name, real in nets.hyper.items():
        component = name.rsplit("_", 1)[1].upper()
        inputs = [({"x": nets.hyper_latent(component, p)}, None) for p in learn]
        seen = collect(real, inputs)
        for scheme in schemes:
            graph, report = compile_graph(real, inputs, scheme, statistics=seen)
            net = Compiled(graph, report, engine)
            values = []
            for picture in test:
                z = nets.hyper_latent(component, picture)
                values.append(signal_to_noise([(only_output(real, z), net.run(z))]))
            lines.append(f"| {name} | {scheme} | {np.mean(values):.1f} dB | {min(values):.1f} dB |")
            log(lines[-1])
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", type=Path, required=True, help="folder with the ONNX files")
    parser.add_argument("--pictures", type=Path, required=True, help="folder with PNG files to evaluate on")
    parser.add_argument("--calibration", type=Path, required=True, help="folder with PNG files to learn from")
    parser.add_argument("--schemes", nargs="+", default=["w16a16", "w8a16"])
    parser.add_argument("--gains", nargs="+", type=float, default=[4.0, 1.0])
    parser.add_argument("--rounding", choices=["adaptive", "nearest"], default="adaptive")
    parser.add_argument("--engine", choices=["jit", "golden", "twin"], default="jit")
    parser.add_argument("--limit", type=int, default=10**6, help="evaluate on the first N pictures")
    parser.add_argument("--rounding-pictures", type=int, default=16, help="pictures that decide the rounding")
    parser.add_argument("--parts", nargs="+", choices=["Y", "UV", "hyper"], default=["Y", "UV", "hyper"])
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch")
    parser.add_argument("-o", "--output", type=Path, help="Markdown; standard output if absent")
    parser.add_argument("--json", type=Path, help="every measured value")
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)

    start = time.monotonic()
    nets = Networks(chosen.networks)
    test = [nets.analyse(p) for p in sorted(chosen.pictures.glob("*.png"))[: chosen.limit]]
    learn = [nets.analyse(p) for p in sorted(chosen.calibration.glob("*.png"))]
    log(f"{len(test)} pictures, {len(learn)} for calibration: analysed in {time.monotonic() - start:.0f} s")

    results: dict[tuple[str, str, float], list[Measure]] = {}
    layers: list[str] = []
    for component, real in nets.synthesis.items():
        if component not in chosen.parts:
            continue
        ranges = chain.from_iterable(
            (({"x": latents(component, p, g)}, None) for g in chosen.gains) for p in learn
        )
        seen = collect(real, ranges)
        for scheme in chosen.schemes:
            # Rounding learns from all gains in turn.
            inputs = [
                ({"x": latents(component, p, chosen.gains[i % len(chosen.gains)])}, None)
                for i, p in enumerate(spread(learn, chosen.rounding_pictures))
            ]
            graph, report = compile_graph(
                real,
                inputs,
                scheme,
                statistics=seen,
                formats={real.outputs[0]: SIGNAL},
                options=Options(rounding=chosen.rounding),
            )
            log(f"{component} {scheme}: compiled, {time.monotonic() - start:.0f} s")
            layers += ["", f"### {component}, {scheme}", "", report.markdown()]
            net = Compiled(graph, report, chosen.engine)
            for gain in chosen.gains:
                rows = [measure(component, p, gain, real, net) for p in test]
                results[scheme, component, gain] = rows
                log(table({(scheme, component, gain): rows})[-1])
    lines = table(results) + per_picture(results) if results else []
    if "hyper" in chosen.parts:
        lines += ["", *hyper_rows(nets, test, learn, chosen.schemes, chosen.engine)]
    text = "\n".join([*lines, "", "## Layers", *layers, ""])
    if chosen.json:
        flat = {f"{s}.{c}.{g:g}": [vars(m) for m in rows] for (s, c, g), rows in results.items()}
        chosen.json.write_text(json.dumps(flat, indent=1))
    if chosen.output:
        chosen.output.write_text(text)
    else:
        print(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
