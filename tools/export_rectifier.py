"""Trained rectifiers to integer model files, beside the model set whose latents they read.

    python tools/export_rectifier.py --checkpoints FOLDER --pictures FOLDER... --output DIR [--models DIR]

``--checkpoints`` is the output of ``tools/train_rectifier.py``, ``--pictures`` are its training pictures:
some of them, as the integer encoder of the model set codes them, calibrate. The bundled ones are
``--output refdec/models/lite-rectifier``. What is not trained is left out.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch

from conformance.encoder.machine import Machine
from conformance.networks.convert import Scheme, convert_rectifier
from conformance.training.export import DELTAS
from conformance.training.pictures import SIDE_LIMIT, find, load
from conformance.training.rectifier import checkpoint_path, load_rectifier
from conformance.training.rectifier_data import examples, squares
from refdec.codestream import CHANNELS
from refdec.integer import save_model
from refdec.models_io import MODEL_IDS, bundled_models, file_name, open_models
from refdec.networks.models import RECTIFIER

PICTURES = 8
"""Training pictures that calibrate, evenly spread."""
SCHEME = "w8a16"


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoints", type=Path, required=True)
    parser.add_argument("--pictures", type=Path, nargs="+", required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--models", type=Path, help="model set; the bundled one by default")
    parser.add_argument("--model-ids", type=int, nargs="+", choices=MODEL_IDS, default=list(MODEL_IDS))
    parser.add_argument("--components", nargs="+", choices=("Y", "UV"), default=["Y", "UV"])
    parser.add_argument("--scheme", default=SCHEME)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write every rectifier that is trained and asked for."""
    options = parse_arguments(arguments)
    # one thread: float sums must not depend on the machine's size
    torch.set_num_threads(1)
    machine = Machine(bundled_models() if options.models is None else open_models(options.models))
    paths = find(options.pictures)
    count = min(PICTURES, len(paths))
    cuts = [squares(load(paths[i * len(paths) // count], SIDE_LIMIT))[0] for i in range(count)]
    for model_id in options.model_ids:
        for component in (0, 1):
            source = checkpoint_path(options.checkpoints, model_id, component)
            if ("Y", "UV")[component] not in options.components or not source.exists():
                continue
            data = examples(
                cuts, machine, model_id, component, (min(DELTAS), max(DELTAS)), rates=1, seed=model_id
            )
            model = convert_rectifier(
                load_rectifier(source, CHANNELS[component]),
                machine.models.latent(model_id, component),
                [rate.y_hat for example in data for rate in example.rates],
                Scheme(options.scheme),
                {"source": "lite", "source_sha256": hashlib.sha256(source.read_bytes()).hexdigest()},
            )
            path = options.output / file_name(model_id, RECTIFIER, component)
            path.parent.mkdir(parents=True, exist_ok=True)
            save_model(path, model)
            print(f"{path}: {path.stat().st_size} bytes, {model.provenance['quality']}", flush=True)


if __name__ == "__main__":
    main()
