"""Train the quantisation rectifiers of a model set. Resumable: call it again with the same output.

    python tools/train_rectifier.py --checkpoints FOLDER --pictures FOLDER... --output FOLDER [--scale 1.0]

``--checkpoints`` are the float checkpoints from which the model set was exported (``tools/train.py``), and
``--models`` is that set, the bundled one by default: its integer encoder codes the training pictures. Luma
of all models comes first. What comes out are ``rectifier0_Y.pt`` ... and a log in JSON Lines.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from conformance.encoder.machine import Machine
from conformance.training.export import load_trained
from conformance.training.pictures import SIDE_LIMIT, find, load
from conformance.training.rectifier import (
    DELTAS,
    RATES,
    Trainer,
    checkpoint_path,
    load_rectifier,
    phases,
)
from conformance.training.rectifier_data import examples, latent_unit, squares
from refdec.codestream import CHANNELS
from refdec.models_io import MODEL_IDS, bundled_models, open_models


def parse_arguments() -> argparse.Namespace:
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
    parser.add_argument("--scale", type=float, default=1.0, help="factor on the length of both phases")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main() -> None:
    """Train every rectifier that is not there yet."""
    options = parse_arguments()
    torch.set_num_threads(options.threads)
    options.output.mkdir(parents=True, exist_ok=True)
    machine = Machine(bundled_models() if options.models is None else open_models(options.models))
    cuts = [cut for path in find(options.pictures) for cut in squares(load(path, SIDE_LIMIT))]
    with (options.output / "rectifier_log.jsonl").open("a") as log_file:

        def log(line: str) -> None:
            log_file.write(line + "\n")
            log_file.flush()
            print(line, flush=True)

        for component in (0, 1):
            if ("Y", "UV")[component] not in options.components:
                continue
            for model_id in options.model_ids:
                path = checkpoint_path(options.output, model_id, component)
                if path.exists():
                    continue
                data = examples(
                    cuts, machine, model_id, component, DELTAS, rates=RATES, seed=options.seed + model_id
                )
                luma_path = checkpoint_path(options.output, model_id, 0)
                luma = load_rectifier(luma_path, CHANNELS[0]) if component and luma_path.exists() else None
                units = latent_unit(machine, model_id, 0), latent_unit(machine, model_id, 1)
                codec = load_trained(options.checkpoints, model_id).codecs[component]
                trainer = Trainer(component, codec.synthesis, data, units, luma=luma, seed=options.seed)
                trainer.run(phases(options.scale), path, log)


if __name__ == "__main__":
    main()
