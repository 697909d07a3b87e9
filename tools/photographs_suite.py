"""A suite of photographs and nothing else: what a decoder is usually tested with.

    python tools/photographs_suite.py --pictures FOLDER -o SUITE [--crop 128] [--rates 0.12 0.25 0.5 0.75 1.0]

Every picture below the folder is coded at every rate by the bundled encoder with its default options. The
golden decoder takes a second for each 128 x 128 samples, and a suite is decoded by hundreds of mutants: only
the middle of every picture is coded (``--crop 0``: all of it). SUITE has the format of docs/verify.md and
belongs outside of the repository: the pictures are somebody's.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import torch

from conformance.encoder.encode import Encoder, reconstruct
from conformance.encoder.machine import Machine
from conformance.encoder.source import make_source
from conformance.suite.recipes import Recipe
from conformance.suite.write import picture_entry, write_index
from conformance.training.pictures import find, load
from conformance.verify.outcome import planar_digest
from refdec.models_io import ModelSet, bundled_models

RATES = (0.12, 0.25, 0.5, 0.75, 1.0)
"""Bits per pixel, those of the JPEG AI common test conditions up to 1."""


def middle(size: tuple[int, int], side: int) -> tuple[int, int, int, int]:
    """The window ``(y, x, h, w)`` in the middle of a picture of that height and width; 0: all of it."""
    height, width = (min(n, side or n) for n in size)
    return (size[0] - height) // 2, (size[1] - width) // 2, height, width


def entries_of(
    path: Path, rates: list[float], side: int, folder: Path, models: ModelSet
) -> list[dict[str, Any]]:
    """Code one picture at all rates; write streams and traces, and return what the index says of them.

    :raises RuntimeError: the decoder makes another picture than the encoder believes in.
    """
    rgb = load(path)
    window = middle(rgb.shape[:2], side)
    y, x, h, w = window
    machine = Machine(models)
    source = make_source(rgb[y : y + h, x : x + w].copy())
    encoder = Encoder(source, machine)
    found = []
    for rate in rates:
        coded, match = encoder.code_at_rate(rate)
        name = f"{re.sub('[^a-z0-9]+', '-', path.stem.lower()).strip('-')}-{rate:g}"
        purpose = f"A photograph at {8 * len(coded.data) / source.pixels:.3f} bits per pixel."
        recipe = Recipe(name, purpose, path.stem, match.model_id, (match.delta, match.delta), window)
        entry = picture_entry(folder, recipe, coded.data, models)
        if entry["expect"]["planar_sha256"] != planar_digest(reconstruct(coded, machine).planes):
            raise RuntimeError(f"{name}: the decoder makes another picture than the encoder")
        found.append(entry)
    return found


def main() -> int:
    """Code all pictures, then write the index."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pictures", type=Path, required=True, help="folder of photographs")
    parser.add_argument("--output", "-o", type=Path, required=True, help="folder of the suite to make")
    parser.add_argument("--crop", type=int, default=128, help="side of what is coded; 0: everything")
    parser.add_argument("--rates", type=float, nargs="+", default=list(RATES), help="bits per pixel")
    options = parser.parse_args()
    # One thread: the encoder's float sums must not depend on the machine's size.
    torch.set_num_threads(1)
    try:
        pictures = find([options.pictures])
    except FileNotFoundError as error:
        parser.error(str(error))
    for part in ("streams", "traces"):
        shutil.rmtree(options.output / part, ignore_errors=True)
        (options.output / part).mkdir(parents=True)
    models, entries = bundled_models(), []
    for number, path in enumerate(pictures):
        entries += entries_of(path, options.rates, options.crop, options.output, models)
        print(f"{number + 1}/{len(pictures)} {path.name}", file=sys.stderr, flush=True)
    part = f"the middle {options.crop} x {options.crop} of each" if options.crop else "whole"
    rates = ", ".join(f"{rate:g}" for rate in options.rates)
    description = f"{len(pictures)} photographs, {part}, at {rates} bits per pixel."
    write_index(options.output, f"photographs in {options.pictures.name}", description, entries, {})
    print(f"{options.output}: {len(entries)} streams, {sum(e['bytes'] for e in entries)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
