"""Export a trained model set: integer decoder files and the float encoder's weights.

    python tools/export_lite.py --checkpoints FOLDER --pictures FOLDER... --decoder DIR --encoder DIR

``--checkpoints`` is the output of ``tools/train.py``, ``--pictures`` are its training pictures: statistics of
the hyper-latent and the calibration of the networks come from them. The bundled set is ``--decoder
refdec/models/lite --encoder conformance/models/lite``. A model is written whole before the next one is begun.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from conformance.networks.convert import Scheme
from conformance.training.export import export_encoder, export_model, load_trained
from conformance.training.pictures import SIDE_LIMIT, find, load
from refdec.models_io import MODEL_IDS

LATENT_SCHEME, SYNTHESIS_SCHEME = "w8a16", "w16a16"


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--checkpoints", type=Path, required=True)
    parser.add_argument("--pictures", type=Path, nargs="+", required=True)
    parser.add_argument("--decoder", type=Path, required=True, help="folder of the integer models")
    parser.add_argument("--encoder", type=Path, required=True, help="folder of the encoder's weights")
    parser.add_argument("--model-ids", type=int, nargs="+", choices=MODEL_IDS, default=list(MODEL_IDS))
    parser.add_argument("--latent-scheme", default=LATENT_SCHEME, help="hyper-decoder and context model")
    parser.add_argument("--synthesis-scheme", default=SYNTHESIS_SCHEME)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write every model that is asked for, and say how long it took and how large it is."""
    options = parse_arguments(arguments)
    # one thread: float sums must not depend on the machine's size
    torch.set_num_threads(1)
    pictures = [load(path, SIDE_LIMIT) for path in find(options.pictures)]
    schemes = Scheme(options.latent_scheme), Scheme(options.synthesis_scheme)
    for model_id in options.model_ids:
        start = time.perf_counter()
        trained = load_trained(options.checkpoints, model_id)
        export_model(trained, options.decoder, pictures, schemes)
        weights = export_encoder(trained, options.encoder)
        folder = options.decoder / f"model{model_id}"
        decoder = sum(p.stat().st_size for p in folder.glob("*.safetensors") if p != weights)
        sizes = decoder, weights.stat().st_size
        text = " and ".join(f"{size / 1e6:.2f} MB" for size in sizes)
        seconds = time.perf_counter() - start
        print(f"model {model_id}: {text} for the decoder and the encoder, {seconds:.0f} s", flush=True)


if __name__ == "__main__":
    main()
