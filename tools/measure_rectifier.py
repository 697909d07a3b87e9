"""What the quantisation rectifiers win, in integers: PSNR of the same codestreams with and without them.

    python tools/measure_rectifier.py --pictures FOLDER --output FILE [--rectifiers DIR] [--models DIR]

Every picture is coded with every model at every displacement and reconstructed twice. ``--output`` is JSON
Lines, one line a codestream; what is in it already is not measured again, so that an interrupted run goes on.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch

from conformance.encoder.encode import Encoder, reconstruct
from conformance.encoder.machine import Machine
from conformance.encoder.picture_files import load_rgb
from conformance.encoder.source import make_source
from conformance.training.evaluate import psnr
from conformance.training.pictures import find
from refdec.models_io import MODEL_IDS, bundled_models, bundled_rectifiers, open_models, with_rectifiers
from refdec.picture.files import interleaved

DELTAS = (-440, 0, 440)


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--rectifiers", type=Path, help="their folder; the bundled one by default")
    parser.add_argument("--models", type=Path, help="model set; the bundled one by default")
    parser.add_argument("--model-ids", type=int, nargs="+", choices=MODEL_IDS, default=list(MODEL_IDS))
    parser.add_argument("--deltas", type=int, nargs="+", default=list(DELTAS))
    parser.add_argument("--limit", type=int, help="take that many of the pictures, evenly spread")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args(arguments)


def measure(path: Path, machines: tuple[Machine, Machine], model_id: int, delta: int) -> dict[str, Any]:
    """One codestream: its rate; PSNR of Y, U and V, and processor seconds from latent to picture, without and
    with rectifiers."""
    rgb = load_rgb(path)
    coded = Encoder(make_source(rgb), machines[0]).code(model_id, delta)
    results, seconds = [], []
    for machine in machines:
        start = time.process_time()
        shown = interleaved(reconstruct(coded, machine))
        seconds.append(time.process_time() - start)
        results.append(psnr(shown, rgb))
    bpp = 8 * len(coded.data) / (rgb.shape[0] * rgb.shape[1])
    return {
        "picture": path.name,
        "model": model_id,
        "delta": delta,
        "bpp": bpp,
        "plain": results[0],
        "rectified": results[1],
        "seconds": seconds,
    }


def table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Means over pictures, for every model and displacement."""
    lines = [
        "| model | delta_beta | bpp | Y dB | gain Y | least, most | gain U | gain V | pictures |",
        "|" + "---|" * 9,
    ]
    for model_id, delta in sorted({(row["model"], row["delta"]) for row in rows}):
        found = [row for row in rows if (row["model"], row["delta"]) == (model_id, delta)]
        gains = [[b - a for a, b in zip(row["plain"], row["rectified"], strict=True)] for row in found]
        y, u, v = (sum(column) / len(found) for column in zip(*gains, strict=True))
        bpp, before = (
            sum(values) / len(found) for values in ([r["bpp"] for r in found], [r["plain"][0] for r in found])
        )
        luma = [gain[0] for gain in gains]
        lines.append(
            f"| {model_id} | {delta} | {bpp:.3f} | {before:.2f} | {y:+.3f} "
            f"| {min(luma):+.3f}, {max(luma):+.3f} | {u:+.3f} | {v:+.3f} | {len(found)} |"
        )
    return lines


def duration(rows: Sequence[dict[str, Any]]) -> str:
    """What a rectifier costs: medians, so that what the first codestream compiles does not count."""
    plain, better = (1000 * median(row["seconds"][k] for row in rows) for k in (0, 1))
    return (
        f"Latent to picture, median of {len(rows)} codestreams: "
        f"{plain:.0f} ms without, {better:.0f} ms with rectifiers, processor time."
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is not measured yet, then print the table of everything."""
    options = parse_arguments(arguments)
    torch.set_num_threads(1)
    plain = Machine(
        bundled_models() if options.models is None else open_models(options.models), threads=options.threads
    )
    better = replace(plain, models=with_rectifiers(plain.models, options.rectifiers or bundled_rectifiers()))
    paths = find([options.pictures])
    if options.limit and options.limit < len(paths):
        paths = [paths[i * len(paths) // options.limit] for i in range(options.limit)]
    lines = options.output.read_text().splitlines() if options.output.exists() else []
    rows = [json.loads(line) for line in lines]
    known = {(row["picture"], row["model"], row["delta"]) for row in rows}
    with options.output.open("a") as file:
        for path in paths:
            for model_id in options.model_ids:
                for delta in options.deltas:
                    if (path.name, model_id, delta) not in known:
                        rows.append(measure(path, (plain, better), model_id, delta))
                        file.write(json.dumps(rows[-1]) + "\n")
                        file.flush()
    print("\n".join([*table(rows), "", duration(rows)]))


if __name__ == "__main__":
    main()
